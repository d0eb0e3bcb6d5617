/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/follow.h"

#include <signal.h>

#include <virt-roll/error.h>

#include "cli/render.h"
#include "cli/stop-watch.h"

#define DRAW_INTERVAL_MS 250
/* A resumed rollout may be over for a moment, before it has been told to go on. */
#define GRACE_MS 1000

struct VrFollow {
    VrConsole *console;
    VrController *controller;
    VrRollout *rollout;   /* ours, from the same events */
    GHashTable *progress; /* step id -> VrMigrationProgress */
    GMainLoop *loop;
    gboolean has_started; /* it was told to run, and does */
    guint grace;          /* source; 0 */
    guint stop_count;
    VrFollowEnd end;
    char *halt_reason;
};

static gboolean
draw(gpointer data)
{
    VrFollow *self = data;
    /* A line as wide as the terminal would wrap on some. */
    g_autoptr(GPtrArray) lines = vr_render_live(self->rollout, self->progress, g_get_real_time(),
                                                vr_console_width(self->console) - 1);

    vr_console_draw(self->console, lines);
    return G_SOURCE_CONTINUE;
}

static void
finish(VrFollow *self, VrFollowEnd end)
{
    self->end = end;
    g_main_loop_quit(self->loop);
}

static gboolean
grace_over(gpointer data)
{
    VrFollow *self = data;

    self->grace = 0;
    finish(self, VR_FOLLOW_OVER);
    return G_SOURCE_REMOVE;
}

static void
note_rollout_phase(VrFollow *self)
{
    if (self->grace != 0)
        g_source_remove(self->grace);
    self->grace = 0;
    if (self->rollout->phase == VR_ROLLOUT_RUNNING)
        self->has_started = TRUE;
    if (!vr_rollout_is_over(self->rollout->phase))
        return;
    if (self->has_started)
        finish(self, VR_FOLLOW_OVER);
    else
        self->grace = g_timeout_add(GRACE_MS, grace_over, self);
}

static VrPhase
phase_of(const VrRollout *rollout, guint step)
{
    return step >= 1 && step <= rollout->steps->len ? vr_rollout_step(rollout, step - 1)->phase
                                                    : VR_PHASE_PENDING;
}

static void
apply(VrFollow *self, const VrEvent *event)
{
    g_autoptr(GError) error = NULL;

    if (event->kind == VR_EVENT_CREATED) {
        vr_rollout_free(self->rollout);
        self->rollout = vr_rollout_new();
    }
    if (vr_rollout_apply(self->rollout, event, &error))
        return;
    g_debug("own view of the rollout taken anew: %s", error->message);
    vr_rollout_free(self->rollout);
    self->rollout = vr_controller_snapshot(self->controller);
}

static void
happened(gpointer data, const VrEvent *event)
{
    VrFollow *self = data;
    VrPhase from = phase_of(self->rollout, event->step);

    apply(self, event);
    if (phase_of(self->rollout, event->step) != VR_PHASE_MIGRATING)
        g_hash_table_remove(self->progress, GUINT_TO_POINTER(event->step));
    g_auto(VrEventLine) line = vr_render_event(self->rollout, event, from);
    if (line.text != NULL && (line.is_result || !vr_console_is_live(self->console)))
        vr_console_event(self->console, event->at_us, line.text, line.is_bad);
    if (line.is_result && vr_console_is_live(self->console))
        draw(self);
    if (event->kind == VR_EVENT_ROLLOUT_PHASE)
        note_rollout_phase(self);
}

static void
progressed(gpointer data, guint step, const VrMigrationProgress *progress)
{
    VrFollow *self = data;

    if (phase_of(self->rollout, step) == VR_PHASE_MIGRATING)
        g_hash_table_replace(self->progress, GUINT_TO_POINTER(step),
                             g_memdup2(progress, sizeof *progress));
}

static void
halted(gpointer data, const char *reason)
{
    VrFollow *self = data;

    if (self->halt_reason == NULL)
        self->halt_reason = g_strdup(reason);
    finish(self, VR_FOLLOW_HALTED);
}

static void
stop_wanted(gpointer data)
{
    VrFollow *self = data;

    self->stop_count++;
    if (self->stop_count == 1) {
        vr_console_note(self->console, "finishing what is in flight, a host's update included; "
                                       "Ctrl-C again leaves at once (nothing "
                                       "is lost: virt-roll run resumes)");
        vr_controller_stop(self->controller, "Ctrl-C or a signal");
    } else {
        finish(self, VR_FOLLOW_LEFT);
    }
}

VrFollow *
vr_follow_new(VrConsole *console)
{
    VrFollow *self = g_new0(VrFollow, 1);

    self->console = console;
    self->rollout = vr_rollout_new();
    self->progress = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    self->loop = g_main_loop_new(NULL, FALSE);
    return self;
}

VrControllerListener
vr_follow_listener(VrFollow *self)
{
    return (VrControllerListener){self, happened, progressed, halted};
}

void
vr_follow_start_from(VrFollow *self, VrController *controller, VrRollout *rollout)
{
    vr_rollout_free(self->rollout);
    self->rollout = rollout;
    self->controller = controller;
}

VrFollowEnd
vr_follow_run(VrFollow *self, GError **error)
{
    g_autoptr(GPtrArray) nothing = g_ptr_array_new();
    g_autoptr(VrStopWatch) watch = vr_stop_watch_new(stop_wanted, self);
    guint timer = g_timeout_add(DRAW_INTERVAL_MS, draw, self);

    /* A reader that went away must not end a rollout. */
    signal(SIGPIPE, SIG_IGN);
    g_main_loop_run(self->loop);
    g_source_remove(timer);
    vr_console_draw(self->console, nothing);
    if (self->end == VR_FOLLOW_HALTED)
        g_set_error_literal(error, VR_ERROR, VR_ERROR_IO, self->halt_reason);
    return self->end;
}

gboolean
vr_follow_was_stopped(const VrFollow *self)
{
    return self->stop_count > 0;
}

gboolean
vr_follow_await(VrFollow *self, VrRolloutPhase phase, GError **error)
{
    while (self->rollout->phase != phase && self->halt_reason == NULL)
        g_main_context_iteration(NULL, TRUE);
    if (self->halt_reason == NULL)
        return TRUE;
    g_set_error_literal(error, VR_ERROR, VR_ERROR_IO, self->halt_reason);
    return FALSE;
}

const VrRollout *
vr_follow_rollout(const VrFollow *self)
{
    return self->rollout;
}

void
vr_follow_free(VrFollow *self)
{
    if (self == NULL)
        return;
    if (self->grace != 0)
        g_source_remove(self->grace);
    g_main_loop_unref(self->loop);
    g_hash_table_unref(self->progress);
    vr_rollout_free(self->rollout);
    g_free(self->halt_reason);
    g_free(self);
}
