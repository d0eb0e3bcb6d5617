/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is done to hosts: changed only proven empty (I3), not too many at once (I9), and not while
 * they are the way back of VMs that have left them (I15, R4).
 */
#include <string.h>

#include "audit/books.h"

/* A list that was slow, and a slow journal, may take so long. */
#define GATE_LOOK_US (60 * SIM_S)

/* ------------------------------------------------------------------ proven empty */

static void
unproven(SimAuditor *self, const SimFact *fact, const char *subject, const char *what)
{
    audit_breach(self, SIM_RULE_I3, "%s: stage %s begins although %s %s",
                 audit_host_name(self, fact->host), vr_stage_to_string(fact->stage), subject, what);
}

static void
check_empty(SimAuditor *self, const SimFact *fact)
{
    const AuditHost *host = &self->hosts[fact->host];

    for (guint i = 0; i < self->vms->len; i++) {
        const SimCopy *copy = sim_copy(self->world, i, fact->host);
        const AuditCopy *known = &audit_vm(self, i)->at[fact->host];
        gboolean came_since = !known->defined || (known->changed_us != AUDIT_NEVER &&
                                                  known->changed_us >= host->lists_us[0] &&
                                                  known->changed_by != SIM_BY_CONTROLLER);

        if (sim_copy_is_active(copy) || audit_is_incoming(copy))
            unproven(self, fact, audit_vm_name(self, i), "is there");
        else if (copy->defined && copy->autostart && !came_since)
            unproven(self, fact, audit_vm_name(self, i), "is defined there with autostart");
    }
}

static void
check_lists(SimAuditor *self, const SimFact *fact)
{
    const AuditHost *host = &self->hosts[fact->host];
    const AuditStep *step = &self->steps[fact->step];
    gint64 since_us = MAX(host->busy_us, host->stage_us);

    if (host->lister != step->issuer || host->lists_us[1] == AUDIT_NEVER)
        unproven(self, fact, "this controller", "has not listed it twice");
    else if (host->lists_us[1] < since_us)
        unproven(self, fact, "the older of two lists", "was taken before its last guest or stage");
    else if (host->closed_us == AUDIT_NEVER || host->lists_us[1] < host->closed_us)
        unproven(self, fact, "the older of two lists", "was taken before it was closed");
    else if (step->issued_us - host->lists_us[0] > AUDIT_FRESH_US)
        unproven(self, fact, "its last list", "was old when the stage was issued");
}

static void
check_proven(SimAuditor *self, const SimFact *fact)
{
    audit_count(self, SIM_RULE_I3);
    if (!sim_host(self->world, fact->host)->closed)
        unproven(self, fact, "it", "is open");
    check_empty(self, fact);
    check_lists(self, fact);
}

/* ------------------------------------------------------------------ hosts down */

static const char *
domain_of(const SimAuditor *self, guint host)
{
    gint known = vr_inventory_find_host(self->inventory, audit_host_name(self, host));

    return known < 0 ? NULL : vr_inventory_host(self->inventory, (guint)known)->failure_domain;
}

static void
check_hosts_down(SimAuditor *self, const SimFact *fact)
{
    gint64 down = 1, down_in_domain = 1;
    gint64 domain_max = self->policy->limits.hosts_down_per_domain_max;
    const char *domain = domain_of(self, fact->host);

    for (guint i = 0; i < self->host_count; i++) {
        if (i == fact->host || !self->hosts[i].applied)
            continue;
        down++;
        if (domain != NULL && g_strcmp0(domain_of(self, i), domain) == 0)
            down_in_domain++;
    }
    audit_count(self, SIM_RULE_I9);
    if (down > vr_policy_hosts_down_max(self->policy, self->host_count))
        audit_breach(self, SIM_RULE_I9, "%s: with its update %" G_GINT64_FORMAT " hosts are down",
                     audit_host_name(self, fact->host), down);
    if (domain != NULL && domain_max > 0 && down_in_domain > domain_max)
        audit_breach(self, SIM_RULE_I9,
                     "%s: with its update %" G_GINT64_FORMAT " hosts of domain %s are down",
                     audit_host_name(self, fact->host), down_in_domain, domain);
}

/* ------------------------------------------------------------------ the way back */

gboolean
audit_is_refuge(const SimAuditor *self, guint host)
{
    return self->left[host] > 0 && self->gates_open[host] > 0 && !self->hosts[host].reopened;
}

/* Every VM that leaves the host before its update has arrived, and every gate has passed. */
static void
check_drained(SimAuditor *self, const SimFact *fact)
{
    const char *host = audit_host_name(self, fact->host);

    audit_count(self, SIM_RULE_R4);
    for (guint i = 1; i < fact->step; i++) {
        const AuditStep *step = &self->steps[i];
        if (step->source != fact->host || step->phase == VR_PHASE_SUPERSEDED)
            continue;
        if (step->plan->kind == VR_STEP_GATE && step->phase != VR_PHASE_PASSED)
            audit_breach(self, SIM_RULE_R4, "%s: its update begins while its gate %u is %s", host,
                         i, vr_phase_to_string(step->phase));
        if (step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_SETTLED &&
            step->phase != VR_PHASE_STOPPED && !audit_vm_strange(self, step->vm) &&
            !audit_vm_repaired(self, step->vm))
            audit_breach(self, SIM_RULE_R4, "%s: its update begins while %s is durably only %s",
                         host, audit_vm_name(self, step->vm), vr_phase_to_string(step->phase));
    }
}

/* A gate of its target and of this refuge has watched it for its time, whatever the plans said. */
static gboolean
was_watched(const SimAuditor *self, const AuditStep *arrival)
{
    gint64 length_us = self->policy->limits.gate_s * SIM_S - GATE_LOOK_US;

    for (guint i = 1; i <= self->step_count; i++) {
        const AuditStep *gate = &self->steps[i];
        if (gate->plan->kind == VR_STEP_GATE && gate->passed_us != AUDIT_NEVER &&
            gate->host == arrival->target && gate->source == arrival->source &&
            gate->passed_us >= arrival->settled_us + length_us)
            return TRUE;
    }
    return FALSE;
}

static void
check_watched(SimAuditor *self, const SimFact *fact)
{
    if (self->policy->limits.gate_s == 0 || self->world->faults.struck[SIM_FAULT_CLOCK_JUMP] > 0)
        return;
    for (guint i = 1; i <= self->step_count; i++) {
        const AuditStep *step = &self->steps[i];
        if (step->plan->kind != VR_STEP_MIGRATE || step->phase != VR_PHASE_SETTLED ||
            step->plan->extra || step->plan->back || audit_has_left_again(self, i) ||
            step->source != fact->host || audit_vm_strange(self, step->vm) ||
            audit_vm_repaired(self, step->vm))
            continue;
        audit_count(self, SIM_RULE_R4);
        if (!was_watched(self, step))
            audit_breach(self, SIM_RULE_R4,
                         "%s: is updated before a gate has watched %s, which left it for %s",
                         audit_host_name(self, fact->host), audit_vm_name(self, step->vm),
                         audit_host_name(self, step->target));
    }
}

/* What has left the host, and what has come since; those that are still to leave do not matter. */
static void
sum_memory(const SimAuditor *self, guint host, gint64 *out_left_mib, gint64 *out_there_mib,
           const char **out_back)
{
    *out_left_mib = *out_there_mib = 0;
    for (guint i = 1; i <= self->step_count; i++) {
        const AuditStep *step = &self->steps[i];
        if (step->plan->kind != VR_STEP_MIGRATE || step->source != host ||
            step->phase != VR_PHASE_SETTLED || audit_has_left_again(self, i))
            continue;
        const SimCopy *copy = sim_copy(self->world, step->vm, host);
        gboolean is_strange = audit_vm_strange(self, step->vm);
        if (!sim_copy_is_active(copy)) /* who was put there by a stranger may have been too much */
            *out_left_mib += is_strange ? 0 : sim_vm(self->world, step->vm)->memory_mib;
        else if (!is_strange && !audit_vm_repaired(self, step->vm))
            *out_back = audit_vm_name(self, step->vm);
    }
    for (guint i = 0; i < self->vms->len; i++) {
        if (sim_copy_is_active(sim_copy(self->world, i, host)) && !audit_vm_strange(self, i))
            *out_there_mib += sim_vm(self->world, i)->memory_mib;
    }
}

void
audit_refuge(SimAuditor *self, guint host, const char *when)
{
    const char *name = audit_host_name(self, host);
    const SimHost *truth = sim_host(self->world, host);
    const AuditHost *known = &self->hosts[host];
    const char *back = NULL;
    gint64 left_mib, there_mib;

    if (!audit_is_refuge(self, host))
        return;
    audit_count(self, SIM_RULE_I15);
    audit_count(self, SIM_RULE_R4);
    sum_memory(self, host, &left_mib, &there_mib, &back);
    if (!truth->closed)
        audit_breach(self, SIM_RULE_R4, "%s: is open %s", name, when);
    if (!known->updated_before && (truth->updated || truth->staged))
        audit_breach(self, SIM_RULE_R4, "%s: is updated %s", name, when);
    if (back != NULL)
        audit_breach(self, SIM_RULE_R4, "%s: has %s again %s", name, back, when);
    if (!truth->up && known->failed_us == AUDIT_NEVER)
        audit_breach(self, SIM_RULE_I15, "%s: is down %s", name, when);
    if (left_mib + there_mib >
        MAX(known->memory_before_mib, vr_policy_usable_mib(self->policy, truth->memory_mib)))
        audit_breach(self, SIM_RULE_I15,
                     "%s: holds %" G_GINT64_FORMAT " MiB %s, and %" G_GINT64_FORMAT
                     " MiB could not come back",
                     name, there_mib, when, left_mib);
}

/* Not alive there for so long before its gate passed, and listed since: the look was wasted. */
static gboolean
was_seen_gone(const SimAuditor *self, const AuditStep *arrival)
{
    const AuditVm *vm = audit_vm(self, arrival->vm);
    gint64 seen_us =
        MIN(self->hosts[arrival->target].lists_us[0], self->world->now_us - GATE_LOOK_US);

    return !sim_copy_is_active(sim_copy(self->world, arrival->vm, arrival->target)) &&
           vm->at[arrival->target].changed_us < seen_us &&
           sim_vm(self->world, arrival->vm)->wish != SIM_WISH_OFF &&
           !audit_vm_strange(self, arrival->vm) && !audit_vm_repaired(self, arrival->vm);
}

/* It has watched each of its VMs for its length, from the decision on, and then all were alive. */
void
audit_gate_passed(SimAuditor *self, guint id)
{
    const AuditStep *gate = &self->steps[id];
    gint64 length_us = self->policy->limits.gate_s * SIM_S - GATE_LOOK_US;
    gboolean jumped = self->world->faults.struck[SIM_FAULT_CLOCK_JUMP] > 0;

    audit_count(self, SIM_RULE_R4);
    for (guint i = 0; i < gate->plan->after->len; i++) {
        const AuditStep *arrival = &self->steps[g_array_index(gate->plan->after, guint, i)];
        if (arrival->plan->kind != VR_STEP_MIGRATE || arrival->phase != VR_PHASE_SETTLED)
            continue;
        if (!jumped && self->world->now_us - arrival->settled_us < length_us)
            audit_breach(self, SIM_RULE_R4, "%s: its gate passes before its time",
                         audit_vm_name(self, arrival->vm));
        if (was_seen_gone(self, arrival))
            audit_breach(self, SIM_RULE_R4, "%s: its gate passes, and it is not alive on %s",
                         audit_vm_name(self, arrival->vm), audit_host_name(self, arrival->target));
    }
}

/* ------------------------------------------------------------------ facts */

void
audit_stage_begins(SimAuditor *self, const SimFact *fact)
{
    const char *name = audit_host_name(self, fact->host);
    AuditHost *host = &self->hosts[fact->host];

    g_assert(fact->step >= 1 && fact->step <= self->step_count);
    AuditStep *step = &self->steps[fact->step];
    audit_count(self, SIM_RULE_I16);
    if (step->stage_attempt == fact->attempt)
        audit_breach(self, SIM_RULE_I16, "%s: stage %s, attempt %u, begins twice", name,
                     vr_stage_to_string(fact->stage), fact->attempt);
    step->stage_attempt = fact->attempt;
    if (fact->stage != VR_STAGE_APPLY && fact->stage != VR_STAGE_REBOOT)
        return;
    check_proven(self, fact);
    check_drained(self, fact);
    check_watched(self, fact);
    if (fact->stage == VR_STAGE_APPLY) {
        check_hosts_down(self, fact);
        host->applied = TRUE;
    }
    host->stage_us = self->world->now_us;
}

void
audit_host_changed(SimAuditor *self, const SimFact *fact)
{
    const SimHost *truth = sim_host(self->world, fact->host);
    AuditHost *host = &self->hosts[fact->host];

    audit_copies_sync(self, fact->host);
    if (fact->cause == SIM_BY_FAULT)
        host->failed_us = self->world->now_us;
    if (truth->closed && host->closed_us == AUDIT_NEVER) {
        host->closed_us = self->world->now_us;
        host->reopened = FALSE;
    } else if (!truth->closed) {
        host->closed_us = AUDIT_NEVER;
    }
    if (fact->cause == SIM_BY_CONTROLLER)
        audit_refuge(self, fact->host, "after what the controller did to it");
}

void
audit_list_seen(SimAuditor *self, const SimFact *fact)
{
    AuditHost *host = &self->hosts[fact->host];

    if (!fact->reachable)
        return;
    audit_copies_sync(self, fact->host);
    if (host->lister != fact->controller)
        host->lists_us[0] = AUDIT_NEVER;
    host->lister = fact->controller;
    host->lists_us[1] = host->lists_us[0];
    host->lists_us[0] = fact->at_us;
}
