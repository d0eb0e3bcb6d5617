/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An SQLite file that is a journal of ours: connecting, its format, a new empty one. `shown` is the
 * name that errors give to the file.
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

G_BEGIN_DECLS

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3, sqlite3_close_v2)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3_stmt, sqlite3_finalize)

/* "SHOWN: cannot WHAT: …" as the connection's last error says. */
void vr_sqlite_database_set_error(sqlite3 *database, const char *shown, const char *what,
                                  GError **error);

/* `flags` as of sqlite3_open_v2. */
sqlite3 *vr_sqlite_database_connect(const char *path, const char *shown, int flags,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* VR_ERROR_CORRUPT: not a journal, or of a newer format. */
gboolean vr_sqlite_database_check_format(sqlite3 *database, const char *shown,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An empty file that only we may read, in place of what an interrupted attempt has left there. */
gboolean vr_sqlite_database_make_file(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A journal without records, in place of what an interrupted attempt has left there. */
gboolean vr_sqlite_database_create(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Removes the file and what SQLite keeps beside it. */
void vr_sqlite_database_remove(const char *path);

G_END_DECLS
