/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "plan/build.h"
#include "small-world.h"

static const char *const uuids[VMS] = {
    "11111111-0000-4000-8000-000000000000",
    "22222222-0000-4000-8000-000000000000",
    "33333333-0000-4000-8000-000000000000",
};
static const guint homes[VMS] = {H2, H2, H1};

/* ------------------------------------------------------------------ made */

static void
free_host(gpointer data)
{
    g_free(((SimHost *)data)->name);
    g_free(data);
}

static void
free_vm(gpointer data)
{
    SimVm *vm = data;

    g_free(vm->uuid);
    g_free(vm->name);
    g_free(vm->at);
    g_free(vm);
}

static void
free_step(gpointer data)
{
    VrPlanStep *step = data;

    g_free(step->host);
    g_free(step->vm_uuid);
    g_free(step->vm);
    g_free(step->source);
    g_free(step->target);
    g_array_unref(step->after);
    g_free(step);
}

static void
make_hosts(Small *self)
{
    self->world.hosts = g_ptr_array_new_with_free_func(free_host);
    for (guint i = 0; i < HOSTS; i++) {
        SimHost *host = g_new0(SimHost, 1);
        host->name = g_strdup_printf("h%u", i + 1);
        host->memory_mib = 10000;
        host->up = TRUE;
        host->updated = i == H3;
        g_ptr_array_add(self->world.hosts, host);

        VrHost *known = vr_inventory_add_host(self->inventory, host->name);
        known->memory_mib = host->memory_mib;
        known->vcpus = 64;
        known->link_mib_per_s = 1000;
        known->update_s = 60;
        known->updated = i == H3 ? VR_UPDATED_YES : VR_UPDATED_NO;
    }
}

static void
make_vms(Small *self)
{
    VrGroup *apart = vr_inventory_add_group(self->inventory, "apart", VR_GROUP_ANTI_AFFINITY);

    apart->max_per_host = 2;
    self->world.vms = g_ptr_array_new_with_free_func(free_vm);
    for (guint i = 0; i < VMS; i++) {
        SimVm *vm = g_new0(SimVm, 1);
        vm->uuid = g_strdup(uuids[i]);
        vm->name = g_strdup_printf("vm%u", i + 1);
        vm->memory_mib = 4000;
        vm->autostart = TRUE;
        vm->planned = TRUE;
        vm->migration = -1;
        vm->memory = 1;
        vm->at = g_new0(SimCopy, HOSTS);
        vm->at[homes[i]] = (SimCopy){
            .qemu = SIM_QEMU_RUNNING,
            .defined = TRUE,
            .on_disk = TRUE,
            .autostart = TRUE,
            .memory = 1,
        };
        g_ptr_array_add(self->world.vms, vm);

        VrVm *known =
            vr_inventory_add_vm(self->inventory, vm->uuid, vm->name, i == VM3 ? "h1" : "h2");
        known->memory_mib = known->resident_mib = vm->memory_mib;
        known->vcpus = 1;
        known->autostart = TRUE;
        known->group = g_strdup("apart");
    }
}

static VrPlanStep *
add_step(Small *self, guint id, VrStepKind kind, const char *host, const char *source)
{
    VrPlanStep *step = g_new0(VrPlanStep, 1);

    step->id = id;
    step->kind = kind;
    step->host = g_strdup(host);
    step->source = g_strdup(source);
    step->after = g_array_new(FALSE, FALSE, sizeof(guint));
    g_ptr_array_add(self->plan.steps, step);
    return step;
}

static VrPlanStep *
add_migration(Small *self, guint id, guint vm, const char *source, const char *target)
{
    VrPlanStep *step = add_step(self, id, VR_STEP_MIGRATE, NULL, source);

    step->vm_uuid = g_strdup(uuids[vm]);
    step->vm = g_strdup_printf("vm%u", vm + 1);
    step->target = g_strdup(target);
    return step;
}

static Small *
small_new(void)
{
    Small *self = g_new0(Small, 1);
    g_autoptr(GError) error = NULL;

    self->policy = vr_policy_new();
    self->inventory = vr_inventory_new();
    make_hosts(self);
    make_vms(self);
    if (!vr_inventory_seal(self->inventory, &error))
        fail_msg("%s", error->message);
    self->plan.steps = g_ptr_array_new_with_free_func(free_step);
    add_migration(self, STEP_VM1, VM1, "h2", "h3");
    add_migration(self, STEP_VM2, VM2, "h2", "h3");
    VrPlanStep *gate = add_step(self, STEP_GATE, VR_STEP_GATE, "h3", "h2");
    for (guint id = STEP_VM1; id <= STEP_VM2; id++)
        g_array_append_val(gate->after, id);
    add_step(self, STEP_H2, VR_STEP_UPDATE, "h2", NULL);
    add_migration(self, STEP_VM3, VM3, "h1", "h2");
    add_step(self, STEP_H1, VR_STEP_UPDATE, "h1", NULL);
    add_migration(self, STEP_VM3_ON, VM3, "h2", "h1")->extra = TRUE;
    self->world.migrations = g_array_new(FALSE, TRUE, sizeof(SimMigration));
    self->world.now_us = 1000 * SIM_S;
    self->auditor = sim_auditor_new(&self->world, &self->plan, self->policy, self->inventory);
    controller(self, SIM_FACT_CONTROLLER_STARTS, 1);
    rollout_is(self, VR_ROLLOUT_RUNNING);
    return self;
}

static void
small_free(Small *self)
{
    sim_auditor_free(self->auditor);
    g_array_unref(self->world.migrations);
    g_ptr_array_unref(self->plan.steps);
    g_ptr_array_unref(self->world.vms);
    g_ptr_array_unref(self->world.hosts);
    vr_inventory_free(self->inventory);
    vr_policy_free(self->policy);
    g_free(self);
}

void
check_rule(SimRule rule, Case run)
{
    for (gboolean bad = FALSE; bad <= TRUE; bad++) {
        Small *small = small_new();

        run(small, bad);
        const char *breach = sim_auditor_breach(small->auditor);
        if (!bad && breach != NULL)
            fail_msg("good world: %s", breach);
        if (sim_auditor_evaluations(small->auditor)[rule] == 0)
            fail_msg("%s is never put to the test", sim_rule_name(rule));
        if (bad && breach == NULL)
            fail_msg("%s is broken and not found", sim_rule_name(rule));
        if (bad && sim_auditor_breached_rule(small->auditor) != rule)
            fail_msg("not %s but %s", sim_rule_name(rule), breach);
        small_free(small);
    }
}

/* ------------------------------------------------------------------ told */

static void
tell(Small *self, SimFact fact)
{
    fact.at_us = self->world.now_us;
    sim_auditor_see(&fact, self->auditor);
}

void
later(Small *self, gint64 seconds)
{
    self->world.now_us += seconds * SIM_S;
    sim_auditor_look(self->auditor);
}

SimCopy *
copy_of(Small *self, guint vm, guint host)
{
    return sim_copy(&self->world, vm, host);
}

void
told(Small *self, guint vm, guint host, SimCause cause)
{
    self->world.now_us += SIM_MS;
    tell(self, (SimFact){.kind = SIM_FACT_COPY_CHANGED, .vm = vm, .host = host, .cause = cause});
}

void
changes(Small *self, guint vm, guint host, SimQemu qemu, SimCause cause)
{
    copy_of(self, vm, host)->qemu = qemu;
    told(self, vm, host, cause);
}

void
host_told(Small *self, guint host, SimCause cause)
{
    tell(self, (SimFact){.kind = SIM_FACT_HOST_CHANGED, .host = host, .cause = cause});
}

void
controller(Small *self, SimFactKind kind, guint number)
{
    tell(self, (SimFact){.kind = kind, .controller = number});
}

static void
append(Small *self, VrEvent *event)
{
    g_autofree char *body = vr_event_format(event);
    VrRecord record = {++self->sequence,
                       self->world.now_us,
                       "r",
                       vr_event_kind_to_string(event->kind),
                       VR_EVENT_VERSION,
                       body};

    tell(self,
         (SimFact){.kind = SIM_FACT_APPENDED, .controller = 1, .records = &record, .count = 1});
    vr_event_free(event);
}

void
records(Small *self, guint step, VrPhase phase)
{
    VrEvent *event = vr_event_new(VR_EVENT_STEP_PHASE, self->world.now_us);

    event->step = step;
    event->attempt = ++self->attempts[step];
    event->phase = phase;
    append(self, event);
}

void
rollout_is(Small *self, VrRolloutPhase phase)
{
    VrEvent *event = vr_event_new(VR_EVENT_ROLLOUT_PHASE, self->world.now_us);

    event->rollout_phase = phase;
    append(self, event);
}

static void
append_bits(GString *out, const char *name, guint bits)
{
    const char *separator = "";

    g_string_append_printf(out, ",\"%s\":[", name);
    for (guint id = 1; id <= STEPS; id++) {
        if ((bits >> id & 1) == 0)
            continue;
        g_string_append_printf(out, "%s%u", separator, id);
        separator = ",";
    }
    g_string_append_c(out, ']');
}

/* The small plan, and what is new, as the journal has it. */
static char *
format_plan(const Small *self, gboolean with_gate)
{
    g_autoptr(VrPlan) plan = vr_plan_new();

    for (guint i = 0; i < STEPS; i++) {
        VrPlanStep *step = vr_plan_copy_step(plan, vr_plan_step(&self->plan, i), 0);
        step->rate_mib_per_s = 1;
    }
    if (with_gate) {
        VrPlanStep *gate = vr_plan_append_step(plan, VR_STEP_GATE, NULL);
        gate->host = vr_plan_keep(plan, "h3");
        gate->source = vr_plan_keep(plan, "h2");
        vr_plan_step_add_after(gate, STEP_VM1);
        vr_plan_step_add_after(gate, STEP_VM2);
        VrPlanStep *update = vr_plan_append_step(plan, VR_STEP_UPDATE, NULL);
        update->host = vr_plan_keep(plan, "h2");
        vr_plan_step_add_after(update, gate->id);
    }
    plan->policy_digest = g_strdup("sha256:0");
    plan->inventory_digest = g_strdup("sha256:0");
    plan->update_level = g_strdup("level-2");
    plan->digest = vr_plan_compute_digest(plan);
    return g_strchomp(vr_plan_format(plan));
}

void
revises(Small *self, Revision revision)
{
    VrEvent *event = vr_event_new(VR_EVENT_REVISED, self->world.now_us);
    g_autofree char *plan = format_plan(self, revision.with_gate);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "{\"automatic\":%s,\"inventory\":{},\"plan\":%s",
                           revision.automatic ? "true" : "false", plan);
    append_bits(text, "set_aside", revision.set_aside);
    append_bits(text, "superseded", revision.superseded);
    g_string_append_c(text, '}');
    event->text = g_string_free(text, FALSE);
    event->reason = g_strdup("tests");
    append(self, event);
}

void
reads(Small *self, guint vm, guint host, VrSide side)
{
    self->world.now_us += SIM_MS;
    tell(self, (SimFact){.kind = SIM_FACT_READ_TAKEN, .controller = 1, .vm = vm, .host = host});
    tell(self,
         (SimFact){
             .kind = SIM_FACT_READ_SEEN, .controller = 1, .vm = vm, .host = host, .side = side});
}

void
lists(Small *self, guint host)
{
    self->world.now_us += SIM_MS;
    tell(self,
         (SimFact){.kind = SIM_FACT_LIST_SEEN, .controller = 1, .host = host, .reachable = TRUE});
}

void
migration(Small *self, SimFactKind kind, guint vm, guint source, guint target)
{
    tell(self, (SimFact){.kind = kind, .controller = 1, .vm = vm, .host = source, .other = target});
}

SimMigration *
in_flight(Small *self, guint vm, guint source, guint target)
{
    SimMigration slot = {
        .vm = vm, .source = source, .target = target, .live = TRUE, .begun_us = self->world.now_us};

    g_array_append_val(self->world.migrations, slot);
    return &g_array_index(self->world.migrations, SimMigration, self->world.migrations->len - 1);
}

void
action(Small *self, SimFactKind kind, guint vm, guint host, VrAction action)
{
    tell(self, (SimFact){.kind = kind, .controller = 1, .vm = vm, .host = host, .action = action});
}

void
stage(Small *self, SimFactKind kind, guint step, guint host, VrStage stage)
{
    tell(self, (SimFact){.kind = kind,
                         .controller = 1,
                         .host = host,
                         .stage = stage,
                         .step = step,
                         .attempt = self->attempts[step]});
}

/* ------------------------------------------------------------------ as it should go */

void
migrates_halfway(Small *self, guint step, guint vm, guint source, guint target)
{
    records(self, step, VR_PHASE_CHECKING);
    reads(self, vm, source, VR_SIDE_RUNNING);
    reads(self, vm, target, VR_SIDE_ABSENT);
    lists(self, target);
    records(self, step, VR_PHASE_MIGRATING);
    migration(self, SIM_FACT_MIGRATE_ISSUED, vm, source, target);
    migration(self, SIM_FACT_MIGRATE_BEGINS, vm, source, target);
    in_flight(self, vm, source, target);
    copy_of(self, vm, target)->job = SIM_JOB_IN_PREPARE;
    changes(self, vm, target, SIM_QEMU_PAUSED_MIGRATION, SIM_BY_LIBVIRT);
    changes(self, vm, source, SIM_QEMU_PAUSED_MIGRATION, SIM_BY_LIBVIRT);
}

void
migrates_unsettled(Small *self, guint step, guint vm, guint source, guint target)
{
    migrates_halfway(self, step, vm, source, target);
    sim_vm(&self->world, vm)->memory++;
    copy_of(self, vm, target)->memory = sim_vm(&self->world, vm)->memory;
    copy_of(self, vm, target)->defined = copy_of(self, vm, target)->on_disk = TRUE;
    copy_of(self, vm, target)->job = SIM_JOB_NONE;
    changes(self, vm, target, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
    copy_of(self, vm, source)->defined = copy_of(self, vm, source)->on_disk = FALSE;
    copy_of(self, vm, source)->autostart = FALSE;
    changes(self, vm, source, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    g_array_set_size(self->world.migrations, 0);
    migration(self, SIM_FACT_MIGRATE_OVER, vm, source, target);
    records(self, step, VR_PHASE_OBSERVING);
    reads(self, vm, source, VR_SIDE_ABSENT);
    reads(self, vm, target, VR_SIDE_RUNNING);
    records(self, step, VR_PHASE_SETTING_AUTOSTART);
    action(self, SIM_FACT_ACT_ISSUED, vm, target, VR_ACTION_SET_AUTOSTART);
    action(self, SIM_FACT_ACT_BEGINS, vm, target, VR_ACTION_SET_AUTOSTART);
    copy_of(self, vm, target)->autostart = TRUE;
    told(self, vm, target, SIM_BY_CONTROLLER);
    records(self, step, VR_PHASE_OBSERVING);
    reads(self, vm, source, VR_SIDE_ABSENT);
    reads(self, vm, target, VR_SIDE_RUNNING);
}

void
migrates(Small *self, guint step, guint vm, guint source, guint target)
{
    migrates_unsettled(self, step, vm, source, target);
    records(self, step, VR_PHASE_SETTLED);
}

void
proves_empty(Small *self, guint host)
{
    lists(self, host);
    lists(self, host);
}

void
closes(Small *self, guint step, guint host)
{
    records(self, step, VR_PHASE_CLOSING);
    stage(self, SIM_FACT_STAGE_ISSUED, step, host, VR_STAGE_CLOSE);
    stage(self, SIM_FACT_STAGE_BEGINS, step, host, VR_STAGE_CLOSE);
    sim_host(&self->world, host)->closed = TRUE;
    host_told(self, host, SIM_BY_CONTROLLER);
    records(self, step, VR_PHASE_CLOSED);
}

static void
stage_goes(Small *self, guint step, guint host, VrPhase phase, VrStage which)
{
    records(self, step, phase);
    stage(self, SIM_FACT_STAGE_ISSUED, step, host, which);
    stage(self, SIM_FACT_STAGE_BEGINS, step, host, which);
}

void
updates(Small *self, guint step, guint host)
{
    records(self, step, VR_PHASE_PROVING);
    proves_empty(self, host);
    stage_goes(self, step, host, VR_PHASE_APPLYING, VR_STAGE_APPLY);
    later(self, 30);
    records(self, step, VR_PHASE_PROVING_AGAIN);
    proves_empty(self, host);
    stage_goes(self, step, host, VR_PHASE_REBOOTING, VR_STAGE_REBOOT);
    later(self, 60);
    sim_host(&self->world, host)->updated = TRUE;
    host_told(self, host, SIM_BY_CONTROLLER);
    stage_goes(self, step, host, VR_PHASE_VERIFYING, VR_STAGE_VERIFY);
    records(self, step, VR_PHASE_SWEEPING);
    lists(self, host);
    stage_goes(self, step, host, VR_PHASE_OPENING, VR_STAGE_OPEN);
    sim_host(&self->world, host)->closed = FALSE;
    host_told(self, host, SIM_BY_CONTROLLER);
    records(self, step, VR_PHASE_UPDATED);
}
