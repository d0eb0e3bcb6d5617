/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/conveyor.h"
#include "plan/outlook.h"
#include "plan/spare.h"
#include "plan/traffic.h"
#include "plan/vacate.h"

/* Hosts for whose VMs places are looked for before the pool counts as exhausted. */
#define TRIES_MAX 48

void
vr_conveyor_drain(VrConveyor *self, guint host, VrTurn turn)
{
    for (guint i = 0; i < VR_ORDERS; i++)
        vr_order_remove(self->orders[i], self->belt->problem->hosts[host].pool, host);
    vr_drain_begin(self->belt, host, turn, self->places);
}

/* Room is short, and there is some of the budget left to make more of it. */
static gboolean
steps_aside(const VrBelt *belt, guint pool)
{
    return belt->manner->aside_permille > 0 && belt->schedule->extra_count < belt->extra_budget &&
           !vr_belt_all_fit(belt, pool);
}

static gboolean
can_be_drained(const VrConveyor *self, guint host)
{
    const VrBelt *belt = self->belt;
    const VrProblemHost *own = &belt->problem->hosts[host];
    const VrBeltPool *pool = &belt->pools[own->pool];
    const VrBeltHost *at = &belt->hosts[host];

    if (at->inbound_count > 0 || at->tried == pool->stamp)
        return FALSE;
    if (steps_aside(belt, own->pool))
        return TRUE;
    for (guint r = 0; r < VR_RESOURCE_CPU; r++) {
        gint64 load = own->room.of[r] - belt->capacity->frees[host].of[r];
        if (load > pool->frees[VR_SHELF_READY].of[r] + pool->frees[VR_SHELF_AHEAD].of[r])
            return FALSE;
    }
    return TRUE;
}

static gboolean
pack(VrConveyor *self, guint host, gboolean whole_only)
{
    const VrBelt *belt = self->belt;

    if (whole_only || belt->manner->whole) {
        if (vr_placement_pack_whole(self->belt, host, self->places))
            return TRUE;
        if (whole_only)
            return FALSE;
    }
    return vr_placement_pack(self->belt, host,
                             steps_aside(belt, belt->problem->hosts[host].pool) ? VR_PACK_ASIDE
                                                                                : VR_PACK_FORWARD,
                             self->places);
}

/* Drains the host if all its VMs have a place; remembers it if not, until there is more room. */
static gboolean
try_drain(VrConveyor *self, guint host, VrTurn turn, gboolean whole_only)
{
    VrBelt *belt = self->belt;

    if (pack(self, host, whole_only)) {
        vr_conveyor_drain(self, host, turn);
        return TRUE;
    }
    if (!whole_only)
        belt->hosts[host].tried = belt->pools[belt->problem->hosts[host].pool].stamp;
    return FALSE;
}

/* Is there room for the VMs of at least one host? Extras may have come since; they add to loads. */
static gboolean
has_room_for_any(const VrConveyor *self, guint pool)
{
    const VrBelt *belt = self->belt;
    const VrBeltPool *own = &belt->pools[pool];
    VrResource binding = belt->problem->pools[pool].binding;
    guint lightest = self->orders[VR_ORDER_LIGHTEST]->heads[pool];

    if (lightest == VR_NONE || steps_aside(belt, pool))
        return lightest != VR_NONE;
    return belt->problem->hosts[lightest].load.of[binding] <=
           own->frees[VR_SHELF_READY].of[binding] + own->frees[VR_SHELF_AHEAD].of[binding];
}

/* The first host of the order that can be drained, down to those with a cycle of `cycle_ms_min`. */
static gboolean
drain_first(VrConveyor *self, guint pool, VrOrderKind kind, gint64 cycle_ms_min,
            gboolean whole_only)
{
    const VrOrder *order = self->orders[kind];
    VrTurn turn = kind == VR_ORDER_LONGEST ? VR_TURN_LONGEST : VR_TURN_GROWTH;
    guint tries = 0;

    for (guint h = order->heads[pool];
         h != VR_NONE && tries < TRIES_MAX && self->belt->hosts[h].cycle_ms >= cycle_ms_min;
         h = order->next[h]) {
        if (!can_be_drained(self, h))
            continue;
        tries++;
        if (try_drain(self, h, turn, whole_only))
            return TRUE;
    }
    return FALSE;
}

/* One host of the pool whose VMs all have a place: one migration per VM. */
static gboolean
drain_one(VrConveyor *self, guint pool, gboolean whole_only)
{
    const VrBelt *belt = self->belt;
    guint first = self->orders[VR_ORDER_PREFERRED]->heads[pool];

    if (!has_room_for_any(self, pool))
        return FALSE;
    /* The request's own order is kept: nobody overtakes. */
    if (first != VR_NONE && belt->problem->hosts[first].rank != G_MAXUINT)
        return can_be_drained(self, first) && try_drain(self, first, VR_TURN_ORDER, whole_only);
    if (vr_belt_all_fit(belt, pool))
        return drain_first(self, pool, VR_ORDER_LONGEST, 0, whole_only);
    /* Who takes as long as all the rest together must not wait any more. */
    if (belt->manner->hurry &&
        drain_first(self, pool, VR_ORDER_LONGEST, vr_outlook_urgent_ms(belt, pool), whole_only))
        return TRUE;
    return drain_first(self, pool, VR_ORDER_PREFERRED, 0, whole_only);
}

/* Until its gate has passed only the canary takes VMs, and those of one host only. */
static gboolean
is_waiting_for_canary(const VrBelt *belt)
{
    return !vr_belt_is_past_canary(belt) && belt->canary != VR_NONE;
}

static gboolean
drain_from_pool(VrConveyor *self, guint pool)
{
    VrBelt *belt = self->belt;
    const VrBeltPool *own = &belt->pools[pool];
    gboolean choosing = !vr_belt_is_past_canary(belt) && belt->canary == VR_NONE;

    if (own->open_count == 0 || own->spares_missing > 0 || self->exhausted[pool] == own->stamp ||
        is_waiting_for_canary(belt) || belt->pipeline_count >= self->pipeline_max ||
        (belt->manner->serial && own->active_count > 0))
        return FALSE;
    /* The canary had better take all VMs of its first source: others wait for its gate. */
    if ((choosing && drain_one(self, pool, TRUE)) || drain_one(self, pool, FALSE))
        return TRUE;
    self->exhausted[pool] = own->stamp;
    return FALSE;
}

static gboolean
spend_in_pool(VrConveyor *self, guint pool)
{
    VrBelt *belt = self->belt;
    const VrBeltPool *own = &belt->pools[pool];

    if (own->open_count == 0 || own->spares_missing > 0 || self->spent[pool] == own->stamp ||
        belt->manner->serial || belt->schedule->extra_count >= belt->extra_budget ||
        belt->pipeline_count >= belt->hosts_down_max || !vr_belt_is_past_canary(belt))
        return FALSE;
    if (vr_vacate_within_budget(self, pool))
        return TRUE;
    self->spent[pool] = own->stamp;
    return FALSE;
}

/* Begins all drains that are possible now, the pools in turn. */
static void
dispatch(VrConveyor *self)
{
    gboolean again = TRUE;

    while (again) {
        again = FALSE;
        for (guint p = 0; p < self->belt->problem->pool_count; p++)
            again |= drain_from_pool(self, p) || spend_in_pool(self, p);
        vr_spare_relieve(self->belt);
        vr_drain_start_updates(self->belt);
    }
}

/* Where nothing is under way and nothing can be, extras help or nothing does. */
static gboolean
unstick(VrConveyor *self)
{
    VrBelt *belt = self->belt;
    gboolean helped = FALSE;

    if (is_waiting_for_canary(belt))
        return FALSE;
    for (guint p = 0; p < belt->problem->pool_count; p++) {
        const VrBeltPool *pool = &belt->pools[p];
        if (pool->open_count > 0 && pool->active_count == 0)
            helped |= vr_vacate_needed(self, p);
    }
    return helped;
}

static void
handle(VrConveyor *self, const VrAgendaItem *item)
{
    VrBelt *belt = self->belt;
    guint flow;

    switch (item->kind) {
    case VR_AGENDA_MIGRATION:
        flow = belt->vms[item->index].flow;
        vr_traffic_end(belt, item->index);
        vr_drain_arrived(belt, flow);
        return;
    case VR_AGENDA_UPDATE:
        vr_drain_updated(belt, item->index);
        return;
    case VR_AGENDA_RETURN:
        vr_belt_set_state(belt, item->index, VR_HOST_RETURNING);
        return;
    case VR_AGENDA_GATES:
        vr_drain_released(belt, item->index);
        return;
    case VR_AGENDA_CANARY:
        vr_drain_canary_passed(belt);
        return;
    }
    g_assert_not_reached();
}

/* All that ends at the next instant. FALSE: nothing is under way. */
static gboolean
advance(VrConveyor *self)
{
    VrBelt *belt = self->belt;
    VrAgendaItem item;

    if (!vr_agenda_take(belt->agenda, &item))
        return FALSE;
    belt->now_ms = item.at_ms;
    handle(self, &item);
    while (vr_agenda_next_ms(belt->agenda) == belt->now_ms && vr_agenda_take(belt->agenda, &item))
        handle(self, &item);
    vr_drain_start_updates(belt);
    return TRUE;
}

static void
build_orders(VrConveyor *self)
{
    for (guint i = 0; i < VR_ORDERS; i++) {
        g_clear_pointer(&self->orders[i], vr_order_free);
        self->orders[i] = vr_order_new(self->belt, (VrOrderKind)i);
    }
}

/* Enough that an update can start whenever the limit of hosts down lets one. */
static guint
count_pipeline(const VrBelt *belt)
{
    gint64 cycles_ms = 0, updates_ms = 0;

    for (guint h = 0; h < belt->problem->host_count; h++) {
        if (belt->problem->hosts[h].role != VR_ROLE_UPDATE)
            continue;
        cycles_ms += belt->hosts[h].cycle_ms;
        updates_ms += belt->problem->hosts[h].update_ms;
    }
    gint64 count = (gint64)((__int128)belt->hosts_down_max * cycles_ms / MAX(updates_ms, 1)) + 2;
    return (guint)MIN(count, (gint64)belt->problem->host_count + 2);
}

static void
start(VrConveyor *self)
{
    VrBelt *belt = self->belt;

    vr_spare_choose(belt);
    build_orders(self);
    for (guint h = 0; h < belt->problem->host_count; h++) {
        if (belt->hosts[h].state == VR_HOST_OPEN && belt->hosts[h].vm_count == 0)
            vr_conveyor_drain(self, h, VR_TURN_EMPTY);
    }
    self->pipeline_max = count_pipeline(belt);
    vr_vacate_early(self);
    build_orders(self);
    vr_drain_start_updates(belt);
    dispatch(self);
}

static void
report_stuck(VrConveyor *self)
{
    VrBelt *belt = self->belt;

    for (guint h = 0; h < belt->problem->host_count; h++) {
        if (belt->hosts[h].state == VR_HOST_SPARE && belt->hosts[h].update_id == 0 &&
            belt->problem->hosts[h].role == VR_ROLE_UPDATE)
            vr_feasibility_add(belt->schedule->stuck, h,
                               g_strdup("it is kept as a spare host, and no other host can be "
                                        "spare in its place; lower spare_hosts_min or empty "
                                        "another host"));
        if (belt->hosts[h].state != VR_HOST_OPEN)
            continue;
        VrNoPlace no_place = vr_placement_explain(belt, h);
        vr_feasibility_add(belt->schedule->stuck, h,
                           vr_feasibility_explain(belt->problem, &no_place));
    }
}

gint64
vr_conveyor_budget(const VrProblem *problem)
{
    gint64 count = 0;

    for (guint h = 0; h < problem->host_count; h++) {
        if (problem->hosts[h].role == VR_ROLE_UPDATE)
            count += problem->hosts[h].vms->len;
    }
    return count * problem->policy->limits.extra_migrations_permille / 1000;
}

VrSchedule *
vr_conveyor_run(const VrProblem *problem, const VrManner *manner, gint64 give_up_ms)
{
    g_autoptr(VrBelt) belt = vr_belt_new(problem, manner);
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(VrPlace));
    g_autofree guint *exhausted = g_new0(guint, problem->pool_count);
    g_autofree guint *spent = g_new0(guint, problem->pool_count);
    VrConveyor self = {.belt = belt, .exhausted = exhausted, .spent = spent, .places = places};

    belt->extra_budget = vr_conveyor_budget(problem);
    start(&self);
    while (belt->now_ms <= give_up_ms) {
        if (unstick(&self) || advance(&self))
            dispatch(&self);
        else
            break;
    }
    for (guint i = 0; i < VR_ORDERS; i++)
        vr_order_free(self.orders[i]);
    if (belt->now_ms > give_up_ms)
        return NULL;
    report_stuck(&self);
    return g_steal_pointer(&belt->schedule);
}
