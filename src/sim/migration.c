/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One peer-to-peer, pre-copy migration as libvirt 9 does it, step by step. Each step is a line of
 * the model behind docs/internals/recovery.md: what is not there does not happen here either.
 */
#include "sim/migration.h"

/* A step that is due: void if another was scheduled since. */
typedef struct {
    guint index;
    guint64 wake;
} Wake;

static void advance_in(SimWorld *self, SimMigration *migration, gint64 delay_us);

void
sim_migration_advance_soon(SimWorld *self, SimMigration *migration)
{
    advance_in(self, migration, SIM_MS);
}

/* ------------------------------------------------------------------ forward */

static void
kill_daemons_by_lot(SimWorld *self, SimMigration *migration)
{
    if (sim_world_strikes(self, SIM_FAULT_TARGET_HANGS))
        sim_host(self, migration->target)->hung_until_us =
            self->now_us + sim_faults_extent(&self->faults, SIM_FAULT_TARGET_HANGS, 1, 90) * SIM_S;
    if (sim_world_strikes(self, SIM_FAULT_SOURCE_DAEMON))
        sim_daemon_kill(self, migration->source);
    if (migration->live && sim_world_strikes(self, SIM_FAULT_TARGET_DAEMON))
        sim_daemon_kill(self, migration->target);
}

static void
kill_guests_by_lot(SimWorld *self, SimMigration *migration)
{
    if (migration->live && sim_world_strikes(self, SIM_FAULT_SOURCE_QEMU))
        sim_guest_kill(self, migration->vm, migration->source, SIM_OFF_UNKNOWN, SIM_BY_FAULT);
    if (migration->live && sim_world_strikes(self, SIM_FAULT_TARGET_QEMU))
        sim_guest_kill(self, migration->vm, migration->target, SIM_OFF_UNKNOWN, SIM_BY_FAULT);
    if (migration->live && sim_world_strikes(self, SIM_FAULT_PEER_LINK))
        sim_migration_link_cut(self, migration);
}

static void
undefine_source(SimWorld *self, SimMigration *migration)
{
    SimCopy *source = sim_migration_source(self, migration);

    if (source->job != SIM_JOB_OUT_UNDEFINE || !sim_host_answers(self, migration->source))
        return;
    if (sim_world_strikes(self, SIM_FAULT_UNDEFINE_FAILS))
        source->defined = FALSE; /* the file and the link stay: the next daemon reads them again */
    else
        sim_guest_undefine(self, migration->vm, migration->source, SIM_BY_LIBVIRT);
    if (migration->foreign)
        sim_guest_lose_autostart(self, migration->vm);
    sim_migration_end_source(self, migration);
}

static void
confirm(SimWorld *self, SimMigration *migration)
{
    if (sim_world_strikes(self, SIM_FAULT_CONFIRM_FAILS)) {
        sim_migration_say(migration, VR_FAILURE_OTHER,
                          "Confirm failed: migration cookie is not readable");
        sim_migration_cancel(self, migration);
        return;
    }
    sim_guest_set(self, migration->vm, migration->source, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    sim_migration_source(self, migration)->off = SIM_OFF_UNKNOWN;
    sim_migration_set_job(self, migration, sim_migration_source(self, migration),
                          SIM_JOB_OUT_UNDEFINE);
    sim_migration_later(self, migration, sim_world_draw(self, 1, 10) * SIM_MS, undefine_source);
}

/* Finish has failed on the target: it kills what it had, and says so. */
static void
fail_finish(SimWorld *self, SimMigration *migration, const char *words)
{
    migration->finish = SIM_FINISH_FAILED;
    sim_migration_say(migration, VR_FAILURE_OTHER, words);
    sim_guest_kill(self, migration->vm, migration->target, SIM_OFF_FAILED, SIM_BY_LIBVIRT);
}

static void
start_target(SimWorld *self, SimMigration *migration)
{
    if (sim_world_strikes(self, SIM_FAULT_FINISH_FAILS)) {
        fail_finish(self, migration, "internal error: guest CPUs could not be started");
        return;
    }
    if (migration->was_paused) {
        sim_guest_hand_over_paused(self, migration->vm, migration->target);
    } else if (!sim_guest_run(self, migration->vm, migration->target, TRUE, SIM_BY_LIBVIRT)) {
        fail_finish(self, migration, "Failed to acquire lock: the disk is in use elsewhere");
        return;
    }
    sim_migration_set_job(self, migration, sim_migration_target(self, migration),
                          SIM_JOB_IN_STARTED);
}

static void
define_target(SimWorld *self, SimMigration *migration)
{
    SimCopy *target = sim_migration_target(self, migration);

    if (sim_world_strikes(self, SIM_FAULT_FINISH_FAILS)) {
        fail_finish(self, migration, "cannot save the definition: no space left on device");
        return;
    }
    target->defined = target->on_disk = TRUE;
    sim_migration_set_job(self, migration, target, SIM_JOB_IN_DEFINED);
}

static void
reply_finish(SimWorld *self, SimMigration *migration)
{
    guint vm = migration->vm;
    guint host = migration->target;

    migration->finish = SIM_FINISH_WELL;
    sim_migration_target(self, migration)->stats = (VrMigrationStats){
        .total_ms = MAX(1, (self->now_us - migration->begun_us) / SIM_MS),
        .downtime_ms = 100,
        .data_mib = sim_vm(self, migration->vm)->resident_mib,
    };
    sim_migration_end_target(self, migration);
    if (sim_world_strikes(self, SIM_FAULT_DEFINITION_REMOVED))
        sim_guest_undefine(self, vm, host, SIM_BY_STRANGER);
}

/* What the target's daemon does next. TRUE: it did something. */
static gboolean
advance_target(SimWorld *self, SimMigration *migration)
{
    const SimCopy *target = sim_migration_target(self, migration);

    if (!sim_host_answers(self, migration->target))
        return FALSE;
    if (target->job == SIM_JOB_IN_FINISH)
        define_target(self, migration);
    else if (target->job == SIM_JOB_IN_DEFINED)
        start_target(self, migration);
    else if (target->job == SIM_JOB_IN_STARTED)
        reply_finish(self, migration);
    else
        return FALSE;
    return TRUE;
}

/* Perform: pause at the switch-over, then the rest is sent. */
static void
advance_perform(SimWorld *self, SimMigration *migration)
{
    SimCopy *source = sim_migration_source(self, migration);
    const SimCopy *target = sim_migration_target(self, migration);

    if (!migration->source_connected || !sim_copy_is_active(target) ||
        !sim_copy_is_active(source) || migration->abort_asked) {
        sim_migration_say(migration, migration->abort_asked ? VR_FAILURE_ABORTED : VR_FAILURE_OTHER,
                          migration->abort_asked
                              ? "operation aborted: migration out: canceled by client"
                              : "operation failed: migration out job: unexpectedly failed");
        sim_migration_cancel(self, migration);
    } else if (migration->never_converges || self->now_us < migration->sent_until_us ||
               !migration->peer_link) {
        return; /* goes on */
    } else if (source->qemu == SIM_QEMU_RUNNING) {
        sim_guest_set(self, migration->vm, migration->source, SIM_QEMU_PAUSED_MIGRATION,
                      SIM_BY_LIBVIRT);
        migration->sent_until_us = self->now_us + sim_world_draw(self, 20, 300) * SIM_MS;
    } else if (source->qemu == SIM_QEMU_PAUSED_MIGRATION ||
               (source->qemu == SIM_QEMU_PAUSED_USER && migration->was_paused)) {
        sim_migration_set_job(self, migration, source, SIM_JOB_OUT_PERFORMED);
    } else {
        sim_migration_say(migration, VR_FAILURE_OTHER,
                          "operation failed: the guest is not running any more");
        sim_migration_cancel(self, migration);
    }
}

/* Finish: asked for over the daemons' connection; its reply, or the loss of it. */
static void
advance_performed(SimWorld *self, SimMigration *migration)
{
    SimCopy *target = sim_migration_target(self, migration);

    if (!migration->source_connected) {
        /* "The domain could in fact be running on the destination": libvirt goes back here too. */
        sim_migration_say(migration, VR_FAILURE_LINK_LOST,
                          "connection to the target's daemon lost during Finish");
        sim_migration_cancel(self, migration);
    } else if (migration->finish == SIM_FINISH_WELL && migration->peer_link) {
        sim_migration_set_job(self, migration, sim_migration_source(self, migration),
                              SIM_JOB_OUT_CONFIRM);
    } else if (migration->finish == SIM_FINISH_FAILED && migration->peer_link) {
        sim_migration_cancel(self, migration);
    } else if (migration->peer_link && sim_host(self, migration->target)->up &&
               sim_host(self, migration->target)->daemon == SIM_DAEMON_UP) {
        if (target->job == SIM_JOB_IN_PREPARE && target->qemu == SIM_QEMU_PAUSED_MIGRATION)
            sim_migration_set_job(self, migration, target, SIM_JOB_IN_FINISH);
        else if (target->job == SIM_JOB_NONE) {
            migration->finish = SIM_FINISH_FAILED;
            sim_migration_say(migration, VR_FAILURE_OTHER, "the target's guest is gone");
        }
        /* If it hangs, Finish lies in its socket until it does not, and may be read too late. */
        if (!sim_host_answers(self, migration->target))
            sim_migration_doubt_peer(self, migration);
    }
}

/* Another VM has the name there. */
static gboolean
is_name_taken(const SimWorld *self, const SimMigration *migration)
{
    for (guint v = 0; v < self->vms->len; v++) {
        const SimCopy *copy = sim_copy(self, v, migration->target);
        if (v != migration->vm && (copy->defined || sim_copy_is_active(copy)) &&
            strcmp(sim_vm(self, v)->name, sim_vm(self, migration->vm)->name) == 0)
            return TRUE;
    }
    return FALSE;
}

/* FALSE: it has been said why. */
static gboolean
may_prepare(SimWorld *self, SimMigration *migration)
{
    const SimCopy *target = sim_migration_target(self, migration);

    if (!sim_host_answers(self, migration->target) || !migration->peer_link)
        sim_migration_say(migration, VR_FAILURE_DAEMON_UNREACHABLE, "cannot connect to it");
    else if (target->qemu != SIM_QEMU_NONE || target->job != SIM_JOB_NONE)
        sim_migration_say(migration, VR_FAILURE_STILL_THERE, "domain is already active");
    else if (is_name_taken(self, migration))
        sim_migration_say(migration, VR_FAILURE_NAME_TAKEN, "domain already exists");
    else if (sim_host(self, migration->target)->closed)
        sim_migration_say(migration, VR_FAILURE_HOOK_REFUSED, "the host is closed");
    else if (!sim_copy_is_active(sim_migration_source(self, migration)))
        sim_migration_say(migration, VR_FAILURE_NOT_RUNNING, "domain is not running");
    else if (sim_world_strikes(self, SIM_FAULT_PREPARE_FAILS))
        sim_migration_say(migration, VR_FAILURE_OTHER, "cannot prepare the migration");
    else
        return TRUE;
    return FALSE;
}

/* What is written meanwhile is sent again; a guest that outruns its link is slowed down. */
static gint64
sending_us(const SimVm *vm, gint64 rate_mib_per_s)
{
    gint64 rate = MAX(rate_mib_per_s, 1);

    return vm->resident_mib * SIM_S / MAX(rate - vm->dirty_mib_per_s, (rate + 4) / 5);
}

static void
prepare(SimWorld *self, SimMigration *migration)
{
    const SimVm *vm = sim_vm(self, migration->vm);
    SimCopy *target = sim_migration_target(self, migration);

    if (!may_prepare(self, migration)) {
        sim_migration_end_source(self, migration);
        return;
    }
    target->memory = 0; /* whatever an earlier guest there had is gone with it */
    sim_guest_set(self, migration->vm, migration->target, SIM_QEMU_PAUSED_MIGRATION,
                  SIM_BY_LIBVIRT);
    sim_migration_set_job(self, migration, target, SIM_JOB_IN_PREPARE);
    migration->source_connected = migration->target_connected = TRUE;
    migration->sent_until_us = self->now_us + sending_us(vm, migration->rate_mib_per_s);
    migration->never_converges = sim_world_strikes(self, SIM_FAULT_NO_PROGRESS);
    sim_migration_set_job(self, migration, sim_migration_source(self, migration),
                          SIM_JOB_OUT_PERFORM);
}

static void
advance_source(SimWorld *self, SimMigration *migration)
{
    switch (sim_migration_source(self, migration)->job) {
    case SIM_JOB_OUT_BEGIN:
        prepare(self, migration);
        return;
    case SIM_JOB_OUT_PERFORM:
        advance_perform(self, migration);
        return;
    case SIM_JOB_OUT_PERFORMED:
        advance_performed(self, migration);
        return;
    case SIM_JOB_OUT_CONFIRM:
        confirm(self, migration);
        return;
    case SIM_JOB_NONE:
    case SIM_JOB_OUT_UNDEFINE:
    case SIM_JOB_OUT_CANCEL:
    case SIM_JOB_IN_PREPARE:
    case SIM_JOB_IN_FINISH:
    case SIM_JOB_IN_DEFINED:
    case SIM_JOB_IN_STARTED:
    case SIM_JOB_OTHER:
        return;
    }
}

static gint64
next_delay_us(SimWorld *self, const SimMigration *migration)
{
    gint64 soon_us = sim_world_draw(self, 2, 60) * SIM_MS;

    if (sim_migration_source(self, migration)->job != SIM_JOB_OUT_PERFORM)
        return soon_us;
    if (migration->never_converges)
        return 5 * SIM_S;
    return MAX(soon_us, migration->sent_until_us - self->now_us);
}

/* Faults have their opportunity once at each step, however long it waits there. */
static gboolean
is_new_moment(const SimWorld *self, SimMigration *migration)
{
    const SimCopy *source = sim_migration_source(self, migration);
    const SimCopy *target = sim_migration_target(self, migration);
    guint moment = 1 + ((guint)source->job * 16 + (guint)target->job) * 16 + (guint)source->qemu;
    gboolean is_new = migration->moment != moment;

    migration->moment = moment;
    return is_new;
}

/* One step of whichever daemon is to act, with an opportunity for every fault before it. */
static void
advance(SimWorld *self, SimMigration *migration)
{
    SimJob source_job = sim_migration_source(self, migration)->job;
    SimJob target_job = sim_migration_target(self, migration)->job;

    if (is_new_moment(self, migration)) {
        kill_daemons_by_lot(self, migration);
        kill_guests_by_lot(self, migration);
    }
    if (migration->live && !advance_target(self, migration) &&
        sim_host_answers(self, migration->source))
        advance_source(self, migration);
    if (!migration->live)
        return;
    if (sim_migration_source(self, migration)->job == source_job &&
        sim_migration_target(self, migration)->job == target_job &&
        source_job != SIM_JOB_OUT_PERFORM)
        advance_in(self, migration, SIM_S); /* waits for a daemon, a link, a keepalive */
    else
        advance_in(self, migration, next_delay_us(self, migration));
}

static void
advance_if_latest(SimWorld *self, gpointer data)
{
    Wake *wake = data;
    SimMigration *migration = sim_migration_at(self, wake->index);

    if (migration->live && migration->wake == wake->wake)
        advance(self, migration);
    g_free(wake);
}

static void
advance_in(SimWorld *self, SimMigration *migration, gint64 delay_us)
{
    Wake *wake = g_new(Wake, 1);

    migration->wake = ++self->migration_number;
    *wake = (Wake){sim_migration_index(self, migration), migration->wake};
    sim_world_after(self, delay_us, advance_if_latest, wake, g_free);
}

/* ------------------------------------------------------------------ from outside */

static guint
free_slot(SimWorld *self)
{
    for (guint i = 0; i < self->migrations->len; i++) {
        if (!sim_migration_at(self, i)->live)
            return i;
    }
    g_array_set_size(self->migrations, self->migrations->len + 1);
    return self->migrations->len - 1;
}

SimBegin
sim_migration_begin(SimWorld *self, guint vm, guint source, guint target, gint64 rate_mib_per_s,
                    gpointer call, gboolean foreign)
{
    SimCopy *copy = sim_copy(self, vm, source);
    SimFact fact = sim_fact(SIM_FACT_MIGRATE_BEGINS);
    SimMigration *migration = NULL;
    guint index = 0;

    if (copy->job != SIM_JOB_NONE && copy->job != SIM_JOB_OTHER)
        return SIM_MIGRATES;
    if (copy->job != SIM_JOB_NONE || sim_vm(self, vm)->migration >= 0)
        return SIM_BUSY;
    if (copy->qemu != SIM_QEMU_RUNNING && copy->qemu != SIM_QEMU_PAUSED_USER)
        return SIM_NOT_RUNNING;
    fact.vm = vm;
    fact.host = source;
    fact.other = target;
    fact.cause = foreign ? SIM_BY_STRANGER : SIM_BY_CONTROLLER;
    fact.controller = call != NULL ? ((SimCall *)call)->controller_number : 0;
    sim_world_tell(self, fact);

    index = free_slot(self);
    migration = sim_migration_at(self, index);
    *migration = (SimMigration){
        .vm = vm,
        .source = source,
        .target = target,
        .live = TRUE,
        .was_paused = copy->qemu == SIM_QEMU_PAUSED_USER,
        .foreign = foreign,
        .peer_link = TRUE,
        .rate_mib_per_s = rate_mib_per_s,
        .begun_us = self->now_us,
        .call = call,
        .number = ++self->migration_number,
    };
    sim_vm(self, vm)->migration = (gint)index;
    sim_migration_set_job(self, migration, copy, SIM_JOB_OUT_BEGIN);
    sim_migration_advance_soon(self, migration);
    return SIM_BEGUN;
}

gboolean
sim_migration_abort(SimWorld *self, guint vm)
{
    gint index = sim_vm(self, vm)->migration;
    SimMigration *migration = index >= 0 ? sim_migration_at(self, (guint)index) : NULL;

    if (migration == NULL || sim_migration_source(self, migration)->job != SIM_JOB_OUT_PERFORM)
        return FALSE;
    migration->abort_asked = TRUE;
    sim_migration_advance_soon(self, migration);
    return TRUE;
}

gboolean
sim_migration_progress(const SimWorld *self, guint vm, VrMigrationProgress *out_progress)
{
    gint index = sim_vm(self, vm)->migration;
    const SimMigration *migration =
        index >= 0 ? &g_array_index(self->migrations, SimMigration, (guint)index) : NULL;
    gint64 total_mib = sim_vm(self, vm)->resident_mib;
    gint64 left_us = 0;

    if (migration == NULL || sim_migration_source(self, migration)->job != SIM_JOB_OUT_PERFORM)
        return FALSE;
    left_us = MAX(0, migration->sent_until_us - self->now_us);
    *out_progress = (VrMigrationProgress){
        .elapsed_ms = (self->now_us - migration->begun_us) / SIM_MS,
        .data_total_mib = total_mib,
        .data_remaining_mib = left_us * migration->rate_mib_per_s / SIM_S,
        .rate_mib_per_s = migration->rate_mib_per_s,
        .dirty_mib_per_s = sim_vm(self, vm)->dirty_mib_per_s,
        .downtime_ms = 100,
        .iteration = 1,
    };
    out_progress->data_processed_mib = total_mib - out_progress->data_remaining_mib;
    return TRUE;
}
