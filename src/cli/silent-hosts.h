/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts that a rollout waits for or asks about because they cannot be read: which VMs are lost if
 * such a host is dead, and what a person does then to bring them back. Nothing here is ever done by
 * the program: it cannot tell a dead host from one that only it does not reach.
 */
#pragma once

#include "base/json.h"
#include "cli/render.h"

G_BEGIN_DECLS

/*
 * A VM whose last known place is a silent host, or which was on its way there. All borrowed from
 * the rollout.
 */
typedef struct {
    const VrVm *vm;
    const VrStepState *moving; /* (nullable) its migration was in hand: look at the other end too */
    gboolean may_have_arrived; /* it was moving there and not seen there yet */
    gboolean has_definition;   /* in the journal */
    gboolean autostart;
    const VrHost *proposed;  /* (nullable) an open host with room, an updated one if there is any */
    gboolean must_be_opened; /* the proposed one: a refuge, since no open host has room */
} VrSilentVm;

typedef struct {
    const char *host;
    const char *reason; /* (nullable) */
    gint64 since_us;
    gboolean set_aside; /* lost in its update: the others go on without it */
    gboolean asks;      /* for longer than the policy's hold: a person is asked */
    guint shut_off;     /* VMs that are defined there and did not run */
    guint arriving;     /* of `vms`, the last ones: those that may have arrived */
    GArray *vms;        /* (element-type VrSilentVm) those that ran */
} VrSilentHost;

/* (element-type VrSilentHost) by name; empty if all that was read answered. */
GPtrArray *vr_silent_hosts_find(const VrRollout *rollout);

/* The host that the VM's migration is about, other than the silent one. */
const char *vr_silent_vm_other_end(const VrSilentVm *self, const char *host);

/*
 * What to type for one VM, in this order, once the host is certainly off: look at the other end,
 * get the definition, define, start, autostart. (transfer full) (element-type utf8)
 */
GPtrArray *vr_silent_vm_commands(const VrSilentVm *self, const char *host,
                                 const VrStatusView *view);

/* Member `silent_hosts` of an object in the making. */
void vr_silent_hosts_add_json(JsonBuilder *builder, const VrStatusView *view);

G_END_DECLS
