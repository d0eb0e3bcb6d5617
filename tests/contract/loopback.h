/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that serve on a loopback port, started and ended by a test, and a hostile server. */
#pragma once

#include <glib.h>

typedef struct {
    char *directory; /* its own, removed with it */
    guint port;
    GPid pid; /* 0: it does not run */
} Daemon;

/* A port that was free a moment ago. */
guint loopback_free_port(void);

/* Is the program installed? If not, says so. */
gboolean loopback_has_program(const char *path);

/* A directory with a file of that text, and a free port. */
Daemon daemon_prepare(const char *file_name, const char *text);
/* Returns when it takes connections; fails the test if it does not for 20 s. argv[0] is a path. */
void daemon_start(Daemon *self, char *const *argv);
void daemon_stop(Daemon *self);
void daemon_clear(Daemon *self);

/* Takes one connection after the other, reads what comes, and sends this, in its manner. */
typedef struct Hostile Hostile;

typedef enum {
    HOSTILE_SENDS,  /* the text, then it closes */
    HOSTILE_SILENT, /* nothing, until the other side goes */
    HOSTILE_DRIPS,  /* the text, then for ever a byte every 100 ms */
    HOSTILE_FLOODS, /* the text, then for ever as much as is taken */
} HostileManner;

Hostile *hostile_new(HostileManner manner, const char *text);
guint hostile_port(const Hostile *self);
/* What the last client sent first. (transfer full) */
char *hostile_received(Hostile *self);
void hostile_free(Hostile *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hostile, hostile_free)
