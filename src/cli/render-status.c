/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/time.h"
#include "cli/render-health.h"
#include "cli/render.h"
#include "cli/tally.h"
#include "cli/text.h"

static const char *
phase_words(const VrStatusView *view)
{
    switch (view->rollout->phase) {
    case VR_ROLLOUT_NONE:
        return "NOT BEGUN";
    case VR_ROLLOUT_RUNNING:
        return view->is_alive ? "RUNNING" : "CUT OFF: its controller is gone";
    case VR_ROLLOUT_STOPPING:
        return view->is_alive ? "STOPPING" : "CUT OFF: its controller is gone";
    case VR_ROLLOUT_STOPPED:
        return "STOPPED, goes on later";
    case VR_ROLLOUT_NEEDS_OPERATOR:
        return "NEEDS A PERSON";
    case VR_ROLLOUT_FAILED:
        return "FAILED";
    case VR_ROLLOUT_DONE:
        return "DONE";
    case VR_ROLLOUT_CLOSED:
        return "CLOSED by a person";
    }
    g_assert_not_reached();
}

/* When it came to be like this. */
static gint64
since_us(const VrRollout *rollout)
{
    if (rollout->ended_us != 0)
        return rollout->ended_us;
    return rollout->started_us != 0 ? rollout->started_us : rollout->created_us;
}

static void
append_head(GString *out, const VrStatusView *view)
{
    const VrRollout *rollout = view->rollout;
    gboolean is_cut_off = !view->is_alive && !vr_rollout_is_over(rollout->phase);
    gint64 from_us = is_cut_off ? rollout->now_us : since_us(rollout);
    g_autofree char *clock = vr_text_date_clock(from_us);
    g_autofree char *span = vr_text_rough_span(MAX(view->now_us - from_us, 0));
    g_autofree char *level = vr_text_clean(rollout->basis->plan->update_level);

    g_string_append_printf(out, "Rollout %s   update: %s\n%s, %s %s (%s)\n", rollout->id, level,
                           phase_words(view), is_cut_off ? "last heard of" : "since", clock, span);
}

/* "for 5 min, was closing", "again in 15 min" */
static char *
describe_since(const VrStatusView *view, const VrStepState *step)
{
    gint64 left_us = step->not_before_us - view->now_us;
    g_autofree char *span = vr_text_rough_span(MAX(view->now_us - step->since_us, 0));
    g_autofree char *left = vr_text_rough_span(MAX(left_us, 0));

    if (step->phase == VR_PHASE_DEFERRED)
        return left_us > 0 ? g_strdup_printf("again in %s", left) : g_strdup("again soon");
    return g_strdup_printf("for %s, was %s", span,
                           vr_phase_to_string(vr_tally_phase_reached(step)));
}

static void
append_waiting(GString *out, const VrStatusView *view, guint width)
{
    for (guint i = 0; i < view->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(view->rollout, i);
        if (step->phase != VR_PHASE_NEEDS_OPERATOR && step->phase != VR_PHASE_FAILED &&
            step->trouble == VR_FAILURE_NONE)
            continue;
        g_autofree char *reason = vr_tally_reason(step);
        g_autofree char *since = describe_since(view, step);
        g_autofree char *text = g_strdup_printf("%s (%s)", reason, since);
        vr_text_append_wrapped(out, text, "  ", width);
    }
}

static void
append_alerts(GString *out, const VrStatusView *view, guint width)
{
    for (guint i = 0; i < view->rollout->alerts->len; i++) {
        const VrHostAlert *alert = vr_rollout_alert(view->rollout, i);
        g_autofree char *since = vr_text_rough_span(MAX(view->now_us - alert->since_us, 0));
        g_autofree char *what = vr_rollout_describe_alert(view->rollout, alert);
        g_autofree char *text = g_strdup_printf("ALERT: %s (for %s)", what, since);
        if (!alert->released)
            vr_text_append_wrapped(out, text, "  ", width);
    }
}

static void
append_health(GString *out, const VrStatusView *view, guint width)
{
    g_autofree char *text = vr_render_health(view->rollout, width);

    g_string_append(out, text);
}

static void
append_silent(GString *out, const VrStatusView *view, guint width)
{
    g_autofree char *text = vr_render_silent_hosts(view, width);

    g_string_append(out, text);
}

static void
append_counts(GString *out, const VrStatusView *view)
{
    VrTally tally = vr_tally_count(view->rollout);
    g_autofree char *flight = vr_text_count(tally.migrations_in_flight, "migration");

    g_string_append_printf(out, "  %u of %u hosts updated, %u of %u VMs migrated, %s in flight\n",
                           tally.hosts_updated, tally.hosts_to_update, tally.vms_migrated,
                           tally.vms_to_migrate, flight);
    if (view->is_alive && view->rollout->phase == VR_ROLLOUT_RUNNING) {
        g_autofree char *end =
            vr_text_date_clock(vr_tally_forecast_end_us(view->rollout, view->now_us));
        g_string_append_printf(out, "  ends about %s\n", end);
    }
}

/* Is there a newer step of that host's that has begun, and says what has become of it? */
static gboolean
is_followed_up(const VrRollout *rollout, const VrStepState *step)
{
    if (step->phase != VR_PHASE_SUPERSEDED || step->plan->kind != VR_STEP_UPDATE)
        return FALSE;
    for (guint i = step->plan->id; i < rollout->steps->len; i++) {
        const VrStepState *newer = vr_rollout_step(rollout, i);
        if (newer->plan->kind == VR_STEP_UPDATE &&
            g_strcmp0(newer->plan->host, step->plan->host) == 0 &&
            vr_tally_phase_reached(newer) != VR_PHASE_PENDING)
            return TRUE;
    }
    return FALSE;
}

static void
add_changed(GPtrArray *changed, const VrRollout *rollout, const VrStepState *step)
{
    const VrPlanStep *plan = step->plan;
    const char *phase = vr_phase_to_string(vr_tally_phase_reached(step));

    if (is_followed_up(rollout, step))
        return;
    if (step->was_down && step->phase != VR_PHASE_UPDATED)
        g_ptr_array_add(changed,
                        g_strdup_printf("%s is down for its update (%s)", plan->host, phase));
    else if (step->phase == VR_PHASE_QUARANTINED && vr_rollout_is_quarantined(rollout, plan->host))
        g_ptr_array_add(changed, g_strdup_printf("%s is closed to guests (%s)", plan->host, phase));
    else if (vr_tally_is_host_closed(step))
        g_ptr_array_add(changed, g_strdup_printf("%s is closed to guests (%s)", plan->host, phase));
    else if (vr_tally_is_vm_between(step))
        g_ptr_array_add(changed, g_strdup_printf("%s is between %s and %s (%s)", plan->vm,
                                                 plan->source, plan->target, phase));
    else if (plan->kind == VR_STEP_GATE &&
             (step->phase == VR_PHASE_WATCHING || step->phase == VR_PHASE_LOOKING ||
              step->phase == VR_PHASE_CHECKING_BOOT))
        g_ptr_array_add(changed, g_strdup_printf("%s is kept as it is, a refuge for its VMs on %s",
                                                 plan->source, plan->host));
}

GPtrArray *
vr_render_changed(const VrRollout *rollout)
{
    GPtrArray *changed = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < rollout->steps->len; i++)
        add_changed(changed, rollout, vr_rollout_step(rollout, i));
    return changed;
}

/* A host whose update changed something when it got stuck, or that the others go on without, is
 * tried again only when asked by name. */
static const char *
find_host_to_retry(const VrRollout *rollout)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_UPDATE && step->phase == VR_PHASE_NEEDS_OPERATOR &&
            (step->set_aside || step->resume_phase == VR_PHASE_PREPARING ||
             step->resume_phase == VR_PHASE_APPLYING || step->resume_phase == VR_PHASE_REBOOTING))
            return step->plan->host;
    }
    return NULL;
}

/* Something that no looking again changes, but another plan does. */
static gboolean
is_for_another_plan(const VrStepState *step)
{
    if (step->phase != VR_PHASE_NEEDS_OPERATOR || step->set_aside)
        return FALSE;
    if (step->plan->kind == VR_STEP_UPDATE)
        return step->resume_phase == VR_PHASE_COMPARING ||
               (step->was_down && step->silent != NULL); /* a VM came; the host is lost */
    return step->plan->kind == VR_STEP_MIGRATE && step->tries == 0 &&
           (step->resume_phase == VR_PHASE_FITTING || step->row == VR_ROW_V ||
            step->row == VR_ROW_X);
}

static gboolean
wants_another_plan(const VrRollout *rollout)
{
    g_autofree char *obstacle = vr_revision_find_obstacle(rollout);

    for (guint i = 0; obstacle == NULL && i < rollout->steps->len; i++) {
        if (is_for_another_plan(vr_rollout_step(rollout, i)))
            return TRUE;
    }
    return FALSE;
}

/* Of one that waits because of a host in alert. */
static char *
next_for_alert(const VrStatusView *view, const VrHostAlert *alert, const char **out_why)
{
    g_autofree char *obstacle = vr_revision_find_obstacle(view->rollout);

    if (!alert->way_back && !alert->released) {
        *out_why = "shows which VMs go back where, asks; or, if all is well: rollout release";
        return g_strdup_printf("%s rollout undo %s --reason TEXT", view->program, alert->host);
    }
    if (obstacle == NULL && !alert->answered) {
        *out_why = alert->released
                       ? "plans anew what is left, shows the difference, asks"
                       : "plans what is left without it; or, if it is fine: rollout release";
        return g_strdup_printf("%s rollout replan", view->program);
    }
    if (!alert->released && vr_rollout_find_release_obstacle(view->rollout, alert->host) == NULL) {
        *out_why = "once the host is mended and updated well: it takes VMs again";
        return g_strdup_printf("%s rollout release %s --reason TEXT", view->program, alert->host);
    }
    *out_why = "once the cause is gone: looks again, goes on";
    return g_strdup_printf("%s run", view->program);
}

/* Of a rollout that waits for a person. */
static char *
next_for_person(const VrStatusView *view, const char **out_why)
{
    const char *host = find_host_to_retry(view->rollout);
    const VrHostAlert *alert = vr_rollout_unsettled_alert(view->rollout);

    if (alert != NULL)
        return next_for_alert(view, alert, out_why);
    if (wants_another_plan(view->rollout)) {
        *out_why = "plans anew what is left, shows the difference, asks";
        return g_strdup_printf("%s rollout replan", view->program);
    }
    if (host != NULL) {
        *out_why = "once you have looked at it: what ended badly there runs again";
        return g_strdup_printf("%s rollout retry %s", view->program, host);
    }
    *out_why = "once the cause is gone: looks again, goes on";
    return g_strdup_printf("%s run", view->program);
}

char *
vr_render_next(const VrStatusView *view, const char **out_why)
{
    const VrRollout *rollout = view->rollout;
    gboolean is_over = vr_rollout_is_over(rollout->phase);

    if (rollout->phase == VR_ROLLOUT_DONE || rollout->phase == VR_ROLLOUT_CLOSED ||
        (!is_over && view->is_alive))
        return NULL;
    if (rollout->phase == VR_ROLLOUT_NEEDS_OPERATOR)
        return next_for_person(view, out_why);
    if (rollout->phase == VR_ROLLOUT_FAILED)
        *out_why = "once the cause is gone: tries again";
    else if (rollout->phase == VR_ROLLOUT_NONE)
        *out_why = "plans a rollout, shows it, asks";
    else
        *out_why = is_over ? "goes on" : "finds out how everything ended, goes on";
    return g_strdup_printf("%s run", view->program);
}

static void
append_changed(GString *out, const VrStatusView *view, guint width)
{
    g_autoptr(GPtrArray) changed = vr_render_changed(view->rollout);

    for (guint i = 0; i < changed->len; i++) {
        g_autofree char *text =
            g_strdup_printf("Still changed: %s", (const char *)g_ptr_array_index(changed, i));
        vr_text_append_wrapped(out, text, "  ", width);
    }
    if (changed->len == 0)
        g_string_append(out, "  Nothing is left changed: no host closed, no VM in between\n");
}

/* What to do when no command of ours is next. */
static void
append_no_command(GString *out, const VrStatusView *view, guint width)
{
    g_autoptr(GPtrArray) changed = vr_render_changed(view->rollout);
    const char *text = "nothing is to be done";

    if (!vr_rollout_is_over(view->rollout->phase))
        text = "wait; Ctrl-C where it runs finishes what is in flight and stops";
    else if (changed->len > 0)
        text =
            "put right what is still changed: open closed hosts by your stage open, or let a new "
            "rollout update them";
    vr_text_append_wrapped(out, text, "Next:  ", width);
}

char *
vr_render_status(const VrStatusView *view, guint width)
{
    GString *out = g_string_new(NULL);
    const char *why = NULL;
    g_autofree char *next = vr_render_next(view, &why);

    if (view->rollout->basis == NULL) {
        g_string_append(out, "There has been no rollout yet.\n");
    } else {
        append_head(out, view);
        append_alerts(out, view, width);
        append_health(out, view, width);
        append_waiting(out, view, width);
        append_silent(out, view, width);
        if (view->rollout->phase == VR_ROLLOUT_CLOSED && view->rollout->reason != NULL)
            vr_text_append_wrapped(out, view->rollout->reason, "  ", width);
        append_counts(out, view);
        append_changed(out, view, width);
    }
    if (next != NULL)
        g_string_append_printf(out, "Next:  %s   (%s)\n", next, why);
    else
        append_no_command(out, view, width);
    return g_string_free(out, FALSE);
}
