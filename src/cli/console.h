/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a command speaks: finished lines that go up and, on a terminal, a live part below them that
 * is drawn again in place. Elsewhere plain lines. One per process; of the main thread only.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct VrConsole VrConsole;

typedef struct {
    gboolean is_quiet; /* results, progress and notes are dropped; errors and data are not */
    gboolean is_debug;
    gboolean on_stderr; /* standard output is kept for data */
} VrConsoleManner;

/* Also becomes the place of what is logged. */
VrConsole *vr_console_new(const VrConsoleManner *manner);

/* Columns to fill; of a terminal as wide as it is now. */
guint vr_console_width(const VrConsole *self);
/* Columns that must not be exceeded: none but on a terminal. */
guint vr_console_width_max(const VrConsole *self);
gboolean vr_console_is_live(const VrConsole *self);

/* Text of whole lines, as it is; the caller has cleaned it. */
void vr_console_print(VrConsole *self, const char *text);
/* One line that something happened, with its time. */
void vr_console_event(VrConsole *self, gint64 at_us, const char *text, gboolean is_bad);
/* The live part from now on (element-type utf8); no effect where there is none. */
void vr_console_draw(VrConsole *self, const GPtrArray *lines);

/* "virt-roll: …" on standard error: an error, or a note, which quiet drops. printf-like. */
void vr_console_error(VrConsole *self, const char *text);
void vr_console_note(VrConsole *self, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Data on standard output, whatever the manner. VR_ERROR_IO */
gboolean vr_console_write(VrConsole *self, const char *data,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A command's result: data, or text for people. Its exit status, 0 unless it cannot be written. */
int vr_console_give(VrConsole *self, const char *text, gboolean is_data, GError **error);

/* Is there somebody to ask? */
gboolean vr_console_can_ask(void);
/* Asks and waits, iterating the default main context meanwhile. */
gboolean vr_console_ask(VrConsole *self, const char *question);

void vr_console_free(VrConsole *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrConsole, vr_console_free)

G_END_DECLS
