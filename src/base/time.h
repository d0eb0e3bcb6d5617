/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time as a value; nothing here reads a clock. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Microseconds since 1970-01-01 UTC, or a span of them. */
typedef gint64 VrTimeUs;

#define VR_MS_US 1000LL
#define VR_S_US 1000000LL

#define VR_TIME_MAX_US 253402300799999999LL /* the end of the year 9999: what can be parsed */

/* "2026-11-22T03:00:00Z", with fraction only if there is one. (transfer full) */
char *vr_time_format_utc(VrTimeUs time_us);
/* The same back. FALSE: not such a time. */
gboolean vr_time_parse_utc(const char *text, VrTimeUs *out_time_us);
/* A span for people: "61 ms", "1.4 s", "2 min 05 s", "3 h 20 min", "2 d 4 h". (transfer full) */
char *vr_time_format_span(VrTimeUs span_us);

G_END_DECLS
