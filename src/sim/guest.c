/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of guests: what their processes do, whose memory is the newest, how a read sees them. */
#include "sim/private.h"

static const char *const qemu_words[] = {
    [SIM_QEMU_NONE] = "off",
    [SIM_QEMU_RUNNING] = "running",
    [SIM_QEMU_PAUSED_MIGRATION] = "paused-migration",
    [SIM_QEMU_PAUSED_USER] = "paused-user",
    [SIM_QEMU_PAUSED_IO_ERROR] = "paused-io-error",
    [SIM_QEMU_SHUTTING_DOWN] = "shutting-down",
    [SIM_QEMU_POSTCOPY] = "postcopy",
};

static const char *const cause_words[] = {
    [SIM_BY_CONTROLLER] = "controller", [SIM_BY_LIBVIRT] = "libvirt",
    [SIM_BY_FAULT] = "fault",           [SIM_BY_OWNER] = "owner",
    [SIM_BY_STRANGER] = "stranger",     [SIM_BY_OPERATOR] = "operator",
};

static VrSide
with_job(const SimCopy *copy, VrSide alone, VrSide in_job)
{
    return copy->job == SIM_JOB_NONE ? alone : in_job;
}

static VrSide
side_when_off(const SimCopy *copy)
{
    if (!copy->defined)
        return VR_SIDE_ABSENT;
    return copy->off == SIM_OFF_SHUTDOWN ? VR_SIDE_OFF_BY_GUEST
           : copy->off == SIM_OFF_FAILED ? VR_SIDE_OFF_FAILED
                                         : VR_SIDE_OFF;
}

VrSide
sim_copy_side(const SimWorld *self, guint vm, guint host)
{
    const SimCopy *copy = sim_copy(self, vm, host);

    switch (copy->qemu) {
    case SIM_QEMU_NONE:
        return side_when_off(copy);
    case SIM_QEMU_RUNNING:
        return with_job(copy, VR_SIDE_RUNNING, VR_SIDE_RUNNING_JOB);
    case SIM_QEMU_PAUSED_MIGRATION:
        return with_job(copy, VR_SIDE_MIGRATION, VR_SIDE_MIGRATION_JOB);
    case SIM_QEMU_PAUSED_USER:
        return with_job(copy, VR_SIDE_USER, VR_SIDE_USER_JOB);
    case SIM_QEMU_POSTCOPY:
        return VR_SIDE_POSTCOPY;
    case SIM_QEMU_PAUSED_IO_ERROR:
    case SIM_QEMU_SHUTTING_DOWN:
        return VR_SIDE_ODD;
    }
    g_assert_not_reached();
}

void
sim_guest_hint(SimWorld *self, guint vm, guint host, const char *what)
{
    sim_controllers_hint(self, host, sim_vm(self, vm)->uuid, what);
}

static void
note_two_running(SimWorld *self, guint vm)
{
    guint running = 0;

    for (guint h = 0; h < self->hosts->len; h++)
        running += sim_copy_runs(sim_copy(self, vm, h));
    if (running > 1)
        sim_vm(self, vm)->split = TRUE;
}

void
sim_guest_set(SimWorld *self, guint vm, guint host, SimQemu qemu, SimCause cause)
{
    SimCopy *copy = sim_copy(self, vm, host);
    SimFact fact = sim_fact(SIM_FACT_COPY_CHANGED);

    if (sim_copy_runs(copy) && copy->cpu_since_us != 0)
        copy->cpu_base_us += self->now_us - copy->cpu_since_us;
    copy->cpu_since_us = 0;
    if (copy->qemu == SIM_QEMU_NONE && qemu != SIM_QEMU_NONE) {
        copy->libvirt_id = sim_host(self, host)->next_libvirt_id++;
        copy->cpu_base_us = 0;
        copy->stats = SIM_NO_STATS;
    }
    copy->qemu = qemu;
    if (sim_copy_runs(copy))
        copy->cpu_since_us = self->now_us;
    if (cause == SIM_BY_OWNER || cause == SIM_BY_STRANGER || cause == SIM_BY_FAULT)
        sim_vm(self, vm)->touched = TRUE;
    note_two_running(self, vm);
    sim_world_trace(self, "guest %s %s %s by %s", sim_vm(self, vm)->name,
                    sim_host(self, host)->name, qemu_words[qemu], cause_words[cause]);
    fact.vm = vm;
    fact.host = host;
    fact.cause = cause;
    sim_world_tell(self, fact);
    sim_guest_hint(self, vm, host, qemu_words[qemu]);
}

static gboolean
runs_elsewhere(const SimWorld *self, guint vm, guint host)
{
    for (guint h = 0; h < self->hosts->len; h++) {
        if (h != host && sim_copy_runs(sim_copy(self, vm, h)))
            return TRUE;
    }
    return FALSE;
}

/* From now on this copy's memory is the guest's. */
static void
make_newest(SimWorld *self, guint vm, guint host)
{
    sim_copy(self, vm, host)->memory = ++sim_vm(self, vm)->memory;
    sim_vm(self, vm)->died = FALSE;
}

gboolean
sim_guest_run(SimWorld *self, guint vm, guint host, gboolean handed_over, SimCause cause)
{
    if (self->storage_lock && runs_elsewhere(self, vm, host))
        return FALSE;
    if (handed_over)
        make_newest(self, vm, host);
    sim_guest_set(self, vm, host, SIM_QEMU_RUNNING, cause);
    return TRUE;
}

gboolean
sim_guest_start(SimWorld *self, guint vm, guint host, SimCause cause)
{
    SimCopy *copy = sim_copy(self, vm, host);

    if (copy->qemu != SIM_QEMU_NONE || !copy->defined || sim_host(self, host)->closed)
        return FALSE;
    if (cause == SIM_BY_LIBVIRT) /* with its host: no pause outlives that */
        sim_vm(self, vm)->wish = SIM_WISH_RUNNING;
    return sim_guest_run(self, vm, host, TRUE, cause);
}

void
sim_guest_hand_over_paused(SimWorld *self, guint vm, guint host)
{
    make_newest(self, vm, host);
    sim_guest_set(self, vm, host, SIM_QEMU_PAUSED_USER, SIM_BY_LIBVIRT);
}

void
sim_guest_kill(SimWorld *self, guint vm, guint host, SimOff off, SimCause cause)
{
    SimCopy *copy = sim_copy(self, vm, host);
    SimVm *guest = sim_vm(self, vm);
    gboolean is_newest = copy->memory == guest->memory && copy->memory != 0;

    if (copy->qemu == SIM_QEMU_NONE)
        return;
    if (is_newest && cause != SIM_BY_OWNER && cause != SIM_BY_OPERATOR)
        guest->died = TRUE;
    copy->off = off;
    sim_guest_set(self, vm, host, SIM_QEMU_NONE, cause);
    if (copy->job != SIM_JOB_NONE)
        sim_migration_qemu_gone(self, vm, host);
}

void
sim_guest_lose_autostart(SimWorld *self, guint vm)
{
    SimVm *guest = sim_vm(self, vm);

    guest->autostart_lost = guest->autostart_lost || guest->autostart;
    guest->autostart = FALSE;
}

void
sim_guest_undefine(SimWorld *self, guint vm, guint host, SimCause cause)
{
    SimCopy *copy = sim_copy(self, vm, host);
    SimFact fact = sim_fact(SIM_FACT_COPY_CHANGED);

    copy->defined = copy->on_disk = copy->autostart = FALSE;
    sim_world_trace(self, "guest %s %s undefined by %s", sim_vm(self, vm)->name,
                    sim_host(self, host)->name, cause_words[cause]);
    fact.vm = vm;
    fact.host = host;
    fact.cause = cause;
    sim_world_tell(self, fact);
    sim_guest_hint(self, vm, host, "undefined");
}

gint64
sim_copy_cpu_time_ns(const SimWorld *self, const SimCopy *copy)
{
    gint64 running_us = copy->cpu_since_us != 0 ? self->now_us - copy->cpu_since_us : 0;

    return (copy->cpu_base_us + running_us) * 1000;
}
