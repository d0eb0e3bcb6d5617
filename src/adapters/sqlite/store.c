/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "adapters/sqlite/chain.h"
#include "adapters/sqlite/database.h"
#include "adapters/sqlite/head.h"
#include "adapters/sqlite/lock.h"
#include "base/time.h"

#define CHECKPOINT_PAGES 1000
#define PAGE_SIZE_MIN 512

struct VrSqliteStore {
    char *path;      /* as errors name it */
    char *directory; /* (nullable) with the head to be held against; NULL: a file by itself */
    sqlite3 *database;
    sqlite3_stmt *insert;
    VrSqliteChain stored;
    VrSqliteChain added; /* `stored` and what the open transaction has added */
    char *trouble;       /* (nullable) why nothing is written any more */
    int log_pages;
    int log_pages_limit;
    int head_fd; /* -1: open for reading only */
};

/* -------------------------------------------------------------------------- errors */

static void
set_error(GError **error, const VrSqliteStore *self, const char *what)
{
    vr_sqlite_database_set_error(self->database, self->path, what, error);
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
        set_error(error, self, "prepare it for writing");
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
        set_error(error, self, "read its last record");
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

static gboolean
ignore_record(const VrRecord *record, gpointer data)
{
    (void)record;
    (void)data;
    return TRUE;
}

static VrSqliteStore *
store_new(const char *shown, const char *directory)
{
    VrSqliteStore *self = g_new0(VrSqliteStore, 1);
    self->path = g_strdup(shown);
    self->directory = g_strdup(directory);
    self->log_pages_limit = CHECKPOINT_PAGES;
    self->head_fd = -1;
    return self;
}

/* A journal that is missing has never been, or what it leaves behind would be there too. */
static gboolean
check_never_there(const char *directory, const char *path, GError **error)
{
    g_autofree char *head = g_build_filename(directory, "journal.head", NULL);
    g_autofree char *log = g_strconcat(path, "-wal", NULL);
    const char *left = g_file_test(head, G_FILE_TEST_EXISTS) ? head : NULL;
    GStatBuf status;
    /* SQLite would replay it into a new file. An empty one is left by readers. */
    if (g_stat(log, &status) == 0 && status.st_size > 0)
        left = log;
    if (left == NULL)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                "%s: is missing while %s is there, so it had records: virt-roll journal restore "
                "takes a backup of it",
                path, left);
    return FALSE;
}

static gboolean
open_for_reading(VrSqliteStore *self, const char *path, GError **error)
{
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        if (self->directory == NULL || check_never_there(self->directory, path, error))
            g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "%s: there is no journal", self->path);
        return FALSE;
    }
    /* SQLite takes it for empty and deletes the log beside it. */
    GStatBuf status;
    if (g_stat(path, &status) == 0 && status.st_size < PAGE_SIZE_MIN) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                    "%s: not a journal of virt-roll, or cut off after %" G_GINT64_FORMAT " bytes",
                    self->path, (gint64)status.st_size);
        return FALSE;
    }
    self->database = vr_sqlite_database_connect(path, self->path, SQLITE_OPEN_READONLY, error);
    return self->database != NULL &&
           vr_sqlite_database_check_format(self->database, self->path, error);
}

/*
 * All of it has been read before: nothing is written to a journal that is not ours, newer or
 * broken, not even its own log into its file when it is closed.
 */
static gboolean
open_for_writing(VrSqliteStore *self, GError **error)
{
    sqlite3_close_v2(g_steal_pointer(&self->database));
    self->database =
        vr_sqlite_database_connect(self->path, self->path, SQLITE_OPEN_READWRITE, error);
    if (self->database == NULL)
        return FALSE;
    sqlite3_db_config(self->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!prepare_writing(self, error) || !read_head(self, error))
        return FALSE;
    sqlite3_wal_hook(self->database, count_log_pages, self);
    self->head_fd = vr_sqlite_head_open(self->directory, error);
    if (self->head_fd < 0)
        return FALSE;
    if (self->stored.sequence > 0)
        vr_sqlite_head_write(self->head_fd, &self->stored);
    return TRUE;
}

VrSqliteStore *
vr_sqlite_store_open(const char *directory, gboolean writable, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "journal.db", NULL);
    g_autoptr(VrSqliteStore) self = store_new(path, directory);
    if (!open_for_reading(self, path, error))
        return NULL;
    if (writable && (!vr_sqlite_store_read(self, 1, ignore_record, NULL, error) ||
                     !open_for_writing(self, error)))
        return NULL;
    return g_steal_pointer(&self);
}

VrSqliteStore *
vr_sqlite_store_open_file(const char *path, const char *shown, GError **error)
{
    g_autoptr(VrSqliteStore) self = store_new(shown, NULL);
    return open_for_reading(self, path, error) ? g_steal_pointer(&self) : NULL;
}

/* -------------------------------------------------------------------------- create */

gboolean
vr_sqlite_store_ensure(const char *directory, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "journal.db", NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return TRUE;
    if (!check_never_there(directory, path, error))
        return FALSE;
    /* By rename, so that an empty or partial journal.db is always damage and never a new start. */
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    if (!vr_sqlite_database_create(fresh, error))
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
    set_error(error, self, what);
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
    /* Whoever writes has taken in what is there; from now on the log may go into the file. */
    sqlite3_db_config(self->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
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
        vr_sqlite_head_write(self->head_fd, &self->stored);
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

/* `what` says which record it is. */
static gboolean
set_broken(const VrSqliteStore *self, const char *what, const char *why, GError **error)
{
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT, "%s: %s is not what was written: %s", self->path,
                what, why);
    return FALSE;
}

static gboolean
set_missing(const VrSqliteStore *self, guint64 sequence, const char *why, GError **error)
{
    g_autofree char *what = g_strdup_printf("record %" G_GUINT64_FORMAT, sequence);
    return set_broken(self, what, why, error);
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

/* "record 7 (step-phase, 2026-11-22T12:00:05Z)", as far as a broken row can be believed. */
static char *
describe_row(guint64 sequence, const VrRecord *record)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    g_autofree char *time = vr_time_format_utc(record->at_us);
    if (record->kind == NULL || record->kind[strspn(record->kind, letters)] != '\0')
        return g_strdup_printf("record %" G_GUINT64_FORMAT, sequence);
    return g_strdup_printf("record %" G_GUINT64_FORMAT " (%s, %s)", sequence, record->kind, time);
}

/* `last` is the record before; without a hash if that one was not read. */
static gboolean
check_row(VrSqliteStore *self, sqlite3_stmt *row, VrSqliteChain *last, VrRecord *out_record,
          GError **error)
{
    guint64 expected = last->sequence + 1;
    const char *previous = NULL, *hash = NULL, *why = NULL;
    char computed[VR_SQLITE_HASH_SIZE] = "";
    if ((guint64)sqlite3_column_int64(row, 0) != expected)
        return set_missing(self, expected, "it is missing", error);
    if (!read_row(row, out_record, &previous, &hash)) {
        why = "one of its fields is broken";
    } else {
        vr_sqlite_chain_hash(out_record, previous, computed);
        if (!g_str_equal(computed, hash))
            why = "its hash differs";
        else if (last->hash[0] != '\0' && !g_str_equal(previous, last->hash))
            why = "it does not follow the record before it";
    }
    if (why != NULL) {
        g_autofree char *what = describe_row(expected, out_record);
        return set_broken(self, what, why, error);
    }
    last->sequence = expected;
    memcpy(last->hash, computed, sizeof computed);
    return TRUE;
}

/* `known` is what the head file told before; zeroed if nothing. */
static gboolean
check_known(const VrSqliteStore *self, const VrSqliteChain *known, const VrSqliteChain *last,
            GError **error)
{
    if (known->sequence != last->sequence || last->sequence == 0 ||
        g_str_equal(known->hash, last->hash))
        return TRUE;
    return set_missing(self, last->sequence, "journal.head has another hash of it", error);
}

/* At the end: was there more once? */
static gboolean
check_end(const VrSqliteStore *self, const VrSqliteChain *known, const VrSqliteChain *last,
          GError **error)
{
    if (known->sequence <= last->sequence)
        return TRUE;
    g_autofree char *why = g_strdup_printf(
        "it and what follows is gone; journal.head knows of %" G_GUINT64_FORMAT, known->sequence);
    return set_missing(self, last->sequence + 1, why, error);
}

/* At the first row, or none, after the record `last`. SQLITE_ROW, SQLITE_DONE or an error. */
static int
select_rows(VrSqliteStore *self, const VrSqliteChain *last, sqlite3_stmt **out_rows)
{
    int code = sqlite3_prepare_v2(self->database,
                                  "SELECT sequence, rollout, at_us, kind, version, body,"
                                  " previous_hash, hash FROM records WHERE sequence > ?1"
                                  " ORDER BY sequence",
                                  -1, out_rows, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(*out_rows, 1, last->sequence == 0 ? G_MININT64 : (gint64)last->sequence);
    return sqlite3_step(*out_rows);
}

gboolean
vr_sqlite_store_read(VrSqliteStore *self, guint64 from_sequence, VrRecordSeen seen, gpointer data,
                     GError **error)
{
    g_autoptr(sqlite3_stmt) rows = NULL;
    VrSqliteChain last, known = {0};
    vr_sqlite_chain_init(&last);
    /* Reading begins one record early, for the hash that the first one must follow. */
    if (from_sequence > 2)
        last = (VrSqliteChain){.sequence = MIN(from_sequence, G_MAXINT64) - 2};
    /* Before the rows, so that it cannot be newer than they are. */
    if (self->directory != NULL)
        (void)vr_sqlite_head_read(self->directory, &known);

    int code = select_rows(self, &last, &rows);
    for (; code == SQLITE_ROW; code = sqlite3_step(rows)) {
        VrRecord record;
        if (!check_row(self, rows, &last, &record, error) ||
            !check_known(self, &known, &last, error))
            return FALSE;
        if (record.sequence >= from_sequence && !seen(&record, data))
            return TRUE;
    }
    if (code == SQLITE_DONE)
        return check_end(self, &known, &last, error);
    g_autofree char *what = g_strdup_printf("read record %" G_GUINT64_FORMAT, last.sequence + 1);
    set_error(error, self, what);
    return FALSE;
}

gboolean
vr_sqlite_store_read_hash(VrSqliteStore *self, guint64 sequence, char *out_hash, GError **error)
{
    g_autoptr(sqlite3_stmt) rows = NULL;
    const VrSqliteChain before = {.sequence = sequence - 1};
    VrSqliteChain last = before;
    VrRecord record;
    int code = select_rows(self, &before, &rows);
    if (code == SQLITE_DONE)
        return set_missing(self, sequence, "it is missing", error);
    if (code != SQLITE_ROW) {
        set_error(error, self, "read a hash");
        return FALSE;
    }
    if (!check_row(self, rows, &last, &record, error))
        return FALSE;
    memcpy(out_hash, last.hash, sizeof last.hash);
    return TRUE;
}

void
vr_sqlite_store_free(VrSqliteStore *self)
{
    if (self == NULL)
        return;
    sqlite3_finalize(self->insert);
    sqlite3_close_v2(self->database);
    if (self->head_fd >= 0)
        (void)close(self->head_fd);
    g_free(self->directory);
    g_free(self->path);
    g_free(self->trouble);
    g_free(self);
}
