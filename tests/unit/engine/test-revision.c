/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plan is revised in mid-rollout: what may be, what a person is asked about, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include <virt-roll/error.h>

#include "revising.h"

#define S G_GINT64_CONSTANT(1000000)

/* ------------------------------------------------------------------ VMs come and go */

static void
bring_vm_to_listed_host(FakeWorld *self, guint host)
{
    if (!self->hosts[host].closed || self->hosts[host].updated || host == self->host_count - 1)
        return;
    self->before_list = NULL;
    (void)fake_world_add_vm(self, host);
}

static void
test_vm_that_appeared_is_planned_in(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->before_list = bring_vm_to_listed_host;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(revising_rollout(world)->reason, "which the plan does not know"));
    revising_assert_doubted(world, "revise: ask");
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_int_equal(fake_world_vm(world, "vm5")->completed, 1);
    assert_string_equal(revising_find_step(world, VR_STEP_MIGRATE, "vm5")->definition,
                        FAKE_DEFINITION);
    assert_true(revising_count_phase(world, VR_PHASE_SUPERSEDED) > 0);
    revising_assert_good_end_and_free(world);
}

static void
test_vm_that_appeared_is_planned_in_without_asking(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->before_list = bring_vm_to_listed_host;
    world->set_policy = revising_set_automatic;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    revising_revise_automatically(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_int_equal(revising_rollout(world)->revisions_in_vain, 0);
    revising_assert_good_end_and_free(world);
}

static void
undefine_a_waiting_vm(FakeWorld *self, guint host)
{
    FakeVm *vm = &self->vms[host * 2 + 1];

    if (host >= 2 || !self->hosts[host].closed)
        return;
    self->before_list = NULL;
    vm->at[host] = VR_SIDE_ABSENT;
}

static void
test_vm_that_is_gone_is_planned_out(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    const FakeVm *gone = NULL;
    (void)state;

    world->before_list = undefine_a_waiting_vm;
    world->set_policy = revising_set_automatic;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    revising_assert_doubted(world, "vm"); /* it may have died: not without a person */
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    for (guint v = 0; v < world->vm_count; v++)
        gone = world->vms[v].completed == 0 ? &world->vms[v] : gone;
    assert_non_null(gone);
    assert_int_equal(revising_find_step(world, VR_STEP_MIGRATE, gone->name)->phase,
                     VR_PHASE_SUPERSEDED);
    for (guint h = 0; h < world->host_count; h++)
        assert_int_equal(world->hosts[h].applied, 1);
    revising_assert_replays(world);
    fake_world_free(world);
}

/* ------------------------------------------------------------------ no room */

static void
fill_the_updated_host(FakeWorld *self, guint host)
{
    if (!self->hosts[host].updated || self->hosts[host].closed)
        return;
    self->before_list = NULL;
    fake_world_add_vm(self, host)->memory_mib = 15000;
}

static void
test_no_room_on_the_target_is_planned_around(void **state)
{
    FakeWorld *world = fake_world_new(4, 2);
    (void)state;

    world->before_list = fill_the_updated_host;
    world->set_policy = revising_set_automatic;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_non_null(strstr(revising_rollout(world)->reason, "MiB free"));
    revising_revise_automatically(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_replays(world);
    for (guint h = 0; h < world->host_count; h++)
        assert_int_equal(world->hosts[h].applied, 1);
    fake_world_free(world);
}

/* ------------------------------------------------------------------ a lost host */

static FakeWorld *
lose_the_empty_host(guint host_count)
{
    FakeWorld *world = fake_world_new(host_count, 2);

    world->set_policy = revising_set_automatic;
    world->hosts[host_count - 1].is_doomed = TRUE;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    return world;
}

static void
test_losing_the_only_empty_host_stops_nothing(void **state)
{
    FakeWorld *world = lose_the_empty_host(4);
    (void)state;

    assert_true(vr_revision_is_set_aside(revising_rollout(world), "h4"));
    revising_revise_automatically(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(revising_find_step(world, VR_STEP_UPDATE, "h4")->set_aside);
    for (guint h = 0; h < 3; h++) {
        assert_int_equal(world->hosts[h].applied, 1);
        assert_true(world->hosts[h].updated && !world->hosts[h].closed);
    }
    for (guint v = 0; v < world->vm_count; v++)
        assert_true(world->vms[v].completed >= 1);
    revising_assert_doubted(world, "answer nothing"); /* only the lost host is left */
    revising_assert_replays(world);

    /* Tried again too early it asks for itself, and may be set aside once more. */
    vr_engine_ask(world->engine, VR_INPUT_RETRY, "h4", NULL);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_false(revising_find_step(world, VR_STEP_UPDATE, "h4")->set_aside);
    revising_revise_automatically(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);

    /* A person brings it back. */
    world->hosts[3].reachable = TRUE;
    vr_engine_ask(world->engine, VR_INPUT_RETRY, "h4", NULL);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_false(revising_find_step(world, VR_STEP_UPDATE, "h4")->set_aside);
    revising_assert_good_end_and_free(world);
}

static void
lower_hosts_lost(VrPolicy *policy)
{
    revising_set_automatic(policy);
    policy->limits.hosts_lost_max = 0;
}

static void
lower_repair(VrPolicy *policy)
{
    revising_set_automatic(policy);
    policy->limits.repair_extra_migrations_max = 1;
}

static void
lower_hosts_down(VrPolicy *policy)
{
    revising_set_automatic(policy);
    policy->limits.hosts_down_max = 1;
}

static FakeWorld *
lose_under(void (*set_policy)(VrPolicy *policy))
{
    FakeWorld *world = fake_world_new(4, 2);

    world->set_policy = set_policy;
    world->hosts[3].is_doomed = TRUE;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    return world;
}

static void
test_lost_host_beyond_a_limit_is_for_a_person(void **state)
{
    FakeWorld *world = lose_under(lower_hosts_lost);
    guint steps = revising_rollout(world)->steps->len;
    (void)state;

    revising_assert_doubted(world, "hosts_lost_max");
    vr_engine_revise(world->engine, revising_plan_anew_well(world, NULL), "by itself", TRUE);
    fake_world_pass(world, S);
    assert_int_equal(revising_rollout(world)->steps->len,
                     steps); /* the engine does not believe it */
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_true(world->hosts[0].updated && world->hosts[1].updated && world->hosts[2].updated);
    fake_world_free(world);

    world = lose_under(lower_repair);
    revising_assert_doubted(world, "extra migrations");
    fake_world_free(world);

    world = lose_under(lower_hosts_down);
    revising_assert_refused(world, "hosts_down_max");
    fake_world_free(world);
}

static void
test_guest_on_a_host_set_aside_forbids_a_revision(void **state)
{
    FakeWorld *world = lose_the_empty_host(4);
    (void)state;

    world->hosts[3].reachable = TRUE;
    (void)fake_world_add_vm(world, 3);
    revising_assert_refused(world, "is there now");
    fake_world_free(world);
}

static void
test_host_that_was_not_proven_empty_must_be_readable(void **state)
{
    FakeWorld *world = fake_world_new(4, 2);
    (void)state;

    world->before_list = bring_vm_to_listed_host;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    world->hosts[0].reachable = FALSE;
    revising_assert_refused(world, "h1 was not looked at");
    world->hosts[0].reachable = TRUE;
    g_free(world->hosts[0].uuid);
    world->hosts[0].uuid = g_strdup("00000000-0000-4000-8000-0000000000ff");
    revising_assert_refused(world, "another machine");
    fake_world_free(world);
}

/* ------------------------------------------------------------------ refusals */

static void
test_unknown_vm_forbids_a_revision(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    g_autoptr(VrRevision) early = NULL;
    guint steps = 0;
    (void)state;

    world->next_migration = FAKE_MIGRATION_KILLS;
    world->next_migration_count = 1;
    fake_world_start(world);
    vr_engine_ask(world->engine, VR_INPUT_STOP, NULL, "early");
    revising_run_to(world, VR_ROLLOUT_STOPPED);
    early = revising_plan_anew_well(world, NULL);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    revising_assert_refused(world, "must be cleared up first");

    /* One that was made when it was allowed is not taken either. */
    steps = revising_rollout(world)->steps->len;
    vr_engine_revise(world->engine, g_steal_pointer(&early), "late", FALSE);
    fake_world_pass(world, S);
    assert_int_equal(revising_rollout(world)->steps->len, steps);
    fake_world_free(world);
}

static void
test_running_or_finished_rollout_is_not_revised(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    g_autofree char *obstacle = NULL;
    (void)state;

    world->pause_at_migrations = 1;
    fake_world_start(world);
    assert_true(fake_world_run(world));
    obstacle = vr_revision_find_obstacle(revising_rollout(world));
    assert_non_null(strstr(obstacle, "must end first"));
    world->pause_at_migrations = 0;
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_refused(world, "no unfinished rollout");
    revising_assert_good_end_and_free(world);
}

/* It was tried as often as was allowed: a new plan must not try it again by itself. */
static void
test_failed_migration_is_planned_anew_by_a_person_only(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->set_policy = revising_set_automatic;
    world->next_migration = FAKE_MIGRATION_FAILS;
    world->next_failure = VR_FAILURE_LINK_LOST;
    world->next_vm = world->vms[0].name;
    world->next_migration_count = 3;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_FAILED);
    revising_assert_doubted(world, world->vms[0].name);
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_good_end_and_free(world);
}

/* Its libvirt refuses it: it runs where it was, and that is certain. */
static void
test_migration_that_was_refused_may_be_planned_anew(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->next_migration = FAKE_MIGRATION_FAILS;
    world->next_failure = VR_FAILURE_NO_MEMORY;
    world->next_migration_count = 1;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_good_end_and_free(world);
}

static void
test_revisions_in_vain_end_with_a_person(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    (void)state;

    world->set_policy = revising_set_automatic;
    fake_world_start(world);
    vr_engine_ask(world->engine, VR_INPUT_STOP, NULL, "early");
    revising_run_to(world, VR_ROLLOUT_STOPPED);
    revising_assert_doubted(world, "a person has stopped");
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    for (guint i = 0; revising_rollout(world)->revisions_in_vain < VR_REVISIONS_IN_VAIN_MAX; i++) {
        assert_true(i <= VR_REVISIONS_IN_VAIN_MAX);
        world->before_list = bring_vm_to_listed_host;
        revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
        revising_revise_automatically(world);
    }
    world->before_list = bring_vm_to_listed_host;
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    revising_assert_doubted(world, "nothing forward");
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    revising_assert_good_end_and_free(world);
}

/* ------------------------------------------------------------------ a host is left out */

static void
test_skipped_host_is_left_out_for_good(void **state)
{
    FakeWorld *world = fake_world_new(4, 2);
    const VrPlanSkip *skip = NULL;
    g_autoptr(GError) error = NULL;
    (void)state;

    world->fail_stage = "h2 assess";
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    assert_null(revising_plan_anew(world, "h9", &error));
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_NOT_FOUND));
    vr_engine_revise(world->engine, revising_plan_anew_well(world, "h2"), "a person", FALSE);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_int_equal(world->hosts[1].applied, 0);
    assert_true(world->hosts[0].updated && world->hosts[2].updated && world->hosts[3].updated);
    skip = g_ptr_array_index(revising_rollout(world)->basis->plan->skipped, 0);
    assert_string_equal(skip->host, "h2");
    assert_string_equal(skip->reason, VR_SKIP_REASON_SKIPPED);
    revising_assert_replays(world);
    fake_world_free(world);
}

/* What a person has left out is not fetched by the next plan. */
static void
test_vm_that_was_left_out_stays(void **state)
{
    FakeWorld *world = fake_world_new(3, 2);
    const char *vm = NULL;
    (void)state;

    world->next_migration = FAKE_MIGRATION_FAILS;
    world->next_failure = VR_FAILURE_CPU_MISMATCH;
    world->next_migration_count = 1;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    for (guint v = 0; v < world->vm_count; v++) {
        if (world->vms[v].migrations > 0 && world->vms[v].completed == 0)
            vm = world->vms[v].uuid;
    }
    vr_engine_ask(world->engine, VR_INPUT_DEFER, vm, "it stays");
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR); /* its host is not empty */
    revising_revise(world);
    revising_run_to(world, VR_ROLLOUT_DONE);
    assert_int_equal(fake_world_vm(world, vm)->completed, 0);
    assert_int_equal(revising_rollout(world)->basis->plan->skipped->len, 1);
    revising_assert_replays(world);
    fake_world_free(world);
}

/* ------------------------------------------------------------------ crashes */

/* A VM came; the controller dies at one call after the revision was asked for. */
static void
check_crash_at(guint call)
{
    FakeWorld *world = fake_world_new(3, 2);

    world->before_list = bring_vm_to_listed_host;
    fake_world_start(world);
    revising_run_to(world, VR_ROLLOUT_NEEDS_OPERATOR);
    world->crash_at = world->calls + call;
    for (guint i = 0; i < 5 && revising_rollout(world)->phase != VR_ROLLOUT_DONE; i++) {
        revising_revise(world);
        assert_true(fake_world_run_to_end(world));
    }
    revising_assert_good_end_and_free(world);
}

static void
test_crash_around_a_revision_ends_the_same(void **state)
{
    (void)state;
    for (guint call = 1; call <= 40; call++)
        check_crash_at(call);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vm_that_appeared_is_planned_in),
        cmocka_unit_test(test_vm_that_appeared_is_planned_in_without_asking),
        cmocka_unit_test(test_vm_that_is_gone_is_planned_out),
        cmocka_unit_test(test_no_room_on_the_target_is_planned_around),
        cmocka_unit_test(test_losing_the_only_empty_host_stops_nothing),
        cmocka_unit_test(test_lost_host_beyond_a_limit_is_for_a_person),
        cmocka_unit_test(test_guest_on_a_host_set_aside_forbids_a_revision),
        cmocka_unit_test(test_host_that_was_not_proven_empty_must_be_readable),
        cmocka_unit_test(test_unknown_vm_forbids_a_revision),
        cmocka_unit_test(test_running_or_finished_rollout_is_not_revised),
        cmocka_unit_test(test_failed_migration_is_planned_anew_by_a_person_only),
        cmocka_unit_test(test_migration_that_was_refused_may_be_planned_anew),
        cmocka_unit_test(test_revisions_in_vain_end_with_a_person),
        cmocka_unit_test(test_skipped_host_is_left_out_for_good),
        cmocka_unit_test(test_vm_that_was_left_out_stays),
        cmocka_unit_test(test_crash_around_a_revision_ends_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
