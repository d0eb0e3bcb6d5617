/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/console.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <virt-roll/error.h>

#include "cli/text.h"

#define WIDTH_DEFAULT 100
#define WIDTH_MIN 40
#define ANSWER_MAX 100

struct VrConsole {
    VrConsoleManner manner;
    FILE *out;
    gboolean is_terminal;
    gboolean has_colour;
    GThread *thread;
    GPtrArray *live; /* (element-type utf8) lines on the screen below all others */
};

/* GLib's log writer cannot be taken back, so what it writes to outlives no console. */
static VrConsole *log_console;

/* ------------------------------------------------------------------ drawing */

static void
go_up(VrConsole *self)
{
    if (self->live->len > 0)
        fprintf(self->out, "\033[%uA\r", self->live->len);
}

static void
erase_live(VrConsole *self)
{
    go_up(self);
    if (self->live->len > 0)
        fputs("\033[J", self->out);
}

static void
draw_live(VrConsole *self)
{
    for (guint i = 0; i < self->live->len; i++)
        fprintf(self->out, "%s\033[K\n", (const char *)g_ptr_array_index(self->live, i));
    fflush(self->out);
}

guint
vr_console_width(const VrConsole *self)
{
    struct winsize size = {0};

    if (!self->is_terminal || ioctl(fileno(self->out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return MAX(size.ws_col, WIDTH_MIN);
}

guint
vr_console_width_max(const VrConsole *self)
{
    return self->is_terminal ? vr_console_width(self) : G_MAXUINT;
}

gboolean
vr_console_is_live(const VrConsole *self)
{
    return self->is_terminal && !self->manner.is_quiet;
}

void
vr_console_print(VrConsole *self, const char *text)
{
    if (self->manner.is_quiet)
        return;
    erase_live(self);
    fputs(text, self->out);
    draw_live(self);
}

void
vr_console_event(VrConsole *self, gint64 at_us, const char *text, gboolean is_bad)
{
    g_autofree char *clean = vr_text_clean(text);
    g_autofree char *time = self->is_terminal ? vr_text_clock(at_us) : vr_text_date_clock(at_us);
    gboolean marked = is_bad && self->has_colour;
    g_autofree char *line = g_strdup_printf("%s %s  %s%s\n", marked ? "\033[1;31m" : "", time,
                                            clean, marked ? "\033[0m" : "");

    vr_console_print(self, line + (!self->is_terminal && !marked ? 1 : 0));
}

void
vr_console_draw(VrConsole *self, const GPtrArray *lines)
{
    if (!vr_console_is_live(self))
        return;
    /* Over what was there, erasing only the rest: nothing flickers. */
    go_up(self);
    g_ptr_array_set_size(self->live, 0);
    for (guint i = 0; i < lines->len; i++)
        g_ptr_array_add(self->live, g_strdup(g_ptr_array_index(lines, i)));
    draw_live(self);
    fputs("\033[J", self->out);
    fflush(self->out);
}

/* ------------------------------------------------------------------ standard error */

/* Every line of it with our name, so that it can be told apart in a log of many programs. */
static void
say(VrConsole *self, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    erase_live(self);
    fflush(self->out);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_autofree char *clean = vr_text_clean(lines[i]);
        if (*clean != '\0')
            fprintf(stderr, "virt-roll: %s\n", clean);
    }
    draw_live(self);
}

void
vr_console_error(VrConsole *self, const char *text)
{
    say(self, text);
}

void
vr_console_note(VrConsole *self, const char *format, ...)
{
    va_list arguments;

    if (self->manner.is_quiet)
        return;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    say(self, text);
}

static gboolean
say_later(gpointer text)
{
    if (log_console != NULL)
        say(log_console, text);
    return G_SOURCE_REMOVE;
}

static gboolean
is_wanted(GLogLevelFlags level, const VrConsoleManner *manner)
{
    if (manner->is_debug || (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
        return TRUE;
    return (level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE)) != 0 && !manner->is_quiet;
}

static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data)
{
    VrConsole *self = log_console;
    (void)data;

    if (self == NULL || (level & G_LOG_FLAG_FATAL) != 0)
        return g_log_writer_standard_streams(level, fields, count, NULL);
    if (!is_wanted(level, &self->manner))
        return G_LOG_WRITER_HANDLED;
    for (gsize i = 0; i < count; i++) {
        if (strcmp(fields[i].key, "MESSAGE") != 0)
            continue;
        if (g_thread_self() == self->thread)
            say(self, fields[i].value);
        else /* the screen is the main thread's */
            g_idle_add_full(G_PRIORITY_DEFAULT, say_later, g_strdup(fields[i].value), g_free);
    }
    return G_LOG_WRITER_HANDLED;
}

/* ------------------------------------------------------------------ data and questions */

gboolean
vr_console_write(VrConsole *self, const char *data, GError **error)
{
    erase_live(self);
    fflush(self->out);
    if (fputs(data, stdout) < 0 || fflush(stdout) != 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "standard output: cannot be written: %s",
                    g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

int
vr_console_give(VrConsole *self, const char *text, gboolean is_data, GError **error)
{
    if (!is_data)
        vr_console_print(self, text);
    else if (!vr_console_write(self, text, error))
        return vr_error_info(VR_ERROR_IO)->exit_status;
    return 0;
}

gboolean
vr_console_can_ask(void)
{
    return isatty(STDIN_FILENO) != 0;
}

static gboolean
notice_answer(gint fd, GIOCondition condition, gpointer done)
{
    (void)fd;
    (void)condition;
    *(gboolean *)done = TRUE;
    return G_SOURCE_REMOVE;
}

gboolean
vr_console_ask(VrConsole *self, const char *question)
{
    char answer[ANSWER_MAX] = "";
    gboolean done = FALSE;

    /* Not the console's: a question is heard in quiet too, and when output goes to a file. */
    fflush(self->out);
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, notice_answer, &done);
    while (!done) /* connections are kept alive while somebody thinks */
        g_main_context_iteration(NULL, TRUE);
    ssize_t length = read(STDIN_FILENO, answer, sizeof answer - 1);
    if (length <= 0)
        return FALSE;
    answer[length] = '\0';
    g_strstrip(answer);
    return g_ascii_strcasecmp(answer, "y") == 0 || g_ascii_strcasecmp(answer, "yes") == 0;
}

VrConsole *
vr_console_new(const VrConsoleManner *manner)
{
    VrConsole *self = g_new0(VrConsole, 1);
    const char *no_colour = g_getenv("NO_COLOR");
    const char *terminal = g_getenv("TERM");
    gboolean is_dumb = terminal == NULL || strcmp(terminal, "dumb") == 0;

    self->manner = *manner;
    self->out = manner->on_stderr ? stderr : stdout;
    self->is_terminal = isatty(fileno(self->out)) != 0 && !is_dumb;
    self->has_colour = self->is_terminal && (no_colour == NULL || *no_colour == '\0');
    self->thread = g_thread_self();
    self->live = g_ptr_array_new_with_free_func(g_free);
    log_console = self;
    g_log_set_writer_func(write_log, NULL, NULL);
    return self;
}

void
vr_console_free(VrConsole *self)
{
    if (self == NULL)
        return;
    log_console = NULL;
    fflush(self->out);
    g_ptr_array_unref(self->live);
    g_free(self);
}
