/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/capacity.h"

/* Rules that count VMs on a host: anti-affinity groups, then names that occur twice. */
static guint
count_present(const VrCapacity *self, guint rule, guint host)
{
    const VrPresence *presence = &self->presences[host];
    guint count = 0;

    for (guint i = 0; i < presence->count; i++)
        count += presence->rules[i] == rule;
    return count;
}

static void
add_present(VrCapacity *self, guint rule, guint host)
{
    VrPresence *presence = &self->presences[host];

    if (presence->count == presence->size) {
        presence->size = presence->size * 2 + 8;
        presence->rules = g_renew(guint, presence->rules, presence->size);
    }
    presence->rules[presence->count++] = rule;
}

static void
remove_present(VrCapacity *self, guint rule, guint host)
{
    VrPresence *presence = &self->presences[host];
    guint i = presence->count;

    /* What came last is taken back first, mostly. */
    do
        g_assert(i > 0);
    while (presence->rules[--i] != rule);
    presence->rules[i] = presence->rules[--presence->count];
}

static guint
name_rule(const VrCapacity *self, guint vm)
{
    return self->problem->group_count + self->problem->vms[vm].name_id;
}

static void
add_vm(VrCapacity *self, guint vm, guint host)
{
    if (self->problem->vms[vm].spread > 0)
        add_present(self, (guint)self->problem->vms[vm].group, host);
    if (self->problem->vms[vm].name_id != 0)
        add_present(self, name_rule(self, vm), host);
}

static void
remove_vm(VrCapacity *self, guint vm, guint host)
{
    if (self->problem->vms[vm].spread > 0)
        remove_present(self, (guint)self->problem->vms[vm].group, host);
    if (self->problem->vms[vm].name_id != 0)
        remove_present(self, name_rule(self, vm), host);
}

VrCapacity *
vr_capacity_new(const VrProblem *problem, gboolean emptied)
{
    VrCapacity *self = g_new0(VrCapacity, 1);

    self->problem = problem;
    self->frees = g_new(VrAmount, problem->host_count);
    self->presences = g_new0(VrPresence, problem->host_count);
    for (guint h = 0; h < problem->host_count; h++) {
        const VrProblemHost *host = &problem->hosts[h];
        self->frees[h] = host->room;
        if (!emptied || host->role != VR_ROLE_UPDATE) {
            vr_amount_subtract(&self->frees[h], &host->load);
            for (guint i = 0; i < host->vms->len; i++)
                add_vm(self, g_array_index(host->vms, guint, i), h);
        }
        /* A definition that stays keeps its name from others for ever. */
        for (guint i = 0; i < host->offline->len; i++) {
            guint vm = g_array_index(host->offline, guint, i);
            if (problem->vms[vm].name_id != 0)
                add_present(self, name_rule(self, vm), h);
        }
    }
    return self;
}

static VrFit
fit_rules(const VrCapacity *self, guint vm, guint host)
{
    const VrProblemVm *own = &self->problem->vms[vm];

    if (!vr_problem_is_allowed(self->problem, vm, host))
        return VR_FIT_GROUP;
    if (own->spread > 0 && count_present(self, (guint)own->group, host) >= own->spread)
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
        add_vm(self, block->vms[i], host);
}

void
vr_capacity_give(VrCapacity *self, const VrBlock *block, guint host)
{
    vr_amount_add(&self->frees[host], &block->size);
    for (guint i = 0; i < block->count; i++)
        remove_vm(self, block->vms[i], host);
}

void
vr_capacity_free(VrCapacity *self)
{
    if (self == NULL)
        return;
    for (guint h = 0; h < self->problem->host_count; h++)
        g_free(self->presences[h].rules);
    g_free(self->presences);
    g_free(self->frees);
    g_free(self);
}
