/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "controller/engine-thread.h"

#include "base/time.h"
#include "controller/clock.h"

struct VrEngineThread {
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    VrEngine *engine;
    GSource *timer; /* (nullable) for the engine's next deadline */
};

typedef struct {
    VrEngineThread *thread;
    void (*run)(gpointer data);
    gpointer data;
} Posted;

/* A call that somebody waits for. */
typedef struct {
    void (*run)(gpointer data);
    gpointer data;
    GMutex mutex;
    GCond ended;
    gboolean done;
} Call;

static void arm_timer(VrEngineThread *self);

static gboolean
tick(gpointer data)
{
    VrEngineThread *self = data;

    vr_engine_tick(self->engine);
    arm_timer(self);
    return G_SOURCE_REMOVE;
}

static void
arm_timer(VrEngineThread *self)
{
    gint64 deadline_us = self->engine != NULL ? vr_engine_next_deadline(self->engine) : G_MAXINT64;
    VrClock clock = vr_system_clock();

    if (self->timer != NULL) {
        g_source_destroy(self->timer);
        g_clear_pointer(&self->timer, g_source_unref);
    }
    if (deadline_us == G_MAXINT64)
        return;

    gint64 wait_ms = (deadline_us - clock.vtable->now_us(clock.context)) / VR_MS_US + 1;
    self->timer = g_timeout_source_new((guint)CLAMP(wait_ms, 1, 60000));
    g_source_set_callback(self->timer, tick, self, NULL);
    g_source_attach(self->timer, self->context);
}

static gboolean
run_posted(gpointer data)
{
    Posted *posted = data;

    posted->run(posted->data);
    arm_timer(posted->thread);
    return G_SOURCE_REMOVE;
}

static void
post(gpointer context, void (*run)(gpointer data), gpointer data)
{
    VrEngineThread *self = context;
    Posted *posted = g_new(Posted, 1);
    GSource *source = g_idle_source_new();

    *posted = (Posted){self, run, data};
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, run_posted, posted, g_free);
    g_source_attach(source, self->context);
    g_source_unref(source);
}

static gpointer
thread_main(gpointer data)
{
    VrEngineThread *self = data;

    g_main_context_push_thread_default(self->context);
    g_main_loop_run(self->loop);
    g_main_context_pop_thread_default(self->context);
    return NULL;
}

VrEngineThread *
vr_engine_thread_new(void)
{
    VrEngineThread *self = g_new0(VrEngineThread, 1);

    self->context = g_main_context_new();
    self->loop = g_main_loop_new(self->context, FALSE);
    self->thread = g_thread_new("engine", thread_main, self);
    return self;
}

VrExecutor
vr_engine_thread_executor(VrEngineThread *self)
{
    return (VrExecutor){self, post};
}

void
vr_engine_thread_set_engine(VrEngineThread *self, VrEngine *engine)
{
    self->engine = engine;
}

static void
run_call(gpointer data)
{
    Call *call = data;

    call->run(call->data);
    g_mutex_lock(&call->mutex);
    call->done = TRUE;
    g_cond_signal(&call->ended);
    g_mutex_unlock(&call->mutex);
}

void
vr_engine_thread_call(VrEngineThread *self, void (*run)(gpointer data), gpointer data)
{
    Call call = {.run = run, .data = data};

    g_mutex_init(&call.mutex);
    g_cond_init(&call.ended);
    post(self, run_call, &call);
    g_mutex_lock(&call.mutex);
    while (!call.done)
        g_cond_wait(&call.ended, &call.mutex);
    g_mutex_unlock(&call.mutex);
    g_mutex_clear(&call.mutex);
    g_cond_clear(&call.ended);
}

static void
quit(gpointer data)
{
    g_main_loop_quit(((VrEngineThread *)data)->loop);
}

void
vr_engine_thread_stop(VrEngineThread *self)
{
    post(self, quit, self);
    g_thread_join(self->thread);
    if (self->timer != NULL) {
        g_source_destroy(self->timer);
        g_clear_pointer(&self->timer, g_source_unref);
    }
}

void
vr_engine_thread_free(VrEngineThread *self)
{
    g_main_loop_unref(self->loop);
    g_main_context_unref(self->context);
    g_free(self);
}
