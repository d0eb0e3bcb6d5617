/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text for terminals: columns counted as they are seen, not in bytes. Nothing that a VM, a stage or
 * a daemon is called or says reaches the terminal with control characters in it.
 */
#pragma once

#include "base/text.h"

G_BEGIN_DECLS

/* Columns that the text takes. */
guint vr_text_width(const char *text);

/* Appends the text cut ("…") or filled up to exactly `width` columns. */
void vr_text_append_cell(GString *out, const char *text, guint width);

/* Cut to at most `width` columns. (transfer full) */
char *vr_text_fit(const char *text, guint width);

/* Appends the text broken at spaces to lines of at most `width`, each begun by `indent`. */
void vr_text_append_wrapped(GString *out, const char *text, const char *indent, guint width);

/* Appends a bar of `cells` columns, `permille` of it full. */
void vr_text_append_bar(GString *out, gint64 permille, guint cells);

/* "1 host", "3 hosts". (transfer full) */
char *vr_text_count(gint64 count, const char *noun);

/* "12:04:07" and "2026-11-22 12:04:07", local time. (transfer full) */
char *vr_text_clock(gint64 at_us);
char *vr_text_date_clock(gint64 at_us);

/* A span in whole seconds from one second on: what a running display shows. (transfer full) */
char *vr_text_rough_span(gint64 span_us);

/* "76 MiB", "12.5 GiB". (transfer full) */
char *vr_text_mib(gint64 mib);

G_END_DECLS
