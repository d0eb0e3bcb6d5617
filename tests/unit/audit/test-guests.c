/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor's rules on guests and their copies, each in a world that breaks it and one that does
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "small-world.h"

/* Closed, and both copies of vm1 are paused: source with the old memory, target about to run. */
static void
goes_halfway(Small *small)
{
    closes(small, STEP_H2, H2);
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
}

static void
runs_on_its_target(Small *small)
{
    goes_halfway(small);
    sim_vm(&small->world, VM1)->memory = copy_of(small, VM1, H3)->memory = 2;
    copy_of(small, VM1, H3)->defined = copy_of(small, VM1, H3)->on_disk = TRUE;
    copy_of(small, VM1, H3)->job = SIM_JOB_NONE;
    changes(small, VM1, H3, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
}

static void
is_over(Small *small)
{
    g_array_set_size(small->world.migrations, 0);
    migration(small, SIM_FACT_MIGRATE_OVER, VM1, H2, H3);
    records(small, STEP_VM1, VR_PHASE_OBSERVING);
}

/* The target runs, and libvirt has left a paused source behind. */
static void
leaves_a_source_behind(Small *small)
{
    runs_on_its_target(small);
    is_over(small);
}

/* The target is gone without ever having run. */
static void
leaves_only_a_paused_source(Small *small)
{
    goes_halfway(small);
    copy_of(small, VM1, H3)->job = SIM_JOB_NONE;
    changes(small, VM1, H3, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    is_over(small);
}

static void
acts(Small *small, VrPhase phase, guint host, VrAction which)
{
    records(small, STEP_VM1, phase);
    action(small, SIM_FACT_ACT_ISSUED, VM1, host, which);
    action(small, SIM_FACT_ACT_BEGINS, VM1, host, which);
}

static void
reads_for_resume(Small *small)
{
    for (guint round = 0; round < 2; round++) {
        reads(small, VM1, H2, VR_SIDE_MIGRATION);
        reads(small, VM1, H3, VR_SIDE_ABSENT);
        reads(small, VM1, H1, VR_SIDE_ABSENT);
    }
}

static void
resumes_source(Small *small)
{
    acts(small, VR_PHASE_RESUMING_SOURCE, H2, VR_ACTION_RESUME_SOURCE);
}

/* Two rounds that agree. */
static void
reads_for_destroy(Small *small)
{
    for (guint round = 0; round < 2; round++) {
        reads(small, VM1, H2, VR_SIDE_MIGRATION);
        reads(small, VM1, H3, VR_SIDE_RUNNING);
    }
}

static void
destroys_source(Small *small)
{
    acts(small, VR_PHASE_DESTROYING_SOURCE, H2, VR_ACTION_DESTROY_SOURCE);
}

/* ------------------------------------------------------------------ I1, I2 */

/* What libvirt alone does, or an owner, is no breach of it; what the controller starts is. */
static void
case_runs_once(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    changes(small, VM1, H2, SIM_QEMU_RUNNING, bad ? SIM_BY_CONTROLLER : SIM_BY_LIBVIRT);
}

static void
case_no_autostart_of_a_stale_definition(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    if (!bad)
        changes(small, VM1, H3, SIM_QEMU_NONE, SIM_BY_OWNER);
    copy_of(small, VM1, H2)->defined = TRUE;
    changes(small, VM1, H2, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
}

static void
case_no_migration_beside_a_copy(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    if (bad)
        copy_of(small, VM1, H1)->qemu = SIM_QEMU_PAUSED_USER;
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
}

static void
case_split_is_asked_about(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates_halfway(small, STEP_VM2, VM2, H2, H3);
    sim_vm(&small->world, VM2)->memory = copy_of(small, VM2, H3)->memory = 2;
    changes(small, VM2, H3, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
    changes(small, VM2, H2, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
    if (!bad)
        records(small, STEP_VM2, VR_PHASE_NEEDS_OPERATOR);
    sim_host(&small->world, H1)->updated = sim_host(&small->world, H2)->updated = TRUE;
    sim_host(&small->world, H2)->closed = FALSE;
    sim_auditor_rest(small->auditor, VR_ROLLOUT_DONE, TRUE);
}

static void
case_last_copy_is_not_ended(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    changes(small, VM1, bad ? H3 : H2, SIM_QEMU_NONE, SIM_BY_CONTROLLER);
}

static void
case_last_definition_is_not_removed(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    copy_of(small, VM1, H3)->on_disk = !bad;
    told(small, VM1, H3, SIM_BY_LIBVIRT);
    copy_of(small, VM1, H2)->on_disk = FALSE;
    told(small, VM1, H2, SIM_BY_CONTROLLER);
}

/* ------------------------------------------------------------------ I4, I5 */

static void
case_destroy_needs_a_newer_copy(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    if (bad)
        copy_of(small, VM1, H3)->memory = 1;
    if (bad)
        copy_of(small, VM1, H2)->memory = 2;
    reads_for_destroy(small);
    destroys_source(small);
}

static void
case_destroy_needs_the_job_to_be_over(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    copy_of(small, VM1, H3)->job = bad ? SIM_JOB_IN_STARTED : SIM_JOB_NONE;
    reads_for_destroy(small);
    destroys_source(small);
}

static void
case_destroy_needs_a_persistent_copy(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    copy_of(small, VM1, H3)->on_disk = !bad;
    reads_for_destroy(small);
    destroys_source(small);
}

static void
case_undefine_needs_an_inactive_source(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    if (!bad)
        changes(small, VM1, H2, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    reads(small, VM1, H2, VR_SIDE_OFF);
    reads(small, VM1, H3, VR_SIDE_RUNNING);
    acts(small, VR_PHASE_UNDEFINING_SOURCE, H2, VR_ACTION_UNDEFINE_SOURCE);
}

static void
case_undefine_needs_a_target_that_never_ran(Small *small, gboolean bad)
{
    goes_halfway(small);
    copy_of(small, VM1, H3)->memory = bad ? 2 : 0;
    copy_of(small, VM1, H3)->defined = copy_of(small, VM1, H3)->on_disk = TRUE;
    changes(small, VM1, H3, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    changes(small, VM1, H2, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
    g_array_set_size(small->world.migrations, 0);
    reads(small, VM1, H2, VR_SIDE_RUNNING);
    reads(small, VM1, H3, VR_SIDE_OFF_FAILED);
    acts(small, VR_PHASE_UNDEFINING_TARGET, H3, VR_ACTION_UNDEFINE_TARGET);
}

static void
case_split_vm_is_left_alone(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    if (bad)
        changes(small, VM1, H2, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
    reads_for_destroy(small);
    destroys_source(small);
}

static void
case_resume_needs_the_newest_memory(Small *small, gboolean bad)
{
    leaves_only_a_paused_source(small);
    if (bad)
        copy_of(small, VM1, H3)->memory = 2;
    reads_for_resume(small);
    resumes_source(small);
}

static void
case_resume_needs_no_definition_elsewhere(Small *small, gboolean bad)
{
    leaves_only_a_paused_source(small);
    copy_of(small, VM1, H3)->defined = bad;
    reads_for_resume(small);
    resumes_source(small);
}

static void
case_resume_needs_no_migration_in_flight(Small *small, gboolean bad)
{
    leaves_only_a_paused_source(small);
    if (bad)
        in_flight(small, VM1, H2, H3);
    reads_for_resume(small);
    resumes_source(small);
}

/* ------------------------------------------------------------------ I6, I7 */

static void
issues_again(Small *small)
{
    records(small, STEP_VM1, VR_PHASE_CHECKING);
    reads(small, VM1, H2, VR_SIDE_RUNNING);
    reads(small, VM1, H3, VR_SIDE_ABSENT);
    records(small, STEP_VM1, VR_PHASE_MIGRATING);
    migration(small, SIM_FACT_MIGRATE_ISSUED, VM1, H2, H3);
}

static void
case_one_migration_at_a_time(Small *small, gboolean bad)
{
    leaves_only_a_paused_source(small);
    changes(small, VM1, H2, SIM_QEMU_RUNNING, SIM_BY_LIBVIRT);
    if (bad)
        in_flight(small, VM1, H2, H3);
    issues_again(small);
}

static void
case_an_earlier_call_can_no_longer_begin(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    issues_again(small);
    controller(small, SIM_FACT_CONTROLLER_ENDS, 1);
    controller(small, SIM_FACT_CONTROLLER_STARTS, 1);
    later(small, bad ? 59 : 61);
    issues_again(small);
}

static void
case_a_call_does_not_begin_after_its_verdict(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    issues_again(small);
    records(small, STEP_VM1, VR_PHASE_OBSERVING);
    if (bad)
        records(small, STEP_VM1, VR_PHASE_CHECKING);
    migration(small, SIM_FACT_MIGRATE_BEGINS, VM1, H2, H3);
}

static void
case_nothing_in_postcopy(Small *small, gboolean bad)
{
    goes_halfway(small);
    if (bad)
        changes(small, VM1, H2, SIM_QEMU_POSTCOPY, SIM_BY_STRANGER);
    reads(small, VM1, H2, VR_SIDE_RUNNING_JOB);
    acts(small, VR_PHASE_ABORTING, H2, VR_ACTION_ABORT);
}

/* ------------------------------------------------------------------ I11, I13, I14 */

static void
case_unknown_is_not_absent(Small *small, gboolean bad)
{
    leaves_only_a_paused_source(small);
    reads_for_resume(small);
    reads(small, VM1, H3, bad ? VR_SIDE_UNKNOWN : VR_SIDE_ABSENT);
    resumes_source(small);
}

/* Its owner pauses what has taken over: that is no other answer. One look alone is. */
static void
case_destroy_needs_two_looks(Small *small, gboolean bad)
{
    leaves_a_source_behind(small);
    reads(small, VM1, H2, VR_SIDE_MIGRATION);
    reads(small, VM1, H3, bad ? VR_SIDE_RUNNING_JOB : VR_SIDE_RUNNING);
    changes(small, VM1, H3, SIM_QEMU_PAUSED_USER, SIM_BY_OWNER);
    reads(small, VM1, H2, VR_SIDE_MIGRATION);
    reads(small, VM1, H3, VR_SIDE_USER);
    destroys_source(small);
}

static void
case_reads_are_fresh(Small *small, gboolean bad)
{
    leaves_only_a_paused_source(small);
    reads_for_resume(small);
    later(small, bad ? 11 : 9);
    resumes_source(small);
}

static void
case_every_other_host_is_read(Small *small, gboolean bad)
{
    leaves_only_a_paused_source(small);
    reads(small, VM1, H2, VR_SIDE_MIGRATION);
    reads(small, VM1, H3, VR_SIDE_ABSENT);
    if (!bad)
        lists(small, H1);
    resumes_source(small);
}

static void
case_autostart_is_kept(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    sim_vm(&small->world, VM1)->autostart = !bad;
    migrates(small, STEP_VM1, VM1, H2, H3);
}

static void
case_paused_stays_paused(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    sim_vm(&small->world, VM1)->wish = bad ? SIM_WISH_PAUSED : SIM_WISH_RUNNING;
    migrates(small, STEP_VM1, VM1, H2, H3);
}

static void
case_a_guest_that_was_paused_is_not_resumed(Small *small, gboolean bad)
{
    if (bad)
        changes(small, VM1, H2, SIM_QEMU_PAUSED_USER, SIM_BY_OWNER);
    leaves_only_a_paused_source(small);
    reads_for_resume(small);
    resumes_source(small);
}

/* Asked about its first step, a person has left it out: the second goes with it, and not before. */
static void
case_dead_stays_off_if_a_person_says_so(Small *small, gboolean bad)
{
    sim_vm(&small->world, VM3)->died = TRUE;
    records(small, STEP_VM3, VR_PHASE_NEEDS_OPERATOR);
    if (!bad)
        records(small, STEP_VM3, VR_PHASE_STOPPED);
    records(small, STEP_VM3_ON, VR_PHASE_STOPPED);
}

/* The guest has broken meanwhile: after the last look, or after one that was too early to count. */
static void
case_settles_on_a_look_after_its_arrival(Small *small, gboolean bad)
{
    sim_vm(&small->world, VM1)->autostart = FALSE;
    runs_on_its_target(small);
    copy_of(small, VM1, H2)->defined = copy_of(small, VM1, H2)->on_disk = FALSE;
    changes(small, VM1, H2, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    if (!bad)
        is_over(small);
    reads(small, VM1, H2, VR_SIDE_ABSENT);
    reads(small, VM1, H3, VR_SIDE_RUNNING);
    changes(small, VM1, H3, SIM_QEMU_PAUSED_IO_ERROR, SIM_BY_FAULT);
    later(small, 1);
    if (bad)
        is_over(small);
    records(small, STEP_VM1, VR_PHASE_SETTLED);
}

#define RULE_TEST(name, rule)                                                                      \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_rule(rule, case_##name);                                                             \
    }

RULE_TEST(runs_once, SIM_RULE_I1)
RULE_TEST(no_autostart_of_a_stale_definition, SIM_RULE_I1)
RULE_TEST(no_migration_beside_a_copy, SIM_RULE_I1)
RULE_TEST(last_copy_is_not_ended, SIM_RULE_I2)
RULE_TEST(last_definition_is_not_removed, SIM_RULE_I2)
RULE_TEST(destroy_needs_a_newer_copy, SIM_RULE_I4)
RULE_TEST(destroy_needs_the_job_to_be_over, SIM_RULE_I4)
RULE_TEST(destroy_needs_a_persistent_copy, SIM_RULE_I4)
RULE_TEST(undefine_needs_an_inactive_source, SIM_RULE_I4)
RULE_TEST(undefine_needs_a_target_that_never_ran, SIM_RULE_I4)
RULE_TEST(split_vm_is_left_alone, SIM_RULE_I4)
RULE_TEST(resume_needs_the_newest_memory, SIM_RULE_I5)
RULE_TEST(resume_needs_no_definition_elsewhere, SIM_RULE_I5)
RULE_TEST(resume_needs_no_migration_in_flight, SIM_RULE_I5)
RULE_TEST(one_migration_at_a_time, SIM_RULE_I6)
RULE_TEST(an_earlier_call_can_no_longer_begin, SIM_RULE_I6)
RULE_TEST(a_call_does_not_begin_after_its_verdict, SIM_RULE_I6)
RULE_TEST(nothing_in_postcopy, SIM_RULE_I7)
RULE_TEST(unknown_is_not_absent, SIM_RULE_I11)
RULE_TEST(destroy_needs_two_looks, SIM_RULE_I11)
RULE_TEST(reads_are_fresh, SIM_RULE_I11)
RULE_TEST(every_other_host_is_read, SIM_RULE_I11)
RULE_TEST(autostart_is_kept, SIM_RULE_I13)
RULE_TEST(paused_stays_paused, SIM_RULE_I14)
RULE_TEST(a_guest_that_was_paused_is_not_resumed, SIM_RULE_I14)
RULE_TEST(dead_stays_off_if_a_person_says_so, SIM_RULE_I14)
RULE_TEST(settles_on_a_look_after_its_arrival, SIM_RULE_I14)
RULE_TEST(split_is_asked_about, SIM_RULE_I1)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_once),
        cmocka_unit_test(test_no_autostart_of_a_stale_definition),
        cmocka_unit_test(test_no_migration_beside_a_copy),
        cmocka_unit_test(test_split_is_asked_about),
        cmocka_unit_test(test_last_copy_is_not_ended),
        cmocka_unit_test(test_last_definition_is_not_removed),
        cmocka_unit_test(test_destroy_needs_a_newer_copy),
        cmocka_unit_test(test_destroy_needs_the_job_to_be_over),
        cmocka_unit_test(test_destroy_needs_a_persistent_copy),
        cmocka_unit_test(test_undefine_needs_an_inactive_source),
        cmocka_unit_test(test_undefine_needs_a_target_that_never_ran),
        cmocka_unit_test(test_split_vm_is_left_alone),
        cmocka_unit_test(test_resume_needs_the_newest_memory),
        cmocka_unit_test(test_resume_needs_no_definition_elsewhere),
        cmocka_unit_test(test_resume_needs_no_migration_in_flight),
        cmocka_unit_test(test_one_migration_at_a_time),
        cmocka_unit_test(test_an_earlier_call_can_no_longer_begin),
        cmocka_unit_test(test_a_call_does_not_begin_after_its_verdict),
        cmocka_unit_test(test_nothing_in_postcopy),
        cmocka_unit_test(test_unknown_is_not_absent),
        cmocka_unit_test(test_destroy_needs_two_looks),
        cmocka_unit_test(test_reads_are_fresh),
        cmocka_unit_test(test_every_other_host_is_read),
        cmocka_unit_test(test_autostart_is_kept),
        cmocka_unit_test(test_paused_stays_paused),
        cmocka_unit_test(test_a_guest_that_was_paused_is_not_resumed),
        cmocka_unit_test(test_dead_stays_off_if_a_person_says_so),
        cmocka_unit_test(test_settles_on_a_look_after_its_arrival),
    };

    return cmocka_run_group_tests_name("audit-guests", tests, NULL, NULL);
}
