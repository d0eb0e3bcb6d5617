/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Room for a VM on its target, and the rules of its group (I10), when its migration is issued. */
#include <string.h>

#include "audit/books.h"

/* Is there, or will be if a call that was issued begins. */
static gboolean
is_on_host(const SimAuditor *self, guint vm, guint host)
{
    const GArray *calls = audit_vm(self, vm)->calls;

    if (sim_copy_is_active(sim_copy(self->world, vm, host)))
        return TRUE;
    for (guint i = 0; calls != NULL && i < calls->len; i++) {
        const AuditCall *call = &g_array_index(calls, AuditCall, i);
        if (call->target == host && !call->returned && !call->orphaned)
            return TRUE;
    }
    return FALSE;
}

static void
check_memory(SimAuditor *self, const SimFact *fact)
{
    gint64 memory_mib = sim_vm(self->world, fact->vm)->memory_mib;
    gint64 usable_mib =
        vr_policy_usable_mib(self->policy, sim_host(self->world, fact->other)->memory_mib);

    for (guint i = 0; i < self->vms->len; i++) {
        if (i != fact->vm && is_on_host(self, i, fact->other))
            memory_mib += sim_vm(self->world, i)->memory_mib;
    }
    if (memory_mib > usable_mib)
        audit_breach(self, SIM_RULE_I10,
                     "%s: %s would hold %" G_GINT64_FORMAT " MiB of %" G_GINT64_FORMAT " usable",
                     audit_vm_name(self, fact->vm), audit_host_name(self, fact->other), memory_mib,
                     usable_mib);
}

static gint64
members_on_host(const SimAuditor *self, gint group, guint host, guint apart_from)
{
    gint64 count = 0;

    for (guint i = 0; i < self->vms->len; i++) {
        if (i != apart_from && audit_vm(self, i)->group == group)
            count += is_on_host(self, i, host) ? 1 : 0;
    }
    return count;
}

static gboolean
names_host(const VrGroup *group, const char *host)
{
    for (guint i = 0; i < group->hosts->len; i++) {
        if (strcmp((const char *)g_ptr_array_index(group->hosts, i), host) == 0)
            return TRUE;
    }
    return FALSE;
}

static const char *
broken_group_rule(const SimAuditor *self, const SimFact *fact, gint index)
{
    const VrGroup *group = vr_inventory_group(self->inventory, (guint)index);
    const char *target = audit_host_name(self, fact->other);

    switch (group->rule) {
    case VR_GROUP_ANTI_AFFINITY:
        return members_on_host(self, index, fact->other, fact->vm) + 1 > group->max_per_host
                   ? "too many of its anti-affinity group are there"
                   : NULL;
    case VR_GROUP_AFFINITY: /* a group that moves is in two places meanwhile: judged at the end */
        return NULL;
    case VR_GROUP_ONLY_HOSTS:
        return names_host(group, target) ? NULL : "its group may not run there";
    case VR_GROUP_NEVER_HOSTS:
        return names_host(group, target) ? "its group must never run there" : NULL;
    }
    g_assert_not_reached();
}

void
audit_placement(SimAuditor *self, const SimFact *fact)
{
    const AuditHost *host = &self->hosts[fact->other];
    gint group = audit_vm(self, fact->vm)->group;

    audit_count(self, SIM_RULE_I10);
    /* Somebody else filled it after the controller had looked. */
    if (host->crowded_us != AUDIT_NEVER && host->crowded_us >= host->lists_us[0])
        return;
    check_memory(self, fact);
    if (group < 0)
        return;
    const char *why = broken_group_rule(self, fact, group);
    if (why != NULL)
        audit_breach(self, SIM_RULE_I10, "%s: sent to %s, but %s", audit_vm_name(self, fact->vm),
                     audit_host_name(self, fact->other), why);
}
