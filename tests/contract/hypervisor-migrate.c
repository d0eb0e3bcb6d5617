/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations: how they go, how they fail, and what is left then. */
#include "hypervisor.h"

#define RUNS_AT_HOME "running persistent autostart"

static void
assert_untouched(Stand *stand, const VrReading *before)
{
    g_autoptr(VrReading) after =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    assert_string_equal(vr_side_to_string(after->side), vr_side_to_string(before->side));
    assert_int_equal(after->libvirt_id, before->libvirt_id);
    assert_true(after->persistent && after->autostart);
}

static VrReading *
read_home(Stand *stand)
{
    return wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
}

static void
assert_has_stats(const VrReading *reading, gboolean has)
{
    assert_int_equal(reading->stats.total_ms > 0, has);
    assert_int_equal(reading->stats.data_mib > 0, has);
    assert_int_equal(reading->stats.downtime_ms >= 0, has);
}

static void
test_migration_leaves_the_guest_on_the_target_alone(void **state)
{
    Stand *stand = *state;
    static Call call;
    g_autoptr(VrReading) before =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_TARGET, FALSE);
    assert_has_stats(before, FALSE);
    stand_migrate(stand, stand->home, stand->empty, STAND_FAST, &call);
    stand_assert_migrated(&call);
    stand_assert_truth(stand, stand->home, "absent");
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_ABSENT);
    /* libvirt forgets autostart. */
    stand_assert_truth(stand, stand->empty, "running persistent");
    for (guint i = 0; i < 2; i++) {
        g_autoptr(VrReading) reading =
            wait_read(stand->port, stand->empty, stand->vm, VR_ROLE_TARGET, FALSE);
        assert_int_equal(reading->side, VR_SIDE_RUNNING);
        assert_true(reading->persistent && !reading->autostart);
        assert_int_equal(reading->memory_mib, stand->memory_mib);
        assert_has_stats(reading, TRUE);
    }
    g_autoptr(VrReading) as_source =
        wait_read(stand->port, stand->empty, stand->vm, VR_ROLE_SOURCE, FALSE);
    assert_has_stats(as_source, FALSE);
    assert_int_equal(call.done_count, 1);
}

static void
test_paused_guest_stays_paused(void **state)
{
    Stand *stand = *state;
    static Call call;
    stand_must(stand, STAND_PAUSE, stand->home);
    stand_migrate(stand, stand->home, stand->empty, STAND_FAST, &call);
    stand_assert_migrated(&call);
    stand_assert_truth(stand, stand->home, "absent");
    stand_assert_truth(stand, stand->empty, "paused persistent");
    stand_assert_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_USER);
}

static void
assert_refused(Stand *stand, VrFailure failure)
{
    static Call call;
    g_autoptr(VrReading) before = read_home(stand);
    stand_migrate(stand, stand->home, stand->empty, STAND_FAST, &call);
    stand_assert_failed(&call, failure);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, before->side);
    assert_untouched(stand, before);
    assert_int_equal(call.done_count, 1);
}

static void
test_closed_target_refuses(void **state)
{
    Stand *stand = *state;
    stand_must(stand, STAND_CLOSE, stand->empty);
    assert_refused(stand, VR_FAILURE_HOOK_REFUSED);
    stand_assert_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    stand_assert_truth(stand, stand->empty, "absent");
    stand_must(stand, STAND_OPEN, stand->empty);
}

static void
test_target_with_a_vm_of_that_name_refuses(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_NAMESAKE, stand->empty))
        return;
    assert_refused(stand, VR_FAILURE_NAME_TAKEN);
    stand_assert_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
}

static void
test_target_with_the_vm_active_refuses(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_DOUBLE, stand->empty))
        return;
    assert_refused(stand, VR_FAILURE_STILL_THERE);
    stand_assert_truth(stand, stand->empty, "paused transient");
}

static void
test_vm_that_does_not_run_is_not_migrated(void **state)
{
    Stand *stand = *state;
    static Call call;
    stand_must(stand, STAND_POWER_OFF, stand->home);
    assert_refused(stand, VR_FAILURE_NOT_RUNNING);
    stand_assert_truth(stand, stand->home, "off persistent autostart");
    stand_assert_truth(stand, stand->empty, "absent");
    /* Nor one that is not there at all. */
    stand_migrate(stand, stand->other, stand->empty, STAND_FAST, &call);
    stand_assert_failed(&call, VR_FAILURE_OTHER);
    stand_assert_truth(stand, stand->empty, "absent");
}

static void
test_second_migration_is_refused_while_one_runs(void **state)
{
    Stand *stand = *state;
    static Call first, second;
    stand_migrate(stand, stand->home, stand->empty, STAND_SLOW, &first);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    stand_migrate(stand, stand->home, stand->other, STAND_FAST, &second);
    stand_assert_failed(&second, VR_FAILURE_VM_BUSY);
    assert_false(call_has_ended(&first));
    stand_assert_side(stand, stand->other, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    VrActionRequest abort =
        stand_action(stand, VR_ACTION_ABORT, stand->home, VR_ROW_J, VR_SIDE_RUNNING_JOB);
    stand_assert_done(stand, &abort);
    stand_assert_failed(&first, VR_FAILURE_ABORTED);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    stand_assert_truth(stand, stand->home, RUNS_AT_HOME);
    stand_assert_truth(stand, stand->other, "absent");
    assert_int_equal(first.done_count + second.done_count, 2);
}

static void
assert_fails_for_now(Stand *stand, const char *source, const char *target)
{
    static Call call;
    stand_migrate(stand, source, target, STAND_FAST, &call);
    call_wait(&call, STAND_DEADLINE_S);
    if (call.error == NULL)
        fail_msg("it succeeded");
    assert_int_equal(vr_failure_info(vr_failure_of(call.error))->class, VR_FAILURE_CLASS_RETRY);
    call_clear(&call);
}

static void
test_migration_with_a_stopped_daemon_fails_and_changes_nothing(void **state)
{
    Stand *stand = *state;
    g_autoptr(VrReading) before = read_home(stand);
    stand_must(stand, STAND_DAEMON_STOP, stand->empty);
    assert_fails_for_now(stand, stand->home, stand->empty);
    stand_must(stand, STAND_DAEMON_START, stand->empty);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    assert_untouched(stand, before);
    stand_must(stand, STAND_DAEMON_STOP, stand->home);
    assert_fails_for_now(stand, stand->home, stand->empty);
    stand_must(stand, STAND_DAEMON_START, stand->home);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    assert_untouched(stand, before);
    stand_assert_truth(stand, stand->empty, "absent");
    stand_assert_truth(stand, stand->home, RUNS_AT_HOME);
}

/* What the port says then is that it does not know; the migration goes on. */
static void
test_migration_whose_link_is_cut_is_cut_off_and_goes_on(void **state)
{
    Stand *stand = *state;
    static Call call;
    stand_migrate(stand, stand->home, stand->empty, STAND_SLOW, &call);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    stand_must(stand, STAND_CUT, stand->home);
    stand_assert_failed(&call, VR_FAILURE_CUT_OFF);
    stand_assert_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    stand_must(stand, STAND_MEND, stand->home);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    VrActionRequest abort =
        stand_action(stand, VR_ACTION_ABORT, stand->home, VR_ROW_J, VR_SIDE_RUNNING_JOB);
    stand_assert_done(stand, &abort);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    assert_int_equal(call.done_count, 1);
}

static void
count_read(const VrReading *reading, gpointer data)
{
    assert_non_null(reading);
    g_atomic_int_inc((gint *)data);
}

static void
count_list(const VrListing *listing, gpointer data)
{
    assert_non_null(listing);
    g_atomic_int_inc((gint *)data);
}

static void
test_free_answers_everything_once_and_the_migration_goes_on(void **state)
{
    Stand *stand = *state;
    static gint answers;
    static Call call;
    answers = 0;
    stand_migrate(stand, stand->home, stand->empty, STAND_SLOW, &call);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    for (guint i = 0; i < 5; i++) {
        stand->port.vtable->read(stand->port.context, stand->home, stand->vm, VR_ROLE_SOURCE, TRUE,
                                 count_read, &answers);
        stand->port.vtable->list(stand->port.context, stand->home, count_list, &answers);
    }
    stand->free_port(stand);
    assert_int_equal(g_atomic_int_get(&answers), 10);
    assert_true(call_has_ended(&call));
    assert_non_null(call.error);
    call_clear(&call);
    stand->open_port(stand);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    stand_assert_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    VrActionRequest abort =
        stand_action(stand, VR_ACTION_ABORT, stand->home, VR_ROW_J, VR_SIDE_RUNNING_JOB);
    stand_assert_done(stand, &abort);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    assert_int_equal(call.done_count, 1);
    assert_int_equal(g_atomic_int_get(&answers), 10);
}

#define ADD(test) hypervisor_add_test(tests, #test, test)

void
hypervisor_migrate_tests(GArray *tests)
{
    ADD(test_migration_leaves_the_guest_on_the_target_alone);
    ADD(test_paused_guest_stays_paused);
    ADD(test_closed_target_refuses);
    ADD(test_target_with_a_vm_of_that_name_refuses);
    ADD(test_target_with_the_vm_active_refuses);
    ADD(test_vm_that_does_not_run_is_not_migrated);
    ADD(test_second_migration_is_refused_while_one_runs);
    ADD(test_migration_with_a_stopped_daemon_fails_and_changes_nothing);
    ADD(test_migration_whose_link_is_cut_is_cut_off_and_goes_on);
    ADD(test_free_answers_everything_once_and_the_migration_goes_on);
}
