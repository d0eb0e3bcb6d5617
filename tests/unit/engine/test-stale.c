/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has become old is not acted on: slow journals, restarts, long waits. */
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

/* With a slow journal the lists are old when the apply that they allow is durable. */
static void
test_stale_applies_nothing_on_an_old_proof(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->append_us = 11 * G_USEC_PER_SEC;
    fake_world_start(world);
    fake_world_pass(world, 1800 * (gint64)G_USEC_PER_SEC);
    for (guint h = 0; h < world->host_count; h++)
        assert_int_equal(world->hosts[h].applied, 0);
    /* And somebody is told. */
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "too slow"));
    world->append_us = 0;
    vr_engine_ask(world->engine, VR_INPUT_RETRY, "h3", NULL);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_good_end(world);
    fake_world_free(world);
}

static gboolean
is_in_phase(const FakeWorld *world, VrPhase phase)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);
    gboolean found = FALSE;

    for (guint i = 0; i < rollout->steps->len; i++)
        found = found || vr_rollout_step(rollout, i)->phase == phase;
    return found;
}

static const VrStepState *
step_of(const FakeWorld *world, const FakeVm *vm)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (g_strcmp0(step->plan->vm_uuid, vm->uuid) == 0)
            return step;
    }
    g_assert_not_reached();
}

static void
lose_target(FakeWorld *world, guint host)
{
    if (host + 1 == world->host_count && is_in_phase(world, VR_PHASE_FITTING))
        world->hosts[host].reachable = FALSE;
}

/* What was checked before a long wait for the target is checked once more. */
static void
test_stale_checks_again_after_a_wait_for_its_target(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    FakeVm *vm = &world->vms[0];
    guint target = world->host_count - 1;
    (void)state;

    world->before_list = lose_target;
    fake_world_start(world);
    while (!is_in_phase(world, VR_PHASE_FITTING) || world->hosts[target].reachable)
        fake_world_pass(world, G_USEC_PER_SEC / 200);
    world->before_list = NULL;
    fake_world_pass(world, 1500 * (gint64)G_USEC_PER_SEC);
    vm->at[0] = VR_SIDE_OFF_BY_GUEST;
    vm->autostart[0] = FALSE;
    world->hosts[target].reachable = TRUE;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    assert_int_equal(vm->at[0], VR_SIDE_OFF_BY_GUEST);
    assert_int_equal(step_of(world, vm)->tries, 0);
    fake_world_free(world);
}

/* An owner shuts a VM down and starts it on the target of another of its group. */
static void
start_member_on_target(FakeWorld *world, guint host)
{
    FakeVm *member = &world->vms[1];

    if (host + 1 == world->host_count && is_in_phase(world, VR_PHASE_FITTING)) {
        member->at[1] = VR_SIDE_ABSENT;
        member->at[host] = VR_SIDE_RUNNING;
    }
}

static void
test_stale_group_is_counted_right_before_the_migration(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    (void)state;

    world->vms[0].apart = world->vms[1].apart = TRUE;
    world->before_list = start_member_on_target;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "group apart"));
    assert_int_equal(step_of(world, &world->vms[0])->tries, 0);
    fake_world_free(world);
}

/* A source that could not be read for a while is no reason to refuse what a person says later. */
static void
test_stale_person_may_defer_what_was_unknown_before(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    FakeVm *vm = &world->vms[0];
    (void)state;

    world->vms[0].apart = world->vms[1].apart = TRUE;
    world->before_list = start_member_on_target;
    fake_world_start(world);
    vm->at[0] = VR_SIDE_UNKNOWN;
    while (step_of(world, vm)->row != VR_ROW_U)
        fake_world_pass(world, G_USEC_PER_SEC);
    vm->at[0] = VR_SIDE_RUNNING;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(vr_rollout_is_asked_about(vr_engine_rollout(world->engine), step_of(world, vm)));
    fake_world_free(world);
}

/* The facts that an earlier process asked for are of before: the target has rebooted since. */
static void
test_stale_restarted_gate_asks_for_the_boot_again(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    fake_world_start(world);
    while (!is_in_phase(world, VR_PHASE_CHECKING_BOOT))
        fake_world_pass(world, G_USEC_PER_SEC / 200);
    fake_world_pass(world, G_USEC_PER_SEC / 50);
    fake_world_kill(world);
    world->hosts[2].boots++;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_int_equal(world->hosts[0].applied, 0);
    fake_world_free(world);
}

/* What an observation of its migration step makes of it that was asked for then, and comes now. */
static VrPhase
phase_after(const VrRollout *rollout, const VrStepState *step, gint64 issued_us, gint64 at_us)
{
    const VrObservation observation = {
        .source = {.side = VR_SIDE_RUNNING,
                   .libvirt_id = step->libvirt_id,
                   .cpu_time_ns = G_MAXINT64},
        .target = {.side = VR_SIDE_ABSENT, .libvirt_id = -1},
        .elsewhere = VR_ELSEWHERE_NO,
    };
    const VrInput input = {.kind = VR_INPUT_OBSERVED,
                           .at_us = at_us,
                           .issued_us = issued_us,
                           .step = step->plan->id,
                           .attempt = step->attempt,
                           .observation = &observation};
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func((GDestroyNotify)vr_event_free);

    vr_rollout_decide(rollout, &input, events);
    assert_int_equal(events->len, 1);
    return ((const VrEvent *)g_ptr_array_index(events, 0))->phase;
}

/* A call of an earlier process could still begin when it was asked where the VM is. */
static void
test_stale_read_before_the_fence_settles_nothing(void **state)
{
    FakeWorld *world = fake_world_new(3, 1);
    const VrStepState *step = NULL;
    (void)state;

    fake_world_start(world);
    while (world->vms[0].flight == 0)
        fake_world_pass(world, G_USEC_PER_SEC / 200);
    fake_world_kill(world);
    fake_world_start(world);
    const VrRollout *rollout = vr_engine_rollout(world->engine);
    for (guint i = 0; i < rollout->steps->len; i++) {
        if (g_strcmp0(vr_rollout_step(rollout, i)->plan->vm_uuid, world->vms[0].uuid) == 0)
            step = vr_rollout_step(rollout, i);
    }
    assert_int_equal(step->phase, VR_PHASE_OBSERVING);
    gint64 fence_us = step->fence_until_us;
    assert_true(fence_us > world->now_us);
    assert_int_equal(phase_after(rollout, step, fence_us - 1, fence_us + 1), VR_PHASE_OBSERVING);
    assert_int_equal(phase_after(rollout, step, fence_us, fence_us + 1), VR_PHASE_DEFERRED);
    fake_world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stale_applies_nothing_on_an_old_proof),
        cmocka_unit_test(test_stale_checks_again_after_a_wait_for_its_target),
        cmocka_unit_test(test_stale_group_is_counted_right_before_the_migration),
        cmocka_unit_test(test_stale_person_may_defer_what_was_unknown_before),
        cmocka_unit_test(test_stale_restarted_gate_asks_for_the_boot_again),
        cmocka_unit_test(test_stale_read_before_the_fence_settles_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
