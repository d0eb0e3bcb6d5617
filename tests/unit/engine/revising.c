/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "revising.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <string.h>

#include <cmocka.h>

#include <virt-roll/error.h>

const VrRollout *
revising_rollout(const FakeWorld *world)
{
    return vr_engine_rollout(world->engine);
}

void
revising_assert_phase(const FakeWorld *world, VrRolloutPhase phase)
{
    const VrRollout *rollout = revising_rollout(world);

    if (world->breaches->len > 0)
        fail_msg("%s", (const char *)g_ptr_array_index(world->breaches, 0));
    if (rollout->phase != phase)
        fail_msg("rollout is %s (%s), not %s", vr_rollout_phase_to_string(rollout->phase),
                 rollout->reason != NULL ? rollout->reason : "no reason",
                 vr_rollout_phase_to_string(phase));
}

void
revising_run_to(FakeWorld *world, VrRolloutPhase phase)
{
    assert_true(fake_world_run(world));
    revising_assert_phase(world, phase);
}

void
revising_assert_replays(const FakeWorld *world)
{
    const VrRollout *live = revising_rollout(world);
    VrJournal journal = {(gpointer)(guintptr)world, &fake_journal};
    guint64 sequence = 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrRollout) replayed = vr_replay(&journal, &sequence, &error);

    assert_null(error);
    assert_int_equal(replayed->phase, live->phase);
    assert_int_equal(replayed->steps->len, live->steps->len);
    assert_int_equal(replayed->revisions, live->revisions);
    assert_int_equal(replayed->revisions_in_vain, live->revisions_in_vain);
    assert_int_equal(replayed->basis->extras_approved, live->basis->extras_approved);
    assert_string_equal(replayed->basis->plan->digest, live->basis->plan->digest);
    for (guint i = 0; i < live->steps->len; i++) {
        const VrStepState *a = vr_rollout_step(live, i);
        const VrStepState *b = vr_rollout_step(replayed, i);
        assert_int_equal(a->phase, b->phase);
        assert_int_equal(a->attempt, b->attempt);
        assert_int_equal(a->unmet, b->unmet);
        assert_int_equal(a->set_aside, b->set_aside);
        assert_int_equal(a->target_update, b->target_update);
    }
}

void
revising_assert_good_end_and_free(FakeWorld *world)
{
    g_autofree char *fault = fake_world_check_end(world);

    revising_assert_phase(world, VR_ROLLOUT_DONE);
    if (fault != NULL)
        fail_msg("%s", fault);
    revising_assert_replays(world);
    fake_world_free(world);
}

VrRevision *
revising_plan_anew(const FakeWorld *world, const char *skip, GError **error)
{
    g_autoptr(VrInventory) scan = fake_world_scan(world);

    return vr_revision_new(revising_rollout(world), scan, skip, "tests", world->now_us, error);
}

VrRevision *
revising_plan_anew_well(const FakeWorld *world, const char *skip)
{
    g_autoptr(GError) error = NULL;
    VrRevision *revision = revising_plan_anew(world, skip, &error);

    if (revision == NULL)
        fail_msg("no revision: %s", error->message);
    return revision;
}

void
revising_revise(FakeWorld *world)
{
    vr_engine_revise(world->engine, revising_plan_anew_well(world, NULL), "a person", FALSE);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
}

void
revising_revise_automatically(FakeWorld *world)
{
    g_autofree char *doubt = NULL;
    VrRevision *revision = revising_plan_anew_well(world, NULL);

    doubt = vr_revision_find_doubt(revising_rollout(world), revision);
    if (doubt != NULL)
        fail_msg("a person must be asked: %s", doubt);
    vr_engine_revise(world->engine, revision, "by itself", TRUE);
    vr_engine_ask(world->engine, VR_INPUT_START, NULL, NULL);
}

void
revising_assert_refused(const FakeWorld *world, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrRevision) revision = revising_plan_anew(world, NULL, &error);

    assert_null(revision);
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_REFUSED));
    if (strstr(error->message, words) == NULL)
        fail_msg("'%s' does not say '%s'", error->message, words);
}

void
revising_assert_doubted(const FakeWorld *world, const char *words)
{
    g_autoptr(VrRevision) revision = revising_plan_anew_well(world, NULL);
    g_autofree char *doubt = vr_revision_find_doubt(revising_rollout(world), revision);

    assert_non_null(doubt);
    if (strstr(doubt, words) == NULL)
        fail_msg("'%s' does not say '%s'", doubt, words);
}

void
revising_set_automatic(VrPolicy *policy)
{
    policy->revise = VR_REVISE_AUTOMATIC;
    policy->limits.hosts_down_max = 2;
    policy->limits.hosts_lost_max = 1;
    policy->limits.repair_extra_migrations_max = 8;
}

const VrStepState *
revising_find_step(const FakeWorld *world, VrStepKind kind, const char *subject)
{
    const VrRollout *rollout = revising_rollout(world);

    for (guint i = rollout->steps->len; i > 0; i--) {
        const VrStepState *step = vr_rollout_step(rollout, i - 1);
        if (step->plan->kind == kind &&
            strcmp(kind == VR_STEP_MIGRATE ? step->plan->vm : step->plan->host, subject) == 0)
            return step;
    }
    return NULL;
}

guint
revising_count_phase(const FakeWorld *world, VrPhase phase)
{
    guint count = 0;

    for (guint i = 0; i < revising_rollout(world)->steps->len; i++)
        count += vr_rollout_step(revising_rollout(world), i)->phase == phase;
    return count;
}
