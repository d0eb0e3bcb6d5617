/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host has come into alert, or was released, or a way back was added to the plan (R5): it leads
 * off such a host only, never onto an updated one, and no VM goes back twice.
 */
#include <string.h>

#include "audit/books.h"
#include "plan/build.h"
#include "rollout/document.h"

gboolean
audit_has_left_again(const SimAuditor *self, guint id)
{
    const AuditStep *arrival = &self->steps[id];

    for (guint i = id + 1; i <= self->step_count; i++) {
        const AuditStep *step = &self->steps[i];
        if (step->plan->kind == VR_STEP_MIGRATE && step->vm == arrival->vm &&
            step->source == arrival->target && step->phase == VR_PHASE_SETTLED)
            return TRUE;
    }
    return FALSE;
}

static gboolean
was_brought_back(const SimAuditor *self, guint vm)
{
    const GArray *steps = audit_vm(self, vm)->steps;

    for (guint i = 0; steps != NULL && i < steps->len; i++) {
        const AuditStep *step = &self->steps[g_array_index(steps, guint, i)];
        if (step->plan->back && step->phase != VR_PHASE_SUPERSEDED)
            return TRUE;
    }
    return FALSE;
}

static void
check_way_back(SimAuditor *self, const VrPlanStep *step)
{
    guint source = audit_find_host(self, step->source);
    guint target = audit_find_host(self, step->target);
    guint vm = 0;

    while (strcmp(sim_vm(self->world, vm)->uuid, step->vm_uuid) != 0)
        vm++;
    if (!step->back || !self->hosts[source].alerted)
        audit_breach(self, SIM_RULE_R5, "%s: is to leave %s, which is in no alert", step->vm,
                     step->source);
    if (self->hosts[target].alerted || sim_host(self->world, target)->updated)
        audit_breach(self, SIM_RULE_R5, "%s: is to go back to %s, which is %s", step->vm,
                     step->target, self->hosts[target].alerted ? "in alert" : "updated");
    if (was_brought_back(self, vm))
        audit_breach(self, SIM_RULE_R5, "%s: is to go back a second time", step->vm);
}

static void
add_steps(SimAuditor *self, const VrEvent *event)
{
    g_autoptr(VrPlan) plan = vr_plan_new();
    g_autoptr(GPtrArray) staying = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 1; i <= self->step_count; i++)
        vr_plan_copy_step(plan, self->steps[i].plan, 0);
    audit_count(self, SIM_RULE_R5);
    if (event->text == NULL || !vr_document_read_added(event->text, plan, staying, NULL)) {
        audit_breach(self, SIM_RULE_R5, "%s: steps are added that cannot be read", event->host);
        return;
    }
    for (guint i = self->step_count; i < plan->steps->len; i++) {
        if (vr_plan_step(plan, i)->kind == VR_STEP_MIGRATE)
            check_way_back(self, vr_plan_step(plan, i));
    }
    if (self->breach == NULL)
        audit_take_steps(self, g_steal_pointer(&plan));
}

void
audit_host_alert(SimAuditor *self, const VrEvent *event)
{
    guint host = audit_find_host(self, event->host);

    if (event->kind == VR_EVENT_STEPS_ADDED)
        add_steps(self, event);
    else
        self->hosts[host].alerted = event->kind == VR_EVENT_HOST_ALERTED;
    self->look_us = self->world->now_us;
}
