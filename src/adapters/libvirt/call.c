/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/call.h"

#include <errno.h>

gpointer
vr_call_new(const VrCallClass *class, VrLibvirtHost *host, gpointer data)
{
    VrCall *self = g_malloc0(class->size);
    self->class = class;
    self->host = host;
    self->data = data;
    self->references = 1;
    self->link.data = self;
    vr_libvirt_ref(host->owner);
    return self;
}

gpointer
vr_call_ref(gpointer call)
{
    VrCall *self = call;
    g_atomic_int_inc(&self->references);
    return self;
}

void
vr_call_unref(gpointer call)
{
    VrCall *self = call;
    if (!g_atomic_int_dec_and_test(&self->references))
        return;
    VrLibvirt *owner = self->host->owner;
    self->class->clear(self);
    g_clear_pointer(&self->deadline, g_source_unref);
    g_free(self);
    vr_libvirt_unref(owner);
}

/* Says TRUE if the call may go to the pool now; else it waits for its host's turn. */
static gboolean
take_turn(VrCall *self)
{
    VrLibvirtHost *host = self->host;
    if (self->class->is_migration)
        return TRUE;
    if (host->running_count < VR_SHORT_CALLS_PER_HOST_MAX) {
        host->running_count++;
        return TRUE;
    }
    g_queue_push_tail(&host->waiting, self);
    return FALSE;
}

static void
push(VrCall *self)
{
    VrLibvirt *owner = self->host->owner;
    GThreadPool *pool = self->class->is_migration ? owner->migration_pool : owner->short_pool;
    VR_HAND_OVER(self);
    /* An error only says that no further thread could be had; the call waits for another one. */
    (void)g_thread_pool_push(pool, self, NULL);
}

/* Tells the caller, unless somebody does already. */
static void
give_up(VrCall *self, VrErrorCode code, const char *reason)
{
    if (!vr_call_claim(self))
        return;
    const char *fate = self->effective ? "; the daemon may still be working on it" : "";
    g_autoptr(GError) why =
        g_error_new(VR_ERROR, (gint)(self->effective ? VR_ERROR_UNREACHABLE : code), "%s: %s%s",
                    self->host->name, reason, fate);
    self->class->cut_off(self, why);
    vr_call_end(self);
}

/* Its worker stays where it is, and the host has one less, until libvirt comes back. */
static gboolean
is_overdue(gpointer call)
{
    give_up(call, VR_ERROR_TIMEOUT,
            "no answer for " G_STRINGIFY(VR_CALL_DEADLINE_S) " s, though its daemon is alive: its "
                                                             "storage or a VM's QEMU may hang");
    VR_HAND_OVER(call);
    return G_SOURCE_REMOVE;
}

static void
set_deadline(VrCall *self)
{
    if (self->class->is_migration)
        return;
    self->deadline = g_timeout_source_new_seconds(VR_CALL_DEADLINE_S);
    g_source_set_callback(self->deadline, is_overdue, vr_call_ref(self), vr_call_unref);
    g_source_attach(self->deadline, NULL);
}

void
vr_call_submit(gpointer call)
{
    VrCall *self = call;
    VrLibvirt *owner = self->host->owner;

    set_deadline(self);
    pthread_mutex_lock(&owner->lock);
    gboolean refused = owner->closing;
    if (refused) {
        self->claimed = TRUE;
    } else {
        g_queue_push_tail_link(&owner->calls, &self->link);
        if (take_turn(self)) {
            /* Under the lock, for vr_libvirt_free takes the pools away. */
            push(self);
        }
    }
    pthread_mutex_unlock(&owner->lock);

    if (refused) {
        g_autoptr(GError) why =
            g_error_new(VR_ERROR, VR_ERROR_CANCELLED, "%s: not asked: the controller is closing",
                        self->host->name);
        self->class->cut_off(self, why);
        if (self->deadline != NULL)
            g_source_destroy(self->deadline);
        vr_call_unref(self);
    }
}

gboolean
vr_call_claim(gpointer call)
{
    VrCall *self = call;
    VrLibvirt *owner = self->host->owner;

    pthread_mutex_lock(&owner->lock);
    gboolean mine = !self->claimed;
    self->claimed = TRUE;
    while (mine && self->notifying_count > 0)
        pthread_cond_wait(&owner->idle, &owner->lock);
    pthread_mutex_unlock(&owner->lock);
    return mine;
}

void
vr_call_end(gpointer call)
{
    VrCall *self = call;
    VrLibvirt *owner = self->host->owner;

    if (self->deadline != NULL)
        g_source_destroy(self->deadline);
    pthread_mutex_lock(&owner->lock);
    g_queue_unlink(&owner->calls, &self->link);
    pthread_cond_broadcast(&owner->idle);
    pthread_mutex_unlock(&owner->lock);
}

gboolean
vr_call_begin_effect(gpointer call)
{
    VrCall *self = call;
    VrLibvirt *owner = self->host->owner;

    pthread_mutex_lock(&owner->lock);
    gboolean in_time = !self->claimed;
    self->effective = in_time;
    pthread_mutex_unlock(&owner->lock);
    return in_time;
}

gboolean
vr_call_begin_notice(gpointer call)
{
    VrCall *self = call;
    VrLibvirt *owner = self->host->owner;

    pthread_mutex_lock(&owner->lock);
    gboolean in_time = !self->claimed;
    if (in_time)
        self->notifying_count++;
    pthread_mutex_unlock(&owner->lock);
    return in_time;
}

void
vr_call_end_notice(gpointer call)
{
    VrCall *self = call;
    VrLibvirt *owner = self->host->owner;

    pthread_mutex_lock(&owner->lock);
    self->notifying_count--;
    pthread_cond_broadcast(&owner->idle);
    pthread_mutex_unlock(&owner->lock);
}

/* The worker's part: the reference is the pool's. A call that was cut off need not run. */
static void
run(VrCall *self)
{
    VrLibvirt *owner = self->host->owner;
    pthread_mutex_lock(&owner->lock);
    gboolean in_time = !self->claimed;
    pthread_mutex_unlock(&owner->lock);
    if (in_time)
        self->class->run(self);
    vr_call_unref(self);
}

void
vr_call_run_short(gpointer call, gpointer libvirt)
{
    VR_TAKE_OVER(call);
    VrLibvirtHost *host = ((VrCall *)call)->host;
    VrLibvirt *owner = vr_libvirt_ref(libvirt);
    run(call);

    pthread_mutex_lock(&owner->lock);
    VrCall *next = owner->closing ? NULL : g_queue_pop_head(&host->waiting);
    if (next == NULL) {
        host->running_count--;
    } else {
        /* Back to the pool's queue and not on in this thread: other hosts come first. */
        push(next);
    }
    pthread_mutex_unlock(&owner->lock);
    vr_libvirt_unref(owner);
}

void
vr_call_run_migration(gpointer call, gpointer libvirt)
{
    (void)libvirt;
    VR_TAKE_OVER(call);
    run(call);
}

gboolean
vr_call_wait_until(VrLibvirt *self, pthread_cond_t *condition, gint64 deadline_us)
{
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_us / G_USEC_PER_SEC),
        .tv_nsec = (long)(deadline_us % G_USEC_PER_SEC) * 1000,
    };
    return pthread_cond_timedwait(condition, &self->lock, &deadline) != ETIMEDOUT;
}

static GPtrArray *
copy_calls(VrLibvirt *self, gboolean only_migrations)
{
    GPtrArray *calls = g_ptr_array_new_with_free_func(vr_call_unref);
    for (GList *link = self->calls.head; link != NULL; link = link->next) {
        VrCall *call = link->data;
        if (call->class->is_migration || !only_migrations)
            g_ptr_array_add(calls, vr_call_ref(call));
    }
    return calls;
}

static void
cut_off_some(VrLibvirt *self, gboolean only_migrations)
{
    pthread_mutex_lock(&self->lock);
    g_autoptr(GPtrArray) calls = copy_calls(self, only_migrations);
    pthread_mutex_unlock(&self->lock);
    for (guint i = 0; i < calls->len; i++)
        give_up(g_ptr_array_index(calls, i), VR_ERROR_CANCELLED, "the controller is closing");
}

/* Those that wait for their host's turn will not get it any more. */
static void
cut_off_waiting(VrLibvirt *self)
{
    for (guint i = 0; i < self->host_count; i++) {
        pthread_mutex_lock(&self->lock);
        VrCall *call = g_queue_pop_head(&self->hosts[i].waiting);
        pthread_mutex_unlock(&self->lock);
        while (call != NULL) {
            give_up(call, VR_ERROR_CANCELLED, "the controller is closing");
            vr_call_unref(call);
            pthread_mutex_lock(&self->lock);
            call = g_queue_pop_head(&self->hosts[i].waiting);
            pthread_mutex_unlock(&self->lock);
        }
    }
}

void
vr_call_cut_off_all(VrLibvirt *self, gint64 grace_us)
{
    gint64 deadline_us = g_get_monotonic_time() + grace_us;
    cut_off_waiting(self);
    cut_off_some(self, TRUE);

    pthread_mutex_lock(&self->lock);
    gboolean in_time = TRUE;
    while (in_time && self->calls.length > 0)
        in_time = vr_call_wait_until(self, &self->idle, deadline_us);
    pthread_mutex_unlock(&self->lock);
    cut_off_some(self, FALSE);

    /* Who has claimed a call is in its caller's callback: that ends before we say we are free. */
    pthread_mutex_lock(&self->lock);
    while (self->calls.length > 0)
        pthread_cond_wait(&self->idle, &self->lock);
    pthread_mutex_unlock(&self->lock);
}
