/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of migrate: one at a time (I6), within limits (I9), onto good hosts (I17, R2). */
#include "audit/books.h"

static gint64
fence_us(const SimAuditor *self)
{
    return self->policy->recovery.fence_ms * SIM_MS;
}

/* May its daemon still begin it, as far as the present controller can know? */
static gboolean
is_outstanding(const SimAuditor *self, const AuditCall *call)
{
    return !call->returned &&
           (!call->orphaned || self->world->now_us < call->issued_us + fence_us(self));
}

static void
check_alone(SimAuditor *self, const SimFact *fact)
{
    const char *name = audit_vm_name(self, fact->vm);
    const SimMigration *other = audit_migration(self, fact->vm);
    const AuditVm *vm = audit_vm(self, fact->vm);

    audit_count(self, SIM_RULE_I6);
    if (other != NULL && other->begun_us <= vm->at[fact->host].read_us)
        audit_breach(self, SIM_RULE_I6,
                     "%s: a migration to %s is issued while one from %s to %s "
                     "is in flight",
                     name, audit_host_name(self, fact->other), audit_host_name(self, other->source),
                     audit_host_name(self, other->target));
    for (guint i = 0; vm->calls != NULL && i < vm->calls->len; i++) {
        const AuditCall *call = &g_array_index(vm->calls, AuditCall, i);
        if (is_outstanding(self, call))
            audit_breach(self, SIM_RULE_I6,
                         "%s: a migration to %s is issued while that to %s, issued by controller "
                         "%u, may still begin",
                         name, audit_host_name(self, fact->other),
                         audit_host_name(self, call->target), call->controller);
    }
}

/* Only a target without a definition lets a later "no definition" mean "it never ran there". */
static void
check_target_is_free(SimAuditor *self, const SimFact *fact)
{
    const SimCopy *copy = sim_copy(self->world, fact->vm, fact->other);
    const AuditCopy *known = &audit_vm(self, fact->vm)->at[fact->other];

    audit_count(self, SIM_RULE_I11);
    if ((sim_copy_is_active(copy) || (copy->defined && known->defined)) &&
        !audit_changed_unseen(known))
        audit_breach(self, SIM_RULE_I11, "%s: a migration to %s is issued, which has it already",
                     audit_vm_name(self, fact->vm), audit_host_name(self, fact->other));
}

static void
check_target_is_good(SimAuditor *self, const SimFact *fact, guint id)
{
    const char *name = audit_vm_name(self, fact->vm);
    const char *target = audit_host_name(self, fact->other);
    const AuditHost *host = &self->hosts[fact->other];
    gboolean back = self->steps[id].plan->back;
    gboolean extra = self->steps[id].plan->extra || back;

    audit_count(self, SIM_RULE_I17);
    if (host->update != 0) {
        VrPhase phase = self->steps[host->update].phase;
        if (phase == VR_PHASE_FAILED || (phase == VR_PHASE_NEEDS_OPERATOR && !back))
            audit_breach(self, SIM_RULE_I17, "%s: sent to %s, whose update is %s", name, target,
                         vr_phase_to_string(phase));
        audit_count(self, SIM_RULE_I8);
        if (phase != VR_PHASE_UPDATED && !extra && !host->updated_before)
            audit_breach(self, SIM_RULE_I8, "%s: sent to %s, whose update is durably only %s", name,
                         target, vr_phase_to_string(phase));
    }
    audit_count(self, SIM_RULE_R4);
    if (host->alerted)
        audit_breach(self, SIM_RULE_I17, "%s: sent to %s, which is in alert", name, target);
    if (audit_is_refuge(self, fact->other) && !back)
        audit_breach(self, SIM_RULE_R4, "%s: sent to %s, which is kept empty for the way back",
                     name, target);
    if (!sim_host(self->world, fact->other)->updated && !extra)
        audit_breach(self, SIM_RULE_I17, "%s: sent to %s, which is not updated", name, target);
}

/* From its first migration on: what comes meanwhile would be there when it is updated. */
static void
check_source_is_closed(SimAuditor *self, const SimFact *fact)
{
    if (self->hosts[fact->host].update == 0)
        return;
    audit_count(self, SIM_RULE_R4);
    if (!sim_host(self->world, fact->host)->closed)
        audit_breach(self, SIM_RULE_R4, "%s: leaves %s, which is not closed",
                     audit_vm_name(self, fact->vm), audit_host_name(self, fact->host));
}

void
audit_migration_issued(SimAuditor *self, const SimFact *fact, guint step)
{
    AuditVm *vm = audit_vm(self, fact->vm);
    AuditCall call = {
        .controller = fact->controller,
        .step = step,
        .attempt = self->steps[step].attempt,
        .source = fact->host,
        .target = fact->other,
        .issued_us = self->world->now_us,
    };

    check_alone(self, fact);
    check_source_is_closed(self, fact);
    check_target_is_free(self, fact);
    check_target_is_good(self, fact, step);
    if (vm->calls == NULL)
        vm->calls = g_array_new(FALSE, FALSE, sizeof(AuditCall));
    g_array_append_val(vm->calls, call);
}

gboolean
audit_call_may_begin(const SimAuditor *self, guint vm)
{
    const GArray *calls = audit_vm(self, vm)->calls;

    for (guint i = 0; calls != NULL && i < calls->len; i++) {
        if (is_outstanding(self, &g_array_index(calls, AuditCall, i)))
            return TRUE;
    }
    return FALSE;
}

/* One that was given up without an answer has a fence in its record. */
void
audit_call_returned(SimAuditor *self, const VrEvent *event)
{
    guint step = event->step;

    if (step == 0 || step > self->step_count || self->steps[step].plan->kind != VR_STEP_MIGRATE)
        return;
    GArray *calls = audit_vm(self, self->steps[step].vm)->calls;

    for (guint i = 0; calls != NULL && i < calls->len; i++) {
        AuditCall *call = &g_array_index(calls, AuditCall, i);
        if (call->step != step || call->attempt != event->attempt)
            continue;
        call->returned = event->deadline_us == 0;
        call->orphaned = TRUE;
    }
}

void
audit_calls_orphaned(SimAuditor *self, guint controller)
{
    for (guint i = 0; i < self->vms->len; i++) {
        GArray *calls = audit_vm(self, i)->calls;
        for (guint k = 0; calls != NULL && k < calls->len; k++) {
            AuditCall *call = &g_array_index(calls, AuditCall, k);
            if (call->controller == controller)
                call->orphaned = TRUE;
        }
    }
}

/* ------------------------------------------------------------------ at the daemon */

/* The newest call with these ends is the one that begins. FALSE: none was out. */
static gboolean
take_call(SimAuditor *self, const SimFact *fact, AuditCall *out_call)
{
    GArray *calls = audit_vm(self, fact->vm)->calls;

    for (guint i = calls == NULL ? 0 : calls->len; i > 0; i--) {
        const AuditCall *call = &g_array_index(calls, AuditCall, i - 1);
        if (call->controller == fact->controller && call->source == fact->host &&
            call->target == fact->other) {
            *out_call = *call;
            g_array_remove_index(calls, i - 1);
            return TRUE;
        }
    }
    return FALSE;
}

/* The engine has not yet made up its mind on how the call ended. */
static gboolean
is_undecided(const AuditStep *step, guint attempt)
{
    if (step->phase == VR_PHASE_MIGRATING)
        return step->attempt == attempt;
    return step->phase == VR_PHASE_ABORTING || step->phase == VR_PHASE_OBSERVING ||
           step->phase == VR_PHASE_NEEDS_OPERATOR;
}

static void
check_limits(SimAuditor *self, const SimFact *fact)
{
    const VrLimits *limits = &self->policy->limits;
    gint64 out = 1, in = 1, all = 1;

    for (guint i = 0; i < self->world->migrations->len; i++) {
        const SimMigration *other = &g_array_index(self->world->migrations, SimMigration, i);
        if (!other->live || other->foreign)
            continue;
        all++;
        out += other->source == fact->host ? 1 : 0;
        in += other->target == fact->other ? 1 : 0;
    }
    audit_count(self, SIM_RULE_I9);
    if (out > limits->migrations_out_per_host || in > limits->migrations_in_per_host ||
        (limits->migrations_max > 0 && all > limits->migrations_max))
        audit_breach(self, SIM_RULE_I9,
                     "%s: with its migration from %s to %s there are %" G_GINT64_FORMAT
                     " out, %" G_GINT64_FORMAT " in and %" G_GINT64_FORMAT " in all",
                     audit_vm_name(self, fact->vm), audit_host_name(self, fact->host),
                     audit_host_name(self, fact->other), out, in, all);
}

static void
check_copies(SimAuditor *self, const SimFact *fact)
{
    const char *name = audit_vm_name(self, fact->vm);
    const AuditVm *vm = audit_vm(self, fact->vm);

    audit_count(self, SIM_RULE_I1);
    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, fact->vm, i);
        if (!sim_copy_is_active(copy) || audit_changed_unseen(&vm->at[i]))
            continue;
        if (i != fact->host)
            audit_breach(self, SIM_RULE_I1, "%s: its migration from %s begins with a copy on %s",
                         name, audit_host_name(self, fact->host), audit_host_name(self, i));
    }
}

void
audit_migration_begins(SimAuditor *self, const SimFact *fact)
{
    const char *name = audit_vm_name(self, fact->vm);
    AuditVm *vm = audit_vm(self, fact->vm);
    AuditCall call;

    if (fact->controller == 0) {
        vm->touched_us[SIM_BY_STRANGER] = self->world->now_us;
        return;
    }
    audit_count(self, SIM_RULE_I6);
    if (!take_call(self, fact, &call)) {
        audit_breach(self, SIM_RULE_I6, "%s: one call of migrate to %s has begun twice", name,
                     audit_host_name(self, fact->other));
        return;
    }

    const AuditStep *step = &self->steps[call.step];
    const SimMigration *other = audit_migration(self, fact->vm);
    if (!is_undecided(step, call.attempt))
        audit_breach(self, SIM_RULE_I6,
                     "%s: a migrate call from %s to %s begins late, when its step is already %s",
                     name, audit_host_name(self, fact->host), audit_host_name(self, fact->other),
                     vr_phase_to_string(step->phase));
    if (other != NULL && !other->foreign)
        audit_breach(self, SIM_RULE_I6, "%s: a second migration begins", name);
    check_copies(self, fact);
    check_limits(self, fact);
    vm->step = call.step;
    self->steps[call.step].libvirt_id = sim_copy(self->world, fact->vm, fact->host)->libvirt_id;
    vm->paused_at_begin = sim_copy(self->world, fact->vm, fact->host)->qemu == SIM_QEMU_PAUSED_USER;
}

void
audit_migration_over(SimAuditor *self, const SimFact *fact)
{
    AuditVm *vm = audit_vm(self, fact->vm);
    const SimCopy *source = sim_copy(self->world, fact->vm, fact->host);
    const SimCopy *target = sim_copy(self->world, fact->vm, fact->other);
    const AuditStep *step = &self->steps[vm->step];

    audit_copy_sync(self, fact->vm, fact->host, self->world->now_us);
    audit_copy_sync(self, fact->vm, fact->other, self->world->now_us);
    if (vm->step == 0 || step->source != fact->host || step->target != fact->other)
        return;
    vm->step = 0;
    if (target->memory <= source->memory
            ? !sim_copy_is_active(target) || sim_copy_is_active(source)
            : sim_copy_is_active(source) && !sim_copy_is_active(target))
        return;
    vm->arrivals++;
    vm->arrived_by = step->plan->id;
    vm->arrived_us = self->world->now_us;
    audit_count(self, SIM_RULE_R2);
    if (vm->arrivals > 1 + vm->extras && !audit_vm_strange(self, fact->vm) &&
        !audit_vm_repaired(self, fact->vm))
        audit_breach(self, SIM_RULE_R2, "%s: has migrated %u times, the last time to %s",
                     audit_vm_name(self, fact->vm), vm->arrivals,
                     audit_host_name(self, fact->other));
    if (!step->plan->extra && !step->plan->back && !sim_host(self->world, fact->other)->updated)
        audit_breach(self, SIM_RULE_R2, "%s: has migrated to %s, which is not updated",
                     audit_vm_name(self, fact->vm), audit_host_name(self, fact->other));
}
