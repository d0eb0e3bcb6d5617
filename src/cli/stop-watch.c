/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/stop-watch.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#define KEYS_AT_ONCE 64

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};

struct VrStopWatch {
    void (*wanted)(gpointer data);
    gpointer data;
    guint sources[G_N_ELEMENTS(stop_signals)];
    int terminal; /* -1: none, or not ours to change */
    guint keys;   /* source; 0 */
    struct termios before;
};

static gboolean
signalled(gpointer data)
{
    VrStopWatch *self = data;

    self->wanted(self->data);
    return G_SOURCE_CONTINUE;
}

static gboolean
key_pressed(gint fd, GIOCondition condition, gpointer data)
{
    VrStopWatch *self = data;
    char keys[KEYS_AT_ONCE];
    ssize_t length = (condition & G_IO_IN) != 0 ? read(fd, keys, sizeof keys) : 0;

    if (length <= 0) { /* hung up */
        self->keys = 0;
        return G_SOURCE_REMOVE;
    }
    for (ssize_t i = 0; i < length; i++) {
        if (keys[i] == (char)self->before.c_cc[VINTR])
            self->wanted(self->data);
    }
    return G_SOURCE_CONTINUE;
}

/* From the background the terminal must not be touched: it would stop us. */
static void
take_terminal(VrStopWatch *self)
{
    struct termios keys;

    self->terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (self->terminal < 0)
        return;
    gboolean is_ours =
        tcgetpgrp(self->terminal) == getpgrp() && tcgetattr(self->terminal, &self->before) == 0;
    keys = self->before;
    keys.c_lflag &= ~(tcflag_t)(ISIG | ICANON | ECHO);
    if (!is_ours || tcsetattr(self->terminal, TCSANOW, &keys) != 0) {
        close(self->terminal);
        self->terminal = -1;
        return;
    }
    self->keys = g_unix_fd_add(self->terminal, G_IO_IN | G_IO_HUP | G_IO_ERR, key_pressed, self);
}

VrStopWatch *
vr_stop_watch_new(void (*wanted)(gpointer data), gpointer data)
{
    VrStopWatch *self = g_new0(VrStopWatch, 1);

    self->wanted = wanted;
    self->data = data;
    for (guint i = 0; i < G_N_ELEMENTS(stop_signals); i++)
        self->sources[i] = g_unix_signal_add(stop_signals[i], signalled, self);
    take_terminal(self);
    return self;
}

void
vr_stop_watch_free(VrStopWatch *self)
{
    if (self == NULL)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(stop_signals); i++)
        g_source_remove(self->sources[i]);
    if (self->keys != 0)
        g_source_remove(self->keys);
    if (self->terminal >= 0) {
        /* Another shell job may have the terminal by now: then asking would stop us. */
        if (tcgetpgrp(self->terminal) == getpgrp())
            (void)tcsetattr(self->terminal, TCSANOW, &self->before);
        close(self->terminal);
    }
    g_free(self);
}
