/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a migration ends, and what libvirt's daemons do with it when something breaks. */
#include "sim/migration.h"

/* Keepalive of libvirtd's own connections: 5 s, six times. */
#define KEEPALIVE_US (30 * SIM_S)

SimMigration *
sim_migration_at(SimWorld *self, guint index)
{
    return &g_array_index(self->migrations, SimMigration, index);
}

/* A step of a migration that waits for its time; it is void if that has ended since. */
typedef struct {
    guint index;
    guint64 number;
    void (*run)(SimWorld *world, SimMigration *migration);
} Step;

static void
run_step(SimWorld *self, gpointer data)
{
    Step *step = data;
    SimMigration *migration = sim_migration_at(self, step->index);

    if (migration->live && migration->number == step->number)
        step->run(self, migration);
    g_free(step);
}

guint
sim_migration_index(const SimWorld *self, const SimMigration *migration)
{
    return (guint)(migration - (const SimMigration *)(gconstpointer)self->migrations->data);
}

void
sim_migration_later(SimWorld *self, const SimMigration *migration, gint64 delay_us,
                    void (*run)(SimWorld *world, SimMigration *migration))
{
    Step *step = g_new(Step, 1);

    *step = (Step){sim_migration_index(self, migration), migration->number, run};
    sim_world_after(self, delay_us, run_step, step, g_free);
}

SimCopy *
sim_migration_source(const SimWorld *self, const SimMigration *migration)
{
    return sim_copy(self, migration->vm, migration->source);
}

SimCopy *
sim_migration_target(const SimWorld *self, const SimMigration *migration)
{
    return sim_copy(self, migration->vm, migration->target);
}

void
sim_migration_set_job(SimWorld *self, SimMigration *migration, SimCopy *copy, SimJob job)
{
    copy->job = job;
    sim_world_trace(
        self, "migration %s %s>%s jobs %d %d", sim_vm(self, migration->vm)->name,
        sim_host(self, migration->source)->name, sim_host(self, migration->target)->name,
        sim_migration_source(self, migration)->job, sim_migration_target(self, migration)->job);
}

void
sim_migration_say(SimMigration *migration, VrFailure failure, const char *words)
{
    if (migration->error == NULL)
        migration->error = g_error_new_literal(VR_FAILURE, (gint)failure, words);
}

/* A backup that began on the target since is none. */
static gboolean
is_part_of_it(SimJob job)
{
    return job != SIM_JOB_NONE && job != SIM_JOB_OTHER;
}

/* Both jobs are over: nothing of it happens any more. */
static void
finish_if_over(SimWorld *self, SimMigration *migration)
{
    SimFact fact = sim_fact(SIM_FACT_MIGRATE_OVER);

    if (!migration->live || is_part_of_it(sim_migration_source(self, migration)->job) ||
        is_part_of_it(sim_migration_target(self, migration)->job))
        return;
    migration->live = FALSE;
    sim_vm(self, migration->vm)->migration = -1;
    g_clear_error(&migration->error);
    fact.vm = migration->vm;
    fact.host = migration->source;
    fact.other = migration->target;
    sim_world_tell(self, fact);
}

/* The source's job is over, and with it the call that it works for. */
void
sim_migration_end_source(SimWorld *self, SimMigration *migration)
{
    SimCall *call = migration->call;

    sim_migration_set_job(self, migration, sim_migration_source(self, migration), SIM_JOB_NONE);
    migration->source_connected = FALSE;
    if (call != NULL) {
        migration->call = NULL;
        call->error = migration->error != NULL ? g_error_copy(migration->error) : NULL;
        sim_call_reply(self, call);
    }
    finish_if_over(self, migration);
}

void
sim_migration_end_target(SimWorld *self, SimMigration *migration)
{
    sim_migration_set_job(self, migration, sim_migration_target(self, migration), SIM_JOB_NONE);
    migration->target_connected = FALSE;
    finish_if_over(self, migration);
}

/* ------------------------------------------------------------------ the source goes back */

static void
cancel(SimWorld *self, SimMigration *migration)
{
    SimCopy *source = sim_migration_source(self, migration);

    if (!sim_host_answers(self, migration->source)) {
        sim_migration_later(self, migration, SIM_S, cancel);
        return;
    }
    if (source->job != SIM_JOB_OUT_CANCEL)
        return;
    /* The lock may refuse: then it stays paused, and the job is over all the same. */
    if (source->qemu == SIM_QEMU_PAUSED_MIGRATION)
        (void)sim_guest_run(self, migration->vm, migration->source, FALSE, SIM_BY_LIBVIRT);
    sim_migration_end_source(self, migration);
}

/* ------------------------------------------------------------------ the target goes away */

/* Its connection is closed: whatever is not finished is destroyed, started or not. */
static void
auto_destroy(SimWorld *self, SimMigration *migration)
{
    SimCopy *target = sim_migration_target(self, migration);

    if (!sim_host_answers(self, migration->target)) {
        sim_migration_later(self, migration, SIM_S, auto_destroy);
        return;
    }
    if (target->job == SIM_JOB_NONE || migration->target_connected)
        return;
    if (target->qemu != SIM_QEMU_NONE) {
        sim_guest_kill(self, migration->vm, migration->target, SIM_OFF_UNKNOWN, SIM_BY_LIBVIRT);
        return; /* sim_migration_qemu_gone has ended the job */
    }
    sim_migration_end_target(self, migration);
}

static void
lose_target_connection(SimWorld *self, SimMigration *migration)
{
    if (!migration->target_connected)
        return;
    migration->target_connected = FALSE;
    sim_migration_later(self, migration, sim_world_draw(self, 5, 300) * SIM_MS, auto_destroy);
}

static void
target_notices(SimWorld *self, SimMigration *migration)
{
    lose_target_connection(self, migration);
}

static void
source_notices(SimWorld *self, SimMigration *migration)
{
    migration->source_connected = FALSE;
    sim_migration_advance_soon(self, migration);
}

/* The source gives up, and closes its connection to the target's daemon. */
void
sim_migration_cancel(SimWorld *self, SimMigration *migration)
{
    sim_migration_set_job(self, migration, sim_migration_source(self, migration),
                          SIM_JOB_OUT_CANCEL);
    migration->source_connected = FALSE;
    if (migration->peer_link)
        lose_target_connection(self, migration);
    sim_migration_later(self, migration, sim_world_draw(self, 5, 40) * SIM_MS, cancel);
}

/* Each end finds out for itself: at once when its peer's process is gone, else by keepalive. */
static void
both_notice(SimWorld *self, SimMigration *migration, gint64 most_us)
{
    sim_migration_later(self, migration, sim_world_draw(self, 0, most_us / SIM_MS) * SIM_MS,
                        source_notices);
    sim_migration_later(self, migration, sim_world_draw(self, 0, most_us / SIM_MS) * SIM_MS,
                        target_notices);
}

static void
give_peer_up(SimWorld *self, SimMigration *migration)
{
    migration->peer_doubted = FALSE;
    if (sim_host_answers(self, migration->target))
        return;
    sim_migration_say(migration, VR_FAILURE_LINK_LOST,
                      "the target's daemon is silent: keepalive timeout");
    source_notices(self, migration);
}

void
sim_migration_doubt_peer(SimWorld *self, SimMigration *migration)
{
    if (migration->peer_doubted)
        return;
    migration->peer_doubted = TRUE;
    sim_migration_later(self, migration, KEEPALIVE_US, give_peer_up);
}

void
sim_migration_link_cut(SimWorld *self, SimMigration *migration)
{
    migration->peer_link = FALSE;
    sim_migration_say(migration, VR_FAILURE_LINK_LOST,
                      "connection to the target's daemon lost: keepalive timeout");
    both_notice(self, migration, KEEPALIVE_US);
}

/* ------------------------------------------------------------------ when something breaks */

void
sim_migration_qemu_gone(SimWorld *self, guint vm, guint host)
{
    gint index = sim_vm(self, vm)->migration;
    SimMigration *migration = index >= 0 ? sim_migration_at(self, (guint)index) : NULL;
    SimCopy *copy = sim_copy(self, vm, host);

    if (copy->job == SIM_JOB_OTHER)
        copy->job = SIM_JOB_NONE;
    if (migration == NULL || copy->job == SIM_JOB_NONE)
        return;
    if (host == migration->target) {
        if (migration->finish == SIM_FINISH_OPEN)
            migration->finish = SIM_FINISH_FAILED;
        sim_migration_say(migration, VR_FAILURE_OTHER, "the target's QEMU died");
        if (!copy->on_disk)
            copy->defined = FALSE;
        sim_migration_end_target(self, migration);
    } else {
        sim_migration_say(migration, VR_FAILURE_OTHER, "the source's QEMU died");
    }
    if (migration->live)
        sim_migration_advance_soon(self, migration);
}

/* A daemon's process is gone: its connections close, its jobs stand still until it is back. */
void
sim_migration_daemon_killed(SimWorld *self, guint host)
{
    for (guint i = 0; i < self->migrations->len; i++) {
        SimMigration *migration = sim_migration_at(self, i);
        if (!migration->live || (migration->source != host && migration->target != host))
            continue;
        sim_migration_say(migration, VR_FAILURE_LINK_LOST,
                          "end of file while reading data: the daemon is gone");
        if (migration->source == host) {
            migration->source_connected = FALSE;
            sim_call_abandon(
                g_steal_pointer(&migration->call)); /* broken with all of that daemon */
            lose_target_connection(self, migration);
        } else {
            migration->target_connected = FALSE;
            sim_migration_later(self, migration, sim_world_draw(self, 1, 50) * SIM_MS,
                                source_notices);
        }
    }
}

static void
recover_source(SimWorld *self, SimMigration *migration)
{
    SimCopy *source = sim_migration_source(self, migration);

    if ((source->job == SIM_JOB_OUT_PERFORM || source->job == SIM_JOB_OUT_CANCEL) &&
        source->qemu == SIM_QEMU_PAUSED_MIGRATION)
        (void)sim_guest_run(self, migration->vm, migration->source, FALSE, SIM_BY_LIBVIRT);
    else if (source->job == SIM_JOB_OUT_CONFIRM)
        sim_guest_set(self, migration->vm, migration->source, SIM_QEMU_NONE, SIM_BY_LIBVIRT);
    if (source->job == SIM_JOB_OUT_CONFIRM || source->job == SIM_JOB_OUT_UNDEFINE)
        source->off = SIM_OFF_UNKNOWN;
    /* PERFORMED: paused, without a job, and nobody here knows about the target. */
    if (source->job != SIM_JOB_NONE)
        sim_migration_end_source(self, migration);
}

static void
recover_target(SimWorld *self, SimMigration *migration)
{
    SimCopy *target = sim_migration_target(self, migration);
    gboolean keeps = target->qemu == SIM_QEMU_RUNNING;

    if (target->job == SIM_JOB_NONE)
        return;
    if (!keeps && target->qemu != SIM_QEMU_NONE)
        sim_guest_kill(self, migration->vm, migration->target, SIM_OFF_UNKNOWN, SIM_BY_LIBVIRT);
    else
        sim_migration_end_target(self, migration);
}

void
sim_migration_daemon_recovers(SimWorld *self, guint host)
{
    for (guint i = 0; i < self->migrations->len; i++) {
        SimMigration *migration = sim_migration_at(self, i);
        if (migration->live && migration->source == host)
            recover_source(self, migration);
        if (migration->live && migration->target == host)
            recover_target(self, migration);
    }
}
