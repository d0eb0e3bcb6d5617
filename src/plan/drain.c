/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/drain.h"
#include "plan/spare.h"
#include "plan/traffic.h"

static guint
find_flow(VrBelt *belt, guint source, const VrPlace *place)
{
    guint index = belt->hosts[source].first_flow;

    while (index != VR_NONE && vr_belt_flow(belt, index)->target != place->target)
        index = vr_belt_flow(belt, index)->next;
    if (index != VR_NONE)
        return index;
    VrFlow flow = {.source = source,
                   .target = place->target,
                   .extra = place->extra,
                   .first = VR_NONE,
                   .last = VR_NONE,
                   .next = belt->hosts[source].first_flow};
    g_array_append_val(belt->flows, flow);
    belt->hosts[source].first_flow = belt->flows->len - 1;
    return belt->flows->len - 1;
}

/* Longest first: then the streams of a host end at nearly the same time. */
static int
compare_longest(gconstpointer a, gconstpointer b, gpointer data)
{
    guint x = *(const guint *)a, y = *(const guint *)b;
    const VrBelt *belt = data;
    gint64 link_x = belt->problem->vms[x].link_mib, link_y = belt->problem->vms[y].link_mib;

    if (link_x != link_y)
        return link_x > link_y ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* (element-type guint) the VMs, each in its flow. */
static GArray *
assign_flows(VrBelt *belt, guint host, const GArray *places)
{
    const GArray *blocks = vr_belt_blocks(belt, host);
    VrBeltPool *pool = &belt->pools[belt->problem->hosts[host].pool];
    VrResource binding = vr_problem_binding(belt->problem, host);
    GArray *vms = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < places->len; i++) {
        const VrPlace *place = &g_array_index(places, VrPlace, i);
        const VrBlock *block = &g_array_index(blocks, VrBlock, place->block);
        guint flow = find_flow(belt, host, place);
        vr_belt_flow(belt, flow)->left_count += block->count;
        g_array_append_vals(vms, block->vms, block->count);
        for (guint j = 0; j < block->count; j++) {
            VrBeltVm *vm = &belt->vms[block->vms[j]];
            vm->flow = flow;
            vm->left_mib = place->left_mib;
            vm->choice = place->choice;
            if (place->extra)
                vr_belt_add_guest(belt, place->target, block->vms[j]);
        }
        if (place->extra)
            pool->open_load += block->size.of[binding];
        vr_capacity_give(belt->capacity, block, host);
    }
    g_array_sort_with_data(vms, compare_longest, belt);
    return vms;
}

static void
note_drain(VrBelt *belt, guint host, VrTurn turn)
{
    VrDrainNote *note = &belt->schedule->notes[host];

    *note = (VrDrainNote){.turn = turn, .vm_count = belt->hosts[host].vm_count};
    for (guint f = belt->hosts[host].first_flow; f != VR_NONE; f = vr_belt_flow(belt, f)->next) {
        const VrFlow *flow = vr_belt_flow(belt, f);
        note->target_count++;
        note->first_target = flow->target; /* flows are linked in reverse */
        note->extra_count += flow->extra ? flow->left_count : 0;
    }
    belt->schedule->extra_count += note->extra_count;
}

/* The updated host that takes most of the first VMs; of equals the first that was promised one. */
static void
choose_canary(VrBelt *belt, guint host)
{
    guint most = 0;

    for (guint f = belt->hosts[host].first_flow; f != VR_NONE; f = vr_belt_flow(belt, f)->next) {
        const VrFlow *flow = vr_belt_flow(belt, f);
        if (flow->extra || flow->left_count < most)
            continue;
        most = flow->left_count;
        belt->canary = flow->target;
        belt->canary_source = host;
    }
}

static void
emptied(VrBelt *belt, guint host)
{
    for (guint i = 0; i < belt->sources->len; i++) {
        if (g_array_index(belt->sources, guint, i) == host) {
            g_array_remove_index(belt->sources, i);
            break;
        }
    }
    if (!vr_spare_take(belt, host))
        vr_drain_hold(belt, host);
}

void
vr_drain_hold(VrBelt *belt, guint host)
{
    VrBeltHost *at = &belt->hosts[host];

    at->ready_ms = MAX(at->gates_end_ms, belt->now_ms) + belt->problem->hosts[host].update_ms;
    if (at->gates_end_ms > belt->now_ms) {
        vr_belt_set_state(belt, host, VR_HOST_GATED);
        vr_agenda_add(belt->agenda, at->gates_end_ms, VR_AGENDA_GATES, host);
        return;
    }
    vr_drain_released(belt, host);
}

void
vr_drain_begin(VrBelt *belt, guint host, VrTurn turn, GArray *places)
{
    VrBeltPool *pool = &belt->pools[belt->problem->hosts[host].pool];

    g_assert(belt->hosts[host].state == VR_HOST_OPEN && belt->hosts[host].inbound_count == 0);
    vr_belt_count_open(belt, host, -1);
    pool->active_count++;
    belt->pipeline_count++;
    vr_belt_set_state(belt, host, VR_HOST_DRAINING);
    g_autoptr(GArray) vms = assign_flows(belt, host, places);
    g_array_set_size(places, 0);
    note_drain(belt, host, turn);
    if (belt->canary_ms > 0 && belt->canary == VR_NONE)
        choose_canary(belt, host);
    g_array_append_val(belt->sources, host);
    for (guint i = 0; i < vms->len; i++)
        vr_traffic_queue(belt, g_array_index(vms, guint, i));
    vr_traffic_wake_source(belt, host);
    if (vms->len == 0)
        emptied(belt, host);
}

/* All VMs of the flow have settled: their target is watched from now on. */
static void
begin_gate(VrBelt *belt, VrFlow *flow)
{
    VrBeltHost *source = &belt->hosts[flow->source];
    gboolean first = flow->target == belt->canary && !belt->canary_passed;
    gint64 length_ms = first ? belt->canary_ms : belt->gate_ms;

    if (length_ms == 0)
        return;
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint));
    vr_belt_append_ids(belt, flow, ids);
    VrEntry entry = {.kind = VR_STEP_GATE,
                     .host = flow->target,
                     .source = flow->source,
                     .after = vr_schedule_add_list(belt->schedule, ids),
                     .start_ms = belt->now_ms,
                     .end_ms = belt->now_ms + length_ms};
    flow->gate = vr_schedule_append(belt->schedule, &entry);
    source->gates_end_ms = MAX(source->gates_end_ms, entry.end_ms);
    if (!first)
        return;
    belt->canary_gate = flow->gate;
    vr_agenda_add(belt->agenda, entry.end_ms, VR_AGENDA_CANARY, flow->target);
}

void
vr_drain_arrived(VrBelt *belt, guint index)
{
    VrFlow *flow = vr_belt_flow(belt, index);
    guint source = flow->source;

    if (flow->left_count == 0 && !flow->extra)
        begin_gate(belt, flow);
    if (belt->hosts[source].vm_count == 0)
        emptied(belt, source);
}

void
vr_drain_released(VrBelt *belt, guint host)
{
    vr_belt_set_state(belt, host, VR_HOST_WAITING);
    g_array_append_val(belt->waiting, host);
}

void
vr_drain_canary_passed(VrBelt *belt)
{
    belt->canary_passed = TRUE;
    for (guint i = 0; i < belt->sources->len; i++)
        vr_traffic_wake_source(belt, g_array_index(belt->sources, guint, i));
}

/* What an update comes after: the gates of the VMs that left, or their migrations. */
static guint
list_departures(VrBelt *belt, guint host)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint f = belt->hosts[host].first_flow; f != VR_NONE; f = vr_belt_flow(belt, f)->next) {
        const VrFlow *flow = vr_belt_flow(belt, f);
        if (flow->gate != 0)
            g_array_append_val(ids, flow->gate);
        else
            vr_belt_append_ids(belt, flow, ids);
    }
    if (belt->hosts[host].relieved_by != 0)
        g_array_append_val(ids, belt->hosts[host].relieved_by);
    return vr_schedule_add_list(belt->schedule, ids);
}

static void
start_update(VrBelt *belt, guint host)
{
    const VrProblemHost *own = &belt->problem->hosts[host];
    VrBeltHost *at = &belt->hosts[host];
    VrEntry entry = {.kind = VR_STEP_UPDATE,
                     .host = host,
                     .after = list_departures(belt, host),
                     .start_ms = belt->now_ms,
                     .end_ms = belt->now_ms + own->update_ms};

    at->update_id = vr_schedule_append(belt->schedule, &entry);
    at->ready_ms = entry.end_ms;
    vr_belt_set_state(belt, host, VR_HOST_UPDATING);
    if (belt->manner->ahead == VR_AHEAD_RETURNING) {
        gint64 near_ms = belt->pools[own->pool].drain_ms * belt->manner->near_permille / 1000;
        vr_agenda_add(belt->agenda, MAX(belt->now_ms, entry.end_ms - near_ms), VR_AGENDA_RETURN,
                      host);
    }
    vr_agenda_add(belt->agenda, entry.end_ms, VR_AGENDA_UPDATE, host);
    belt->down_count++;
    if (own->domain >= 0)
        belt->domain_down[own->domain]++;
}

static gboolean
is_domain_full(const VrBelt *belt, guint host)
{
    gint domain = belt->problem->hosts[host].domain;
    gint64 max = belt->limits->hosts_down_per_domain_max;

    return max > 0 && domain >= 0 && belt->domain_down[domain] >= max;
}

/*
 * As long as room is short, the one that brings most of it per time; after that the one that takes
 * longest, so that none is left alone at the end.
 */
static gboolean
goes_before(const VrBelt *belt, guint host, guint other)
{
    const VrProblemHost *x = &belt->problem->hosts[host], *y = &belt->problem->hosts[other];
    gboolean urgent_x = !vr_belt_all_fit(belt, x->pool), urgent_y = !vr_belt_all_fit(belt, y->pool);

    if (urgent_x != urgent_y)
        return urgent_x;
    if (urgent_x) {
        __int128 gain_x =
            (__int128)x->room.of[vr_problem_binding(belt->problem, host)] * MAX(y->update_ms, 1);
        __int128 gain_y =
            (__int128)y->room.of[vr_problem_binding(belt->problem, other)] * MAX(x->update_ms, 1);
        if (gain_x != gain_y)
            return gain_x > gain_y;
    } else if (x->update_ms != y->update_ms) {
        return x->update_ms > y->update_ms;
    }
    return host < other;
}

/* The waiting host that is updated next; its index in the list, or -1 if none may be. */
static gint
find_next(const VrBelt *belt)
{
    gint best = -1;

    for (guint i = 0; i < belt->waiting->len; i++) {
        guint host = g_array_index(belt->waiting, guint, i);
        if (!is_domain_full(belt, host) &&
            (best < 0 || goes_before(belt, host, g_array_index(belt->waiting, guint, (guint)best))))
            best = (gint)i;
    }
    return best;
}

void
vr_drain_start_updates(VrBelt *belt)
{
    while (belt->down_count < belt->hosts_down_max) {
        gint next = find_next(belt);
        if (next < 0)
            return;
        guint host = g_array_index(belt->waiting, guint, next);
        g_array_remove_index(belt->waiting, (guint)next);
        start_update(belt, host);
    }
}

void
vr_drain_updated(VrBelt *belt, guint host)
{
    const VrProblemHost *own = &belt->problem->hosts[host];

    belt->down_count--;
    if (own->domain >= 0)
        belt->domain_down[own->domain]--;
    belt->pipeline_count--;
    belt->pools[own->pool].active_count--;
    belt->hosts[host].ready_ms = 0;
    vr_belt_set_state(belt, host, VR_HOST_UPDATED);
    vr_traffic_wake_target(belt, host);
}
