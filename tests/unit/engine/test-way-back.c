/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A person has VMs migrate back off an updated host, releases it, or goes on without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include <virt-roll/way-back.h>

#include "revising.h"

#define S G_GINT64_CONSTANT(1000000)

static void
set_long_gates(VrPolicy *policy)
{
    policy->limits.gate_s = 600;
    policy->limits.hosts_down_max = 2;
}

/* The gate that watches its VMs; NULL. */
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

static const char *
find_watched(const FakeWorld *world)
{
    const VrStepState *gate = find_gate(world);

    return gate != NULL ? world->hosts[fake_world_host(world, gate->plan->host)].name : NULL;
}

/* Lets it roll until the first gate watches its VMs. */
static FakeWorld *
world_in_gate(guint host_count, const char **out_host)
{
    FakeWorld *world = fake_world_new(host_count, 2);

    world->set_policy = set_long_gates;
    fake_world_start(world);
    for (guint i = 0; i < 600 && find_watched(world) == NULL; i++)
        fake_world_pass(world, S);
    *out_host = find_watched(world);
    assert_non_null(*out_host);
    return world;
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
undo(FakeWorld *world, const char *host)
{
    vr_engine_ask(world->engine, VR_INPUT_UNDO, host, "its VMs are slow");
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
}

/* Every VM runs, once, and nothing is on the host, which nobody gets onto. */
static void
assert_evacuated(const FakeWorld *world, const char *host)
{
    guint index = fake_world_host(world, host);
    guint running = 0;

    assert_int_equal(count_running(world, index), 0);
    for (guint h = 0; h < world->host_count; h++)
        running += count_running(world, h);
    assert_int_equal(running, world->vm_count);
    assert_true(world->hosts[index].closed);
    assert_true(vr_rollout_is_quarantined(revising_rollout(world), host));
    revising_assert_replays(world);
}

static void
test_undo_brings_vms_back_to_their_refuge(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    guint refuge = fake_world_host(world, find_gate(world)->plan->source);
    (void)state;

    assert_int_equal(count_running(world, refuge), 0);
    undo(world, host);
    assert_evacuated(world, host);
    assert_int_equal(count_running(world, refuge), 2);
    assert_false(world->hosts[refuge].closed);
    assert_non_null(strstr(revising_rollout(world)->reason, "migrated back: 2, still there: 0"));
    for (guint h = 0; h < world->host_count; h++)
        assert_int_equal(world->hosts[h].applied, h == fake_world_host(world, host));
    assert_int_equal(revising_count_phase(world, VR_PHASE_ALERTED), 1);
    fake_world_free(world);
}

static void
test_nothing_goes_on_before_a_person_has_decided(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    guint issued = 0;
    (void)state;

    undo(world, host);
    issued = world->migrations_issued;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_int_equal(world->migrations_issued, issued);
    assert_evacuated(world, host);
    fake_world_free(world);
}

static void
test_undo_calls_back_what_is_on_its_way(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->set_policy = set_long_gates;
    world->next_migration = FAKE_MIGRATION_NEVER_CONVERGES;
    world->next_migration_count = 2;
    world->pause_at_migrations = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    fake_world_pass(world, S);
    world->pause_at_migrations = 0;
    undo(world, "h3");
    assert_int_equal(count_running(world, 2), 0);
    assert_int_equal(world->vms[0].completed, 0);
    assert_true(world->hosts[2].closed);
    revising_assert_replays(world);
    fake_world_free(world);
}

static void
test_released_host_is_opened_and_planned_with(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    (void)state;

    undo(world, host);
    assert_null(vr_rollout_find_release_obstacle(revising_rollout(world), host));
    vr_engine_ask(world->engine, VR_INPUT_RELEASE, host, "it was the switch");
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_false(world->hosts[fake_world_host(world, host)].closed);
    g_autofree char *obstacle = vr_rollout_find_release_obstacle(revising_rollout(world), host);
    assert_non_null(obstacle);
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    for (guint h = 0; h < world->host_count; h++) {
        assert_int_equal(world->hosts[h].applied, 1);
        assert_false(world->hosts[h].closed);
    }
    revising_assert_replays(world);
    fake_world_free(world);
}

/* With room for it, the others are updated, and nobody comes onto the host in alert. */
static void
test_the_others_go_on_without_the_host(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(4, &host);
    guint index = fake_world_host(world, host);
    (void)state;

    undo(world, host);
    revising_assert_doubted(world, "revise: ask");
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_evacuated(world, host);
    for (guint h = 0; h < world->host_count; h++) {
        assert_int_equal(world->hosts[h].applied, 1);
        assert_int_equal(world->hosts[h].closed, h == index);
    }
    vr_engine_ask(world->engine, VR_INPUT_RELEASE, host, "mended");
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_false(world->hosts[index].closed);
    revising_assert_replays(world);
    fake_world_free(world);
}

static void
test_vm_goes_back_only_once(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    const VrHostAlert *alert = NULL;
    (void)state;

    undo(world, host);
    vr_engine_ask(world->engine, VR_INPUT_RELEASE, host, "try again");
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    revising_revise(world);
    for (guint i = 0; i < 600 && find_watched(world) == NULL; i++)
        fake_world_pass(world, S);
    host = find_watched(world);
    assert_non_null(host);
    undo(world, host);
    alert = vr_rollout_find_alert(revising_rollout(world), host);
    assert_int_equal(alert->staying->len, 2);
    assert_int_equal(count_running(world, fake_world_host(world, host)), 2);
    revising_assert_replays(world);
    fake_world_free(world);
}

static void
test_host_without_an_update_is_not_undone(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    const char *refuge = revising_find_step(world, VR_STEP_GATE, host)->plan->source;
    g_autofree char *obstacle = vr_rollout_find_undo_obstacle(revising_rollout(world), refuge);
    g_autofree char *unknown = vr_rollout_find_undo_obstacle(revising_rollout(world), "h9");
    (void)state;

    assert_non_null(strstr(obstacle, "is not updated"));
    assert_non_null(strstr(unknown, "knows no host h9"));
    vr_engine_ask(world->engine, VR_INPUT_UNDO, refuge, "no");
    assert_int_equal(revising_rollout(world)->alerts->len, 0);
    fake_world_free(world);
}

static void
test_forecast_is_what_is_done(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    g_autoptr(VrWayBack) way =
        vr_way_back_compose(revising_rollout(world), host, NULL, world->now_us);
    (void)state;

    assert_int_equal(way->plan->steps->len - way->from, 4); /* close, open, two VMs */
    undo(world, host);
    assert_int_equal(revising_rollout(world)->steps->len, way->plan->steps->len);
    for (guint i = way->from; i < way->plan->steps->len; i++) {
        const VrPlanStep *forecast = vr_plan_step(way->plan, i);
        const VrPlanStep *done = vr_rollout_step(revising_rollout(world), i)->plan;
        assert_int_equal(forecast->kind, done->kind);
        assert_true(g_strcmp0(forecast->target, done->target) == 0);
        assert_true(g_strcmp0(forecast->vm_uuid, done->vm_uuid) == 0);
    }
    fake_world_free(world);
}

/* The fence comes first: nothing may be resumed or destroyed on a host that is open. */
static void
test_vms_stay_until_their_host_is_closed(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    g_autofree char *stage = g_strdup_printf("%s close", host);
    (void)state;

    world->fail_stage = stage;
    undo(world, host);
    assert_non_null(strstr(revising_rollout(world)->reason, "stage close failed"));
    assert_false(world->hosts[fake_world_host(world, host)].closed);
    assert_int_equal(count_running(world, fake_world_host(world, host)), 2);
    assert_int_equal(world->breaches->len, 0);
    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        assert_true(!step->plan->back || step->phase == VR_PHASE_PENDING);
    }
    world->fail_stage = NULL;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_evacuated(world, host);
    fake_world_free(world);
}

/* Closed, the refuge would refuse them, and each refusal is a try. */
static void
test_vms_wait_for_their_refuge_to_be_opened(void **state)
{
    const char *host = NULL;
    FakeWorld *world = world_in_gate(3, &host);
    guint refuge = fake_world_host(world, find_gate(world)->plan->source);
    g_autofree char *stage = g_strdup_printf("%s open", world->hosts[refuge].name);
    (void)state;

    world->fail_stage = stage;
    undo(world, host);
    assert_non_null(strstr(revising_rollout(world)->reason, "stage open failed"));
    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        assert_true(!step->plan->back || step->phase == VR_PHASE_PENDING);
    }
    world->fail_stage = NULL;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_evacuated(world, host);
    assert_int_equal(count_running(world, refuge), 2);
    fake_world_free(world);
}

static void
set_short_gates(VrPolicy *policy)
{
    policy->limits.gate_s = 30;
}

/* The first updated host of the plan, so long after the rollout's start; NULL: none is yet. */
static const char *
find_updated_after(FakeWorld *world, guint time_s)
{
    world->set_policy = set_short_gates;
    fake_world_start(world);
    for (guint i = 0; i < time_s; i++)
        fake_world_pass(world, S);
    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (step->phase == VR_PHASE_UPDATED)
            return world->hosts[fake_world_host(world, step->plan->host)].name;
    }
    return NULL;
}

static gboolean
waits(const VrStepState *step)
{
    return step->phase == VR_PHASE_PENDING || step->phase == VR_PHASE_CLOSED;
}

/* How many VMs it sends back. */
static guint
undo_and_check(FakeWorld *world, const char *host)
{
    guint count = revising_rollout(world)->steps->len;
    g_autofree gboolean *waited = g_new(gboolean, count);
    guint sent = 0;

    for (guint i = 0; i < count; i++)
        waited[i] = waits(vr_rollout_step(revising_rollout(world), i));
    undo(world, host);
    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (i < count)
            assert_true(!waited[i] || waits(step));
        if (!step->plan->back)
            continue;
        sent++;
        assert_false(world->hosts[fake_world_host(world, step->plan->target)].updated);
    }
    assert_true(world->hosts[fake_world_host(world, host)].closed);
    return sent;
}

/* Whenever it comes, nothing else begins, and no VM goes to a host that is updated. */
static void
test_undo_at_any_time_of_a_rollout(void **state)
{
    gboolean is_over = FALSE;
    guint sent = 0;
    (void)state;

    for (guint time_s = 1; !is_over; time_s++) {
        FakeWorld *world = fake_world_new(5, 2);
        const char *host = find_updated_after(world, time_s);
        is_over = vr_rollout_is_over(revising_rollout(world)->phase);
        if (host != NULL && !is_over)
            sent += undo_and_check(world, host);
        fake_world_free(world);
    }
    assert_true(sent > 0);
}

/* The controller dies at every call and append of the way back, and another one goes on. */
static void
test_way_back_survives_a_crash_anywhere(void **state)
{
    guint crashes = 0;
    (void)state;

    for (guint at = 1; at < 200; at++) {
        const char *host = NULL;
        FakeWorld *world = world_in_gate(3, &host);
        world->crash_at = world->calls + at;
        vr_engine_ask(world->engine, VR_INPUT_UNDO, host, "its VMs are slow");
        assert_true(fake_world_run(world));
        gboolean crashed = world->crashed;
        if (crashed) {
            crashes++;
            fake_world_kill(world);
            world->crashed = FALSE;
            world->crash_at = 0;
            fake_world_pass(world, 0);
            fake_world_open(world);
            vr_engine_restart(world->engine);
            vr_engine_ask(world->engine, VR_INPUT_UNDO, host, "its VMs are slow");
            vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
            assert_true(fake_world_run(world));
        }
        revising_assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
        assert_evacuated(world, host);
        fake_world_free(world);
        if (!crashed)
            break;
    }
    assert_true(crashes > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_undo_brings_vms_back_to_their_refuge),
        cmocka_unit_test(test_nothing_goes_on_before_a_person_has_decided),
        cmocka_unit_test(test_undo_calls_back_what_is_on_its_way),
        cmocka_unit_test(test_released_host_is_opened_and_planned_with),
        cmocka_unit_test(test_the_others_go_on_without_the_host),
        cmocka_unit_test(test_vm_goes_back_only_once),
        cmocka_unit_test(test_host_without_an_update_is_not_undone),
        cmocka_unit_test(test_forecast_is_what_is_done),
        cmocka_unit_test(test_vms_stay_until_their_host_is_closed),
        cmocka_unit_test(test_vms_wait_for_their_refuge_to_be_opened),
        cmocka_unit_test(test_undo_at_any_time_of_a_rollout),
        cmocka_unit_test(test_way_back_survives_a_crash_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
