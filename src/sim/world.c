/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/world.h"

#include "sim/private.h"

/* 2027-01-15T08:00:00Z: any fixed moment does. */
#define BEGINNING_US (1800000000 * SIM_S)

static void
host_free(gpointer data)
{
    SimHost *host = data;

    g_free(host->name);
    g_free(host->uuid);
    g_free(host->own_uuid);
    g_free(host);
}

static void
vm_free(gpointer data)
{
    SimVm *vm = data;

    g_free(vm->uuid);
    g_free(vm->name);
    g_free(vm->at);
    g_free(vm);
}

static void
migration_clear(gpointer data)
{
    SimMigration *migration = data;

    sim_call_abandon(migration->call);
    g_clear_error(&migration->error);
}

/* ------------------------------------------------------------------ time */

static gboolean
is_earlier(const SimTimer *first, const SimTimer *second)
{
    return first->at_us < second->at_us ||
           (first->at_us == second->at_us && first->order < second->order);
}

static void
swap_timers(GArray *heap, guint first, guint second)
{
    SimTimer kept = g_array_index(heap, SimTimer, first);

    g_array_index(heap, SimTimer, first) = g_array_index(heap, SimTimer, second);
    g_array_index(heap, SimTimer, second) = kept;
}

static void
sift_down(GArray *heap, guint place)
{
    for (;;) {
        guint least = place;
        for (guint child = 2 * place + 1; child <= 2 * place + 2 && child < heap->len; child++) {
            if (is_earlier(&g_array_index(heap, SimTimer, child),
                           &g_array_index(heap, SimTimer, least)))
                least = child;
        }
        if (least == place)
            return;
        swap_timers(heap, place, least);
        place = least;
    }
}

void
sim_world_after(SimWorld *self, gint64 delay_us, void (*run)(SimWorld *world, gpointer data),
                gpointer data, GDestroyNotify drop)
{
    SimTimer timer = {self->now_us + delay_us, self->timer_order++, run, data, drop};
    guint place = self->timers->len;

    g_array_append_val(self->timers, timer);
    while (place > 0 && is_earlier(&g_array_index(self->timers, SimTimer, place),
                                   &g_array_index(self->timers, SimTimer, (place - 1) / 2))) {
        swap_timers(self->timers, place, (place - 1) / 2);
        place = (place - 1) / 2;
    }
}

gboolean
sim_world_step(SimWorld *self, gint64 until_us)
{
    SimTimer timer = {0};

    if (self->timers->len == 0)
        return FALSE;
    timer = g_array_index(self->timers, SimTimer, 0);
    if (timer.at_us > until_us)
        return FALSE;
    swap_timers(self->timers, 0, self->timers->len - 1);
    g_array_set_size(self->timers, self->timers->len - 1);
    sift_down(self->timers, 0);
    self->now_us = MAX(self->now_us, timer.at_us);
    timer.run(self, timer.data);
    return TRUE;
}

gint64
sim_world_draw(SimWorld *self, gint64 min, gint64 max)
{
    g_assert(max >= min && max - min < G_MAXINT32);
    return min == max ? min : min + g_rand_int_range(self->random, 0, (gint32)(max - min + 1));
}

/* ------------------------------------------------------------------ what is told of it */

void
sim_world_trace(SimWorld *self, const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list arguments;

    if (self->traced == NULL)
        return;
    va_start(arguments, format);
    line = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    self->traced(self, line, self->traced_data);
}

SimFact
sim_fact(SimFactKind kind)
{
    return (SimFact){
        .kind = kind,
        .vm = SIM_NOWHERE,
        .host = SIM_NOWHERE,
        .other = SIM_NOWHERE,
    };
}

void
sim_world_tell(SimWorld *self, SimFact fact)
{
    if (fact.at_us == 0)
        fact.at_us = self->now_us;
    if (self->seen != NULL)
        self->seen(&fact, self->seen_data);
}

gboolean
sim_world_strikes(SimWorld *self, SimFault fault)
{
    gboolean strikes = sim_faults_strike(&self->faults, fault);

    if (strikes)
        sim_world_trace(self, "fault %s %u", sim_fault_to_string(fault), self->faults.asked[fault]);
    return strikes;
}

/* ------------------------------------------------------------------ making it */

static void
add_host(SimWorld *self, const VrHost *planned)
{
    SimHost *host = g_new0(SimHost, 1);

    host->name = g_strdup(planned->name);
    host->uuid = g_strdup(planned->uuid != NULL ? planned->uuid : planned->name);
    host->own_uuid = g_strdup(host->uuid);
    host->memory_mib = planned->memory_mib;
    host->link_mib_per_s = planned->link_mib_per_s;
    host->update_s = planned->update_s;
    host->up = TRUE;
    host->boots = 1;
    host->daemon_starts = 1;
    host->slow_factor = 1;
    host->updated = planned->updated == VR_UPDATED_YES;
    host->next_libvirt_id = 1;
    g_ptr_array_add(self->hosts, host);
}

static SimWish
wish_of(VrVmState state)
{
    return state == VR_VM_RUNNING  ? SIM_WISH_RUNNING
           : state == VR_VM_PAUSED ? SIM_WISH_PAUSED
                                   : SIM_WISH_OFF;
}

guint
sim_world_add_vm(SimWorld *self, const char *uuid, const char *name, guint host, gint64 memory_mib,
                 SimWish wish)
{
    SimVm *vm = g_new0(SimVm, 1);
    guint index = self->vms->len;

    vm->uuid = g_strdup(uuid);
    vm->name = g_strdup(name);
    vm->memory_mib = vm->resident_mib = memory_mib;
    vm->wish = wish;
    vm->at = g_new0(SimCopy, self->hosts->len);
    vm->migration = -1;
    vm->memory = 1;
    g_ptr_array_add(self->vms, vm);

    SimCopy *copy = &vm->at[host];
    copy->defined = copy->on_disk = TRUE;
    copy->memory = vm->memory;
    if (wish == SIM_WISH_OFF)
        copy->off = SIM_OFF_SHUTDOWN;
    else
        sim_guest_set(self, index, host,
                      wish == SIM_WISH_PAUSED ? SIM_QEMU_PAUSED_USER : SIM_QEMU_RUNNING,
                      SIM_BY_OWNER);
    return index;
}

SimWorld *
sim_world_new(const VrInventory *inventory, const char *level, guint32 seed)
{
    SimWorld *self = g_new0(SimWorld, 1);

    self->now_us = BEGINNING_US;
    self->level = g_strdup(level);
    self->random = g_rand_new_with_seed(seed);
    self->hosts = g_ptr_array_new_with_free_func(host_free);
    self->vms = g_ptr_array_new_with_free_func(vm_free);
    self->migrations = g_array_new(FALSE, TRUE, sizeof(SimMigration));
    g_array_set_clear_func(self->migrations, migration_clear);
    self->timers = g_array_new(FALSE, FALSE, sizeof(SimTimer));
    self->controllers = g_ptr_array_new();
    self->stages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, sim_stage_free);
    self->records = g_ptr_array_new_with_free_func(sim_record_free);
    self->storage_lock = TRUE;
    self->host_names = g_new0(char *, inventory->hosts->len + 1);
    for (guint h = 0; h < inventory->hosts->len; h++) {
        add_host(self, vr_inventory_host(inventory, h));
        self->host_names[h] = sim_host(self, h)->name;
    }
    for (guint v = 0; v < inventory->vms->len; v++) {
        const VrVm *planned = vr_inventory_vm(inventory, v);
        guint index = sim_world_add_vm(self, planned->uuid, planned->name, planned->host_index,
                                       planned->memory_mib, wish_of(planned->state));
        SimVm *vm = sim_vm(self, index);
        vm->resident_mib = planned->resident_mib;
        vm->dirty_mib_per_s = planned->dirty_mib_per_s;
        vm->autostart = vm->at[planned->host_index].autostart = planned->autostart;
        vm->planned = TRUE;
    }
    return self;
}

void
sim_world_free(SimWorld *self)
{
    g_assert(self->controllers->len == 0);
    for (guint i = 0; i < self->timers->len; i++) {
        const SimTimer *timer = &g_array_index(self->timers, SimTimer, i);
        if (timer->drop != NULL)
            timer->drop(timer->data);
    }
    g_array_unref(self->timers);
    g_array_unref(self->migrations);
    g_ptr_array_unref(self->controllers);
    g_hash_table_unref(self->stages);
    g_ptr_array_unref(self->records);
    g_ptr_array_unref(self->vms);
    g_ptr_array_unref(self->hosts);
    g_rand_free(self->random);
    g_free(self->host_names);
    g_free(self->level);
    g_free(self);
}

/* ------------------------------------------------------------------ looking at it */

guint
sim_world_find_host(const SimWorld *self, const char *name)
{
    for (guint h = 0; h < self->hosts->len; h++) {
        if (g_strcmp0(sim_host(self, h)->name, name) == 0)
            return h;
    }
    return SIM_NOWHERE;
}

guint
sim_world_find_vm(const SimWorld *self, const char *uuid)
{
    for (guint v = 0; v < self->vms->len; v++) {
        if (g_strcmp0(sim_vm(self, v)->uuid, uuid) == 0)
            return v;
    }
    return SIM_NOWHERE;
}
