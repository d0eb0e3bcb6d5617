/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "adapters/sqlite/chain.h"
#include "adapters/sqlite/database.h"
#include "adapters/sqlite/head.h"
#include "adapters/sqlite/journal.h"
#include "adapters/sqlite/lock.h"
#include "adapters/sqlite/store.h"

struct VrSqliteRestore {
    char *directory;
    char *file;
    char *copy; /* in the directory */
    int lock_fd;
    VrSqliteJournal *journal; /* over the copy */
};

static gboolean
set_io_error(GError **error, const char *path, const char *what)
{
    g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot %s: %s", path, what, g_strerror(errno));
    return FALSE;
}

/* -------------------------------------------------------------------------- copy */

static gboolean
copy_pages(const char *path, const char *shown, const char *copy, GError **error)
{
    g_autoptr(sqlite3) source =
        vr_sqlite_database_connect(path, shown, SQLITE_OPEN_READONLY, error);
    if (source == NULL || !vr_sqlite_database_check_format(source, shown, error))
        return FALSE;
    g_autoptr(sqlite3) target =
        vr_sqlite_database_connect(copy, copy, SQLITE_OPEN_READWRITE, error);
    if (target == NULL)
        return FALSE;
    sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
    /* All at once: what is committed meanwhile does not disturb it. */
    if (backup != NULL)
        (void)sqlite3_backup_step(backup, -1);
    if (backup == NULL || sqlite3_backup_finish(backup) != SQLITE_OK) {
        vr_sqlite_database_set_error(target, shown, "copy it", error);
        return FALSE;
    }
    return TRUE;
}

/* So that the copy is one file and needs no log to be read. */
static gboolean
leave_log_mode(const char *copy, GError **error)
{
    g_autoptr(sqlite3) database =
        vr_sqlite_database_connect(copy, copy, SQLITE_OPEN_READWRITE, error);
    if (database == NULL)
        return FALSE;
    if (sqlite3_exec(database, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK)
        return TRUE;
    vr_sqlite_database_set_error(database, copy, "finish it", error);
    return FALSE;
}

static gboolean
sync_file(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gboolean synced = fd >= 0 && fsync(fd) == 0;
    if (!synced)
        set_io_error(error, path, "make it durable");
    if (fd >= 0)
        (void)close(fd);
    return synced;
}

static gboolean
copy_journal(const char *path, const char *shown, const char *copy, GError **error)
{
    return vr_sqlite_database_make_file(copy, error) && copy_pages(path, shown, copy, error) &&
           leave_log_mode(copy, error) && sync_file(copy, error);
}

static gboolean
count_record(const VrRecord *record, gpointer last_sequence)
{
    *(guint64 *)last_sequence = record->sequence;
    return TRUE;
}

/* Reads all of it; its last record. */
static gboolean
check_chain(VrSqliteStore *store, VrSqliteChain *out_head, GError **error)
{
    vr_sqlite_chain_init(out_head);
    return vr_sqlite_store_read(store, 1, count_record, &out_head->sequence, error) &&
           (out_head->sequence == 0 ||
            vr_sqlite_store_read_hash(store, out_head->sequence, out_head->hash, error));
}

/* -------------------------------------------------------------------------- backup */

static gboolean
check_directory(const char *directory, GError **error)
{
    VrSqliteChain head;
    g_autoptr(VrSqliteStore) store = vr_sqlite_store_open(directory, FALSE, error);
    return store != NULL && check_chain(store, &head, error);
}

static gboolean
check_file(const char *path, GError **error)
{
    VrSqliteChain head;
    g_autoptr(VrSqliteStore) store = vr_sqlite_store_open_file(path, path, error);
    return store != NULL && check_chain(store, &head, error);
}

static gboolean
make_backup(const char *directory, const char *partial, const char *file, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "journal.db", NULL);
    g_autofree char *folder = g_path_get_dirname(file);
    if (!copy_journal(path, path, partial, error) || !check_file(partial, error))
        return FALSE;
    if (rename(partial, file) != 0)
        return set_io_error(error, file, "give the backup this name");
    return vr_sqlite_lock_sync_directory(folder, error);
}

gboolean
vr_sqlite_backup(const char *directory, const char *file, GError **error)
{
    g_autofree char *partial = g_strconcat(file, ".partial", NULL);
    if (!check_directory(directory, error))
        return FALSE;
    if (g_file_test(file, G_FILE_TEST_EXISTS) || g_file_test(file, G_FILE_TEST_IS_SYMLINK)) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "%s: is there already; a backup takes a new name", file);
        return FALSE;
    }
    gboolean is_made = make_backup(directory, partial, file, error);
    vr_sqlite_database_remove(partial); /* of a failure */
    return is_made;
}

/* -------------------------------------------------------------------------- restore */

static gboolean
copy_into_directory(VrSqliteRestore *self, GError **error)
{
    if (!copy_journal(self->file, self->file, self->copy, error))
        return FALSE;
    self->journal = vr_sqlite_journal_open_file(self->copy, self->file, error);
    return self->journal != NULL;
}

VrSqliteRestore *
vr_sqlite_restore_new(const char *directory, const char *file, GError **error)
{
    g_autoptr(VrSqliteRestore) self = g_new0(VrSqliteRestore, 1);
    self->directory = g_strdup(directory);
    self->file = g_strdup(file);
    self->copy = g_build_filename(directory, "journal.db.restored", NULL);
    self->lock_fd = -1;
    /* Before a directory is made for it. */
    g_autoptr(VrSqliteStore) store = vr_sqlite_store_open_file(file, file, error);
    if (store == NULL)
        return NULL;
    self->lock_fd = vr_sqlite_lock_take(directory, error);
    if (self->lock_fd < 0 || !copy_into_directory(self, error))
        return NULL;
    return g_steal_pointer(&self);
}

VrJournal
vr_sqlite_restore_port(VrSqliteRestore *self)
{
    return vr_sqlite_journal_port(self->journal);
}

/* A second name for the old files: they are there under one of both at any moment. */
static gboolean
keep_old_journal(const VrSqliteRestore *self, const char *aside, GError **error)
{
    static const char *const files[] = {"journal.db", "journal.db-wal", "journal.head"};
    if (mkdir(aside, 0700) != 0)
        return set_io_error(error, aside, "make the directory");
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *from = g_build_filename(self->directory, files[i], NULL);
        g_autofree char *to = g_build_filename(aside, files[i], NULL);
        if (link(from, to) != 0 && errno != ENOENT)
            return set_io_error(error, from, "be kept aside");
    }
    return vr_sqlite_lock_sync_directory(aside, error);
}

static gboolean
move_others(const VrSqliteRestore *self, const char *aside, const char *const *also, GError **error)
{
    for (guint i = 0; also[i] != NULL; i++) {
        g_autofree char *from = g_build_filename(self->directory, also[i], NULL);
        g_autofree char *to = g_build_filename(aside, also[i], NULL);
        if (rename(from, to) != 0 && errno != ENOENT)
            return set_io_error(error, from, "be moved aside");
    }
    return vr_sqlite_lock_sync_directory(aside, error) &&
           vr_sqlite_lock_sync_directory(self->directory, error);
}

static gboolean
unlink_old(const VrSqliteRestore *self, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(self->directory, name, NULL);
    if (g_unlink(path) != 0 && errno != ENOENT)
        return set_io_error(error, path, "remove it");
    return TRUE;
}

/*
 * The new head is there already, and a directory with a head and no file is refused: so the file
 * goes before anything that belongs to it. An old log must never meet the new file, either.
 */
static gboolean
remove_old_journal(const VrSqliteRestore *self, GError **error)
{
    return unlink_old(self, "journal.db", error) &&
           vr_sqlite_lock_sync_directory(self->directory, error) &&
           unlink_old(self, "journal.db-wal", error) && unlink_old(self, "journal.db-shm", error) &&
           vr_sqlite_lock_sync_directory(self->directory, error);
}

gboolean
vr_sqlite_restore_withdraw(VrSqliteRestore *self, const char *aside, const char *const *also,
                           GError **error)
{
    VrSqliteChain head;
    g_autoptr(VrSqliteStore) store = vr_sqlite_store_open_file(self->copy, self->file, error);
    return store != NULL && check_chain(store, &head, error) &&
           keep_old_journal(self, aside, error) &&
           vr_sqlite_head_replace(self->directory, &head, error) &&
           remove_old_journal(self, error) && move_others(self, aside, also, error);
}

gboolean
vr_sqlite_restore_finish(VrSqliteRestore *self, GError **error)
{
    g_autofree char *path = g_build_filename(self->directory, "journal.db", NULL);
    if (rename(self->copy, path) != 0)
        return set_io_error(error, path, "put the restored journal there");
    return vr_sqlite_lock_sync_directory(self->directory, error);
}

void
vr_sqlite_restore_free(VrSqliteRestore *self)
{
    if (self == NULL)
        return;
    vr_sqlite_journal_free(self->journal);
    if (self->lock_fd >= 0) {
        vr_sqlite_database_remove(self->copy); /* unless it has become the journal */
        (void)close(self->lock_fd);
    }
    g_free(self->directory);
    g_free(self->file);
    g_free(self->copy);
    g_free(self);
}
