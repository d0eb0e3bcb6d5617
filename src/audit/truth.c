/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions to the world, and who else had a hand in it. */
#include "audit/books.h"

gboolean
audit_vm_disturbed_since(const SimAuditor *self, guint vm, gint64 since_us)
{
    const gint64 *touched_us = audit_vm(self, vm)->touched_us;

    return MAX(MAX(touched_us[SIM_BY_FAULT], touched_us[SIM_BY_OWNER]),
               MAX(touched_us[SIM_BY_STRANGER], touched_us[SIM_BY_OPERATOR])) >= MAX(since_us, 0);
}

gboolean
audit_vm_strange(const SimAuditor *self, guint vm)
{
    return audit_vm(self, vm)->touched_us[SIM_BY_STRANGER] != AUDIT_NEVER;
}

gboolean
audit_vm_repaired(const SimAuditor *self, guint vm)
{
    return audit_vm(self, vm)->touched_us[SIM_BY_OPERATOR] != AUDIT_NEVER;
}

gboolean
audit_is_incoming(const SimCopy *copy)
{
    return copy->job >= SIM_JOB_IN_PREPARE && copy->job <= SIM_JOB_IN_STARTED;
}

gboolean
audit_changed_unseen(const AuditCopy *copy)
{
    return copy->changed_us != AUDIT_NEVER && copy->changed_us >= copy->read_us;
}

guint64
audit_newest_memory(const SimAuditor *self, guint vm)
{
    guint64 newest = 0;

    for (guint i = 0; i < self->host_count; i++)
        newest = MAX(newest, sim_copy(self->world, vm, i)->memory);
    return newest;
}

guint
audit_running_copies(const SimAuditor *self, guint vm)
{
    guint count = 0;

    for (guint i = 0; i < self->host_count; i++)
        count += sim_copy_runs(sim_copy(self->world, vm, i)) ? 1 : 0;
    return count;
}

guint
audit_active_copies(const SimAuditor *self, guint vm)
{
    guint count = 0;

    for (guint i = 0; i < self->host_count; i++)
        count += sim_copy_is_active(sim_copy(self->world, vm, i)) ? 1 : 0;
    return count;
}

const SimMigration *
audit_migration(const SimAuditor *self, guint vm)
{
    for (guint i = 0; i < self->world->migrations->len; i++) {
        const SimMigration *migration = &g_array_index(self->world->migrations, SimMigration, i);
        if (migration->live && migration->vm == vm)
            return migration;
    }
    return NULL;
}

guint
audit_find_step(const SimAuditor *self, guint vm, guint source, guint target, VrPhase phase)
{
    const GArray *steps = audit_vm(self, vm)->steps;

    for (guint i = 0; steps != NULL && i < steps->len; i++) {
        guint id = g_array_index(steps, guint, i);
        const AuditStep *step = &self->steps[id];
        if (step->phase == phase && (source == SIM_NOWHERE || step->source == source) &&
            (target == SIM_NOWHERE || step->target == target))
            return id;
    }
    return 0;
}
