/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mirror of what is durable: the last phase and attempt of each step, the phase of the rollout.
 * Only formats are shared with the engine, not what follows from them.
 */
#include <string.h>

#include "audit/books.h"

/* A call to a port goes with each record of such a phase. */
static gboolean
announces_a_call(VrPhase phase)
{
    static const VrPhase phases[] = {
        VR_PHASE_CLOSING,           VR_PHASE_PREPARING,         VR_PHASE_APPLYING,
        VR_PHASE_REBOOTING,         VR_PHASE_VERIFYING,         VR_PHASE_OPENING,
        VR_PHASE_MIGRATING,         VR_PHASE_ABORTING,          VR_PHASE_RESUMING_SOURCE,
        VR_PHASE_DESTROYING_SOURCE, VR_PHASE_UNDEFINING_SOURCE, VR_PHASE_UNDEFINING_TARGET,
        VR_PHASE_DEFINING_TARGET,   VR_PHASE_SETTING_AUTOSTART,
    };

    for (guint i = 0; i < G_N_ELEMENTS(phases); i++) {
        if (phases[i] == phase)
            return TRUE;
    }
    return FALSE;
}

static void
ask_about_host(SimAuditor *self, guint host)
{
    for (guint i = 0; i < self->vms->len; i++) {
        if (sim_copy_is_active(sim_copy(self->world, i, host)))
            audit_person_asked(self, i);
    }
}

static void
person_asked(SimAuditor *self, const AuditStep *step)
{
    if (step->plan->kind == VR_STEP_MIGRATE)
        audit_person_asked(self, step->vm);
    else
        ask_about_host(self, step->host);
}

/* A person who was asked about one step of a VM leaves it out with all that are still to come. */
static gboolean
was_left_out(const SimAuditor *self, guint vm)
{
    const GArray *steps = audit_vm(self, vm)->steps;

    for (guint i = 0; i < steps->len; i++) {
        const AuditStep *step = &self->steps[g_array_index(steps, guint, i)];
        if (step->asked && step->phase == VR_PHASE_STOPPED)
            return TRUE;
    }
    return FALSE;
}

/* Off by its owner's will, or a person was asked: nobody else may say that a VM is to stay off. */
static void
check_stopped(SimAuditor *self, const AuditStep *step)
{
    audit_count(self, SIM_RULE_I14);
    if (sim_vm(self->world, step->vm)->died && !was_left_out(self, step->vm) &&
        !audit_vm_strange(self, step->vm))
        audit_breach(self, SIM_RULE_I14, "%s: has died, and its step says that it was stopped",
                     audit_vm_name(self, step->vm));
}

/* Rolled back is what runs on as it did. Another guest of that name is for a person to look at. */
static void
check_same_guest(SimAuditor *self, const AuditStep *step)
{
    const SimCopy *source = sim_copy(self->world, step->vm, step->source);

    audit_count(self, SIM_RULE_I14);
    if (step->libvirt_id >= 0 && !step->asked && sim_copy_is_active(source) &&
        source->libvirt_id != step->libvirt_id &&
        !audit_changed_unseen(&audit_vm(self, step->vm)->at[step->source]))
        audit_breach(self, SIM_RULE_I14,
                     "%s: is %s after its migration, but on %s it is no longer the same guest",
                     audit_vm_name(self, step->vm), vr_phase_to_string(step->phase),
                     audit_host_name(self, step->source));
}

/* Listed as the machine that it is now, and taken for the one that it was. */
static void
check_same_machine(SimAuditor *self, guint index)
{
    const AuditHost *host = &self->hosts[index];

    audit_count(self, SIM_RULE_I17);
    if (g_strcmp0(sim_host(self->world, index)->uuid, host->uuid) != 0 &&
        host->lists_us[0] > host->failed_us)
        audit_breach(self, SIM_RULE_I17, "%s: is another machine, and is opened",
                     audit_host_name(self, index));
}

static void
migrate_step_changed(SimAuditor *self, guint id, VrPhase before)
{
    const AuditStep *step = &self->steps[id];

    if (step->phase == VR_PHASE_SETTLED && before != VR_PHASE_SETTLED) {
        if (self->steps[id].settled_us == AUDIT_NEVER)
            self->steps[id].settled_us = self->world->now_us;
        self->left[step->source]++;
        audit_settled(self, id);
    }
    if (step->phase == VR_PHASE_STOPPED)
        check_stopped(self, step);
    if (before == VR_PHASE_OBSERVING &&
        (step->phase == VR_PHASE_DEFERRED || step->phase == VR_PHASE_FAILED ||
         step->phase == VR_PHASE_PENDING))
        check_same_guest(self, step);
    if (step->phase == VR_PHASE_MIGRATING) {
        self->steps[id].asked = FALSE;
        self->steps[id].libvirt_id = -1;
    }
}

static void
update_step_changed(SimAuditor *self, guint id)
{
    const AuditStep *step = &self->steps[id];

    if (step->phase == VR_PHASE_SWEEPING || step->phase == VR_PHASE_OPENING ||
        step->phase == VR_PHASE_UPDATED)
        self->hosts[step->host].applied = self->hosts[step->host].set_aside = FALSE;
    if (step->phase == VR_PHASE_OPENING)
        check_same_machine(self, step->host);
}

static void
gate_step_changed(SimAuditor *self, guint id, VrPhase before)
{
    const AuditStep *step = &self->steps[id];

    if (step->phase == VR_PHASE_ALERTED)
        self->gates_open[step->source]--;
    else if (before == VR_PHASE_ALERTED)
        self->gates_open[step->source]++;
    if (step->phase != VR_PHASE_PASSED || before == VR_PHASE_PASSED)
        return;
    self->steps[id].passed_us = self->world->now_us;
    audit_gate_passed(self, id);
    audit_refuge(self, step->source, "as the gate of a target of its VMs passed");
    g_assert(self->gates_open[step->source] > 0);
    self->gates_open[step->source]--;
}

static void
step_phase(SimAuditor *self, const VrEvent *event)
{
    audit_count(self, SIM_RULE_I16);
    if (event->step == 0 || event->step > self->step_count) {
        audit_breach(self, SIM_RULE_I16, "the journal speaks of step %u, which no plan has",
                     event->step);
        return;
    }

    AuditStep *step = &self->steps[event->step];
    VrPhase before = step->phase;
    if (before == VR_PHASE_SUPERSEDED)
        audit_breach(self, SIM_RULE_RV, "step %u is superseded, and becomes %s", event->step,
                     vr_phase_to_string(event->phase));
    if (announces_a_call(event->phase) && event->attempt <= step->attempt)
        audit_breach(self, SIM_RULE_I16, "step %u: attempt %u of %s is announced after attempt %u",
                     event->step, event->attempt, vr_phase_to_string(event->phase), step->attempt);
    step->phase = event->phase;
    step->attempt = event->attempt;
    step->at_us = self->world->now_us;
    if (step->unsure && before == VR_PHASE_OBSERVING && event->phase != VR_PHASE_OBSERVING)
        audit_count(self, SIM_RULE_L4); /* decided, and in time */
    step->unsure = step->unsure && event->phase == VR_PHASE_OBSERVING;
    self->look_us = MIN(self->look_us, self->world->now_us);
    if (event->phase == VR_PHASE_NEEDS_OPERATOR) {
        step->asked = TRUE;
        person_asked(self, step);
    }
    switch (step->plan->kind) {
    case VR_STEP_UPDATE:
        update_step_changed(self, event->step);
        break;
    case VR_STEP_MIGRATE:
        migrate_step_changed(self, event->step, before);
        break;
    case VR_STEP_GATE:
        gate_step_changed(self, event->step, before);
        break;
    case VR_STEP_QUARANTINE:
        break;
    case VR_STEP_REOPEN:
        self->hosts[step->host].reopened = TRUE;
        break;
    }
}

/* What a stop lets go on: migrations of VMs that were in hand, an apply that was announced. */
static void
note_what_is_in_hand(SimAuditor *self)
{
    for (guint i = 1; i <= self->step_count; i++) {
        AuditStep *step = &self->steps[i];
        step->began_before_stop = step->plan->kind == VR_STEP_MIGRATE
                                      ? step->phase != VR_PHASE_PENDING
                                      : step->phase == VR_PHASE_APPLYING;
    }
}

static void
rollout_phase(SimAuditor *self, const VrEvent *event)
{
    if (event->rollout_phase == VR_ROLLOUT_STOPPING && self->phase != VR_ROLLOUT_STOPPING)
        note_what_is_in_hand(self);
    self->phase = event->rollout_phase;
    self->look_us = self->world->now_us;
}

static gboolean
is_of_interest(const char *kind)
{
    return strcmp(kind, vr_event_kind_to_string(VR_EVENT_STEP_PHASE)) == 0 ||
           strcmp(kind, vr_event_kind_to_string(VR_EVENT_REVISED)) == 0 ||
           strcmp(kind, vr_event_kind_to_string(VR_EVENT_HOST_ALERTED)) == 0 ||
           strcmp(kind, vr_event_kind_to_string(VR_EVENT_HOST_RELEASED)) == 0 ||
           strcmp(kind, vr_event_kind_to_string(VR_EVENT_STEPS_ADDED)) == 0 ||
           strcmp(kind, vr_event_kind_to_string(VR_EVENT_ROLLOUT_PHASE)) == 0 ||
           strcmp(kind, vr_event_kind_to_string(VR_EVENT_CALL_RETURNED)) == 0;
}

void
audit_journal_appended(SimAuditor *self, const SimFact *fact)
{
    for (guint i = 0; i < fact->count; i++) {
        g_autoptr(GError) error = NULL;

        if (!is_of_interest(fact->records[i].kind))
            continue;
        g_autoptr(VrEvent) event = vr_event_parse(&fact->records[i], &error);
        if (event == NULL) {
            audit_count(self, SIM_RULE_I8);
            audit_breach(self, SIM_RULE_I8, "what was made durable is unreadable: %s",
                         error->message);
            continue;
        }
        if (event->kind == VR_EVENT_STEP_PHASE)
            step_phase(self, event);
        else if (event->kind == VR_EVENT_REVISED)
            audit_revised(self, event);
        else if (event->host != NULL)
            audit_host_alert(self, event);
        else if (event->kind == VR_EVENT_ROLLOUT_PHASE)
            rollout_phase(self, event);
        else
            audit_call_returned(self, event);
    }
}
