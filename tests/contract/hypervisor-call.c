/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor-call.h"

#define SHORT_CALL_SECONDS 90

void
call_clear(Call *self)
{
    g_clear_error(&self->error);
}

gboolean
call_has_ended(const Call *self)
{
    return g_atomic_int_get(&self->ended) != 0;
}

static void
call_done(const GError *error, gpointer data)
{
    Call *self = data;
    self->done_count++;
    self->error = error == NULL ? NULL : g_error_copy(error);
    g_atomic_int_set(&self->ended, 1);
    g_main_context_wakeup(NULL);
}

static void
call_progressed(const VrMigrationProgress *progress, gpointer data)
{
    Call *self = data;
    assert_false(call_has_ended(self));
    self->progress = *progress;
    g_atomic_int_inc(&self->progress_count);
}

void
call_migrate(VrHypervisor port, const VrMigrationRequest *request, Call *self)
{
    *self = (Call){0};
    port.vtable->migrate(port.context, request, call_progressed, call_done, self);
}

static const CallGround *ground;

void
call_stand_on(const CallGround *the_ground)
{
    ground = the_ground;
}

gint64
call_now_us(void)
{
    return ground->now_us(ground->context);
}

static void
iterate_until(const gint *ended, gint64 deadline_us)
{
    while (!g_atomic_int_get(ended) && call_now_us() < deadline_us)
        ground->go_on(ground->context);
}

static void
wait_until_ended(const gint *ended, guint seconds)
{
    iterate_until(ended, call_now_us() + seconds * G_TIME_SPAN_SECOND);
    if (!g_atomic_int_get(ended))
        fail_msg("no answer within %u s", seconds);
}

void
call_wait(Call *self, guint seconds)
{
    wait_until_ended(&self->ended, seconds);
    assert_int_equal(self->done_count, 1);
}

void
wait_ms(guint milliseconds)
{
    gint never = 0;
    iterate_until(&never, call_now_us() + milliseconds * G_TIME_SPAN_MILLISECOND);
}

typedef struct {
    gint ended;
    VrReading *reading;
} Read;

static void
read_done(const VrReading *reading, gpointer data)
{
    Read *self = data;
    self->reading = g_new0(VrReading, 1);
    vr_reading_copy(reading, self->reading);
    g_atomic_int_set(&self->ended, 1);
    g_main_context_wakeup(NULL);
}

VrReading *
wait_read(VrHypervisor port, const char *host, const char *uuid, VrRole role,
          gboolean with_definition)
{
    Read call = {0};
    port.vtable->read(port.context, host, uuid, role, with_definition, read_done, &call);
    wait_until_ended(&call.ended, SHORT_CALL_SECONDS);
    return call.reading;
}

void
reading_free(VrReading *self)
{
    vr_reading_clear(self);
    g_free(self);
}

VrSide
wait_side(VrHypervisor port, const char *host, const char *uuid, VrRole role)
{
    g_autoptr(VrReading) reading = wait_read(port, host, uuid, role, FALSE);
    return reading->side;
}

void
wait_until_side(VrHypervisor port, const char *host, const char *uuid, VrRole role, VrSide side,
                guint seconds)
{
    gint64 deadline_us = call_now_us() + seconds * G_TIME_SPAN_SECOND;
    VrSide seen = wait_side(port, host, uuid, role);
    while (seen != side && call_now_us() < deadline_us) {
        wait_ms(50);
        seen = wait_side(port, host, uuid, role);
    }
    if (seen != side)
        fail_msg("%s: still %s, not %s", host, vr_side_to_string(seen), vr_side_to_string(side));
}

typedef struct {
    gint ended;
    VrListing *listing;
} List;

static void
list_done(const VrListing *listing, gpointer data)
{
    List *self = data;
    VrListing *copy = vr_listing_new();
    copy->reachable = listing->reachable;
    copy->host_uuid = g_strdup(listing->host_uuid);
    copy->detail = g_strdup(listing->detail);
    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        VrListedVm *added = vr_listing_add(copy, vm->uuid, vm->name);
        added->side = vm->side;
        added->active = vm->active;
        added->autostart = vm->autostart;
        added->persistent = vm->persistent;
        added->memory_mib = vm->memory_mib;
    }
    self->listing = copy;
    g_atomic_int_set(&self->ended, 1);
    g_main_context_wakeup(NULL);
}

VrListing *
wait_list(VrHypervisor port, const char *host)
{
    List call = {0};
    port.vtable->list(port.context, host, list_done, &call);
    wait_until_ended(&call.ended, SHORT_CALL_SECONDS);
    return call.listing;
}

GError *
wait_act(VrHypervisor port, const VrActionRequest *request)
{
    Call call = {0};
    port.vtable->act(port.context, request, call_done, &call);
    call_wait(&call, SHORT_CALL_SECONDS);
    return call.error;
}
