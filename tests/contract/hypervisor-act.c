/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions: each with the row and class that allow it, and with others. */
#include "hypervisor.h"

#define ANOTHER_UUID "6d0e5b1c-6f0c-4f7f-9c1f-3d4d0f3a5a10"

static void
refuse(Stand *stand, VrAction action, const char *host, VrRow row, VrSide expected,
       VrErrorCode code)
{
    VrActionRequest request = stand_action(stand, action, host, row, expected);
    request.definition = "<domain type='qemu'><name>x</name><uuid>" ANOTHER_UUID "</uuid></domain>";
    stand_assert_refused(stand, &request, code);
}

static void
test_action_with_a_wrong_row_or_class_is_refused_and_changes_nothing(void **state)
{
    Stand *stand = *state;
    static const struct {
        VrAction action;
        VrRow row;
        VrSide expected;
        VrErrorCode code;
    } tries[] = {
        {VR_ACTION_ABORT, VR_ROW_J, VR_SIDE_RUNNING_JOB, VR_ERROR_CONFLICT},
        {VR_ACTION_ABORT, VR_ROW_K, VR_SIDE_RUNNING_JOB, VR_ERROR_REFUSED},
        {VR_ACTION_ABORT, VR_ROW_J, VR_SIDE_RUNNING, VR_ERROR_REFUSED},
        {VR_ACTION_RESUME_SOURCE, VR_ROW_E, VR_SIDE_MIGRATION, VR_ERROR_CONFLICT},
        {VR_ACTION_RESUME_SOURCE, VR_ROW_G, VR_SIDE_MIGRATION, VR_ERROR_REFUSED},
        {VR_ACTION_RESUME_SOURCE, VR_ROW_E, VR_SIDE_USER, VR_ERROR_REFUSED},
        {VR_ACTION_DESTROY_SOURCE, VR_ROW_G, VR_SIDE_MIGRATION, VR_ERROR_CONFLICT},
        {VR_ACTION_DESTROY_SOURCE, VR_ROW_G, VR_SIDE_RUNNING, VR_ERROR_REFUSED},
        {VR_ACTION_DESTROY_SOURCE, VR_ROW_D, VR_SIDE_MIGRATION, VR_ERROR_REFUSED},
        {VR_ACTION_UNDEFINE_SOURCE, VR_ROW_O, VR_SIDE_OFF, VR_ERROR_CONFLICT},
        {VR_ACTION_UNDEFINE_SOURCE, VR_ROW_B, VR_SIDE_OFF, VR_ERROR_REFUSED},
        {VR_ACTION_UNDEFINE_SOURCE, VR_ROW_O, VR_SIDE_RUNNING, VR_ERROR_REFUSED},
        {VR_ACTION_UNDEFINE_TARGET, VR_ROW_B, VR_SIDE_OFF_FAILED, VR_ERROR_CONFLICT},
        {VR_ACTION_UNDEFINE_TARGET, VR_ROW_O, VR_SIDE_OFF_FAILED, VR_ERROR_REFUSED},
        {VR_ACTION_UNDEFINE_TARGET, VR_ROW_B, VR_SIDE_OFF, VR_ERROR_REFUSED},
        {VR_ACTION_DEFINE_TARGET, VR_ROW_H, VR_SIDE_RUNNING, VR_ERROR_REFUSED},
        {VR_ACTION_DEFINE_TARGET, VR_ROW_P, VR_SIDE_RUNNING, VR_ERROR_REFUSED},
        {VR_ACTION_SET_AUTOSTART, VR_ROW_P, VR_SIDE_USER, VR_ERROR_CONFLICT},
        {VR_ACTION_SET_AUTOSTART, VR_ROW_P, VR_SIDE_MIGRATION, VR_ERROR_REFUSED},
    };
    g_autoptr(VrReading) before =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS(tries); i++)
        refuse(stand, tries[i].action, stand->home, tries[i].row, tries[i].expected, tries[i].code);
    /* Nor where it is not at all. */
    refuse(stand, VR_ACTION_UNDEFINE_SOURCE, stand->empty, VR_ROW_O, VR_SIDE_OFF,
           VR_ERROR_CONFLICT);
    g_autoptr(VrReading) after =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    assert_int_equal(after->side, before->side);
    assert_int_equal(after->libvirt_id, before->libvirt_id);
    stand_assert_truth(stand, stand->home, "running persistent autostart");
    stand_assert_truth(stand, stand->empty, "absent");
}

/* A stranger's, so that the port knows nothing of it but what it reads. */
static void
test_migration_shows_at_both_ends_and_its_abort_rolls_back(void **state)
{
    Stand *stand = *state;
    g_autoptr(VrReading) before =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    if (!stand_make(stand, STAND_FOREIGN, stand->empty))
        return;
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    g_autoptr(VrReading) incoming =
        wait_read(stand->port, stand->empty, stand->vm, VR_ROLE_TARGET, FALSE);
    assert_true(!incoming->persistent && incoming->libvirt_id > 0);
    g_autoptr(VrListing) listing = wait_list(stand->port, stand->empty);
    assert_int_equal(listing->vms->len, 1);
    const VrListedVm *vm = g_ptr_array_index(listing->vms, 0);
    assert_true(vm->active && !vm->persistent);
    refuse(stand, VR_ACTION_ABORT, stand->home, VR_ROW_K, VR_SIDE_RUNNING_JOB, VR_ERROR_REFUSED);
    refuse(stand, VR_ACTION_DESTROY_SOURCE, stand->home, VR_ROW_G, VR_SIDE_MIGRATION,
           VR_ERROR_CONFLICT);
    refuse(stand, VR_ACTION_ABORT, stand->empty, VR_ROW_J, VR_SIDE_RUNNING_JOB, VR_ERROR_CONFLICT);
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    VrActionRequest abort =
        stand_action(stand, VR_ACTION_ABORT, stand->home, VR_ROW_J, VR_SIDE_RUNNING_JOB);
    stand_assert_done(stand, &abort);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    stand_assert_truth(stand, stand->home, "running persistent autostart");
    g_autoptr(VrReading) after =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    assert_int_equal(after->libvirt_id, before->libvirt_id);
}

static void
test_abort_of_our_own_migration_ends_its_call_and_progress_was_seen(void **state)
{
    Stand *stand = *state;
    static Call call;
    stand_migrate(stand, stand->home, stand->empty, STAND_SLOW, &call);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    gint64 deadline_us = call_now_us() + STAND_DEADLINE_S * G_TIME_SPAN_SECOND;
    while (g_atomic_int_get(&call.progress_count) < 3 && call_now_us() < deadline_us)
        wait_ms(20);
    VrActionRequest abort =
        stand_action(stand, VR_ACTION_ABORT, stand->home, VR_ROW_J, VR_SIDE_RUNNING_JOB);
    stand_assert_done(stand, &abort);
    call_wait(&call, STAND_DEADLINE_S);
    assert_true(g_atomic_int_get(&call.progress_count) >= 3);
    assert_true(call.progress.elapsed_ms > 0 && call.progress.data_total_mib > 0);
    assert_true(call.progress.data_processed_mib >= 0 && call.progress.data_remaining_mib > 0);
    assert_int_equal(vr_failure_of(call.error), VR_FAILURE_ABORTED);
    call_clear(&call);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    stand_assert_truth(stand, stand->home, "running persistent autostart");
}

static void
test_abort_of_a_backup_is_refused(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_BACKUP_BEGIN, stand->home))
        return;
    refuse(stand, VR_ACTION_ABORT, stand->home, VR_ROW_J, VR_SIDE_RUNNING_JOB, VR_ERROR_CONFLICT);
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    stand_must(stand, STAND_BACKUP_END, stand->home);
}

static void
assert_set_autostart(Stand *stand, const char *host, VrSide side, const char *truth)
{
    VrActionRequest request = stand_action(stand, VR_ACTION_SET_AUTOSTART, host, VR_ROW_P, side);
    stand_assert_done(stand, &request);
    stand_assert_truth(stand, host, truth);
    g_autoptr(VrReading) reading = wait_read(stand->port, host, stand->vm, VR_ROLE_TARGET, FALSE);
    assert_true(reading->autostart);
}

static void
test_autostart_is_set_on_running_and_paused_guests(void **state)
{
    Stand *stand = *state;
    static Call call;
    stand_migrate(stand, stand->home, stand->empty, STAND_FAST, &call);
    stand_assert_migrated(&call);
    stand_assert_truth(stand, stand->empty, "running persistent");
    assert_set_autostart(stand, stand->empty, VR_SIDE_RUNNING, "running persistent autostart");
    assert_set_autostart(stand, stand->empty, VR_SIDE_RUNNING, "running persistent autostart");
    stand_must(stand, STAND_PAUSE, stand->empty);
    stand_migrate(stand, stand->empty, stand->home, STAND_FAST, &call);
    stand_assert_migrated(&call);
    stand_assert_truth(stand, stand->home, "paused persistent");
    assert_set_autostart(stand, stand->home, VR_SIDE_USER, "paused persistent autostart");
}

/* Rows H and O: a stranger's migration has left too much here and taken too little there. */
static void
test_definitions_are_put_where_the_guest_is(void **state)
{
    Stand *stand = *state;
    g_autoptr(VrReading) before =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, TRUE);
    if (!stand_make(stand, STAND_MOVED, stand->empty))
        return;
    stand_assert_truth(stand, stand->home, "off persistent autostart");
    stand_assert_truth(stand, stand->empty, "running transient");
    g_autoptr(VrReading) moved =
        wait_read(stand->port, stand->empty, stand->vm, VR_ROLE_TARGET, FALSE);
    assert_int_equal(moved->side, VR_SIDE_RUNNING);
    assert_false(moved->persistent);
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_OFF);

    refuse(stand, VR_ACTION_SET_AUTOSTART, stand->empty, VR_ROW_P, VR_SIDE_RUNNING,
           VR_ERROR_CONFLICT);
    /* The definition of another VM. */
    refuse(stand, VR_ACTION_DEFINE_TARGET, stand->empty, VR_ROW_H, VR_SIDE_RUNNING,
           VR_ERROR_REFUSED);
    VrActionRequest define =
        stand_action(stand, VR_ACTION_DEFINE_TARGET, stand->empty, VR_ROW_H, VR_SIDE_RUNNING);
    stand_assert_refused(stand, &define, VR_ERROR_REFUSED);
    stand_assert_truth(stand, stand->empty, "running transient");
    define.definition = before->definition;
    stand_assert_done(stand, &define);
    stand_assert_truth(stand, stand->empty, "running persistent");
    stand_assert_refused(stand, &define, VR_ERROR_CONFLICT);
    g_autoptr(VrReading) defined =
        wait_read(stand->port, stand->empty, stand->vm, VR_ROLE_TARGET, FALSE);
    assert_true(defined->side == VR_SIDE_RUNNING && defined->persistent);
    assert_int_equal(defined->libvirt_id, moved->libvirt_id);

    VrActionRequest undefine =
        stand_action(stand, VR_ACTION_UNDEFINE_SOURCE, stand->home, VR_ROW_O, VR_SIDE_OFF);
    stand_assert_done(stand, &undefine);
    stand_assert_truth(stand, stand->home, "absent");
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_ABSENT);
    stand_assert_refused(stand, &undefine, VR_ERROR_CONFLICT);
    stand_assert_truth(stand, stand->empty, "running persistent");
}

/* Row B. */
static void
test_definition_of_a_failed_target_is_removed(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_FAILED_START, stand->empty))
        return;
    VrActionRequest undefine =
        stand_action(stand, VR_ACTION_UNDEFINE_TARGET, stand->empty, VR_ROW_B, VR_SIDE_OFF_FAILED);
    stand_assert_done(stand, &undefine);
    stand_assert_truth(stand, stand->empty, "absent");
    stand_assert_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    stand_assert_truth(stand, stand->home, "running persistent autostart");
}

/* Row E. */
static void
test_source_that_nobody_took_over_is_resumed(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_STUCK, stand->empty))
        return;
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_MIGRATION);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_ABSENT);
    stand_assert_truth(stand, stand->home, "paused persistent autostart");
    VrActionRequest resume =
        stand_action(stand, VR_ACTION_RESUME_SOURCE, stand->home, VR_ROW_E, VR_SIDE_MIGRATION);
    stand_assert_done(stand, &resume);
    stand_assert_truth(stand, stand->home, "running persistent autostart");
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    stand_assert_refused(stand, &resume, VR_ERROR_CONFLICT);
}

/* Row G, then O. */
static void
test_old_copy_of_a_guest_that_runs_elsewhere_is_ended(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_ARRIVED, stand->empty))
        return;
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_MIGRATION);
    stand_wait_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_RUNNING);
    stand_assert_truth(stand, stand->home, "paused persistent autostart");
    stand_assert_truth(stand, stand->empty, "running persistent");
    VrActionRequest destroy =
        stand_action(stand, VR_ACTION_DESTROY_SOURCE, stand->home, VR_ROW_G, VR_SIDE_MIGRATION);
    stand_assert_done(stand, &destroy);
    stand_assert_truth(stand, stand->home, "off persistent autostart");
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_OFF);
    stand_assert_refused(stand, &destroy, VR_ERROR_CONFLICT);
    VrActionRequest undefine =
        stand_action(stand, VR_ACTION_UNDEFINE_SOURCE, stand->home, VR_ROW_O, VR_SIDE_OFF);
    stand_assert_done(stand, &undefine);
    stand_assert_truth(stand, stand->home, "absent");
    stand_assert_truth(stand, stand->empty, "running persistent");
}

static void
test_action_on_a_stopped_daemon_is_unreachable(void **state)
{
    Stand *stand = *state;
    VrActionRequest request =
        stand_action(stand, VR_ACTION_SET_AUTOSTART, stand->home, VR_ROW_P, VR_SIDE_RUNNING);
    stand_must(stand, STAND_DAEMON_STOP, stand->home);
    stand_assert_refused(stand, &request, VR_ERROR_UNREACHABLE);
    stand_must(stand, STAND_DAEMON_START, stand->home);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    stand_assert_done(stand, &request);
}

#define ADD(test) hypervisor_add_test(tests, #test, test)

void
hypervisor_act_tests(GArray *tests)
{
    ADD(test_action_with_a_wrong_row_or_class_is_refused_and_changes_nothing);
    ADD(test_migration_shows_at_both_ends_and_its_abort_rolls_back);
    ADD(test_abort_of_our_own_migration_ends_its_call_and_progress_was_seen);
    ADD(test_abort_of_a_backup_is_refused);
    ADD(test_autostart_is_set_on_running_and_paused_guests);
    ADD(test_definitions_are_put_where_the_guest_is);
    ADD(test_definition_of_a_failed_target_is_removed);
    ADD(test_source_that_nobody_took_over_is_resumed);
    ADD(test_old_copy_of_a_guest_that_runs_elsewhere_is_ended);
    ADD(test_action_on_a_stopped_daemon_is_unreachable);
}
