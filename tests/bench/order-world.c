/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "order-world.h"

static void
list_add(World *self, ListKind kind, gint host, guint vm, gboolean first)
{
    WorldHost *own = &self->hosts[host];
    WorldVm *added = &self->vms[vm];
    gint *end = first ? &own->heads[kind] : &own->tails[kind];
    gint *other_end = first ? &own->tails[kind] : &own->heads[kind];
    gint neighbour = *end;

    added->next[kind] = first ? neighbour : -1;
    added->previous[kind] = first ? -1 : neighbour;
    if (neighbour < 0)
        *other_end = (gint)vm;
    else
        *(first ? &self->vms[neighbour].previous[kind] : &self->vms[neighbour].next[kind]) =
            (gint)vm;
    *end = (gint)vm;
}

static void
list_remove(World *self, ListKind kind, gint host, guint vm)
{
    WorldHost *own = &self->hosts[host];
    gint before = self->vms[vm].previous[kind], after = self->vms[vm].next[kind];

    *(before >= 0 ? &self->vms[before].next[kind] : &own->heads[kind]) = after;
    *(after >= 0 ? &self->vms[after].previous[kind] : &own->tails[kind]) = before;
}

static gboolean
is_sooner(const WorldEvent *a, const WorldEvent *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->sequence < b->sequence);
}

static void
push_event(World *self, gint64 at_ms, gboolean is_update, guint id)
{
    WorldEvent event = {at_ms, self->sequence++, is_update, id};
    guint at = self->events->len;

    g_array_append_val(self->events, event);
    WorldEvent *heap = (WorldEvent *)(gpointer)self->events->data;
    for (; at > 0 && is_sooner(&event, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = event;
}

static WorldEvent
pop_event(World *self)
{
    WorldEvent *heap = (WorldEvent *)(gpointer)self->events->data, first = heap[0];
    guint count = self->events->len - 1, at = 0;
    WorldEvent last = heap[count];

    g_array_set_size(self->events, count);
    for (guint child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_sooner(&heap[child + 1], &heap[child]))
            child++;
        if (is_sooner(&last, &heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    if (count > 0)
        heap[at] = last;
    return first;
}

gint64
world_free_mib(const World *self, guint host)
{
    return self->hosts[host].room_mib - self->hosts[host].used_mib;
}

static void
index_host(World *self, guint host)
{
    gint64 free_mib = world_free_mib(self, host);
    HostState state = self->hosts[host].state;
    RoomIndex *indices[] = {self->any, self->updated, self->updating};
    gboolean belongs[] = {state == HOST_WAITS || state == HOST_UPDATED, state == HOST_UPDATED,
                          state == HOST_UPDATES};

    for (guint i = 0; i < G_N_ELEMENTS(indices); i++) {
        if (belongs[i])
            room_index_put(indices[i], host, free_mib);
        else
            room_index_remove(indices[i], host);
    }
}

static void
add_free(World *self, guint host, gint64 amount_mib)
{
    if (self->hosts[host].state == HOST_UPDATED)
        self->free_updated_mib += amount_mib;
    else if (self->hosts[host].state == HOST_UPDATES)
        self->free_updating_mib += amount_mib;
}

gboolean
world_is_apart(const World *self, guint vm, guint host)
{
    gint group = self->vms[vm].group;

    if (group < 0)
        return TRUE;
    for (guint i = self->group_starts[group]; i < self->group_starts[group + 1]; i++) {
        const WorldVm *other = &self->vms[self->members[i]];
        if (self->members[i] != vm && (other->host == (gint)host || other->target == (gint)host))
            return FALSE;
    }
    return TRUE;
}

gboolean
world_fits(const World *self, guint vm, guint host)
{
    const WorldHost *own = &self->hosts[host];
    const WorldVm *guest = &self->vms[vm];

    return own->used_mib + guest->memory_mib <= own->room_mib &&
           own->used_vcpus + guest->vcpus <= own->room_vcpus && guest->host != (gint)host &&
           world_is_apart(self, vm, host);
}

static void
use(World *self, guint host, const WorldVm *vm, gint sign)
{
    self->hosts[host].used_mib += sign * vm->memory_mib;
    self->hosts[host].used_vcpus += sign * vm->vcpus;
    add_free(self, host, -sign * vm->memory_mib);
    index_host(self, host);
}

void
world_reserve(World *self, guint vm, guint host)
{
    self->vms[vm].target = (gint)host;
    self->hosts[host].incoming_mib += self->vms[vm].resident_mib;
    use(self, host, &self->vms[vm], 1);
}

void
world_unreserve(World *self, guint vm)
{
    guint host = (guint)self->vms[vm].target;

    self->vms[vm].target = -1;
    self->hosts[host].incoming_mib -= self->vms[vm].resident_mib;
    use(self, host, &self->vms[vm], -1);
}

static gint64
migration_ms(const World *self, const WorldVm *vm, gint64 rate)
{
    gint64 divisor = MAX(rate, 5 * (rate - vm->dirty_mib_per_s));

    return self->limits->migration_overhead_ms + (5000 * vm->resident_mib + divisor - 1) / divisor;
}

static void
try_start(World *self, guint index)
{
    WorldVm *vm = &self->vms[index];
    WorldHost *source = &self->hosts[vm->host], *target = &self->hosts[vm->target];
    const VrLimits *limits = self->limits;

    if (target->state == HOST_UPDATES || target->state == HOST_EMPTY ||
        source->out_count >= limits->migrations_out_per_host ||
        target->in_count >= limits->migrations_in_per_host)
        return;
    gint64 link = MIN(source->link, target->link);
    gint64 full = MIN(limits->stream_mib_per_s, link * limits->stream_link_permille / 1000);
    gint64 left = MIN(source->link - source->out_rate, target->link - target->in_rate);
    if (MIN(full, left) * 2 < full)
        return;
    list_remove(self, LIST_OUT, vm->host, index);
    list_remove(self, LIST_IN, vm->target, index);
    vm->state = VM_FLIES;
    vm->rate = MIN(full, left);
    source->out_rate += vm->rate;
    target->in_rate += vm->rate;
    source->out_count++;
    target->in_count++;
    self->in_flight++;
    self->in_flight_peak = MAX(self->in_flight_peak, self->in_flight);
    push_event(self, self->now_ms + migration_ms(self, vm, vm->rate), FALSE, index);
}

void
world_queue(World *self, guint vm)
{
    self->vms[vm].state = VM_QUEUED;
    list_add(self, LIST_OUT, self->vms[vm].host, vm, FALSE);
    list_add(self, LIST_IN, self->vms[vm].target, vm, FALSE);
    try_start(self, vm);
}

static void
wake_source(World *self, guint host)
{
    for (gint vm = self->hosts[host].heads[LIST_OUT], next; vm >= 0; vm = next) {
        if (self->hosts[host].out_count >= self->limits->migrations_out_per_host)
            break;
        next = self->vms[vm].next[LIST_OUT];
        try_start(self, (guint)vm);
    }
}

void
world_wake_target(World *self, guint host)
{
    for (gint vm = self->hosts[host].heads[LIST_IN], next; vm >= 0; vm = next) {
        if (self->hosts[host].in_count >= self->limits->migrations_in_per_host)
            break;
        next = self->vms[vm].next[LIST_IN];
        try_start(self, (guint)vm);
    }
}

static gboolean
exposes(HostState state)
{
    return state != HOST_UPDATED && state != HOST_LEFT_OUT;
}

static void
count_exposure(World *self)
{
    self->exposure_vm_ms += (self->now_ms - self->counted_ms) * self->waiting_vms;
    self->counted_ms = self->now_ms;
}

static void
end_migration(World *self, guint index)
{
    WorldVm *vm = &self->vms[index];
    guint source = (guint)vm->host, target = (guint)vm->target;

    count_exposure(self);
    self->hosts[source].out_rate -= vm->rate;
    self->hosts[target].in_rate -= vm->rate;
    self->hosts[source].out_count--;
    self->hosts[target].in_count--;
    self->in_flight--;
    use(self, source, vm, -1);
    self->hosts[target].incoming_mib -= vm->resident_mib;
    list_remove(self, LIST_RESIDENT, (gint)source, index);
    list_add(self, LIST_RESIDENT, (gint)target, index, TRUE);
    self->hosts[source].vm_count--;
    self->hosts[target].vm_count++;
    self->waiting_vms += exposes(self->hosts[target].state) - exposes(self->hosts[source].state);
    vm->host = (gint)target;
    vm->target = -1;
    vm->state = VM_RESTS;
    self->migrations++;
    wake_source(self, source);
    world_wake_target(self, target);
}

void
world_hide(World *self, guint host)
{
    room_index_remove(self->any, host);
    room_index_remove(self->updated, host);
}

void
world_show(World *self, guint host)
{
    index_host(self, host);
}

void
world_begin_try(World *self, guint host)
{
    world_hide(self, host);
    self->hosts[host].state = HOST_DRAINS;
}

void
world_end_try(World *self, guint host, HostState state)
{
    self->hosts[host].state = state;
    index_host(self, host);
}

void
world_set_state(World *self, guint host, HostState state)
{
    WorldHost *own = &self->hosts[host];

    if (own->state == state)
        return;
    count_exposure(self);
    add_free(self, host, -world_free_mib(self, host));
    if (exposes(own->state) && !exposes(state))
        self->waiting_vms -= own->vm_count;
    own->state = state;
    add_free(self, host, world_free_mib(self, host));
    index_host(self, host);
}

void
world_start_update(World *self, guint host)
{
    world_set_state(self, host, HOST_UPDATES);
    self->down_count++;
    self->down_peak = MAX(self->down_peak, self->down_count);
    push_event(self, self->now_ms + self->hosts[host].update_ms, TRUE, host);
}

gboolean
world_step(World *self, guint *out_host, gint *out_target)
{
    if (self->events->len == 0)
        return FALSE;
    WorldEvent event = pop_event(self);
    self->now_ms = event.at_ms;
    if (event.is_update) {
        world_set_state(self, event.id, HOST_UPDATED);
        self->down_count--;
        *out_host = event.id;
        *out_target = -1;
        return TRUE;
    }
    *out_host = (guint)self->vms[event.id].host;
    *out_target = self->vms[event.id].target;
    end_migration(self, event.id);
    return TRUE;
}

void
world_run(World *self)
{
    guint host = 0;
    gint target = 0;

    while (world_step(self, &host, &target))
        continue;
}

static void
add_hosts(World *self, const VrInventory *inventory, const VrPolicy *policy)
{
    for (guint i = 0; i < self->host_count; i++) {
        const VrHost *from = vr_inventory_host(inventory, i);
        WorldHost *host = &self->hosts[i];
        *host = (WorldHost){.state = HOST_WAITS,
                            .room_mib = vr_policy_usable_mib(policy, from->memory_mib),
                            .room_vcpus = from->vcpus,
                            .link = from->link_mib_per_s,
                            .update_ms = from->update_s * 1000};
        for (guint j = 0; j < LISTS; j++)
            host->heads[j] = host->tails[j] = -1;
    }
}

static void
add_vms(World *self, const VrInventory *inventory)
{
    for (guint i = self->vm_count; i-- > 0;) {
        const VrVm *from = vr_inventory_vm(inventory, i);
        WorldHost *host = &self->hosts[from->host_index];
        self->vms[i] = (WorldVm){.memory_mib = from->memory_mib,
                                 .vcpus = from->vcpus,
                                 .resident_mib = from->resident_mib,
                                 .dirty_mib_per_s = from->dirty_mib_per_s,
                                 .host = (gint)from->host_index,
                                 .start_host = (gint)from->host_index,
                                 .target = -1,
                                 .group = from->group_index,
                                 .movable = from->movable};
        host->used_mib += from->memory_mib;
        host->used_vcpus += from->vcpus;
        host->vm_count++;
        host->start_vm_count++;
        list_add(self, LIST_RESIDENT, (gint)from->host_index, i, TRUE);
        if (!from->movable)
            host->state = HOST_LEFT_OUT;
        if (from->group_index >= 0)
            self->group_starts[from->group_index + 1]++;
    }
}

static void
add_groups(World *self, guint group_count)
{
    g_autofree guint *ends = g_new0(guint, group_count + 1);

    for (guint i = 0; i < group_count; i++) {
        self->group_starts[i + 1] += self->group_starts[i];
        ends[i] = self->group_starts[i];
    }
    for (guint i = 0; i < self->vm_count; i++) {
        if (self->vms[i].group >= 0)
            self->members[ends[self->vms[i].group]++] = i;
    }
}

World *
world_new(const VrInventory *inventory, const VrPolicy *policy)
{
    World *self = g_new0(World, 1);

    self->limits = &policy->limits;
    self->host_count = inventory->hosts->len;
    self->vm_count = inventory->vms->len;
    self->hosts = g_new0(WorldHost, self->host_count + 1);
    self->vms = g_new0(WorldVm, self->vm_count + 1);
    self->group_starts = g_new0(guint, inventory->groups->len + 2);
    self->members = g_new0(guint, self->vm_count + 1);
    self->events = g_array_new(FALSE, FALSE, sizeof(WorldEvent));
    self->any = room_index_new(self->host_count);
    self->updated = room_index_new(self->host_count);
    self->updating = room_index_new(self->host_count);
    self->down_max = vr_policy_hosts_down_max(policy, self->host_count);
    add_hosts(self, inventory, policy);
    add_vms(self, inventory);
    add_groups(self, inventory->groups->len);
    for (guint i = 0; i < self->host_count; i++) {
        self->waiting_vms += exposes(self->hosts[i].state) ? self->hosts[i].vm_count : 0;
        index_host(self, i);
    }
    return self;
}

void
world_free(World *self)
{
    if (self == NULL)
        return;
    room_index_free(self->any);
    room_index_free(self->updated);
    room_index_free(self->updating);
    g_array_unref(self->events);
    g_free(self->group_starts);
    g_free(self->members);
    g_free(self->vms);
    g_free(self->hosts);
    g_free(self);
}
