/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/controller.h"

#include "sim/private.h"

typedef struct {
    void (*run)(gpointer data);
    gpointer data;
} Post;

static gint64
now_us(gpointer context)
{
    const SimController *self = context;

    return self->world->now_us + self->clock_offset_us;
}

static const VrClockVTable sim_clock = {now_us};

static void
post(gpointer context, void (*run)(gpointer data), gpointer data)
{
    SimController *self = context;
    Post *posted = g_new(Post, 1);

    *posted = (Post){run, data};
    g_queue_push_tail(&self->posts, posted);
}

SimController *
sim_controller_new(SimWorld *world)
{
    SimController *self = g_new0(SimController, 1);
    SimFact fact = sim_fact(SIM_FACT_CONTROLLER_STARTS);

    self->world = world;
    self->number = ++world->controllers_started;
    g_queue_init(&self->posts);
    self->calls = g_ptr_array_new();
    self->waits = g_ptr_array_new();
    if (sim_world_strikes(world, SIM_FAULT_CLOCK_JUMP))
        self->clock_offset_us =
            sim_faults_extent(&world->faults, SIM_FAULT_CLOCK_JUMP, -3600, 3600) * SIM_S;
    g_ptr_array_add(world->controllers, self);
    sim_world_trace(world, "controller %u starts", self->number);
    fact.controller = self->number;
    sim_world_tell(world, fact);
    return self;
}

VrEnginePorts
sim_controller_ports(SimController *self)
{
    return (VrEnginePorts){
        .hypervisor = {self, &sim_hypervisor},
        .host_update = {self, &sim_host_update},
        .journal = {self, &sim_journal},
        .clock = {self, &sim_clock},
        .executor = {self, post},
        .hosts = self->world->host_names,
    };
}

guint
sim_controller_number(const SimController *self)
{
    return self->number;
}

gint64
sim_controller_clock_offset_us(const SimController *self)
{
    return self->clock_offset_us;
}

gboolean
sim_controller_is_killed(const SimController *self)
{
    return self->killed;
}

gboolean
sim_controller_is_stalled(const SimController *self)
{
    return self->stalled_until_us > self->world->now_us;
}

static void
run_posts(SimController *self)
{
    Post *posted = NULL;

    while ((posted = g_queue_pop_head(&self->posts)) != NULL) {
        posted->run(posted->data);
        g_free(posted);
    }
}

gboolean
sim_controller_run_posts(SimController *self)
{
    if (g_queue_is_empty(&self->posts) || sim_controller_is_stalled(self) || self->killed)
        return FALSE;
    Post *posted = g_queue_pop_head(&self->posts);
    posted->run(posted->data);
    g_free(posted);
    return TRUE;
}

void
sim_controller_kill(SimController *self)
{
    SimFact fact = sim_fact(SIM_FACT_CONTROLLER_ENDS);

    if (self->killed)
        return;
    self->killed = TRUE;
    sim_world_trace(self->world, "controller %u killed", self->number);
    fact.controller = self->number;
    sim_world_tell(self->world, fact);
}

static void
wake_up(SimWorld *world, gpointer data)
{
    (void)data;
    sim_world_trace(world, "controller goes on");
}

gboolean
sim_controller_falters(SimController *self)
{
    if (self->killed)
        return TRUE;
    if (sim_world_strikes(self->world, SIM_FAULT_CONTROLLER_KILLED)) {
        sim_controller_kill(self);
    } else if (sim_world_strikes(self->world, SIM_FAULT_CONTROLLER_STALLED)) {
        gint64 stall_us =
            sim_faults_extent(&self->world->faults, SIM_FAULT_CONTROLLER_STALLED, 5, 900) * SIM_S;
        self->stalled_until_us = self->world->now_us + stall_us;
        sim_world_after(self->world, stall_us, wake_up, NULL, NULL);
    }
    return self->killed;
}

void
sim_controller_dies_by_lot(SimController *self)
{
    if (!self->killed && sim_world_strikes(self->world, SIM_FAULT_KILLED_AFTERWARDS))
        sim_controller_kill(self);
}

void
sim_wait_add(SimController *self, SimWait *wait)
{
    wait->controller = self;
    g_ptr_array_add(self->waits, wait);
}

void
sim_wait_finish(SimWait *wait)
{
    g_ptr_array_remove_fast(wait->controller->waits, wait);
    wait->finish(wait, FALSE);
}

/* ------------------------------------------------------------------ hints */

typedef struct {
    guint controller;
    guint host;
    char *uuid;
    const char *what;
} Hint;

static void
hint_free(gpointer data)
{
    Hint *hint = data;

    g_free(hint->uuid);
    g_free(hint);
}

static void
deliver_hint(SimWorld *world, gpointer data)
{
    const Hint *hint = data;
    gboolean cut = sim_host(world, hint->host)->cut_until_us > world->now_us;

    for (guint i = 0; i < world->controllers->len; i++) {
        const SimController *controller = g_ptr_array_index(world->controllers, i);
        if (controller->number == hint->controller && controller->hint != NULL &&
            !controller->killed && (!cut || hint->uuid == NULL))
            controller->hint(sim_host(world, hint->host)->name, hint->uuid, hint->what,
                             controller->hint_data);
    }
    hint_free(data);
}

static void
send_hint(SimWorld *world, guint controller, guint host, const char *uuid, const char *what)
{
    Hint *hint = g_new(Hint, 1);
    gint64 delay_us = sim_world_draw(world, 200, 3000);

    *hint = (Hint){controller, host, g_strdup(uuid), what};
    if (sim_world_strikes(world, SIM_FAULT_HINT_LATE))
        delay_us += sim_faults_extent(&world->faults, SIM_FAULT_HINT_LATE, 1, 20000) * SIM_MS;
    sim_world_after(world, delay_us, deliver_hint, hint, hint_free);
}

void
sim_controllers_hint(SimWorld *world, guint host, const char *uuid, const char *what)
{
    for (guint i = 0; i < world->controllers->len; i++) {
        const SimController *controller = g_ptr_array_index(world->controllers, i);
        if (controller->hint == NULL || controller->killed ||
            sim_world_strikes(world, SIM_FAULT_HINT_LOST))
            continue;
        send_hint(world, controller->number, host, uuid, what);
        if (sim_world_strikes(world, SIM_FAULT_HINT_TWICE))
            send_hint(world, controller->number, host, uuid, what);
    }
}

/* ------------------------------------------------------------------ the end of a process */

void
sim_controller_free(SimController *self)
{
    if (self == NULL)
        return;
    sim_controller_kill(self);
    g_ptr_array_remove_fast(self->world->controllers, self);
    while (self->waits->len > 0) {
        SimWait *wait = g_ptr_array_steal_index_fast(self->waits, self->waits->len - 1);
        wait->finish(wait, TRUE);
    }
    do {
        sim_calls_orphan(self);
        run_posts(self); /* an observation asks for its next reading */
    } while (self->calls->len > 0);
    g_ptr_array_unref(self->waits);
    g_ptr_array_unref(self->calls);
    g_free(self);
}
