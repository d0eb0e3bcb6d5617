/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which VMs of a host go together, and in which order they look for a place. */
#include "plan/problem.h"

typedef struct {
    const VrProblem *problem;
    VrResource binding;
} Sorting;

static gint
affinity_group(const VrProblem *problem, guint vm)
{
    gint group = problem->vms[vm].group;

    if (group >= 0 && vr_inventory_group(problem->inventory, group)->rule == VR_GROUP_AFFINITY)
        return group;
    return -1;
}

static int
compare_affinity(gconstpointer a, gconstpointer b, gpointer data)
{
    guint x = *(const guint *)a, y = *(const guint *)b;
    const Sorting *sorting = data;
    gint group_x = affinity_group(sorting->problem, x);
    gint group_y = affinity_group(sorting->problem, y);

    if (group_x != group_y)
        return group_x < group_y ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int
compare_largest(gconstpointer a, gconstpointer b, gpointer data)
{
    const VrBlock *x = a, *y = b;
    const Sorting *sorting = data;
    VrResource binding = sorting->binding;

    if (x->size.of[binding] != y->size.of[binding])
        return x->size.of[binding] > y->size.of[binding] ? -1 : 1;
    for (guint r = 0; r < VR_RESOURCES; r++) {
        if (x->size.of[r] != y->size.of[r])
            return x->size.of[r] > y->size.of[r] ? -1 : 1;
    }
    return x->vms[0] < y->vms[0] ? -1 : x->vms[0] > y->vms[0];
}

GArray *
vr_problem_build_blocks(const VrProblem *self, VrResource binding, GArray *vms)
{
    Sorting sorting = {self, binding};
    GArray *blocks = g_array_sized_new(FALSE, FALSE, sizeof(VrBlock), vms->len);

    if (self->has_affinity)
        g_array_sort_with_data(vms, compare_affinity, &sorting);
    for (guint i = 0; i < vms->len; i++) {
        const guint *vm = &g_array_index(vms, guint, i);
        gint64 link_mib = self->vms[*vm].link_mib;
        gint group = self->has_affinity ? affinity_group(self, *vm) : -1;
        if (group >= 0 && i > 0 && affinity_group(self, vm[-1]) == group) {
            VrBlock *last = &g_array_index(blocks, VrBlock, blocks->len - 1);
            last->count++;
            last->link_mib += link_mib;
            vr_amount_add(&last->size, &self->vms[*vm].size);
            continue;
        }
        VrBlock block = {vm, 1, self->vms[*vm].size, link_mib};
        g_array_append_val(blocks, block);
    }
    g_array_sort_with_data(blocks, compare_largest, &sorting);
    return blocks;
}
