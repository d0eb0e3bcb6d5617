/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a plan may be revised, and whether a person must be asked about it. */
#include "rollout/revision.h"

#include <string.h>

#include "rollout/state.h"

#define ROW(row) (1u << VR_ROW_##row)

/* Asked about before its first migration: what these say is no secret to a fresh scan. */
#define ROWS_BEFORE (ROW(U) | ROW(V) | ROW(W) | ROW(X))
/* Its migration was rolled back, and it runs, or is paused, on its source as before. */
#define ROWS_BACK (ROW(A) | ROW(L))

static gboolean
has_row(const VrStepState *step, guint rows)
{
    return step->row >= 0 && ((1u << step->row) & rows) != 0;
}

/* Was its migration rolled back, and that for certain? Then it is asked about for its failure. */
static gboolean
is_back(const VrStepState *step)
{
    return has_row(step, ROWS_BACK) && !step->seen_on_target && step->trouble != VR_FAILURE_NONE &&
           step->trouble == step->failure;
}

static VrFate
fate_of_migration(const VrStepState *step)
{
    gboolean is_known = FALSE;

    if (step->phase != VR_PHASE_NEEDS_OPERATOR)
        is_known = vr_phase_is_replaceable(step->phase);
    else if (step->tries == 0)
        is_known = step->resume_phase == VR_PHASE_FITTING || has_row(step, ROWS_BEFORE);
    else
        is_known = is_back(step);
    return is_known && step->call_attempt == 0 ? VR_FATE_SUPERSEDED : VR_FATE_UNCERTAIN;
}

/*
 * Two lists have proven it empty, closed, right before its apply. It is not, if it asks because of
 * a guest; and once it is verified it may be open.
 */
static gboolean
is_empty_in_its_update(const VrStepState *step)
{
    return step->was_down && vr_phase_is_host_down(step->resume_phase) &&
           (step->resume_phase != VR_PHASE_PROVING_AGAIN || step->silent != NULL);
}

static VrFate
fate_of_update(const VrStepState *step)
{
    if (step->phase == VR_PHASE_CLOSED && step->was_down)
        return VR_FATE_KEPT; /* interrupted between apply and apply: it goes on from there */
    if (step->phase != VR_PHASE_NEEDS_OPERATOR)
        return vr_phase_is_replaceable(step->phase) ? VR_FATE_SUPERSEDED : VR_FATE_UNCERTAIN;
    if (!step->was_down)
        return VR_FATE_SUPERSEDED;
    return is_empty_in_its_update(step) ? VR_FATE_SET_ASIDE : VR_FATE_UNCERTAIN;
}

VrFate
vr_revision_fate(const VrStepState *step)
{
    if (vr_phase_is_satisfied(step->phase) || step->phase == VR_PHASE_SUPERSEDED)
        return VR_FATE_KEPT;
    /* Such as another machine under a host's name. */
    if (step->phase == VR_PHASE_NEEDS_OPERATOR && vr_failure_is_fatal(step->trouble))
        return VR_FATE_UNCERTAIN;
    switch (step->plan->kind) {
    case VR_STEP_UPDATE:
        return fate_of_update(step);
    case VR_STEP_MIGRATE:
        return fate_of_migration(step);
    case VR_STEP_GATE:
        if (step->phase == VR_PHASE_WATCHING)
            return VR_FATE_KEPT;
        return step->phase == VR_PHASE_PENDING || step->phase == VR_PHASE_ALERTED
                   ? VR_FATE_SUPERSEDED
                   : VR_FATE_UNCERTAIN;
    case VR_STEP_QUARANTINE:
    case VR_STEP_REOPEN:
        return step->phase == VR_PHASE_PENDING ? VR_FATE_SUPERSEDED : VR_FATE_UNCERTAIN;
    }
    g_assert_not_reached();
}

/* Has this step closed its host, and not opened it? */
static gboolean
has_closed(const VrStepState *step)
{
    gboolean was_elsewhere =
        step->phase == VR_PHASE_NEEDS_OPERATOR || step->phase == VR_PHASE_SUPERSEDED;
    VrPhase phase = was_elsewhere ? step->resume_phase : step->phase;

    return (phase >= VR_PHASE_CLOSING && phase <= VR_PHASE_OPENING) ||
           phase == VR_PHASE_QUARANTINED;
}

gboolean
vr_revision_is_closed(const VrRollout *rollout, const char *host)
{
    gboolean closed = FALSE;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (g_strcmp0(step->plan->host, host) != 0)
            continue;
        if (step->plan->kind == VR_STEP_UPDATE || step->plan->kind == VR_STEP_QUARANTINE)
            closed = (closed || has_closed(step)) && step->phase != VR_PHASE_UPDATED;
        else if (step->phase == VR_PHASE_REOPENED)
            closed = FALSE;
    }
    return closed;
}

gboolean
vr_revision_is_set_aside(const VrRollout *rollout, const char *host)
{
    gint index = vr_rollout_find_update(rollout, host);
    const VrStepState *step = index >= 0 ? vr_rollout_step(rollout, (guint)index) : NULL;

    if (vr_rollout_is_quarantined(rollout, host))
        return TRUE;
    if (step == NULL || vr_phase_is_satisfied(step->phase))
        return FALSE;
    VrFate fate = vr_revision_fate(step);
    return fate == VR_FATE_SET_ASIDE ||
           (fate == VR_FATE_KEPT && step->phase != VR_PHASE_SUPERSEDED);
}

/* ------------------------------------------------------------------ is it allowed */

static char *
describe_uncertain(const VrStepState *step)
{
    const VrPlanStep *plan = step->plan;
    const char *subject = plan->kind == VR_STEP_MIGRATE ? plan->vm : plan->host;

    return g_strdup_printf("%s must be cleared up first, no plan can be made on it: %s", subject,
                           step->reason != NULL ? step->reason : vr_phase_to_string(step->phase));
}

static guint
count_set_aside(const VrRollout *rollout)
{
    guint count = 0;

    for (guint i = 0; i < rollout->steps->len; i++)
        count += vr_revision_fate(vr_rollout_step(rollout, i)) == VR_FATE_SET_ASIDE;
    for (guint i = 0; i < rollout->alerts->len; i++)
        count += vr_rollout_is_quarantined(rollout, vr_rollout_alert(rollout, i)->host);
    return count;
}

char *
vr_revision_find_obstacle(const VrRollout *rollout)
{
    if (!vr_rollout_is_unfinished(rollout))
        return g_strdup("there is no unfinished rollout");
    if (!vr_rollout_is_over(rollout->phase))
        return g_strdup("the rollout was cut off or runs: what it has in hand must end first");
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (vr_revision_fate(step) == VR_FATE_UNCERTAIN)
            return describe_uncertain(step);
    }

    for (guint i = 0; i < rollout->alerts->len; i++) {
        const VrHostAlert *alert = vr_rollout_alert(rollout, i);
        if (!alert->released && !vr_rollout_is_quarantined(rollout, alert->host))
            return g_strdup_printf("%s is in alert: first bring its VMs back, or release it",
                                   alert->host);
    }

    gint64 hosts_down_max =
        vr_policy_hosts_down_max(rollout->basis->policy, rollout->basis->inventory->hosts->len);
    guint lost = count_set_aside(rollout);
    if (lost >= hosts_down_max)
        return g_strdup_printf("%u of the hosts are lost or quarantined, and hosts_down_max is "
                               "%" G_GINT64_FORMAT ": no other host may be updated meanwhile",
                               lost, hosts_down_max);
    return NULL;
}

/* ------------------------------------------------------------------ must a person be asked */

/* What came up is none of the things that a new plan answers by itself. */
static gboolean
is_for_a_person(const VrStepState *step)
{
    if (step->phase != VR_PHASE_NEEDS_OPERATOR)
        return step->phase == VR_PHASE_FAILED; /* tried as often as was allowed */
    if (step->plan->kind == VR_STEP_UPDATE)
        return step->was_down ? vr_revision_fate(step) != VR_FATE_SET_ASIDE
                              : step->resume_phase != VR_PHASE_COMPARING;
    /* One that is nowhere may have died, and an odd one wants to be looked at. */
    return step->tries > 0 || has_row(step, ROW(V) | ROW(W));
}

/* A VM that was to migrate and is nowhere: its owner may have removed it, or it may have died. */
static gboolean
is_gone(const VrRevision *revision, const VrStepState *step)
{
    return step->plan->kind == VR_STEP_MIGRATE && vr_revision_fate(step) == VR_FATE_SUPERSEDED &&
           vr_inventory_find_vm(revision->inventory, step->plan->vm_uuid) < 0;
}

static guint
count_extras(const VrRollout *rollout, const VrRevision *revision)
{
    guint count = 0;

    for (guint i = 0; i < revision->plan->steps->len; i++) {
        guint id = i + 1;
        gboolean is_gone = i < rollout->steps->len &&
                           (vr_rollout_step(rollout, i)->phase == VR_PHASE_SUPERSEDED ||
                            g_array_binary_search(revision->superseded, &id, vr_compare_ids, NULL));
        count += vr_plan_step(revision->plan, i)->extra && !is_gone;
    }
    return count;
}

char *
vr_revision_find_doubt(const VrRollout *rollout, const VrRevision *revision)
{
    const VrPolicy *policy = rollout->basis->policy;
    gint64 extras = count_extras(rollout, revision);
    gboolean is_answer = FALSE;
    gint64 extras_max =
        rollout->basis->extras_approved + policy->limits.repair_extra_migrations_max;

    if (policy->revise != VR_REVISE_AUTOMATIC)
        return g_strdup("the policy has revise: ask");
    if (rollout->phase == VR_ROLLOUT_STOPPED)
        return g_strdup("a person has stopped the rollout");
    if (vr_rollout_blocking_alert(rollout) != NULL)
        return g_strdup_printf("%s was in alert", vr_rollout_blocking_alert(rollout)->host);
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (is_gone(revision, step))
            return g_strdup_printf("%s is on no host any more", step->plan->vm);
        if (is_for_a_person(step))
            return g_strdup(step->reason != NULL ? step->reason : "a person is asked");
        is_answer |= step->phase == VR_PHASE_NEEDS_OPERATOR && !step->set_aside;
    }
    if (!is_answer)
        return g_strdup("a new plan would answer nothing that is asked");
    if (revision->set_aside->len > policy->limits.hosts_lost_max)
        return g_strdup_printf("%u hosts are lost, and hosts_lost_max is %" G_GINT64_FORMAT,
                               revision->set_aside->len, policy->limits.hosts_lost_max);
    if (extras > extras_max)
        return g_strdup_printf("it takes %" G_GINT64_FORMAT " extra migrations in all, and "
                               "%" G_GINT64_FORMAT " are approved or within "
                               "repair_extra_migrations_max",
                               extras, extras_max);
    if (rollout->revisions_in_vain >= VR_REVISIONS_IN_VAIN_MAX &&
        vr_rollout_count_satisfied(rollout) <= rollout->satisfied_count)
        return g_strdup_printf("%u revisions in a row have brought nothing forward",
                               rollout->revisions_in_vain);
    return NULL;
}

void
vr_revision_free(VrRevision *self)
{
    if (self == NULL)
        return;
    vr_plan_free(self->planned);
    vr_inventory_free(self->scope);
    vr_plan_free(self->plan);
    vr_inventory_free(self->inventory);
    g_array_unref(self->superseded);
    g_array_unref(self->set_aside);
    g_free(self);
}
