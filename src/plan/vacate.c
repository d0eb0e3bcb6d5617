/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/bounds.h"
#include "plan/vacate.h"

/* How many hosts are tried for the cheapest to vacate, once one is known that works. */
#define NEEDED_TRIES_MAX 400
#define BUDGET_TRIES_MAX 12

typedef struct {
    guint host, vm_count;
    guint extra_min; /* proven */
    guint place;     /* in the preferred order */
    gint64 room;
} Candidate;

static guint
count_extras(const VrConveyor *self, guint host)
{
    const GArray *blocks = vr_belt_blocks(self->belt, host);
    guint count = 0;

    for (guint i = 0; i < self->places->len; i++) {
        const VrPlace *place = &g_array_index(self->places, VrPlace, i);
        if (place->extra)
            count += g_array_index(blocks, VrBlock, place->block).count;
    }
    return count;
}

/* Smallest first needs fewest extras, largest first may fit when that does not. */
static gboolean
pack_mixed(VrConveyor *self, guint host)
{
    return vr_placement_pack(self->belt, host, VR_PACK_FEWEST, self->places) ||
           vr_placement_pack(self->belt, host, VR_PACK_LARGEST, self->places);
}

static int
compare_needed(gconstpointer a, gconstpointer b)
{
    const Candidate *x = a, *y = b;

    if (x->extra_min != y->extra_min)
        return x->extra_min < y->extra_min ? -1 : 1;
    if (x->vm_count != y->vm_count)
        return x->vm_count < y->vm_count ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Open hosts that nothing is on its way to; only the first if the request has an order of its own.
 */
static GArray *
list_candidates(const VrConveyor *self, guint pool)
{
    const VrBelt *belt = self->belt;
    const VrProblem *problem = belt->problem;
    VrResource binding = problem->pools[pool].binding;
    gint64 room = belt->pools[pool].frees[VR_SHELF_READY].of[binding] +
                  belt->pools[pool].frees[VR_SHELF_AHEAD].of[binding];
    const VrOrder *order = self->orders[VR_ORDER_PREFERRED];
    GArray *candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));

    for (guint h = order->heads[pool]; h != VR_NONE; h = order->next[h]) {
        const VrBeltHost *at = &belt->hosts[h];
        if (at->inbound_count > 0)
            continue;
        const GArray *vms = at->guests != NULL ? at->guests : problem->hosts[h].vms;
        Candidate candidate = {.host = h,
                               .vm_count = vms->len,
                               .extra_min = vr_bounds_left_over(problem, binding, room, vms),
                               .place = candidates->len};
        g_array_append_val(candidates, candidate);
        if (problem->hosts[h].rank != G_MAXUINT)
            break;
    }
    g_array_sort(candidates, compare_needed);
    return candidates;
}

gboolean
vr_vacate_needed(VrConveyor *self, guint pool)
{
    VrBelt *belt = self->belt;
    gboolean any_updated = belt->pools[pool].shelves[VR_SHELF_READY]->host_count > 0;
    g_autoptr(GArray) candidates = list_candidates(self, pool);
    guint best = VR_NONE, best_count = G_MAXUINT;

    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = &g_array_index(candidates, Candidate, i);
        if (best != VR_NONE && (best_count <= candidate->extra_min || i >= NEEDED_TRIES_MAX))
            break;
        if (!pack_mixed(self, candidate->host))
            continue;
        guint count = count_extras(self, candidate->host);
        vr_placement_undo(belt, candidate->host, self->places);
        if (count < best_count) {
            best = candidate->host;
            best_count = count;
        }
    }
    if (best == VR_NONE || !pack_mixed(self, best))
        return FALSE;
    vr_conveyor_drain(self, best, any_updated ? VR_TURN_NO_FIT : VR_TURN_NO_EMPTY);
    return TRUE;
}

/* Most room for an extra. */
static int
compare_early(gconstpointer a, gconstpointer b)
{
    const Candidate *x = a, *y = b;
    __int128 left = (__int128)x->room * y->vm_count, right = (__int128)y->room * x->vm_count;

    if (left != right)
        return left > right ? -1 : 1;
    return x->host < y->host ? -1 : x->host > y->host;
}

void
vr_vacate_early(VrConveyor *self)
{
    VrBelt *belt = self->belt;
    gint64 budget = belt->extra_budget * self->belt->manner->early_permille / 1000;
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));

    for (guint h = 0; h < belt->problem->host_count && budget > 0; h++) {
        if (belt->hosts[h].state != VR_HOST_OPEN || belt->problem->hosts[h].rank != G_MAXUINT)
            continue;
        Candidate candidate = {
            .host = h,
            .vm_count = belt->hosts[h].vm_count,
            .room = belt->problem->hosts[h].room.of[vr_problem_binding(belt->problem, h)]};
        g_array_append_val(candidates, candidate);
    }
    g_array_sort(candidates, compare_early);
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = &g_array_index(candidates, Candidate, i);
        if (belt->pipeline_count >= self->pipeline_max)
            return;
        if (belt->hosts[candidate->host].inbound_count > 0 ||
            belt->schedule->extra_count + candidate->vm_count > budget ||
            !vr_placement_pack(belt, candidate->host, VR_PACK_OPEN, self->places))
            continue;
        vr_conveyor_drain(self, candidate->host, VR_TURN_EARLY);
    }
}

gboolean
vr_vacate_within_budget(VrConveyor *self, guint pool)
{
    VrBelt *belt = self->belt;
    const VrOrder *order = self->orders[VR_ORDER_PREFERRED];
    guint best = VR_NONE, best_count = G_MAXUINT, tries = 0;

    for (guint h = order->heads[pool]; h != VR_NONE && tries < BUDGET_TRIES_MAX;
         h = order->next[h]) {
        if (belt->hosts[h].inbound_count > 0)
            continue;
        tries++;
        if (!vr_placement_pack(belt, h, VR_PACK_FEWEST, self->places))
            continue;
        guint count = count_extras(self, h);
        vr_placement_undo(belt, h, self->places);
        if (count < best_count && belt->schedule->extra_count + count <= belt->extra_budget) {
            best = h;
            best_count = count;
        }
    }
    if (best == VR_NONE || !vr_placement_pack(belt, best, VR_PACK_FEWEST, self->places))
        return FALSE;
    vr_conveyor_drain(self, best, VR_TURN_EARLY);
    return TRUE;
}
