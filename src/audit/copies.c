/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every change of a copy: how many run (I1), and does what the controller did lose one (I2)? */
#include "audit/books.h"

static void
remember(SimAuditor *self, guint vm, guint host)
{
    const SimCopy *copy = sim_copy(self->world, vm, host);
    AuditCopy *known = &audit_vm(self, vm)->at[host];

    known->qemu = copy->qemu;
    known->defined = copy->defined;
    known->on_disk = copy->on_disk;
    known->autostart = copy->autostart;
}

void
audit_copies_init(SimAuditor *self, guint vm)
{
    for (guint i = 0; i < self->host_count; i++) {
        AuditCopy *known = &audit_vm(self, vm)->at[i];
        known->changed_us = known->taken_us = known->read_us = AUDIT_NEVER;
        remember(self, vm, i);
        if (known->qemu != SIM_QEMU_NONE)
            self->hosts[i].memory_before_mib += sim_vm(self->world, vm)->memory_mib;
    }
}

/* What daemons do to definitions is not told: they read them from the disk when they start. */
void
audit_copy_sync(SimAuditor *self, guint vm, guint host, gint64 at_us)
{
    const SimCopy *copy = sim_copy(self->world, vm, host);
    AuditCopy *known = &audit_vm(self, vm)->at[host];

    if (copy->defined == known->defined && copy->on_disk == known->on_disk &&
        copy->autostart == known->autostart)
        return;
    known->changed_us = at_us;
    known->changed_by = SIM_BY_LIBVIRT;
    remember(self, vm, host);
}

void
audit_copies_sync(SimAuditor *self, guint host)
{
    for (guint i = 0; i < self->vms->len; i++)
        audit_copy_sync(self, i, host, self->world->now_us);
}

static gboolean
was_running(const AuditCopy *known)
{
    return known->qemu == SIM_QEMU_RUNNING || known->qemu == SIM_QEMU_SHUTTING_DOWN ||
           known->qemu == SIM_QEMU_POSTCOPY;
}

/* A second copy that starts out of nothing has a stale definition, which somebody left there. */
static gboolean
is_our_doing(const SimAuditor *self, const SimFact *fact, const AuditCopy *known)
{
    const AuditVm *vm = audit_vm(self, fact->vm);

    if (fact->cause == SIM_BY_CONTROLLER)
        return TRUE;
    if (fact->cause != SIM_BY_LIBVIRT && fact->cause != SIM_BY_FAULT)
        return FALSE;
    return known->qemu == SIM_QEMU_NONE && !audit_vm_strange(self, fact->vm) &&
           vm->touched_us[SIM_BY_OPERATOR] == AUDIT_NEVER &&
           vm->touched_us[SIM_BY_OWNER] == AUDIT_NEVER;
}

/* Has the controller read two copies since two of them run? One alone looks as it should. */
static gboolean
was_split_seen(const SimAuditor *self, const AuditVm *vm)
{
    guint reads = 0;

    for (guint i = 0; i < self->host_count; i++)
        reads += vm->at[i].taken_us >= vm->split_us;
    return reads > 1;
}

static void
check_runs_once(SimAuditor *self, const SimFact *fact, const AuditCopy *known)
{
    AuditVm *vm = audit_vm(self, fact->vm);
    guint running = audit_running_copies(self, fact->vm);

    audit_count(self, SIM_RULE_I1);
    if (running <= 1) {
        /* What was over before anybody looked can be known to nobody. */
        if (fact->cause == SIM_BY_OPERATOR || !was_split_seen(self, vm))
            vm->split_us = AUDIT_NEVER;
        return;
    }
    if (was_running(known) || !sim_copy_runs(sim_copy(self->world, fact->vm, fact->host)))
        return;
    if (is_our_doing(self, fact, known))
        audit_breach(self, SIM_RULE_I1, "%s: runs on %u hosts since it was started on %s",
                     audit_vm_name(self, fact->vm), running, audit_host_name(self, fact->host));
    if (vm->split_us == AUDIT_NEVER) {
        vm->split_us = self->world->now_us;
        vm->split_unasked = TRUE;
    }
}

void
audit_person_asked(SimAuditor *self, guint vm)
{
    audit_vm(self, vm)->split_unasked = FALSE;
}

/* Is there another copy that has all that this one had? */
static gboolean
has_heir(const SimAuditor *self, guint vm, guint host)
{
    guint64 memory = sim_copy(self->world, vm, host)->memory;

    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, vm, i);
        if (i != host && sim_copy_is_active(copy) && copy->memory >= memory)
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_on_any_disk(const SimAuditor *self, guint vm)
{
    for (guint i = 0; i < self->host_count; i++) {
        if (sim_copy(self->world, vm, i)->on_disk)
            return TRUE;
    }
    return FALSE;
}

static void
check_not_lost(SimAuditor *self, const SimFact *fact, const AuditCopy *known)
{
    const char *name = audit_vm_name(self, fact->vm);
    const SimCopy *copy = sim_copy(self->world, fact->vm, fact->host);

    if (fact->cause != SIM_BY_CONTROLLER)
        return;
    audit_count(self, SIM_RULE_I2);
    if (audit_vm_disturbed_since(self, fact->vm, known->read_us))
        return;
    if (known->qemu != SIM_QEMU_NONE && !sim_copy_is_active(copy) &&
        !has_heir(self, fact->vm, fact->host))
        audit_breach(self, SIM_RULE_I2, "%s: its last good copy was ended on %s", name,
                     audit_host_name(self, fact->host));
    if (known->on_disk && !copy->on_disk && !is_on_any_disk(self, fact->vm))
        audit_breach(self, SIM_RULE_I2, "%s: its last definition was removed, on %s", name,
                     audit_host_name(self, fact->host));
}

static void
note_on_host(SimAuditor *self, const SimFact *fact, const AuditCopy *known)
{
    const SimCopy *copy = sim_copy(self->world, fact->vm, fact->host);
    AuditHost *host = &self->hosts[fact->host];
    gboolean ours = fact->cause == SIM_BY_CONTROLLER ||
                    (fact->cause == SIM_BY_LIBVIRT && audit_vm(self, fact->vm)->step != 0);

    /* An autostart definition that comes back unseen is judged where the host is changed. */
    if (sim_copy_is_active(copy) || known->qemu != SIM_QEMU_NONE ||
        (known->defined && known->autostart))
        host->busy_us = self->world->now_us;
    if (sim_copy_is_active(copy) && known->qemu == SIM_QEMU_NONE && !ours)
        host->crowded_us = self->world->now_us;
}

void
audit_copy_changed(SimAuditor *self, const SimFact *fact)
{
    AuditVm *vm = audit_vm(self, fact->vm);
    AuditCopy *known = &vm->at[fact->host];
    const SimMigration *migration = audit_migration(self, fact->vm);
    gboolean foreign = migration != NULL && migration->foreign && fact->cause == SIM_BY_LIBVIRT;

    check_not_lost(self, fact, known);
    check_runs_once(self, fact, known);
    note_on_host(self, fact, known);
    known->changed_us = self->world->now_us;
    known->changed_by = foreign ? SIM_BY_STRANGER : fact->cause;
    vm->touched_us[known->changed_by] = self->world->now_us;
    remember(self, fact->vm, fact->host);
    audit_limbo(self, fact->vm);
}
