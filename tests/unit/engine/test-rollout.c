/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole rollouts of the engine against a small world: healthy, failing, killed at every call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include "fake-world.h"

static void
assert_good_end(FakeWorld *world)
{
    g_autofree char *fault = fake_world_check_end(world);

    if (fault != NULL)
        fail_msg("%s", fault);
    assert_string_equal(vr_rollout_phase_to_string(vr_engine_rollout(world->engine)->phase),
                        "done");
}

static void
assert_phase(FakeWorld *world, VrRolloutPhase phase)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);

    if (rollout->phase != phase)
        fail_msg("rollout is %s (%s), not %s", vr_rollout_phase_to_string(rollout->phase),
                 rollout->reason != NULL ? rollout->reason : "no reason",
                 vr_rollout_phase_to_string(phase));
    if (world->breaches->len > 0)
        fail_msg("%s", (const char *)g_ptr_array_index(world->breaches, 0));
}

static void
test_rollout_healthy_updates_every_host_and_migrates_once(void **state)
{
    FakeWorld *world = fake_world_new(3, 3);
    (void)state;

    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    assert_int_equal(world->migrations_issued, 6);
    fake_world_free(world);
}

/* Each odd outcome of one migration, and the end that it must have. */
static const struct {
    FakeMigration kind;
    VrRolloutPhase end;
    guint migrations; /* issued until then, for six VMs */
} outcomes[] = {
    {FAKE_MIGRATION_FAILS, VR_ROLLOUT_DONE, 7},
    {FAKE_MIGRATION_LEAVES_BOTH_PAUSED_SOURCE, VR_ROLLOUT_DONE, 6},
    {FAKE_MIGRATION_LEAVES_PAUSED, VR_ROLLOUT_DONE, 7},
    {FAKE_MIGRATION_LOSES_DEFINITION, VR_ROLLOUT_DONE, 6},
    {FAKE_MIGRATION_KEEPS_DEFINITION, VR_ROLLOUT_DONE, 6},
};

static void
test_rollout_odd_outcome_is_recovered_by_its_row(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        FakeWorld *world = fake_world_new(3, 3);
        world->next_migration = outcomes[i].kind;
        world->next_migration_count = 1;
        fake_world_start(world);
        assert_true(fake_world_run(world));
        assert_phase(world, outcomes[i].end);
        assert_int_equal(world->migrations_issued, outcomes[i].migrations);
        assert_good_end(world);
        fake_world_free(world);
    }
}

static void
test_rollout_dead_guest_asks_a_person_and_updates_nothing_more(void **state)
{
    FakeWorld *world = fake_world_new(3, 3);
    (void)state;

    world->next_migration = FAKE_MIGRATION_KILLS;
    world->next_migration_count = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "[row V]"));
    assert_int_equal(world->hosts[0].applied + world->hosts[1].applied, 0);
    fake_world_free(world);
}

static void
test_rollout_owner_shutdown_counts_as_left(void **state)
{
    FakeWorld *world = fake_world_new(3, 3);
    (void)state;

    world->next_migration = FAKE_MIGRATION_IS_SHUT_DOWN;
    world->next_migration_count = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    fake_world_free(world);
}

/* A closed target stays closed however often it is asked: a person hears of it at once. */
static void
test_rollout_refused_migration_asks_a_person(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->next_migration = FAKE_MIGRATION_IS_REFUSED;
    world->next_migration_count = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "target said no"));
    fake_world_kill(world);
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    fake_world_free(world);
}

/* An owner's shutdown takes its time: it is waited for, and the VM stays where it is. */
static void
test_rollout_waits_for_a_guest_that_is_shutting_down(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    fake_world_start(world);
    world->vms[0].at[0] = VR_SIDE_ODD;
    fake_world_pass(world, 120 * G_GINT64_CONSTANT(1000000));
    assert_phase(world, VR_ROLLOUT_RUNNING);
    world->vms[0].at[0] = VR_SIDE_OFF_BY_GUEST;
    world->vms[0].autostart[0] = FALSE;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    assert_int_equal(world->vms[0].migrations, 0);
    fake_world_free(world);
}

static void
test_rollout_keeps_failing_ends_failed_and_resumes(void **state)
{
    FakeWorld *world = fake_world_new(3, 3);
    (void)state;

    world->next_migration = FAKE_MIGRATION_FAILS;
    world->next_migration_count = 1000;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_FAILED);
    world->next_migration_count = 0;
    fake_world_kill(world);
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    fake_world_free(world);
}

/* The guest of a person who says so is left out; nothing is done to it. */
static void
test_rollout_goes_on_without_a_deferred_vm(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    FakeVm *vm = &world->vms[0];
    (void)state;

    vm->autostart[0] = FALSE;
    world->next_migration = FAKE_MIGRATION_KILLS;
    world->next_migration_count = 1;
    world->next_vm = vm->name;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    vr_engine_ask(world->engine, VR_INPUT_DEFER, vm->uuid, "it is not needed");
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    assert_int_equal(vm->at[0], VR_SIDE_OFF);
    assert_int_equal(vm->migrations, 1);
    fake_world_free(world);
}

static void
start_guest_on_closed_host(FakeWorld *world, guint host)
{
    FakeVm *vm = &world->vms[world->vm_count - 1];

    if (host + 1 == world->host_count && world->hosts[host].closed)
        vm->at[host] = VR_SIDE_RUNNING;
}

static void
test_rollout_guest_started_on_closed_host_stops_the_update(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    /* A guest that nobody planned: known to the world, running nowhere before. */
    world->vms[world->vm_count] = world->vms[0];
    world->vms[world->vm_count].name = g_strdup("stray");
    world->vms[world->vm_count].uuid = g_strdup("20000000-0000-4000-8000-000000000000");
    world->vms[world->vm_count].at[0] = VR_SIDE_ABSENT;
    world->vm_count++;
    world->before_list = start_guest_on_closed_host;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "stray"));
    assert_int_equal(world->hosts[2].applied, 0);
    fake_world_free(world);
}

static void
test_rollout_failed_stage_asks_and_retry_goes_on(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->fail_stage = "h3 apply";
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    world->fail_stage = NULL;
    /* Starting again alone must not apply again. */
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    vr_engine_ask(world->engine, VR_INPUT_RETRY, "h3", NULL);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    fake_world_free(world);
}

static void
test_rollout_stop_finishes_flight_and_resumes(void **state)
{
    FakeWorld *world = fake_world_new(3, 3);
    (void)state;

    world->pause_at_migrations = 2;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    world->pause_at_migrations = 0;
    vr_engine_ask(world->engine, VR_INPUT_STOP, NULL, "test");
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_STOPPED);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    fake_world_free(world);
}

static void
test_rollout_failed_append_issues_nothing(void **state)
{
    (void)state;
    for (VrAppend outcome = VR_APPEND_REFUSED; outcome <= VR_APPEND_UNKNOWN; outcome++) {
        FakeWorld *world = fake_world_new(3, 3);
        fake_world_start(world);
        world->append_outcome = outcome;
        assert_false(fake_world_run(world));
        assert_int_equal(world->migrations_issued, 0);
        assert_int_equal(world->breaches->len, 0);
        fake_world_free(world);
    }
}

/* While the journal is slow, completions wait in the queue: nothing may start twice by that. */
static void
test_rollout_slow_journal_starts_nothing_twice(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        FakeWorld *world = fake_world_new(3, 3);
        world->append_us = 25000;
        world->next_migration = outcomes[i].kind;
        world->next_migration_count = 1;
        fake_world_start(world);
        assert_true(fake_world_run(world));
        assert_good_end(world);
        assert_int_equal(world->migrations_issued, outcomes[i].migrations);
        fake_world_free(world);
    }
}

/* Until it is told to go on, a new controller issues nothing, however long that takes. */
static void
test_rollout_waits_to_be_told_after_a_restart(void **state)
{
    FakeWorld *world = fake_world_new(3, 3);
    guint calls = 0;
    (void)state;

    world->pause_at_migrations = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    fake_world_kill(world);
    fake_world_open(world);
    calls = world->calls;
    vr_engine_ask(world->engine, VR_INPUT_RETRY, "h2", NULL);
    fake_world_pass(world, 3600 * G_GINT64_CONSTANT(1000000));
    assert_int_equal(world->calls, calls);
    world->pause_at_migrations = 0;
    vr_engine_restart(world->engine);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    assert_int_equal(world->migrations_issued, 6);
    fake_world_free(world);
}

/* The VM has rolled back long ago and its nightly backup holds a job: not ours to abort. */
static void
test_rollout_foreign_job_ends_with_a_person(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    (void)state;

    world->pause_at_migrations = 1;
    world->next_migration = FAKE_MIGRATION_FAILS;
    world->next_migration_count = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    fake_world_kill(world);
    fake_world_pass(world, 3 * 3600 * G_GINT64_CONSTANT(1000000));
    world->vms[0].at[world->vms[0].source] = VR_SIDE_RUNNING_JOB;
    world->pause_at_migrations = 0;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(world->records->len < 1000);
    fake_world_free(world);
}

/* The reboot's stage loses its connection, the host reboots: a retry needs another boot id. */
static void
test_rollout_second_reboot_needs_a_second_boot_id(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    (void)state;

    world->lie_stage = "h3 reboot";
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    fake_world_pass(world, 60 * G_GINT64_CONSTANT(1000000));
    world->lie_stage = NULL;
    world->shutdown_us = 20 * G_GINT64_CONSTANT(1000000);
    vr_engine_ask(world->engine, VR_INPUT_RETRY, "h3", NULL);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    assert_int_equal(world->hosts[2].rebooted, 2);
    fake_world_free(world);
}

/* A guest died, a person started it again on its source: the next run takes it from there. */
static void
test_rollout_goes_on_after_a_person_restarted_the_guest(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    FakeVm *vm = &world->vms[0];
    (void)state;

    world->next_migration = FAKE_MIGRATION_KILLS;
    world->next_migration_count = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    for (guint v = 0; v < world->vm_count; v++) {
        if (world->vms[v].at[world->vms[v].source] == VR_SIDE_OFF)
            vm = &world->vms[v];
    }
    vm->at[vm->source] = VR_SIDE_RUNNING;
    vm->id[vm->source] = 777;
    fake_world_kill(world);
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    fake_world_free(world);
}

static void
kill_with_guest_left_paused(FakeWorld *world)
{
    world->next_migration = FAKE_MIGRATION_LEAVES_PAUSED;
    world->next_migration_count = 1;
    world->pause_at_migrations = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    world->pause_at_migrations = 0;
    fake_world_kill(world);
}

static void
test_rollout_time_without_controller_is_no_waiting(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    (void)state;

    kill_with_guest_left_paused(world);
    fake_world_pass(world, 10 * G_GINT64_CONSTANT(1000000));
    fake_world_start(world); /* looks once, waits for its fence, and dies as well */
    fake_world_pass(world, G_GINT64_CONSTANT(1000000));
    fake_world_kill(world);
    fake_world_pass(world, 5 * 3600 * G_GINT64_CONSTANT(1000000));
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    fake_world_free(world);
}

static void
test_rollout_clock_that_went_back_stops_nothing(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    gint64 begun_us = 0;
    (void)state;

    kill_with_guest_left_paused(world);
    fake_world_pass(world, 10 * G_GINT64_CONSTANT(1000000));
    world->clock_back_us = 5 * 3600 * G_GINT64_CONSTANT(1000000);
    begun_us = world->now_us;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    assert_true(world->now_us - begun_us < 600 * G_GINT64_CONSTANT(1000000));
    fake_world_free(world);
}

/* The controller dies at one call; the world must end as well. FALSE: there is no such call. */
static gboolean
kill_once(guint crash_at, FakeMigration kind, guint hosts)
{
    FakeWorld *world = fake_world_new(hosts, 2);
    gboolean reached = FALSE;

    world->next_migration = kind;
    world->next_migration_count = kind != FAKE_MIGRATION_SUCCEEDS;
    world->crash_at = crash_at;
    world->late_calls = TRUE;
    world->append_us = 25000;
    fake_world_start(world);
    if (!fake_world_run_to_end(world))
        fail_msg("killed at call %u: it never ends", crash_at);
    g_autofree char *fault = fake_world_check_end(world);
    if (fault != NULL)
        fail_msg("killed at call %u: %s", crash_at, fault);
    if (kind == FAKE_MIGRATION_SUCCEEDS && world->migrations_issued > world->vm_count)
        fail_msg("killed at call %u: %u migrations issued for %u VMs", crash_at,
                 world->migrations_issued, world->vm_count);
    reached = world->calls >= crash_at;
    fake_world_free(world);
    return reached;
}

static void
test_rollout_killed_at_every_call_ends_the_same(void **state)
{
    guint calls = 1;
    (void)state;

    while (kill_once(calls, FAKE_MIGRATION_SUCCEEDS, 3))
        calls++;
    print_message("killed at each of %u calls\n", calls - 1);
    assert_true(calls > 200);
}

/* The same while one migration goes wrong: two faults at once. */
static void
test_rollout_killed_while_recovering_ends_the_same(void **state)
{
    guint calls = 0;
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++) {
        for (guint crash_at = 1; kill_once(crash_at, outcomes[i].kind, 2); crash_at++)
            calls++;
    }
    print_message("killed at each of %u calls\n", calls);
    assert_true(calls > 500);
}

/*
 * The controller dies, and before it is back somebody starts a guest on the closed, empty host. An
 * apply that was meant must not begin on the old proof. (The world notes one as a breach.)
 */
static gboolean
intrude_while_dead(guint crash_at, guint *updates_begun)
{
    FakeWorld *world = fake_world_new(2, 1);
    gboolean reached = FALSE;

    world->crash_at = crash_at;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    reached = world->crashed;
    fake_world_kill(world);
    world->crashed = FALSE;
    world->crash_at = 0;
    if (reached && world->hosts[1].closed && !world->hosts[1].staged) {
        world->vms[world->vm_count] = world->vms[0];
        world->vms[world->vm_count].name = g_strdup("stray");
        world->vms[world->vm_count].uuid = g_strdup("20000000-0000-4000-8000-000000000000");
        world->vms[world->vm_count].at[0] = VR_SIDE_ABSENT;
        world->vms[world->vm_count].at[1] = VR_SIDE_RUNNING;
        world->vm_count++;
        (*updates_begun)++;
        fake_world_start(world);
        assert_true(fake_world_run(world));
        assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    }
    fake_world_free(world);
    return reached;
}

static void
test_rollout_guest_started_while_controller_was_dead_is_found(void **state)
{
    guint intrusions = 0;
    (void)state;

    for (guint crash_at = 1; intrude_while_dead(crash_at, &intrusions); crash_at++)
        continue;
    assert_true(intrusions > 10);
}

static void
test_rollout_without_empty_host_does_its_extra_migrations(void **state)
{
    FakeWorld *world = fake_world_new_full(3, 2);
    (void)state;

    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    assert_int_equal(world->migrations_issued, 8);
    fake_world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rollout_healthy_updates_every_host_and_migrates_once),
        cmocka_unit_test(test_rollout_odd_outcome_is_recovered_by_its_row),
        cmocka_unit_test(test_rollout_dead_guest_asks_a_person_and_updates_nothing_more),
        cmocka_unit_test(test_rollout_owner_shutdown_counts_as_left),
        cmocka_unit_test(test_rollout_refused_migration_asks_a_person),
        cmocka_unit_test(test_rollout_waits_for_a_guest_that_is_shutting_down),
        cmocka_unit_test(test_rollout_keeps_failing_ends_failed_and_resumes),
        cmocka_unit_test(test_rollout_goes_on_without_a_deferred_vm),
        cmocka_unit_test(test_rollout_guest_started_on_closed_host_stops_the_update),
        cmocka_unit_test(test_rollout_failed_stage_asks_and_retry_goes_on),
        cmocka_unit_test(test_rollout_stop_finishes_flight_and_resumes),
        cmocka_unit_test(test_rollout_failed_append_issues_nothing),
        cmocka_unit_test(test_rollout_slow_journal_starts_nothing_twice),
        cmocka_unit_test(test_rollout_waits_to_be_told_after_a_restart),
        cmocka_unit_test(test_rollout_foreign_job_ends_with_a_person),
        cmocka_unit_test(test_rollout_second_reboot_needs_a_second_boot_id),
        cmocka_unit_test(test_rollout_goes_on_after_a_person_restarted_the_guest),
        cmocka_unit_test(test_rollout_time_without_controller_is_no_waiting),
        cmocka_unit_test(test_rollout_clock_that_went_back_stops_nothing),
        cmocka_unit_test(test_rollout_killed_at_every_call_ends_the_same),
        cmocka_unit_test(test_rollout_killed_while_recovering_ends_the_same),
        cmocka_unit_test(test_rollout_guest_started_while_controller_was_dead_is_found),
        cmocka_unit_test(test_rollout_without_empty_host_does_its_extra_migrations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
