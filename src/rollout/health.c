/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the judgement of hosts, which is made elsewhere, does to gates and intake. */
#include <string.h>

#include "rollout/decide.h"

const VrHostHealth *
vr_rollout_find_health(const VrRollout *self, const char *host)
{
    for (guint i = 0; i < self->healths->len; i++) {
        if (g_strcmp0(vr_rollout_health(self, i)->host, host) == 0)
            return vr_rollout_health(self, i);
    }
    return NULL;
}

void
vr_health_measured(VrDeciding *self)
{
    const VrInput *input = self->input;

    if (input->step < 1 || input->step > self->rollout->steps->len)
        return;
    vr_deciding_add(self, VR_EVENT_BASELINE, vr_rollout_step(self->rollout, input->step - 1))
        ->baseline = *input->baseline;
}

static gboolean
is_same(const VrHostHealth *health, const VrHealthVerdict *verdict)
{
    return health != NULL && health->finding.tier == verdict->finding.tier &&
           health->finding.cause == verdict->finding.cause &&
           health->finding.rule == verdict->finding.rule &&
           health->intake_closed == verdict->intake_closed &&
           (health->clock_stands_since_us == 0) == verdict->clock_runs;
}

/* By the policy: its VMs migrate back, or a person is asked; nothing comes onto it either way. */
static void
raise_alert(VrDeciding *self)
{
    const VrHealthPolicy *policy = &self->rollout->basis->policy->health;
    VrEvent *event = NULL;

    if (policy->way_back == VR_WAY_BACK_OBSERVE ||
        vr_rollout_find_alert(self->rollout, self->input->host) != NULL)
        return;
    event = vr_event_new(VR_EVENT_HOST_ALERTED, self->at_us);
    event->host = g_strdup(self->input->host);
    event->reason = g_strdup(self->input->text);
    event->way_back = policy->way_back == VR_WAY_BACK_AUTOMATIC;
    g_ptr_array_add(self->events, event);
    /* One that a person has stopped stays stopped. */
    if (event->way_back && self->rollout->phase == VR_ROLLOUT_NEEDS_OPERATOR)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_RUNNING, self->input->text);
}

void
vr_health_judged(VrDeciding *self)
{
    const VrInput *input = self->input;
    const VrHealthVerdict *verdict = input->verdict;
    const VrHostHealth *health = vr_rollout_find_health(self->rollout, input->host);

    if (!vr_rollout_is_unfinished(self->rollout) ||
        vr_inventory_find_host(self->rollout->basis->inventory, input->host) < 0)
        return;
    if (!is_same(health, verdict)) {
        VrEvent *event = vr_event_new(VR_EVENT_HOST_JUDGED, self->at_us);
        event->host = g_strdup(input->host);
        event->reason = g_strdup(input->text);
        event->text = vr_evidence_format(&verdict->evidence);
        event->finding = verdict->finding;
        event->intake_closed = verdict->intake_closed;
        event->clock_stands = !verdict->clock_runs;
        g_ptr_array_add(self->events, event);
    }
    if (vr_health_is_alert(&verdict->finding))
        raise_alert(self);
}

gboolean
vr_health_lets_pass(const VrRollout *rollout, const VrStepState *gate)
{
    const VrHostHealth *health = vr_rollout_find_health(rollout, gate->plan->host);

    if (!rollout->basis->policy->health.watch)
        return TRUE;
    return health != NULL && health->clock_stands_since_us == 0 &&
           (rollout->basis->policy->health.way_back == VR_WAY_BACK_OBSERVE ||
            !vr_health_is_alert(&health->finding));
}

gint64
vr_health_waits_until_us(const VrRollout *rollout, const VrStepState *gate)
{
    gint64 hold_us = rollout->basis->policy->recovery.hold_unknown_ms * VR_MS_US;
    const VrHostHealth *health = vr_rollout_find_health(rollout, gate->plan->host);

    if (gate->phase != VR_PHASE_WATCHING || vr_health_lets_pass(rollout, gate))
        return G_MAXINT64;
    if (health != NULL && health->clock_stands_since_us != 0)
        return MAX(health->clock_stands_since_us, gate->since_us) + hold_us;
    return MAX(gate->not_before_us, gate->since_us) + hold_us;
}

void
vr_health_ask(VrDeciding *self, const VrStepState *gate)
{
    (void)vr_deciding_need_operator(
        self, gate, VR_FAILURE_HOST_UNREACHABLE,
        g_strdup_printf("%s cannot be sampled, so nobody knows how its VMs are; its refuge %s is "
                        "kept as it is",
                        gate->plan->host, gate->plan->source));
}

const VrHostHealth *
vr_health_find_crowded(const VrRollout *rollout)
{
    for (guint i = 0; i < rollout->healths->len; i++) {
        if (vr_rollout_health(rollout, i)->intake_closed)
            return vr_rollout_health(rollout, i);
    }
    return NULL;
}

gint64
vr_health_waits_for_room_until_us(const VrRollout *rollout)
{
    const VrHostHealth *crowded = vr_health_find_crowded(rollout);

    return crowded != NULL
               ? crowded->since_us + rollout->basis->policy->recovery.hold_unknown_ms * VR_MS_US
               : G_MAXINT64;
}

/* He knows that it is crowded, and says: go on. */
void
vr_health_taken_up(VrDeciding *self)
{
    for (guint i = 0; i < self->rollout->healths->len; i++) {
        const VrHostHealth *health = vr_rollout_health(self->rollout, i);
        /* One in alert has to be released by name, and then opened. */
        if (!health->intake_closed || vr_rollout_find_alert(self->rollout, health->host) != NULL)
            continue;
        VrEvent *event = vr_event_new(VR_EVENT_HOST_RELEASED, self->at_us);
        event->host = g_strdup(health->host);
        event->reason = g_strdup("a person goes on");
        g_ptr_array_add(self->events, event);
    }
}

/* ------------------------------------------------------------------ onto the state */

/* The time in which the host could not be read does not count. */
static void
prolong_gates(VrRollout *rollout, const char *host, gint64 by_us)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_GATE && step->phase == VR_PHASE_WATCHING &&
            g_strcmp0(step->plan->host, host) == 0)
            step->not_before_us += by_us;
    }
}

void
vr_health_apply(VrRollout *rollout, const VrEvent *event)
{
    VrHostHealth *health = (VrHostHealth *)(guintptr)vr_rollout_find_health(rollout, event->host);

    if (health == NULL)
        health = vr_state_add_health(rollout, event->host);
    if (health->clock_stands_since_us != 0 && !event->clock_stands)
        prolong_gates(rollout, event->host, event->at_us - health->clock_stands_since_us);
    if (!event->clock_stands)
        health->clock_stands_since_us = 0;
    else if (health->clock_stands_since_us == 0)
        health->clock_stands_since_us = event->at_us;
    health->finding = event->finding;
    health->intake_closed = event->intake_closed;
    health->since_us = event->at_us;
    g_free(health->sentence);
    health->sentence = g_strdup(event->reason);
    g_free(health->evidence);
    health->evidence = g_strdup(event->text);
}

void
vr_health_forget(VrRollout *rollout, const VrEvent *event)
{
    VrHostHealth *health = (VrHostHealth *)(guintptr)vr_rollout_find_health(rollout, event->host);

    if (health == NULL)
        return;
    health->finding = (VrHealthFinding){0};
    health->intake_closed = FALSE;
    health->since_us = event->at_us;
    if (health->clock_stands_since_us == 0)
        health->clock_stands_since_us = event->at_us;
    g_free(health->sentence);
    health->sentence = g_strdup_printf("%s: not judged since it was released.", health->host);
}
