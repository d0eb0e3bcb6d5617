/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The simulated hypervisor port, held to what every one must do. A new world for each test. */
#include "hypervisor.h"

#include "sim/controller.h"

#define HOME 1 /* hosts, in the order of their names */
#define VM 0

/* Latencies are drawn: each seed is another order of things. */
#define SEEDS 20

typedef struct {
    Stand stand;
    guint32 seed;
    SimWorld *world;
    SimController *controller;
    GArray *strikes;  /* (element-type SimStrike) the only faults that happen */
    GArray *happened; /* (element-type SimStrike) */
} SimStand;

/* ------------------------------------------------------------------ time */

static gint64
now_us(gpointer context)
{
    return ((SimStand *)context)->world->now_us;
}

static void
note_fired(SimWorld *world, gpointer data)
{
    (void)world;
    *(gboolean *)data = TRUE;
}

static void
go_on(gpointer context)
{
    SimStand *self = context;
    gboolean fired = FALSE;
    sim_world_after(self->world, 5 * SIM_MS, note_fired, &fired, NULL);
    while (!fired)
        (void)sim_world_step(self->world, G_MAXINT64);
}

static gboolean
has_come(SimStand *self, gboolean (*is_there)(const SimStand *self, guint host), guint host)
{
    gint64 deadline_us = self->world->now_us + STAND_DEADLINE_S * SIM_S;
    while (!is_there(self, host) && sim_world_step(self->world, deadline_us)) {
    }
    return is_there(self, host);
}

/* ------------------------------------------------------------------ the port */

static void
open_port(Stand *stand)
{
    SimStand *self = (SimStand *)stand;
    self->controller = sim_controller_new(self->world);
    stand->port = sim_controller_ports(self->controller).hypervisor;
    stand->port.vtable->watch(stand->port.context, stand_hint_seen, NULL);
}

static void
free_port(Stand *stand)
{
    g_clear_pointer(&((SimStand *)stand)->controller, sim_controller_free);
}

static void
add_vm(VrInventory *inventory, const char *uuid, const char *name, const char *host)
{
    VrVm *vm = vr_inventory_add_vm(inventory, uuid, name, host);
    vm->memory_mib = 96;
    vm->resident_mib = 64;
    vm->vcpus = 1;
    vm->state = VR_VM_RUNNING;
    vm->autostart = vm->persistent = vm->movable = TRUE;
}

static SimWorld *
world_new(const SimStand *self)
{
    static const char *const hosts[] = {"h1", "h2", "h3"};
    g_autoptr(VrInventory) inventory = vr_inventory_new();
    g_autoptr(GError) error = NULL;
    for (guint h = 0; h < G_N_ELEMENTS(hosts); h++) {
        VrHost *host = vr_inventory_add_host(inventory, hosts[h]);
        host->memory_mib = 1024;
        host->vcpus = 16;
        host->link_mib_per_s = 1000;
        host->update_s = 5;
    }
    add_vm(inventory, self->stand.vm, self->stand.vm_name, self->stand.home);
    add_vm(inventory, "22222222-2222-4222-8222-222222222222", "vm-b", self->stand.other);
    if (!vr_inventory_seal(inventory, &error))
        fail_msg("%s", error->message);
    return sim_world_new(inventory, "level-2", self->seed);
}

static void
end_world(SimStand *self)
{
    free_port(&self->stand);
    g_clear_pointer(&self->world, sim_world_free);
}

static void
reset(Stand *stand)
{
    SimStand *self = (SimStand *)stand;
    end_world(self);
    g_array_set_size(self->strikes, 0);
    self->world = world_new(self);
    self->world->faults.explicit_only = TRUE;
    self->world->faults.strikes = self->strikes;
    self->world->faults.happened = self->happened;
    open_port(stand);
}

/* ------------------------------------------------------------------ the world's states */

static SimCopy *
copy_at(const SimStand *self, guint host)
{
    return sim_copy(self->world, VM, host);
}

static gboolean
answers(const SimStand *self, guint host)
{
    return sim_host_answers(self->world, host);
}

static gboolean
is_over(const SimStand *self, guint host)
{
    (void)host;
    return sim_vm(self->world, VM)->migration < 0;
}

static gboolean
is_at_switch_over(const SimStand *self, guint host)
{
    return copy_at(self, HOME)->job == SIM_JOB_OUT_PERFORMED &&
           copy_at(self, host)->job == SIM_JOB_IN_PREPARE;
}

static gboolean
is_unconfirmed(const SimStand *self, guint host)
{
    return copy_at(self, HOME)->job == SIM_JOB_OUT_PERFORMED &&
           copy_at(self, host)->job == SIM_JOB_NONE &&
           copy_at(self, host)->qemu == SIM_QEMU_RUNNING;
}

/* At the next opportunity. */
static void
let_strike(SimStand *self, SimFault fault)
{
    const SimStrike strike = {fault, self->world->faults.asked[fault] + 1};
    g_array_append_val(self->strikes, strike);
}

static void
migrate_away(SimStand *self, guint host, gint64 mib_per_s)
{
    assert_int_equal(sim_migration_begin(self->world, VM, HOME, host, mib_per_s, NULL, TRUE),
                     SIM_BEGUN);
}

static void
restart_daemon(SimStand *self, guint host)
{
    sim_daemon_kill(self->world, host);
    assert_true(has_come(self, answers, host));
}

static void
kill_daemon_when(SimStand *self, gboolean (*is_there)(const SimStand *self, guint host), guint host)
{
    migrate_away(self, host, STAND_FAST);
    assert_true(has_come(self, is_there, host));
    restart_daemon(self, HOME);
}

static void
move_transient(SimStand *self, guint host)
{
    let_strike(self, SIM_FAULT_DEFINITION_REMOVED);
    let_strike(self, SIM_FAULT_UNDEFINE_FAILS);
    migrate_away(self, host, STAND_FAST);
    assert_true(has_come(self, is_over, host));
    restart_daemon(self, HOME); /* which finds its definition on the disk again */
}

static void
fail_start(SimStand *self, guint host)
{
    SimCopy *copy = copy_at(self, host);
    copy->defined = copy->on_disk = TRUE;
    copy->off = SIM_OFF_FAILED;
}

static void
change_guest(SimStand *self, StandChange change, guint host)
{
    SimWorld *world = self->world;
    if (change == STAND_PAUSE)
        sim_guest_set(world, VM, host, SIM_QEMU_PAUSED_USER, SIM_BY_OWNER);
    else if (change == STAND_POWER_OFF)
        sim_guest_kill(world, VM, host, SIM_OFF_SHUTDOWN, SIM_BY_OWNER);
    else if (change == STAND_STUMBLE)
        sim_guest_set(world, VM, host, SIM_QEMU_PAUSED_IO_ERROR, SIM_BY_FAULT);
    else
        assert_true(sim_guest_run(world, VM, host, change == STAND_START, SIM_BY_OWNER));
}

static const char *
make(Stand *stand, StandChange change, const char *host_name)
{
    SimStand *self = (SimStand *)stand;
    guint host = sim_world_find_host(self->world, host_name);
    SimHost *machine = sim_host(self->world, host);

    switch (change) {
    case STAND_PAUSE:
    case STAND_RESUME:
    case STAND_POWER_OFF:
    case STAND_START:
    case STAND_STUMBLE:
    case STAND_RECOVER:
        change_guest(self, change, host);
        break;
    case STAND_BACKUP_BEGIN:
    case STAND_BACKUP_END:
        copy_at(self, host)->job = change == STAND_BACKUP_BEGIN ? SIM_JOB_OTHER : SIM_JOB_NONE;
        break;
    case STAND_DAEMON_STOP:
        sim_daemon_kill(self->world, host);
        break;
    case STAND_DAEMON_START:
        assert_true(has_come(self, answers, host));
        break;
    case STAND_CUT:
        sim_link_cut(self->world, host, 3600 * SIM_S);
        break;
    case STAND_MEND:
        machine->cut_until_us = 0;
        break;
    case STAND_CLOSE:
    case STAND_OPEN:
        machine->closed = change == STAND_CLOSE;
        break;
    case STAND_NAMESAKE:
        (void)sim_world_add_vm(self->world, "33333333-3333-4333-8333-333333333333", stand->vm_name,
                               host, 64, SIM_WISH_OFF);
        break;
    case STAND_DOUBLE:
        sim_guest_set(self->world, VM, host, SIM_QEMU_PAUSED_USER, SIM_BY_STRANGER);
        break;
    case STAND_FAILED_START:
        fail_start(self, host);
        break;
    case STAND_FOREIGN:
        migrate_away(self, host, STAND_SLOW);
        break;
    case STAND_MOVED:
        move_transient(self, host);
        break;
    case STAND_STUCK:
        kill_daemon_when(self, is_at_switch_over, host);
        break;
    case STAND_ARRIVED:
        kill_daemon_when(self, is_unconfirmed, host);
        break;
    }
    return NULL;
}

static char *
truth(Stand *stand, const char *host)
{
    const SimStand *self = (SimStand *)stand;
    const SimCopy *copy = copy_at(self, sim_world_find_host(self->world, host));
    const char *word = copy->qemu == SIM_QEMU_NONE      ? "off"
                       : copy->qemu == SIM_QEMU_RUNNING ? "running"
                                                        : "paused";
    if (copy->qemu == SIM_QEMU_NONE && !copy->defined && !copy->on_disk)
        return g_strdup("absent");
    return g_strdup_printf("%s %s%s", word, copy->defined ? "persistent" : "transient",
                           copy->autostart ? " autostart" : "");
}

int
main(void)
{
    static char uuid[] = "11111111-1111-4111-8111-111111111111", name[] = "vm-a";
    SimStand self = {
        .stand = {.name = "sim",
                  .home = "h2",
                  .other = "h1",
                  .empty = "h3",
                  .vm = uuid,
                  .vm_name = name,
                  .memory_mib = 96,
                  .reset = reset,
                  .make = make,
                  .truth = truth,
                  .free_port = free_port,
                  .open_port = open_port},
        .strikes = g_array_new(FALSE, FALSE, sizeof(SimStrike)),
        .happened = g_array_new(FALSE, FALSE, sizeof(SimStrike)),
    };
    const CallGround ground = {&self, now_us, go_on};
    int failed = 0;
    self.stand.ground = &ground;
    for (self.seed = 0; self.seed < SEEDS && failed == 0; self.seed++) {
        failed = hypervisor_contract_run(&self.stand);
        if (failed != 0)
            print_error("with seed %u\n", self.seed);
    }
    end_world(&self);
    g_array_unref(self.strikes);
    g_array_unref(self.happened);
    return failed;
}
