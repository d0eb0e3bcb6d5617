/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VM is like where it has arrived: persistent, with its autostart, nowhere else (I13), and
 * in the state that its owner wants (I14).
 */
#include "audit/books.h"

const char *
audit_wrong_definition(const SimAuditor *self, guint vm, guint host)
{
    const SimCopy *copy = sim_copy(self->world, vm, host);

    if (!copy->on_disk || !copy->defined)
        return "it has no definition there";
    if (copy->autostart != sim_vm(self->world, vm)->autostart)
        return copy->autostart ? "it would start with the host" : "its autostart is lost";
    return NULL;
}

const char *
audit_wrong_state(const SimAuditor *self, guint vm, guint host)
{
    SimQemu qemu = sim_copy(self->world, vm, host)->qemu;

    switch (sim_vm(self->world, vm)->wish) {
    case SIM_WISH_RUNNING:
        return qemu == SIM_QEMU_RUNNING ? NULL : "it does not run";
    case SIM_WISH_PAUSED:
        return qemu == SIM_QEMU_PAUSED_USER ? NULL : "it is not paused, as its owner wants it";
    case SIM_WISH_OFF:
        return qemu == SIM_QEMU_NONE ? NULL : "it is not off, as its owner wants it";
    }
    g_assert_not_reached();
}

/*
 * When the controller last looked at both ends; what happened later it cannot know. A look from
 * before the arrival is none.
 */
static gint64
looked_us(const SimAuditor *self, guint id)
{
    const AuditStep *step = &self->steps[id];
    const AuditVm *vm = audit_vm(self, step->vm);
    gint64 read_us = MIN(vm->at[step->source].read_us, vm->at[step->target].read_us);

    return vm->arrived_by == id ? MAX(read_us, vm->arrived_us) : read_us;
}

void
audit_settled(SimAuditor *self, guint id)
{
    AuditStep *step = &self->steps[id];
    const AuditVm *vm = audit_vm(self, step->vm);
    const SimCopy *left = sim_copy(self->world, step->vm, step->source);
    const char *name = audit_vm_name(self, step->vm);
    const char *target = audit_host_name(self, step->target);
    const char *wrong;

    audit_count(self, SIM_RULE_I13);
    audit_count(self, SIM_RULE_I14);
    step->looked_us = looked_us(self, id);
    /* It is there by a stranger's migration, which loses what it loses. */
    if (audit_vm_strange(self, step->vm) && vm->arrived_by != id)
        return;
    if (audit_vm_disturbed_since(self, step->vm, step->looked_us))
        return;
    wrong = audit_wrong_definition(self, step->vm, step->target);
    if (wrong != NULL)
        audit_breach(self, SIM_RULE_I13, "%s: has settled on %s, but %s", name, target, wrong);
    if ((sim_copy_is_active(left) || (left->defined && vm->at[step->source].defined)) &&
        !audit_changed_unseen(&vm->at[step->source]))
        audit_breach(self, SIM_RULE_I13, "%s: has settled on %s and is still on %s", name, target,
                     audit_host_name(self, step->source));
    wrong = audit_wrong_state(self, step->vm, step->target);
    if (wrong != NULL)
        audit_breach(self, SIM_RULE_I14, "%s: has settled on %s, but %s", name, target, wrong);
}
