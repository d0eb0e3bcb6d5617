/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Owners of guests, strangers, hardware that breaks; and the operator who mends it all. */
#include "sim/private.h"

/* How often each kind of trouble has its chance. */
#define TROUBLE_MIN_S 5
#define TROUBLE_MAX_S 40

static guint
pick(const SimWorld *self, SimFault fault, guint count)
{
    return (guint)sim_faults_extent(&self->faults, fault, 0, (gint64)count - 1);
}

static gint64
lasts_us(const SimWorld *self, SimFault fault, gint64 min_s, gint64 max_s)
{
    return sim_faults_extent(&self->faults, fault, min_s, max_s) * SIM_S;
}

/* ------------------------------------------------------------------ hardware and daemons */

/* Rather one that is updated: the others are not judged. */
static void
make_sick(SimWorld *self, guint first)
{
    SimHost *host = sim_host(self, first);

    for (guint i = 0; i < self->hosts->len && !host->updated; i++)
        host = sim_host(self, (first + i) % self->hosts->len);
    if (host->sick_since_us == 0)
        host->sick_since_us = self->now_us;
    host->sick_until_us = self->now_us + lasts_us(self, SIM_FAULT_HOST_SICK, 300, 2400);
}

static void
trouble_hosts(SimWorld *self)
{
    guint count = self->hosts->len;

    if (sim_world_strikes(self, SIM_FAULT_CONTROL_CUT)) {
        guint host = pick(self, SIM_FAULT_CONTROL_CUT, count);
        sim_link_cut(self, host, lasts_us(self, SIM_FAULT_CONTROL_CUT, 1, 300));
    }
    if (sim_world_strikes(self, SIM_FAULT_DAEMON_RESTART))
        sim_daemon_kill(self, pick(self, SIM_FAULT_DAEMON_RESTART, count));
    if (sim_world_strikes(self, SIM_FAULT_DAEMON_HANG))
        sim_host(self, pick(self, SIM_FAULT_DAEMON_HANG, count))->hung_until_us =
            self->now_us + lasts_us(self, SIM_FAULT_DAEMON_HANG, 1, 200);
    if (sim_world_strikes(self, SIM_FAULT_HOST_SLOW)) {
        SimHost *host = sim_host(self, pick(self, SIM_FAULT_HOST_SLOW, count));
        host->slow_until_us = self->now_us + lasts_us(self, SIM_FAULT_HOST_SLOW, 10, 600);
        host->slow_factor = (guint)sim_faults_extent(&self->faults, SIM_FAULT_HOST_SLOW, 10, 1000);
    }
    if (sim_world_strikes(self, SIM_FAULT_HOST_SICK))
        make_sick(self, pick(self, SIM_FAULT_HOST_SICK, count));
    if (sim_world_strikes(self, SIM_FAULT_HOST_CRASH))
        sim_host_crash(self, pick(self, SIM_FAULT_HOST_CRASH, count), FALSE);
    if (sim_world_strikes(self, SIM_FAULT_HOST_DEAD))
        sim_host_crash(self, pick(self, SIM_FAULT_HOST_DEAD, count), TRUE);
}

/* ------------------------------------------------------------------ owners */

/* Where the guest is active with the memory that counts; SIM_NOWHERE. */
static guint
home_of(const SimWorld *self, guint vm)
{
    for (guint h = 0; h < self->hosts->len; h++) {
        const SimCopy *copy = sim_copy(self, vm, h);
        if (sim_copy_is_active(copy) && copy->memory == sim_vm(self, vm)->memory)
            return h;
    }
    return SIM_NOWHERE;
}

typedef struct {
    guint vm;
    guint host;
    gint64 libvirt_id;
} Guest;

static void
has_shut_down(SimWorld *self, gpointer data)
{
    const Guest *guest = data;
    SimCopy *copy = sim_copy(self, guest->vm, guest->host);

    if (copy->qemu == SIM_QEMU_SHUTTING_DOWN && copy->libvirt_id == guest->libvirt_id)
        sim_guest_kill(self, guest->vm, guest->host, SIM_OFF_SHUTDOWN, SIM_BY_OWNER);
    g_free(data);
}

static Guest *
guest_new(const SimWorld *self, guint vm, guint host)
{
    Guest *guest = g_new(Guest, 1);

    *guest = (Guest){vm, host, sim_copy(self, vm, host)->libvirt_id};
    return guest;
}

static void
shut_down(SimWorld *self, guint vm)
{
    guint host = home_of(self, vm);

    if (host == SIM_NOWHERE || sim_copy(self, vm, host)->qemu != SIM_QEMU_RUNNING)
        return;
    sim_vm(self, vm)->wish = SIM_WISH_OFF;
    sim_guest_set(self, vm, host, SIM_QEMU_SHUTTING_DOWN, SIM_BY_OWNER);
    sim_world_after(self, sim_world_draw(self, 1, 20) * SIM_S, has_shut_down,
                    guest_new(self, vm, host), g_free);
}

static void
pause_or_resume(SimWorld *self, guint vm)
{
    guint host = home_of(self, vm);
    const SimCopy *copy = host != SIM_NOWHERE ? sim_copy(self, vm, host) : NULL;

    if (copy == NULL || copy->job != SIM_JOB_NONE)
        return;
    if (copy->qemu == SIM_QEMU_RUNNING) {
        sim_vm(self, vm)->wish = SIM_WISH_PAUSED;
        sim_guest_set(self, vm, host, SIM_QEMU_PAUSED_USER, SIM_BY_OWNER);
    } else if (copy->qemu == SIM_QEMU_PAUSED_USER &&
               sim_guest_run(self, vm, host, FALSE, SIM_BY_OWNER)) {
        sim_vm(self, vm)->wish = SIM_WISH_RUNNING;
    }
}

static void
start_one(SimWorld *self)
{
    guint offset = pick(self, SIM_FAULT_OWNER_STARTS, self->vms->len);

    for (guint i = 0; i < self->vms->len; i++) {
        guint vm = (i + offset) % self->vms->len;
        if (sim_vm(self, vm)->wish != SIM_WISH_OFF || home_of(self, vm) != SIM_NOWHERE)
            continue;
        for (guint h = 0; h < self->hosts->len; h++) {
            if (sim_host_answers(self, h) && sim_guest_start(self, vm, h, SIM_BY_OWNER)) {
                sim_vm(self, vm)->wish = SIM_WISH_RUNNING;
                return;
            }
        }
    }
}

static void
io_mended(SimWorld *self, gpointer data)
{
    const Guest *guest = data;
    const SimCopy *copy = sim_copy(self, guest->vm, guest->host);

    if (copy->qemu == SIM_QEMU_PAUSED_IO_ERROR && copy->libvirt_id == guest->libvirt_id)
        (void)sim_guest_run(self, guest->vm, guest->host, FALSE, SIM_BY_OWNER);
    g_free(data);
}

static void
fail_its_disk(SimWorld *self, guint vm)
{
    guint host = home_of(self, vm);

    if (host == SIM_NOWHERE || sim_copy(self, vm, host)->qemu != SIM_QEMU_RUNNING ||
        sim_copy(self, vm, host)->job != SIM_JOB_NONE)
        return;
    sim_guest_set(self, vm, host, SIM_QEMU_PAUSED_IO_ERROR, SIM_BY_FAULT);
    sim_world_after(self, lasts_us(self, SIM_FAULT_IO_ERROR, 5, 400), io_mended,
                    guest_new(self, vm, host), g_free);
}

static void
trouble_guests(SimWorld *self)
{
    guint count = self->vms->len;

    if (sim_world_strikes(self, SIM_FAULT_OWNER_STOPS))
        shut_down(self, pick(self, SIM_FAULT_OWNER_STOPS, count));
    if (sim_world_strikes(self, SIM_FAULT_OWNER_PAUSES))
        pause_or_resume(self, pick(self, SIM_FAULT_OWNER_PAUSES, count));
    if (sim_world_strikes(self, SIM_FAULT_OWNER_STARTS))
        start_one(self);
    if (sim_world_strikes(self, SIM_FAULT_IO_ERROR))
        fail_its_disk(self, pick(self, SIM_FAULT_IO_ERROR, count));
}

/* ------------------------------------------------------------------ strangers */

/* A running guest without a job, and another host that would take it. */
static gboolean
find_journey(const SimWorld *self, SimFault fault, guint *out_vm, guint *out_source,
             guint *out_target)
{
    guint hosts = self->hosts->len;
    guint vm = pick(self, fault, self->vms->len);
    guint source = home_of(self, vm);

    if (source == SIM_NOWHERE || sim_copy(self, vm, source)->qemu != SIM_QEMU_RUNNING ||
        sim_copy(self, vm, source)->job != SIM_JOB_NONE)
        return FALSE;
    for (guint i = 1; i < hosts; i++) {
        guint target = (source + i + vm) % hosts;
        const SimCopy *copy = sim_copy(self, vm, target);
        if (target == source || !sim_host_answers(self, target) || sim_host(self, target)->closed ||
            copy->qemu != SIM_QEMU_NONE || copy->defined)
            continue;
        *out_vm = vm;
        *out_source = source;
        *out_target = target;
        return TRUE;
    }
    return FALSE;
}

static void
migrate_by_hand(SimWorld *self)
{
    guint vm = 0;
    guint source = 0;
    guint target = 0;

    if (!find_journey(self, SIM_FAULT_STRANGER_MIGRATES, &vm, &source, &target))
        return;
    sim_vm(self, vm)->touched = TRUE;
    (void)sim_migration_begin(self, vm, source, target, 200, NULL, TRUE);
}

typedef struct {
    guint vm;
    guint source;
    guint target;
} Journey;

static void
postcopy_ends(SimWorld *self, gpointer data)
{
    const Journey *journey = data;
    SimCopy *source = sim_copy(self, journey->vm, journey->source);
    SimCopy *target = sim_copy(self, journey->vm, journey->target);

    source->job = SIM_JOB_NONE;
    if (target->qemu == SIM_QEMU_POSTCOPY) {
        target->job = SIM_JOB_NONE;
        target->defined = target->on_disk = TRUE;
        sim_guest_set(self, journey->vm, journey->target, SIM_QEMU_RUNNING, SIM_BY_STRANGER);
        if (source->qemu != SIM_QEMU_NONE)
            sim_guest_set(self, journey->vm, journey->source, SIM_QEMU_NONE, SIM_BY_STRANGER);
        sim_guest_undefine(self, journey->vm, journey->source, SIM_BY_STRANGER);
        sim_guest_lose_autostart(self, journey->vm);
    }
    g_free(data);
}

/* It runs on its target while parts of its memory are still on its source. */
static void
migrate_by_hand_in_postcopy(SimWorld *self)
{
    Journey journey = {0};

    if (!find_journey(self, SIM_FAULT_STRANGER_POSTCOPY, &journey.vm, &journey.source,
                      &journey.target))
        return;
    SimCopy *source = sim_copy(self, journey.vm, journey.source);
    SimCopy *target = sim_copy(self, journey.vm, journey.target);
    source->job = target->job = SIM_JOB_OTHER;
    sim_guest_set(self, journey.vm, journey.source, SIM_QEMU_PAUSED_MIGRATION, SIM_BY_STRANGER);
    target->memory = ++sim_vm(self, journey.vm)->memory;
    sim_guest_set(self, journey.vm, journey.target, SIM_QEMU_POSTCOPY, SIM_BY_STRANGER);
    sim_world_after(self, lasts_us(self, SIM_FAULT_STRANGER_POSTCOPY, 1, 60), postcopy_ends,
                    g_memdup2(&journey, sizeof journey), g_free);
}

static void
backup_ends(SimWorld *self, gpointer data)
{
    const Guest *guest = data;
    SimCopy *copy = sim_copy(self, guest->vm, guest->host);

    if (copy->job == SIM_JOB_OTHER && copy->libvirt_id == guest->libvirt_id)
        copy->job = SIM_JOB_NONE;
    g_free(data);
}

static void
back_up(SimWorld *self, guint vm)
{
    guint host = home_of(self, vm);

    if (host == SIM_NOWHERE || sim_copy(self, vm, host)->qemu != SIM_QEMU_RUNNING ||
        sim_copy(self, vm, host)->job != SIM_JOB_NONE)
        return;
    sim_copy(self, vm, host)->job = SIM_JOB_OTHER;
    sim_world_after(self, lasts_us(self, SIM_FAULT_STRANGER_BACKUP, 5, 400), backup_ends,
                    guest_new(self, vm, host), g_free);
}

static void
create_vm(SimWorld *self, guint host)
{
    g_autofree char *uuid = g_strdup_printf("eeeeeeee-0000-4000-8000-%012u", ++self->strangers);
    g_autofree char *name = g_strdup_printf("stranger%u", self->strangers);

    if (!sim_host_answers(self, host) || sim_host(self, host)->closed)
        return;
    gint64 gib = sim_faults_extent(&self->faults, SIM_FAULT_STRANGER_CREATES, 1, 24);
    (void)sim_world_add_vm(self, uuid, name, host, gib * 1024, SIM_WISH_RUNNING);
}

static void
trouble_by_strangers(SimWorld *self)
{
    if (sim_world_strikes(self, SIM_FAULT_STRANGER_MIGRATES))
        migrate_by_hand(self);
    if (sim_world_strikes(self, SIM_FAULT_STRANGER_POSTCOPY))
        migrate_by_hand_in_postcopy(self);
    if (sim_world_strikes(self, SIM_FAULT_STRANGER_BACKUP))
        back_up(self, pick(self, SIM_FAULT_STRANGER_BACKUP, self->vms->len));
    if (sim_world_strikes(self, SIM_FAULT_STRANGER_CREATES))
        create_vm(self, pick(self, SIM_FAULT_STRANGER_CREATES, self->hosts->len));
}

static void
trouble(SimWorld *self, gpointer data)
{
    (void)data;
    if (self->faults.healed) {
        self->troubled = FALSE;
        return;
    }
    trouble_hosts(self);
    if (self->vms->len > 0) {
        trouble_guests(self);
        trouble_by_strangers(self);
    }
    sim_world_after(self, sim_world_draw(self, TROUBLE_MIN_S, TROUBLE_MAX_S) * SIM_S, trouble, NULL,
                    NULL);
}

void
sim_people_begin(SimWorld *self)
{
    if (self->troubled)
        return;
    self->troubled = TRUE;
    sim_world_after(self, sim_world_draw(self, 0, TROUBLE_MAX_S) * SIM_S, trouble, NULL, NULL);
}

/* ------------------------------------------------------------------ the operator */

void
sim_world_heal(SimWorld *self)
{
    self->faults.healed = TRUE;
    sim_world_trace(self, "healed");
    for (guint h = 0; h < self->hosts->len; h++) {
        SimHost *host = sim_host(self, h);
        host->cut_until_us = host->slow_until_us = host->unlisted_until_us = 0;
        host->hung_until_us = 0;
        if (host->stays_off)
            sim_host_power_on(self, h);
    }
    for (guint i = 0; i < self->migrations->len; i++) {
        SimMigration *migration = &g_array_index(self->migrations, SimMigration, i);
        migration->never_converges = FALSE;
    }
    sim_world_tell(self, sim_fact(SIM_FACT_HEALED));
}

/* Where the guest has its newest memory; else where it is defined; else where it last was. */
static guint
choose_home(const SimWorld *self, guint vm)
{
    guint home = home_of(self, vm);
    guint64 best = 0;

    for (guint h = 0; h < self->hosts->len && home_of(self, vm) == SIM_NOWHERE; h++) {
        const SimCopy *copy = sim_copy(self, vm, h);
        guint64 defined = (copy->on_disk || copy->defined) ? (guint64)1 << 32 : 0;
        if (copy->memory + defined > best) {
            home = h;
            best = copy->memory + defined;
        }
    }
    return home;
}

static void
remove_copy(SimWorld *self, guint vm, guint host)
{
    SimCopy *copy = sim_copy(self, vm, host);

    sim_guest_kill(self, vm, host, SIM_OFF_UNKNOWN, SIM_BY_OPERATOR);
    if (copy->defined || copy->on_disk)
        sim_guest_undefine(self, vm, host, SIM_BY_OPERATOR);
}

static void
put_right(SimWorld *self, guint vm, guint home)
{
    SimVm *guest = sim_vm(self, vm);
    SimCopy *copy = sim_copy(self, vm, home);

    copy->defined = copy->on_disk = TRUE;
    copy->autostart = guest->autostart;
    if (guest->wish == SIM_WISH_OFF) {
        sim_guest_kill(self, vm, home, SIM_OFF_SHUTDOWN, SIM_BY_OPERATOR);
        return;
    }
    if (copy->qemu == SIM_QEMU_NONE)
        (void)sim_guest_run(self, vm, home, TRUE, SIM_BY_OPERATOR);
    else if (guest->wish == SIM_WISH_RUNNING && !sim_copy_runs(copy))
        (void)sim_guest_run(self, vm, home, TRUE, SIM_BY_OPERATOR); /* he decides that it counts */
    if (guest->wish == SIM_WISH_PAUSED && copy->qemu == SIM_QEMU_RUNNING)
        sim_guest_set(self, vm, home, SIM_QEMU_PAUSED_USER, SIM_BY_OPERATOR);
}

/* A guest that is as it should be is left alone: a person looks before he acts. */
static gboolean
is_right(const SimWorld *self, guint vm)
{
    const SimVm *guest = sim_vm(self, vm);
    guint homes = 0;

    for (guint h = 0; h < self->hosts->len; h++) {
        const SimCopy *copy = sim_copy(self, vm, h);
        gboolean as_wished = guest->wish == SIM_WISH_OFF      ? copy->qemu == SIM_QEMU_NONE
                             : guest->wish == SIM_WISH_PAUSED ? copy->qemu == SIM_QEMU_PAUSED_USER
                                                              : copy->qemu == SIM_QEMU_RUNNING;
        if (!sim_copy_is_active(copy) && !copy->defined && !copy->on_disk)
            continue;
        if (!as_wished || !copy->on_disk || !copy->defined || copy->autostart != guest->autostart)
            return FALSE;
        homes++;
    }
    return homes == 1;
}

static void
repair_vm(SimWorld *self, guint vm)
{
    guint home = choose_home(self, vm);

    if (!sim_vm(self, vm)->planned)
        home = SIM_NOWHERE;
    else if (home == SIM_NOWHERE || is_right(self, vm))
        return;
    sim_world_trace(self, "operator repairs %s", sim_vm(self, vm)->name);
    for (guint h = 0; h < self->hosts->len; h++) {
        if (h != home)
            remove_copy(self, vm, h);
    }
    if (home != SIM_NOWHERE)
        put_right(self, vm, home);
}

static gboolean
is_empty(const SimWorld *self, guint host)
{
    for (guint v = 0; v < self->vms->len; v++) {
        if (sim_copy_is_active(sim_copy(self, v, host)))
            return FALSE;
    }
    return TRUE;
}

/* The right machine comes back; an update that was left half done is finished by hand. */
static void
repair_host(SimWorld *self, guint index)
{
    SimHost *host = sim_host(self, index);

    g_free(host->uuid);
    host->uuid = g_strdup(host->own_uuid);
    if (!host->in_update || host->mended || !is_empty(self, index))
        return;
    sim_world_trace(self, "operator updates and reboots %s", host->name);
    host->mended = TRUE;
    host->staged = !host->updated;
    host->staged_badly = FALSE;
    sim_host_reboot(self, index);
}

void
sim_people_repair(SimWorld *self)
{
    for (guint v = 0; v < self->vms->len; v++) {
        if (sim_vm(self, v)->migration < 0)
            repair_vm(self, v);
    }
    for (guint h = 0; h < self->hosts->len; h++)
        repair_host(self, h);
}
