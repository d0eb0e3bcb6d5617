/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Daemons and hosts: they die, recover, reboot, and start what has autostart. */
#include "sim/private.h"

static void
tell_changed(SimWorld *self, guint host, SimCause cause)
{
    SimFact fact = sim_fact(SIM_FACT_HOST_CHANGED);

    fact.host = host;
    fact.cause = cause;
    sim_world_tell(self, fact);
}

gboolean
sim_host_answers(const SimWorld *self, guint host)
{
    const SimHost *machine = sim_host(self, host);

    return machine->up && machine->daemon == SIM_DAEMON_UP &&
           machine->hung_until_us <= self->now_us;
}

/* What a daemon that starts finds on its disk. */
static void
read_definitions(SimWorld *self, guint host)
{
    for (guint v = 0; v < self->vms->len; v++) {
        SimCopy *copy = sim_copy(self, v, host);
        copy->defined = copy->on_disk;
        copy->stats = SIM_NO_STATS;
        if (copy->job == SIM_JOB_OTHER)
            copy->job = SIM_JOB_NONE;
        if (!sim_copy_is_active(copy))
            copy->off = SIM_OFF_UNKNOWN;
    }
}

static void
daemon_recovered(SimWorld *self, gpointer data)
{
    guint host = GPOINTER_TO_UINT(data);
    SimHost *machine = sim_host(self, host);

    if (!machine->up || machine->daemon != SIM_DAEMON_RECOVERING)
        return;
    sim_migration_daemon_recovers(self, host);
    machine->daemon = SIM_DAEMON_UP;
    tell_changed(self, host, SIM_BY_LIBVIRT);
}

static void
daemon_starts(SimWorld *self, gpointer data)
{
    guint host = GPOINTER_TO_UINT(data);
    SimHost *machine = sim_host(self, host);

    if (!machine->up || machine->daemon != SIM_DAEMON_DOWN)
        return;
    machine->daemon = SIM_DAEMON_RECOVERING;
    machine->daemon_starts++;
    machine->hung_until_us = 0;
    read_definitions(self, host);
    sim_world_trace(self, "daemon %s starts", machine->name);
    sim_world_after(self, sim_world_draw(self, 50, 3000) * SIM_MS, daemon_recovered, data, NULL);
}

static void
stop_daemon(SimWorld *self, guint host)
{
    SimHost *machine = sim_host(self, host);

    machine->daemon = SIM_DAEMON_DOWN;
    sim_migration_daemon_killed(self, host);
    sim_calls_break(self, host, "end of file: the daemon is gone");
    sim_controllers_hint(self, host, NULL, "disconnected");
}

void
sim_daemon_kill(SimWorld *self, guint host)
{
    SimHost *machine = sim_host(self, host);

    if (!machine->up || machine->daemon == SIM_DAEMON_DOWN)
        return;
    sim_world_trace(self, "daemon %s killed", machine->name);
    stop_daemon(self, host);
    sim_world_after(self, sim_world_draw(self, 200, 12000) * SIM_MS, daemon_starts,
                    GUINT_TO_POINTER(host), NULL);
}

/* Whatever was under way over the connections that it had. */
static void
link_is_noticed(SimWorld *self, gpointer data)
{
    guint host = GPOINTER_TO_UINT(data);

    sim_calls_break(self, host, "keepalive timeout");
    sim_controllers_hint(self, host, NULL, "disconnected");
}

void
sim_link_cut(SimWorld *self, guint host, gint64 lasts_us)
{
    SimHost *machine = sim_host(self, host);

    machine->cut_until_us = self->now_us + lasts_us;
    machine->cuts++;
    sim_world_after(self, SIM_KEEPALIVE_US, link_is_noticed, GUINT_TO_POINTER(host), NULL);
}

/* The power is gone, orderly or not. */
static void
go_down(SimWorld *self, guint host, SimCause cause)
{
    SimHost *machine = sim_host(self, host);

    sim_world_trace(self, "host %s down", machine->name);
    machine->up = FALSE;
    stop_daemon(self, host);
    for (guint v = 0; v < self->vms->len; v++) {
        sim_guest_kill(self, v, host, SIM_OFF_UNKNOWN, cause);
        SimCopy *copy = sim_copy(self, v, host);
        copy->defined = copy->on_disk; /* what was transient is gone with its process */
    }
    tell_changed(self, host, cause);
}

static void
start_autostart(SimWorld *self, guint host)
{
    for (guint v = 0; v < self->vms->len; v++) {
        const SimCopy *copy = sim_copy(self, v, host);
        if (copy->on_disk && copy->autostart && copy->qemu == SIM_QEMU_NONE)
            (void)sim_guest_start(self, v, host, SIM_BY_LIBVIRT);
    }
}

static void
come_up(SimWorld *self, gpointer data)
{
    guint host = GPOINTER_TO_UINT(data);
    SimHost *machine = sim_host(self, host);

    if (machine->up || machine->stays_off)
        return;
    machine->up = TRUE;
    machine->boots++;
    if (machine->staged && !machine->staged_badly)
        machine->updated = TRUE;
    machine->staged = machine->staged_badly = FALSE;
    sim_world_trace(self, "host %s up, boot %u", machine->name, machine->boots);
    tell_changed(self, host, SIM_BY_LIBVIRT);
    daemon_starts(self, data);
    start_autostart(self, host);
}

void
sim_host_power_on(SimWorld *self, guint host)
{
    sim_host(self, host)->stays_off = FALSE;
    come_up(self, GUINT_TO_POINTER(host));
}

void
sim_host_crash(SimWorld *self, guint host, gboolean stays_off)
{
    SimHost *machine = sim_host(self, host);

    if (!machine->up)
        return;
    machine->stays_off = stays_off;
    go_down(self, host, SIM_BY_FAULT);
    if (!stays_off)
        sim_world_after(self, sim_world_draw(self, 60, 300) * SIM_S, come_up,
                        GUINT_TO_POINTER(host), NULL);
}

static void
reboot_now(SimWorld *self, gpointer data)
{
    guint host = GPOINTER_TO_UINT(data);
    SimHost *machine = sim_host(self, host);

    machine->reboots_pending--;
    if (!machine->up)
        return;
    if (sim_world_strikes(self, SIM_FAULT_OTHER_MACHINE)) {
        g_free(machine->uuid);
        machine->uuid = g_strdup_printf("ffffffff-0000-4000-8000-%012u", machine->boots);
    }
    machine->stays_off = sim_world_strikes(self, SIM_FAULT_NEVER_RETURNS);
    go_down(self, host, SIM_BY_CONTROLLER);
    if (!machine->stays_off)
        sim_world_after(self, sim_world_draw(self, 20, 200) * SIM_S, come_up, data, NULL);
}

void
sim_host_reboot(SimWorld *self, guint host)
{
    gint64 slow_us = sim_world_strikes(self, SIM_FAULT_REBOOT_SLOW)
                         ? sim_faults_extent(&self->faults, SIM_FAULT_REBOOT_SLOW, 10, 300) * SIM_S
                         : 0;

    sim_host(self, host)->reboots_pending++;
    sim_world_after(self, slow_us + sim_world_draw(self, 0, 8) * SIM_S, reboot_now,
                    GUINT_TO_POINTER(host), NULL);
}
