/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way of a call from a controller to a daemon and back. A caller that gets no answer is told
 * VR_ERROR_UNREACHABLE once its keepalive has expired; what it has sent may be executed after that,
 * for as long as fence 1 of docs/internals/recovery.md allows.
 */
#include "sim/private.h"

/* A call that was given up arrives at most so much later, and may then wait as long for a job. */
#define LATE_MAX_S 29

static void
call_unref(SimCall *call)
{
    if (--call->references > 0)
        return;
    g_clear_error(&call->error);
    if (call->clear != NULL)
        call->clear(call);
    g_free(call);
}

static void
drop_reference(gpointer data)
{
    call_unref(data);
}

/* Holds a reference, which `run` drops. */
static void
after(SimWorld *world, gint64 delay_us, void (*run)(SimWorld *world, gpointer data), SimCall *call)
{
    call->references++;
    sim_world_after(world, delay_us, run, call, drop_reference);
}

typedef struct {
    SimCall *call;
    void (*run)(SimWorld *world, gpointer call);
} Work;

static void
work_free(gpointer data)
{
    Work *work = data;

    call_unref(work->call);
    g_free(work);
}

static void
run_work(SimWorld *world, gpointer data)
{
    const Work *work = data;

    work->run(world, work->call);
    work_free(data);
}

void
sim_call_after(SimWorld *world, gint64 delay_us, void (*run)(SimWorld *world, gpointer call),
               SimCall *call)
{
    Work *work = g_new(Work, 1);

    *work = (Work){call, run};
    call->references++;
    sim_world_after(world, delay_us, run_work, work, work_free);
}

/* The one answer to the caller; its process may have died. */
static void
settle(SimCall *call, const GError *error)
{
    SimController *controller = call->controller;

    if (controller == NULL)
        return;
    call->controller = NULL;
    g_ptr_array_remove_fast(controller->calls, call);
    call->answer(call, error);
    call_unref(call);
}

static void
fail_unreachable(SimWorld *world, SimCall *call, const char *why)
{
    g_autoptr(GError) error = g_error_new(VR_ERROR, VR_ERROR_UNREACHABLE, "%s: no answer: %s",
                                          sim_host(world, call->host)->name, why);

    settle(call, error);
}

static void
keepalive_expires(SimWorld *world, gpointer data)
{
    SimCall *call = data;

    fail_unreachable(world, call, "keepalive timeout");
    call_unref(call);
}

static gint64
latency_us(SimWorld *world, guint host)
{
    const SimHost *machine = sim_host(world, host);
    gint64 factor = machine->slow_until_us > world->now_us ? machine->slow_factor : 1;

    return sim_world_draw(world, 200, 3000) * factor;
}

static gboolean
is_cut(const SimWorld *world, guint host)
{
    return sim_host(world, host)->cut_until_us > world->now_us;
}

/* ------------------------------------------------------------------ back */

static void
reply_arrives(SimWorld *world, gpointer data)
{
    SimCall *call = data;

    if (is_cut(world, call->host) || sim_host(world, call->host)->cuts != call->cuts)
        after(world, SIM_KEEPALIVE_US, keepalive_expires, call);
    else
        settle(call, call->error);
    call_unref(call);
}

void
sim_call_reply(SimWorld *world, SimCall *call)
{
    gint64 delay_us = latency_us(world, call->host);

    if (call->controller != NULL && sim_world_strikes(world, SIM_FAULT_REPLY_LOST)) {
        after(world, SIM_KEEPALIVE_US, keepalive_expires, call);
    } else {
        if (call->is_read && sim_world_strikes(world, SIM_FAULT_READ_STALE))
            delay_us += sim_faults_extent(&world->faults, SIM_FAULT_READ_STALE, 50, 25000) * SIM_MS;
        after(world, delay_us, reply_arrives, call);
    }
    call_unref(call); /* the daemon's own */
}

/* ------------------------------------------------------------------ there */

static void
execute(SimWorld *world, SimCall *call)
{
    call->executed = TRUE;
    call->daemon_starts = sim_host(world, call->host)->daemon_starts;
    call->references++; /* the daemon's, until it replies */
    if (call->execute(world, call))
        sim_call_reply(world, call);
}

static void
execute_late(SimWorld *world, gpointer data)
{
    SimCall *call = data;

    if (sim_host_answers(world, call->host))
        execute(world, call);
    call_unref(call);
}

static void
arrive(SimWorld *world, gpointer data)
{
    SimCall *call = data;
    const SimHost *machine = sim_host(world, call->host);

    if (is_cut(world, call->host) || !machine->up)
        after(world, SIM_KEEPALIVE_US, keepalive_expires, call);
    else if (machine->daemon == SIM_DAEMON_DOWN)
        fail_unreachable(world, call, "connection refused");
    else if (!sim_host_answers(world, call->host)) {
        /* It hangs or recovers: the answer is late, or the keepalive is faster. */
        gint64 wait_us =
            machine->hung_until_us > world->now_us ? machine->hung_until_us - world->now_us : SIM_S;
        if (wait_us >= SIM_KEEPALIVE_US && call->controller != NULL)
            after(world, SIM_KEEPALIVE_US, keepalive_expires, call);
        if (wait_us < SIM_KEEPALIVE_US)
            after(world, wait_us, arrive, call);
        else if (!call->is_read && wait_us < LATE_MAX_S * SIM_S)
            after(world, wait_us, execute_late, call);
    } else
        execute(world, call);
    call_unref(call);
}

static void
send_late(SimWorld *world, SimCall *call)
{
    gint64 late_s = sim_faults_extent(&world->faults, SIM_FAULT_CALL_LATE, 1, LATE_MAX_S);

    after(world, MIN(SIM_KEEPALIVE_US, late_s * SIM_S / 2), keepalive_expires, call);
    after(world, late_s * SIM_S, execute_late, call);
}

static void
prepare(SimWorld *world, SimController *controller, SimCall *call)
{
    call->world = world;
    call->controller = controller;
    call->controller_number = controller->number;
    call->references = 1;
    call->cuts = sim_host(world, call->host)->cuts;
    g_ptr_array_add(controller->calls, call);
}

void
sim_call_send(SimWorld *world, SimController *controller, SimCall *call)
{
    prepare(world, controller, call);
    if (sim_world_strikes(world, SIM_FAULT_CALL_LOST))
        after(world, SIM_KEEPALIVE_US, keepalive_expires, call);
    else if (!call->is_read && sim_world_strikes(world, SIM_FAULT_CALL_LATE))
        send_late(world, call);
    else
        after(world, latency_us(world, call->host), arrive, call);
}

void
sim_call_hold(SimWorld *world, SimController *controller, SimCall *call)
{
    prepare(world, controller, call);
}

/* The process has died: the engine's memory wants its answers, the daemons do not care. */
void
sim_calls_orphan(SimController *controller)
{
    g_autoptr(GError) error =
        g_error_new_literal(VR_ERROR, VR_ERROR_CANCELLED, "the controller has died");

    while (controller->calls->len > 0)
        settle(g_ptr_array_index(controller->calls, controller->calls->len - 1), error);
}

/* Its connection is gone, with the daemon or by a cut since it was sent. */
static gboolean
is_broken(const SimWorld *world, const SimCall *call)
{
    const SimHost *machine = sim_host(world, call->host);

    return machine->daemon != SIM_DAEMON_UP || machine->cuts != call->cuts;
}

void
sim_call_abandon(SimCall *call)
{
    if (call != NULL)
        call_unref(call);
}

void
sim_calls_break(SimWorld *world, guint host, const char *why)
{
    for (guint c = 0; c < world->controllers->len; c++) {
        SimController *controller = g_ptr_array_index(world->controllers, c);
        for (guint i = controller->calls->len; i > 0; i--) {
            SimCall *call = g_ptr_array_index(controller->calls, i - 1);
            if (call->host == host && call->executed && is_broken(world, call))
                fail_unreachable(world, call, why);
        }
    }
}
