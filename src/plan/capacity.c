/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/capacity.h"

_Static_assert(sizeof(gpointer) >= sizeof(guint64), "a key is a rule and a host in one pointer");

/* Two numbers in one key: spread over all bits, or hosts of one rule would be neighbours. */
static guint
hash_key(gconstpointer key)
{
    return (guint)((guint64)GPOINTER_TO_SIZE(key) * 0x9e3779b97f4a7c15u >> 32);
}

/* Rules that count VMs on a host: anti-affinity groups, then names that occur twice. */
static gpointer
key_of(guint rule, guint host)
{
    return GSIZE_TO_POINTER((guint64)rule << 32 | host);
}

static guint
count_present(const VrCapacity *self, guint rule, guint host)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(self->present, key_of(rule, host)));
}

static void
add_present(VrCapacity *self, guint rule, guint host, gint change)
{
    guint count = count_present(self, rule, host);

    g_assert(change > 0 || count > 0);
    g_hash_table_insert(self->present, key_of(rule, host), GUINT_TO_POINTER(count + (guint)change));
}

/* The VM's anti-affinity group. NULL: it is in none. */
static const VrGroup *
spread_group(const VrCapacity *self, guint vm)
{
    gint group = self->problem->vms[vm].group;

    if (group < 0)
        return NULL;
    const VrGroup *found = vr_inventory_group(self->problem->inventory, (guint)group);
    return found->rule == VR_GROUP_ANTI_AFFINITY ? found : NULL;
}

static guint
name_rule(const VrCapacity *self, guint vm)
{
    return self->problem->group_count + self->problem->vms[vm].name_id;
}

static void
count_vm(VrCapacity *self, guint vm, guint host, gint change)
{
    const VrProblemVm *own = &self->problem->vms[vm];

    if (spread_group(self, vm) != NULL)
        add_present(self, (guint)own->group, host, change);
    if (own->name_id != 0)
        add_present(self, name_rule(self, vm), host, change);
}

VrCapacity *
vr_capacity_new(const VrProblem *problem)
{
    VrCapacity *self = g_new0(VrCapacity, 1);

    self->problem = problem;
    self->frees = g_new(VrAmount, problem->host_count);
    self->present = g_hash_table_new(hash_key, NULL);
    for (guint h = 0; h < problem->host_count; h++) {
        const VrProblemHost *host = &problem->hosts[h];
        self->frees[h] = host->room;
        vr_amount_subtract(&self->frees[h], &host->load);
        for (guint i = 0; i < host->vms->len; i++)
            count_vm(self, g_array_index(host->vms, guint, i), h, 1);
        /* A definition that stays keeps its name from others for ever. */
        for (guint i = 0; i < host->offline->len; i++) {
            guint vm = g_array_index(host->offline, guint, i);
            if (problem->vms[vm].name_id != 0)
                add_present(self, name_rule(self, vm), h, 1);
        }
    }
    return self;
}

static VrFit
fit_rules(const VrCapacity *self, guint vm, guint host)
{
    const VrProblemVm *own = &self->problem->vms[vm];
    const VrGroup *group = spread_group(self, vm);

    if (!vr_problem_is_allowed(self->problem, vm, host))
        return VR_FIT_GROUP;
    if (group != NULL && count_present(self, (guint)own->group, host) >= group->max_per_host)
        return VR_FIT_GROUP;
    if (own->name_id != 0 && count_present(self, name_rule(self, vm), host) > 0)
        return VR_FIT_NAME;
    return VR_FIT_YES;
}

VrFit
vr_capacity_fit(const VrCapacity *self, const VrBlock *block, guint host)
{
    static const VrFit lacking[VR_RESOURCES] = {VR_FIT_MEMORY, VR_FIT_VCPUS, VR_FIT_CPU};

    for (guint r = 0; r < VR_RESOURCES; r++) {
        if (block->size.of[r] > self->frees[host].of[r])
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
vr_capacity_take(VrCapacity *self, const VrBlock *block, guint host)
{
    vr_amount_subtract(&self->frees[host], &block->size);
    for (guint i = 0; i < block->count; i++)
        count_vm(self, block->vms[i], host, 1);
}

void
vr_capacity_give(VrCapacity *self, const VrBlock *block, guint host)
{
    vr_amount_add(&self->frees[host], &block->size);
    for (guint i = 0; i < block->count; i++)
        count_vm(self, block->vms[i], host, -1);
}

void
vr_capacity_free(VrCapacity *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->present);
    g_free(self->frees);
    g_free(self);
}
