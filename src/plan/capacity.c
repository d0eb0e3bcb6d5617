/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/capacity.h"

typedef struct {
    guint vm, host;
} Promise;

VrCapacity *
vr_capacity_new(const VrProblem *problem, guint pool)
{
    VrCapacity *self = g_new0(VrCapacity, 1);

    self->problem = problem;
    self->pool = pool;
    self->loads = g_new0(VrAmount, problem->host_count);
    self->present = g_new0(GArray *, problem->host_count);
    self->log = g_array_new(FALSE, FALSE, sizeof(Promise));
    for (guint i = 0; i < problem->pools[pool].hosts->len; i++) {
        guint h = g_array_index(problem->pools[pool].hosts, guint, i);
        const VrProblemHost *host = &problem->hosts[h];
        self->loads[h] = host->load;
        self->present[h] = g_array_sized_new(FALSE, FALSE, sizeof(guint), host->vms->len + 8);
        g_array_append_vals(self->present[h], host->vms->data, host->vms->len);
    }
    return self;
}

gint64
vr_capacity_free(const VrCapacity *self, guint host, VrResource resource)
{
    return self->problem->hosts[host].room.of[resource] - self->loads[host].of[resource];
}

static gboolean
has_name(const VrCapacity *self, const GArray *vms, guint name_id)
{
    for (guint i = 0; i < vms->len; i++) {
        if (self->problem->vms[g_array_index(vms, guint, i)].name_id == name_id)
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_too_close(const VrCapacity *self, gint group_index, guint host)
{
    const VrInventory *inventory = self->problem->inventory;
    const VrGroup *group = vr_inventory_group(inventory, group_index);
    gint64 count = 0;

    if (group->rule != VR_GROUP_ANTI_AFFINITY)
        return FALSE;
    for (guint i = 0; i < self->present[host]->len; i++) {
        guint other = g_array_index(self->present[host], guint, i);
        count += vr_inventory_vm(inventory, other)->group_index == group_index;
    }
    return count >= group->max_per_host;
}

static VrFit
fit_rules(const VrCapacity *self, guint vm, guint host)
{
    const VrProblem *problem = self->problem;
    gint group = vr_inventory_vm(problem->inventory, vm)->group_index;
    guint name_id = problem->vms[vm].name_id;

    if (group >= 0 &&
        (!vr_problem_is_allowed(problem, vm, host) || is_too_close(self, group, host)))
        return VR_FIT_GROUP;
    if (name_id != 0 && (has_name(self, self->present[host], name_id) ||
                         has_name(self, problem->hosts[host].offline, name_id)))
        return VR_FIT_NAME;
    return VR_FIT_YES;
}

VrFit
vr_capacity_fit(const VrCapacity *self, const VrBlock *block, guint host)
{
    static const VrFit lacking[VR_RESOURCES] = {VR_FIT_MEMORY, VR_FIT_VCPUS, VR_FIT_CPU};

    for (guint r = 0; r < VR_RESOURCES; r++) {
        if (block->size.of[r] > vr_capacity_free(self, host, (VrResource)r))
            return lacking[r];
    }
    for (guint i = 0; i < block->count; i++) {
        VrFit fit = fit_rules(self, block->vms[i], host);
        if (fit != VR_FIT_YES)
            return fit;
    }
    return VR_FIT_YES;
}

void
vr_capacity_promise(VrCapacity *self, const VrBlock *block, guint host)
{
    for (guint i = 0; i < block->count; i++) {
        Promise promise = {block->vms[i], host};
        g_array_append_val(self->log, promise);
        g_array_append_val(self->present[host], promise.vm);
    }
    vr_amount_add(&self->loads[host], &block->size);
}

void
vr_capacity_undo(VrCapacity *self, guint mark)
{
    g_assert(mark <= self->log->len);
    while (self->log->len > mark) {
        const Promise *last = &g_array_index(self->log, Promise, self->log->len - 1);
        GArray *present = self->present[last->host];
        g_assert(g_array_index(present, guint, present->len - 1) == last->vm);
        vr_amount_subtract(&self->loads[last->host], &self->problem->vms[last->vm].size);
        g_array_set_size(present, present->len - 1);
        g_array_set_size(self->log, self->log->len - 1);
    }
}

void
vr_capacity_commit_drain(VrCapacity *self, guint host)
{
    g_array_set_size(self->log, 0);
    g_array_set_size(self->present[host], 0);
    self->loads[host] = (VrAmount){0};
}

void
vr_capacity_free_all(VrCapacity *self)
{
    if (self == NULL)
        return;
    const GArray *hosts = self->problem->pools[self->pool].hosts;
    for (guint i = 0; i < hosts->len; i++)
        g_array_unref(self->present[g_array_index(hosts, guint, i)]);
    g_array_unref(self->log);
    g_free(self->present);
    g_free(self->loads);
    g_free(self);
}
