/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Actions on a guest's copies: what was read before they were issued (I11), and what the world is
 * really like when they begin (I4, I5, I7, I14).
 */
#include "audit/books.h"

#define SIDE(word) (1u << VR_SIDE_##word)
#define TAKEN_OVER (SIDE(RUNNING) | SIDE(USER))

/* ------------------------------------------------------------------ when issued */

static void
need_read(SimAuditor *self, const SimFact *fact, guint host, guint sides)
{
    const AuditCopy *copy = &audit_vm(self, fact->vm)->at[host];
    const char *why = NULL;

    if (copy->reader != fact->controller)
        why = "this controller has not read it there";
    else if (copy->read_us == AUDIT_NEVER)
        why = "the last read of it came back unknown";
    else if (self->world->now_us - copy->read_us > AUDIT_FRESH_US)
        why = "the read of it is old";
    else if ((sides >> copy->side & 1) == 0)
        why = vr_side_to_string(copy->side);
    audit_count(self, SIM_RULE_I11);
    if (why != NULL)
        audit_breach(self, SIM_RULE_I11, "%s: %s is issued, but of its copy on %s: %s",
                     audit_vm_name(self, fact->vm), vr_action_to_string(fact->action),
                     audit_host_name(self, host), why);
}

/*
 * What cannot be undone rests on two reads in a row that each gave what it needs. They may differ:
 * a guest that has taken over has done so whether its owner pauses it in between or not.
 */
static void
need_twice(SimAuditor *self, const SimFact *fact, guint host, guint sides)
{
    audit_count(self, SIM_RULE_I11);
    if ((sides >> audit_vm(self, fact->vm)->at[host].side_before & 1) == 0)
        audit_breach(self, SIM_RULE_I11, "%s: %s is issued after one look at its copy on %s",
                     audit_vm_name(self, fact->vm), vr_action_to_string(fact->action),
                     audit_host_name(self, host));
}

static gboolean
is_down_for_update(const SimAuditor *self, guint host)
{
    const AuditHost *known = &self->hosts[host];
    VrPhase phase = self->steps[known->update].phase;

    return known->applied || known->set_aside ||
           (phase >= VR_PHASE_APPLYING && phase <= VR_PHASE_SWEEPING);
}

static gboolean
was_listed(const SimAuditor *self, const SimFact *fact, guint host)
{
    const AuditHost *known = &self->hosts[host];

    return known->lister == fact->controller && known->lists_us[0] != AUDIT_NEVER &&
           self->world->now_us - known->lists_us[0] <= AUDIT_FRESH_US;
}

static void
need_nowhere_else(SimAuditor *self, const SimFact *fact, const AuditStep *step)
{
    for (guint i = 0; i < self->host_count; i++) {
        if (i != step->source && i != step->target && !is_down_for_update(self, i) &&
            !was_listed(self, fact, i))
            need_read(self, fact, i, SIDE(ABSENT));
    }
}

void
audit_action_issued(SimAuditor *self, const SimFact *fact, guint id)
{
    const AuditStep *step = &self->steps[id];

    switch (fact->action) {
    case VR_ACTION_RESUME_SOURCE:
        need_read(self, fact, step->source, SIDE(MIGRATION));
        need_read(self, fact, step->target, SIDE(ABSENT));
        need_twice(self, fact, step->target, SIDE(ABSENT));
        need_nowhere_else(self, fact, step);
        break;
    case VR_ACTION_DESTROY_SOURCE:
        need_read(self, fact, step->source, SIDE(MIGRATION));
        need_read(self, fact, step->target, TAKEN_OVER);
        need_twice(self, fact, step->target, TAKEN_OVER);
        break;
    case VR_ACTION_UNDEFINE_SOURCE:
        need_read(self, fact, step->source, SIDE(OFF));
        need_read(self, fact, step->target, TAKEN_OVER);
        break;
    case VR_ACTION_UNDEFINE_TARGET:
        need_read(self, fact, step->source, TAKEN_OVER);
        need_read(self, fact, step->target, SIDE(OFF_FAILED));
        break;
    case VR_ACTION_ABORT:
    case VR_ACTION_DEFINE_TARGET:
    case VR_ACTION_SET_AUTOSTART:
        break;
    }
}

void
audit_split(SimAuditor *self, const SimFact *fact)
{
    const AuditVm *vm = audit_vm(self, fact->vm);
    gint64 seen_us = G_MAXINT64;

    if (fact->kind == SIM_FACT_ACT_ISSUED && fact->action == VR_ACTION_ABORT)
        return;
    audit_count(self, SIM_RULE_I4);
    if (vm->split_us == AUDIT_NEVER)
        return;
    for (guint i = 0; i < self->host_count; i++) {
        if (sim_copy_runs(sim_copy(self->world, fact->vm, i)))
            seen_us = MIN(seen_us, vm->at[i].read_us);
    }
    if ((vm->split_unasked || audit_running_copies(self, fact->vm) > 1) && seen_us >= vm->split_us)
        audit_breach(self, SIM_RULE_I4,
                     "%s: ran on two hosts since %" G_GINT64_FORMAT " s, and is acted on",
                     audit_vm_name(self, fact->vm), vm->split_us / SIM_S);
}

/* ------------------------------------------------------------------ when it takes effect */

static void
acts(SimAuditor *self, const SimFact *fact, SimRule rule, const char *why)
{
    audit_breach(self, rule, "%s: %s on %s: %s", audit_vm_name(self, fact->vm),
                 vr_action_to_string(fact->action), audit_host_name(self, fact->host), why);
}

/* Who has the guest now, if not this copy; SIM_NOWHERE. */
static guint
find_heir(const SimAuditor *self, const SimFact *fact)
{
    guint64 memory = sim_copy(self->world, fact->vm, fact->host)->memory;

    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, fact->vm, i);
        if (i != fact->host && sim_copy_is_active(copy) && copy->memory > memory)
            return i;
    }
    return SIM_NOWHERE;
}

static void
check_destroy(SimAuditor *self, const SimFact *fact, gboolean disturbed)
{
    guint heir = find_heir(self, fact);

    if (sim_copy(self->world, fact->vm, fact->host)->memory ==
            audit_newest_memory(self, fact->vm) &&
        heir == SIM_NOWHERE)
        acts(self, fact, SIM_RULE_I4, "it has the newest memory");
    else if (heir == SIM_NOWHERE && !disturbed)
        acts(self, fact, SIM_RULE_I4, "no newer copy is alive");
    if (sim_copy_runs(sim_copy(self->world, fact->vm, fact->host)) && !disturbed)
        acts(self, fact, SIM_RULE_I4, "it runs");
    if (heir == SIM_NOWHERE)
        return;
    if (!sim_copy(self->world, fact->vm, heir)->on_disk && !disturbed)
        acts(self, fact, SIM_RULE_I4, "the newer copy is not persistent");
    if (audit_is_incoming(sim_copy(self->world, fact->vm, heir)))
        acts(self, fact, SIM_RULE_I4, "the newer copy's migration is not over: it may be ended");
}

static void
check_undefine(SimAuditor *self, const SimFact *fact, gboolean disturbed)
{
    const SimCopy *own = sim_copy(self->world, fact->vm, fact->host);
    gboolean defined_elsewhere = FALSE;
    gboolean alive_elsewhere = FALSE;

    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, fact->vm, i);
        if (i == fact->host)
            continue;
        defined_elsewhere |= copy->on_disk;
        alive_elsewhere |= sim_copy_is_active(copy) && copy->memory >= own->memory;
    }
    if (sim_copy_is_active(own) && !disturbed)
        acts(self, fact, SIM_RULE_I4, "it is active");
    if (!defined_elsewhere && !disturbed)
        acts(self, fact, SIM_RULE_I4, "it is defined nowhere else");
    if (!alive_elsewhere && !disturbed)
        acts(self, fact, SIM_RULE_I4, "no copy as new is alive elsewhere");
}

static void
check_resume(SimAuditor *self, const SimFact *fact, gboolean disturbed)
{
    const AuditVm *vm = audit_vm(self, fact->vm);
    const SimMigration *migration = audit_migration(self, fact->vm);

    if (sim_copy(self->world, fact->vm, fact->host)->memory < audit_newest_memory(self, fact->vm) &&
        !disturbed)
        acts(self, fact, SIM_RULE_I5, "its memory is old");
    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, fact->vm, i);
        if (i == fact->host || disturbed)
            continue;
        if (sim_copy_is_active(copy))
            acts(self, fact, SIM_RULE_I5, "another copy is alive");
        else if (copy->defined && vm->at[i].defined && !audit_changed_unseen(&vm->at[i]))
            acts(self, fact, SIM_RULE_I5, "it is defined elsewhere, where it may have run");
    }
    if (migration != NULL && !migration->foreign)
        acts(self, fact, SIM_RULE_I5, "a migration of it is in flight");
    if (audit_call_may_begin(self, fact->vm))
        acts(self, fact, SIM_RULE_I5, "a migrate call may still begin");
    audit_count(self, SIM_RULE_I14);
    if (vm->paused_at_begin && !disturbed)
        acts(self, fact, SIM_RULE_I14, "it was paused by its owner before it migrated");
}

static void
check_define(SimAuditor *self, const SimFact *fact, gboolean disturbed)
{
    if (!sim_copy_is_active(sim_copy(self->world, fact->vm, fact->host)) && !disturbed)
        acts(self, fact, SIM_RULE_I4, "it is defined where it is not alive");
}

void
audit_action_begins(SimAuditor *self, const SimFact *fact)
{
    const AuditCopy *known = &audit_vm(self, fact->vm)->at[fact->host];
    /* What came after it was issued no controller could know of. */
    gint64 since_us = MIN(known->read_us, audit_vm(self, fact->vm)->acting_us);
    gboolean disturbed = audit_vm_disturbed_since(self, fact->vm, since_us);

    audit_count(self, fact->action == VR_ACTION_RESUME_SOURCE ? SIM_RULE_I5 : SIM_RULE_I4);
    switch (fact->action) {
    case VR_ACTION_DESTROY_SOURCE:
        check_destroy(self, fact, disturbed);
        break;
    case VR_ACTION_UNDEFINE_SOURCE:
    case VR_ACTION_UNDEFINE_TARGET:
        check_undefine(self, fact, disturbed);
        break;
    case VR_ACTION_RESUME_SOURCE:
        check_resume(self, fact, disturbed);
        break;
    case VR_ACTION_DEFINE_TARGET:
        check_define(self, fact, disturbed);
        break;
    case VR_ACTION_ABORT:
    case VR_ACTION_SET_AUTOSTART:
        break;
    }
}
