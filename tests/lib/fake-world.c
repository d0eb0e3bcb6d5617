/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-world.h"

#include <string.h>

#define MS 1000LL
#define NOBODY G_MAXUINT

typedef struct {
    gint64 at_us;
    guint64 order;
    void (*run)(FakeWorld *world, gpointer data);
    gpointer data;
} FakeTimer;

typedef struct {
    void (*run)(gpointer data);
    gpointer data;
} FakePost;

typedef struct {
    gint64 at_us;
    char *rollout;
    char *kind;
    char *body;
} FakeRecord;

typedef struct {
    FakeVm *vm;
    guint flight;
    FakeMigration kind;
    VrCallDone done;
    gpointer data;
    GError *error;
} FakeMove;

typedef struct {
    char *key;
    VrStage stage;
    guint host;
    VrStageDone done;
    gpointer data;
} FakeStage;

static void G_GNUC_PRINTF(2, 3)
breach(FakeWorld *self, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(self->breaches, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

static void
after(FakeWorld *self, gint64 delay_us, void (*run)(FakeWorld *world, gpointer data), gpointer data)
{
    static guint64 order = 0;
    FakeTimer *timer = g_new(FakeTimer, 1);
    guint place = 0;

    *timer = (FakeTimer){self->now_us + delay_us, order++, run, data};
    while (place < self->timers->len) {
        const FakeTimer *other = g_ptr_array_index(self->timers, place);
        if (other->at_us > timer->at_us)
            break;
        place++;
    }
    g_ptr_array_insert(self->timers, (gint)place, timer);
}

/* Counts a call; TRUE if the controller dies with it. */
static gboolean
dies(FakeWorld *self)
{
    self->calls++;
    if (self->crash_at != 0 && self->calls == self->crash_at)
        self->crashed = TRUE;
    return self->crashed;
}

/* ------------------------------------------------------------------ truth */

static gboolean
is_active(VrSide side)
{
    return side >= VR_SIDE_RUNNING;
}

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
        breach(self, "%s runs on %u hosts", vm->name, running);
}

static void
set_side(FakeWorld *self, FakeVm *vm, guint host, VrSide side)
{
    vm->at[host] = side;
    if (side == VR_SIDE_ABSENT)
        vm->persistent[host] = vm->autostart[host] = FALSE;
    check_vm(self, vm);
}

guint
fake_world_host(const FakeWorld *self, const char *name)
{
    for (guint h = 0; h < self->host_count; h++) {
        if (g_strcmp0(self->hosts[h].name, name) == 0)
            return h;
    }
    return NOBODY;
}

FakeVm *
fake_world_vm(FakeWorld *self, const char *name)
{
    for (guint v = 0; v < self->vm_count; v++) {
        if (g_strcmp0(self->vms[v].name, name) == 0 || g_strcmp0(self->vms[v].uuid, name) == 0)
            return &self->vms[v];
    }
    g_assert_not_reached();
}

/* ------------------------------------------------------------------ hypervisor */

static void
fake_read(gpointer context, const char *host, const char *vm_uuid, VrRole role,
          gboolean with_definition, VrReadDone done, gpointer data)
{
    FakeWorld *self = context;
    guint h = fake_world_host(self, host);
    const FakeVm *vm = fake_world_vm(self, vm_uuid);
    VrReading reading = {.side = vm->at[h], .libvirt_id = -1, .cpu_time_ns = -1};
    (void)role;

    if (dies(self) || !self->hosts[h].reachable) {
        reading.side = VR_SIDE_UNKNOWN;
        reading.detail = g_strdup("no answer");
    } else {
        reading.persistent = vm->persistent[h];
        reading.autostart = vm->autostart[h];
        reading.memory_mib = vm->memory_mib;
        reading.generation = 1;
        reading.stats = (VrMigrationStats){900, 60, 76};
        if (is_active(reading.side)) {
            reading.libvirt_id = vm->id[h];
            reading.cpu_time_ns = self->now_us * 100;
        }
        if (with_definition)
            reading.definition = g_strdup("<domain/>");
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
    listing->reachable = !dies(self) && self->hosts[h].reachable;
    listing->host_uuid = g_strdup(self->hosts[h].uuid);
    for (guint v = 0; v < self->vm_count && listing->reachable; v++) {
        const FakeVm *vm = &self->vms[v];
        if (vm->at[h] == VR_SIDE_ABSENT)
            continue;
        VrListedVm *listed = vr_listing_add(listing, vm->uuid, vm->name);
        listed->side = vm->at[h];
        listed->active = is_active(vm->at[h]);
        listed->persistent = vm->persistent[h];
        listed->autostart = vm->autostart[h];
        listed->memory_mib = vm->memory_mib;
    }
    done(listing, data);
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

    if (vm->flight != move->flight) { /* aborted */
        move_free(move);
        return;
    }
    if (move->kind == FAKE_MIGRATION_FAILS) {
        set_side(self, vm, vm->target, VR_SIDE_ABSENT);
        set_side(self, vm, vm->source, VR_SIDE_RUNNING);
        move->error = g_error_new(VR_ERROR, VR_ERROR_FAILED, "target said no");
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
    after(self, 20 * MS, end_move, move);
}

static void
begin_move(FakeWorld *self, FakeVm *vm, guint source, guint target, VrCallDone done, gpointer data)
{
    FakeMove *move = g_new0(FakeMove, 1);

    *move = (FakeMove){.vm = vm, .done = done, .data = data};
    if (self->next_migration_count > 0) {
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
    after(self, 900 * MS, switch_over, move);
}

static gboolean
may_migrate(FakeWorld *self, const FakeVm *vm, guint source, guint target)
{
    if (vm->flight != 0)
        breach(self, "%s: second migration while one is in flight", vm->name);
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
        begin_move(self, late->vm, late->source, late->target, nobody_waits, NULL);
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
    (void)progress;

    if (dies(self)) {
        if (was_alive && self->late_calls) {
            LateCall *late = g_new(LateCall, 1);
            *late = (LateCall){vm, source, target};
            after(self, 3000 * MS, begin_late, late);
        }
        done(NULL, data);
    } else if (may_migrate(self, vm, source, target)) {
        begin_move(self, vm, source, target, done, data);
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
            breach(self, "%s: old copy resumed", vm->name);
        set_side(self, vm, host, VR_SIDE_RUNNING);
        return;
    case VR_ACTION_DESTROY_SOURCE:
        if (runs(vm->at[host]))
            breach(self, "%s: running guest destroyed", vm->name);
        set_side(self, vm, host, VR_SIDE_OFF);
        return;
    case VR_ACTION_UNDEFINE_SOURCE:
    case VR_ACTION_UNDEFINE_TARGET:
        if (is_active(vm->at[host]))
            breach(self, "%s: active guest undefined", vm->name);
        set_side(self, vm, host, VR_SIDE_ABSENT);
        return;
    case VR_ACTION_DEFINE_TARGET:
        vm->persistent[host] = TRUE;
        return;
    case VR_ACTION_SET_AUTOSTART:
        vm->autostart[host] = TRUE;
        return;
    case VR_ACTION_ABORT:
        set_side(self, vm, vm->target, VR_SIDE_ABSENT);
        set_side(self, vm, vm->source, VR_SIDE_RUNNING);
        vm->flight = 0;
        return;
    }
}

static void
fake_act(gpointer context, const VrActionRequest *request, VrCallDone done, gpointer data)
{
    FakeWorld *self = context;
    FakeVm *vm = fake_world_vm(self, request->vm_uuid);
    guint host = fake_world_host(self, request->host);
    g_autoptr(GError) refused = NULL;

    if (!dies(self)) {
        if (vm->at[host] != request->expected)
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

/* ------------------------------------------------------------------ stages */

static gboolean
host_is_empty(const FakeWorld *self, guint host)
{
    for (guint v = 0; v < self->vm_count; v++) {
        if (is_active(self->vms[v].at[host]))
            return FALSE;
    }
    return TRUE;
}

static void
come_back(FakeWorld *self, gpointer data)
{
    self->hosts[GPOINTER_TO_UINT(data)].reachable = TRUE;
}

static void
perform_stage(FakeWorld *self, VrStage stage, guint h)
{
    FakeHost *host = &self->hosts[h];

    if (stage == VR_STAGE_CLOSE)
        host->closed = TRUE;
    else if (stage == VR_STAGE_OPEN)
        host->closed = FALSE;
    else if (stage == VR_STAGE_APPLY)
        host->staged = TRUE, host->applied++;
    if ((stage == VR_STAGE_APPLY || stage == VR_STAGE_REBOOT) &&
        (!host_is_empty(self, h) || !host->closed))
        breach(self, "%s: %s on a host that is not empty and closed", host->name,
               vr_stage_to_string(stage));
    if (stage == VR_STAGE_REBOOT) {
        host->boots++, host->rebooted++;
        host->updated = host->staged;
        host->reachable = FALSE;
        after(self, 500 * MS, come_back, GUINT_TO_POINTER(h));
    }
}

static void
answer_stage(FakeWorld *self, VrStage stage, guint h, VrStageDone done, gpointer data)
{
    const FakeHost *host = &self->hosts[h];
    g_autofree char *output = g_strdup_printf("boot_id=%u\nupdate_level=%s\n", host->boots,
                                              host->updated ? "level-2" : "level-1");
    g_autofree char *name = g_strdup_printf("%s %s", host->name, vr_stage_to_string(stage));
    VrStageResult result = {VR_STAGE_END_EXITED, 0, output};

    if (g_strcmp0(self->fail_stage, name) == 0 ||
        (stage == VR_STAGE_FACTS && !host->reachable))
        result.exit_status = 1;
    else if (stage == VR_STAGE_ASSESS && host->updated)
        result.exit_status = VR_STAGE_NOTHING_TO_DO;
    done(&result, data);
}

static void
end_stage(FakeWorld *self, gpointer data)
{
    FakeStage *stage = data;

    answer_stage(self, stage->stage, stage->host, stage->done, stage->data);
    g_free(stage);
}

static void
fake_run_stage(gpointer context, const VrStageRequest *request, VrStageDone done, gpointer data)
{
    FakeWorld *self = context;
    g_autofree char *key = g_strdup_printf("%s/%u/%u/%d", request->rollout, request->step,
                                           request->attempt, request->stage);
    guint host = fake_world_host(self, request->host);
    VrStageResult lost = {VR_STAGE_END_NOT_RUN, 0, ""};

    if (dies(self)) {
        done(&lost, data);
        return;
    }
    if (!g_hash_table_contains(self->stages, key)) {
        if (request->attach_only) {
            done(&lost, data);
            return;
        }
        g_autofree char *name = g_strdup_printf("%s %s", request->host,
                                                vr_stage_to_string(request->stage));
        g_hash_table_add(self->stages, g_steal_pointer(&key));
        if (g_strcmp0(self->fail_stage, name) != 0)
            perform_stage(self, request->stage, host);
    }

    FakeStage *stage = g_new0(FakeStage, 1);
    *stage = (FakeStage){NULL, request->stage, host, done, data};
    after(self, 100 * MS, end_stage, stage);
}

/* ------------------------------------------------------------------ journal, clock, executor */

static void
record_free(gpointer data)
{
    FakeRecord *record = data;

    g_free(record->rollout);
    g_free(record->kind);
    g_free(record->body);
    g_free(record);
}

static void
fake_append(gpointer context, const VrRecord *records, guint count, VrAppendDone done,
            gpointer data)
{
    FakeWorld *self = context;

    if (dies(self)) {
        done(VR_APPEND_UNKNOWN, "the controller is dead", data);
        return;
    }
    if (self->refuse_appends) {
        done(VR_APPEND_REFUSED, "disk full", data);
        return;
    }
    for (guint i = 0; i < count; i++) {
        FakeRecord *copy = g_new0(FakeRecord, 1);
        if (records[i].sequence != self->records->len + 1)
            breach(self, "journal: sequence %u after %u", (guint)records[i].sequence,
                   self->records->len);
        *copy = (FakeRecord){records[i].at_us, g_strdup(records[i].rollout),
                             g_strdup(records[i].kind), g_strdup(records[i].body)};
        g_ptr_array_add(self->records, copy);
    }
    (void)dies(self); /* durable, and dead before it hears so */
    done(VR_APPEND_DURABLE, NULL, data);
}

static gboolean
fake_read_journal(gpointer context, guint64 from_sequence, VrRecordSeen seen, gpointer data,
                  GError **error)
{
    FakeWorld *self = context;
    (void)error;

    for (guint i = (guint)from_sequence - 1; i < self->records->len; i++) {
        const FakeRecord *stored = g_ptr_array_index(self->records, i);
        VrRecord record = {i + 1,       stored->at_us,    stored->rollout,
                           stored->kind, VR_EVENT_VERSION, stored->body};
        if (!seen(&record, data))
            break;
    }
    return TRUE;
}

static gint64
fake_now(gpointer context)
{
    return ((FakeWorld *)context)->now_us;
}

static void
fake_post(gpointer context, void (*run)(gpointer data), gpointer data)
{
    FakeWorld *self = context;
    FakePost *post = g_new(FakePost, 1);

    *post = (FakePost){run, data};
    g_queue_push_tail(&self->posts, post);
}

/* ------------------------------------------------------------------ the world */

static FakeWorld *
world_new(guint host_count, guint vms_per_host, guint filled_count)
{
    FakeWorld *self = g_new0(FakeWorld, 1);

    self->now_us = 1800000000 * G_GINT64_CONSTANT(1000000);
    self->breaches = g_ptr_array_new_with_free_func(g_free);
    self->timers = g_ptr_array_new_with_free_func(g_free);
    self->records = g_ptr_array_new_with_free_func(record_free);
    self->stages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    self->host_count = host_count;
    for (guint h = 0; h < host_count; h++) {
        FakeHost *host = &self->hosts[h];
        host->name = self->host_names[h] = g_strdup_printf("h%u", h + 1);
        host->uuid = g_strdup_printf("00000000-0000-4000-8000-%012u", h + 1);
        host->reachable = TRUE;
        for (guint v = 0; v < vms_per_host && h < filled_count; v++) {
            FakeVm *vm = &self->vms[self->vm_count++];
            vm->name = g_strdup_printf("vm%u", self->vm_count);
            vm->uuid = g_strdup_printf("10000000-0000-4000-8000-%012u", self->vm_count);
            vm->memory_mib = 1024;
            for (guint i = 0; i < host_count; i++)
                vm->at[i] = VR_SIDE_ABSENT;
            vm->at[h] = VR_SIDE_RUNNING;
            vm->persistent[h] = vm->autostart[h] = TRUE;
            vm->id[h] = self->vm_count;
        }
    }
    return self;
}

FakeWorld *
fake_world_new(guint host_count, guint vms_per_host)
{
    return world_new(host_count, vms_per_host, host_count - 1);
}

FakeWorld *
fake_world_new_full(guint host_count, guint vms_per_host)
{
    return world_new(host_count, vms_per_host, host_count);
}

VrInventory *
fake_world_scan(const FakeWorld *self)
{
    VrInventory *inventory = vr_inventory_new();

    for (guint h = 0; h < self->host_count; h++) {
        VrHost *host = vr_inventory_add_host(inventory, self->hosts[h].name);
        host->memory_mib = 16384;
        host->vcpus = 64;
        host->link_mib_per_s = 1000;
        host->update_s = 60;
        host->uuid = g_strdup(self->hosts[h].uuid);
        host->updated = self->hosts[h].updated ? VR_UPDATED_YES : VR_UPDATED_NO;
    }
    for (guint v = 0; v < self->vm_count; v++) {
        for (guint h = 0; h < self->host_count; h++) {
            if (!is_active(self->vms[v].at[h]))
                continue;
            VrVm *vm = vr_inventory_add_vm(inventory, self->vms[v].uuid, self->vms[v].name,
                                           self->hosts[h].name);
            vm->memory_mib = vm->resident_mib = self->vms[v].memory_mib;
            vm->vcpus = 1;
            vm->autostart = TRUE;
        }
    }
    g_assert_true(vr_inventory_seal(inventory, NULL));
    return inventory;
}

static void
create_rollout(FakeWorld *self)
{
    VrPlanRequest request = {.update_level = "level-2"};
    g_autoptr(VrInventory) inventory = fake_world_scan(self);
    g_autoptr(VrPolicy) policy = vr_policy_new();
    g_autoptr(GError) error = NULL;

    policy->limits.gate_s = 5;
    policy->migration.backoff_s = 2;
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    g_assert_no_error(error);
    vr_engine_create(self->engine, "test", plan, policy, inventory);
}

void
fake_world_start(FakeWorld *self)
{
    static const VrHypervisorVTable hypervisor = {fake_read, fake_list, fake_migrate, fake_act,
                                                  fake_watch};
    static const VrHostUpdateVTable host_update = {fake_run_stage};
    static const VrJournalVTable journal = {fake_append, fake_read_journal};
    static const VrClockVTable clock = {fake_now};
    VrEnginePorts ports = {
        .hypervisor = {self, &hypervisor},
        .host_update = {self, &host_update},
        .journal = {self, &journal},
        .clock = {self, &clock},
        .executor = {self, fake_post},
        .hosts = self->host_names,
    };
    VrEngineListener listener = {0};
    g_autoptr(GError) error = NULL;

    self->engine = vr_engine_new(&ports, &listener);
    if (!vr_engine_replay(self->engine, &error))
        g_error("replay: %s", error->message);
    if (vr_engine_rollout(self->engine)->basis == NULL)
        create_rollout(self);
    else
        vr_engine_restart(self->engine);
    vr_engine_ask(self->engine, VR_INPUT_START, NULL, NULL);
}

void
fake_world_kill(FakeWorld *self)
{
    g_clear_pointer(&self->engine, vr_engine_free);
}

static void
run_posts(FakeWorld *self)
{
    FakePost *post = NULL;

    while ((post = g_queue_pop_head(&self->posts)) != NULL) {
        post->run(post->data);
        g_free(post);
    }
}

/* The next thing in time: a timer of the world or the engine's deadline. FALSE: there is none. */
static gboolean
let_time_pass(FakeWorld *self)
{
    gint64 deadline_us =
        self->engine != NULL ? vr_engine_next_deadline(self->engine) : G_MAXINT64;
    const FakeTimer *first =
        self->timers->len > 0 ? g_ptr_array_index(self->timers, 0) : NULL;

    if (first != NULL && first->at_us <= deadline_us) {
        FakeTimer timer = *first;
        self->now_us = MAX(self->now_us, timer.at_us);
        g_ptr_array_remove_index(self->timers, 0);
        timer.run(self, timer.data);
        return TRUE;
    }
    if (deadline_us == G_MAXINT64)
        return FALSE;
    self->now_us = MAX(self->now_us, deadline_us);
    vr_engine_tick(self->engine);
    return TRUE;
}

gboolean
fake_world_run(FakeWorld *self)
{
    gint64 limit_us = self->now_us + 6 * 3600 * G_GINT64_CONSTANT(1000000);

    while (self->now_us < limit_us) {
        run_posts(self);
        if (self->crashed)
            return TRUE;
        if (self->pause_at_migrations != 0 &&
            self->migrations_issued >= self->pause_at_migrations)
            return TRUE;
        if (vr_engine_is_idle(self->engine) &&
            vr_rollout_is_over(vr_engine_rollout(self->engine)->phase))
            return TRUE;
        if (!let_time_pass(self))
            return FALSE;
    }
    return FALSE;
}

gboolean
fake_world_run_to_end(FakeWorld *self)
{
    for (guint i = 0; i < 10; i++) {
        if (!fake_world_run(self))
            return FALSE;
        if (!self->crashed)
            return TRUE;
        fake_world_kill(self);
        self->crashed = FALSE;
        self->crash_at = 0;
        run_posts(self);
        fake_world_start(self);
    }
    return FALSE;
}

/* As often as the plan says: once, and once more for each declared extra. */
static guint
planned_migrations(const FakeWorld *self, const FakeVm *vm)
{
    const VrRollout *rollout = vr_engine_rollout(self->engine);
    guint count = 0;

    for (guint i = 0; i < rollout->steps->len; i++)
        count += g_strcmp0(vr_rollout_step(rollout, i)->plan->vm_uuid, vm->uuid) == 0;
    return count;
}

char *
fake_world_check_end(const FakeWorld *self)
{
    if (self->breaches->len > 0)
        return g_strdup(g_ptr_array_index(self->breaches, 0));
    for (guint h = 0; h < self->host_count; h++) {
        const FakeHost *host = &self->hosts[h];
        if (!host->updated || host->closed || host->applied != 1 || host->rebooted != 1)
            return g_strdup_printf("%s: updated %d, closed %d, applied %u, rebooted %u", host->name,
                                   host->updated, host->closed, host->applied, host->rebooted);
    }
    for (guint v = 0; v < self->vm_count; v++) {
        const FakeVm *vm = &self->vms[v];
        guint present = 0;
        for (guint h = 0; h < self->host_count; h++) {
            if (vm->at[h] == VR_SIDE_ABSENT)
                continue;
            present++;
            if (vm->at[h] != VR_SIDE_RUNNING || !vm->persistent[h] || !vm->autostart[h])
                return g_strdup_printf("%s on h%u: %s, persistent %d, autostart %d", vm->name,
                                       h + 1, vr_side_to_string(vm->at[h]), vm->persistent[h],
                                       vm->autostart[h]);
        }
        if (present != 1 || vm->completed != planned_migrations(self, vm))
            return g_strdup_printf("%s: on %u hosts, migrated %u times", vm->name, present,
                                   vm->completed);
    }
    return NULL;
}

void
fake_world_free(FakeWorld *self)
{
    fake_world_kill(self);
    run_posts(self);
    while (self->timers->len > 0) {
        (void)let_time_pass(self);
        run_posts(self);
    }
    for (guint h = 0; h < self->host_count; h++) {
        g_free(self->hosts[h].name);
        g_free(self->hosts[h].uuid);
    }
    for (guint v = 0; v < self->vm_count; v++) {
        g_free(self->vms[v].name);
        g_free(self->vms[v].uuid);
    }
    g_ptr_array_unref(self->breaches);
    g_ptr_array_unref(self->timers);
    g_ptr_array_unref(self->records);
    g_hash_table_unref(self->stages);
    g_free(self);
}
