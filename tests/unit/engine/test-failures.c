/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a failed migration brings about, by the class of its failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include "fake-world-private.h"

#define S G_GINT64_CONSTANT(1000000)
#define ALWAYS 1000

/* Three hosts with three VMs on the first two; migrations of `vm` fail so. */
static FakeWorld *
new_failing(const char *vm, VrFailure failure, guint count)
{
    FakeWorld *world = fake_world_new(3, 3);

    world->next_migration = FAKE_MIGRATION_FAILS;
    world->next_failure = failure;
    world->next_vm = vm;
    world->next_migration_count = count;
    return world;
}

static const VrStepState *
step_of(const FakeWorld *world, const char *vm)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (g_strcmp0(step->plan->vm, vm) == 0)
            return step;
    }
    g_assert_not_reached();
}

/* Was something of that kind, with these words in it, ever written to the journal? */
static gboolean
has_record(const FakeWorld *world, const char *kind, const char *words)
{
    for (guint i = 0; i < world->records->len; i++) {
        const FakeRecord *record = g_ptr_array_index(world->records, i);
        if (strcmp(record->kind, kind) == 0 && strstr(record->body, words) != NULL)
            return TRUE;
    }
    return FALSE;
}

static void
run_until(FakeWorld *world, const char *vm, VrPhase phase, guint tries)
{
    for (guint i = 0; i < 100000; i++) {
        const VrStepState *step = step_of(world, vm);
        if (step->phase == phase && step->tries == tries)
            return;
        fake_world_pass(world, S / 10);
    }
    fail_msg("%s never is %s with %u migrations", vm, vr_phase_to_string(phase), tries);
}

static void
assert_end(FakeWorld *world, VrRolloutPhase phase)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);

    assert_true(fake_world_run(world));
    if (rollout->phase != phase)
        fail_msg("rollout is %s (%s), not %s", vr_rollout_phase_to_string(rollout->phase),
                 rollout->reason != NULL ? rollout->reason : "no reason",
                 vr_rollout_phase_to_string(phase));
    if (world->breaches->len > 0)
        fail_msg("%s", (const char *)g_ptr_array_index(world->breaches, 0));
}

static void
assert_good_end_and_free(FakeWorld *world)
{
    assert_end(world, VR_ROLLOUT_DONE);
    g_autofree char *fault = fake_world_check_end(world);
    if (fault != NULL)
        fail_msg("%s", fault);
    fake_world_free(world);
}

/* A person is asked after the first one; all else ends by itself, at the second. */
static void
check_one_failure(VrFailure failure)
{
    FakeWorld *world = new_failing(NULL, failure, 1);
    const VrFailureInfo *info = vr_failure_info(failure);
    gboolean asks =
        info->class == VR_FAILURE_CLASS_OPERATOR || info->class == VR_FAILURE_CLASS_FATAL;

    world->next_vm = world->vms[0].name;
    fake_world_start(world);
    if (asks) {
        assert_end(world, VR_ROLLOUT_NEEDS_OPERATOR);
        const VrStepState *step = step_of(world, world->vms[0].name);
        assert_int_equal(step->phase, VR_PHASE_NEEDS_OPERATOR);
        assert_int_equal(step->trouble, failure);
        assert_non_null(strstr(step->reason, info->happened));
        assert_non_null(strstr(step->reason, "libvirt's words"));
        assert_non_null(strstr(step->reason, info->next));
        assert_int_equal(world->vms[0].migrations, 1);
        vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    }
    assert_end(world, VR_ROLLOUT_DONE);
    assert_int_equal(world->vms[0].migrations, 2);
    assert_good_end_and_free(world);
}

static void
test_failures_every_row_once_is_followed_by_what_its_class_says(void **state)
{
    (void)state;
    for (guint i = 1; i < VR_FAILURE_COUNT; i++)
        check_one_failure((VrFailure)i);
}

static void
test_failures_retry_backs_off_longer_each_time_and_fails_in_the_end(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_LINK_LOST, ALWAYS);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    fake_world_start(world);
    for (guint tries = 1; tries <= 2; tries++) {
        run_until(world, vm, VR_PHASE_DEFERRED, tries);
        const VrStepState *step = step_of(world, vm);
        assert_int_equal(step->not_before_us - step->since_us, 2 * S << (tries - 1));
        assert_int_equal(step->deferrals, 0);
        assert_int_equal(step->trouble, VR_FAILURE_LINK_LOST);
    }
    assert_end(world, VR_ROLLOUT_FAILED);
    assert_int_equal(world->vms[0].migrations, 3);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "after 3 attempts"));
    world->next_migration_count = 0;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_good_end_and_free(world);
}

/* One migration at a time in the whole fleet, and the first VM is busy: the others go. */
static void
test_failures_deferred_vm_holds_nobody_up(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_VM_BUSY, 2);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    world->migrations_max = 1;
    fake_world_start(world);
    run_until(world, vm, VR_PHASE_DEFERRED, 1);
    const VrStepState *step = step_of(world, vm);
    assert_int_equal(step->not_before_us - step->since_us, 900 * S);
    assert_int_equal(step->deferrals, 1);
    run_until(world, world->vms[1].name, VR_PHASE_SETTLED, 1);
    run_until(world, world->vms[2].name, VR_PHASE_SETTLED, 1);
    assert_int_equal(step_of(world, vm)->phase, VR_PHASE_DEFERRED);
    assert_int_equal(world->vms[0].migrations, 1);
    assert_end(world, VR_ROLLOUT_DONE);
    assert_int_equal(world->vms[0].migrations, 3);
    assert_good_end_and_free(world);
}

static void
test_failures_deferrals_have_a_limit_and_no_attempt_is_used_up(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_BLOCK_JOB, ALWAYS);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    fake_world_start(world);
    assert_end(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_int_equal(world->vms[0].migrations, 9);
    assert_non_null(strstr(step_of(world, vm)->reason, "was deferred 8 times"));
    assert_int_equal(step_of(world, vm)->trouble, VR_FAILURE_BLOCK_JOB);
    world->next_migration_count = 0;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_good_end_and_free(world);
}

static void
test_failures_controller_that_dies_while_a_vm_is_deferred_still_waits(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_VM_BUSY, 1);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    fake_world_start(world);
    run_until(world, vm, VR_PHASE_DEFERRED, 1);
    gint64 not_before_us = step_of(world, vm)->not_before_us;
    fake_world_kill(world);
    fake_world_start(world);
    fake_world_pass(world, 10 * S);
    assert_int_equal(step_of(world, vm)->phase, VR_PHASE_DEFERRED);
    assert_int_equal(step_of(world, vm)->not_before_us, not_before_us);
    assert_int_equal(step_of(world, vm)->trouble, VR_FAILURE_VM_BUSY);
    assert_good_end_and_free(world);
}

static void
test_failures_stop_does_not_wait_for_what_is_deferred(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_VM_BUSY, 1);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    fake_world_start(world);
    run_until(world, vm, VR_PHASE_DEFERRED, 1);
    vr_engine_ask(world->engine, VR_INPUT_STOP, NULL, "Ctrl-C");
    fake_world_pass(world, 30 * S);
    assert_int_equal(vr_engine_rollout(world->engine)->phase, VR_ROLLOUT_STOPPED);
    assert_int_equal(step_of(world, vm)->phase, VR_PHASE_PENDING);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_good_end_and_free(world);
}

/* What is in flight ends, and nothing begins any more. */
static void
test_failures_fatal_stops_the_whole_rollout(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_SAME_HOST, 1);
    (void)state;

    world->next_vm = world->vms[0].name;
    fake_world_start(world);
    run_until(world, world->vms[0].name, VR_PHASE_NEEDS_OPERATOR, 1);
    assert_end(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(has_record(world, "rollout-phase", "\"stopping\""));
    assert_int_equal(world->migrations_issued, 3); /* all that had begun, from one host */
    fake_world_free(world);
}

/* A host that cannot be read is waited for; one that is another machine is not. */
static void
test_failures_wrong_machine_asks_at_once(void **state)
{
    static const struct {
        VrFailure trouble;
        VrPhase phase;
    } cases[] = {{VR_FAILURE_HOST_DEGRADED, VR_PHASE_CHECKING},
                 {VR_FAILURE_WRONG_MACHINE, VR_PHASE_NEEDS_OPERATOR}};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        FakeWorld *world = fake_world_new(3, 1);
        fake_world_start(world);
        while (!world->hosts[2].updated || world->hosts[2].closed)
            fake_world_pass(world, S / 100);
        world->hosts[2].reachable = FALSE;
        world->hosts[2].trouble = cases[i].trouble;
        fake_world_pass(world, 60 * S);
        const VrStepState *step = step_of(world, world->vms[0].name);
        assert_int_equal(step->phase, cases[i].phase);
        assert_int_equal(step->trouble, cases[i].trouble);
        fake_world_pass(world, 3600 * S); /* longer than any wait for a host */
        assert_int_equal(step_of(world, world->vms[0].name)->phase, VR_PHASE_NEEDS_OPERATOR);
        assert_non_null(strstr(step_of(world, world->vms[0].name)->reason,
                               vr_failure_info(cases[i].trouble)->next));
        fake_world_free(world);
    }
}

/* 60 s without a byte is the network, whatever the guest writes. */
static void
test_failures_stalled_stream_is_aborted_and_tried_again(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_NONE, 1);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    world->next_migration = FAKE_MIGRATION_STALLS;
    fake_world_start(world);
    run_until(world, vm, VR_PHASE_MIGRATING, 1);
    gint64 begun_us = world->vms[0].begun_us;
    fake_world_pass(world, 55 * S);
    assert_int_equal(step_of(world, vm)->phase, VR_PHASE_MIGRATING);
    run_until(world, vm, VR_PHASE_DEFERRED, 1);
    assert_true(world->now_us - begun_us < 70 * S);
    assert_int_equal(step_of(world, vm)->trouble, VR_FAILURE_STREAM_STALLED);
    assert_int_equal(step_of(world, vm)->deferrals, 0);
    assert_good_end_and_free(world);
}

/* An abort that is lost is asked for once more: the stalled migration would never end. */
static void
test_failures_lost_abort_is_asked_for_again(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_NONE, 1);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    world->next_migration = FAKE_MIGRATION_STALLS;
    world->abort_lost_us = 70 * S;
    fake_world_start(world);
    run_until(world, vm, VR_PHASE_DEFERRED, 1);
    assert_true(world->now_us - world->vms[0].begun_us < 120 * S);
    assert_int_equal(step_of(world, vm)->trouble, VR_FAILURE_STREAM_STALLED);
    assert_good_end_and_free(world);
}

/* It sends all the time and never gets there: that is its guest, and another time is better. */
static void
test_failures_migration_that_does_not_converge_is_deferred(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_NONE, 1);
    const char *vm = world->vms[0].name;
    (void)state;

    world->next_vm = vm;
    world->next_migration = FAKE_MIGRATION_NEVER_CONVERGES;
    fake_world_start(world);
    run_until(world, vm, VR_PHASE_MIGRATING, 1);
    fake_world_pass(world, 250 * S);
    assert_int_equal(step_of(world, vm)->phase, VR_PHASE_MIGRATING);
    run_until(world, vm, VR_PHASE_DEFERRED, 1);
    assert_int_equal(step_of(world, vm)->trouble, VR_FAILURE_NOT_CONVERGING);
    assert_int_equal(step_of(world, vm)->deferrals, 1);
    assert_good_end_and_free(world);
}

/*
 * It runs on its source after its migration has failed; then its target, which could not be read,
 * has it too, and its source no longer: that is not how a migration arrives.
 */
static void
test_failures_copy_beside_one_that_ran_on_is_for_a_person(void **state)
{
    FakeWorld *world = new_failing(NULL, VR_FAILURE_LINK_LOST, 1);
    FakeVm *vm = &world->vms[0];
    (void)state;

    world->next_vm = vm->name;
    fake_world_start(world);
    run_until(world, vm->name, VR_PHASE_MIGRATING, 1);
    while (vm->at[vm->source] != VR_SIDE_RUNNING)
        fake_world_pass(world, S / 200);
    world->hosts[vm->target].reachable = FALSE;
    fake_world_pass(world, 5 * S);
    assert_int_equal(step_of(world, vm->name)->phase, VR_PHASE_OBSERVING);
    vm->at[vm->source] = VR_SIDE_OFF;
    vm->at[vm->target] = VR_SIDE_RUNNING;
    vm->completed++;
    vm->persistent[vm->target] = TRUE;
    world->hosts[vm->target].reachable = TRUE;
    assert_end(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(step_of(world, vm->name)->reason, "second copy"));
    assert_int_equal(vm->at[vm->source], VR_SIDE_OFF);

    /* Whoever was asked has left one copy, and says so. */
    vm->at[vm->source] = VR_SIDE_ABSENT;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_good_end_and_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_every_row_once_is_followed_by_what_its_class_says),
        cmocka_unit_test(test_failures_retry_backs_off_longer_each_time_and_fails_in_the_end),
        cmocka_unit_test(test_failures_deferred_vm_holds_nobody_up),
        cmocka_unit_test(test_failures_deferrals_have_a_limit_and_no_attempt_is_used_up),
        cmocka_unit_test(test_failures_controller_that_dies_while_a_vm_is_deferred_still_waits),
        cmocka_unit_test(test_failures_stop_does_not_wait_for_what_is_deferred),
        cmocka_unit_test(test_failures_fatal_stops_the_whole_rollout),
        cmocka_unit_test(test_failures_wrong_machine_asks_at_once),
        cmocka_unit_test(test_failures_stalled_stream_is_aborted_and_tried_again),
        cmocka_unit_test(test_failures_lost_abort_is_asked_for_again),
        cmocka_unit_test(test_failures_migration_that_does_not_converge_is_deferred),
        cmocka_unit_test(test_failures_copy_beside_one_that_ran_on_is_for_a_person),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
