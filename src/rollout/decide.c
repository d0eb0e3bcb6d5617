/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* (state, input) -> events: who decides what. */
#include <virt-roll/revision.h>

#include "rollout/decide.h"
#include "rollout/document.h"

VrEvent *
vr_deciding_add(VrDeciding *self, VrEventKind kind, const VrStepState *step)
{
    VrEvent *event = vr_event_new(kind, self->at_us);

    event->step = step->plan->id;
    g_ptr_array_add(self->events, event);
    return event;
}

VrEvent *
vr_deciding_enter(VrDeciding *self, const VrStepState *step, VrPhase phase, char *reason)
{
    VrEvent *event = vr_deciding_add(self, VR_EVENT_STEP_PHASE, step);

    event->phase = phase;
    event->attempt = step->attempt + 1;
    event->reason = reason;
    return event;
}

gint64
vr_deciding_proof_until_us(const VrDeciding *self)
{
    return self->input->issued_us + VR_PROOF_AGE_MAX_US;
}

gboolean
vr_deciding_is_old(const VrDeciding *self)
{
    return self->at_us > vr_deciding_proof_until_us(self);
}

void
vr_deciding_enter_rollout(VrDeciding *self, VrRolloutPhase phase, const char *reason)
{
    VrEvent *event = vr_event_new(VR_EVENT_ROLLOUT_PHASE, self->at_us);

    event->rollout_phase = phase;
    event->reason = g_strdup(reason);
    g_ptr_array_add(self->events, event);
}

VrEvent *
vr_deciding_need_operator(VrDeciding *self, const VrStepState *step, VrFailure failure,
                          char *reason)
{
    VrEvent *event = vr_deciding_enter(self, step, VR_PHASE_NEEDS_OPERATOR, reason);

    event->failure = failure;
    if (vr_failure_is_fatal(failure) && self->rollout->phase == VR_ROLLOUT_RUNNING)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_STOPPING, reason);
    return event;
}

/*
 * The definition of every VM that is to migrate from that step on, as the scan read it: with it
 * a VM can be brought back whose host is lost before its turn has come.
 */
static void
define_vms(VrDeciding *self, const VrPlan *plan, guint from)
{
    const VrInventory *inventory = self->input->inventory;
    g_autoptr(GHashTable) defined = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = from; i < plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(plan, i);
        gint vm = step->kind == VR_STEP_MIGRATE && g_hash_table_add(defined, step->vm_uuid)
                      ? vr_inventory_find_vm(inventory, step->vm_uuid)
                      : -1;
        char *definition = vm >= 0 ? vr_inventory_vm(inventory, (guint)vm)->definition : NULL;
        if (definition == NULL)
            continue;
        VrEvent *event = vr_event_new(VR_EVENT_VM_DEFINED, self->at_us);
        event->step = step->id;
        event->definition = g_ref_string_acquire(definition);
        g_ptr_array_add(self->events, event);
    }
}

static void
create(VrDeciding *self)
{
    const VrInput *input = self->input;

    if (self->rollout->basis != NULL)
        return;

    VrEvent *event = vr_event_new(VR_EVENT_CREATED, self->at_us);
    event->rollout = g_strdup(input->text);
    event->text = vr_document_write(input->plan, input->policy, input->inventory);
    g_ptr_array_add(self->events, event);
    define_vms(self, input->plan, 0);
}

/* A plan that does not fit any more, or that nobody may choose, changes nothing. */
static void
revise(VrDeciding *self)
{
    const VrInput *input = self->input;
    g_autoptr(VrRevision) revision =
        vr_revision_compose(self->rollout, input->plan, input->inventory, self->at_us, NULL);
    if (revision == NULL)
        return;
    g_autofree char *doubt =
        input->automatic ? vr_revision_find_doubt(self->rollout, revision) : NULL;
    if (doubt != NULL)
        return;

    VrRevisedDocument revised = {revision->plan, revision->inventory, revision->superseded,
                                 revision->set_aside, input->automatic};
    VrEvent *event = vr_event_new(VR_EVENT_REVISED, self->at_us);
    event->reason = g_strdup(input->text);
    event->text = vr_document_write_revised(&revised);
    g_ptr_array_add(self->events, event);
    define_vms(self, revision->plan, revision->old_step_count);
}

/* Asked anew after a restart: what an earlier process had asked for may be from long ago. */
static gboolean
proves_something(VrPhase phase)
{
    return phase == VR_PHASE_PROVING || phase == VR_PHASE_FACTS_BEFORE ||
           phase == VR_PHASE_FACTS_BEFORE_REBOOT || phase == VR_PHASE_FACTS_AFTER;
}

/* What an earlier process had called may still be on its way: learn the outcome, call nothing. */
static void
restart_step(VrDeciding *self, const VrStepState *step)
{
    if (step->phase >= VR_PHASE_MIGRATING && step->phase <= VR_PHASE_SETTING_AUTOSTART)
        vr_deciding_enter(self, step, VR_PHASE_OBSERVING, NULL);
    else if (step->phase == VR_PHASE_FITTING)
        vr_deciding_enter(self, step, VR_PHASE_CHECKING, NULL);
    else if (step->phase == VR_PHASE_CHECKING_BOOT)
        vr_deciding_enter(self, step, VR_PHASE_LOOKING, NULL);
    else if (step->phase == VR_PHASE_PROVING_AGAIN)
        vr_deciding_enter(self, step, VR_PHASE_FACTS_BEFORE_REBOOT, NULL);
    else if (proves_something(step->phase))
        vr_deciding_enter(self, step, step->phase, NULL)->deadline_us = step->deadline_us;
}

static void
restarted(VrDeciding *self)
{
    g_ptr_array_add(self->events, vr_event_new(VR_EVENT_CONTROLLER_STARTED, self->at_us));
    for (guint i = 0; i < self->rollout->steps->len; i++)
        restart_step(self, vr_rollout_step(self->rollout, i));
}

static gboolean
changes_the_host(VrPhase phase)
{
    return phase == VR_PHASE_PREPARING || phase == VR_PHASE_APPLYING || phase == VR_PHASE_REBOOTING;
}

/* A step that stood still takes up its work again, as far as that is harmless without a person. */
static void
take_up(VrDeciding *self, const VrStepState *step)
{
    if (step->phase == VR_PHASE_FAILED) {
        vr_deciding_enter(self, step, VR_PHASE_PENDING, NULL);
        return;
    }
    /* The host of one that is set aside is tried again only when asked by name. */
    if (step->phase != VR_PHASE_NEEDS_OPERATOR || step->set_aside)
        return;
    if (step->plan->kind == VR_STEP_MIGRATE)
        vr_deciding_enter(self, step, step->tries == 0 ? VR_PHASE_PENDING : VR_PHASE_OBSERVING,
                          NULL);
    else if (step->plan->kind == VR_STEP_GATE)
        vr_deciding_enter(self, step, VR_PHASE_LOOKING, NULL);
    else if (!changes_the_host(step->resume_phase))
        vr_host_retried(self, step);
}

static void
start(VrDeciding *self)
{
    if (!vr_rollout_is_unfinished(self->rollout))
        return;
    if (self->rollout->phase != VR_ROLLOUT_RUNNING)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_RUNNING, self->input->text);
    /* What is asked while others still work, nobody may have heard yet. */
    if (!vr_rollout_is_over(self->rollout->phase))
        return;
    vr_health_taken_up(self);
    for (guint i = 0; i < self->rollout->steps->len; i++)
        take_up(self, vr_rollout_step(self->rollout, i));
}

static void
retry(VrDeciding *self)
{
    gint index = vr_rollout_find_update(self->rollout, self->input->host);
    const VrStepState *step = index >= 0 ? vr_rollout_step(self->rollout, (guint)index) : NULL;

    if (step != NULL && step->phase == VR_PHASE_NEEDS_OPERATOR)
        vr_host_retried(self, step);
}

/* Those of its migrations that a person was asked about, and those that have not begun. */
static void
defer(VrDeciding *self)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        if (g_strcmp0(step->plan->vm_uuid, self->input->vm_uuid) == 0 &&
            (vr_rollout_is_asked_about(self->rollout, step) || step->phase == VR_PHASE_PENDING ||
             step->phase == VR_PHASE_DEFERRED))
            vr_deciding_enter(
                self, step, VR_PHASE_STOPPED,
                g_strdup_printf("%s was left out: %s", step->plan->vm, self->input->text));
    }
}

static void
close_rollout(VrDeciding *self)
{
    if (vr_rollout_is_over(self->rollout->phase) && vr_rollout_is_unfinished(self->rollout))
        vr_deciding_enter_rollout(self, VR_ROLLOUT_CLOSED, self->input->text);
}

/* Something happened on a host that is being proven empty: the proof starts again. */
static void
hint(VrDeciding *self)
{
    gint index = vr_rollout_find_update(self->rollout, self->input->host);
    const VrStepState *step = index >= 0 ? vr_rollout_step(self->rollout, (guint)index) : NULL;

    if (step == NULL || self->input->vm_uuid == NULL || step->rounds == 0 ||
        (step->phase != VR_PHASE_PROVING && step->phase != VR_PHASE_PROVING_AGAIN))
        return;
    vr_deciding_add(self, VR_EVENT_HOST_DISTURBED, step)->reason =
        g_strdup_printf("%s: %s", self->input->vm_uuid, self->input->text);
}

static void
completed(VrDeciding *self)
{
    const VrInput *input = self->input;
    const VrStepState *step = vr_rollout_awaited(self->rollout, input);

    if (input->kind == VR_INPUT_CALL_RETURNED) {
        /* A migration's call may come back when its step is already being aborted. */
        if (input->step >= 1 && input->step <= self->rollout->steps->len)
            vr_migration_call_returned(self, vr_rollout_step(self->rollout, input->step - 1));
        return;
    }
    if (input->kind == VR_INPUT_STALLED) {
        if (input->step >= 1 && input->step <= self->rollout->steps->len)
            vr_migration_stalled(self, vr_rollout_step(self->rollout, input->step - 1));
        return;
    }
    if (step == NULL)
        return;
    if (input->kind == VR_INPUT_OBSERVED)
        vr_migration_observed(self, step);
    else if (input->kind == VR_INPUT_STAGE_ENDED)
        vr_host_stage_ended(self, step);
    else if (step->plan->kind == VR_STEP_MIGRATE)
        vr_migration_fitted(self, step);
    else
        vr_host_listed(self, step);
}

void
vr_rollout_decide(const VrRollout *self, const VrInput *input, GPtrArray *out_events)
{
    VrDeciding deciding = {self, input, MAX(input->at_us, self->now_us), out_events};

    if (self->basis == NULL && input->kind != VR_INPUT_CREATE)
        return;
    switch (input->kind) {
    case VR_INPUT_CREATE:
        create(&deciding);
        return;
    case VR_INPUT_RESTARTED:
        restarted(&deciding);
        return;
    case VR_INPUT_TICK: /* what time alone brings about: vr_rollout_advance */
        return;
    case VR_INPUT_START:
        start(&deciding);
        return;
    case VR_INPUT_STOP:
        if (self->phase == VR_ROLLOUT_RUNNING)
            vr_deciding_enter_rollout(&deciding, VR_ROLLOUT_STOPPING, input->text);
        return;
    case VR_INPUT_RETRY:
        retry(&deciding);
        return;
    case VR_INPUT_DEFER:
        defer(&deciding);
        return;
    case VR_INPUT_CLOSE:
        close_rollout(&deciding);
        return;
    case VR_INPUT_REVISE:
        revise(&deciding);
        return;
    case VR_INPUT_UNDO:
        vr_alert_undo(&deciding);
        return;
    case VR_INPUT_RELEASE:
        vr_alert_release(&deciding);
        return;
    case VR_INPUT_MEASURED:
        vr_health_measured(&deciding);
        return;
    case VR_INPUT_JUDGED:
        vr_health_judged(&deciding);
        return;
    case VR_INPUT_OBSERVED:
    case VR_INPUT_LISTED:
    case VR_INPUT_CALL_RETURNED:
    case VR_INPUT_STAGE_ENDED:
    case VR_INPUT_STALLED:
        completed(&deciding);
        return;
    case VR_INPUT_HINT:
        hint(&deciding);
        return;
    }
    g_assert_not_reached();
}
