/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state -> commands: what should be running now. */
#include "rollout/decide.h"

static const struct {
    VrPhase phase;
    VrStage stage;
} stages[] = {
    {VR_PHASE_CLOSING, VR_STAGE_CLOSE},       {VR_PHASE_FACTS_BEFORE, VR_STAGE_FACTS},
    {VR_PHASE_ASSESSING, VR_STAGE_ASSESS},    {VR_PHASE_PREPARING, VR_STAGE_BEFORE},
    {VR_PHASE_APPLYING, VR_STAGE_APPLY},      {VR_PHASE_FACTS_BEFORE_REBOOT, VR_STAGE_FACTS},
    {VR_PHASE_REBOOTING, VR_STAGE_REBOOT},    {VR_PHASE_FACTS_AFTER, VR_STAGE_FACTS},
    {VR_PHASE_VERIFYING, VR_STAGE_VERIFY},    {VR_PHASE_OPENING, VR_STAGE_OPEN},
    {VR_PHASE_CHECKING_BOOT, VR_STAGE_FACTS},
};

static const struct {
    VrPhase phase;
    VrAction action;
    gboolean on_source;
} actions[] = {
    {VR_PHASE_ABORTING, VR_ACTION_ABORT, TRUE},
    {VR_PHASE_RESUMING_SOURCE, VR_ACTION_RESUME_SOURCE, TRUE},
    {VR_PHASE_DESTROYING_SOURCE, VR_ACTION_DESTROY_SOURCE, TRUE},
    {VR_PHASE_UNDEFINING_SOURCE, VR_ACTION_UNDEFINE_SOURCE, TRUE},
    {VR_PHASE_UNDEFINING_TARGET, VR_ACTION_UNDEFINE_TARGET, FALSE},
    {VR_PHASE_DEFINING_TARGET, VR_ACTION_DEFINE_TARGET, FALSE},
    {VR_PHASE_SETTING_AUTOSTART, VR_ACTION_SET_AUTOSTART, FALSE},
};

static VrCommand
command_new(const VrStepState *step, VrCommandKind kind)
{
    const VrPlanStep *plan = step->plan;

    return (VrCommand){
        .kind = kind,
        .step = plan->id,
        .attempt = step->attempt,
        .host = plan->kind == VR_STEP_MIGRATE ? plan->target : plan->host,
        .vm_uuid = plan->vm_uuid,
        .source = plan->source,
        .target = plan->target,
    };
}

static gboolean
find_stage(const VrStepState *step, VrCommand *out_command)
{
    for (guint i = 0; i < G_N_ELEMENTS(stages); i++) {
        if (stages[i].phase != step->phase)
            continue;
        *out_command = command_new(step, VR_COMMAND_STAGE);
        out_command->stage = stages[i].stage;
        out_command->attach_only = step->reattach;
        if (!step->reattach &&
            (step->phase == VR_PHASE_APPLYING || step->phase == VR_PHASE_REBOOTING))
            out_command->not_after_us = step->deadline_us;
        return TRUE;
    }
    return FALSE;
}

static gboolean
find_action(const VrStepState *step, VrCommand *out_command)
{
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (actions[i].phase != step->phase)
            continue;
        *out_command = command_new(step, VR_COMMAND_ACT);
        out_command->action = actions[i].action;
        out_command->host = actions[i].on_source ? step->plan->source : step->plan->target;
        out_command->definition = step->definition;
        g_assert(step->row >= 0 && step->side >= 0);
        out_command->row = (VrRow)step->row;
        out_command->expected = (VrSide)step->side;
        out_command->not_after_us = step->deadline_us;
        return TRUE;
    }
    return FALSE;
}

static gboolean
is_listing(const VrStepState *step)
{
    VrPhase phase = step->phase;

    if (phase == VR_PHASE_CLOSING)
        return step->rounds > 0; /* its stage has failed: is the host there? */
    return phase == VR_PHASE_COMPARING || phase == VR_PHASE_PROVING ||
           phase == VR_PHASE_PROVING_AGAIN || phase == VR_PHASE_RETURNING ||
           phase == VR_PHASE_SWEEPING || phase == VR_PHASE_LOOKING || phase == VR_PHASE_FITTING;
}

/* The command of a step's phase; a migration's own call is added apart. FALSE: it has none. */
static gboolean
find_command(const VrStepState *step, VrCommand *out_command)
{
    if (step->phase == VR_PHASE_CHECKING || step->phase == VR_PHASE_OBSERVING) {
        *out_command = command_new(step, VR_COMMAND_OBSERVE);
        out_command->with_definition = step->phase == VR_PHASE_CHECKING;
        return TRUE;
    }
    if (is_listing(step)) {
        *out_command = command_new(step, VR_COMMAND_LIST);
        return TRUE;
    }
    return find_stage(step, out_command) || find_action(step, out_command);
}

void
vr_rollout_commands(const VrRollout *self, gint64 now_us, GArray *out_commands)
{
    if (vr_rollout_is_over(self->phase))
        return;
    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        VrCommand command;
        if (step->call_attempt != 0) {
            command = command_new(step, VR_COMMAND_MIGRATE);
            command.attempt = step->call_attempt;
            /* Not after its own deadline has it aborted, if this process was stopped in between. */
            command.not_after_us = step->call_us + VR_PROOF_AGE_MAX_US;
            if (step->phase != VR_PHASE_MIGRATING) /* called back before it was out */
                command.not_after_us = MIN(command.not_after_us, now_us - 1);
            command.bandwidth_mib_per_s = MAX(step->plan->rate_mib_per_s, 1);
            g_array_append_val(out_commands, command);
        }
        if (step->not_before_us <= now_us && find_command(step, &command))
            g_array_append_val(out_commands, command);
    }
}

gint64
vr_rollout_next_deadline(const VrRollout *self, gint64 since_us)
{
    gint64 next_us = G_MAXINT64;

    if (vr_rollout_is_over(self->phase))
        return next_us;
    if (vr_health_waits_for_room_until_us(self) > since_us)
        next_us = vr_health_waits_for_room_until_us(self);
    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        if (vr_phase_is_last(step->phase))
            continue;
        if (step->not_before_us > since_us)
            next_us = MIN(next_us, step->not_before_us);
        if (vr_health_waits_until_us(self, step) > since_us)
            next_us = MIN(next_us, vr_health_waits_until_us(self, step));
        if (step->phase == VR_PHASE_MIGRATING && step->deadline_us > since_us)
            next_us = MIN(next_us, step->deadline_us);
    }
    return next_us;
}
