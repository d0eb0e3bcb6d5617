/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock of a state directory, DIR/lock: one controller at a time. The kernel drops it with its
 * holder, however that one dies; the text in the file only tells people who it is.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Makes the directory (0700) if needed and takes its lock. The descriptor that holds it, to be
 * closed by the caller; -1 and VR_ERROR_CONFLICT (who has it, since when) or VR_ERROR_IO.
 */
int vr_sqlite_lock_take(const char *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Makes new names in a directory durable. */
gboolean vr_sqlite_lock_sync_directory(const char *directory,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
