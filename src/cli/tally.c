/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/tally.h"

#include <string.h>

#include "base/time.h"

gboolean
vr_tally_is_left_out(const VrPlanSkip *skip)
{
    return strcmp(skip->reason, "excluded") != 0 && strcmp(skip->reason, "not-selected") != 0;
}

gboolean
vr_tally_was_issued(const VrStepState *step)
{
    return step->call_us != 0;
}

gint64
vr_tally_migration_us(const VrStepState *step)
{
    if (step->stats.total_ms != VR_UNKNOWN)
        return step->stats.total_ms * VR_MS_US;
    return vr_tally_was_issued(step) ? MAX(step->ended_us - step->call_us, 0) : VR_UNKNOWN;
}

VrPhase
vr_tally_phase_reached(const VrStepState *step)
{
    return step->phase == VR_PHASE_NEEDS_OPERATOR || step->phase == VR_PHASE_SUPERSEDED
               ? step->resume_phase
               : step->phase;
}

char *
vr_tally_reason(const VrStepState *step)
{
    const char *reason = step->reason != NULL ? step->reason : "no reason given";

    if (step->trouble == VR_FAILURE_NONE)
        return g_strdup(reason);
    return g_strdup_printf("%s [%s]", reason, vr_failure_info(step->trouble)->word);
}

gboolean
vr_tally_is_host_closed(const VrStepState *step)
{
    VrPhase phase = vr_tally_phase_reached(step);

    return step->plan->kind == VR_STEP_UPDATE && phase >= VR_PHASE_CLOSING &&
           phase <= VR_PHASE_OPENING;
}

gboolean
vr_tally_is_vm_between(const VrStepState *step)
{
    VrPhase phase = vr_tally_phase_reached(step);

    return step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_SUPERSEDED &&
           phase >= VR_PHASE_MIGRATING && phase <= VR_PHASE_SETTING_AUTOSTART;
}

static void
count_migration(VrTally *self, const VrStepState *step)
{
    self->vms_stopped += step->phase == VR_PHASE_STOPPED;
    self->migrations += step->tries;
    self->migrations_in_flight += vr_tally_is_vm_between(step);
    if (step->stats.data_mib != VR_UNKNOWN)
        self->data_mib += step->stats.data_mib;
    if (step->stats.downtime_ms > self->downtime_ms_max) {
        self->downtime_ms_max = step->stats.downtime_ms;
        self->downtime_vm = step->plan->vm;
    }
}

/* A VM with extra migrations counts once, when its last one has settled. */
static void
count_vms(VrTally *self, const VrRollout *rollout)
{
    g_autoptr(GHashTable) vms = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTableIter each;
    gpointer last;

    for (guint i = 0; i < rollout->steps->len; i++) {
        VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_SUPERSEDED)
            g_hash_table_insert(vms, step->plan->vm_uuid, step);
    }
    self->vms_to_migrate = g_hash_table_size(vms);
    g_hash_table_iter_init(&each, vms);
    while (g_hash_table_iter_next(&each, NULL, &last))
        self->vms_migrated += ((const VrStepState *)last)->phase == VR_PHASE_SETTLED;
}

VrTally
vr_tally_count(const VrRollout *rollout)
{
    VrTally tally = {.downtime_ms_max = VR_UNKNOWN};
    const GPtrArray *skipped = rollout->basis->plan->skipped;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        tally.needs_operator += step->phase == VR_PHASE_NEEDS_OPERATOR;
        if (step->plan->kind == VR_STEP_MIGRATE)
            count_migration(&tally, step);
        else if (step->plan->kind == VR_STEP_UPDATE && step->phase != VR_PHASE_SUPERSEDED)
            tally.hosts_to_update++, tally.hosts_updated += step->phase == VR_PHASE_UPDATED;
    }
    count_vms(&tally, rollout);
    for (guint i = 0; i < skipped->len; i++)
        tally.hosts_left_out += vr_tally_is_left_out(g_ptr_array_index(skipped, i));
    return tally;
}

gint64
vr_tally_forecast_end_us(const VrRollout *rollout, gint64 now_us)
{
    g_autofree gint64 *ends_us = g_new0(gint64, rollout->steps->len + 1);
    gint64 started_us = rollout->started_us != 0 ? rollout->started_us : now_us;
    gint64 last_us = now_us;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        const VrPlanStep *plan = step->plan;
        gint64 ready_us = started_us;
        gint64 ready_ms = 0;
        for (guint k = 0; k < plan->after->len; k++) {
            guint before = g_array_index(plan->after, guint, k) - 1;
            ready_us = MAX(ready_us, ends_us[before]);
            ready_ms = MAX(ready_ms, vr_plan_step(rollout->basis->plan, before)->end_ms);
        }
        /* The plan lets it wait a little for its turn; so does this. */
        gint64 wait_ms = MAX(plan->start_ms - ready_ms, 0);
        gint64 start_us = ready_us + wait_ms * VR_MS_US;
        gboolean waits = step->phase == VR_PHASE_PENDING || step->phase == VR_PHASE_CLOSED;
        if (waits)
            start_us = MAX(start_us, now_us);
        else if (step->phase == VR_PHASE_DEFERRED)
            start_us = MAX(step->not_before_us, now_us);
        else if (plan->kind == VR_STEP_MIGRATE && step->begun_us != 0)
            start_us = step->begun_us;
        gint64 end_us = start_us + (plan->end_ms - plan->start_ms) * VR_MS_US;
        gboolean is_over = vr_phase_is_satisfied(step->phase) || step->phase == VR_PHASE_SUPERSEDED;
        ends_us[i] = is_over ? step->ended_us : MAX(end_us, now_us);
        last_us = MAX(last_us, ends_us[i]);
    }
    return last_us;
}

gint64
vr_tally_duration_us(const VrRollout *rollout, gint64 now_us)
{
    if (rollout->started_us == 0)
        return 0;
    return MAX((rollout->ended_us != 0 ? rollout->ended_us : now_us) - rollout->started_us, 0);
}

/* An alert is all that stops it, and the way back has been gone. */
static gboolean
has_migrated_back(const VrRollout *rollout)
{
    const VrHostAlert *alert = vr_rollout_unsettled_alert(rollout);

    return alert != NULL && !alert->released && alert->has_returned && alert->staying->len == 0 &&
           vr_tally_count(rollout).needs_operator == 0;
}

int
vr_tally_exit_status(const VrRollout *rollout)
{
    switch (rollout->phase) {
    case VR_ROLLOUT_DONE:
        return vr_tally_count(rollout).hosts_left_out > 0 ? 6 : 0;
    case VR_ROLLOUT_NEEDS_OPERATOR:
        return has_migrated_back(rollout) ? 8 : 5;
    case VR_ROLLOUT_NONE:
    case VR_ROLLOUT_RUNNING:
    case VR_ROLLOUT_STOPPING:
    case VR_ROLLOUT_STOPPED:
        return 7;
    case VR_ROLLOUT_FAILED:
    case VR_ROLLOUT_CLOSED:
        return 1;
    }
    g_assert_not_reached();
}
