/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/traffic.h"

static void
queue_flow(VrBelt *belt, guint index)
{
    VrFlow *flow = vr_belt_flow(belt, index);
    VrBeltHost *target = &belt->hosts[flow->target];

    flow->in_next = VR_NONE;
    flow->in_previous = target->in_last;
    if (target->in_last != VR_NONE)
        vr_belt_flow(belt, target->in_last)->in_next = index;
    else
        target->in_first = index;
    target->in_last = index;
}

static void
unqueue_flow(VrBelt *belt, const VrFlow *flow)
{
    VrBeltHost *target = &belt->hosts[flow->target];

    if (flow->in_previous != VR_NONE)
        vr_belt_flow(belt, flow->in_previous)->in_next = flow->in_next;
    else
        target->in_first = flow->in_next;
    if (flow->in_next != VR_NONE)
        vr_belt_flow(belt, flow->in_next)->in_previous = flow->in_previous;
    else
        target->in_last = flow->in_previous;
}

void
vr_traffic_queue(VrBelt *belt, guint vm)
{
    VrBeltVm *own = &belt->vms[vm];
    VrFlow *flow = vr_belt_flow(belt, own->flow);
    VrBeltHost *source = &belt->hosts[flow->source];

    own->out_next = own->flow_next = VR_NONE;
    own->out_previous = source->out_last;
    own->flow_previous = flow->last;
    if (source->out_last != VR_NONE)
        belt->vms[source->out_last].out_next = vm;
    else
        source->out_first = vm;
    source->out_last = vm;
    if (flow->last != VR_NONE) {
        belt->vms[flow->last].flow_next = vm;
    } else {
        flow->first = vm;
        queue_flow(belt, own->flow);
    }
    flow->last = vm;
}

static void
leave_queues(VrBelt *belt, guint vm)
{
    const VrBeltVm *own = &belt->vms[vm];
    VrFlow *flow = vr_belt_flow(belt, own->flow);
    VrBeltHost *source = &belt->hosts[flow->source];

    if (own->out_previous != VR_NONE)
        belt->vms[own->out_previous].out_next = own->out_next;
    else
        source->out_first = own->out_next;
    if (own->out_next != VR_NONE)
        belt->vms[own->out_next].out_previous = own->out_previous;
    else
        source->out_last = own->out_previous;
    if (own->flow_previous != VR_NONE)
        belt->vms[own->flow_previous].flow_next = own->flow_next;
    else
        flow->first = own->flow_next;
    if (own->flow_next != VR_NONE)
        belt->vms[own->flow_next].flow_previous = own->flow_previous;
    else
        flow->last = own->flow_previous;
    if (flow->first == VR_NONE)
        unqueue_flow(belt, flow);
}

static gboolean
has_slot_out(const VrBelt *belt, guint host)
{
    const VrLimits *limits = belt->limits;

    return belt->hosts[host].out_count < MAX(limits->migrations_out_per_host, 1) &&
           belt->hosts[host].out_rate < belt->problem->hosts[host].link_mib_per_s &&
           (limits->migrations_max == 0 || belt->in_flight_count < limits->migrations_max);
}

static gboolean
has_slot_in(const VrBelt *belt, guint host)
{
    const VrLimits *limits = belt->limits;

    return belt->hosts[host].in_count < MAX(limits->migrations_in_per_host, 1) &&
           belt->hosts[host].in_rate < belt->problem->hosts[host].link_mib_per_s &&
           (limits->migrations_max == 0 || belt->in_flight_count < limits->migrations_max);
}

/* The target is up and may take this VM now. */
static gboolean
is_open_for(const VrBelt *belt, const VrFlow *flow)
{
    VrHostState state = belt->hosts[flow->target].state;

    if (flow->extra)
        return state == VR_HOST_OPEN;
    if (state != VR_HOST_UPDATED)
        return FALSE;
    /* Not even the canary takes more: else its gate would watch VMs of later sources too. */
    return vr_belt_is_past_canary(belt) ||
           (flow->target == belt->canary && flow->source == belt->canary_source);
}

/* What each migration of a flow comes after; the same for all, and known when the first starts. */
static guint
make_after(VrBelt *belt, const VrFlow *flow)
{
    const VrBeltHost *source = &belt->hosts[flow->source], *target = &belt->hosts[flow->target];
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint));

    /* A host is closed when its drain begins: by then every extra onto it has arrived. */
    if (source->arrivals != NULL)
        g_array_append_vals(ids, source->arrivals->data, source->arrivals->len);
    if (!flow->extra && target->update_id != 0)
        g_array_append_val(ids, target->update_id);
    if (!flow->extra && belt->canary_passed && belt->canary_gate != 0)
        g_array_append_val(ids, belt->canary_gate);
    return vr_schedule_add_list(belt->schedule, ids);
}

/* Flows onto one host share their list, but for extras and sources that took some. */
static guint
find_after(VrBelt *belt, const VrFlow *flow)
{
    VrBeltHost *target = &belt->hosts[flow->target];

    if (flow->extra || belt->hosts[flow->source].arrivals != NULL || !vr_belt_is_past_canary(belt))
        return make_after(belt, flow);
    if (target->after == 0)
        target->after = make_after(belt, flow);
    return target->after;
}

static void
record(VrBelt *belt, guint vm, gint64 end_ms)
{
    const VrBeltVm *own = &belt->vms[vm];
    VrFlow *flow = vr_belt_flow(belt, own->flow);
    VrBeltHost *target = &belt->hosts[flow->target];

    if (flow->last_id == 0)
        flow->after = find_after(belt, flow);
    VrEntry entry = {.kind = VR_STEP_MIGRATE,
                     .vm = vm,
                     .host = flow->target,
                     .source = flow->source,
                     .after = flow->after,
                     .before = flow->last_id,
                     .extra = flow->extra,
                     .start_ms = belt->now_ms,
                     .end_ms = end_ms,
                     .rate_mib_per_s = own->rate_mib_per_s,
                     .left_mib = own->left_mib,
                     .choice = own->choice};
    guint id = vr_schedule_append(belt->schedule, &entry);
    flow->last_id = id;
    if (flow->extra) {
        if (target->arrivals == NULL)
            target->arrivals = g_array_new(FALSE, FALSE, sizeof(guint));
        g_array_append_val(target->arrivals, id);
    }
}

/* 0: the links have too little left for now. */
static gint64
find_rate(const VrBelt *belt, const VrFlow *flow)
{
    gint64 link_out = belt->problem->hosts[flow->source].link_mib_per_s;
    gint64 link_in = belt->problem->hosts[flow->target].link_mib_per_s;
    gint64 full = vr_cost_full_rate(belt->limits, link_out, link_in);
    gint64 rate = MIN(full, MIN(link_out - belt->hosts[flow->source].out_rate,
                                link_in - belt->hosts[flow->target].in_rate));

    return rate < vr_cost_least_rate(full) ? 0 : rate;
}

static void
start(VrBelt *belt, guint vm, gint64 rate)
{
    VrBeltVm *own = &belt->vms[vm];
    const VrFlow *flow = vr_belt_flow(belt, own->flow);
    VrBeltHost *source = &belt->hosts[flow->source], *target = &belt->hosts[flow->target];
    gint64 end_ms =
        belt->now_ms + vr_cost_migration_ms(belt->limits, &belt->problem->vms[vm].cargo, rate);

    leave_queues(belt, vm);
    own->rate_mib_per_s = rate;
    source->out_rate += rate;
    source->out_count++;
    target->in_rate += rate;
    target->in_count++;
    belt->in_flight_count++;
    record(belt, vm, end_ms);
    vr_agenda_add(belt->agenda, end_ms, VR_AGENDA_MIGRATION, vm);
}

static gboolean
try_start(VrBelt *belt, guint vm)
{
    const VrFlow *flow = vr_belt_flow(belt, belt->vms[vm].flow);
    gint64 rate;

    if (!has_slot_out(belt, flow->source) || !has_slot_in(belt, flow->target) ||
        !is_open_for(belt, flow) || (rate = find_rate(belt, flow)) == 0)
        return FALSE;
    start(belt, vm, rate);
    return TRUE;
}

void
vr_traffic_wake_source(VrBelt *belt, guint host)
{
    for (guint vm = belt->hosts[host].out_first; vm != VR_NONE && has_slot_out(belt, host);) {
        guint next = belt->vms[vm].out_next;
        (void)try_start(belt, vm);
        vm = next;
    }
}

void
vr_traffic_wake_target(VrBelt *belt, guint host)
{
    for (guint f = belt->hosts[host].in_first; f != VR_NONE && has_slot_in(belt, host);) {
        guint next = vr_belt_flow(belt, f)->in_next;
        /* If one VM of a flow has to wait, so have the others. */
        while (vr_belt_flow(belt, f)->first != VR_NONE &&
               try_start(belt, vr_belt_flow(belt, f)->first))
            continue;
        f = next;
    }
}

void
vr_traffic_end(VrBelt *belt, guint vm)
{
    VrBeltVm *own = &belt->vms[vm];
    VrFlow *flow = vr_belt_flow(belt, own->flow);
    guint source_index = flow->source, target_index = flow->target;
    VrBeltHost *source = &belt->hosts[source_index], *target = &belt->hosts[target_index];

    source->out_rate -= own->rate_mib_per_s;
    source->out_count--;
    source->vm_count--;
    target->in_rate -= own->rate_mib_per_s;
    target->in_count--;
    target->vm_count++;
    target->inbound_count--;
    target->inbound_link_mib -= belt->problem->vms[vm].link_mib;
    belt->in_flight_count--;
    flow->left_count--;
    own->host = target_index;
    own->flow = VR_NONE;
    if (!flow->extra)
        belt->schedule->exposure_vm_ms += belt->now_ms;
    else if (target->inbound_count == 0) /* from now on the target may be emptied itself */
        belt->pools[belt->problem->hosts[target_index].pool].stamp++;
    if (belt->limits->migrations_max > 0) {
        /* Whoever waits for the fleet's limit: the earliest drain first, so that one ends soon. */
        for (guint i = 0; i < belt->sources->len; i++)
            vr_traffic_wake_source(belt, g_array_index(belt->sources, guint, i));
        return;
    }
    vr_traffic_wake_target(belt, target_index);
    vr_traffic_wake_source(belt, source_index);
}
