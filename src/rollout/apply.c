/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events onto state: the only code that changes a rollout. */
#include <string.h>

#include "rollout/decide.h"
#include "rollout/document.h"

#define B(phase) (1ULL << VR_PHASE_##phase)

/* Where a step may go from each phase. Every phase but the last ones may also need an operator. */
static const guint64 legal[VR_PHASE_COUNT] = {
    [VR_PHASE_PENDING] = B(CLOSING) | B(CHECKING) | B(STOPPED) | B(WATCHING) | B(OPENING),
    [VR_PHASE_CLOSING] = B(CLOSING) | B(COMPARING) | B(QUARANTINED),
    [VR_PHASE_COMPARING] = B(COMPARING) | B(CLOSED),
    [VR_PHASE_CLOSED] = B(FACTS_BEFORE) | B(PENDING) /* opened again */,
    [VR_PHASE_FACTS_BEFORE] = B(FACTS_BEFORE) | B(ASSESSING) | B(CLOSED),
    [VR_PHASE_ASSESSING] = B(ASSESSING) | B(PREPARING) | B(SWEEPING) | B(CLOSED),
    [VR_PHASE_PREPARING] = B(PREPARING) | B(PROVING) | B(CLOSED),
    [VR_PHASE_PROVING] = B(PROVING) | B(APPLYING) | B(CLOSED),
    [VR_PHASE_APPLYING] = B(PROVING) | B(FACTS_BEFORE_REBOOT),
    [VR_PHASE_FACTS_BEFORE_REBOOT] = B(FACTS_BEFORE_REBOOT) | B(PROVING_AGAIN),
    [VR_PHASE_PROVING_AGAIN] = B(FACTS_BEFORE_REBOOT) | B(PROVING_AGAIN) | B(REBOOTING),
    [VR_PHASE_REBOOTING] = B(FACTS_BEFORE_REBOOT) | B(RETURNING) | B(FACTS_AFTER),
    [VR_PHASE_RETURNING] = B(RETURNING) | B(FACTS_AFTER),
    [VR_PHASE_FACTS_AFTER] = B(FACTS_AFTER) | B(VERIFYING),
    [VR_PHASE_VERIFYING] = B(VERIFYING) | B(SWEEPING),
    [VR_PHASE_SWEEPING] = B(SWEEPING) | B(OPENING),
    [VR_PHASE_OPENING] = B(OPENING) | B(UPDATED) | B(REOPENED),
    [VR_PHASE_DEFERRED] = B(CHECKING) | B(STOPPED) | B(PENDING),
    [VR_PHASE_CHECKING] = B(CHECKING) | B(FITTING) | B(SETTLED) | B(STOPPED) | B(PENDING),
    [VR_PHASE_FITTING] = B(CHECKING) | B(FITTING) | B(MIGRATING) | B(PENDING),
    [VR_PHASE_MIGRATING] = B(OBSERVING) | B(ABORTING),
    [VR_PHASE_ABORTING] = B(OBSERVING),
    [VR_PHASE_OBSERVING] = B(OBSERVING) | B(ABORTING) | B(RESUMING_SOURCE) | B(DESTROYING_SOURCE) |
                           B(UNDEFINING_SOURCE) | B(UNDEFINING_TARGET) | B(DEFINING_TARGET) |
                           B(SETTING_AUTOSTART) | B(SETTLED) | B(STOPPED) | B(DEFERRED) |
                           B(CHECKING) /* version 1 */ | B(FAILED) | B(PENDING),
    [VR_PHASE_RESUMING_SOURCE] = B(OBSERVING),
    [VR_PHASE_DESTROYING_SOURCE] = B(OBSERVING),
    [VR_PHASE_UNDEFINING_SOURCE] = B(OBSERVING),
    [VR_PHASE_UNDEFINING_TARGET] = B(OBSERVING),
    [VR_PHASE_DEFINING_TARGET] = B(OBSERVING),
    [VR_PHASE_SETTING_AUTOSTART] = B(OBSERVING),
    /* A stale definition came back on its source; its gate asked, and it is left out. */
    [VR_PHASE_SETTLED] = B(OBSERVING) | B(STOPPED),
    [VR_PHASE_WATCHING] = B(LOOKING) | B(ALERTED),
    [VR_PHASE_LOOKING] = B(LOOKING) | B(CHECKING_BOOT) | B(PASSED) | B(ALERTED),
    [VR_PHASE_CHECKING_BOOT] = B(LOOKING) | B(CHECKING_BOOT) | B(PASSED) | B(ALERTED),
    [VR_PHASE_ALERTED] = B(PENDING),
    [VR_PHASE_FAILED] = B(PENDING) | B(STOPPED),
    /* Nothing that changes a host or a VM without a look at it first. */
    [VR_PHASE_NEEDS_OPERATOR] = B(CLOSING) | B(COMPARING) | B(CLOSED) | B(FACTS_BEFORE) |
                                B(ASSESSING) | B(PREPARING) | B(PROVING) | B(FACTS_BEFORE_REBOOT) |
                                B(PROVING_AGAIN) | B(RETURNING) | B(FACTS_AFTER) | B(VERIFYING) |
                                B(SWEEPING) | B(OPENING) | B(CHECKING) | B(OBSERVING) | B(STOPPED) |
                                B(LOOKING) | B(PENDING) | B(ALERTED),
};

/* Is it one of the ways of this kind of step? */
static gboolean
phase_is_of(VrPhase phase, VrStepKind kind)
{
    if (phase == VR_PHASE_PENDING || phase == VR_PHASE_NEEDS_OPERATOR)
        return TRUE;
    switch (kind) {
    case VR_STEP_UPDATE:
        return phase >= VR_PHASE_CLOSING && phase <= VR_PHASE_UPDATED;
    case VR_STEP_MIGRATE:
        return (phase >= VR_PHASE_DEFERRED && phase <= VR_PHASE_STOPPED) ||
               phase == VR_PHASE_FAILED;
    case VR_STEP_GATE:
        return phase >= VR_PHASE_WATCHING && phase <= VR_PHASE_ALERTED;
    case VR_STEP_QUARANTINE:
        return phase == VR_PHASE_CLOSING || phase == VR_PHASE_QUARANTINED;
    case VR_STEP_REOPEN:
        return phase == VR_PHASE_OPENING || phase == VR_PHASE_REOPENED;
    }
    g_assert_not_reached();
}

static gboolean
phase_may_follow(VrPhase from, VrPhase to)
{
    if (to == VR_PHASE_NEEDS_OPERATOR)
        return !vr_phase_is_satisfied(from) && from != VR_PHASE_NEEDS_OPERATOR &&
               from != VR_PHASE_SUPERSEDED && from != VR_PHASE_ALERTED;
    return (legal[from] & (1ULL << to)) != 0;
}

static gboolean
corrupt(GError **error, const VrEvent *event, const char *why)
{
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT, "event %s of step %u cannot follow: %s",
                vr_event_kind_to_string(event->kind), event->step, why);
    return FALSE;
}

static void
count_dependents(VrRollout *self, guint index, gboolean satisfied)
{
    const GArray *dependents = g_ptr_array_index(self->basis->dependents, index);

    for (guint i = 0; i < dependents->len; i++) {
        VrStepState *waiting = vr_rollout_step(self, g_array_index(dependents, guint, i));
        waiting->unmet += satisfied ? -1 : 1;
    }
}

static gboolean
phase_is_action(VrPhase phase)
{
    return phase == VR_PHASE_ABORTING ||
           (phase >= VR_PHASE_RESUMING_SOURCE && phase <= VR_PHASE_SETTING_AUTOSTART);
}

/* How long it has been waited without a decision, and whether the same row came again. */
static void
note_waiting(VrStepState *step, const VrEvent *event, gboolean again)
{
    if (!again || step->waiting_since_us == 0) {
        step->waiting_since_us = MAX(event->at_us, event->not_before_us);
        step->polls = 0;
        step->row = -1;
    } else {
        step->polls++;
    }
    if (event->row != step->row) {
        step->row = event->row;
        step->row_since_us = event->at_us;
    }
    if (event->cpu_time_ns != VR_UNKNOWN)
        step->target_cpu_time_ns = event->cpu_time_ns;
}

static void
enter_migration_phase(VrStepState *step, VrPhase from, const VrEvent *event)
{
    gboolean again = from == event->phase || from == VR_PHASE_ABORTING;

    if (event->phase == VR_PHASE_PENDING) {
        step->tries = step->deferrals = 0;
    } else if (event->phase == VR_PHASE_SETTLED) {
        step->seen_on_target = TRUE;
    } else if (event->phase == VR_PHASE_STOPPED) {
        /* What is shut off was observed to be. */
        step->left_out = from != VR_PHASE_CHECKING && from != VR_PHASE_OBSERVING;
    } else if (event->phase == VR_PHASE_DEFERRED) {
        step->deferrals += event->counted;
    } else if (event->phase == VR_PHASE_MIGRATING) {
        step->tries++;
        step->actions = 0;
        step->call_attempt = event->attempt;
        step->call_us = event->at_us;
        step->target_cpu_time_ns = VR_UNKNOWN;
        step->waiting_since_us = 0;
        step->vouched = FALSE;
        step->ran_on = FALSE;
        step->failure = VR_FAILURE_NONE;
    } else if (event->phase == VR_PHASE_OBSERVING || event->phase == VR_PHASE_CHECKING) {
        note_waiting(step, event, again);
        step->ran_on |= event->ran_on;
    } else if (phase_is_action(event->phase)) {
        step->actions++;
        step->polls = 0;
        step->row = event->row;
        step->side = event->side;
        if (event->phase == VR_PHASE_ABORTING)
            step->failure = event->failure;
        if (event->cpu_time_ns != VR_UNKNOWN)
            step->target_cpu_time_ns = event->cpu_time_ns;
    } else if (event->phase == VR_PHASE_NEEDS_OPERATOR) {
        step->row = event->row;
    }
}

/* Since when its proofs become old before what rests on them can begin; 0: the last one did not. */
static void
note_expiry(VrStepState *step, const VrEvent *event)
{
    gboolean expired =
        event->phase == VR_PHASE_PROVING ||
        (step->phase == VR_PHASE_REBOOTING && event->phase == VR_PHASE_FACTS_BEFORE_REBOOT);

    if (!expired)
        step->expired_since_us = 0;
    else if (step->expired_since_us == 0)
        step->expired_since_us = event->at_us;
}

static void
enter_update_phase(VrStepState *step, VrPhase from, const VrEvent *event)
{
    if (event->phase == VR_PHASE_APPLYING)
        step->was_down = TRUE, step->rebooted = FALSE;
    if (event->phase == VR_PHASE_RETURNING)
        step->rebooted = TRUE;
    if (event->phase == VR_PHASE_UPDATED)
        step->was_down = FALSE;
    if (from == VR_PHASE_NEEDS_OPERATOR) /* whatever it asks next holds the others up again */
        step->set_aside = FALSE;
    if (from == VR_PHASE_APPLYING || from == VR_PHASE_REBOOTING)
        note_expiry(step, event);
    step->rounds = event->round;
    step->reattach = FALSE;
}

/*
 * Since when the host that the step waits for cannot be read. That a person has looked at the step
 * changes nothing about the host.
 */
static void
note_silence(VrStepState *step, const VrEvent *event, VrPhase from)
{
    gboolean is_taken_up = from == VR_PHASE_NEEDS_OPERATOR && event->silent == NULL &&
                           event->phase != VR_PHASE_STOPPED;

    if (is_taken_up || g_strcmp0(step->silent, event->silent) == 0)
        return;
    g_free(step->silent);
    step->silent = g_strdup(event->silent);
    step->silent_since_us = event->silent != NULL ? event->at_us : 0;
}

static gboolean
apply_step_phase(VrRollout *self, VrStepState *step, const VrEvent *event, GError **error)
{
    VrPhase from = step->phase;
    gboolean satisfied = vr_phase_is_satisfied(event->phase);

    if (!phase_may_follow(from, event->phase))
        return corrupt(error, event, vr_phase_to_string(from));
    if (!phase_is_of(event->phase, step->plan->kind))
        return corrupt(error, event, "a step of its kind has no such phase");
    if (phase_is_action(event->phase) && (event->row < 0 || event->side < 0))
        return corrupt(error, event, "it does not say what it acts on and why");
    if (event->attempt <= step->attempt)
        return corrupt(error, event, "its attempt is not a new one");
    if (event->phase == VR_PHASE_NEEDS_OPERATOR)
        step->resume_phase = from;
    if (from == VR_PHASE_NEEDS_OPERATOR)
        step->vouched = TRUE, step->ran_on = FALSE;
    if (vr_phase_is_satisfied(from) != satisfied)
        count_dependents(self, event->step - 1, satisfied);
    step->phase = event->phase;
    step->attempt = event->attempt;
    if (from != event->phase)
        step->since_us = event->at_us;
    if (from == VR_PHASE_PENDING && step->begun_us == 0)
        step->begun_us = event->at_us;
    step->ended_us = vr_phase_is_last(event->phase) ? event->at_us : 0;
    step->not_before_us = event->not_before_us;
    step->deadline_us = event->deadline_us;
    g_free(step->reason);
    step->reason = g_strdup(event->reason);
    step->trouble = event->failure;
    note_silence(step, event, from);
    if (step->plan->kind == VR_STEP_MIGRATE)
        enter_migration_phase(step, from, event);
    else if (step->plan->kind == VR_STEP_UPDATE)
        enter_update_phase(step, from, event);
    else
        step->rounds = event->round;
    return TRUE;
}

/*
 * No call of ours is out any more, but one of an earlier process may still begin until the fence.
 * Waiting begins anew: while nobody looked, nobody waited.
 */
static void
restart_step(VrStepState *step, const VrEvent *event, gint64 fence_until_us)
{
    step->call_attempt = 0;
    step->waiting_since_us = 0;
    if (!vr_phase_is_last(step->phase))
        step->since_us = event->at_us;
    if (step->recorded)
        step->fence_until_us = MAX(step->fence_until_us, fence_until_us);
    step->reattach = step->phase == VR_PHASE_PREPARING || step->phase == VR_PHASE_APPLYING ||
                     step->phase == VR_PHASE_REBOOTING;
}

static void
apply_controller_started(VrRollout *self, const VrEvent *event)
{
    gint64 fence_until_us = event->at_us + self->basis->policy->recovery.fence_ms * VR_MS_US;

    self->restarts++;
    /* Since the last event nobody is known to have watched. */
    for (guint i = 0; i < self->healths->len; i++) {
        VrHostHealth *health = vr_rollout_health(self, i);
        if (health->clock_stands_since_us == 0)
            health->clock_stands_since_us = self->now_us;
    }
    for (guint i = 0; i < self->steps->len; i++)
        restart_step(vr_rollout_step(self, i), event, fence_until_us);
}

static gboolean
apply_created(VrRollout *self, const VrEvent *event, GError **error)
{
    if (self->basis != NULL)
        return corrupt(error, event, "the rollout exists already");
    if (event->text == NULL || event->rollout == NULL)
        return corrupt(error, event, "it has no plan");

    VrPlan *plan = NULL;
    VrPolicy *policy = NULL;
    VrInventory *inventory = NULL;
    if (!vr_document_read(event->text, &plan, &policy, &inventory, error))
        return FALSE;
    vr_state_found(self, plan, policy, inventory);
    self->id = g_strdup(event->rollout);
    self->phase = VR_ROLLOUT_STOPPED;
    self->created_us = event->at_us;
    return TRUE;
}

/* The steps that the rollout has must be the first ones of the new plan. */
static gboolean
has_old_steps(const VrRollout *self, const VrPlan *plan)
{
    if (plan->steps->len < self->steps->len)
        return FALSE;
    for (guint i = 0; i < self->steps->len; i++) {
        const VrPlanStep *old = vr_rollout_step(self, i)->plan;
        const VrPlanStep *new = vr_plan_step(plan, i);
        if (old->kind != new->kind || g_strcmp0(old->host, new->host) != 0 ||
            g_strcmp0(old->vm_uuid, new->vm_uuid) != 0 ||
            g_strcmp0(old->source, new->source) != 0 || g_strcmp0(old->target, new->target) != 0)
            return FALSE;
    }
    return TRUE;
}

/* May an old step of that phase be superseded, set aside, or be neither? */
static gboolean
fate_may_follow(const VrStepState *step, gboolean superseded, gboolean set_aside)
{
    gboolean is_kept = vr_phase_is_satisfied(step->phase) || step->phase == VR_PHASE_SUPERSEDED ||
                       step->phase == VR_PHASE_WATCHING ||
                       (step->phase == VR_PHASE_CLOSED && step->was_down);

    if (set_aside)
        return !superseded && step->plan->kind == VR_STEP_UPDATE &&
               step->phase == VR_PHASE_NEEDS_OPERATOR;
    return superseded ? vr_phase_is_replaceable(step->phase) && step->call_attempt == 0 : is_kept;
}

static gboolean
has_id(const GArray *ids, guint id)
{
    return g_array_binary_search((GArray *)(guintptr)ids, &id, vr_compare_ids, NULL);
}

/* NULL if the steps can become what a revision says. */
static const char *
find_contradiction(const VrRollout *self, const VrRevisedDocument *revised)
{
    if (!vr_rollout_is_over(self->phase) || self->phase == VR_ROLLOUT_DONE ||
        self->phase == VR_ROLLOUT_CLOSED)
        return "the rollout does not stand still";
    if (!has_old_steps(self, revised->plan))
        return "its plan lacks steps that the rollout has";
    for (guint i = 0; i < self->steps->len; i++) {
        if (!fate_may_follow(vr_rollout_step(self, i), has_id(revised->superseded, i + 1),
                             has_id(revised->set_aside, i + 1)))
            return "a step cannot become what it says";
    }
    for (guint i = self->steps->len; i < revised->plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(revised->plan, i);
        for (guint k = 0; k < step->after->len; k++) {
            if (has_id(revised->superseded, g_array_index(step->after, guint, k)))
                return "a new step waits for one that it supersedes";
        }
    }
    return NULL;
}

static void
supersede(VrStepState *step, const VrEvent *event)
{
    if (step->phase != VR_PHASE_NEEDS_OPERATOR)
        step->resume_phase = step->phase;
    step->phase = VR_PHASE_SUPERSEDED;
    step->attempt++;
    step->since_us = step->ended_us = event->at_us;
    step->not_before_us = step->deadline_us = 0;
    step->trouble = VR_FAILURE_NONE;
    step->silent_since_us = 0;
    g_clear_pointer(&step->silent, g_free);
    g_free(step->reason);
    step->reason = g_strdup(event->reason);
}

/* From here on it goes by the new plan, once it is told to go on. */
static gboolean
apply_revised(VrRollout *self, const VrEvent *event, GError **error)
{
    g_auto(VrRevisedDocument) revised = {0};
    if (event->text == NULL)
        return corrupt(error, event, "it has no plan");
    if (!vr_document_read_revised(event->text, &revised, error)) {
        g_prefix_error(error, "event %s cannot follow: ", vr_event_kind_to_string(event->kind));
        return FALSE;
    }
    const char *contradiction = find_contradiction(self, &revised);
    if (contradiction != NULL)
        return corrupt(error, event, contradiction);

    guint satisfied = vr_rollout_count_satisfied(self);
    gboolean in_vain = revised.automatic && satisfied <= self->satisfied_count;
    for (guint i = 0; i < self->steps->len; i++) {
        VrStepState *step = vr_rollout_step(self, i);
        if (has_id(revised.superseded, i + 1))
            supersede(step, event);
        step->set_aside = step->set_aside || has_id(revised.set_aside, i + 1);
    }
    vr_state_revise(self, g_steal_pointer(&revised.plan), g_steal_pointer(&revised.inventory),
                    revised.automatic);
    for (guint i = 0; i < self->alerts->len; i++)
        vr_rollout_alert(self, i)->answered = TRUE;
    self->revisions++;
    self->revisions_in_vain = in_vain ? self->revisions_in_vain + 1 : 0;
    self->satisfied_count = satisfied;
    self->phase = VR_ROLLOUT_STOPPED;
    self->ended_us = event->at_us;
    g_free(self->reason);
    self->reason = g_strdup(event->reason);
    return TRUE;
}

static void
apply_rollout_phase(VrRollout *self, const VrEvent *event)
{
    self->phase = event->rollout_phase;
    g_free(self->reason);
    self->reason = g_strdup(event->reason);
    if (self->phase == VR_ROLLOUT_RUNNING && self->started_us == 0)
        self->started_us = event->at_us;
    self->ended_us = vr_rollout_is_over(self->phase) ? event->at_us : 0;
}

static void
apply_call_returned(VrStepState *step, const VrEvent *event)
{
    if (step->call_attempt == event->attempt) {
        step->call_attempt = 0;
        g_free(step->last_error);
        step->last_error = g_strdup(event->reason);
        step->failure = event->failure;
        step->fence_until_us = MAX(step->fence_until_us, event->at_us);
    }
    step->fence_until_us = MAX(step->fence_until_us, event->deadline_us);
}

static void
apply_definition(VrStepState *step, const VrEvent *event)
{
    if (event->definition == NULL)
        return;
    g_clear_pointer(&step->definition, g_ref_string_release);
    step->definition = g_ref_string_acquire(event->definition);
}

static void
apply_vm_recorded(VrStepState *step, const VrEvent *event)
{
    step->recorded = TRUE;
    step->autostart = event->autostart;
    step->paused = event->paused;
    step->libvirt_id = event->libvirt_id;
    step->source_cpu_time_ns = event->cpu_time_ns;
    apply_definition(step, event);
}

static void
apply_host_facts(VrStepState *step, const VrEvent *event)
{
    char **facts = event->phase == VR_PHASE_FACTS_AFTER           ? &step->facts_after
                   : event->phase == VR_PHASE_FACTS_BEFORE_REBOOT ? &step->facts_before_reboot
                                                                  : &step->facts_before;

    g_free(*facts);
    *facts = g_strdup(event->text);
}

static gboolean
apply_to_step(VrRollout *self, const VrEvent *event, GError **error)
{
    if (event->step < 1 || event->step > self->steps->len)
        return corrupt(error, event, "the plan has no such step");

    VrStepState *step = vr_rollout_step(self, event->step - 1);
    switch (event->kind) {
    case VR_EVENT_STEP_PHASE:
        return apply_step_phase(self, step, event, error);
    case VR_EVENT_CALL_RETURNED:
        apply_call_returned(step, event);
        return TRUE;
    case VR_EVENT_VM_DEFINED:
        apply_definition(step, event);
        return TRUE;
    case VR_EVENT_VM_RECORDED:
        apply_vm_recorded(step, event);
        return TRUE;
    case VR_EVENT_VM_SEEN_ON_TARGET:
        step->seen_on_target = TRUE;
        return TRUE;
    case VR_EVENT_VM_MEASURED:
        step->stats = event->stats;
        return TRUE;
    case VR_EVENT_HOST_FACTS:
        apply_host_facts(step, event);
        return TRUE;
    case VR_EVENT_HOST_DISTURBED:
        step->rounds = 0;
        return TRUE;
    case VR_EVENT_BASELINE:
        step->baseline = event->baseline;
        step->has_baseline = TRUE;
        return TRUE;
    case VR_EVENT_CREATED:
    case VR_EVENT_REVISED:
    case VR_EVENT_HOST_JUDGED:
    case VR_EVENT_HOST_ALERTED:
    case VR_EVENT_HOST_RELEASED:
    case VR_EVENT_STEPS_ADDED:
    case VR_EVENT_ROLLOUT_PHASE:
    case VR_EVENT_CONTROLLER_STARTED:
        break;
    }
    g_assert_not_reached();
}

gboolean
vr_rollout_apply(VrRollout *self, const VrEvent *event, GError **error)
{
    gboolean applied = TRUE;

    if (event->kind != VR_EVENT_CREATED && self->basis == NULL)
        return corrupt(error, event, "no rollout has been created");
    if (event->kind == VR_EVENT_CREATED)
        applied = apply_created(self, event, error);
    else if (event->kind == VR_EVENT_REVISED)
        applied = apply_revised(self, event, error);
    else if (event->kind == VR_EVENT_ROLLOUT_PHASE)
        apply_rollout_phase(self, event);
    else if (event->kind == VR_EVENT_CONTROLLER_STARTED)
        apply_controller_started(self, event);
    else if (event->kind == VR_EVENT_HOST_JUDGED && event->host != NULL)
        vr_health_apply(self, event);
    else if (event->kind == VR_EVENT_HOST_JUDGED || event->kind == VR_EVENT_HOST_ALERTED ||
             event->kind == VR_EVENT_HOST_RELEASED || event->kind == VR_EVENT_STEPS_ADDED)
        applied = vr_alert_apply(self, event, error);
    else
        applied = apply_to_step(self, event, error);
    if (applied) {
        self->now_us = MAX(self->now_us, event->at_us);
        self->event_count++;
    }
    return applied;
}
