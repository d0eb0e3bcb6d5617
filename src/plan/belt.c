/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/belt.h"

static void
build_shelves(VrBelt *self, guint pool)
{
    const VrProblemPool *own = &self->problem->pools[pool];
    gint64 room_max = 0;

    for (guint i = 0; i < own->hosts->len; i++) {
        guint h = g_array_index(own->hosts, guint, i);
        room_max = MAX(room_max, self->problem->hosts[h].room.of[own->binding]);
    }
    for (guint s = 0; s < VR_SHELVES; s++)
        self->pools[pool].shelves[s] = vr_free_index_new(self->links, own->hosts->len, room_max);
}

static gint64
count_cycle_ms(const VrBelt *self, guint host)
{
    const VrProblemHost *own = &self->problem->hosts[host];
    gint64 link_mib = 0;

    for (guint i = 0; i < own->blocks->len; i++)
        link_mib += g_array_index(own->blocks, VrBlock, i).link_mib;
    return link_mib * 1000 / own->link_mib_per_s + self->gate_ms + own->update_ms;
}

void
vr_belt_count_open(VrBelt *self, guint host, gint sign)
{
    const VrProblemHost *own = &self->problem->hosts[host];
    VrBeltPool *pool = &self->pools[own->pool];

    pool->open_count += (guint)sign;
    pool->open_room += sign * own->room.of[vr_problem_binding(self->problem, host)];
    pool->open_load += sign * vr_belt_load(self, host);
    pool->open_cycle_ms += sign * self->hosts[host].cycle_ms;
    pool->open_update_ms += sign * own->update_ms;
}

static void
place_host(VrBelt *self, guint host)
{
    const VrProblemHost *own = &self->problem->hosts[host];
    VrBeltHost *at = &self->hosts[host];

    *at = (VrBeltHost){.vm_count = own->vms->len,
                       .out_first = VR_NONE,
                       .out_last = VR_NONE,
                       .in_first = VR_NONE,
                       .in_last = VR_NONE,
                       .first_flow = VR_NONE};
    self->links[host].bucket = -1;
    at->state = VR_HOST_LEFT;
    if (own->role == VR_ROLE_UPDATED)
        vr_belt_set_state(self, host, VR_HOST_UPDATED);
    if (own->role == VR_ROLE_UPDATE) {
        vr_belt_set_state(self, host, VR_HOST_OPEN);
        at->cycle_ms = count_cycle_ms(self, host);
        vr_belt_count_open(self, host, 1);
        self->schedule->host_count++;
    }
}

/* Means over the hosts of the pool that are to be updated. */
static void
measure_pool(VrBelt *self, guint pool)
{
    const VrProblemPool *own = &self->problem->pools[pool];
    VrBeltPool *at = &self->pools[pool];
    gint64 vm_count = 0, drains_ms = at->open_cycle_ms - at->open_update_ms;

    for (guint i = 0; i < own->hosts->len; i++) {
        guint host = g_array_index(own->hosts, guint, i);
        if (self->hosts[host].state == VR_HOST_OPEN)
            vm_count += self->hosts[host].vm_count;
    }
    at->drain_ms = drains_ms / MAX(at->open_count, 1) - self->gate_ms;
    at->aside_min =
        (gint64)((__int128)at->open_load * self->manner->aside_permille / 1000 / MAX(vm_count, 1));
}

VrBelt *
vr_belt_new(const VrProblem *problem, const VrManner *manner)
{
    const VrLimits *limits = &problem->policy->limits;
    VrBelt *self = g_new0(VrBelt, 1);

    self->problem = problem;
    self->limits = limits;
    self->manner = manner;
    self->capacity = vr_capacity_new(problem, FALSE);
    self->agenda = vr_agenda_new();
    self->schedule = vr_schedule_new(problem->host_count);
    self->hosts = g_new0(VrBeltHost, problem->host_count);
    self->vms = g_new0(VrBeltVm, problem->vm_count);
    self->pools = g_new0(VrBeltPool, problem->pool_count);
    self->links = g_new0(VrFreeLink, problem->host_count);
    self->domain_down = g_new0(guint, problem->domain_count);
    self->flows = g_array_new(FALSE, FALSE, sizeof(VrFlow));
    self->waiting = g_array_new(FALSE, FALSE, sizeof(guint));
    self->sources = g_array_new(FALSE, FALSE, sizeof(guint));
    self->gate_ms = limits->gate_s * 1000;
    self->canary_ms = MAX(limits->gate_s, limits->gate_canary_s) * 1000;
    self->hosts_down_max = vr_policy_hosts_down_max(problem->policy, problem->host_count);
    self->canary = self->canary_source = VR_NONE;
    for (guint p = 0; p < problem->pool_count; p++)
        build_shelves(self, p);
    for (guint h = 0; h < problem->host_count; h++)
        place_host(self, h);
    for (guint p = 0; p < problem->pool_count; p++)
        measure_pool(self, p);
    for (guint v = 0; v < problem->vm_count; v++)
        self->vms[v] =
            (VrBeltVm){.host = vr_inventory_vm(problem->inventory, v)->host_index, .flow = VR_NONE};
    return self;
}

const GArray *
vr_belt_blocks(VrBelt *self, guint host)
{
    VrBeltHost *at = &self->hosts[host];

    if (at->guests == NULL)
        return self->problem->hosts[host].blocks;
    if (at->blocks == NULL)
        at->blocks = vr_problem_build_blocks(self->problem, vr_problem_binding(self->problem, host),
                                             at->guests);
    return at->blocks;
}

void
vr_belt_add_guest(VrBelt *self, guint host, guint vm)
{
    VrBeltHost *at = &self->hosts[host];

    if (at->guests == NULL)
        at->guests = g_array_copy(self->problem->hosts[host].vms);
    g_array_append_val(at->guests, vm);
    g_clear_pointer(&at->blocks, g_array_unref);
}

void
vr_belt_append_ids(const VrBelt *self, const VrFlow *flow, GArray *ids)
{
    for (guint id = flow->last_id; id != 0;
         id = g_array_index(self->schedule->entries, VrEntry, id - 1).before)
        g_array_append_val(ids, id);
}

/* -1: none */
static gint
shelf_of(const VrBelt *self, VrHostState state)
{
    VrAhead ahead = self->manner->ahead;

    switch (state) {
    case VR_HOST_UPDATED:
        return VR_SHELF_READY;
    case VR_HOST_OPEN:
        return VR_SHELF_OPEN;
    case VR_HOST_UPDATING:
        return ahead >= VR_AHEAD_UPDATING ? VR_SHELF_AHEAD : -1;
    case VR_HOST_RETURNING:
        return ahead >= VR_AHEAD_RETURNING ? VR_SHELF_AHEAD : -1;
    case VR_HOST_WAITING:
        return ahead >= VR_AHEAD_WAITING ? VR_SHELF_AHEAD : -1;
    case VR_HOST_GATED:
        return ahead >= VR_AHEAD_GATED ? VR_SHELF_AHEAD : -1;
    case VR_HOST_DRAINING:
    case VR_HOST_SPARE:
    case VR_HOST_LEFT:
        return -1;
    }
    g_assert_not_reached();
}

/* Room in a hole that is too small for any VM does not count. */
static void
add_frees(VrBelt *self, guint host, gint shelf, gint sign)
{
    guint pool = self->problem->hosts[host].pool;
    const VrProblemPool *own = &self->problem->pools[pool];
    const VrAmount *frees = &self->capacity->frees[host];
    VrAmount *sum = &self->pools[pool].frees[shelf];

    if (frees->of[own->binding] < own->block_min)
        return;
    for (guint r = 0; r < VR_RESOURCE_CPU; r++)
        sum->of[r] += sign * MAX(frees->of[r], 0);
}

static void
shelve(VrBelt *self, guint host, gint shelf)
{
    const VrProblem *problem = self->problem;
    VrBeltPool *pool = &self->pools[problem->hosts[host].pool];

    vr_free_index_put(pool->shelves[shelf], host,
                      self->capacity->frees[host].of[vr_problem_binding(problem, host)]);
}

static void
count_coming(VrBelt *self, guint host, VrHostState state, gint sign)
{
    const VrProblemHost *own = &self->problem->hosts[host];
    VrBeltPool *pool = &self->pools[own->pool];

    if (state < VR_HOST_DRAINING || state > VR_HOST_RETURNING)
        return;
    if (shelf_of(self, state) < 0)
        pool->coming_room += sign * own->room.of[vr_problem_binding(self->problem, host)];
    if (state < VR_HOST_UPDATING)
        pool->coming_update_ms += sign * own->update_ms;
}

void
vr_belt_set_state(VrBelt *self, guint host, VrHostState state)
{
    VrBeltPool *pool = &self->pools[self->problem->hosts[host].pool];
    VrBeltHost *at = &self->hosts[host];
    gint old = shelf_of(self, at->state), new = shelf_of(self, state);

    count_coming(self, host, at->state, -1);
    count_coming(self, host, state, 1);
    at->state = state;
    if (old >= 0) {
        vr_free_index_remove(pool->shelves[old], host);
        add_frees(self, host, old, -1);
    }
    if (new < 0)
        return;
    shelve(self, host, new);
    add_frees(self, host, new, 1);
    if (new != VR_SHELF_OPEN)
        pool->stamp++;
}

void
vr_belt_promise(VrBelt *self, const VrBlock *block, guint host)
{
    gint shelf = shelf_of(self, self->hosts[host].state);

    g_assert(shelf >= 0);
    add_frees(self, host, shelf, -1);
    vr_capacity_take(self->capacity, block, host);
    add_frees(self, host, shelf, 1);
    shelve(self, host, shelf);
    self->hosts[host].inbound_count += block->count;
    self->hosts[host].inbound_link_mib += block->link_mib;
}

void
vr_belt_withdraw(VrBelt *self, const VrBlock *block, guint host)
{
    gint shelf = shelf_of(self, self->hosts[host].state);

    g_assert(shelf >= 0);
    add_frees(self, host, shelf, -1);
    vr_capacity_give(self->capacity, block, host);
    add_frees(self, host, shelf, 1);
    shelve(self, host, shelf);
    self->hosts[host].inbound_count -= block->count;
    self->hosts[host].inbound_link_mib -= block->link_mib;
}

gint64
vr_belt_load(const VrBelt *self, guint host)
{
    VrResource binding = vr_problem_binding(self->problem, host);

    return self->problem->hosts[host].room.of[binding] - self->capacity->frees[host].of[binding];
}

gboolean
vr_belt_all_fit(const VrBelt *self, guint pool)
{
    const VrBeltPool *own = &self->pools[pool];
    VrResource binding = self->problem->pools[pool].binding;

    return own->frees[VR_SHELF_READY].of[binding] + own->frees[VR_SHELF_AHEAD].of[binding] >=
           own->open_load;
}

gboolean
vr_belt_is_past_canary(const VrBelt *self)
{
    return self->canary_ms == 0 || self->canary_passed;
}

void
vr_belt_free(VrBelt *self)
{
    if (self == NULL)
        return;
    for (guint h = 0; h < self->problem->host_count; h++) {
        g_clear_pointer(&self->hosts[h].guests, g_array_unref);
        g_clear_pointer(&self->hosts[h].blocks, g_array_unref);
        g_clear_pointer(&self->hosts[h].arrivals, g_array_unref);
    }
    for (guint p = 0; p < self->problem->pool_count; p++) {
        for (guint s = 0; s < VR_SHELVES; s++)
            vr_free_index_free(self->pools[p].shelves[s]);
    }
    g_array_unref(self->flows);
    g_array_unref(self->waiting);
    g_array_unref(self->sources);
    vr_capacity_free(self->capacity);
    vr_agenda_free(self->agenda);
    vr_schedule_free(self->schedule);
    g_free(self->hosts);
    g_free(self->vms);
    g_free(self->pools);
    g_free(self->links);
    g_free(self->domain_down);
    g_free(self);
}
