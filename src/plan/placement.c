/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/placement.h"

typedef struct {
    VrCapacity *capacity;
    const VrTargets *targets;
    VrResource binding;
    guint source;
    GArray *moves;
} Packing;

static gint
affinity_group(const VrProblem *problem, guint vm)
{
    gint group = vr_inventory_vm(problem->inventory, vm)->group_index;

    if (group >= 0 && vr_inventory_group(problem->inventory, group)->rule == VR_GROUP_AFFINITY)
        return group;
    return -1;
}

static int
compare_affinity(gconstpointer a, gconstpointer b, gpointer data)
{
    guint x = *(const guint *)a, y = *(const guint *)b;
    const VrProblem *const *problem = data;
    gint group_x = affinity_group(*problem, x), group_y = affinity_group(*problem, y);

    if (group_x != group_y)
        return group_x < group_y ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int
compare_largest(gconstpointer a, gconstpointer b, gpointer data)
{
    const VrBlock *x = a, *y = b;
    const VrResource *binding = data;

    if (x->size.of[*binding] != y->size.of[*binding])
        return x->size.of[*binding] > y->size.of[*binding] ? -1 : 1;
    for (guint r = 0; r < VR_RESOURCES; r++) {
        if (x->size.of[r] != y->size.of[r])
            return x->size.of[r] > y->size.of[r] ? -1 : 1;
    }
    return x->vms[0] < y->vms[0] ? -1 : x->vms[0] > y->vms[0];
}

/* The VMs on a host as blocks, largest first. `vms` is what the blocks point into. */
static GArray *
build_blocks(const VrCapacity *capacity, guint source, GArray *vms)
{
    const VrProblem *problem = capacity->problem;
    const GArray *present = capacity->present[source];
    VrResource binding = problem->pools[problem->hosts[source].pool].binding;
    GArray *blocks = g_array_sized_new(FALSE, FALSE, sizeof(VrBlock), present->len);

    g_array_append_vals(vms, present->data, present->len);
    g_array_sort_with_data(vms, compare_affinity, &problem);
    for (guint i = 0; i < vms->len; i++) {
        const guint *vm = &g_array_index(vms, guint, i);
        gint group = affinity_group(problem, *vm);
        if (group >= 0 && i > 0 && affinity_group(problem, vm[-1]) == group) {
            VrBlock *last = &g_array_index(blocks, VrBlock, blocks->len - 1);
            last->count++;
            vr_amount_add(&last->size, &problem->vms[*vm].size);
            continue;
        }
        VrBlock block = {vm, 1, problem->vms[*vm].size};
        g_array_append_val(blocks, block);
    }
    g_array_sort_with_data(blocks, compare_largest, &binding);
    return blocks;
}

/* -1: none. */
static gint
find_tightest(const Packing *self, const VrBlock *block, const GArray *hosts)
{
    gint best = -1;
    gint64 best_free = G_MAXINT64;

    for (guint i = 0; i < hosts->len; i++) {
        guint host = g_array_index(hosts, guint, i);
        gint64 room = vr_capacity_free(self->capacity, host, self->binding);
        if (room >= best_free || room < block->size.of[self->binding] || host == self->source)
            continue;
        if (vr_capacity_fit(self->capacity, block, host) != VR_FIT_YES)
            continue;
        best = (gint)host;
        best_free = room;
    }
    return best;
}

static gboolean
place(Packing *self, const VrBlock *block, gboolean extra)
{
    const GArray *hosts = extra ? self->targets->pending : self->targets->updated;
    gint target = hosts != NULL ? find_tightest(self, block, hosts) : -1;

    if (target < 0)
        return FALSE;
    vr_capacity_promise(self->capacity, block, (guint)target);
    gint64 room = vr_capacity_free(self->capacity, (guint)target, VR_RESOURCE_MEMORY);
    for (guint i = 0; i < block->count; i++) {
        VrMove move = {block->vms[i], self->source, (guint)target, extra, room};
        g_array_append_val(self->moves, move);
    }
    return TRUE;
}

static gint64
find_missing(const Packing *self, const VrBlock *block, guint host, VrFit fit)
{
    static const VrResource of_fit[] = {
        [VR_FIT_MEMORY] = VR_RESOURCE_MEMORY,
        [VR_FIT_VCPUS] = VR_RESOURCE_VCPUS,
        [VR_FIT_CPU] = VR_RESOURCE_CPU,
    };

    if (fit != VR_FIT_MEMORY && fit != VR_FIT_VCPUS && fit != VR_FIT_CPU)
        return 0;
    return block->size.of[of_fit[fit]] - vr_capacity_free(self->capacity, host, of_fit[fit]);
}

/* Nearest is the target that lacks least memory, or else is held back by something other than it.
 */
static VrNoPlace
explain(const Packing *self, const VrBlock *block)
{
    VrNoPlace found = {block->vms[0], block->size, -1, VR_FIT_YES, 0};
    const GArray *lists[] = {self->targets->updated, self->targets->pending};
    gint64 best = G_MININT64;

    for (guint l = 0; l < G_N_ELEMENTS(lists); l++) {
        for (guint i = 0; lists[l] != NULL && i < lists[l]->len; i++) {
            guint host = g_array_index(lists[l], guint, i);
            gint64 room = vr_capacity_free(self->capacity, host, VR_RESOURCE_MEMORY);
            if (host == self->source || (found.nearest >= 0 && room <= best))
                continue;
            best = room;
            found.nearest = (gint)host;
            found.fit = vr_capacity_fit(self->capacity, block, host);
            found.missing = find_missing(self, block, host, found.fit);
        }
    }
    return found;
}

/* Onto updated hosts as many as possible; what is left over, largest first, elsewhere. */
static const VrBlock *
pack_smallest(Packing *self, const GArray *blocks)
{
    g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = blocks->len; i-- > 0;) {
        if (!place(self, &g_array_index(blocks, VrBlock, i), FALSE))
            g_array_append_val(left, i);
    }
    for (guint i = left->len; i-- > 0;) {
        const VrBlock *block = &g_array_index(blocks, VrBlock, g_array_index(left, guint, i));
        if (!place(self, block, TRUE))
            return block;
    }
    return NULL;
}

static const VrBlock *
pack_largest(Packing *self, const GArray *blocks)
{
    for (guint i = 0; i < blocks->len; i++) {
        const VrBlock *block = &g_array_index(blocks, VrBlock, i);
        if (!place(self, block, FALSE) && !place(self, block, TRUE))
            return block;
    }
    return NULL;
}

gboolean
vr_placement_pack(VrCapacity *capacity, guint source, const VrTargets *targets, VrOrder order,
                  GArray *out_moves, VrNoPlace *out_no_place)
{
    const VrProblem *problem = capacity->problem;
    VrResource binding = problem->pools[problem->hosts[source].pool].binding;
    Packing self = {capacity, targets, binding, source, out_moves};
    g_autoptr(GArray) vms = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) blocks = build_blocks(capacity, source, vms);
    guint log_mark = capacity->log->len, moves_mark = out_moves->len;

    const VrBlock *misfit =
        order == VR_ORDER_LARGEST ? pack_largest(&self, blocks) : pack_smallest(&self, blocks);
    if (misfit == NULL)
        return TRUE;
    if (out_no_place != NULL)
        *out_no_place = explain(&self, misfit);
    vr_capacity_undo(capacity, log_mark);
    g_array_set_size(out_moves, moves_mark);
    return FALSE;
}

gint64
vr_placement_largest(const VrCapacity *capacity, guint source)
{
    const VrProblem *problem = capacity->problem;
    VrResource binding = problem->pools[problem->hosts[source].pool].binding;
    g_autoptr(GArray) vms = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) blocks = build_blocks(capacity, source, vms);

    if (blocks->len == 0)
        return 0;
    return g_array_index(blocks, VrBlock, 0).size.of[binding];
}
