/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A migration that libvirt rolled back: again, later, or not before a person has looked. */
#include "rollout/decide.h"

static char *
describe_failure(const VrStepState *step, const char *what)
{
    return g_strdup_printf("%s runs on %s as before%s: %s", step->plan->vm, step->plan->source,
                           what,
                           step->last_error != NULL ? step->last_error : "no error was reported");
}

/* Until then it is in nobody's way: it holds no slot, and its memory is not reserved. */
static VrEvent *
defer(VrDeciding *self, const VrStepState *step, gint64 pause_s)
{
    VrEvent *event = vr_deciding_enter(self, step, VR_PHASE_DEFERRED, describe_failure(step, ""));

    event->failure = step->failure;
    event->not_before_us = self->at_us + pause_s * VR_S_US;
    return event;
}

/* It passes by itself. */
static void
retry_later(VrDeciding *self, const VrStepState *step)
{
    const VrMigrationPolicy *policy = &self->rollout->basis->policy->migration;
    guint attempts = step->tries - MIN(step->deferrals, step->tries);

    if (attempts >= policy->attempts_max) {
        g_autofree char *what = g_strdup_printf(" after %u attempts to migrate it to %s, the last",
                                                attempts, step->plan->target);
        vr_deciding_enter(self, step, VR_PHASE_FAILED, describe_failure(step, what))->failure =
            step->failure;
    } else {
        defer(self, step, policy->backoff_s << MIN(MAX(attempts, 1) - 1, 10));
    }
}

/* The row says where its VM is: that a person is asked is not for lack of knowing. */
static void
ask(VrDeciding *self, const VrStepState *step, VrRow row, char *reason)
{
    vr_deciding_need_operator(self, step, step->failure, reason)->row = (gint)row;
}

/* Its VM has something else to do. */
static void
defer_or_ask(VrDeciding *self, const VrStepState *step, VrRow row)
{
    const VrMigrationPolicy *policy = &self->rollout->basis->policy->migration;

    if (step->deferrals >= policy->deferrals_max) {
        g_autofree char *what =
            g_strdup_printf(" and was deferred %u times; the last", step->deferrals);
        ask(self, step, row, describe_failure(step, what));
    } else {
        defer(self, step, policy->defer_s)->counted = TRUE;
    }
}

/* What a person must hear of comes before all else. */
void
vr_migration_rolled_back(VrDeciding *self, const VrStepState *step, VrRow row)
{
    VrFailureClass class = vr_failure_info(step->failure)->class;
    gboolean needs_person = class == VR_FAILURE_CLASS_OPERATOR || class == VR_FAILURE_CLASS_FATAL;

    if (needs_person && !step->vouched)
        ask(self, step, row, describe_failure(step, ""));
    /* Somebody has looked after it: it begins anew. */
    else if (step->vouched || !vr_rollout_may_begin(self->rollout))
        vr_deciding_enter(self, step, VR_PHASE_PENDING, NULL);
    else if (class == VR_FAILURE_CLASS_DEFER)
        defer_or_ask(self, step, row);
    else
        retry_later(self, step);
}
