/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decisions on one migration: check, fit, migrate, observe, act, settle. */
#include "rollout/decide.h"

/* Actions of one VM before a person is asked: each of them normally needs one. */
#define ACTIONS_MAX 8

/* A migration that takes longer is aborted: a base, more for each GiB, and a most. */
#define MIGRATION_BASE_S 300
#define MIGRATION_S_PER_GIB 150
#define MIGRATION_MAX_S 7200

/* Looks at a migration that was aborted and still goes on, before it is aborted once more. */
#define POLLS_PER_ABORT 5

/* An arrived guest is looked at so many times as often as one whose outcome is open. */
#define SETTLE_POLLS 8

static const VrRecoveryPolicy *
recovery(const VrDeciding *self)
{
    return &self->rollout->basis->policy->recovery;
}

static gint64
poll_delay_us(const VrDeciding *self, guint polls)
{
    gint64 delay_ms = recovery(self)->poll_ms;

    for (guint i = 0; i < polls && delay_ms < recovery(self)->poll_max_ms; i++)
        delay_ms *= 2;
    return MIN(delay_ms, recovery(self)->poll_max_ms) * VR_MS_US;
}

gint64
vr_migration_memory_mib(const VrDeciding *self, const VrStepState *step)
{
    const VrInventory *inventory = self->rollout->basis->inventory;
    gint vm = vr_inventory_find_vm(inventory, step->plan->vm_uuid);

    return vm >= 0 ? vr_inventory_vm(inventory, (guint)vm)->memory_mib : 0;
}

gint64
vr_migration_limit_us(const VrDeciding *self, const VrStepState *step)
{
    gint64 gib = (vr_migration_memory_mib(self, step) + 1023) / 1024;

    return CLAMP(gib * MIGRATION_S_PER_GIB, MIGRATION_BASE_S, MIGRATION_MAX_S) * VR_S_US;
}

/* Why an observation led nowhere, with libvirt's own words. */
static char *
describe(const VrStepState *step, const VrRecoveryRow *row, const VrObservation *observation)
{
    const VrPlanStep *plan = step->plan;

    if (row->row == VR_ROW_X || observation->elsewhere_host != NULL)
        return g_strdup_printf(
            "%s %s: %s: %s (source %s: %s, target %s: %s) [row %s]", plan->vm, row->meaning,
            observation->elsewhere_host, observation->elsewhere_detail, plan->source,
            vr_side_to_string(observation->source.side), plan->target,
            vr_side_to_string(observation->target.side), vr_row_to_string(row->row));
    return g_strdup_printf("%s %s (source %s: %s%s%s, target %s: %s%s%s) [row %s]", plan->vm,
                           row->meaning, plan->source, vr_side_to_string(observation->source.side),
                           observation->source.detail != NULL ? ", " : "",
                           observation->source.detail != NULL ? observation->source.detail : "",
                           plan->target, vr_side_to_string(observation->target.side),
                           observation->target.detail != NULL ? ", " : "",
                           observation->target.detail != NULL ? observation->target.detail : "",
                           vr_row_to_string(row->row));
}

/* What the readings, or the row itself, say is wrong. */
static VrFailure
find_trouble(const VrRecoveryRow *row, const VrObservation *observation)
{
    if (row->row == VR_ROW_D)
        return VR_FAILURE_TWO_COPIES;
    if (observation->source.failure != VR_FAILURE_NONE)
        return observation->source.failure;
    if (observation->target.failure != VR_FAILURE_NONE)
        return observation->target.failure;
    return observation->elsewhere_failure;
}

/* The reason with what is to be done about it. `reason` is taken. (transfer full) */
static char *
explain(char *reason, VrFailure trouble)
{
    g_autofree char *plain = reason;
    const VrFailureInfo *info = vr_failure_info(trouble);

    if (trouble == VR_FAILURE_NONE)
        return g_steal_pointer(&plain);
    return g_strdup_printf("%s: %s; %s", plain, info->happened, info->next);
}

/* The host whose silence row U is about; NULL of other rows. (transfer full) */
static char *
find_silent(const VrStepState *step, const VrRecoveryRow *row, const VrObservation *observation)
{
    if (row->row != VR_ROW_U)
        return NULL;
    if (observation->source.side == VR_SIDE_UNKNOWN)
        return g_strdup(step->plan->source);
    if (observation->target.side == VR_SIDE_UNKNOWN)
        return g_strdup(step->plan->target);
    return g_strdup(observation->elsewhere_host);
}

/* No call that was issued could begin any more when it was asked. */
static gboolean
is_behind_fence(const VrDeciding *self, const VrStepState *step)
{
    return step->call_attempt == 0 && self->input->issued_us >= step->fence_until_us;
}

/*
 * Has it been seen running on its source after its migration was over there? Then no doing of ours
 * makes it run on the target: what does so nevertheless is a second copy.
 */
static gboolean
has_run_on(const VrDeciding *self, const VrStepState *step)
{
    return step->ran_on || (self->input->observation->source_ran && is_behind_fence(self, step));
}

/*
 * Observes again a little later, or asks a person when that has gone on for too long. `reason` is
 * taken. A torn round is no round: it does not count as the first of two.
 */
static VrEvent *
wait_or_ask(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row, char *reason)
{
    gint64 limit_ms =
        row->row == VR_ROW_U ? recovery(self)->hold_unknown_ms : recovery(self)->hold_ms;
    gint64 since_us = step->waiting_since_us != 0 ? step->waiting_since_us : self->at_us;
    VrEvent *event = NULL;

    /* What libvirt still works on has the time that a migration has, counted from its call. */
    if (row->row == VR_ROW_J && step->call_us != 0)
        since_us = MAX(since_us, step->call_us + vr_migration_limit_us(self, step));
    if (row->needs_fence)
        since_us = MAX(since_us, step->fence_until_us);
    VrFailure trouble = find_trouble(row, self->input->observation);
    if (vr_failure_is_fatal(trouble) || self->at_us - since_us >= limit_ms * VR_MS_US) {
        event = vr_deciding_need_operator(self, step, trouble, explain(reason, trouble));
    } else {
        event = vr_deciding_enter(self, step, step->phase, reason);
        event->failure = trouble;
        event->not_before_us = self->at_us + poll_delay_us(self, step->polls);
    }
    event->row = self->input->observation->torn ? -1 : (gint)row->row;
    event->ran_on = event->phase == VR_PHASE_OBSERVING && has_run_on(self, step);
    event->silent = find_silent(step, row, self->input->observation);
    return event;
}

static void
wait_for_row(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    (void)wait_or_ask(self, step, row, describe(step, row, self->input->observation));
}

/* For another reason than what the row means. */
static VrEvent *
ask_because(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row, const char *cause)
{
    g_autofree char *seen = describe(step, row, self->input->observation);
    VrEvent *event = vr_deciding_need_operator(self, step, VR_FAILURE_NONE,
                                               g_strdup_printf("%s: %s", cause, seen));

    event->row = (gint)row->row;
    return event;
}

/* It was seen on the target, so "absent there" does not mean that it never ran there. */
static void
ask_what_became_of_it(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    g_autofree char *cause = g_strdup_printf(
        "%s was on %s before and is gone there, so it may have run there: do not resume what is on "
        "%s before you know which is newer",
        step->plan->vm, step->plan->target, step->plan->source);

    (void)ask_because(self, step, row, cause);
}

static void
ask_which_one_is_to_stay(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    g_autofree char *cause = g_strdup_printf(
        "%s ran on on %s after its migration had ended there, so what %s has is a second copy: the "
        "disk is newer than the memory of the one that began to run last; leave one of them",
        step->plan->vm, step->plan->source, step->plan->target);

    (void)ask_because(self, step, row, cause);
}

static VrEvent *
ask(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    const VrObservation *observation = self->input->observation;
    VrFailure trouble = find_trouble(row, observation);
    char *reason = explain(describe(step, row, observation), trouble);
    if (trouble == VR_FAILURE_NONE && row->remedy != NULL) {
        g_autofree char *plain = reason;
        reason = g_strdup_printf("%s: %s", plain, row->remedy);
    }
    VrEvent *event = vr_deciding_need_operator(self, step, trouble, reason);
    event->row = (gint)row->row;
    return event;
}

/* ------------------------------------------------------------------ before the migration */

static void
record(VrDeciding *self, const VrStepState *step)
{
    const VrReading *source = &self->input->observation->source;
    VrEvent *event = vr_deciding_add(self, VR_EVENT_VM_RECORDED, step);

    event->autostart = source->autostart;
    event->paused = source->side == VR_SIDE_USER;
    event->libvirt_id = source->libvirt_id;
    event->cpu_time_ns = source->cpu_time_ns;
    /* Mostly it is what the journal has from the scan, and need not stand there twice. */
    if (g_strcmp0(source->definition, step->definition) != 0)
        event->definition = g_ref_string_new(source->definition);
}

static void
checked(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    const VrObservation *observation = self->input->observation;

    if (!vr_rollout_may_begin_step(self->rollout, step)) {
        vr_deciding_enter(self, step, VR_PHASE_PENDING, NULL);
    } else if (observation->source.definition == NULL) {
        vr_deciding_enter(self, step, VR_PHASE_NEEDS_OPERATOR,
                          g_strdup_printf("%s on %s gives no definition to keep: %s",
                                          step->plan->vm, step->plan->source,
                                          observation->source.detail));
    } else {
        record(self, step);
        vr_deciding_enter(self, step, VR_PHASE_FITTING, NULL)->row = (gint)row->row;
    }
}

/* Row W for a moment: its owner is shutting it down, and then it is off. */
static gboolean
is_shutting_down(const VrObservation *observation)
{
    return observation->source.shutting_down || observation->target.shutting_down;
}

static void
check(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    const VrPlanStep *plan = step->plan;

    switch (row->decision) {
    case VR_DECISION_ROLLED_BACK: /* on its source, and nowhere else: as it should be */
        checked(self, step, row);
        return;
    case VR_DECISION_SETTLED:
        vr_deciding_enter(self, step, VR_PHASE_SETTLED,
                          g_strdup_printf("%s was on %s already", plan->vm, plan->target));
        return;
    case VR_DECISION_STOPPED:
        vr_deciding_enter(self, step, VR_PHASE_STOPPED,
                          g_strdup_printf("%s is shut off and stays on %s", plan->vm,
                                          self->input->observation->source.side == VR_SIDE_ABSENT
                                              ? plan->target
                                              : plan->source));
        return;
    case VR_DECISION_HOLD:
    case VR_DECISION_WAIT:
        wait_for_row(self, step, row);
        return;
    case VR_DECISION_OPERATOR:
        if (is_shutting_down(self->input->observation))
            wait_for_row(self, step, row);
        else
            ask(self, step, row);
        return;
    case VR_DECISION_RESUME_SOURCE:
    case VR_DECISION_DESTROY_SOURCE:
    case VR_DECISION_UNDEFINE_SOURCE:
    case VR_DECISION_UNDEFINE_TARGET:
    case VR_DECISION_DEFINE_TARGET: /* not our migration: whose leftover it is, a person knows */
        ask(self, step, row);
        return;
    }
    g_assert_not_reached();
}

/* ------------------------------------------------------------------ during and after it */

static void
abort_migration(VrDeciding *self, const VrStepState *step, VrFailure why)
{
    VrEvent *event =
        vr_deciding_enter(self, step, VR_PHASE_ABORTING,
                          g_strdup_printf("%s goes on on %s: %s", step->plan->vm,
                                          step->plan->source, vr_failure_info(why)->happened));

    event->row = VR_ROW_J;
    event->side = VR_SIDE_RUNNING_JOB;
    event->failure = why;
}

void
vr_migration_overdue(VrDeciding *self, const VrStepState *step)
{
    abort_migration(self, step, VR_FAILURE_NOT_CONVERGING);
}

void
vr_migration_stalled(VrDeciding *self, const VrStepState *step)
{
    if (step->phase == VR_PHASE_MIGRATING && step->call_attempt == self->input->attempt)
        abort_migration(self, step, VR_FAILURE_STREAM_STALLED);
}

void
vr_migration_recalled(VrDeciding *self, const VrStepState *step)
{
    abort_migration(self, step, VR_FAILURE_TARGET_IN_ALERT);
}

/* That it was aborted is what we asked for: why we did is what its failure was. */
static void
note_return(VrDeciding *self, const VrStepState *step, VrFailure failure)
{
    const GError *error = self->input->error;
    VrEvent *event = vr_deciding_add(self, VR_EVENT_CALL_RETURNED, step);
    gboolean ours = failure == VR_FAILURE_ABORTED && step->failure != VR_FAILURE_NONE;

    event->attempt = self->input->attempt;
    event->failure = ours ? step->failure : failure;
    if (ours) {
        const VrFailureInfo *info = vr_failure_info(step->failure);
        event->reason = g_strdup_printf("%s; %s", info->happened, info->next);
    } else if (error != NULL) {
        event->reason = g_strdup(error->message);
    }
    /* The daemon may still have the call in hand: nothing is concluded until it cannot. */
    if (failure == VR_FAILURE_CUT_OFF)
        event->deadline_us = self->at_us + recovery(self)->fence_ms * VR_MS_US;
}

void
vr_migration_call_returned(VrDeciding *self, const VrStepState *step)
{
    const GError *error = self->input->error;
    VrFailure failure = vr_failure_of(error);
    gboolean is_migrate = step->call_attempt != 0 && self->input->attempt == step->call_attempt;

    if (is_migrate || failure == VR_FAILURE_CUT_OFF)
        note_return(self, step, failure);
    if (is_migrate ? step->phase != VR_PHASE_MIGRATING : self->input->attempt != step->attempt)
        return;

    VrEvent *event = vr_deciding_enter(self, step, VR_PHASE_OBSERVING,
                                       error != NULL ? g_strdup(error->message) : NULL);
    /* What was refused is not asked for again at once. */
    if (error != NULL && !is_migrate)
        event->not_before_us = self->at_us + poll_delay_us(self, step->actions);
}

static VrEvent *
act(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row, VrPhase phase,
    VrSide acted)
{
    if (step->actions >= ACTIONS_MAX)
        return ask_because(self, step, row, "this was tried too often without effect");
    if (vr_deciding_is_old(self))
        return wait_or_ask(self, step, row,
                           g_strdup_printf("%s: reading it on all hosts takes more than 10 s, too "
                                           "long to act on; is one of them slow?",
                                           step->plan->vm));

    VrEvent *event =
        vr_deciding_enter(self, step, phase, describe(step, row, self->input->observation));
    event->row = (gint)row->row;
    event->side = (gint)acted;
    event->deadline_us = vr_deciding_proof_until_us(self);
    return event;
}

/* libvirt does not take it along. What its owner has set on the target since stays. */
static gboolean
lost_autostart(const VrStepState *step, const VrReading *target)
{
    return step->recorded && step->autostart && !target->autostart;
}

/* It does not use CPU yet: look again soon, for the guest is up and only the proof is missing. */
static void
await_cpu_time(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    char *reason = g_strdup_printf("%s is on %s, but its CPU time does not advance: is the guest "
                                   "alive?",
                                   step->plan->vm, step->plan->target);
    VrEvent *event = wait_or_ask(self, step, row, reason);

    if (event->not_before_us != 0)
        event->not_before_us = self->at_us + poll_delay_us(self, step->polls) / SETTLE_POLLS;
    /* Less than before: it was started anew, and counts from zero. */
    if (step->target_cpu_time_ns == VR_UNKNOWN ||
        self->input->observation->target.cpu_time_ns < step->target_cpu_time_ns)
        event->cpu_time_ns = self->input->observation->target.cpu_time_ns;
}

/* It has arrived: what is left are its autostart flag and the proof that it is alive. */
static void
settle(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    const VrReading *target = &self->input->observation->target;
    gboolean paused = target->side == VR_SIDE_USER;
    gboolean advances =
        step->target_cpu_time_ns != VR_UNKNOWN && target->cpu_time_ns > step->target_cpu_time_ns;

    if (lost_autostart(step, target)) {
        VrEvent *event = act(self, step, row, VR_PHASE_SETTING_AUTOSTART, target->side);
        if (event->phase == VR_PHASE_SETTING_AUTOSTART)
            event->cpu_time_ns = target->cpu_time_ns;
    } else if (!paused && !advances) {
        await_cpu_time(self, step, row);
    } else {
        vr_deciding_add(self, VR_EVENT_VM_MEASURED, step)->stats = target->stats;
        vr_deciding_enter(self, step, VR_PHASE_SETTLED, NULL)->row = (gint)row->row;
    }
}

/* Has the target ever held a copy that may have run? A failed arrival has not. */
static gboolean
proves_target(VrSide side)
{
    return side == VR_SIDE_RUNNING || side == VR_SIDE_RUNNING_JOB || side == VR_SIDE_USER ||
           side == VR_SIDE_USER_JOB || side == VR_SIDE_OFF || side == VR_SIDE_OFF_BY_GUEST;
}

/* Its source has run on, and its target has it too: which one is to stay, a person knows. */
static gboolean
is_second_copy(const VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    return row->decision != VR_DECISION_HOLD && row->decision != VR_DECISION_WAIT &&
           row->decision != VR_DECISION_OPERATOR && has_run_on(self, step) &&
           proves_target(self->input->observation->target.side);
}

/* The fence and the second round that a row needs. */
static gboolean
is_ripe(const VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    if (row->needs_fence && !is_behind_fence(self, step))
        return FALSE;
    if (row->needs_twice &&
        (step->row != (gint)row->row ||
         self->at_us - step->row_since_us < recovery(self)->agree_ms * VR_MS_US))
        return FALSE;
    return TRUE;
}

/* One that nobody waits for has had its time, or one that we wanted to abort goes on. */
static gboolean
is_abort_due(const VrDeciding *self, const VrStepState *step)
{
    if (step->call_attempt != 0)
        return step->failure != VR_FAILURE_NONE && step->polls >= POLLS_PER_ABORT;
    return self->at_us >= step->call_us + vr_migration_limit_us(self, step);
}

static void
decide_by_row(VrDeciding *self, const VrStepState *step, const VrRecoveryRow *row)
{
    const VrObservation *observation = self->input->observation;

    switch (row->decision) {
    case VR_DECISION_HOLD:
        wait_for_row(self, step, row);
        return;
    case VR_DECISION_WAIT:
        if (observation->source.side == VR_SIDE_RUNNING_JOB && step->actions < ACTIONS_MAX &&
            is_abort_due(self, step))
            abort_migration(self, step,
                            step->failure != VR_FAILURE_NONE ? step->failure
                                                             : VR_FAILURE_NOT_CONVERGING);
        else
            wait_for_row(self, step, row);
        return;
    case VR_DECISION_OPERATOR:
        if (is_shutting_down(observation))
            wait_for_row(self, step, row);
        else
            ask(self, step, row);
        return;
    case VR_DECISION_ROLLED_BACK:
        if (step->seen_on_target && !step->vouched)
            ask_what_became_of_it(self, step, row);
        else
            vr_migration_rolled_back(self, step, row->row);
        return;
    case VR_DECISION_SETTLED:
        settle(self, step, row);
        return;
    case VR_DECISION_STOPPED:
        if (row->row == VR_ROW_R && lost_autostart(step, &observation->target))
            act(self, step, row, VR_PHASE_SETTING_AUTOSTART, observation->target.side);
        else
            vr_deciding_enter(self, step, VR_PHASE_STOPPED, describe(step, row, observation))->row =
                (gint)row->row;
        return;
    case VR_DECISION_RESUME_SOURCE:
        if (step->seen_on_target)
            ask_what_became_of_it(self, step, row);
        else
            act(self, step, row, VR_PHASE_RESUMING_SOURCE, observation->source.side);
        return;
    case VR_DECISION_DESTROY_SOURCE:
        act(self, step, row, VR_PHASE_DESTROYING_SOURCE, observation->source.side);
        return;
    case VR_DECISION_UNDEFINE_SOURCE:
        act(self, step, row, VR_PHASE_UNDEFINING_SOURCE, observation->source.side);
        return;
    case VR_DECISION_UNDEFINE_TARGET:
        act(self, step, row, VR_PHASE_UNDEFINING_TARGET, observation->target.side);
        return;
    case VR_DECISION_DEFINE_TARGET:
        act(self, step, row, VR_PHASE_DEFINING_TARGET, observation->target.side);
        return;
    }
    g_assert_not_reached();
}

void
vr_migration_observed(VrDeciding *self, const VrStepState *step)
{
    const VrObservation *observation = self->input->observation;
    VrEvidence evidence = vr_evidence(step, observation);
    const VrRecoveryRow *row = vr_recovery_match(&evidence);

    if (step->phase == VR_PHASE_CHECKING && !observation->torn && !vr_deciding_is_old(self)) {
        check(self, step, row);
        return;
    }
    if (step->tries > 0 && !step->seen_on_target && proves_target(observation->target.side))
        vr_deciding_add(self, VR_EVENT_VM_SEEN_ON_TARGET, step);
    if (observation->torn || step->phase == VR_PHASE_CHECKING || !is_ripe(self, step, row))
        wait_for_row(self, step, row);
    else if (is_second_copy(self, step, row))
        ask_which_one_is_to_stay(self, step, row);
    else
        decide_by_row(self, step, row);
}
