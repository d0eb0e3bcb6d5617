/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decisions on one host: close, prove empty, update, verify, open; and the gate of a target. */
#include <string.h>
#include "rollout/decide.h"

/* Lists of all domains that prove a host empty, each right after the other. */
#define PROVING_ROUNDS 2

static gint64
later_us(const VrDeciding *self)
{
    return self->at_us + self->rollout->basis->policy->recovery.poll_max_ms * VR_MS_US;
}

/* The same phase once more after a while, for what may just need time. Deadline stays. */
static VrEvent *
again(VrDeciding *self, const VrStepState *step, char *reason)
{
    VrEvent *event = vr_deciding_enter(self, step, step->phase, reason);

    event->not_before_us = later_us(self);
    event->deadline_us = step->deadline_us;
    event->round = 0;
    return event;
}

static VrEvent *
ask(VrDeciding *self, const VrStepState *step, char *reason)
{
    return vr_deciding_enter(self, step, VR_PHASE_NEEDS_OPERATOR, reason);
}

/* What may pass by itself: again until the policy's hold is over. `reason` is taken. */
static VrEvent *
hold_or_ask(VrDeciding *self, const VrStepState *step, char *reason)
{
    gint64 hold_us = self->rollout->basis->policy->recovery.hold_unknown_ms * VR_MS_US;
    gint64 deadline_us = step->deadline_us != 0 ? step->deadline_us : step->since_us + hold_us;

    return self->at_us >= deadline_us ? ask(self, step, reason) : again(self, step, reason);
}

/* On with the update, unless the rollout is to begin nothing new: then the host stays closed. */
static VrEvent *
go_on(VrDeciding *self, const VrStepState *step, VrPhase phase)
{
    if (!vr_rollout_may_begin(self->rollout))
        phase = VR_PHASE_CLOSED;
    return vr_deciding_enter(self, step, phase, NULL);
}

/* ------------------------------------------------------------------ stages */

static gboolean
has_level(const VrDeciding *self, const char *facts)
{
    g_autofree char *level = vr_facts_get(facts, "update_level");

    return g_strcmp0(level, self->rollout->basis->plan->update_level) == 0;
}

static void
keep_facts(VrDeciding *self, const VrStepState *step)
{
    VrEvent *event = vr_deciding_add(self, VR_EVENT_HOST_FACTS, step);

    event->phase = step->phase;
    event->text = g_strdup(self->input->stage->output);
}

/* Before everything, and once more before the reboot, for the boot id that it must change. */
static void
facts_before_ended(VrDeciding *self, const VrStepState *step, const VrStageResult *result)
{
    if (result->end != VR_STAGE_END_EXITED || result->exit_status != 0) {
        ask(self, step, vr_stage_end_describe(step, VR_STAGE_FACTS, result));
        return;
    }
    keep_facts(self, step);
    if (step->phase == VR_PHASE_FACTS_BEFORE)
        go_on(self, step, VR_PHASE_ASSESSING);
    else
        vr_deciding_enter(self, step, VR_PHASE_PROVING_AGAIN, NULL);
}

static void
assess_ended(VrDeciding *self, const VrStepState *step, const VrStageResult *result)
{
    gboolean exited = result->end == VR_STAGE_END_EXITED;
    int status = result->exit_status;

    /* 71 and 72 would do without an empty host; it is empty by now, which is never wrong. */
    if (exited && status == VR_STAGE_NOTHING_TO_DO && has_level(self, step->facts_before))
        vr_deciding_enter(self, step, VR_PHASE_SWEEPING,
                          g_strdup_printf("%s is at that level already", step->plan->host));
    else if (exited && (status == 0 || (status >= VR_STAGE_NOTHING_TO_DO && status <= 72)))
        go_on(self, step, VR_PHASE_PREPARING);
    else
        ask(self, step, vr_stage_end_describe(step, VR_STAGE_ASSESS, result));
}

/* The journal is slow, or this process was stopped. Again, but not for ever. */
static void
prove_anew(VrDeciding *self, const VrStepState *step, VrStage stage, VrPhase prove)
{
    if (step->expired_since_us != 0 &&
        self->at_us - step->expired_since_us >=
            self->rollout->basis->policy->recovery.hold_ms * VR_MS_US)
        ask(self, step,
            g_strdup_printf("%s: stage %s cannot be begun within 10 s of the proof that it is "
                            "empty: the controller's disk or machine is too slow",
                            step->plan->host, vr_stage_to_string(stage)));
    else
        vr_deciding_enter(self, step, prove,
                          vr_stage_end_describe(step, stage, self->input->stage));
}

/*
 * A stage that changes the host. After a restart it is only asked how it ended; if it never began,
 * the proof that the host is empty has become old and is made again.
 */
static void
changing_stage_ended(VrDeciding *self, const VrStepState *step, VrStage stage, VrPhase next,
                     VrPhase prove)
{
    const VrStageResult *result = self->input->stage;

    if (vr_stage_end_is_good(result))
        vr_deciding_enter(self, step, next, NULL);
    else if (result->end == VR_STAGE_END_NOT_RUN && step->reattach)
        vr_deciding_enter(self, step, prove, NULL);
    else if (result->end == VR_STAGE_END_EXPIRED)
        prove_anew(self, step, stage, prove);
    else
        ask(self, step, vr_stage_end_describe(step, stage, result));
}

static void
await_return(VrDeciding *self, const VrStepState *step)
{
    vr_deciding_enter(self, step, VR_PHASE_RETURNING, NULL)->deadline_us =
        self->at_us + self->rollout->basis->policy->recovery.return_s * VR_S_US;
}

static void
reboot_ended(VrDeciding *self, const VrStepState *step, const VrStageResult *result)
{
    gboolean exited = result->end == VR_STAGE_END_EXITED;

    if (exited && result->exit_status == VR_STAGE_NOTHING_TO_DO)
        vr_deciding_enter(self, step, VR_PHASE_FACTS_AFTER, NULL)->deadline_us =
            self->at_us + self->rollout->basis->policy->recovery.return_s * VR_S_US;
    else if ((exited && result->exit_status == 0) || result->end == VR_STAGE_END_LOST)
        await_return(self, step); /* the boot id will tell */
    else
        changing_stage_ended(self, step, VR_STAGE_REBOOT, VR_PHASE_RETURNING,
                             VR_PHASE_FACTS_BEFORE_REBOOT);
}

/* NULL if the facts are those of an updated host that has rebooted if it had to. */
static char *
find_fault(const VrDeciding *self, const VrStepState *step, const char *facts,
           gboolean *out_may_change)
{
    g_autofree char *before = vr_facts_get(step->facts_before_reboot, "boot_id");
    g_autofree char *after = vr_facts_get(facts, "boot_id");
    g_autofree char *level = vr_facts_get(facts, "update_level");
    const char *host = step->plan->host;

    *out_may_change = step->rebooted && g_strcmp0(before, after) == 0;
    if (step->rebooted && (before == NULL || after == NULL))
        return g_strdup_printf("%s: the facts stage gives no boot_id, so nothing proves that it "
                               "has rebooted",
                               host);
    if (*out_may_change)
        return g_strdup_printf("%s still has its old boot id %s: it has not rebooted", host, after);
    if (!has_level(self, facts))
        return g_strdup_printf("%s is at update level %s after its update, the plan says %s", host,
                               level != NULL ? level : "(none)",
                               self->rollout->basis->plan->update_level);
    return NULL;
}

static void
facts_after_ended(VrDeciding *self, const VrStepState *step, const VrStageResult *result)
{
    gboolean exited = result->end == VR_STAGE_END_EXITED && result->exit_status == 0;
    gboolean may_change = TRUE;
    char *fault = exited ? find_fault(self, step, result->output, &may_change)
                         : vr_stage_end_describe(step, VR_STAGE_FACTS, result);

    if (fault == NULL) {
        keep_facts(self, step);
        vr_deciding_enter(self, step, VR_PHASE_VERIFYING, NULL);
    } else if (may_change && self->at_us < step->deadline_us) {
        again(self, step, fault);
    } else {
        ask(self, step, fault);
    }
}

static void
simple_stage_ended(VrDeciding *self, const VrStepState *step, VrStage stage, VrPhase next)
{
    if (vr_stage_end_is_good(self->input->stage))
        vr_deciding_enter(self, step, next, NULL);
    else
        ask(self, step, vr_stage_end_describe(step, stage, self->input->stage));
}

/* Its update, if that is still to come, closes it once more. */
static void
reopened(VrDeciding *self, const VrStepState *step)
{
    gint index = vr_rollout_find_update(self->rollout, step->plan->host);
    const VrStepState *update = index >= 0 ? vr_rollout_step(self->rollout, (guint)index) : NULL;

    simple_stage_ended(self, step, VR_STAGE_OPEN, VR_PHASE_REOPENED);
    if (vr_stage_end_is_good(self->input->stage) && update != NULL &&
        update->phase == VR_PHASE_CLOSED)
        vr_deciding_enter(self, update, VR_PHASE_PENDING, NULL);
}

/* A dead host cannot be closed, and it is full: a list tells a dead one from a bad stage. */
static void
close_ended(VrDeciding *self, const VrStepState *step, const VrStageResult *result)
{
    if (vr_stage_end_is_good(result))
        vr_deciding_enter(self, step,
                          step->plan->kind == VR_STEP_QUARANTINE ? VR_PHASE_QUARANTINED
                                                                 : VR_PHASE_COMPARING,
                          NULL);
    else
        vr_deciding_enter(self, step, VR_PHASE_CLOSING,
                          vr_stage_end_describe(step, VR_STAGE_CLOSE, result))
            ->round = 1;
}

/*
 * A host that has died and is up again shows running VMs, since autostart has started them: only
 * its boot id tells.
 */
static void
boot_checked(VrDeciding *self, const VrStepState *step, const VrStageResult *result)
{
    g_autofree char *before = vr_identity_boot(self->rollout, step);
    g_autofree char *after = vr_facts_get(result->output, "boot_id");

    if (!vr_stage_end_is_good(result)) {
        hold_or_ask(self, step, vr_stage_end_describe(step, VR_STAGE_FACTS, result));
    } else if (g_strcmp0(before, after) == 0 ||
               vr_identity_is_accepted_boot(self->rollout, step, after)) {
        vr_deciding_enter(self, step, VR_PHASE_PASSED, NULL);
    } else {
        keep_facts(self, step);
        ask(self, step,
            g_strdup_printf("%s has rebooted since its update (boot id %s, it was %s): the VMs "
                            "that came to it went down with it. Its refuge %s is kept as it is; is "
                            "the update to blame?",
                            step->plan->host, after != NULL ? after : "(none)", before,
                            step->plan->source));
    }
}

void
vr_host_stage_ended(VrDeciding *self, const VrStepState *step)
{
    const VrStageResult *result = self->input->stage;

    if (step->phase == VR_PHASE_CLOSING)
        close_ended(self, step, result);
    else if (step->phase == VR_PHASE_FACTS_BEFORE)
        facts_before_ended(self, step, result);
    else if (step->phase == VR_PHASE_ASSESSING)
        assess_ended(self, step, result);
    else if (step->phase == VR_PHASE_PREPARING)
        changing_stage_ended(self, step, VR_STAGE_BEFORE, VR_PHASE_PROVING, VR_PHASE_PREPARING);
    else if (step->phase == VR_PHASE_APPLYING)
        changing_stage_ended(self, step, VR_STAGE_APPLY, VR_PHASE_FACTS_BEFORE_REBOOT,
                             VR_PHASE_PROVING);
    else if (step->phase == VR_PHASE_FACTS_BEFORE_REBOOT)
        facts_before_ended(self, step, result);
    else if (step->phase == VR_PHASE_REBOOTING)
        reboot_ended(self, step, result);
    else if (step->phase == VR_PHASE_FACTS_AFTER)
        facts_after_ended(self, step, result);
    else if (step->phase == VR_PHASE_VERIFYING)
        simple_stage_ended(self, step, VR_STAGE_VERIFY, VR_PHASE_SWEEPING);
    else if (step->phase == VR_PHASE_OPENING && step->plan->kind == VR_STEP_REOPEN)
        reopened(self, step);
    else if (step->phase == VR_PHASE_OPENING)
        simple_stage_ended(self, step, VR_STAGE_OPEN, VR_PHASE_UPDATED);
    else if (step->phase == VR_PHASE_CHECKING_BOOT)
        boot_checked(self, step, result);
}

/* ------------------------------------------------------------------ lists */

/* The last migration of a listed VM off this host, if the plan has one; NULL. */
static const VrStepState *
find_departure(const VrDeciding *self, const VrStepState *step, const char *vm_uuid)
{
    for (guint i = self->rollout->steps->len; i > 0; i--) {
        const VrStepState *other = vr_rollout_step(self->rollout, i - 1);
        if (other->plan->kind == VR_STEP_MIGRATE && other->phase != VR_PHASE_SUPERSEDED &&
            g_strcmp0(other->plan->vm_uuid, vm_uuid) == 0 &&
            g_strcmp0(other->plan->source, step->plan->host) == 0)
            return other;
    }
    return NULL;
}

/*
 * A definition of a VM that has settled elsewhere is still, or again, on its source: back to the
 * recovery table with it, and the host is listed once more when that is done. TRUE if one is there.
 */
static gboolean
sweep_stale(VrDeciding *self, const VrStepState *step)
{
    const VrListing *listing = self->input->listing;
    gboolean found = FALSE;

    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        const VrStepState *departure = vm->active ? NULL : find_departure(self, step, vm->uuid);
        if (departure == NULL)
            continue;
        if (departure->phase == VR_PHASE_SETTLED)
            vr_deciding_enter(
                self, departure, VR_PHASE_OBSERVING,
                g_strdup_printf("a definition of %s is on %s again", vm->name, step->plan->host));
        found = found || departure->phase == VR_PHASE_SETTLED || vr_step_is_busy(departure);
    }
    if (found)
        again(self, step,
              g_strdup_printf("%s: a stale definition is being removed", step->plan->host));
    return found;
}

/* NULL if nothing on the host stands in the way of its update. (transfer full) */
static char *
find_intruder(const VrListing *listing, const char *host)
{
    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        if (vm->active)
            return g_strdup_printf(
                "%s is not empty: %s (%s) is %s there, started or moved in while "
                "the host was closed. Migrate it away or shut it down; is the "
                "libvirt hook installed?",
                host, vm->name, vm->uuid, vr_side_to_string(vm->side));
        if (vm->autostart)
            return g_strdup_printf("%s has %s (%s), shut off but with autostart: it would start "
                                   "with the host. Undefine it, or switch its autostart off",
                                   host, vm->name, vm->uuid);
    }
    return NULL;
}

/* The first migration off this host whose end is not certain; NULL: every VM that left has left. */
static const VrStepState *
find_open_departure(const VrDeciding *self, const VrStepState *step)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *other = vr_rollout_step(self->rollout, i);
        if (other->plan->kind == VR_STEP_MIGRATE && !vr_phase_is_satisfied(other->phase) &&
            other->phase != VR_PHASE_SUPERSEDED &&
            g_strcmp0(other->plan->source, step->plan->host) == 0)
            return other;
    }
    return NULL;
}

/* A list that took too long says little of now. Again, but not for ever. */
static void
list_again(VrDeciding *self, const VrStepState *step)
{
    const VrRecoveryPolicy *policy = &self->rollout->basis->policy->recovery;
    gboolean asks = self->at_us - step->since_us >= policy->hold_ms * VR_MS_US;

    (asks ? ask : again)(
        self, step,
        g_strdup_printf("%s: listing its guests takes more than 10 s", step->plan->host));
}

static void
proved(VrDeciding *self, const VrStepState *step)
{
    const VrStepState *departure = find_open_departure(self, step);
    if (sweep_stale(self, step))
        return;
    char *intruder = find_intruder(self->input->listing, step->plan->host);
    if (intruder != NULL) {
        ask(self, step, intruder);
    } else if (departure != NULL && vr_phase_is_last(departure->phase)) {
        ask(self, step,
            g_strdup_printf("%s: where %s is, is not certain", step->plan->host,
                            departure->plan->vm));
    } else if (departure != NULL) {
        again(self, step,
              g_strdup_printf("%s: %s is being looked for", step->plan->host, departure->plan->vm));
    } else if (vr_deciding_is_old(self)) {
        list_again(self, step);
    } else if (step->phase == VR_PHASE_PROVING_AGAIN &&
               self->at_us - step->since_us > VR_PROOF_AGE_MAX_US) {
        vr_deciding_enter(self, step, VR_PHASE_FACTS_BEFORE_REBOOT, NULL); /* perhaps another */
    } else if (step->rounds + 1 < PROVING_ROUNDS) {
        vr_deciding_enter(self, step, step->phase, NULL)->round = step->rounds + 1;
    } else if (step->phase == VR_PHASE_PROVING_AGAIN) {
        vr_deciding_enter(self, step, VR_PHASE_REBOOTING, NULL)->deadline_us =
            vr_deciding_proof_until_us(self);
    } else {
        go_on(self, step, VR_PHASE_APPLYING)->deadline_us = vr_deciding_proof_until_us(self);
    }
}

/* What runs on a host just closed must be what the plan takes away from it. */
static void
compared(VrDeciding *self, const VrStepState *step)
{
    const VrListing *listing = self->input->listing;

    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        if (vm->active && find_departure(self, step, vm->uuid) == NULL) {
            ask(self, step,
                g_strdup_printf("%s runs %s (%s), which the plan does not know: it came after the "
                                "plan was made. Make a new plan, or move it away",
                                step->plan->host, vm->name, vm->uuid));
            return;
        }
    }
    vr_deciding_enter(self, step, VR_PHASE_CLOSED, NULL);
}

static void
swept(VrDeciding *self, const VrStepState *step)
{
    if (sweep_stale(self, step))
        return;

    char *intruder = find_intruder(self->input->listing, step->plan->host);
    if (intruder != NULL)
        ask(self, step, intruder);
    else
        vr_deciding_enter(self, step, VR_PHASE_OPENING, NULL);
}

/* The end of a gate: every VM that came through it still runs, or its owner shut it down. */
static void
looked(VrDeciding *self, const VrStepState *step)
{
    const VrListing *listing = self->input->listing;

    for (guint i = 0; i < step->plan->after->len; i++) {
        guint id = g_array_index(step->plan->after, guint, i);
        const VrStepState *arrival = vr_rollout_step(self->rollout, id - 1);
        gboolean fine = FALSE;
        if (arrival->phase != VR_PHASE_SETTLED || vr_rollout_moves_on(self->rollout, arrival))
            continue;
        for (guint k = 0; k < listing->vms->len && !fine; k++) {
            const VrListedVm *vm = g_ptr_array_index(listing->vms, k);
            fine = g_strcmp0(vm->uuid, arrival->plan->vm_uuid) == 0 &&
                   (vm->side == VR_SIDE_RUNNING || vm->side == VR_SIDE_USER ||
                    vm->side == VR_SIDE_OFF_BY_GUEST);
        }
        if (!fine) {
            ask(self, step,
                g_strdup_printf("%s came to %s and does not run there any more: its refuge %s is "
                                "kept as it is",
                                arrival->plan->vm, step->plan->host, step->plan->source));
            return;
        }
    }
    g_autofree char *boot_id = vr_identity_boot(self->rollout, step);
    vr_deciding_enter(self, step, boot_id != NULL ? VR_PHASE_CHECKING_BOOT : VR_PHASE_PASSED, NULL);
}

/* The list once more, or a person. `reason` is taken. */
static VrEvent *
hold_listing(VrDeciding *self, const VrStepState *step, char *reason)
{
    VrEvent *event = hold_or_ask(self, step, reason);

    if (step->phase == VR_PHASE_CLOSING)
        event->round = step->rounds;
    return event;
}

static void
unreadable(VrDeciding *self, const VrStepState *step)
{
    const char *detail = self->input->listing->detail;
    char *reason = g_strdup_printf("%s cannot be read: %s", step->plan->host,
                                   detail != NULL ? detail : "no answer");

    VrFailure failure = self->input->listing->failure;
    VrEvent *event = vr_failure_is_fatal(failure)
                         ? vr_deciding_need_operator(self, step, failure, reason)
                         : hold_listing(self, step, reason);

    event->failure = failure;
    event->silent = g_strdup(step->plan->host);
}

/* Is it the machine that the plan was made for? What it does not say may come; it is not equal. */
static gboolean
check_machine(VrDeciding *self, const VrStepState *step)
{
    const char *known = vr_identity_machine(self->rollout, step);
    const char *seen = self->input->listing->host_uuid;

    if (known == NULL || g_strcmp0(known, seen) == 0)
        return TRUE;
    if (seen == NULL)
        hold_listing(self, step,
                     g_strdup_printf("%s answers without a host UUID, it was %s: nothing proves "
                                     "that it is the same machine; see what virsh capabilities "
                                     "says there",
                                     step->plan->host, known));
    else
        vr_deciding_need_operator(
            self, step, VR_FAILURE_WRONG_MACHINE,
            g_strdup_printf("%s answers with host UUID %s, it was %s: another machine under its "
                            "name; %s",
                            step->plan->host, seen, known,
                            vr_failure_info(VR_FAILURE_WRONG_MACHINE)->next));
    return FALSE;
}

/* It answers: so the stage itself is to blame, unless the host was away and is back. */
static void
found_unclosed(VrDeciding *self, const VrStepState *step)
{
    if (step->silent != NULL)
        vr_deciding_enter(self, step, VR_PHASE_CLOSING, NULL);
    else
        ask(self, step, g_strdup(step->reason));
}

void
vr_host_listed(VrDeciding *self, const VrStepState *step)
{
    if (!self->input->listing->reachable)
        unreadable(self, step);
    else if (!check_machine(self, step))
        return;
    else if (step->phase == VR_PHASE_CLOSING)
        found_unclosed(self, step);
    else if (step->phase == VR_PHASE_COMPARING)
        compared(self, step);
    else if (step->phase == VR_PHASE_PROVING || step->phase == VR_PHASE_PROVING_AGAIN)
        proved(self, step);
    else if (step->phase == VR_PHASE_RETURNING)
        vr_deciding_enter(self, step, VR_PHASE_FACTS_AFTER, NULL)->deadline_us = step->deadline_us;
    else if (step->phase == VR_PHASE_SWEEPING)
        swept(self, step);
    else if (step->phase == VR_PHASE_LOOKING)
        looked(self, step);
}

void
vr_host_retried(VrDeciding *self, const VrStepState *step)
{
    VrPhase phase = step->resume_phase;

    /* What changes the host again is preceded by a new proof that it is empty. */
    if (phase == VR_PHASE_APPLYING)
        phase = VR_PHASE_PROVING;
    else if (phase == VR_PHASE_REBOOTING || phase == VR_PHASE_PROVING_AGAIN)
        phase = VR_PHASE_FACTS_BEFORE_REBOOT;

    VrEvent *event = vr_deciding_enter(self, step, phase, NULL);
    if (phase == VR_PHASE_RETURNING || phase == VR_PHASE_FACTS_AFTER)
        event->deadline_us =
            self->at_us + self->rollout->basis->policy->recovery.return_s * VR_S_US;
}
