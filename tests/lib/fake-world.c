/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-world-private.h"

#define NOBODY G_MAXUINT

void
fake_breach(FakeWorld *self, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_ptr_array_add(self->breaches, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
fake_after(FakeWorld *self, gint64 delay_us, void (*run)(FakeWorld *world, gpointer data),
           gpointer data)
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
gboolean
fake_dies(FakeWorld *self)
{
    self->calls++;
    if (self->crash_at != 0 && self->calls == self->crash_at)
        self->crashed = TRUE;
    return self->crashed;
}

gboolean
fake_is_active(VrSide side)
{
    return side >= VR_SIDE_RUNNING;
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

/* ------------------------------------------------------------------ the world */

FakeVm *
fake_world_add_vm(FakeWorld *self, guint host)
{
    FakeVm *vm = &self->vms[self->vm_count++];

    vm->name = g_strdup_printf("vm%u", self->vm_count);
    vm->uuid = g_strdup_printf("10000000-0000-4000-8000-%012u", self->vm_count);
    vm->memory_mib = 1024;
    for (guint i = 0; i < G_N_ELEMENTS(vm->at); i++)
        vm->at[i] = VR_SIDE_ABSENT;
    vm->at[host] = VR_SIDE_RUNNING;
    vm->persistent[host] = vm->autostart[host] = TRUE;
    vm->id[host] = self->vm_count;
    return vm;
}

static FakeWorld *
world_new(guint host_count, guint vms_per_host, guint filled_count)
{
    FakeWorld *self = g_new0(FakeWorld, 1);

    self->now_us = FAKE_BEGIN_US;
    self->breaches = g_ptr_array_new_with_free_func(g_free);
    self->timers = g_ptr_array_new_with_free_func(g_free);
    self->records = g_ptr_array_new_with_free_func(fake_record_free);
    self->stages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    self->host_count = host_count;
    for (guint h = 0; h < host_count; h++) {
        FakeHost *host = &self->hosts[h];
        host->name = self->host_names[h] = g_strdup_printf("h%u", h + 1);
        host->uuid = g_strdup_printf("00000000-0000-4000-8000-%012u", h + 1);
        host->reachable = TRUE;
        for (guint v = 0; v < vms_per_host && h < filled_count; v++)
            (void)fake_world_add_vm(self, h);
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
        if (!self->hosts[h].reachable)
            continue;
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
            if (!fake_is_active(self->vms[v].at[h]) || !self->hosts[h].reachable)
                continue;
            VrVm *vm = vr_inventory_add_vm(inventory, self->vms[v].uuid, self->vms[v].name,
                                           self->hosts[h].name);
            vm->memory_mib = vm->resident_mib = self->vms[v].memory_mib;
            vm->vcpus = 1;
            vm->autostart = TRUE;
            vm->group = self->vms[v].apart ? g_strdup("apart") : NULL;
            vm->definition = g_ref_string_new(FAKE_DEFINITION);
        }
    }
    vr_inventory_add_group(inventory, "apart", VR_GROUP_ANTI_AFFINITY)->max_per_host = 1;
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
    policy->limits.migrations_max = self->migrations_max;
    policy->migration.backoff_s = 2;
    if (self->set_policy != NULL)
        self->set_policy(policy);
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    g_assert_no_error(error);
    vr_engine_create(self->engine, "test", plan, policy, inventory);
}

void
fake_world_open(FakeWorld *self)
{
    VrEnginePorts ports = {
        .hypervisor = {self, &fake_hypervisor},
        .host_update = {self, &fake_host_update},
        .journal = {self, &fake_journal},
        .clock = {self, &fake_clock},
        .executor = {self, fake_post},
        .hosts = self->host_names,
    };
    VrEngineListener listener = {0};
    g_autoptr(GError) error = NULL;

    self->engine = vr_engine_new(&ports, &listener);
    if (!vr_engine_replay(self->engine, &error))
        g_error("replay: %s", error->message);
}

void
fake_world_start(FakeWorld *self)
{
    fake_world_open(self);
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
    gint64 deadline_us = self->engine != NULL ? vr_engine_next_deadline(self->engine) : G_MAXINT64;
    const FakeTimer *first = self->timers->len > 0 ? g_ptr_array_index(self->timers, 0) : NULL;

    if (deadline_us != G_MAXINT64)
        deadline_us += self->clock_back_us;
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

void
fake_world_pass(FakeWorld *self, gint64 time_us)
{
    gint64 until_us = self->now_us + time_us;

    run_posts(self);
    while (self->timers->len > 0 &&
           ((const FakeTimer *)g_ptr_array_index(self->timers, 0))->at_us <= until_us) {
        (void)let_time_pass(self);
        run_posts(self);
    }
    self->now_us = MAX(self->now_us, until_us);
    if (self->engine != NULL)
        vr_engine_tick(self->engine);
    run_posts(self);
}

gboolean
fake_world_run(FakeWorld *self)
{
    gint64 limit_us = self->now_us + 6 * 3600 * G_GINT64_CONSTANT(1000000);

    while (self->now_us < limit_us) {
        run_posts(self);
        if (self->crashed)
            return TRUE;
        if (self->pause_at_migrations != 0 && self->migrations_issued >= self->pause_at_migrations)
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

/* As often as the plans say that were in force then: once, and for each declared extra. */
static guint
planned_migrations(const FakeWorld *self, const FakeVm *vm)
{
    const VrRollout *rollout = vr_engine_rollout(self->engine);
    guint count = 0;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        count +=
            step->phase != VR_PHASE_SUPERSEDED && g_strcmp0(step->plan->vm_uuid, vm->uuid) == 0;
    }
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
