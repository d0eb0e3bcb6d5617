/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-world-private.h"

typedef struct {
    FakeVm *vm;
    guint flight;
    FakeMigration kind;
    VrProgressSeen progress;
    VrCallDone done;
    gpointer data;
    GError *error;
} FakeMove;

static gboolean
runs(VrSide side)
{
    return side == VR_SIDE_RUNNING || side == VR_SIDE_RUNNING_JOB;
}

static void
check_vm(FakeWorld *self, const FakeVm *vm)
{
    guint running = 0;

    for (guint h = 0; h < self->host_count; h++)
        running += runs(vm->at[h]);
    if (running > 1)
        fake_breach(self, "%s runs on %u hosts", vm->name, running);
}

static void
set_side(FakeWorld *self, FakeVm *vm, guint host, VrSide side)
{
    vm->at[host] = side;
    if (side == VR_SIDE_ABSENT)
        vm->persistent[host] = vm->autostart[host] = FALSE;
    check_vm(self, vm);
}

static void
fake_read(gpointer context, const char *host, const char *vm_uuid, VrRole role,
          gboolean with_definition, VrReadDone done, gpointer data)
{
    FakeWorld *self = context;
    guint h = fake_world_host(self, host);
    const FakeVm *vm = fake_world_vm(self, vm_uuid);
    VrReading reading = {.side = vm->at[h], .libvirt_id = -1, .cpu_time_ns = -1};
    (void)role;

    if (fake_dies(self) || !self->hosts[h].reachable) {
        reading.side = VR_SIDE_UNKNOWN;
        reading.failure = self->hosts[h].trouble;
        reading.detail = g_strdup_printf("no answer at %" G_GINT64_FORMAT, self->now_us);
    } else {
        reading.persistent = vm->persistent[h];
        reading.autostart = vm->autostart[h];
        reading.memory_mib = vm->memory_mib;
        reading.shutting_down = vm->at[h] == VR_SIDE_ODD;
        reading.generation = 1;
        reading.stats = (VrMigrationStats){900, 60, 76};
        if (fake_is_active(reading.side)) {
            reading.libvirt_id = vm->id[h];
            reading.cpu_time_ns = self->now_us * 100;
        }
        if (with_definition)
            reading.definition = g_strdup(FAKE_DEFINITION);
    }
    done(&reading, data);
    vr_reading_clear(&reading);
}

static void
fake_list(gpointer context, const char *host, VrListDone done, gpointer data)
{
    FakeWorld *self = context;
    guint h = fake_world_host(self, host);
    g_autoptr(VrListing) listing = vr_listing_new();

    if (self->before_list != NULL)
        self->before_list(self, h);
    listing->reachable = !fake_dies(self) && self->hosts[h].reachable;
    if (!listing->reachable)
        listing->failure = self->hosts[h].trouble;
    listing->host_uuid = g_strdup(self->hosts[h].uuid);
    for (guint v = 0; v < self->vm_count && listing->reachable; v++) {
        const FakeVm *vm = &self->vms[v];
        if (vm->at[h] == VR_SIDE_ABSENT)
            continue;
        VrListedVm *listed = vr_listing_add(listing, vm->uuid, vm->name);
        listed->side = vm->at[h];
        listed->active = fake_is_active(vm->at[h]);
        listed->persistent = vm->persistent[h];
        listed->autostart = vm->autostart[h];
        listed->memory_mib = vm->memory_mib;
    }
    done(listing, data);
}

/* Busy guests: a fifth of a CPU each, 20 requests a second of 0.8 ms; on a sick host they wait. */
static void
fake_sample(gpointer context, const char *host, VrSampleDone done, gpointer data)
{
    FakeWorld *self = context;
    guint h = fake_world_host(self, host);
    const FakeHost *own = &self->hosts[h];
    gint64 age_us = self->now_us - FAKE_BEGIN_US;
    gint64 sick_us = own->sick_since_us != 0 ? self->now_us - own->sick_since_us : 0;
    g_autoptr(VrSampling) sampling = vr_sampling_new();

    sampling->reachable = own->reachable && !own->is_unsampled;
    sampling->cpus = 64;
    for (guint v = 0; v < self->vm_count && sampling->reachable; v++) {
        const FakeVm *vm = &self->vms[v];
        if (vm->at[h] == VR_SIDE_ABSENT)
            continue;
        VrSampledVm *sampled = vr_sampling_add(sampling, vm->uuid);
        sampled->sample = (VrHealthSample){
            .vcpus = 1,
            .run_us = age_us / 5,
            .delay_us = age_us / 2000 + sick_us / 2,
            .requests = age_us / 50000,
            .io_us = age_us / 50000 * 800,
        };
    }
    done(sampling, data);
}

static void
move_free(FakeMove *move)
{
    g_clear_error(&move->error);
    g_free(move);
}

static void
end_move(FakeWorld *self, gpointer data)
{
    FakeMove *move = data;
    (void)self;

    move->vm->flight = 0;
    move->done(move->error, move->data);
    move_free(move);
}

/* The target runs; what becomes of the source depends on how this one goes. */
static void
finish_move(FakeWorld *self, FakeMove *move)
{
    FakeVm *vm = move->vm;
    guint source = vm->source;
    guint target = vm->target;

    vm->completed++;
    vm->id[target] = 1000 + (gint64)++self->flights;
    vm->persistent[target] = move->kind != FAKE_MIGRATION_LOSES_DEFINITION;
    set_side(self, vm, source, VR_SIDE_MIGRATION);
    set_side(self, vm, target,
             move->kind == FAKE_MIGRATION_IS_SHUT_DOWN ? VR_SIDE_OFF_BY_GUEST : VR_SIDE_RUNNING);
    if (move->kind == FAKE_MIGRATION_LEAVES_BOTH_PAUSED_SOURCE)
        move->error = g_error_new(VR_ERROR, VR_ERROR_UNREACHABLE, "end of file from %u", source);
    else if (move->kind == FAKE_MIGRATION_KEEPS_DEFINITION)
        set_side(self, vm, source, VR_SIDE_OFF);
    else
        set_side(self, vm, source, VR_SIDE_ABSENT);
}

static void
switch_over(FakeWorld *self, gpointer data)
{
    FakeMove *move = data;
    FakeVm *vm = move->vm;

    if (vm->flight != move->flight) {
        vr_failure_set(&move->error, VR_FAILURE_ABORTED, vm->name, NULL);
        move->done(move->error, move->data);
        move_free(move);
        return;
    }
    if (move->kind == FAKE_MIGRATION_FAILS && self->next_failure != VR_FAILURE_NONE) {
        set_side(self, vm, vm->target, VR_SIDE_ABSENT);
        set_side(self, vm, vm->source, VR_SIDE_RUNNING);
        vr_failure_set(&move->error, self->next_failure, vm->name, "libvirt's words");
    } else if (move->kind == FAKE_MIGRATION_FAILS || move->kind == FAKE_MIGRATION_IS_REFUSED) {
        set_side(self, vm, vm->target, VR_SIDE_ABSENT);
        set_side(self, vm, vm->source, VR_SIDE_RUNNING);
        move->error = g_error_new(
            VR_ERROR, move->kind == FAKE_MIGRATION_FAILS ? VR_ERROR_FAILED : VR_ERROR_REFUSED,
            "target said no");
    } else if (move->kind == FAKE_MIGRATION_LEAVES_PAUSED) {
        set_side(self, vm, vm->target, VR_SIDE_ABSENT);
        set_side(self, vm, vm->source, VR_SIDE_MIGRATION);
        move->error = g_error_new(VR_ERROR, VR_ERROR_UNREACHABLE, "connection lost");
    } else if (move->kind == FAKE_MIGRATION_KILLS) {
        set_side(self, vm, vm->target, VR_SIDE_ABSENT);
        set_side(self, vm, vm->source, VR_SIDE_OFF);
        move->error = g_error_new(VR_ERROR, VR_ERROR_FAILED, "qemu died");
    } else {
        finish_move(self, move);
    }
    fake_after(self, 20 * FAKE_MS, end_move, move);
}

/* Until it is aborted; what it has sent grows, or the network lets nothing through. */
static void
go_on_for_ever(FakeWorld *self, gpointer data)
{
    FakeMove *move = data;
    VrMigrationProgress progress = {
        .data_total_mib = 96, .data_processed_mib = 15, .data_remaining_mib = 79};

    if (self->engine != NULL && move->vm->flight == move->flight) {
        if (move->kind == FAKE_MIGRATION_NEVER_CONVERGES)
            progress.data_processed_mib = (self->now_us - move->vm->begun_us) / (10 * FAKE_MS);
        move->progress(&progress, move->data);
        fake_after(self, 500 * FAKE_MS, go_on_for_ever, move);
        return;
    }
    vr_failure_set(&move->error, VR_FAILURE_ABORTED, move->vm->name, NULL);
    move->done(move->error, move->data);
    move_free(move);
}

static void
begin_move(FakeWorld *self, FakeVm *vm, guint source, guint target, VrProgressSeen progress,
           VrCallDone done, gpointer data)
{
    FakeMove *move = g_new0(FakeMove, 1);

    *move = (FakeMove){.vm = vm, .progress = progress, .done = done, .data = data};
    vm->begun_us = self->now_us;
    if (self->next_migration_count > 0 &&
        (self->next_vm == NULL || g_strcmp0(self->next_vm, vm->name) == 0)) {
        self->next_migration_count--;
        move->kind = self->next_migration;
    }
    self->migrations_issued++;
    vm->migrations++;
    vm->source = source;
    vm->target = target;
    vm->flight = move->flight = ++self->flights;
    set_side(self, vm, source, VR_SIDE_RUNNING_JOB);
    set_side(self, vm, target, VR_SIDE_MIGRATION_JOB);
    fake_after(self, 900 * FAKE_MS,
               move->kind == FAKE_MIGRATION_STALLS || move->kind == FAKE_MIGRATION_NEVER_CONVERGES
                   ? go_on_for_ever
                   : switch_over,
               move);
}

static gboolean
may_migrate(FakeWorld *self, const FakeVm *vm, guint source, guint target)
{
    if (vm->flight != 0)
        fake_breach(self, "%s: second migration while one is in flight", vm->name);
    if (!self->hosts[source].closed)
        fake_breach(self, "%s: leaves %s, which is open", vm->name, self->hosts[source].name);
    return vm->at[source] == VR_SIDE_RUNNING && vm->at[target] == VR_SIDE_ABSENT &&
           !self->hosts[target].closed;
}

static void
nobody_waits(const GError *error, gpointer data)
{
    (void)error;
    (void)data;
}

typedef struct {
    FakeVm *vm;
    guint source;
    guint target;
} LateCall;

/* A call that sat in the daemon's queue when its caller died. */
static void
begin_late(FakeWorld *self, gpointer data)
{
    LateCall *late = data;

    if (may_migrate(self, late->vm, late->source, late->target))
        begin_move(self, late->vm, late->source, late->target, NULL, nobody_waits, NULL);
    g_free(late);
}

static void
fake_migrate(gpointer context, const VrMigrationRequest *request, VrProgressSeen progress,
             VrCallDone done, gpointer data)
{
    FakeWorld *self = context;
    FakeVm *vm = fake_world_vm(self, request->vm_uuid);
    guint source = fake_world_host(self, request->source);
    guint target = fake_world_host(self, request->target);
    gboolean was_alive = !self->crashed;

    if (fake_dies(self)) {
        if (was_alive && self->late_calls) {
            LateCall *late = g_new(LateCall, 1);
            *late = (LateCall){vm, source, target};
            fake_after(self, 3000 * FAKE_MS, begin_late, late);
        }
        done(NULL, data);
    } else if (may_migrate(self, vm, source, target)) {
        begin_move(self, vm, source, target, progress, done, data);
    } else {
        g_autoptr(GError) refused = g_error_new(VR_ERROR, VR_ERROR_REFUSED, "cannot migrate");
        done(refused, data);
    }
}

static void
perform(FakeWorld *self, FakeVm *vm, guint host, const VrActionRequest *request)
{
    switch (request->action) {
    case VR_ACTION_RESUME_SOURCE:
        if (vm->completed > 0 && vm->at[vm->target] != VR_SIDE_ABSENT)
            fake_breach(self, "%s: old copy resumed", vm->name);
        set_side(self, vm, host, VR_SIDE_RUNNING);
        return;
    case VR_ACTION_DESTROY_SOURCE:
        if (runs(vm->at[host]))
            fake_breach(self, "%s: running guest destroyed", vm->name);
        set_side(self, vm, host, VR_SIDE_OFF);
        return;
    case VR_ACTION_UNDEFINE_SOURCE:
    case VR_ACTION_UNDEFINE_TARGET:
        if (fake_is_active(vm->at[host]))
            fake_breach(self, "%s: active guest undefined", vm->name);
        set_side(self, vm, host, VR_SIDE_ABSENT);
        return;
    case VR_ACTION_DEFINE_TARGET:
        vm->persistent[host] = TRUE;
        return;
    case VR_ACTION_SET_AUTOSTART:
        if (vm->autostart[host])
            fake_breach(self, "%s: autostart set twice", vm->name);
        vm->autostart[host] = TRUE;
        return;
    case VR_ACTION_ABORT:
        set_side(self, vm, vm->target, VR_SIDE_ABSENT);
        set_side(self, vm, vm->source, VR_SIDE_RUNNING);
        vm->flight = 0;
        return;
    }
}

/* Written apart from the table: which rows may ask for an action. */
static gboolean
row_allows(VrAction action, VrRow row)
{
    switch (action) {
    case VR_ACTION_ABORT:
        return row == VR_ROW_J;
    case VR_ACTION_RESUME_SOURCE:
        return row == VR_ROW_E;
    case VR_ACTION_DESTROY_SOURCE:
        return row == VR_ROW_G;
    case VR_ACTION_UNDEFINE_SOURCE:
        return row == VR_ROW_O;
    case VR_ACTION_UNDEFINE_TARGET:
        return row == VR_ROW_B;
    case VR_ACTION_DEFINE_TARGET:
        return row == VR_ROW_H || row == VR_ROW_N;
    case VR_ACTION_SET_AUTOSTART:
        return row == VR_ROW_P || row == VR_ROW_R;
    }
    g_assert_not_reached();
}

static void
fake_act(gpointer context, const VrActionRequest *request, VrCallDone done, gpointer data)
{
    FakeWorld *self = context;
    FakeVm *vm = fake_world_vm(self, request->vm_uuid);
    guint host = fake_world_host(self, request->host);
    g_autoptr(GError) refused = NULL;

    if (!fake_dies(self)) {
        if (!row_allows(request->action, request->row))
            fake_breach(self, "%s asked for by row %s", vr_action_to_string(request->action),
                        vr_row_to_string(request->row));
        if (request->action == VR_ACTION_ABORT && vm->flight == 0)
            refused = g_error_new(VR_ERROR, VR_ERROR_CONFLICT, "its job is no migration");
        else if (request->action == VR_ACTION_ABORT &&
                 self->now_us < vm->begun_us + self->abort_lost_us)
            refused = g_error_new(VR_ERROR, VR_ERROR_FAILED, "too early to abort");
        else if (vm->at[host] != request->expected)
            refused = g_error_new(VR_ERROR, VR_ERROR_CONFLICT, "it is %s now",
                                  vr_side_to_string(vm->at[host]));
        else
            perform(self, vm, host, request);
    }
    done(refused, data);
}

static void
fake_watch(gpointer context, VrHintSeen seen, gpointer data)
{
    FakeWorld *self = context;

    self->hint = seen;
    self->hint_data = data;
}

const VrHypervisorVTable fake_hypervisor = {fake_read,    fake_list, fake_sample,
                                            fake_migrate, fake_act,  fake_watch};
