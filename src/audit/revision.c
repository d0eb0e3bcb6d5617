/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A revised plan has become durable: is what it leaves behind certain in truth, and does it keep
 * what the plan before it had promised (RV)? From then on it is the plan that is judged by.
 */
#include <string.h>

#include "audit/books.h"
#include "base/json.h"

/* (transfer full) NULL: it is not there, or is no plan. */
static VrPlan *
read_plan(JsonObject *document)
{
    JsonNode *node = json_object_get_member(document, "plan");
    g_autofree char *text = node != NULL ? vr_json_canonical(node) : NULL;

    return text != NULL ? vr_plan_parse(text, strlen(text), "journal", NULL) : NULL;
}

static gboolean
has_id(JsonObject *document, const char *name, guint id)
{
    JsonArray *ids = json_object_get_array_member(document, name);

    for (guint i = 0; i < json_array_get_length(ids); i++) {
        if (json_array_get_int_element(ids, i) == id)
            return TRUE;
    }
    return FALSE;
}

/* ------------------------------------------------------------------ what is left behind */

static gboolean
has_ended_well(const AuditStep *step)
{
    return step->phase == VR_PHASE_SETTLED || step->phase == VR_PHASE_STOPPED ||
           step->phase == VR_PHASE_UPDATED || step->phase == VR_PHASE_PASSED ||
           step->phase == VR_PHASE_QUARANTINED || step->phase == VR_PHASE_REOPENED;
}

/* Of which nobody speaks any more from here on. */
static const char *
wrong_with_superseded(const SimAuditor *self, const AuditStep *step)
{
    if (has_ended_well(step))
        return "it has ended well";
    if (step->plan->kind == VR_STEP_UPDATE)
        return self->hosts[step->host].applied ? "its host is in the middle of its update" : NULL;
    if (step->plan->kind == VR_STEP_GATE)
        return NULL;

    const SimMigration *migration = audit_migration(self, step->vm);
    if (migration != NULL && !migration->foreign)
        return "its VM is in flight";
    if (audit_call_may_begin(self, step->vm))
        return "a call that was issued for its VM may still begin";
    if (audit_is_in_limbo(self, step->vm))
        return "only a migration keeps its VM paused";
    if (audit_vm(self, step->vm)->split_us != AUDIT_NEVER && !audit_vm_strange(self, step->vm))
        return "two copies of its VM run";
    return NULL;
}

/* Nobody looks there any more, so nothing may be there that somebody must look after. */
static const char *
wrong_with_set_aside(const SimAuditor *self, const AuditStep *step)
{
    if (step->plan->kind != VR_STEP_UPDATE || step->phase != VR_PHASE_NEEDS_OPERATOR)
        return "nobody was asked about its host";
    if (!sim_host(self->world, step->host)->closed)
        return "its host is open";
    for (guint i = 0; i < self->vms->len; i++) {
        if (sim_copy_is_active(sim_copy(self->world, i, step->host)))
            return "its host is not empty";
    }
    return NULL;
}

static const char *
wrong_with_kept(const AuditStep *step)
{
    if (has_ended_well(step) || step->phase == VR_PHASE_SUPERSEDED ||
        step->phase == VR_PHASE_WATCHING || step->phase == VR_PHASE_CLOSED)
        return NULL;
    return "it has not ended, and nothing is said of it";
}

static void
check_old_steps(SimAuditor *self, JsonObject *document)
{
    for (guint id = 1; id <= self->step_count; id++) {
        const AuditStep *step = &self->steps[id];
        gboolean superseded = has_id(document, "superseded", id);
        gboolean set_aside = has_id(document, "set_aside", id);
        const char *wrong = superseded  ? wrong_with_superseded(self, step)
                            : set_aside ? wrong_with_set_aside(self, step)
                                        : wrong_with_kept(step);
        audit_count(self, SIM_RULE_RV);
        if (wrong != NULL)
            audit_breach(self, SIM_RULE_RV, "step %u, %s, is %s by a revision, but %s", id,
                         vr_phase_to_string(step->phase),
                         superseded  ? "superseded"
                         : set_aside ? "set aside"
                                     : "kept",
                         wrong);
    }
}

/* ------------------------------------------------------------------ what was promised */

static gboolean
is_same_step(const VrPlanStep *a, const VrPlanStep *b)
{
    return a->kind == b->kind && g_strcmp0(a->host, b->host) == 0 &&
           g_strcmp0(a->vm_uuid, b->vm_uuid) == 0 && g_strcmp0(a->source, b->source) == 0 &&
           g_strcmp0(a->target, b->target) == 0 && a->extra == b->extra;
}

static void
check_history(SimAuditor *self, const VrPlan *plan)
{
    gboolean is_kept = plan->steps->len >= self->step_count;

    for (guint i = 0; is_kept && i < self->step_count; i++)
        is_kept = is_same_step(vr_plan_step(plan, i), self->steps[i + 1].plan);
    audit_count(self, SIM_RULE_RV);
    if (!is_kept)
        audit_breach(self, SIM_RULE_RV, "a revision rewrites the steps that there were");
}

static gboolean
names(const GArray *ids, guint id)
{
    for (guint i = 0; i < ids->len; i++) {
        if (g_array_index(ids, guint, i) == id)
            return TRUE;
    }
    return FALSE;
}

/* A gate of the new plan that watches this arrival. */
static gboolean
is_watched(const SimAuditor *self, const VrPlan *plan, guint arrival)
{
    const VrPlanStep *migration = self->steps[arrival].plan;

    for (guint i = self->step_count; i < plan->steps->len; i++) {
        const VrPlanStep *gate = vr_plan_step(plan, i);
        if (gate->kind == VR_STEP_GATE && g_strcmp0(gate->host, migration->target) == 0 &&
            g_strcmp0(gate->source, migration->source) == 0 && names(gate->after, arrival))
            return TRUE;
    }
    return FALSE;
}

/* Its VM lives on another host than the one that it came to. */
static gboolean
is_elsewhere(const SimAuditor *self, guint arrival)
{
    const AuditStep *step = &self->steps[arrival];

    for (guint i = 0; i < self->host_count; i++) {
        if (i != step->target && sim_copy_is_active(sim_copy(self->world, step->vm, i)))
            return TRUE;
    }
    return FALSE;
}

/* Every VM that has come and has not been watched yet is watched by a gate of the new plan. */
static void
check_gates(SimAuditor *self, const VrPlan *plan, JsonObject *document)
{
    for (guint id = 1; id <= self->step_count; id++) {
        const AuditStep *gate = &self->steps[id];
        if (gate->plan->kind != VR_STEP_GATE || !has_id(document, "superseded", id))
            continue;
        for (guint k = 0; k < gate->plan->after->len; k++) {
            guint arrival = g_array_index(gate->plan->after, guint, k);
            audit_count(self, SIM_RULE_RV);
            if (self->steps[arrival].phase == VR_PHASE_SETTLED &&
                !audit_has_left_again(self, arrival) && !is_elsewhere(self, arrival) &&
                !is_watched(self, plan, arrival))
                audit_breach(self, SIM_RULE_RV,
                             "%s: has come to %s, and after a revision no gate watches it",
                             audit_vm_name(self, self->steps[arrival].vm),
                             audit_host_name(self, gate->host));
        }
    }
}

static gboolean
is_nowhere(const SimAuditor *self, guint vm)
{
    for (guint i = 0; i < self->host_count; i++) {
        if (sim_copy_is_active(sim_copy(self->world, vm, i)) ||
            sim_copy(self->world, vm, i)->on_disk)
            return FALSE;
    }
    return TRUE;
}

/* A VM that was still to migrate and is nowhere may have died: only a person may go on then. */
static void
check_vms_are_there(SimAuditor *self, JsonObject *document)
{
    for (guint id = 1; id <= self->step_count; id++) {
        const AuditStep *step = &self->steps[id];
        if (step->plan->kind != VR_STEP_MIGRATE || !has_id(document, "superseded", id) ||
            !is_nowhere(self, step->vm))
            continue;
        audit_count(self, SIM_RULE_RV);
        audit_vm(self, step->vm)->given_up = TRUE;
        if (json_object_get_boolean_member(document, "automatic"))
            audit_breach(self, SIM_RULE_RV, "%s: is nowhere, and nobody was asked about that",
                         audit_vm_name(self, step->vm));
    }
}

/* ------------------------------------------------------------------ the books go on by it */

static void
supersede(SimAuditor *self, guint id)
{
    AuditStep *step = &self->steps[id];

    if (step->plan->kind == VR_STEP_UPDATE && self->hosts[step->host].update == id)
        self->hosts[step->host].update = 0;
    if (step->plan->kind == VR_STEP_GATE && step->phase != VR_PHASE_ALERTED)
        self->gates_open[step->source]--;
    if (step->plan->kind == VR_STEP_MIGRATE && (step->plan->extra || step->plan->back))
        audit_vm(self, step->vm)->extras--;
    step->phase = VR_PHASE_SUPERSEDED;
    step->attempt++;
    step->unsure = FALSE;
    step->at_us = self->world->now_us;
}

/* What owners have started since may be more than the limit: the way back need not be better. */
static void
note_memory(SimAuditor *self, guint host)
{
    gint64 memory_mib = 0;

    for (guint i = 0; i < self->vms->len; i++) {
        if (sim_copy_is_active(sim_copy(self->world, i, host)))
            memory_mib += sim_vm(self->world, i)->memory_mib;
    }
    self->hosts[host].memory_before_mib = MAX(self->hosts[host].memory_before_mib, memory_mib);
}

void
audit_take_steps(SimAuditor *self, VrPlan *plan)
{
    guint old_count = self->step_count;

    self->step_count = plan->steps->len;
    self->steps = g_renew(AuditStep, self->steps, self->step_count + 1);
    memset(&self->steps[old_count + 1], 0, (self->step_count - old_count) * sizeof(AuditStep));
    g_ptr_array_add(self->plans, plan);
    for (guint i = old_count; i < self->step_count; i++)
        audit_step_init(self, vr_plan_step(plan, i));
}

static void
take_over(SimAuditor *self, VrPlan *plan, JsonObject *document)
{
    for (guint id = 1; id <= self->step_count; id++) {
        if (has_id(document, "superseded", id))
            supersede(self, id);
        else if (has_id(document, "set_aside", id))
            self->hosts[self->steps[id].host].set_aside = TRUE;
    }
    for (guint i = 0; i < self->host_count; i++)
        note_memory(self, i);
    audit_take_steps(self, plan);
}

void
audit_revised(SimAuditor *self, const VrEvent *event)
{
    g_autoptr(JsonNode) root =
        event->text != NULL ? vr_json_parse(event->text, strlen(event->text), "journal", NULL)
                            : NULL;
    JsonObject *document = root != NULL ? json_node_get_object(root) : NULL;
    VrPlan *plan = document != NULL ? read_plan(document) : NULL;

    audit_count(self, SIM_RULE_RV);
    if (plan == NULL) {
        audit_breach(self, SIM_RULE_RV, "a revision has no plan");
        return;
    }
    if (self->phase != VR_ROLLOUT_NONE && self->phase != VR_ROLLOUT_STOPPED &&
        self->phase != VR_ROLLOUT_FAILED && self->phase != VR_ROLLOUT_NEEDS_OPERATOR)
        audit_breach(self, SIM_RULE_RV, "the plan is revised while the rollout is %s",
                     vr_rollout_phase_to_string(self->phase));
    check_old_steps(self, document);
    check_history(self, plan);
    if (self->breach != NULL) {
        vr_plan_free(plan);
        return;
    }
    check_gates(self, plan, document);
    check_vms_are_there(self, document);
    take_over(self, plan, document);
    self->phase = VR_ROLLOUT_STOPPED;
    self->look_us = self->world->now_us;
}
