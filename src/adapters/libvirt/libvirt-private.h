/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of this folder share: the adapter's state. docs/internals/libvirt.md explains it.
 */
#pragma once

#include "adapters/libvirt/hypervisor.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

/* ThreadSanitizer cannot see what GLib's thread pool hands from one thread to another. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define VR_HAND_OVER(object) __tsan_release(object)
#define VR_TAKE_OVER(object) __tsan_acquire(object)
#else
#define VR_HAND_OVER(object) ((void)(object))
#define VR_TAKE_OVER(object) ((void)(object))
#endif

#define VR_CONNECT_DEADLINE_US (10 * G_TIME_SPAN_SECOND)
/* libvirtd works on 5 requests of one client at a time; one stays free for retiring. */
#define VR_SHORT_CALLS_PER_HOST_MAX 4
#define VR_SHORT_CALLS_MAX 32
#define VR_MIGRATIONS_MAX 64

typedef struct VrOpening VrOpening;

/* One host of the fleet. What is below `changed` is guarded by the owner's lock. */
typedef struct {
    VrLibvirt *owner; /* borrowed: lives inside it */
    char *name;
    char *uri;
    char *peer_uri;
    char *migrate_uri;      /* nullable */
    pthread_cond_t changed; /* an opening has ended */

    virConnectPtr connection; /* the control connection; NULL: none */
    int event_id;             /* of its lifecycle events; -1 */
    guint64 generation;
    char *uuid;          /* as the host's first connection said; NULL: not known */
    VrOpening *opening;  /* (nullable) the attempt that callers wait for */
    guint hanging_count; /* attempts given up whose thread has not ended yet */
    guint failure_count; /* in a row */
    gint64 retry_at_us;  /* until then callers get last_error */
    GError *last_error;
    GQueue waiting;      /* (element-type VrCall) short calls that wait for their turn */
    guint running_count; /* short calls in the pool */
} VrLibvirtHost;

/*
 * Reference-counted, because a thread that libvirt blocks cannot be stopped: it may come back after
 * vr_libvirt_free. The locks are pthread's and not GLib's, which ThreadSanitizer cannot see.
 */
struct VrLibvirt {
    gint references;
    const VrFleet *fleet; /* of the caller: not for threads that may outlive vr_libvirt_free */
    int keepalive_interval_s;
    guint keepalive_count;
    VrLibvirtHost *hosts; /* same index as in the fleet */
    guint host_count;
    GThreadPool *short_pool;
    GThreadPool *migration_pool;

    pthread_mutex_t lock; /* never held across a call of libvirt or of somebody's callback */
    pthread_cond_t idle;  /* a call or a retirement has ended */
    gboolean closing;
    GQueue calls; /* (element-type VrCall) not ended yet */
    guint retiring_count;

    pthread_mutex_t watch_lock; /* recursive; held while `seen` runs */
    VrHintSeen seen;
    gpointer seen_data;
};

VrLibvirt *vr_libvirt_ref(VrLibvirt *self);
void vr_libvirt_unref(VrLibvirt *self);

/* By name or alias; NULL with VR_ERROR_NOT_FOUND. Only from the caller's threads. */
VrLibvirtHost *vr_libvirt_find_host(VrLibvirt *self, const char *name, GError **error);

/* The functions of the port, each in the file of its name. */
void vr_read_start(gpointer context, const char *host, const char *vm_uuid, VrRole role,
                   gboolean with_definition, VrReadDone done, gpointer data);
void vr_list_start(gpointer context, const char *host, VrListDone done, gpointer data);
void vr_sample_start(gpointer context, const char *host, VrSampleDone done, gpointer data);
void vr_migrate_start(gpointer context, const VrMigrationRequest *request, VrProgressSeen progress,
                      VrCallDone done, gpointer data);
void vr_act_start(gpointer context, const VrActionRequest *request, VrCallDone done, gpointer data);
void vr_watch_start(gpointer context, VrHintSeen seen, gpointer data);

G_END_DECLS
