/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Amounts and times as people type them. Errors are VR_ERROR_INVALID and show an example. */
#pragma once

#include "base/time.h"

G_BEGIN_DECLS

/* "2", "2.5" or "2.5%": 0 to 100 with at most one decimal place. */
gboolean vr_amounts_parse_percent(const char *option, const char *text, gint64 *out_permille,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * When something is to be done: "4h", "1h30m" or "45m" from now; "06:00", the next one in the zone;
 * or ISO 8601, in the zone if it names none. At least a second from now.
 */
gboolean vr_amounts_parse_deadline(const char *option, const char *text, VrTimeUs now_us,
                                   GTimeZone *zone, VrTimeUs *out_us,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
