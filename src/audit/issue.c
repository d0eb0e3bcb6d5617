/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever the engine issues: by the present controller (I12), not after its journal failed (I18),
 * announced by the one record that means this call (I8, I16), and nothing new after a stop (L3).
 */
#include "audit/books.h"

static void
check_controller(SimAuditor *self, const SimFact *fact, const char *what)
{
    audit_count(self, SIM_RULE_I12);
    if (fact->controller == 0 || fact->controller != self->controller)
        audit_breach(self, SIM_RULE_I12, "controller %u issues %s while %u is the present one",
                     fact->controller, what, self->controller);
    audit_count(self, SIM_RULE_I18);
    for (guint i = 0; i < self->failed_appends->len; i++) {
        if (g_array_index(self->failed_appends, guint, i) == fact->controller)
            audit_breach(self, SIM_RULE_I18,
                         "controller %u issues %s although its journal has failed",
                         fact->controller, what);
    }
}

/*
 * Nothing is to be asked of a VM in post-copy. What begins after all was asked for before anybody
 * could know; no call can be recalled.
 */
static void
check_postcopy(SimAuditor *self, const SimFact *fact, const char *what)
{
    audit_count(self, SIM_RULE_I7);
    for (guint i = 0; i < self->host_count; i++) {
        if (sim_copy(self->world, fact->vm, i)->qemu == SIM_QEMU_POSTCOPY &&
            !audit_changed_unseen(&audit_vm(self, fact->vm)->at[i]))
            audit_breach(self, SIM_RULE_I7, "%s: %s is issued while it is in post-copy on %s",
                         audit_vm_name(self, fact->vm), what, audit_host_name(self, i));
    }
}

/* The call of a record is issued once: after a restart it is observed, never called again. */
static void
check_once(SimAuditor *self, guint id, const char *what)
{
    AuditStep *step = &self->steps[id];

    audit_count(self, SIM_RULE_I16);
    if (step->called == step->attempt)
        audit_breach(self, SIM_RULE_I16, "step %u: %s is issued twice for attempt %u", id, what,
                     step->attempt);
    step->called = step->attempt;
}

static gboolean
is_stopping(const SimAuditor *self)
{
    return self->phase == VR_ROLLOUT_STOPPING || self->phase == VR_ROLLOUT_STOPPED;
}

void
audit_issue_migration(SimAuditor *self, const SimFact *fact)
{
    const char *name = audit_vm_name(self, fact->vm);
    guint id = audit_find_step(self, fact->vm, fact->host, fact->other, VR_PHASE_MIGRATING);

    check_controller(self, fact, name);
    audit_count(self, SIM_RULE_I8);
    if (id == 0) {
        audit_breach(self, SIM_RULE_I8,
                     "%s: its migration from %s to %s is issued, and no durable record says so",
                     name, audit_host_name(self, fact->host), audit_host_name(self, fact->other));
        return;
    }
    check_once(self, id, "the migration");
    audit_count(self, SIM_RULE_L3);
    if (is_stopping(self) && !self->steps[id].began_before_stop)
        audit_breach(self, SIM_RULE_L3, "%s: its migration begins after the rollout was stopped",
                     name);
    audit_split(self, fact);
    check_postcopy(self, fact, "migrate");
    audit_migration_issued(self, fact, id);
    audit_placement(self, fact);
}

static VrPhase
phase_of_action(VrAction action)
{
    switch (action) {
    case VR_ACTION_ABORT:
        return VR_PHASE_ABORTING;
    case VR_ACTION_RESUME_SOURCE:
        return VR_PHASE_RESUMING_SOURCE;
    case VR_ACTION_DESTROY_SOURCE:
        return VR_PHASE_DESTROYING_SOURCE;
    case VR_ACTION_UNDEFINE_SOURCE:
        return VR_PHASE_UNDEFINING_SOURCE;
    case VR_ACTION_UNDEFINE_TARGET:
        return VR_PHASE_UNDEFINING_TARGET;
    case VR_ACTION_DEFINE_TARGET:
        return VR_PHASE_DEFINING_TARGET;
    case VR_ACTION_SET_AUTOSTART:
        return VR_PHASE_SETTING_AUTOSTART;
    }
    g_assert_not_reached();
}

static gboolean
acts_on_target(VrAction action)
{
    return action == VR_ACTION_UNDEFINE_TARGET || action == VR_ACTION_DEFINE_TARGET ||
           action == VR_ACTION_SET_AUTOSTART;
}

void
audit_issue_action(SimAuditor *self, const SimFact *fact)
{
    const char *name = audit_vm_name(self, fact->vm);
    const char *action = vr_action_to_string(fact->action);
    gboolean on_target = acts_on_target(fact->action);
    guint id = audit_find_step(self, fact->vm, on_target ? SIM_NOWHERE : fact->host,
                               on_target ? fact->host : SIM_NOWHERE, phase_of_action(fact->action));

    check_controller(self, fact, name);
    audit_count(self, SIM_RULE_I8);
    if (id == 0) {
        audit_breach(self, SIM_RULE_I8, "%s: %s on %s is issued, and no durable record says so",
                     name, action, audit_host_name(self, fact->host));
        return;
    }
    check_once(self, id, action);
    audit_split(self, fact);
    check_postcopy(self, fact, action);
    audit_vm(self, fact->vm)->acting_us = self->world->now_us;
    audit_action_issued(self, fact, id);
}

static gboolean
phase_means_stage(VrPhase phase, VrStage stage)
{
    switch (stage) {
    case VR_STAGE_FACTS:
        return phase == VR_PHASE_FACTS_BEFORE || phase == VR_PHASE_FACTS_BEFORE_REBOOT ||
               phase == VR_PHASE_FACTS_AFTER || phase == VR_PHASE_CHECKING_BOOT;
    case VR_STAGE_ASSESS:
        return phase == VR_PHASE_ASSESSING;
    case VR_STAGE_CLOSE:
        return phase == VR_PHASE_CLOSING;
    case VR_STAGE_OPEN:
        return phase == VR_PHASE_OPENING;
    case VR_STAGE_BEFORE:
        return phase == VR_PHASE_PREPARING;
    case VR_STAGE_APPLY:
        return phase == VR_PHASE_APPLYING;
    case VR_STAGE_REBOOT:
        return phase == VR_PHASE_REBOOTING;
    case VR_STAGE_VERIFY:
        return phase == VR_PHASE_VERIFYING;
    }
    g_assert_not_reached();
}

void
audit_issue_stage(SimAuditor *self, const SimFact *fact)
{
    const char *stage = vr_stage_to_string(fact->stage);
    const char *host = audit_host_name(self, fact->host);
    AuditStep *step =
        fact->step >= 1 && fact->step <= self->step_count ? &self->steps[fact->step] : NULL;

    check_controller(self, fact, host);
    audit_count(self, SIM_RULE_I8);
    if (step == NULL || step->host != fact->host || step->attempt != fact->attempt ||
        step->plan->kind == VR_STEP_MIGRATE || !phase_means_stage(step->phase, fact->stage)) {
        audit_breach(self, SIM_RULE_I8,
                     "%s: stage %s, attempt %u of step %u, is issued while the journal says %s, "
                     "attempt %u",
                     host, stage, fact->attempt, fact->step,
                     step == NULL ? "nothing" : vr_phase_to_string(step->phase),
                     step == NULL ? 0 : step->attempt);
        return;
    }
    if (fact->attach_only)
        return;
    step->issued_us = self->world->now_us;
    step->issuer = fact->controller;
    if (fact->stage == VR_STAGE_APPLY) {
        audit_count(self, SIM_RULE_L3);
        if (is_stopping(self) && !step->began_before_stop)
            audit_breach(self, SIM_RULE_L3, "%s: its update begins after the rollout was stopped",
                         host);
    }
}
