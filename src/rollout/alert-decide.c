/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decisions on hosts in alert: raise one, bring VMs back, release. */
#include <virt-roll/way-back.h>

#include <string.h>

#include "plan/build.h"
#include "rollout/decide.h"
#include "rollout/document.h"

static VrEvent *
add_event(VrDeciding *self, VrEventKind kind, const char *host, const char *reason)
{
    VrEvent *event = vr_event_new(kind, self->at_us);

    event->host = g_strdup(host);
    event->reason = g_strdup(reason);
    g_ptr_array_add(self->events, event);
    return event;
}

static gboolean
is_updated(const VrRollout *rollout, const char *host)
{
    gint update = vr_rollout_find_update(rollout, host);
    gint index = vr_inventory_find_host(rollout->basis->inventory, host);

    if (update >= 0)
        return vr_rollout_step(rollout, (guint)update)->phase == VR_PHASE_UPDATED;
    return index >= 0 &&
           vr_inventory_host(rollout->basis->inventory, (guint)index)->updated == VR_UPDATED_YES;
}

char *
vr_rollout_find_undo_obstacle(const VrRollout *rollout, const char *host)
{
    if (!vr_rollout_is_unfinished(rollout))
        return g_strdup("there is no unfinished rollout");
    if (vr_inventory_find_host(rollout->basis->inventory, host) < 0)
        return g_strdup_printf("rollout %s knows no host %s", rollout->id, host);
    if (!is_updated(rollout, host))
        return g_strdup_printf("%s is not updated, so no VM has come to it; to leave it out: "
                               "rollout skip %s",
                               host, host);
    return NULL;
}

char *
vr_rollout_find_release_obstacle(const VrRollout *rollout, const char *host)
{
    if (!vr_rollout_is_unfinished(rollout))
        return g_strdup("there is no unfinished rollout");
    if (vr_rollout_find_alert(rollout, host) == NULL)
        return g_strdup_printf("%s is not in alert", host);
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        gboolean is_its =
            g_strcmp0(step->plan->host, host) == 0 || g_strcmp0(step->plan->source, host) == 0;
        if (vr_step_is_way_back(step->plan) && is_its && !vr_phase_is_satisfied(step->phase) &&
            step->phase != VR_PHASE_SUPERSEDED)
            return g_strdup_printf("its VMs are on their way back: %s is %s",
                                   step->plan->vm != NULL ? step->plan->vm : host,
                                   vr_phase_to_string(step->phase));
    }
    return NULL;
}

void
vr_alert_undo(VrDeciding *self)
{
    const char *host = self->input->host;
    g_autofree char *obstacle = vr_rollout_find_undo_obstacle(self->rollout, host);

    if (obstacle != NULL)
        return;
    add_event(self, VR_EVENT_HOST_ALERTED, host, self->input->text)->way_back = TRUE;
    if (self->rollout->phase != VR_ROLLOUT_RUNNING)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_RUNNING, self->input->text);
}

/* A closed host is opened again, by a step that begins at once. */
static void
reopen(VrDeciding *self, const char *host)
{
    VrWayBack *added = vr_way_back_reopen(self->rollout, host, self->at_us);
    VrEvent *event = add_event(self, VR_EVENT_STEPS_ADDED, host, self->input->text);

    event->text = vr_document_write_added(added->plan, added->from, added->staying);
    vr_way_back_free(added);
    if (self->rollout->phase != VR_ROLLOUT_RUNNING)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_RUNNING, self->input->text);
}

void
vr_alert_release(VrDeciding *self)
{
    const VrRollout *rollout = self->rollout;
    const char *host = self->input->host;
    g_autofree char *obstacle = vr_rollout_find_release_obstacle(rollout, host);

    if (obstacle != NULL)
        return;
    const VrHostAlert *alert = vr_rollout_find_alert(rollout, host);
    for (guint i = 0; i < rollout->steps->len && !alert->has_returned; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->phase == VR_PHASE_ALERTED && strcmp(step->plan->host, host) == 0)
            vr_deciding_enter(self, step, VR_PHASE_PENDING, NULL); /* its time begins anew */
    }
    add_event(self, VR_EVENT_HOST_RELEASED, host, self->input->text);
    if (vr_rollout_is_quarantined(rollout, host))
        reopen(self, host);
}

/* ------------------------------------------------------------------ what follows */

static gboolean
is_watching(VrPhase phase)
{
    return phase == VR_PHASE_WATCHING || phase == VR_PHASE_LOOKING ||
           phase == VR_PHASE_CHECKING_BOOT || phase == VR_PHASE_NEEDS_OPERATOR;
}

/* A gate passes no more; a migration on its way there is called back while it can be. */
static gboolean
turn_away(VrDeciding *self, const VrHostAlert *alert, const VrStepState *step)
{
    if (step->plan->kind == VR_STEP_GATE && is_watching(step->phase) &&
        strcmp(step->plan->host, alert->host) == 0) {
        vr_deciding_enter(self, step, VR_PHASE_ALERTED, g_strdup(alert->reason));
        return TRUE;
    }
    if (step->phase == VR_PHASE_MIGRATING && strcmp(step->plan->target, alert->host) == 0) {
        vr_migration_recalled(self, step);
        return TRUE;
    }
    return FALSE;
}

static gboolean
send_back(VrDeciding *self, const VrHostAlert *alert)
{
    g_autoptr(VrWayBack) way =
        vr_way_back_compose(self->rollout, alert->host, alert->staying, self->at_us);

    if (way == NULL)
        return FALSE;
    VrEvent *event = add_event(self, VR_EVENT_STEPS_ADDED, alert->host,
                               way->reasons->len > 0 ? way->reasons->str : NULL);
    event->text = vr_document_write_added(way->plan, way->from, way->staying);
    return TRUE;
}

gboolean
vr_alert_advance(VrDeciding *self)
{
    const VrRollout *rollout = self->rollout;

    for (guint a = 0; a < rollout->alerts->len; a++) {
        const VrHostAlert *alert = vr_rollout_alert(rollout, a);
        if (alert->released)
            continue;
        for (guint i = 0; i < rollout->steps->len; i++) {
            if (turn_away(self, alert, vr_rollout_step(rollout, i)))
                return TRUE;
        }
        if (alert->way_back && rollout->phase == VR_ROLLOUT_RUNNING && send_back(self, alert))
            return TRUE;
    }
    return FALSE;
}

char *
vr_rollout_describe_alert(const VrRollout *rollout, const VrHostAlert *alert)
{
    guint back = 0;
    guint left = 0;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (!step->plan->back || strcmp(step->plan->source, alert->host) != 0 ||
            step->phase == VR_PHASE_SUPERSEDED)
            continue;
        back += step->phase == VR_PHASE_SETTLED;
        left += !vr_phase_is_satisfied(step->phase);
    }
    left += alert->staying->len;
    if (!alert->way_back)
        return g_strdup_printf("%s is in alert: %s", alert->host, alert->reason);
    return g_strdup_printf("%s is in alert: %s; VMs migrated back: %u, still there: %u",
                           alert->host, alert->reason, back, left);
}

/* ------------------------------------------------------------------ onto the state */

gboolean
vr_alert_apply(VrRollout *rollout, const VrEvent *event, GError **error)
{
    VrHostAlert *alert = (VrHostAlert *)(guintptr)vr_rollout_find_alert(rollout, event->host);
    gboolean is_known =
        event->host != NULL && vr_inventory_find_host(rollout->basis->inventory, event->host) >= 0;

    if (is_known && event->kind == VR_EVENT_HOST_ALERTED) {
        if (alert == NULL)
            alert = vr_state_add_alert(rollout, event->host);
        g_free(alert->reason);
        alert->reason = g_strdup(event->reason != NULL ? event->reason : "a person says so");
        alert->since_us = event->at_us;
        alert->way_back |= event->way_back;
        alert->answered = FALSE;
        g_ptr_array_set_size(alert->staying, 0);
        return TRUE;
    }
    if (is_known && event->kind == VR_EVENT_HOST_RELEASED) {
        if (alert != NULL)
            alert->released = TRUE;
        vr_health_forget(rollout, event);
        return TRUE;
    }
    if (is_known && event->kind == VR_EVENT_STEPS_ADDED && event->text != NULL) {
        g_autoptr(VrPlan) plan = vr_plan_copy(rollout->basis->plan);
        g_autoptr(GPtrArray) staying = g_ptr_array_new_with_free_func(g_free);
        if (!vr_document_read_added(event->text, plan, staying, error)) {
            g_prefix_error(error, "event %s cannot follow: ", vr_event_kind_to_string(event->kind));
            return FALSE;
        }
        guint from = rollout->steps->len;
        gboolean returns = FALSE;
        for (guint i = from; i < plan->steps->len; i++)
            returns |= vr_plan_step(plan, i)->back;
        vr_state_extend(rollout, g_steal_pointer(&plan));
        if (alert == NULL)
            return TRUE;
        alert->has_returned |= returns;
        g_ptr_array_extend_and_steal(alert->staying, g_steal_pointer(&staying));
        return TRUE;
    }
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT, "event %s of %s cannot follow",
                vr_event_kind_to_string(event->kind),
                event->host != NULL ? event->host : "no host");
    return FALSE;
}
