/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host falls silent in the middle of a rollout, and what the journal has of its VMs by then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include "fake-world-private.h"

#define SECOND_US G_GINT64_CONSTANT(1000000)
#define HOLD_US (1800 * SECOND_US)

static void
assert_phase(FakeWorld *world, VrRolloutPhase phase)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);

    if (world->breaches->len > 0)
        fail_msg("%s", (const char *)g_ptr_array_index(world->breaches, 0));
    if (rollout->phase != phase)
        fail_msg("rollout is %s (%s), not %s", vr_rollout_phase_to_string(rollout->phase),
                 rollout->reason != NULL ? rollout->reason : "no reason",
                 vr_rollout_phase_to_string(phase));
}

/* The first step that asks a person because of that host; the test fails if there is none. */
static const VrStepState *
find_asking(FakeWorld *world, const char *host)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->phase == VR_PHASE_NEEDS_OPERATOR && g_strcmp0(step->silent, host) == 0)
            return step;
    }
    fail_msg("no step asks because of %s; the rollout says: %s", host, rollout->reason);
    return NULL;
}

static void
assert_definitions(const FakeWorld *world)
{
    const VrRollout *rollout = vr_engine_rollout(world->engine);

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_MIGRATE && g_strcmp0(step->definition, "<domain/>") != 0)
            fail_msg("%s has no definition", step->plan->vm);
    }
}

static guint
count_records(const FakeWorld *world, const char *kind, const char *text)
{
    guint count = 0;

    for (guint i = 0; i < world->records->len; i++) {
        const FakeRecord *record = g_ptr_array_index(world->records, i);
        count += strcmp(record->kind, kind) == 0 && strstr(record->body, text) != NULL;
    }
    return count;
}

static void
test_definitions_are_durable_before_anything_is_done(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    const FakeRecord *first = NULL;
    (void)state;

    world->crash_at = 3; /* the append of the created rollout, its end, then the next call */
    fake_world_start(world);
    first = g_ptr_array_index(world->records, 0);
    assert_string_equal(first->kind, "rollout-created");
    assert_null(strstr(first->body, "<domain"));
    assert_int_equal(count_records(world, "vm-defined", "<domain/>"), world->vm_count);
    assert_int_equal(count_records(world, "step-phase", "checking"), 0);
    world->crash_at = 0;
    fake_world_kill(world);
    world->crashed = FALSE;
    fake_world_open(world);
    assert_definitions(world);
    fake_world_free(world);
}

/* The same text is not kept twice, and still it is there when the VM has migrated. */
static void
test_definition_is_journaled_once_unless_it_changes(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->next_migration = FAKE_MIGRATION_LOSES_DEFINITION; /* row N defines from the journal */
    world->next_migration_count = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    assert_int_equal(count_records(world, "vm-recorded", "libvirt_id"), world->vm_count);
    assert_int_equal(count_records(world, "vm-recorded", "<domain/>"), 0);
    assert_definitions(world);
    fake_world_free(world);
}

static void
lose_first_host_at_first_list(FakeWorld *self, guint host)
{
    (void)host;
    self->hosts[0].reachable = FALSE;
}

/* A full host dies before its turn: found out by whatever reads it next, asked after the hold. */
static void
test_full_host_that_dies_is_named_after_the_hold(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    const VrStepState *step = NULL;
    gint64 begun_us = world->now_us;
    (void)state;

    world->before_list = lose_first_host_at_first_list;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    step = find_asking(world, "h1");
    assert_true(world->now_us - begun_us >= HOLD_US);
    assert_true(step->silent_since_us >= begun_us);
    assert_true(world->now_us - step->silent_since_us >= HOLD_US);
    assert_int_equal(world->hosts[0].applied, 0);
    fake_world_free(world);
}

static void
lose_second_host_at_first_list(FakeWorld *self, guint host)
{
    (void)host;
    self->hosts[1].reachable = FALSE;
}

/* Neither source nor target of who waits for it, and every reading fails in other words. */
static void
test_silent_host_elsewhere_is_named_and_its_silence_counts(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    guint waiting = 0;
    (void)state;

    world->before_list = lose_second_host_at_first_list;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    const VrRollout *rollout = vr_engine_rollout(world->engine);
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->phase != VR_PHASE_NEEDS_OPERATOR || step->plan->kind != VR_STEP_MIGRATE ||
            strcmp(step->plan->source, "h2") == 0 || strcmp(step->plan->target, "h2") == 0)
            continue;
        assert_string_equal(step->silent, "h2");
        assert_true(world->now_us - step->silent_since_us >= HOLD_US);
        assert_non_null(strstr(step->reason, "h2: unknown, no answer at "));
        waiting++;
    }
    assert_true(waiting > 0);
    fake_world_free(world);
}

/* Looking again does not make the host's silence any shorter. */
static void
test_silence_counts_from_its_begin_however_often_one_looks(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    gint64 since_us = 0;
    (void)state;

    world->before_list = lose_first_host_at_first_list;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    since_us = find_asking(world, "h1")->silent_since_us;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_int_equal(find_asking(world, "h1")->silent_since_us, since_us);
    world->before_list = NULL;
    world->hosts[0].reachable = TRUE;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    fake_world_free(world);
}

static void
lose_host_to_be_closed(FakeWorld *world)
{
    fake_world_start(world);
    while (!world->hosts[2].updated || world->hosts[2].closed)
        fake_world_pass(world, SECOND_US / 20);
    world->needs_power = TRUE;
    world->hosts[0].reachable = world->hosts[1].reachable = FALSE;
}

/* The stage that closes it fails: because it is dead, and that is waited for before one asks. */
static void
test_host_that_cannot_be_closed_because_it_is_dead(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    gint64 begun_us = 0;
    (void)state;

    lose_host_to_be_closed(world);
    begun_us = world->now_us;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(world->now_us - begun_us >= HOLD_US);
    assert_int_equal(find_asking(world, "h1")->resume_phase, VR_PHASE_CLOSING);
    assert_int_equal(world->migrations_issued, 0);
    fake_world_free(world);
}

static void
test_host_that_was_away_when_it_was_to_be_closed(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    lose_host_to_be_closed(world);
    fake_world_pass(world, 600 * SECOND_US);
    assert_phase(world, VR_ROLLOUT_RUNNING);
    world->hosts[0].reachable = world->hosts[1].reachable = TRUE;
    world->needs_power = FALSE;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    fake_world_free(world);
}

/* It answers, so the stage is to blame: a person hears of it at once. */
static void
test_stage_that_cannot_close_a_living_host(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    gint64 begun_us = world->now_us;
    (void)state;

    world->fail_stage = "h1 close";
    fake_world_start(world);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "stage close failed"));
    assert_true(world->now_us - begun_us < HOLD_US);
    world->fail_stage = NULL;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    fake_world_free(world);
}

/* It dies and is up again within its gate, and autostart has its guests running by the end. */
static void
test_target_that_rebooted_in_its_gate_does_not_pass(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    fake_world_start(world);
    while (count_records(world, "step-phase", "watching") == 0)
        fake_world_pass(world, SECOND_US / 20);
    world->hosts[2].boots++;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason,
                           "h3 has rebooted since its update (boot id 2, it was 1)"));
    assert_int_equal(world->hosts[0].applied + world->hosts[1].applied, 0);
    /* Who goes on has looked at that boot, and hears of the next one. */
    world->hosts[2].boots++;
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason, "boot id 3, it was 1"));
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_DONE);
    fake_world_free(world);
}

/* Somebody has updated it since the plan was made: its boot is known from before the assessment. */
static void
test_target_without_anything_to_update_is_asked_for_its_boot_too(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    fake_world_start(world);
    world->hosts[2].updated = TRUE;
    while (count_records(world, "step-phase", "watching") == 0)
        fake_world_pass(world, SECOND_US / 20);
    assert_int_equal(world->hosts[2].applied, 0);
    world->hosts[2].boots++;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason,
                           "h3 has rebooted since its update (boot id 1, it was 0)"));
    fake_world_free(world);
}

/* One connection that fails is no reason to call a person; half an hour of them is. */
static void
test_boot_that_cannot_be_asked_for_is_asked_for_again(void **state)
{
    (void)state;
    for (guint lasting = 0; lasting < 2; lasting++) {
        FakeWorld *world = fake_world_new(3, 2);
        gint64 begun_us = 0;

        fake_world_start(world);
        while (count_records(world, "step-phase", "watching") == 0)
            fake_world_pass(world, SECOND_US / 20);
        world->fail_stage = "h3 facts";
        while (count_records(world, "step-phase", "h3: stage facts failed") == 0)
            fake_world_pass(world, SECOND_US / 20);
        begun_us = world->now_us;
        assert_phase(world, VR_ROLLOUT_RUNNING);
        if (!lasting)
            world->fail_stage = NULL;
        assert_true(fake_world_run(world));
        assert_phase(world, lasting ? VR_ROLLOUT_NEEDS_OPERATOR : VR_ROLLOUT_DONE);
        assert_int_equal(world->now_us - begun_us >= HOLD_US - 60 * SECOND_US, lasting);
        fake_world_free(world);
    }
}

static void
forget_uuid_of_third(FakeWorld *self, guint host)
{
    if (host == 2)
        g_clear_pointer(&self->hosts[2].uuid, g_free);
}

/* It may be told later, so it is asked for again before a person is. */
static void
test_host_that_does_not_say_which_machine_it_is(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    gint64 begun_us = 0;
    (void)state;

    fake_world_start(world);
    begun_us = world->now_us;
    world->before_list = forget_uuid_of_third;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(world->now_us - begun_us >= HOLD_US);
    assert_non_null(strstr(vr_engine_rollout(world->engine)->reason,
                           "h3 answers without a host UUID, it was 00000000"));
    assert_int_equal(world->hosts[2].applied, 0);
    fake_world_free(world);
}

static void
replace_third(FakeWorld *self, guint host)
{
    (void)host;
    g_free(self->hosts[2].uuid);
    self->hosts[2].uuid = g_strdup("00000000-0000-4000-8000-00000000000f");
}

static void
test_host_that_is_another_machine_stops_the_rollout(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    gint64 begun_us = 0;
    (void)state;

    fake_world_start(world);
    begun_us = world->now_us;
    world->before_list = replace_third;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(world->now_us - begun_us < HOLD_US);
    assert_int_equal(count_records(world, "rollout-phase", "\"stopping\""), 1);
    assert_int_equal(count_records(world, "step-phase", "wrong-machine"), 1);
    fake_world_free(world);
}

static void
replace_second(FakeWorld *self, guint host)
{
    (void)host;
    self->hosts[1].reachable = FALSE;
    self->hosts[1].trouble = VR_FAILURE_WRONG_MACHINE;
}

/* Found out while it is listed: not waited for as if it were silent. */
static void
test_another_machine_that_is_listed_stops_the_rollout(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    gint64 begun_us = 0;
    (void)state;

    fake_world_start(world);
    while (!world->hosts[2].updated || world->hosts[2].closed)
        fake_world_pass(world, SECOND_US / 20);
    begun_us = world->now_us;
    world->before_list = replace_second;
    assert_true(fake_world_run(world));
    assert_phase(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(world->now_us - begun_us < HOLD_US / 2);
    assert_int_equal(find_asking(world, "h2")->trouble, VR_FAILURE_WRONG_MACHINE);
    assert_true(count_records(world, "rollout-phase", "\"stopping\"") > 0);
    fake_world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions_are_durable_before_anything_is_done),
        cmocka_unit_test(test_definition_is_journaled_once_unless_it_changes),
        cmocka_unit_test(test_full_host_that_dies_is_named_after_the_hold),
        cmocka_unit_test(test_silent_host_elsewhere_is_named_and_its_silence_counts),
        cmocka_unit_test(test_silence_counts_from_its_begin_however_often_one_looks),
        cmocka_unit_test(test_host_that_cannot_be_closed_because_it_is_dead),
        cmocka_unit_test(test_host_that_was_away_when_it_was_to_be_closed),
        cmocka_unit_test(test_stage_that_cannot_close_a_living_host),
        cmocka_unit_test(test_target_that_rebooted_in_its_gate_does_not_pass),
        cmocka_unit_test(test_host_that_does_not_say_which_machine_it_is),
        cmocka_unit_test(test_host_that_is_another_machine_stops_the_rollout),
        cmocka_unit_test(test_another_machine_that_is_listed_stops_the_rollout),
        cmocka_unit_test(test_boot_that_cannot_be_asked_for_is_asked_for_again),
        cmocka_unit_test(test_target_without_anything_to_update_is_asked_for_its_boot_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
