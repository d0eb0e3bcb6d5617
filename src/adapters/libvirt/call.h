/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call of the port under way: runs in a worker, comes back exactly once. Short calls take turns
 * per host, so that a host that hangs cannot occupy the pool; migrations have a pool of their own.
 */
#pragma once

#include "adapters/libvirt/libvirt-private.h"

G_BEGIN_DECLS

typedef struct VrCall VrCall;

/*
 * libvirt gives up after 30 s waiting for another call's job, but never while QEMU or storage does
 * not answer: a guest whose QEMU hangs would keep its caller for ever.
 */
#define VR_CALL_DEADLINE_S 45

typedef struct {
    gsize size; /* of the structure that begins with a VrCall */
    gboolean is_migration;
    void (*run)(VrCall *self);                        /* in a worker; must end the call */
    void (*cut_off)(VrCall *self, const GError *why); /* tells the caller; already claimed */
    void (*clear)(VrCall *self);                      /* frees what the call owns */
} VrCallClass;

struct VrCall {
    const VrCallClass *class;
    VrLibvirtHost *host; /* where it runs; its owner is referenced */
    gpointer data;       /* of the caller */
    gint references;

    GSource *deadline; /* NULL: a migration, which ends when it ends */

    /* Under the owner's lock. */
    gboolean claimed;      /* somebody is about to tell the caller how it ended */
    gboolean effective;    /* libvirt may have been asked to change something */
    guint notifying_count; /* progress callbacks that run now */
    GList link;            /* in the owner's calls */
};

/* (transfer full) */
gpointer vr_call_new(const VrCallClass *class, VrLibvirtHost *host, gpointer data);
gpointer vr_call_ref(gpointer self);
void vr_call_unref(gpointer self);

/*
 * Hands it to the workers, or cuts it off if the adapter is closing. A short call that has not come
 * back in VR_CALL_DEADLINE_S is cut off too. (transfer full)
 */
void vr_call_submit(gpointer self);

/*
 * TRUE to exactly one: who then tells the caller and calls vr_call_end. FALSE: it was told already.
 * Waits for progress callbacks, so that none comes after the end.
 */
gboolean vr_call_claim(gpointer self);
void vr_call_end(gpointer self);

/* Right before libvirt is asked to change anything. FALSE: too late, the call was cut off. */
gboolean vr_call_begin_effect(gpointer self);

/* Around each progress callback. FALSE: the call has ended, say nothing. */
gboolean vr_call_begin_notice(gpointer self);
void vr_call_end_notice(gpointer self);

/* What the two pools run. */
void vr_call_run_short(gpointer call, gpointer libvirt);
void vr_call_run_migration(gpointer call, gpointer libvirt);

/* Cuts off what has not ended `grace_us` from now; migrations, which take longer, at once. */
void vr_call_cut_off_all(VrLibvirt *self, gint64 grace_us);

/* Waits on a condition of the adapter, with its lock held. FALSE: deadline (monotonic) reached. */
gboolean vr_call_wait_until(VrLibvirt *self, pthread_cond_t *condition, gint64 deadline_us);

G_END_DECLS
