/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Backup of a journal into one file, and its way back: docs/internals/journal.md. */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

/*
 * Copies DIR/journal.db, also beside a running controller, to a new file: checked as a whole, then
 * given its name. VR_ERROR_REFUSED: `file` is there already; VR_ERROR_NOT_FOUND, VR_ERROR_CORRUPT
 * (also: the journal itself is broken), VR_ERROR_IO.
 */
gboolean vr_sqlite_backup(const char *directory, const char *file,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct VrSqliteRestore VrSqliteRestore;

/*
 * Takes the lock of DIR, which is made if needed, and copies `file` beside the journal of DIR,
 * which stays as it is. VR_ERROR_CONFLICT: a controller has it; VR_ERROR_NOT_FOUND,
 * VR_ERROR_CORRUPT (not a journal, or of a newer format), VR_ERROR_IO.
 */
VrSqliteRestore *vr_sqlite_restore_new(const char *directory, const char *file,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The copy, to be looked at before it takes the journal's place. Errors name `file`. */
VrJournal vr_sqlite_restore_port(VrSqliteRestore *self);

/*
 * Checks the chain of the copy and takes the journal of DIR away. What was there is in the new
 * directory `aside` afterwards, with the entries of DIR that `also` names (NULL-terminated).
 * Wherever this is cut off, DIR has the old journal with all that is its own, or one that nobody
 * opens because records are missing; then restore again.
 */
gboolean vr_sqlite_restore_withdraw(VrSqliteRestore *self, const char *aside,
                                    const char *const *also,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* After that, and when all that must be there with it is there: puts the copy into its place. */
gboolean vr_sqlite_restore_finish(VrSqliteRestore *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Without a withdraw before, nothing has changed. */
void vr_sqlite_restore_free(VrSqliteRestore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrSqliteRestore, vr_sqlite_restore_free)

G_END_DECLS
