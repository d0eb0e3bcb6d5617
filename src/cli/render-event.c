/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/time.h"
#include "cli/render.h"
#include "cli/tally.h"
#include "cli/text.h"

#define ID_SHOWN 8

void
vr_event_line_clear(VrEventLine *self)
{
    g_clear_pointer(&self->text, g_free);
}

static VrEventLine
begins(char *text)
{
    return (VrEventLine){.text = text};
}

static VrEventLine
ends(char *text)
{
    return (VrEventLine){.text = text, .is_result = TRUE};
}

static VrEventLine
warns(char *text)
{
    return (VrEventLine){.text = text, .is_result = TRUE, .is_bad = TRUE};
}

/* ", level 1 → 2, boot id 3e1f… → b07a…" */
static char *
describe_change(const VrStepState *step)
{
    GString *text = g_string_new(NULL);
    g_autofree char *level_before = vr_facts_get(step->facts_before, "update_level");
    g_autofree char *level = vr_facts_get(step->facts_after, "update_level");
    g_autofree char *boot_before = vr_facts_get(step->facts_before, "boot_id");
    g_autofree char *boot = vr_facts_get(step->facts_after, "boot_id");

    if (level != NULL)
        g_string_append_printf(text, "  level %s → %s", level_before != NULL ? level_before : "?",
                               level);
    if (boot_before != NULL && boot != NULL && strcmp(boot_before, boot) != 0)
        g_string_append_printf(text, ", rebooted (boot id %.*s → %.*s)", ID_SHOWN, boot_before,
                               ID_SHOWN, boot);
    return g_string_free(text, FALSE);
}

static guint
count_departures(const VrRollout *rollout, const char *host)
{
    guint count = 0;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        count += step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_SETTLED &&
                 g_strcmp0(step->plan->source, host) == 0;
    }
    return count;
}

static VrEventLine
host_closed(const VrRollout *rollout, const VrStepState *step, VrPhase from)
{
    const char *host = step->plan->host;
    guint count = count_departures(rollout, host);
    g_autofree char *vms = vr_text_count(count, "VM");

    if (from != VR_PHASE_COMPARING)
        return begins(g_strdup_printf("%s  waits closed, its update has not begun", host));
    if (count == 0)
        return begins(g_strdup_printf("%s  closed and empty", host));
    return begins(g_strdup_printf("%s  closed, drains %s", host, vms));
}

static VrEventLine
host_entered(const VrRollout *rollout, const VrStepState *step, VrPhase from)
{
    const char *host = step->plan->host;
    g_autofree char *change = NULL;

    if (step->phase == VR_PHASE_CLOSED)
        return host_closed(rollout, step, from);
    if (step->phase == VR_PHASE_CLOSING)
        return begins(g_strdup_printf("%s  closing to guests", host));
    if (step->phase == VR_PHASE_FACTS_BEFORE)
        return begins(g_strdup_printf("%s  update begins", host));
    if (step->phase == VR_PHASE_APPLYING)
        return begins(g_strdup_printf("%s  proven empty, applying %s", host,
                                      rollout->basis->plan->update_level));
    if (step->phase == VR_PHASE_REBOOTING)
        return begins(g_strdup_printf("%s  rebooting", host));
    if (step->phase == VR_PHASE_RETURNING)
        return begins(g_strdup_printf("%s  reboot asked for, waiting for its return", host));
    if (step->phase == VR_PHASE_VERIFYING)
        return begins(g_strdup_printf("%s  verifying", host));
    if (step->phase == VR_PHASE_UPDATED) {
        change = describe_change(step);
        return ends(g_strdup_printf("%s  updated%s", host, change));
    }
    return (VrEventLine){0};
}

static char *
describe_settled(const VrStepState *step)
{
    GString *text = g_string_new(NULL);
    gint64 took_us = vr_tally_migration_us(step);

    if (!vr_tally_was_issued(step))
        return g_string_free(g_string_append(text, step->reason != NULL ? step->reason : ""),
                             FALSE);
    if (step->stats.data_mib != VR_UNKNOWN) {
        g_autofree char *data = vr_text_mib(step->stats.data_mib);
        g_string_append_printf(text, "%s in ", data);
    }
    g_autofree char *took = vr_time_format_span(took_us);
    g_string_append(text, took);
    if (step->stats.downtime_ms != VR_UNKNOWN)
        g_string_append_printf(text, ", downtime %" G_GINT64_FORMAT " ms", step->stats.downtime_ms);
    if (step->tries > 1)
        g_string_append_printf(text, ", attempt %u", step->tries);
    g_string_append(text, "  settled");
    return g_string_free(text, FALSE);
}

/* An action of the recovery table: rare, and a person wants to know why. */
static gboolean
is_repair(VrPhase phase)
{
    return phase == VR_PHASE_ABORTING ||
           (phase >= VR_PHASE_RESUMING_SOURCE && phase <= VR_PHASE_DEFINING_TARGET);
}

static VrEventLine
vm_entered(const VrStepState *step, VrPhase from)
{
    const VrPlanStep *plan = step->plan;
    g_autofree char *way = g_strdup_printf("%s  %s → %s", plan->vm, plan->source, plan->target);
    g_autofree char *reason = vr_tally_reason(step);
    g_autofree char *settled = NULL;

    if (step->phase == VR_PHASE_MIGRATING)
        return begins(step->tries > 1
                          ? g_strdup_printf("%s  migrating, attempt %u", way, step->tries)
                          : g_strdup_printf("%s  migrating", way));
    if (step->phase == VR_PHASE_SETTLED) {
        settled = describe_settled(step);
        return ends(g_strdup_printf("%s  %s", way, settled));
    }
    if (step->phase == VR_PHASE_STOPPED)
        return ends(g_strdup_printf("%s  not migrated: %s", way, reason));
    if (step->phase == VR_PHASE_FAILED)
        return warns(g_strdup_printf("FAILED: %s", reason));
    if (is_repair(step->phase))
        return warns(g_strdup_printf("%s  %s: %s", way, vr_phase_to_string(step->phase), reason));
    if (step->phase == VR_PHASE_DEFERRED) {
        g_autofree char *pause = vr_text_rough_span(MAX(step->not_before_us - step->since_us, 0));
        return warns(g_strdup_printf("%s  again in %s: %s", way, pause, reason));
    }
    if (step->phase == VR_PHASE_OBSERVING && from == VR_PHASE_SETTLED)
        return warns(g_strdup_printf("%s  %s", way, reason));
    return (VrEventLine){0};
}

static VrEventLine
gate_entered(const VrStepState *step)
{
    const VrPlanStep *plan = step->plan;
    g_autofree char *span = vr_text_rough_span(step->not_before_us - step->since_us);

    if (step->phase == VR_PHASE_WATCHING)
        return begins(
            g_strdup_printf("%s  gate of %s: %s is kept as it is", plan->host, span, plan->source));
    if (step->phase == VR_PHASE_ALERTED)
        return warns(g_strdup_printf("%s  gate ended by the alert: %s is kept as it is", plan->host,
                                     plan->source));
    if (step->phase == VR_PHASE_PASSED)
        return ends(
            g_strdup_printf("%s  gate passed: %s may be updated", plan->host, plan->source));
    return (VrEventLine){0};
}

static VrEventLine
way_back_entered(const VrStepState *step)
{
    const char *host = step->plan->host;

    if (step->phase == VR_PHASE_QUARANTINED)
        return ends(g_strdup_printf("%s  quarantined: closed to guests", host));
    if (step->phase == VR_PHASE_REOPENED)
        return ends(g_strdup_printf("%s  open again", host));
    return (VrEventLine){0};
}

/* What moves nobody is told too; that all is well, only where it was not. */
static VrEventLine
host_judged(const VrEvent *event)
{
    if (event->finding.tier == VR_HEALTH_TIER_NONE)
        return (VrEventLine){0};
    g_autofree char *text = vr_text_clean(event->reason);
    if (vr_health_is_alert(&event->finding))
        return warns(g_strdup_printf("%s [%s: %s]", text,
                                     vr_health_tier_to_string(event->finding.tier),
                                     vr_health_cause_to_string(event->finding.cause)));
    return ends(g_strdup_printf("watch: %s", text));
}

static VrEventLine
host_alert(const VrEvent *event)
{
    const char *reason = event->reason != NULL ? event->reason : "no reason given";

    if (event->kind == VR_EVENT_HOST_ALERTED)
        return warns(g_strdup_printf("ALERT on %s: %s%s", event->host, reason,
                                     event->way_back ? "; its VMs migrate back" : ""));
    if (event->kind == VR_EVENT_HOST_RELEASED)
        return ends(g_strdup_printf("%s  released: %s", event->host, reason));
    return event->reason != NULL ? warns(g_strdup_printf("%s  %s", event->host, reason))
                                 : (VrEventLine){0};
}

/* A host that reboots is silent for a while, and nobody needs to hear of that. */
static gboolean
is_newly_silent(const VrRollout *rollout, const VrStepState *step)
{
    return step->silent != NULL && step->silent_since_us == rollout->now_us &&
           step->phase != VR_PHASE_RETURNING && step->phase != VR_PHASE_NEEDS_OPERATOR;
}

static VrEventLine
step_entered(const VrRollout *rollout, const VrStepState *step, VrPhase from)
{
    const VrPlanStep *plan = step->plan;

    if (is_newly_silent(rollout, step)) {
        g_autofree char *reason = vr_tally_reason(step);
        return warns(g_strdup_printf("waiting: %s", reason));
    }
    if (from == step->phase)
        return (VrEventLine){0};
    /* Reasons begin with their subject. */
    if (step->phase == VR_PHASE_NEEDS_OPERATOR) {
        g_autofree char *reason = vr_tally_reason(step);
        return warns(g_strdup_printf("NEEDS A PERSON: %s", reason));
    }
    switch (plan->kind) {
    case VR_STEP_UPDATE:
        return host_entered(rollout, step, from);
    case VR_STEP_MIGRATE:
        return vm_entered(step, from);
    case VR_STEP_GATE:
        return gate_entered(step);
    case VR_STEP_QUARANTINE:
    case VR_STEP_REOPEN:
        return way_back_entered(step);
    }
    g_assert_not_reached();
}

static VrEventLine
rollout_entered(const VrEvent *event)
{
    const char *reason = event->reason != NULL ? event->reason : "asked to";

    if (event->rollout_phase == VR_ROLLOUT_STOPPING)
        return ends(g_strdup_printf("stopping (%s): what is in flight ends first", reason));
    if (event->rollout_phase == VR_ROLLOUT_FAILED)
        return warns(g_strdup_printf("FAILED: %s", reason));
    return (VrEventLine){0};
}

VrEventLine
vr_render_event(const VrRollout *rollout, const VrEvent *event, VrPhase from)
{
    const VrStepState *step = event->step >= 1 && event->step <= rollout->steps->len
                                  ? vr_rollout_step(rollout, event->step - 1)
                                  : NULL;

    switch (event->kind) {
    case VR_EVENT_CREATED:
        return ends(g_strdup_printf("rollout %s begins", rollout->id));
    case VR_EVENT_REVISED:
        return ends(g_strdup_printf("the plan was revised: %s",
                                    event->reason != NULL ? event->reason : "no reason given"));
    case VR_EVENT_HOST_JUDGED:
        return host_judged(event);
    case VR_EVENT_HOST_ALERTED:
    case VR_EVENT_HOST_RELEASED:
    case VR_EVENT_STEPS_ADDED:
        return host_alert(event);
    case VR_EVENT_ROLLOUT_PHASE:
        return rollout_entered(event);
    case VR_EVENT_CONTROLLER_STARTED:
        return ends(g_strdup("finding out how everything in hand ended"));
    case VR_EVENT_STEP_PHASE:
        return step != NULL ? step_entered(rollout, step, from) : (VrEventLine){0};
    case VR_EVENT_HOST_DISTURBED:
        return step != NULL ? warns(g_strdup_printf("%s  disturbed, proven empty anew: %s",
                                                    step->plan->host, event->reason))
                            : (VrEventLine){0};
    case VR_EVENT_CALL_RETURNED:
    case VR_EVENT_VM_DEFINED:
    case VR_EVENT_VM_RECORDED:
    case VR_EVENT_VM_SEEN_ON_TARGET:
    case VR_EVENT_VM_MEASURED:
    case VR_EVENT_BASELINE:
    case VR_EVENT_HOST_FACTS:
        break;
    }
    return (VrEventLine){0};
}
