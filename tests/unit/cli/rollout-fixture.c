/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rollout-fixture.h"

#include <string.h>

#include "base/time.h"
#include "rollout/document.h"

#define LEVEL "level-2"

static const struct {
    const char *name;
    const char *uuid;
    const char *host;
    gboolean movable;
} vms[] = {
    {"vm1", "00000000-0000-4000-8000-000000000001", "h1", TRUE},
    {"vm2", "00000000-0000-4000-8000-000000000002", "h2", TRUE},
    {"vm3", "00000000-0000-4000-8000-000000000003", "h2", TRUE},
    {"vm4", "00000000-0000-4000-8000-000000000004", "h4", FALSE},
};

VrInventory *
fixture_inventory(void)
{
    static const char *const names[] = {"h1", "h2", "h3", "h4"};
    g_autoptr(GError) error = NULL;
    VrInventory *inventory = vr_inventory_new();

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        VrHost *host = vr_inventory_add_host(inventory, names[i]);
        host->memory_mib = 4096;
        host->vcpus = 16;
        host->link_mib_per_s = 1000;
        host->update_s = 10;
        host->updated = VR_UPDATED_NO;
        host->hypervisor_version = g_strdup("7.2.22");
        host->update_level = g_strdup("level-1");
    }
    for (guint i = 0; i < G_N_ELEMENTS(vms); i++) {
        VrVm *vm = vr_inventory_add_vm(inventory, vms[i].uuid, vms[i].name, vms[i].host);
        vm->memory_mib = 1024;
        vm->resident_mib = 1024;
        vm->vcpus = 1;
        vm->state = VR_VM_RUNNING;
        vm->movable = vms[i].movable;
        if (!vm->movable)
            vm->unmovable_reason = g_strdup("has a host device");
    }
    g_assert_true(vr_inventory_seal(inventory, &error));
    return inventory;
}

VrPolicy *
fixture_policy(void)
{
    VrPolicy *policy = vr_policy_new();

    policy->limits.gate_s = 5;
    return policy;
}

VrPlan *
fixture_plan(void)
{
    g_autoptr(VrInventory) inventory = fixture_inventory();
    g_autoptr(VrPolicy) policy = fixture_policy();
    g_autoptr(GError) error = NULL;
    VrPlanRequest request = {.update_level = LEVEL};
    VrPlan *plan = vr_planner_compute(inventory, policy, &request, &error);

    g_assert_no_error(error);
    return plan;
}

static void
apply(VrRollout *rollout, const VrEvent *event)
{
    g_autoptr(GError) error = NULL;
    gboolean applied = vr_rollout_apply(rollout, event, &error);

    g_assert_no_error(error);
    g_assert_true(applied);
}

VrRollout *
fixture_rollout(void)
{
    g_autoptr(VrInventory) inventory = fixture_inventory();
    g_autoptr(VrPolicy) policy = fixture_policy();
    g_autoptr(VrPlan) plan = fixture_plan();
    g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_CREATED, FIXTURE_START_US);
    VrRollout *rollout = vr_rollout_new();

    event->rollout = g_strdup(FIXTURE_ID);
    event->text = vr_document_write(plan, policy, inventory);
    apply(rollout, event);
    vr_event_free(fixture_rollout_phase(rollout, VR_ROLLOUT_RUNNING, 0, NULL));
    return rollout;
}

guint
fixture_find(const VrRollout *rollout, VrStepKind kind, const char *name)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrPlanStep *plan = vr_rollout_step(rollout, i)->plan;
        if (plan->kind == kind &&
            strcmp(kind == VR_STEP_MIGRATE ? plan->vm : plan->host, name) == 0)
            return i;
    }
    g_error("the plan has no such step of %s", name);
}

VrEvent *
fixture_enter(VrRollout *rollout, guint index, VrPhase phase, gint64 second, const char *reason)
{
    VrEvent *event = vr_event_new(VR_EVENT_STEP_PHASE, FIXTURE_START_US + second * VR_S_US);

    event->step = index + 1;
    event->phase = phase;
    event->attempt = vr_rollout_step(rollout, index)->attempt + 1;
    event->reason = g_strdup(reason);
    if (phase == VR_PHASE_WATCHING)
        event->not_before_us = event->at_us + 5 * VR_S_US;
    if (phase == VR_PHASE_ABORTING) {
        event->row = VR_ROW_J;
        event->side = VR_SIDE_RUNNING_JOB;
    }
    apply(rollout, event);
    return event;
}

VrEvent *
fixture_fail(VrRollout *rollout, guint index, VrPhase phase, gint64 second, VrFailure failure,
             const char *reason)
{
    VrEvent *event = vr_event_new(VR_EVENT_STEP_PHASE, FIXTURE_START_US + second * VR_S_US);

    event->step = index + 1;
    event->phase = phase;
    event->attempt = vr_rollout_step(rollout, index)->attempt + 1;
    event->reason = g_strdup(reason);
    event->failure = failure;
    if (phase == VR_PHASE_DEFERRED)
        event->not_before_us = event->at_us + 900 * VR_S_US;
    apply(rollout, event);
    return event;
}

VrEvent *
fixture_rollout_phase(VrRollout *rollout, VrRolloutPhase phase, gint64 second, const char *reason)
{
    VrEvent *event = vr_event_new(VR_EVENT_ROLLOUT_PHASE, FIXTURE_START_US + second * VR_S_US);

    event->rollout_phase = phase;
    event->reason = g_strdup(reason);
    apply(rollout, event);
    return event;
}

static void
enter_all(VrRollout *rollout, guint index, const VrPhase *phases, guint count, gint64 second)
{
    for (guint i = 0; i < count; i++)
        vr_event_free(fixture_enter(rollout, index, phases[i], second, NULL));
}

static void
keep_facts(VrRollout *rollout, guint index, VrPhase phase, gint64 second, const char *text)
{
    g_autoptr(VrEvent) event =
        vr_event_new(VR_EVENT_HOST_FACTS, FIXTURE_START_US + second * VR_S_US);

    event->step = index + 1;
    event->phase = phase;
    event->text = g_strdup(text);
    apply(rollout, event);
}

void
fixture_update(VrRollout *rollout, const char *host, gint64 second)
{
    static const VrPhase until_facts[] = {VR_PHASE_CLOSING, VR_PHASE_COMPARING, VR_PHASE_CLOSED,
                                          VR_PHASE_FACTS_BEFORE};
    static const VrPhase until_return[] = {
        VR_PHASE_ASSESSING, VR_PHASE_PREPARING,           VR_PHASE_PROVING,
        VR_PHASE_APPLYING,  VR_PHASE_FACTS_BEFORE_REBOOT, VR_PHASE_PROVING_AGAIN,
        VR_PHASE_REBOOTING, VR_PHASE_RETURNING,           VR_PHASE_FACTS_AFTER};
    static const VrPhase until_end[] = {VR_PHASE_VERIFYING, VR_PHASE_SWEEPING, VR_PHASE_OPENING,
                                        VR_PHASE_UPDATED};
    guint index = fixture_find(rollout, VR_STEP_UPDATE, host);

    if (vr_rollout_step(rollout, index)->phase == VR_PHASE_PENDING)
        enter_all(rollout, index, until_facts, G_N_ELEMENTS(until_facts), second);
    else
        enter_all(rollout, index, until_facts + 3, 1, second);
    keep_facts(rollout, index, VR_PHASE_FACTS_BEFORE, second,
               "boot_id=3e1f0000-1\nkernel=6.1.0-1\nqemu=7.2.1\nupdate_level=level-1\n");
    enter_all(rollout, index, until_return, G_N_ELEMENTS(until_return), second);
    keep_facts(rollout, index, VR_PHASE_FACTS_AFTER, second,
               "boot_id=b07a0000-2\nkernel=6.1.0-2\nqemu=7.2.1\nupdate_level=level-2\n");
    enter_all(rollout, index, until_end, G_N_ELEMENTS(until_end), second);
}

void
fixture_migrate(VrRollout *rollout, const char *vm, gint64 second, gint64 downtime_ms)
{
    static const VrPhase until_end[] = {VR_PHASE_CHECKING, VR_PHASE_FITTING, VR_PHASE_MIGRATING,
                                        VR_PHASE_OBSERVING};
    guint index = fixture_find(rollout, VR_STEP_MIGRATE, vm);
    g_autoptr(VrEvent) measured =
        vr_event_new(VR_EVENT_VM_MEASURED, FIXTURE_START_US + second * VR_S_US);

    enter_all(rollout, index, until_end, G_N_ELEMENTS(until_end), second);
    measured->step = index + 1;
    measured->stats = (VrMigrationStats){1900, downtime_ms, 1030};
    apply(rollout, measured);
    vr_event_free(fixture_enter(rollout, index, VR_PHASE_SETTLED, second + 2, NULL));
}

static void
close_host(VrRollout *rollout, const char *host, gint64 second)
{
    static const VrPhase phases[] = {VR_PHASE_CLOSING, VR_PHASE_COMPARING, VR_PHASE_CLOSED};

    enter_all(rollout, fixture_find(rollout, VR_STEP_UPDATE, host), phases, G_N_ELEMENTS(phases),
              second);
}

static void
pass_gate(VrRollout *rollout, guint index, gint64 second)
{
    static const VrPhase phases[] = {VR_PHASE_WATCHING, VR_PHASE_LOOKING, VR_PHASE_PASSED};

    enter_all(rollout, index, phases, G_N_ELEMENTS(phases), second);
}

/* Every step one after the other, in the plan's order. */
VrRollout *
fixture_done(void)
{
    VrRollout *rollout = fixture_rollout();
    gint64 second = 0;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrPlanStep *plan = vr_rollout_step(rollout, i)->plan;
        second += 5;
        if (plan->kind == VR_STEP_UPDATE) {
            fixture_update(rollout, plan->host, second);
            continue;
        }
        if (plan->kind == VR_STEP_GATE) {
            pass_gate(rollout, i, second);
            continue;
        }
        gint source = vr_rollout_find_update(rollout, plan->source);
        if (vr_rollout_step(rollout, (guint)source)->phase == VR_PHASE_PENDING)
            close_host(rollout, plan->source, second);
        fixture_migrate(rollout, plan->vm, second, strcmp(plan->vm, "vm2") == 0 ? 118 : 61);
    }
    vr_event_free(fixture_rollout_phase(rollout, VR_ROLLOUT_DONE, 60, NULL));
    return rollout;
}
