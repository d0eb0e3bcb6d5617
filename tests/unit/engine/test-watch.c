/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VMs are watched while their host is in its gate; a sick host is found and left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include "revising.h"

#define S G_GINT64_CONSTANT(1000000)
#define VMS_PER_HOST 4

static void
set_watch(VrPolicy *policy)
{
    policy->limits.gate_s = 600;
    policy->health.watch = TRUE;
    policy->health.way_back = VR_WAY_BACK_AUTOMATIC;
}

static void
set_ask(VrPolicy *policy)
{
    set_watch(policy);
    policy->health.way_back = VR_WAY_BACK_ASK;
}

static void
set_observe(VrPolicy *policy)
{
    set_watch(policy);
    policy->health.way_back = VR_WAY_BACK_OBSERVE;
}

static FakeWorld *
world_new(void (*set_policy)(VrPolicy *policy))
{
    FakeWorld *world = fake_world_new(5, VMS_PER_HOST);

    world->set_policy = set_policy;
    fake_world_start(world);
    return world;
}

/* So that each interval has its own samples. */
static void
pass_s(FakeWorld *world, guint time_s)
{
    for (guint i = 0; i < time_s; i++)
        fake_world_pass(world, S);
}

/* The first gate that watches; NULL. */
static const VrStepState *
find_gate(const FakeWorld *world)
{
    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (step->phase == VR_PHASE_WATCHING)
            return step;
    }
    return NULL;
}

/* The index of its host, once it has begun. */
static guint
run_to_gate(FakeWorld *world)
{
    for (guint i = 0; i < 900 && find_gate(world) == NULL; i++)
        fake_world_pass(world, S);
    assert_non_null(find_gate(world));
    return fake_world_host(world, find_gate(world)->plan->host);
}

static guint
count_running(const FakeWorld *world, guint host)
{
    guint count = 0;

    for (guint v = 0; v < world->vm_count; v++)
        count += world->vms[v].at[host] == VR_SIDE_RUNNING;
    return count;
}

static void
test_healthy_fleet_is_rolled_without_an_alert(void **state)
{
    FakeWorld *world = world_new(set_watch);
    (void)state;

    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_int_equal(revising_rollout(world)->alerts->len, 0);
    assert_true(revising_rollout(world)->healths->len > 0);
    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (step->plan->kind == VR_STEP_MIGRATE)
            assert_true(step->has_baseline);
    }
    revising_assert_good_end_and_free(world);
}

static void
test_sick_host_is_left_by_itself(void **state)
{
    FakeWorld *world = world_new(set_watch);
    guint host = run_to_gate(world);
    const VrHostHealth *health = NULL;
    (void)state;

    pass_s(world, 180);
    world->hosts[host].sick_since_us = world->now_us;
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    health = vr_rollout_find_health(revising_rollout(world), world->hosts[host].name);
    assert_true(vr_health_is_alert(&health->finding));
    assert_non_null(strstr(health->sentence, world->hosts[host].name));
    assert_int_equal(count_running(world, host), 0);
    assert_true(world->hosts[host].closed);
    for (guint h = 0; h < world->host_count; h++)
        assert_int_equal(world->hosts[h].applied, h == host);
    /* Severe: the first VM leaves within three intervals, and a few moments. */
    const VrHostAlert *alert = vr_rollout_alert(revising_rollout(world), 0);
    assert_true(alert->since_us - world->hosts[host].sick_since_us <= 43 * S);
    revising_assert_replays(world);
    fake_world_free(world);
}

static void
test_person_is_asked_first_if_the_policy_says_so(void **state)
{
    FakeWorld *world = world_new(set_ask);
    guint host = run_to_gate(world);
    const char *name = world->hosts[host].name;
    (void)state;

    pass_s(world, 180);
    world->hosts[host].sick_since_us = world->now_us;
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_int_equal(count_running(world, host), VMS_PER_HOST);
    assert_int_equal(revising_count_phase(world, VR_PHASE_ALERTED), 1);
    vr_engine_ask(world->engine, VR_INPUT_UNDO, name, "yes");
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_int_equal(count_running(world, host), 0);
    revising_assert_replays(world);
    fake_world_free(world);
}

/* A false alarm: nobody has moved, and the same plan goes on with a new gate. */
static void
test_released_host_is_watched_anew(void **state)
{
    FakeWorld *world = world_new(set_ask);
    guint host = run_to_gate(world);
    (void)state;

    pass_s(world, 180);
    world->hosts[host].sick_since_us = world->now_us;
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    world->hosts[host].sick_since_us = 0;
    vr_engine_ask(world->engine, VR_INPUT_RELEASE, world->hosts[host].name, "a backup");
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_good_end_and_free(world);
}

static void
test_observing_tells_and_does_nothing(void **state)
{
    FakeWorld *world = world_new(set_observe);
    guint host = run_to_gate(world);
    const VrHostHealth *health = NULL;
    (void)state;

    pass_s(world, 180);
    world->hosts[host].sick_since_us = world->now_us;
    revising_run_to(world, VR_ROLLOUT_DONE);
    health = vr_rollout_find_health(revising_rollout(world), world->hosts[host].name);
    assert_true(vr_health_is_alert(&health->finding));
    assert_int_equal(revising_rollout(world)->alerts->len, 0);
    revising_assert_good_end_and_free(world);
}

/* What cannot be read is unknown: the gate's time stands still meanwhile. */
static void
test_gate_waits_while_its_host_cannot_be_read(void **state)
{
    FakeWorld *world = world_new(set_watch);
    guint host = run_to_gate(world);
    gint64 ends_us = find_gate(world)->not_before_us;
    (void)state;

    pass_s(world, 60);
    world->hosts[host].reachable = FALSE;
    pass_s(world, 300);
    assert_true(vr_rollout_find_health(revising_rollout(world), world->hosts[host].name)
                    ->clock_stands_since_us != 0);
    world->hosts[host].reachable = TRUE;
    pass_s(world, 60);
    assert_true(find_gate(world)->not_before_us >= ends_us + 250 * S);
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_good_end_and_free(world);
}

/* It answers everything else, so nothing but the missing samples keeps its gate from passing. */
static void
test_gate_does_not_pass_unsampled(void **state)
{
    FakeWorld *world = world_new(set_watch);
    guint host = run_to_gate(world);
    (void)state;

    pass_s(world, 60);
    world->hosts[host].is_unsampled = TRUE;
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(revising_rollout(world)->reason, "cannot be sampled"));
    assert_int_equal(revising_count_phase(world, VR_PHASE_PASSED), 0);
    for (guint h = 0; h < world->host_count; h++)
        assert_int_equal(world->hosts[h].applied, h == host);
    revising_assert_replays(world);
    fake_world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_healthy_fleet_is_rolled_without_an_alert),
        cmocka_unit_test(test_sick_host_is_left_by_itself),
        cmocka_unit_test(test_person_is_asked_first_if_the_policy_says_so),
        cmocka_unit_test(test_released_host_is_watched_anew),
        cmocka_unit_test(test_observing_tells_and_does_nothing),
        cmocka_unit_test(test_gate_waits_while_its_host_cannot_be_read),
        cmocka_unit_test(test_gate_does_not_pass_unsampled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
