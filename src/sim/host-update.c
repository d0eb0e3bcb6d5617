/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host-update port into the simulated world. A stage runs under a helper of its own: it goes on
 * when the controller dies, and nobody can make the same attempt run twice.
 */
#include "sim/private.h"

#define STAGE_TIMEOUT_US (900 * SIM_S)
#define SSH_FAILED 255

typedef struct SimStage SimStage;

/* Somebody who waits for a stage's end. */
typedef struct {
    SimWait wait;
    SimStage *stage;
    VrStageDone done;
    gpointer data;
} Waiter;

struct SimStage {
    SimWorld *world;
    guint host;
    VrStage stage;
    guint step;
    guint attempt;
    gboolean ended;
    VrStageEnd end;
    int exit_status;
    char *output;
    GPtrArray *waiters; /* (element-type Waiter) */
};

void
sim_stage_free(gpointer data)
{
    SimStage *stage = data;

    g_ptr_array_unref(stage->waiters);
    g_free(stage->output);
    g_free(stage);
}

static void
waiter_finish(SimWait *wait, gboolean dead)
{
    Waiter *self = (Waiter *)wait;
    const SimStage *stage = self->stage;
    VrStageResult result = {stage->end, stage->exit_status, stage->output};

    if (dead)
        g_ptr_array_remove_fast(stage->waiters, self);
    self->done(&result, self->data);
    g_free(self);
}

static void
end_stage(SimStage *stage, VrStageEnd end, int exit_status)
{
    stage->ended = TRUE;
    stage->end = end;
    stage->exit_status = exit_status;
    sim_world_trace(stage->world, "stage %s %s ends %s %d", vr_stage_to_string(stage->stage),
                    sim_host(stage->world, stage->host)->name, vr_stage_end_to_string(end),
                    exit_status);
    while (stage->waiters->len > 0) {
        Waiter *waiter = g_ptr_array_steal_index_fast(stage->waiters, stage->waiters->len - 1);
        sim_wait_finish(&waiter->wait);
    }
}

static void
end_by_timer(SimWorld *world, gpointer data)
{
    SimStage *stage = data;
    (void)world;

    end_stage(stage, stage->end, stage->exit_status);
}

/* ------------------------------------------------------------------ what stages do */

static void
tell_changed(SimWorld *world, guint host)
{
    SimFact fact = sim_fact(SIM_FACT_HOST_CHANGED);

    fact.host = host;
    fact.cause = SIM_BY_CONTROLLER;
    sim_world_tell(world, fact);
}

static void
perform(const SimStage *stage)
{
    SimWorld *world = stage->world;
    SimHost *host = sim_host(world, stage->host);
    SimFact fact = sim_fact(SIM_FACT_STAGE_BEGINS);

    host->mended = FALSE;
    fact.host = stage->host;
    fact.stage = stage->stage;
    fact.step = stage->step;
    fact.attempt = stage->attempt;
    sim_world_tell(world, fact);
    if (stage->stage == VR_STAGE_CLOSE)
        host->closed = TRUE;
    else if (stage->stage == VR_STAGE_OPEN)
        host->closed = host->in_update = FALSE;
    else if (stage->stage == VR_STAGE_APPLY) {
        host->staged = host->in_update = TRUE;
        host->staged_badly = sim_world_strikes(world, SIM_FAULT_OLD_LEVEL);
    } else if (stage->stage == VR_STAGE_REBOOT &&
               !sim_world_strikes(world, SIM_FAULT_REBOOT_IGNORED))
        sim_host_reboot(world, stage->host);
    if (stage->stage == VR_STAGE_CLOSE || stage->stage == VR_STAGE_OPEN)
        tell_changed(world, stage->host);
}

static int
exit_status_of(const SimStage *stage)
{
    const SimHost *host = sim_host(stage->world, stage->host);

    if (stage->stage == VR_STAGE_ASSESS && host->updated)
        return VR_STAGE_NOTHING_TO_DO;
    if (stage->stage == VR_STAGE_VERIFY && !host->updated)
        return 1;
    return 0;
}

static char *
output_of(const SimStage *stage)
{
    const SimHost *host = sim_host(stage->world, stage->host);

    if (stage->stage != VR_STAGE_FACTS)
        return g_strdup("");
    return g_strdup_printf("boot_id=%s-%u\nupdate_level=%s\n", host->uuid, host->boots,
                           host->updated ? stage->world->level : "before");
}

static gint64
duration_us(const SimStage *stage)
{
    SimWorld *world = stage->world;

    if (stage->stage == VR_STAGE_APPLY || stage->stage == VR_STAGE_BEFORE)
        return sim_world_draw(world, 1, sim_host(world, stage->host)->update_s) * SIM_S;
    return sim_world_draw(world, 50, 3000) * SIM_MS;
}

/* Its command begins on the host, if that can be reached. */
static void
begin(SimWorld *world, gpointer data)
{
    SimStage *stage = data;
    const SimHost *host = sim_host(world, stage->host);
    gint64 takes_us = duration_us(stage);

    if (!host->up || host->cut_until_us > world->now_us) {
        end_stage(stage, VR_STAGE_END_EXITED, SSH_FAILED);
        return;
    }
    stage->end = VR_STAGE_END_EXITED;
    if (sim_world_strikes(world, SIM_FAULT_STAGE_FAILS)) {
        stage->exit_status = 1;
    } else if (sim_world_strikes(world, SIM_FAULT_STAGE_LIES)) {
        perform(stage);
        stage->exit_status = 1;
    } else if (sim_world_strikes(world, SIM_FAULT_STAGE_HANGS)) {
        if (sim_world_draw(world, 0, 1) == 0)
            perform(stage);
        stage->end = VR_STAGE_END_TIMED_OUT;
        takes_us = STAGE_TIMEOUT_US;
    } else if (sim_world_strikes(world, SIM_FAULT_STAGE_LOST)) {
        if (sim_world_draw(world, 0, 1) == 0)
            perform(stage);
        stage->end = VR_STAGE_END_LOST;
    } else {
        perform(stage);
        stage->exit_status = exit_status_of(stage);
    }
    stage->output = output_of(stage);
    sim_world_after(world, takes_us, end_by_timer, stage, NULL);
}

/* ------------------------------------------------------------------ the port */

static void
tell_issued(const SimController *controller, const VrStageRequest *request, guint host)
{
    SimFact fact = sim_fact(SIM_FACT_STAGE_ISSUED);

    fact.controller = controller->number;
    fact.host = host;
    fact.stage = request->stage;
    fact.step = request->step;
    fact.attempt = request->attempt;
    fact.attach_only = request->attach_only;
    sim_world_trace(controller->world, "call stage %s %s %u/%u%s",
                    vr_stage_to_string(request->stage), request->host, request->step,
                    request->attempt, request->attach_only ? " attach" : "");
    sim_world_tell(controller->world, fact);
}

static SimStage *
stage_new(SimWorld *world, const VrStageRequest *request, guint host)
{
    SimStage *stage = g_new0(SimStage, 1);

    *stage = (SimStage){
        .world = world,
        .host = host,
        .stage = request->stage,
        .step = request->step,
        .attempt = request->attempt,
        .waiters = g_ptr_array_new(),
    };
    return stage;
}

/* The attempt as its helper knows it: running, ended, or from now on one that never begins. */
static SimStage *
find_or_begin(SimController *controller, const VrStageRequest *request, guint host)
{
    SimWorld *world = controller->world;
    g_autofree char *key =
        g_strdup_printf("%s/%u/%u", request->rollout, request->step, request->attempt);
    SimStage *stage = g_hash_table_lookup(world->stages, key);

    if (stage != NULL)
        return stage;
    stage = stage_new(world, request, host);
    g_hash_table_insert(world->stages, g_steal_pointer(&key), stage);
    if (request->attach_only || controller->killed) {
        stage->ended = TRUE;
        stage->end = VR_STAGE_END_NOT_RUN;
        stage->output = g_strdup("it had not begun");
    } else if (!sim_controller_falters(controller)) {
        sim_world_after(world, sim_world_draw(world, 20, 300) * SIM_MS, begin, stage, NULL);
        sim_controller_dies_by_lot(controller);
    } else {
        /* It died before the helper ran: the next controller finds no attempt at all. */
        stage->ended = TRUE;
        stage->end = VR_STAGE_END_NOT_RUN;
    }
    return stage;
}

typedef struct {
    guint controller;
    Waiter *waiter;
} Due;

static void
answer_ended(SimWorld *world, gpointer data)
{
    Due *due = data;

    for (guint i = 0; i < world->controllers->len; i++) {
        const SimController *controller = g_ptr_array_index(world->controllers, i);
        if (controller->number == due->controller &&
            g_ptr_array_find(controller->waits, due->waiter, NULL)) {
            g_ptr_array_remove_fast(due->waiter->stage->waiters, due->waiter);
            sim_wait_finish(&due->waiter->wait);
        }
    }
    g_free(due);
}

static void
run(gpointer context, const VrStageRequest *request, VrStageDone done, gpointer data)
{
    SimController *controller = context;
    SimWorld *world = controller->world;
    guint host = sim_world_find_host(world, request->host);
    Waiter *waiter = g_new0(Waiter, 1);

    g_assert(host != SIM_NOWHERE);
    if (!controller->killed)
        tell_issued(controller, request, host);
    waiter->wait.finish = waiter_finish;
    waiter->done = done;
    waiter->data = data;
    waiter->stage = find_or_begin(controller, request, host);
    g_ptr_array_add(waiter->stage->waiters, waiter);
    sim_wait_add(controller, &waiter->wait);
    if (waiter->stage->ended && !controller->killed) {
        Due *due = g_new(Due, 1);
        *due = (Due){controller->number, waiter};
        sim_world_after(world, sim_world_draw(world, 1, 20) * SIM_MS, answer_ended, due, g_free);
    }
}

const VrHostUpdateVTable sim_host_update = {run};
