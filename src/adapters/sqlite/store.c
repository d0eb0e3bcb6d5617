/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <sqlite3.h>

#include "adapters/sqlite/chain.h"
#include "adapters/sqlite/lock.h"

#define APPLICATION_ID 1448233548 /* "VRJL" */
#define APPLICATION_ID_TEXT G_STRINGIFY(APPLICATION_ID)
#define FORMAT 1
#define FORMAT_TEXT G_STRINGIFY(FORMAT)
#define BUSY_TIMEOUT_MS 5000
#define CHECKPOINT_PAGES 1000

static const char create_script[] =
    "PRAGMA synchronous = FULL;"
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id = " APPLICATION_ID_TEXT ";"
    "PRAGMA user_version = " FORMAT_TEXT ";"
    "CREATE TABLE records ("
    " sequence INTEGER PRIMARY KEY, rollout TEXT NOT NULL, at_us INTEGER NOT NULL,"
    " kind TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL,"
    " previous_hash TEXT NOT NULL, hash TEXT NOT NULL) STRICT;"
    "COMMIT;"
    "PRAGMA journal_mode = WAL;";

struct VrSqliteStore {
    char *path;
    sqlite3 *database;
    sqlite3_stmt *insert;
    VrSqliteChain stored;
    VrSqliteChain added; /* `stored` and what the open transaction has added */
    char *trouble;       /* (nullable) why nothing is written any more */
    int log_pages;
    int log_pages_limit;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3, sqlite3_close_v2)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3_stmt, sqlite3_finalize)

/* -------------------------------------------------------------------------- errors */

static void
set_error(GError **error, const char *path, sqlite3 *database, const char *what)
{
    int code = sqlite3_errcode(database);
    VrErrorCode kind = VR_ERROR_IO;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR)
        kind = VR_ERROR_CORRUPT;
    if (code == SQLITE_BUSY)
        kind = VR_ERROR_CONFLICT;
    g_set_error(error, VR_ERROR, kind, "%s: cannot %s: %s", path, what, sqlite3_errmsg(database));
}

/* Failures after which the same disk may well take the next write. */
static gboolean
is_passing(int code)
{
    return code == SQLITE_FULL || code == SQLITE_CONSTRAINT || code == SQLITE_BUSY;
}

/*
 * After a failed sync the kernel may have dropped what it could not write and answer the next sync
 * with success. So nothing is written again through this connection, not even at its close.
 */
static void
stop_writing(VrSqliteStore *self, const char *why)
{
    if (self->trouble != NULL)
        return;
    self->trouble = g_strdup(why);
    sqlite3_db_config(self->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* -------------------------------------------------------------------------- open */

static sqlite3 *
connect_file(const char *path, int flags, GError **error)
{
    g_autoptr(sqlite3) database = NULL;
    if (sqlite3_open_v2(path, &database, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        set_error(error, path, database, "open it");
        return NULL;
    }
    sqlite3_busy_timeout(database, BUSY_TIMEOUT_MS);
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return g_steal_pointer(&database);
}

static gboolean
read_number(sqlite3 *database, const char *path, const char *query, gint64 *out_number,
            GError **error)
{
    g_autoptr(sqlite3_stmt) statement = NULL;
    if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        set_error(error, path, database, "read it");
        return FALSE;
    }
    *out_number = sqlite3_column_int64(statement, 0);
    return TRUE;
}

static gboolean
check_format(sqlite3 *database, const char *path, GError **error)
{
    gint64 application = 0, format = 0;
    if (!read_number(database, path, "PRAGMA application_id", &application, error) ||
        !read_number(database, path, "PRAGMA user_version", &format, error))
        return FALSE;
    if (application != APPLICATION_ID || format < 1) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT, "%s: not a journal of virt-roll", path);
        return FALSE;
    }
    if (format > FORMAT) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                    "%s: has format %" G_GINT64_FORMAT ", this virt-roll knows up to " FORMAT_TEXT
                    ": use the version that wrote it",
                    path, format);
        return FALSE;
    }
    return TRUE;
}

/* Where it cannot, SQLite stays with the mode it had and calls that a success. */
static gboolean
use_log(sqlite3 *database)
{
    g_autoptr(sqlite3_stmt) statement = NULL;
    return sqlite3_prepare_v2(database, "PRAGMA journal_mode = WAL", -1, &statement, NULL) ==
               SQLITE_OK &&
           sqlite3_step(statement) == SQLITE_ROW &&
           g_strcmp0((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
}

static gboolean
prepare_writing(VrSqliteStore *self, GError **error)
{
    /* Given a file that it may not write, SQLite opens it read-only and says nothing. */
    if (sqlite3_db_readonly(self->database, "main") != 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: is not writable", self->path);
        return FALSE;
    }
    if (!use_log(self->database)) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO,
                    "%s: cannot have a write-ahead log: keep it on a local file system",
                    self->path);
        return FALSE;
    }
    /* SQLite ignores errors of its automatic checkpoints; see vr_sqlite_store_tidy. */
    if (sqlite3_exec(self->database, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v3(self->database,
                           "INSERT INTO records (sequence, rollout, at_us, kind, version, body,"
                           " previous_hash, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                           -1, SQLITE_PREPARE_PERSISTENT, &self->insert, NULL) != SQLITE_OK) {
        set_error(error, self->path, self->database, "prepare it for writing");
        return FALSE;
    }
    return TRUE;
}

static gboolean
read_head(VrSqliteStore *self, GError **error)
{
    g_autoptr(sqlite3_stmt) statement = NULL;
    vr_sqlite_chain_init(&self->stored);
    int code = sqlite3_prepare_v2(self->database,
                                  "SELECT sequence, hash FROM records"
                                  " ORDER BY sequence DESC LIMIT 1",
                                  -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        set_error(error, self->path, self->database, "read its last record");
        return FALSE;
    }
    if (code == SQLITE_ROW) {
        gint64 sequence = sqlite3_column_int64(statement, 0);
        const char *hash = (const char *)sqlite3_column_text(statement, 1);
        if (sequence < 1 || hash == NULL || strlen(hash) != VR_SQLITE_HASH_LENGTH) {
            g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                        "%s: record %" G_GINT64_FORMAT " (the last) has no proper hash", self->path,
                        sequence);
            return FALSE;
        }
        self->stored.sequence = (guint64)sequence;
        memcpy(self->stored.hash, hash, sizeof self->stored.hash);
    }
    self->added = self->stored;
    return TRUE;
}

static int
count_log_pages(void *data, sqlite3 *database, const char *name, int pages)
{
    (void)database;
    (void)name;
    ((VrSqliteStore *)data)->log_pages = pages;
    return SQLITE_OK;
}

VrSqliteStore *
vr_sqlite_store_open(const char *directory, gboolean writable, GError **error)
{
    g_autoptr(VrSqliteStore) self = g_new0(VrSqliteStore, 1);
    self->path = g_build_filename(directory, "journal.db", NULL);
    self->log_pages_limit = CHECKPOINT_PAGES;
    if (!g_file_test(self->path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "%s: there is no journal", self->path);
        return NULL;
    }
    /* Reading first: a file that is not ours or is newer must not be touched, not even its log. */
    self->database = connect_file(self->path, SQLITE_OPEN_READONLY, error);
    if (self->database == NULL || !check_format(self->database, self->path, error))
        return NULL;
    if (!writable)
        return g_steal_pointer(&self);

    sqlite3_close_v2(g_steal_pointer(&self->database));
    self->database = connect_file(self->path, SQLITE_OPEN_READWRITE, error);
    if (self->database == NULL || !prepare_writing(self, error) || !read_head(self, error))
        return NULL;
    sqlite3_wal_hook(self->database, count_log_pages, self);
    return g_steal_pointer(&self);
}

/* -------------------------------------------------------------------------- create */

static gboolean
fill_new_file(const char *path, GError **error)
{
    static const char *const leftovers[] = {"", "-journal", "-wal", "-shm"};
    for (guint i = 0; i < G_N_ELEMENTS(leftovers); i++) {
        g_autofree char *leftover = g_strconcat(path, leftovers[i], NULL);
        (void)g_unlink(leftover); /* a creation that was interrupted; usually there is none */
    }
    /* Made here because SQLite would let everybody read it. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot make it: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    (void)close(fd);
    g_autoptr(sqlite3) database = connect_file(path, SQLITE_OPEN_READWRITE, error);
    if (database == NULL)
        return FALSE;
    if (sqlite3_exec(database, create_script, NULL, NULL, NULL) != SQLITE_OK) {
        set_error(error, path, database, "make the journal");
        return FALSE;
    }
    return TRUE;
}

gboolean
vr_sqlite_store_ensure(const char *directory, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "journal.db", NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    /* SQLite would replay the old log into the new file. An empty one is left by readers. */
    g_autofree char *log = g_strconcat(path, "-wal", NULL);
    GStatBuf status;
    if (g_stat(log, &status) == 0 && status.st_size > 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                    "%s: is missing while its log %s is there: restore both from a backup", path,
                    log);
        return FALSE;
    }
    /* By rename, so that an empty or partial journal.db is always damage and never a new start. */
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    if (!fill_new_file(fresh, error))
        return FALSE;
    if (rename(fresh, path) != 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot rename %s to it: %s", path, fresh,
                    g_strerror(errno));
        return FALSE;
    }
    return vr_sqlite_lock_sync_directory(directory, error);
}

/* -------------------------------------------------------------------------- write */

guint64
vr_sqlite_store_next_sequence(const VrSqliteStore *self)
{
    return self->added.sequence + 1;
}

static void
roll_back(VrSqliteStore *self)
{
    self->added = self->stored;
    /* Some errors have ended the transaction already. */
    if (sqlite3_get_autocommit(self->database) == 0 &&
        sqlite3_exec(self->database, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        stop_writing(self, sqlite3_errmsg(self->database));
}

/* Before COMMIT nothing can be there, whatever failed. */
static gboolean
give_up(VrSqliteStore *self, const char *what, GError **error)
{
    set_error(error, self->path, self->database, what);
    if (!is_passing(sqlite3_errcode(self->database)))
        stop_writing(self, sqlite3_errmsg(self->database));
    roll_back(self);
    return FALSE;
}

gboolean
vr_sqlite_store_begin(VrSqliteStore *self, GError **error)
{
    if (self->trouble != NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO,
                    "%s: takes nothing more since a write failed (%s): check the disk, then start "
                    "again",
                    self->path, self->trouble);
        return FALSE;
    }
    if (sqlite3_exec(self->database, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return give_up(self, "begin to write", error);
    return TRUE;
}

gboolean
vr_sqlite_store_add(VrSqliteStore *self, const VrRecord *record, GError **error)
{
    g_assert(record->sequence == vr_sqlite_store_next_sequence(self));
    char hash[VR_SQLITE_HASH_SIZE];
    vr_sqlite_chain_hash(record, self->added.hash, hash);

    sqlite3_stmt *insert = self->insert;
    sqlite3_bind_int64(insert, 1, (gint64)record->sequence);
    sqlite3_bind_text(insert, 2, record->rollout, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 3, record->at_us);
    sqlite3_bind_text(insert, 4, record->kind, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 5, record->version);
    sqlite3_bind_text(insert, 6, record->body, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 7, self->added.hash, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 8, hash, -1, SQLITE_STATIC);
    int code = sqlite3_step(insert);
    if (code != SQLITE_DONE)
        (void)give_up(self, "write a record", error);
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    if (code != SQLITE_DONE)
        return FALSE;
    self->added.sequence = record->sequence;
    memcpy(self->added.hash, hash, sizeof hash);
    return TRUE;
}

VrAppend
vr_sqlite_store_commit(VrSqliteStore *self, GError **error)
{
    if (sqlite3_exec(self->database, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) {
        self->stored = self->added;
        return VR_APPEND_DURABLE;
    }
    /*
     * A full disk is met while writing the log, before its commit mark is whole. Any other error
     * may come after the mark, from the sync or later: then the next open may find it.
     */
    gboolean certain = is_passing(sqlite3_errcode(self->database));
    (void)give_up(self, "make a record durable", error);
    return certain ? VR_APPEND_REFUSED : VR_APPEND_UNKNOWN;
}

void
vr_sqlite_store_tidy(VrSqliteStore *self)
{
    if (self->trouble != NULL || self->log_pages < self->log_pages_limit)
        return;
    int code =
        sqlite3_wal_checkpoint_v2(self->database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (code != SQLITE_OK && !is_passing(sqlite3_errcode(self->database))) {
        g_warning("%s: cannot move its log into it: %s", self->path,
                  sqlite3_errmsg(self->database));
        stop_writing(self, sqlite3_errmsg(self->database));
    }
    /* A reader or a full disk holds the log back: not again for every record. */
    self->log_pages_limit =
        code == SQLITE_OK ? CHECKPOINT_PAGES : self->log_pages + CHECKPOINT_PAGES;
}

/* -------------------------------------------------------------------------- read */

static gboolean
set_broken(GError **error, const char *path, guint64 sequence, const char *why)
{
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                "%s: record %" G_GUINT64_FORMAT " is not what was written: %s", path, sequence,
                why);
    return FALSE;
}

/* (nullable) borrowed until the next step. NULL too for a text with a NUL inside. */
static const char *
text_column(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text != NULL && strlen(text) == (gsize)sqlite3_column_bytes(row, column) ? text : NULL;
}

/* FALSE: something in it is not what we store there. */
static gboolean
read_row(sqlite3_stmt *row, VrRecord *out_record, const char **out_previous, const char **out_hash)
{
    gint64 version = sqlite3_column_int64(row, 4);
    *out_record = (VrRecord){
        .sequence = (guint64)sqlite3_column_int64(row, 0),
        .rollout = text_column(row, 1),
        .at_us = sqlite3_column_int64(row, 2),
        .kind = text_column(row, 3),
        .version = (guint)version,
        .body = text_column(row, 5),
    };
    *out_previous = text_column(row, 6);
    *out_hash = text_column(row, 7);
    return out_record->rollout != NULL && out_record->kind != NULL && out_record->body != NULL &&
           version >= 0 && version <= G_MAXUINT && *out_previous != NULL &&
           strlen(*out_previous) == VR_SQLITE_HASH_LENGTH && *out_hash != NULL;
}

/* `head` is the record before; without a hash if that one was not read. */
static gboolean
check_row(VrSqliteStore *self, sqlite3_stmt *row, VrSqliteChain *head, VrRecord *out_record,
          GError **error)
{
    guint64 expected = head->sequence + 1;
    const char *previous = NULL, *hash = NULL;
    char computed[VR_SQLITE_HASH_SIZE];
    if ((guint64)sqlite3_column_int64(row, 0) != expected)
        return set_broken(error, self->path, expected, "it is missing");
    if (!read_row(row, out_record, &previous, &hash))
        return set_broken(error, self->path, expected, "one of its fields is broken");
    vr_sqlite_chain_hash(out_record, previous, computed);
    if (!g_str_equal(computed, hash))
        return set_broken(error, self->path, expected, "its hash differs");
    if (head->hash[0] != '\0' && !g_str_equal(previous, head->hash))
        return set_broken(error, self->path, expected, "it does not follow the record before it");
    head->sequence = expected;
    memcpy(head->hash, computed, sizeof computed);
    return TRUE;
}

gboolean
vr_sqlite_store_read(VrSqliteStore *self, guint64 from_sequence, VrRecordSeen seen, gpointer data,
                     GError **error)
{
    g_autoptr(sqlite3_stmt) rows = NULL;
    VrSqliteChain head;
    vr_sqlite_chain_init(&head);
    /* Reading begins one record early, for the hash that the first one must follow. */
    if (from_sequence > 2)
        head = (VrSqliteChain){.sequence = MIN(from_sequence, G_MAXINT64) - 2};

    int code = sqlite3_prepare_v2(self->database,
                                  "SELECT sequence, rollout, at_us, kind, version, body,"
                                  " previous_hash, hash FROM records WHERE sequence > ?1"
                                  " ORDER BY sequence",
                                  -1, &rows, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(rows, 1, head.sequence == 0 ? G_MININT64 : (gint64)head.sequence);
        code = sqlite3_step(rows);
    }
    for (; code == SQLITE_ROW; code = sqlite3_step(rows)) {
        VrRecord record;
        if (!check_row(self, rows, &head, &record, error))
            return FALSE;
        if (record.sequence >= from_sequence && !seen(&record, data))
            return TRUE;
    }
    if (code == SQLITE_DONE)
        return TRUE;
    g_autofree char *what = g_strdup_printf("read record %" G_GUINT64_FORMAT, head.sequence + 1);
    set_error(error, self->path, self->database, what);
    return FALSE;
}

void
vr_sqlite_store_free(VrSqliteStore *self)
{
    if (self == NULL)
        return;
    sqlite3_finalize(self->insert);
    sqlite3_close_v2(self->database);
    g_free(self->path);
    g_free(self->trouble);
    g_free(self);
}
