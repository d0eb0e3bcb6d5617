/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was promised before a revision holds after it: gates and the canary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include "revising.h"

#define S G_GINT64_CONSTANT(1000000)
#define GATE_S 600

static void
set_gate(VrPolicy *policy)
{
    policy->limits.gate_s = GATE_S;
    policy->limits.gate_canary_s = GATE_S;
}

static gboolean
comes_after(const VrStepState *step, const VrStepState *other)
{
    for (guint i = 0; i < step->plan->after->len; i++) {
        if (g_array_index(step->plan->after, guint, i) == other->plan->id)
            return TRUE;
    }
    return FALSE;
}

/* ------------------------------------------------------------------ gates */

static gint64
last_arrival_us(const FakeWorld *world, const char *source)
{
    gint64 last_us = 0;

    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (step->plan->kind == VR_STEP_MIGRATE && step->phase == VR_PHASE_SETTLED &&
            strcmp(step->plan->source, source) == 0)
            last_us = MAX(last_us, step->ended_us);
    }
    return last_us;
}

/* The source of the first migration of all. */
static const char *
first_refuge(const FakeWorld *world)
{
    for (guint i = 0; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (step->plan->kind == VR_STEP_MIGRATE)
            return step->plan->source;
    }
    g_assert_not_reached();
}

/* Stops it when so many migrations have been issued, and lets them end. */
static FakeWorld *
stop_after_migrations(guint host_count, guint count, void (*set_policy)(VrPolicy *policy))
{
    FakeWorld *world = fake_world_new(host_count, 2);

    world->set_policy = set_policy;
    world->migrations_max = 1;
    world->pause_at_migrations = count;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    world->pause_at_migrations = 0;
    vr_engine_ask(world->engine, VR_INPUT_STOP, NULL, "tests");
    revising_run_to(world, VR_ROLLOUT_STOPPED);
    return world;
}

/* One VM has come, the gate has not begun: the refuge is updated after its gate all the same. */
static void
test_gate_that_has_not_begun_is_kept(void **state)
{
    FakeWorld *world = stop_after_migrations(3, 1, set_gate);
    g_autofree char *refuge = g_strdup(first_refuge(world));
    const FakeHost *host = &world->hosts[fake_world_host(world, refuge)];
    gint64 arrived_us = last_arrival_us(world, refuge);
    (void)state;

    assert_int_not_equal(arrived_us, 0);
    /* Whatever else was there is gone: only the VM that has come needs the gate. */
    for (guint v = 0; v < world->vm_count; v++) {
        if (fake_is_active(world->vms[v].at[fake_world_host(world, refuge)]))
            world->vms[v].at[fake_world_host(world, refuge)] = VR_SIDE_ABSENT;
    }
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_int_equal(host->applied, 1);
    assert_true(host->applied_at_us >= arrived_us + GATE_S * S);
    revising_assert_replays(world);
    fake_world_free(world);
}

/* All have come and it watches: it goes on watching, and its time does not begin anew. */
static void
test_gate_that_watches_goes_on(void **state)
{
    FakeWorld *world = stop_after_migrations(3, 2, set_gate);
    g_autofree char *refuge = g_strdup(first_refuge(world));
    const FakeHost *host = &world->hosts[fake_world_host(world, refuge)];
    gint64 arrived_us = last_arrival_us(world, refuge);
    const VrStepState *gate = NULL;
    (void)state;

    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    fake_world_pass(world, GATE_S / 2 * S);
    vr_engine_ask(world->engine, VR_INPUT_STOP, NULL, "tests");
    revising_run_to(world, VR_ROLLOUT_STOPPED);
    assert_int_equal(revising_count_phase(world, VR_PHASE_WATCHING), 1);
    revising_revise(world);
    fake_world_pass(world, S);
    assert_int_equal(revising_count_phase(world, VR_PHASE_WATCHING), 1);
    gate = revising_find_step(world, VR_STEP_GATE,
                              revising_find_step(world, VR_STEP_MIGRATE, "vm1")->plan->target);
    assert_non_null(gate);
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_true(host->applied_at_us >= arrived_us + GATE_S * S);
    assert_true(host->applied_at_us < arrived_us + (GATE_S + 60) * S);
    revising_assert_good_end_and_free(world);
}

/* Until the canary's gate has passed no other updated host takes VMs. */
static void
test_canary_is_kept(void **state)
{
    FakeWorld *world = fake_world_new(4, 2);
    const VrStepState *gate = NULL;
    g_autofree char *canary = NULL;
    guint other_targets = 0;
    (void)state;

    for (guint v = 0; v < world->vm_count; v++)
        world->vms[v].memory_mib = 6000; /* two fill a host: others must take some */
    world->set_policy = set_gate;
    world->migrations_max = 1;
    world->pause_at_migrations = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    world->pause_at_migrations = 0;
    vr_engine_ask(world->engine, VR_INPUT_STOP, NULL, "tests");
    revising_run_to(world, VR_ROLLOUT_STOPPED);
    canary = g_strdup(vr_rollout_step(revising_rollout(world), 1)->plan->target);
    revising_revise(world);
    fake_world_pass(world, S);
    for (guint i = 0; gate == NULL && i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (step->plan->kind == VR_STEP_GATE && step->phase != VR_PHASE_SUPERSEDED)
            gate = step;
    }
    assert_non_null(gate);
    assert_string_equal(gate->plan->host, canary);
    for (guint i = gate->plan->id; i < revising_rollout(world)->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(revising_rollout(world), i);
        if (step->plan->kind != VR_STEP_MIGRATE || strcmp(step->plan->target, canary) == 0)
            continue;
        other_targets++;
        assert_true(comes_after(step, gate));
    }
    assert_true(other_targets > 0);
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_good_end_and_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate_that_has_not_begun_is_kept),
        cmocka_unit_test(test_gate_that_watches_goes_on),
        cmocka_unit_test(test_canary_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
