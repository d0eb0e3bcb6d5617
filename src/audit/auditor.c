/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor's life, and which fact is looked at by which rules. */
#include <stdarg.h>
#include <string.h>

#include "audit/books.h"

#define RULE_NAME(member, name, text) name,
#define RULE_TEXT(member, name, text) text,
static const char *const rule_names[] = {SIM_RULES(RULE_NAME)};
static const char *const rule_texts[] = {SIM_RULES(RULE_TEXT)};

const char *
sim_rule_name(SimRule rule)
{
    g_assert((guint)rule < SIM_RULE_COUNT);
    return rule_names[rule];
}

const char *
sim_rule_text(SimRule rule)
{
    g_assert((guint)rule < SIM_RULE_COUNT);
    return rule_texts[rule];
}

void
audit_count(SimAuditor *self, SimRule rule)
{
    self->evaluations[rule]++;
}

void
audit_breach(SimAuditor *self, SimRule rule, const char *format, ...)
{
    va_list arguments;

    if (self->breach != NULL)
        return;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    self->breached = rule;
    self->breach =
        g_strdup_printf("%s: %s (at %" G_GINT64_FORMAT ".%03d s; %s)", sim_rule_name(rule), what,
                        self->world->now_us / SIM_S, (int)(self->world->now_us % SIM_S / SIM_MS),
                        sim_rule_text(rule));
}

/* ------------------------------------------------------------------ life */

guint
audit_find_host(const SimAuditor *self, const char *name)
{
    for (guint i = 0; name != NULL && i < self->host_count; i++) {
        if (strcmp(audit_host_name(self, i), name) == 0)
            return i;
    }
    return SIM_NOWHERE;
}

static void
free_vm(gpointer data)
{
    AuditVm *vm = (AuditVm *)data;

    if (vm->calls != NULL)
        g_array_unref(vm->calls);
    if (vm->steps != NULL)
        g_array_unref(vm->steps);
    g_free(vm->at);
    g_free(vm);
}

/* Strangers bring new VMs, so there may be more than last time. */
static void
see_all_vms(SimAuditor *self)
{
    while (self->vms->len < self->world->vms->len) {
        AuditVm *vm = g_new0(AuditVm, 1);
        const char *uuid = sim_vm(self->world, self->vms->len)->uuid;
        gint known = vr_inventory_find_vm(self->inventory, uuid);

        vm->group = known < 0 ? -1 : vr_inventory_vm(self->inventory, (guint)known)->group_index;
        vm->at = g_new0(AuditCopy, self->host_count);
        vm->split_us = vm->limbo_us = vm->arrived_us = AUDIT_NEVER;
        for (guint i = 0; i < AUDIT_CAUSES; i++)
            vm->touched_us[i] = AUDIT_NEVER;
        g_ptr_array_add(self->vms, vm);
        audit_copies_init(self, self->vms->len - 1);
    }
}

static guint
find_vm(const SimAuditor *self, const char *uuid)
{
    for (guint i = 0; i < self->vms->len; i++) {
        if (strcmp(sim_vm(self->world, i)->uuid, uuid) == 0)
            return i;
    }
    g_assert_not_reached();
}

void
audit_step_init(SimAuditor *self, const VrPlanStep *plan)
{
    AuditStep *step = &self->steps[plan->id];

    g_assert(plan->id >= 1 && plan->id <= self->step_count);
    step->plan = plan;
    step->settled_us = step->looked_us = step->passed_us = AUDIT_NEVER;
    step->libvirt_id = -1;
    step->vm = SIM_NOWHERE;
    step->source = audit_find_host(self, plan->source);
    step->target = audit_find_host(self, plan->target);
    step->host = audit_find_host(self, plan->host);
    if (plan->kind == VR_STEP_UPDATE)
        self->hosts[step->host].update = plan->id;
    if (plan->kind == VR_STEP_GATE)
        self->gates_open[step->source]++;
    if (plan->kind != VR_STEP_MIGRATE)
        return;

    step->vm = find_vm(self, plan->vm_uuid);
    AuditVm *vm = audit_vm(self, step->vm);
    if (vm->steps == NULL)
        vm->steps = g_array_new(FALSE, FALSE, sizeof(guint));
    g_array_append_val(vm->steps, plan->id);
    vm->extras += plan->extra || plan->back ? 1 : 0;
}

static void
init_host(SimAuditor *self, guint index)
{
    AuditHost *host = &self->hosts[index];
    gint known = vr_inventory_find_host(self->inventory, audit_host_name(self, index));

    host->updated_before =
        known >= 0 && vr_inventory_host(self->inventory, (guint)known)->updated == VR_UPDATED_YES;
    host->uuid = g_strdup(sim_host(self->world, index)->uuid);
    host->lists_us[0] = host->lists_us[1] = AUDIT_NEVER;
    host->busy_us = host->crowded_us = host->failed_us = host->stage_us = AUDIT_NEVER;
    host->closed_us = sim_host(self->world, index)->closed ? self->world->now_us : AUDIT_NEVER;
}

static void
free_plan(gpointer data)
{
    vr_plan_free(data);
}

SimAuditor *
sim_auditor_new(const SimWorld *world, const VrPlan *plan, const VrPolicy *policy,
                const VrInventory *inventory)
{
    SimAuditor *self = g_new0(SimAuditor, 1);

    self->world = world;
    self->plans = g_ptr_array_new_with_free_func(free_plan);
    self->policy = policy;
    self->inventory = inventory;
    self->host_count = world->hosts->len;
    self->step_count = plan->steps->len;
    self->hosts = g_new0(AuditHost, self->host_count);
    self->steps = g_new0(AuditStep, self->step_count + 1);
    self->gates_open = g_new0(guint, self->host_count);
    self->left = g_new0(guint, self->host_count);
    self->vms = g_ptr_array_new_with_free_func(free_vm);
    self->in_limbo = g_array_new(FALSE, FALSE, sizeof(guint));
    self->failed_appends = g_array_new(FALSE, FALSE, sizeof(guint));
    self->ended_us = AUDIT_NEVER;
    for (guint i = 0; i < self->host_count; i++)
        init_host(self, i);
    see_all_vms(self);
    for (guint i = 0; i < self->step_count; i++)
        audit_step_init(self, vr_plan_step(plan, i));
    return self;
}

void
sim_auditor_free(SimAuditor *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->vms);
    g_ptr_array_unref(self->plans);
    g_array_unref(self->in_limbo);
    g_array_unref(self->failed_appends);
    for (guint i = 0; i < self->host_count; i++)
        g_free(self->hosts[i].uuid);
    g_free(self->hosts);
    g_free(self->steps);
    g_free(self->gates_open);
    g_free(self->left);
    g_free(self->breach);
    g_free(self);
}

/* ------------------------------------------------------------------ facts */

static void
controller_starts(SimAuditor *self, const SimFact *fact)
{
    self->controller = fact->controller;
    self->started_us = self->calm_us = self->heard_us = self->world->now_us;
    self->look_us = self->world->now_us;
    for (guint i = 1; i <= self->step_count; i++)
        self->steps[i].unsure = TRUE;
}

static void
controller_ends(SimAuditor *self, const SimFact *fact)
{
    self->ended_us = self->world->now_us;
    audit_calls_orphaned(self, fact->controller);
    if (self->controller == fact->controller)
        self->controller = 0;
}

static void
read_seen(SimAuditor *self, const SimFact *fact)
{
    AuditCopy *copy = &audit_vm(self, fact->vm)->at[fact->host];

    copy->side_before = copy->reader == fact->controller ? copy->side : VR_SIDE_UNKNOWN;
    copy->reader = fact->controller;
    copy->read_us = fact->side == VR_SIDE_UNKNOWN ? AUDIT_NEVER : copy->taken_us;
    copy->side = fact->side;
}

/* One that was stalled and goes on has all its time from then on. */
static void
hear(SimAuditor *self, const SimFact *fact)
{
    if (fact->controller == 0 || fact->controller != self->controller)
        return;
    if (self->world->now_us - self->heard_us > AUDIT_SILENT_US)
        self->calm_us = self->world->now_us;
    self->heard_us = self->world->now_us;
}

void
sim_auditor_see(const SimFact *fact, gpointer data)
{
    SimAuditor *self = (SimAuditor *)data;

    see_all_vms(self);
    if (fact->kind != SIM_FACT_READ_TAKEN && fact->kind != SIM_FACT_MIGRATE_BEGINS &&
        fact->kind != SIM_FACT_ACT_BEGINS)
        hear(self, fact);
    switch (fact->kind) {
    case SIM_FACT_MIGRATE_ISSUED:
        audit_issue_migration(self, fact);
        break;
    case SIM_FACT_MIGRATE_BEGINS:
        audit_migration_begins(self, fact);
        break;
    case SIM_FACT_MIGRATE_OVER:
        audit_migration_over(self, fact);
        break;
    case SIM_FACT_ACT_ISSUED:
        audit_issue_action(self, fact);
        break;
    case SIM_FACT_ACT_BEGINS:
        audit_action_begins(self, fact);
        break;
    case SIM_FACT_STAGE_ISSUED:
        audit_issue_stage(self, fact);
        break;
    case SIM_FACT_STAGE_BEGINS:
        audit_stage_begins(self, fact);
        break;
    case SIM_FACT_READ_TAKEN:
        audit_copy_sync(self, fact->vm, fact->host, self->world->now_us - 1);
        audit_vm(self, fact->vm)->at[fact->host].taken_us = self->world->now_us;
        break;
    case SIM_FACT_READ_SEEN:
        read_seen(self, fact);
        break;
    case SIM_FACT_LIST_SEEN:
        audit_list_seen(self, fact);
        break;
    case SIM_FACT_COPY_CHANGED:
        audit_copy_changed(self, fact);
        break;
    case SIM_FACT_HOST_CHANGED:
        audit_host_changed(self, fact);
        break;
    case SIM_FACT_APPENDED:
        audit_journal_appended(self, fact);
        break;
    case SIM_FACT_APPEND_FAILED:
        g_array_append_val(self->failed_appends, fact->controller);
        break;
    case SIM_FACT_CONTROLLER_STARTS:
        controller_starts(self, fact);
        break;
    case SIM_FACT_CONTROLLER_ENDS:
        controller_ends(self, fact);
        break;
    case SIM_FACT_HEALED:
        self->calm_us = self->look_us = self->world->now_us;
        break;
    case SIM_FACT_APPEND_ISSUED:
    case SIM_FACT_ASKED:
        break;
    }
}

void
sim_auditor_look(SimAuditor *self)
{
    if (self->breach == NULL && self->world->now_us >= self->look_us)
        audit_time_look(self);
}

void
sim_auditor_rest(SimAuditor *self, VrRolloutPhase phase, gboolean final)
{
    audit_end(self, phase, final);
}

void
sim_auditor_endless(SimAuditor *self, const char *where)
{
    audit_count(self, SIM_RULE_L1);
    audit_breach(self, SIM_RULE_L1, "the rollout has not come to rest: %s", where);
}

const char *
sim_auditor_breach(const SimAuditor *self)
{
    return self->breach;
}

SimRule
sim_auditor_breached_rule(const SimAuditor *self)
{
    g_assert(self->breach != NULL);
    return self->breached;
}

const guint64 *
sim_auditor_evaluations(const SimAuditor *self)
{
    return self->evaluations;
}
