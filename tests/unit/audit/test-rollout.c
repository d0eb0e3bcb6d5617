/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor's rules on the journal, the controller, time and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "small-world.h"

static void
issues_vm1(Small *small)
{
    migration(small, SIM_FACT_MIGRATE_ISSUED, VM1, H2, H3);
}

/* ------------------------------------------------------------------ journal and controller */

static void
case_intent_is_durable(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_VM1, bad ? VR_PHASE_FITTING : VR_PHASE_MIGRATING);
    issues_vm1(small);
}

static void
case_stage_is_announced(Small *small, gboolean bad)
{
    records(small, STEP_H2, VR_PHASE_CLOSING);
    small->attempts[STEP_H2] += bad ? 1 : 0;
    stage(small, SIM_FACT_STAGE_ISSUED, STEP_H2, H2, VR_STAGE_CLOSE);
}

static void
case_target_is_durably_updated(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates(small, STEP_VM2, VM2, H2, H3);
    records(small, STEP_GATE, VR_PHASE_PASSED);
    closes(small, STEP_H1, H1);
    sim_host(&small->world, H2)->updated = TRUE;
    if (!bad)
        records(small, STEP_H2, VR_PHASE_UPDATED);
    migrates_halfway(small, STEP_VM3, VM3, H1, H2);
}

static void
case_issued_once(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_VM1, VR_PHASE_MIGRATING);
    issues_vm1(small);
    migration(small, SIM_FACT_MIGRATE_BEGINS, VM1, H2, H3);
    if (bad)
        issues_vm1(small);
}

static void
case_stage_begins_once(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_H2, VR_PHASE_PREPARING);
    stage(small, SIM_FACT_STAGE_BEGINS, STEP_H2, H2, VR_STAGE_BEFORE);
    if (bad)
        stage(small, SIM_FACT_STAGE_BEGINS, STEP_H2, H2, VR_STAGE_BEFORE);
}

static void
case_only_the_present_controller(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_VM1, VR_PHASE_MIGRATING);
    if (bad)
        controller(small, SIM_FACT_CONTROLLER_STARTS, 2);
    issues_vm1(small);
}

static void
case_nothing_after_a_journal_failure(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_VM1, VR_PHASE_MIGRATING);
    if (bad)
        controller(small, SIM_FACT_APPEND_FAILED, 1);
    issues_vm1(small);
}

/* ------------------------------------------------------------------ time and requests */

static void
case_nobody_is_left_paused(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
    changes(small, VM1, H3, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    g_array_set_size(small->world.migrations, 0);
    told(small, VM1, H2, SIM_BY_LIBVIRT);
    records(small, STEP_VM1, VR_PHASE_OBSERVING);
    later(small, 1700);
    if (!bad)
        records(small, STEP_VM1, VR_PHASE_NEEDS_OPERATOR);
    later(small, 3000);
}

static void
case_nobody_is_left_paused_at_rest(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
    g_array_set_size(small->world.migrations, 0);
    records(small, STEP_VM1, bad ? VR_PHASE_FAILED : VR_PHASE_NEEDS_OPERATOR);
    sim_auditor_rest(small->auditor, VR_ROLLOUT_NEEDS_OPERATOR, FALSE);
}

static void
case_stop_takes_effect(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    if (!bad)
        records(small, STEP_VM1, VR_PHASE_CHECKING);
    rollout_is(small, VR_ROLLOUT_STOPPING);
    records(small, STEP_VM1, VR_PHASE_MIGRATING);
    issues_vm1(small);
}

static void
case_stop_takes_effect_before_an_update(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates(small, STEP_VM2, VM2, H2, H3);
    records(small, STEP_GATE, VR_PHASE_PASSED);
    if (bad)
        rollout_is(small, VR_ROLLOUT_STOPPING);
    updates(small, STEP_H2, H2);
}

/* The controller looks now and then, and decides nothing. */
static void
polls(Small *small, guint times)
{
    for (guint i = 0; i < times; i++) {
        later(small, 20);
        reads(small, VM1, H2, VR_SIDE_RUNNING_JOB);
    }
}

static void
case_restart_knows_where_it_is(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_VM1, VR_PHASE_MIGRATING);
    issues_vm1(small);
    controller(small, SIM_FACT_CONTROLLER_ENDS, 1);
    controller(small, SIM_FACT_CONTROLLER_STARTS, 1);
    records(small, STEP_VM1, VR_PHASE_OBSERVING);
    in_flight(small, VM1, H2, H3);
    polls(small, 7); /* for the migration that is in flight it may wait */
    g_array_set_size(small->world.migrations, 0);
    polls(small, 5);
    if (!bad)
        records(small, STEP_VM1, VR_PHASE_CHECKING);
    polls(small, 5);
}

/* A controller that is stalled cannot know anything, and has all its time once it goes on. */
static void
case_stalled_controller_has_its_time(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_VM1, VR_PHASE_MIGRATING);
    controller(small, SIM_FACT_CONTROLLER_ENDS, 1);
    controller(small, SIM_FACT_CONTROLLER_STARTS, 1);
    records(small, STEP_VM1, VR_PHASE_OBSERVING);
    later(small, 500);
    polls(small, 5);
    if (!bad)
        records(small, STEP_VM1, VR_PHASE_CHECKING);
    polls(small, 5);
}

/* ------------------------------------------------------------------ the end */

static void
whole_rollout(Small *small)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates(small, STEP_VM2, VM2, H2, H3);
    records(small, STEP_GATE, VR_PHASE_PASSED);
    updates(small, STEP_H2, H2);
    closes(small, STEP_H1, H1);
    migrates(small, STEP_VM3, VM3, H1, H2);
    updates(small, STEP_H1, H1);
}

static void
ends(Small *small)
{
    rollout_is(small, VR_ROLLOUT_DONE);
    sim_auditor_rest(small->auditor, VR_ROLLOUT_DONE, TRUE);
}

static void
case_hosts_are_updated(Small *small, gboolean bad)
{
    whole_rollout(small);
    sim_host(&small->world, H1)->updated = !bad;
    ends(small);
}

static void
case_hosts_are_open(Small *small, gboolean bad)
{
    whole_rollout(small);
    sim_host(&small->world, H2)->closed = bad;
    ends(small);
}

static void
case_vms_run(Small *small, gboolean bad)
{
    whole_rollout(small);
    if (bad)
        copy_of(small, VM2, H3)->qemu = SIM_QEMU_NONE;
    ends(small);
}

/* Nobody looks again at what has settled, so what breaks after the last look is nobody's fault. */
static void
case_vms_run_as_far_as_was_seen(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates_unsettled(small, STEP_VM2, VM2, H2, H3);
    if (!bad)
        changes(small, VM2, H3, SIM_QEMU_PAUSED_IO_ERROR, SIM_BY_FAULT);
    later(small, 5);
    records(small, STEP_VM2, VR_PHASE_SETTLED);
    if (bad)
        changes(small, VM2, H3, SIM_QEMU_PAUSED_IO_ERROR, SIM_BY_LIBVIRT);
    records(small, STEP_GATE, VR_PHASE_PASSED);
    updates(small, STEP_H2, H2);
    closes(small, STEP_H1, H1);
    migrates(small, STEP_VM3, VM3, H1, H2);
    updates(small, STEP_H1, H1);
    ends(small);
}

static void
case_no_copy_is_left_behind(Small *small, gboolean bad)
{
    whole_rollout(small);
    copy_of(small, VM1, H2)->defined = bad;
    ends(small);
}

static void
vanishes(Small *small, guint vm, guint host, SimCause cause)
{
    copy_of(small, vm, host)->defined = copy_of(small, vm, host)->on_disk = FALSE;
    changes(small, vm, host, SIM_QEMU_NONE, cause);
}

/* Whoever lost it, it is missed once its host has been read. */
static void
case_vms_are_somewhere(Small *small, gboolean bad)
{
    whole_rollout(small);
    vanishes(small, VM1, H3, SIM_BY_FAULT);
    if (bad)
        reads(small, VM1, H3, VR_SIDE_ABSENT);
    ends(small);
}

/* What libvirt does in the migration of a stranger is the stranger's doing, and else is ours. */
static void
case_vms_are_not_lost_on_their_way(Small *small, gboolean bad)
{
    whole_rollout(small);
    in_flight(small, VM1, H3, H1)->foreign = !bad;
    vanishes(small, VM1, H3, SIM_BY_LIBVIRT);
    ends(small);
}

static void
case_it_ends(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    sim_vm(&small->world, VM1)->died = !bad;
    sim_auditor_rest(small->auditor, VR_ROLLOUT_FAILED, TRUE);
}

static void
case_it_comes_to_rest(Small *small, gboolean bad)
{
    if (bad)
        sim_auditor_endless(small->auditor, "step 1 is observing");
    else
        case_it_ends(small, FALSE);
}

#define RULE_TEST(name, rule)                                                                      \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_rule(rule, case_##name);                                                             \
    }

RULE_TEST(intent_is_durable, SIM_RULE_I8)
RULE_TEST(stage_is_announced, SIM_RULE_I8)
RULE_TEST(target_is_durably_updated, SIM_RULE_I8)
RULE_TEST(issued_once, SIM_RULE_I16)
RULE_TEST(stage_begins_once, SIM_RULE_I16)
RULE_TEST(only_the_present_controller, SIM_RULE_I12)
RULE_TEST(nothing_after_a_journal_failure, SIM_RULE_I18)
RULE_TEST(nobody_is_left_paused, SIM_RULE_L2)
RULE_TEST(nobody_is_left_paused_at_rest, SIM_RULE_L2)
RULE_TEST(stop_takes_effect, SIM_RULE_L3)
RULE_TEST(stop_takes_effect_before_an_update, SIM_RULE_L3)
RULE_TEST(restart_knows_where_it_is, SIM_RULE_L4)
RULE_TEST(stalled_controller_has_its_time, SIM_RULE_L4)
RULE_TEST(hosts_are_updated, SIM_RULE_END)
RULE_TEST(hosts_are_open, SIM_RULE_END)
RULE_TEST(vms_run, SIM_RULE_END)
RULE_TEST(no_copy_is_left_behind, SIM_RULE_END)
RULE_TEST(vms_run_as_far_as_was_seen, SIM_RULE_END)
RULE_TEST(vms_are_somewhere, SIM_RULE_I2)
RULE_TEST(vms_are_not_lost_on_their_way, SIM_RULE_I2)
RULE_TEST(it_ends, SIM_RULE_L1)
RULE_TEST(it_comes_to_rest, SIM_RULE_L1)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intent_is_durable),
        cmocka_unit_test(test_stage_is_announced),
        cmocka_unit_test(test_target_is_durably_updated),
        cmocka_unit_test(test_issued_once),
        cmocka_unit_test(test_stage_begins_once),
        cmocka_unit_test(test_only_the_present_controller),
        cmocka_unit_test(test_nothing_after_a_journal_failure),
        cmocka_unit_test(test_nobody_is_left_paused),
        cmocka_unit_test(test_nobody_is_left_paused_at_rest),
        cmocka_unit_test(test_stop_takes_effect),
        cmocka_unit_test(test_stop_takes_effect_before_an_update),
        cmocka_unit_test(test_restart_knows_where_it_is),
        cmocka_unit_test(test_stalled_controller_has_its_time),
        cmocka_unit_test(test_hosts_are_updated),
        cmocka_unit_test(test_hosts_are_open),
        cmocka_unit_test(test_vms_run),
        cmocka_unit_test(test_no_copy_is_left_behind),
        cmocka_unit_test(test_vms_run_as_far_as_was_seen),
        cmocka_unit_test(test_vms_are_somewhere),
        cmocka_unit_test(test_vms_are_not_lost_on_their_way),
        cmocka_unit_test(test_it_ends),
        cmocka_unit_test(test_it_comes_to_rest),
    };

    return cmocka_run_group_tests_name("audit-rollout", tests, NULL, NULL);
}
