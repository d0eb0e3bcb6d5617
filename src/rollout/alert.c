/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions about hosts in alert and what has become of them. */
#include <string.h>

#include "rollout/state.h"

const VrHostAlert *
vr_rollout_find_alert(const VrRollout *self, const char *host)
{
    for (guint i = 0; i < self->alerts->len; i++) {
        const VrHostAlert *alert = vr_rollout_alert(self, i);
        if (!alert->released && g_strcmp0(alert->host, host) == 0)
            return alert;
    }
    return NULL;
}

const VrHostAlert *
vr_rollout_blocking_alert(const VrRollout *self)
{
    for (guint i = 0; i < self->alerts->len; i++) {
        const VrHostAlert *alert = vr_rollout_alert(self, i);
        if (!alert->answered && (!alert->released || alert->has_returned))
            return alert;
    }
    return NULL;
}

const VrHostAlert *
vr_rollout_unsettled_alert(const VrRollout *self)
{
    const VrHostAlert *blocking = vr_rollout_blocking_alert(self);

    for (guint i = 0; i < self->alerts->len && blocking == NULL; i++) {
        const VrHostAlert *alert = vr_rollout_alert(self, i);
        if (!alert->released)
            return alert;
    }
    return blocking;
}

gboolean
vr_rollout_is_quarantined(const VrRollout *self, const char *host)
{
    gboolean quarantined = FALSE;

    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        if (step->phase == VR_PHASE_SUPERSEDED || g_strcmp0(step->plan->host, host) != 0)
            continue;
        if (step->plan->kind == VR_STEP_QUARANTINE)
            quarantined = TRUE;
        else if (step->plan->kind == VR_STEP_REOPEN)
            quarantined = quarantined && step->phase != VR_PHASE_REOPENED;
    }
    return quarantined;
}

gboolean
vr_step_is_way_back(const VrPlanStep *step)
{
    return step->back || step->kind == VR_STEP_QUARANTINE || step->kind == VR_STEP_REOPEN;
}

gboolean
vr_rollout_moves_on(const VrRollout *self, const VrStepState *arrival)
{
    for (guint i = arrival->plan->id; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        if (step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_SUPERSEDED &&
            step->phase != VR_PHASE_STOPPED &&
            g_strcmp0(step->plan->vm_uuid, arrival->plan->vm_uuid) == 0)
            return TRUE;
    }
    return FALSE;
}
