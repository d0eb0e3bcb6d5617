/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two plans into one: the old steps, gates that what has happened still needs, and the steps of the
 * new plan, which knows the fleet as it is but nothing of what was promised.
 */
#include <string.h>

#include <virt-roll/error.h>

#include "base/time.h"
#include "plan/build.h"
#include "rollout/revision.h"
#include "rollout/state.h"

typedef struct {
    const VrRollout *rollout;
    const VrPlan *planned;
    const VrInventory *scope;
    VrRevision *revision;
    gint64 offset_ms;   /* from the rollout's start to now */
    GArray *gates;      /* (element-type guint) ids of gates that have not passed: kept, or anew */
    const char *canary; /* (nullable) no gate of it has passed, and VMs are there */
} Composing;

static const VrPlanStep *
plan_step(const Composing *self, guint id)
{
    return vr_plan_step(self->revision->plan, id - 1);
}

/* ------------------------------------------------------------------ the old steps */

static void
take_old_steps(Composing *self)
{
    VrRevision *revision = self->revision;

    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        VrFate fate = vr_revision_fate(step);
        guint id = vr_plan_copy_step(revision->plan, step->plan, 0)->id;
        g_assert(fate != VR_FATE_UNCERTAIN);
        if (fate == VR_FATE_SUPERSEDED)
            g_array_append_val(revision->superseded, id);
        else if (fate == VR_FATE_SET_ASIDE)
            g_array_append_val(revision->set_aside, id);
        if (step->plan->kind == VR_STEP_GATE && step->phase == VR_PHASE_WATCHING)
            g_array_append_val(self->gates, id);
    }
    revision->old_step_count = self->rollout->steps->len;
}

/* Has its VM come to its target and stayed, and not just been found shut off on its source? */
static gboolean
has_arrived(const VrRollout *rollout, const VrStepState *step)
{
    return (step->phase == VR_PHASE_SETTLED && !vr_rollout_moves_on(rollout, step)) ||
           (step->phase == VR_PHASE_STOPPED && step->tries > 0);
}

/* Somebody has moved it on: the new plan takes it from where it was found. */
static gboolean
was_found_elsewhere(const Composing *self, const VrStepState *arrival)
{
    gint vm = vr_inventory_find_vm(self->scope, arrival->plan->vm_uuid);

    return vm >= 0 &&
           strcmp(vr_inventory_vm(self->scope, (guint)vm)->host, arrival->plan->target) != 0;
}

/* A gate that has not begun, once more for the VMs that came already; its refuge waits for it. */
static void
renew_gate(Composing *self, const VrStepState *gate)
{
    const GArray *after = gate->plan->after;
    g_autoptr(GArray) arrivals = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < after->len; i++) {
        guint id = g_array_index(after, guint, i);
        const VrStepState *arrival = vr_rollout_step(self->rollout, id - 1);
        if (has_arrived(self->rollout, arrival) && !was_found_elsewhere(self, arrival))
            g_array_append_val(arrivals, id);
    }
    if (arrivals->len == 0)
        return;

    VrPlanStep *step = vr_plan_append_step(self->revision->plan, VR_STEP_GATE, NULL);
    step->host = vr_plan_keep(self->revision->plan, gate->plan->host);
    step->source = vr_plan_keep(self->revision->plan, gate->plan->source);
    step->start_ms = self->offset_ms;
    step->end_ms = self->offset_ms + gate->plan->end_ms - gate->plan->start_ms;
    g_autofree char *why =
        g_strdup_printf("%s took VMs of %s before the plan was revised", step->host, step->source);
    step->why = vr_plan_keep(self->revision->plan, why);
    for (guint i = 0; i < arrivals->len; i++)
        vr_plan_step_add_after(step, g_array_index(arrivals, guint, i));
    g_array_append_val(self->gates, step->id);
}

static void
renew_gates(Composing *self)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        if (step->plan->kind == VR_STEP_GATE &&
            (step->phase == VR_PHASE_PENDING || step->phase == VR_PHASE_ALERTED))
            renew_gate(self, step);
    }
}

/* ------------------------------------------------------------------ the canary */

static gboolean
has_passed_a_gate(const VrRollout *rollout, const char *host)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_GATE && step->phase == VR_PHASE_PASSED &&
            strcmp(step->plan->host, host) == 0)
            return TRUE;
    }
    return FALSE;
}

/* The updated host that took the first VM; NULL: none has, or its gate has passed. */
static const char *
find_canary(const VrRollout *rollout)
{
    const VrStepState *first = NULL;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_MIGRATE && !step->plan->extra && !step->plan->back &&
            has_arrived(rollout, step) && (first == NULL || step->begun_us < first->begun_us))
            first = step;
    }
    return first != NULL && !has_passed_a_gate(rollout, first->plan->target) ? first->plan->target
                                                                             : NULL;
}

/* ------------------------------------------------------------------ the new steps */

static void
come_after_gates(const Composing *self, VrPlanStep *step)
{
    for (guint i = 0; i < self->gates->len; i++) {
        guint id = g_array_index(self->gates, guint, i);
        const VrPlanStep *gate = plan_step(self, id);
        gboolean holds_back = step->kind == VR_STEP_UPDATE
                                  ? strcmp(gate->source, step->host) == 0
                                  : self->canary != NULL && strcmp(gate->host, self->canary) == 0 &&
                                        strcmp(step->target, self->canary) != 0;
        if (holds_back)
            vr_plan_step_add_after(step, id);
    }
}

/* Those that have left the host already freed it, as the new ones will. */
static void
come_after_departures(const Composing *self, VrPlanStep *update)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        if (step->plan->kind == VR_STEP_MIGRATE && vr_phase_is_satisfied(step->phase) &&
            strcmp(step->plan->source, update->host) == 0)
            vr_plan_step_add_after(update, i + 1);
    }
}

/* A VM that has had its one migration migrates again only as a declared extra. */
static gboolean
has_had_its_migration(const VrRollout *rollout, const char *vm_uuid)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_MIGRATE && !step->plan->extra && !step->plan->back &&
            step->phase == VR_PHASE_SETTLED && strcmp(step->plan->vm_uuid, vm_uuid) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
take_new_steps(Composing *self)
{
    VrPlan *plan = self->revision->plan;
    guint shift = plan->steps->len;

    for (guint i = 0; i < self->planned->steps->len; i++) {
        VrPlanStep *step = vr_plan_copy_step(plan, vr_plan_step(self->planned, i), shift);
        if (step->kind != VR_STEP_GATE)
            come_after_gates(self, step);
        if (step->kind == VR_STEP_UPDATE)
            come_after_departures(self, step);
        else if (step->kind == VR_STEP_MIGRATE)
            step->extra |= has_had_its_migration(self->rollout, step->vm_uuid);
    }
}

/* ------------------------------------------------------------------ what was promised */

/* Index in the planner's plan of the update of a host; -1. */
static gint
find_planned_update(const VrPlan *planned, const char *host)
{
    for (guint i = 0; i < planned->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(planned, i);
        if (step->kind == VR_STEP_UPDATE && strcmp(step->host, host) == 0)
            return (gint)i;
    }
    return -1;
}

/* Would the migration come onto a host that we have closed, before that is opened? */
static gboolean
is_closed_to(const Composing *self, const VrPlanStep *migration)
{
    gint update = find_planned_update(self->planned, migration->target);

    if (!vr_revision_is_closed(self->rollout, migration->target))
        return FALSE;
    return update < 0 || migration->start_ms < vr_plan_step(self->planned, (guint)update)->end_ms;
}

static gboolean
check_targets(const Composing *self, GError **error)
{
    for (guint i = 0; i < self->planned->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(self->planned, i);
        if (step->kind != VR_STEP_MIGRATE || !is_closed_to(self, step))
            continue;
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "the new plan would send %s to %s, which is closed and is not updated before: "
                    "open it by your stage open and close this rollout, then begin a new one",
                    step->vm, step->target);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_updates(const Composing *self, GError **error)
{
    for (guint i = 0; i < self->planned->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(self->planned, i);
        gint old =
            step->kind == VR_STEP_UPDATE ? vr_rollout_find_update(self->rollout, step->host) : -1;
        if (step->kind != VR_STEP_UPDATE ||
            (old >= 0 && !vr_revision_is_set_aside(self->rollout, step->host) &&
             vr_rollout_step(self->rollout, (guint)old)->phase != VR_PHASE_UPDATED))
            continue;
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "the new plan updates %s, which this rollout has not left to do", step->host);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_planned(const Composing *self, GError **error)
{
    g_autofree char *digest = vr_inventory_digest(self->scope);

    if (strcmp(digest, self->planned->inventory_digest) != 0 ||
        g_strcmp0(self->planned->update_level, self->rollout->basis->plan->update_level) != 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "the new plan was made for another inventory or update");
        return FALSE;
    }
    return check_updates(self, error) && check_targets(self, error);
}

/* ------------------------------------------------------------------ forecast and summary */

static gint64
since_start_ms(const VrRollout *rollout, gint64 at_us)
{
    return rollout->started_us != 0 ? MAX(at_us - rollout->started_us, 0) / VR_MS_US : 0;
}

/* When an old step ends; those that have ended do not hold anything up. */
static gint64
old_end_ms(const VrRollout *rollout, const VrStepState *step)
{
    return step->phase == VR_PHASE_WATCHING ? since_start_ms(rollout, step->not_before_us) : 0;
}

/* The planner's times, moved to now, and later where a gate of before holds them back. */
static void
forecast(Composing *self)
{
    VrPlan *plan = self->revision->plan;
    g_autofree gint64 *ends_ms = g_new0(gint64, plan->steps->len + 1);
    guint first_planned = plan->steps->len - self->planned->steps->len;

    for (guint i = 0; i < plan->steps->len; i++) {
        VrPlanStep *step = g_ptr_array_index(plan->steps, i);
        if (i < self->revision->old_step_count) {
            ends_ms[i] = old_end_ms(self->rollout, vr_rollout_step(self->rollout, i));
            continue;
        }
        gint64 length_ms = step->end_ms - step->start_ms;
        gint64 start_ms = step->start_ms + (i >= first_planned ? self->offset_ms : 0);
        for (guint k = 0; k < step->after->len; k++)
            start_ms = MAX(start_ms, ends_ms[g_array_index(step->after, guint, k) - 1]);
        step->start_ms = start_ms;
        step->end_ms = ends_ms[i] = start_ms + length_ms;
    }
}

static void
count_step(Composing *self, guint id)
{
    VrPlanSummary *summary = &self->revision->plan->summary;
    const VrPlanStep *step = plan_step(self, id);
    const VrStepState *old =
        id <= self->rollout->steps->len ? vr_rollout_step(self->rollout, id - 1) : NULL;

    if ((old != NULL && old->phase == VR_PHASE_SUPERSEDED) ||
        g_array_binary_search(self->revision->superseded, &id, vr_compare_ids, NULL))
        return;
    summary->hosts_to_update += step->kind == VR_STEP_UPDATE;
    summary->migrations += step->kind == VR_STEP_MIGRATE;
    summary->extra_migrations += step->extra;
    if (old == NULL)
        summary->makespan_ms = MAX(summary->makespan_ms, step->end_ms);
    else if (step->kind == VR_STEP_MIGRATE)
        summary->migrations_lower_bound++;
}

static void
summarize(Composing *self)
{
    VrPlan *plan = self->revision->plan;
    const VrPlanSummary *planned = &self->planned->summary;
    VrPlanSummary *summary = &plan->summary;

    *summary = *planned;
    summary->hosts = self->revision->inventory->hosts->len;
    summary->hosts_skipped = plan->skipped->len;
    summary->hosts_to_update = summary->migrations = summary->extra_migrations = 0;
    summary->makespan_ms = self->offset_ms;
    summary->makespan_lower_bound_ms += self->offset_ms;
    summary->makespan_lower_bound_one_migration_ms += self->offset_ms;
    summary->makespan_lower_bound_within_budget_ms += self->offset_ms;
    for (guint id = 1; id <= plan->steps->len; id++)
        count_step(self, id);
}

/* ------------------------------------------------------------------ the rest of the plan */

static const VrPlanSkip *
find_skip(const VrPlan *plan, const char *host)
{
    for (guint i = 0; i < plan->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(plan->skipped, i);
        if (strcmp(skip->host, host) == 0)
            return skip;
    }
    return NULL;
}

/* "Not selected" only means that the revision is not about it: what was said before holds. */
static void
take_skipped(Composing *self)
{
    const VrPlan *old_plan = self->rollout->basis->plan;

    for (guint i = 0; i < self->planned->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(self->planned->skipped, i);
        const VrPlanSkip *before = find_skip(old_plan, skip->host);
        gboolean is_of_request = strcmp(skip->reason, "not-selected") == 0;
        gint update = vr_rollout_find_update(self->rollout, skip->host);
        gboolean is_done =
            update >= 0 && vr_rollout_step(self->rollout, (guint)update)->phase == VR_PHASE_UPDATED;
        if (is_of_request && before == NULL && is_done)
            continue;
        g_ptr_array_add(self->revision->plan->skipped,
                        vr_plan_copy_skip(is_of_request && before != NULL ? before : skip));
    }
}

/* The fleet as it is, and of the hosts that nobody looks at what was known. */
static gboolean
take_inventory(Composing *self, GError **error)
{
    const VrInventory *known = self->rollout->basis->inventory;
    VrInventory *inventory = vr_inventory_new();

    self->revision->inventory = inventory;
    inventory->taken_at_us = self->scope->taken_at_us;
    for (guint i = 0; i < self->scope->hosts->len; i++)
        vr_inventory_copy_host(inventory, vr_inventory_host(self->scope, i));
    for (guint i = 0; i < self->scope->groups->len; i++)
        vr_inventory_copy_group(inventory, vr_inventory_group(self->scope, i));
    for (guint i = 0; i < self->scope->vms->len; i++)
        vr_inventory_copy_vm(inventory, vr_inventory_vm(self->scope, i));
    for (guint i = 0; i < known->hosts->len; i++) {
        const VrHost *host = vr_inventory_host(known, i);
        if (vr_inventory_find_host(self->scope, host->name) < 0)
            vr_inventory_copy_host(inventory, host);
    }
    return vr_inventory_seal(inventory, error);
}

static void
finish_plan(Composing *self)
{
    const VrPlan *old_plan = self->rollout->basis->plan;
    VrPlan *plan = self->revision->plan;

    plan->policy_digest = g_strdup(old_plan->policy_digest);
    plan->update_level = g_strdup(old_plan->update_level);
    plan->update_class = g_strdup(old_plan->update_class);
    plan->inventory_digest = vr_inventory_digest(self->revision->inventory);
    take_skipped(self);
    forecast(self);
    summarize(self);
    plan->digest = vr_plan_compute_digest(plan);
}

VrRevision *
vr_revision_compose(const VrRollout *rollout, const VrPlan *planned, const VrInventory *scope,
                    gint64 now_us, GError **error)
{
    g_autoptr(VrRevision) revision = g_new0(VrRevision, 1);
    g_autoptr(GArray) gates = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree char *obstacle = vr_revision_find_obstacle(rollout);

    revision->plan = vr_plan_new();
    revision->superseded = g_array_new(FALSE, FALSE, sizeof(guint));
    revision->set_aside = g_array_new(FALSE, FALSE, sizeof(guint));
    if (obstacle != NULL) {
        g_set_error_literal(error, VR_ERROR, VR_ERROR_REFUSED, obstacle);
        return NULL;
    }

    Composing composing = {
        .rollout = rollout,
        .planned = planned,
        .scope = scope,
        .revision = revision,
        .offset_ms = since_start_ms(rollout, now_us),
        .gates = gates,
        .canary = find_canary(rollout),
    };
    if (!check_planned(&composing, error) || !take_inventory(&composing, error))
        return NULL;
    take_old_steps(&composing);
    renew_gates(&composing);
    take_new_steps(&composing);
    finish_plan(&composing);
    return g_steal_pointer(&revision);
}
