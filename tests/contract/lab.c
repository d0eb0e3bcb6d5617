/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lab.h"

#include "adapters/yaml/document.h"
#include "model/document.h"

Lab *
lab_load(void)
{
    g_autoptr(GError) error = NULL;
    const char *path = g_getenv(LAB_ENVIRONMENT);
    if (path == NULL)
        return NULL;
    g_autoptr(VrDocument) document = vr_yaml_load(path, &error);
    VrFleet *fleet = document == NULL ? NULL : vr_fleet_read(document, &error);
    if (fleet == NULL)
        g_error("%s", error->message);
    Lab *self = g_new0(Lab, 1);
    self->state = g_path_get_dirname(path);
    self->fleet = fleet;
    return self;
}

void
lab_free(Lab *self)
{
    vr_fleet_free(self->fleet);
    g_free(self->state);
    g_free(self);
}

/* -------------------------------------------------------------------------- time */

static gint64
lab_now_us(gpointer context)
{
    (void)context;
    return g_get_monotonic_time();
}

static gboolean
tick(gpointer data)
{
    (void)data;
    return G_SOURCE_CONTINUE;
}

static void
lab_go_on(gpointer context)
{
    (void)context;
    guint timer = g_timeout_add(20, tick, NULL);
    g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
}

const CallGround lab_ground = {NULL, lab_now_us, lab_go_on};

/* -------------------------------------------------------------------------- verbs */

typedef struct {
    gint ended;
    const char *command;
    char *output; /* nullable */
    int status;
} Command;

static gpointer
command_main(gpointer data)
{
    Command *self = data;
    if (!g_spawn_command_line_sync(self->command, &self->output, NULL, &self->status, NULL))
        self->status = -1;
    g_atomic_int_set(&self->ended, 1);
    return NULL;
}

/* In a thread: the main loop must run on, else the daemons close connections that do not answer. */
static char *
run(const Lab *self, const char *verb)
{
    g_autofree char *text = g_strdup_printf("contrib/lab/lab --state %s %s", self->state, verb);
    Command command = {.command = text};
    GThread *thread = g_thread_new("lab", command_main, &command);
    while (!g_atomic_int_get(&command.ended))
        wait_ms(10);
    g_thread_join(thread);
    if (command.status != 0)
        fail_msg("%s", text);
    return command.output;
}

void
lab_run(const Lab *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *verb = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_free(run(self, verb));
}

char *
lab_read(const Lab *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *verb = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return run(self, verb);
}
