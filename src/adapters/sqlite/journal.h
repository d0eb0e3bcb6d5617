/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal port over SQLite (WAL, synchronous=FULL), with a writer thread. Format of the file,
 * hash chain and versions: docs/internals/journal.md.
 */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

typedef struct VrSqliteJournal VrSqliteJournal;

/*
 * Opens or creates DIR/journal.db and takes the lock of DIR for as long as it is open. Errors:
 * VR_ERROR_CONFLICT (another controller holds it: which pid, since when), VR_ERROR_CORRUPT (not a
 * journal, or of a newer version), VR_ERROR_IO.
 */
VrSqliteJournal *vr_sqlite_journal_open(const char *directory,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Read-only and without the lock, for `status` beside a running controller. No append. */
VrSqliteJournal *vr_sqlite_journal_open_read_only(const char *directory,
                                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Any file that is a journal, a backup say, for reading. Errors name it as `shown`. */
VrSqliteJournal *vr_sqlite_journal_open_file(const char *path, const char *shown,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The stored hash of a record, 1 or later, which is checked against its content. (transfer full)
 * VR_ERROR_CORRUPT: there is no such record, or it is not what was written.
 */
char *vr_sqlite_journal_hash(const VrSqliteJournal *self, guint64 sequence,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

VrJournal vr_sqlite_journal_port(VrSqliteJournal *self);

/* Waits for appends in flight. */
void vr_sqlite_journal_free(VrSqliteJournal *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrSqliteJournal, vr_sqlite_journal_free)

G_END_DECLS
