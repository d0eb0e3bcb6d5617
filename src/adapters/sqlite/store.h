/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file under the journal: one connection to DIR/journal.db, its format, the hash chain, and
 * what a failed write means. Not thread-safe: one store belongs to one thread.
 */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

typedef struct VrSqliteStore VrSqliteStore;

/* Makes DIR/journal.db if there is none: whole or not at all. Only under the directory's lock. */
gboolean vr_sqlite_store_ensure(const char *directory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * VR_ERROR_NOT_FOUND: no journal there; VR_ERROR_CORRUPT: not a journal, damaged, or of a newer
 * format (the file is left as it is); VR_ERROR_IO. For writing all of it is read first, and nothing
 * is changed before the first `begin`.
 */
VrSqliteStore *vr_sqlite_store_open(const char *directory, gboolean writable,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Any file that is a journal, for reading; errors name it as `shown`. */
VrSqliteStore *vr_sqlite_store_open_file(const char *path, const char *shown,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Of the stored records and of those added since `begin`. */
guint64 vr_sqlite_store_next_sequence(const VrSqliteStore *self);

/*
 * A transaction: begin, add …, commit. A failure of the first two has undone all of it; so has
 * VR_APPEND_REFUSED. After a failure that leaves the disk in doubt `begin` fails for ever.
 */
gboolean vr_sqlite_store_begin(VrSqliteStore *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean vr_sqlite_store_add(VrSqliteStore *self, const VrRecord *record,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
VrAppend vr_sqlite_store_commit(VrSqliteStore *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Moves the log into the file when it has grown; after answering those who wait for a commit. */
void vr_sqlite_store_tidy(VrSqliteStore *self);

/* The port's `read`; also holds a directory's journal against its head file. */
gboolean vr_sqlite_store_read(VrSqliteStore *self, guint64 from_sequence, VrRecordSeen seen,
                              gpointer data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Of one record, which is checked; `out_hash` has room for VR_SQLITE_HASH_SIZE. */
gboolean vr_sqlite_store_read_hash(VrSqliteStore *self, guint64 sequence, char *out_hash,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

void vr_sqlite_store_free(VrSqliteStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrSqliteStore, vr_sqlite_store_free)

G_END_DECLS
