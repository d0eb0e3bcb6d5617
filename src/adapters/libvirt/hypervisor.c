/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/hypervisor.h"

#include "adapters/libvirt/call.h"
#include "adapters/libvirt/connection.h"

/* How long vr_libvirt_free lets short calls and closing connections end. */
#define CLOSE_GRACE_US (2 * G_TIME_SPAN_SECOND)

static void
init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void
init_locks(VrLibvirt *self)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&self->watch_lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_mutex_init(&self->lock, NULL);
    init_condition(&self->idle);
}

static void
init_host(VrLibvirtHost *self, VrLibvirt *owner, const VrFleetHost *host)
{
    self->owner = owner;
    self->name = g_strdup(host->name);
    self->uri = g_strdup(host->uri);
    self->peer_uri = g_strdup(host->peer_uri);
    self->migrate_uri = g_strdup(host->migrate_uri);
    self->event_id = -1;
    init_condition(&self->changed);
    g_queue_init(&self->waiting);
}

VrLibvirt *
vr_libvirt_new(const VrFleet *fleet)
{
    vr_connection_prepare_process();

    VrLibvirt *self = g_new0(VrLibvirt, 1);
    self->references = 1;
    self->fleet = fleet;
    self->keepalive_interval_s = (int)fleet->keepalive_interval_s;
    self->keepalive_count = (guint)fleet->keepalive_count;
    init_locks(self);
    g_queue_init(&self->calls);
    self->host_count = fleet->hosts->len;
    self->hosts = g_new0(VrLibvirtHost, self->host_count);
    for (guint i = 0; i < self->host_count; i++)
        init_host(&self->hosts[i], self, vr_fleet_host(fleet, i));
    /* Shared threads: no error can come of it. */
    self->short_pool = g_thread_pool_new(vr_call_run_short, self, VR_SHORT_CALLS_MAX, FALSE, NULL);
    self->migration_pool =
        g_thread_pool_new(vr_call_run_migration, self, VR_MIGRATIONS_MAX, FALSE, NULL);
    return self;
}

VrLibvirt *
vr_libvirt_ref(VrLibvirt *self)
{
    g_atomic_int_inc(&self->references);
    return self;
}

static void
clear_host(VrLibvirtHost *self)
{
    g_assert(self->connection == NULL && self->opening == NULL);
    g_free(self->name);
    g_free(self->uri);
    g_free(self->peer_uri);
    g_free(self->migrate_uri);
    g_free(self->uuid);
    g_clear_error(&self->last_error);
    pthread_cond_destroy(&self->changed);
}

void
vr_libvirt_unref(VrLibvirt *self)
{
    if (!g_atomic_int_dec_and_test(&self->references))
        return;
    for (guint i = 0; i < self->host_count; i++)
        clear_host(&self->hosts[i]);
    g_free(self->hosts);
    pthread_cond_destroy(&self->idle);
    pthread_mutex_destroy(&self->lock);
    pthread_mutex_destroy(&self->watch_lock);
    g_free(self);
}

VrHypervisor
vr_libvirt_port(VrLibvirt *self)
{
    static const VrHypervisorVTable vtable = {
        .read = vr_read_start,
        .list = vr_list_start,
        .sample = vr_sample_start,
        .migrate = vr_migrate_start,
        .act = vr_act_start,
        .watch = vr_watch_start,
    };
    return (VrHypervisor){self, &vtable};
}

VrLibvirtHost *
vr_libvirt_find_host(VrLibvirt *self, const char *name, GError **error)
{
    gint index = vr_fleet_find_host(self->fleet, name);
    if (index < 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "%s: no such host in %s", name,
                    self->fleet->path);
        return NULL;
    }
    return &self->hosts[index];
}

void
vr_libvirt_expect(VrLibvirt *self, const VrInventory *inventory)
{
    pthread_mutex_lock(&self->lock);
    for (guint i = 0; i < self->host_count; i++) {
        gint index = vr_inventory_find_host(inventory, self->hosts[i].name);
        if (index >= 0 && self->hosts[i].uuid == NULL)
            self->hosts[i].uuid = g_strdup(vr_inventory_host(inventory, (guint)index)->uuid);
    }
    pthread_mutex_unlock(&self->lock);
}

void
vr_libvirt_free(VrLibvirt *self)
{
    if (self == NULL)
        return;
    vr_watch_start(self, NULL, NULL);

    pthread_mutex_lock(&self->lock);
    self->closing = TRUE;
    for (guint i = 0; i < self->host_count; i++)
        pthread_cond_broadcast(&self->hosts[i].changed);
    pthread_mutex_unlock(&self->lock);

    gint64 deadline_us = g_get_monotonic_time() + CLOSE_GRACE_US;
    vr_call_cut_off_all(self, CLOSE_GRACE_US);
    vr_connection_close_all(self, deadline_us + CLOSE_GRACE_US);

    /* Threads that libvirt still blocks end later; they have references of their own. */
    g_thread_pool_free(self->short_pool, FALSE, FALSE);
    g_thread_pool_free(self->migration_pool, FALSE, FALSE);
    vr_libvirt_unref(self);
}
