/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/database.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <virt-roll/error.h>

#define APPLICATION_ID 1448233548 /* "VRJL" */
#define APPLICATION_ID_TEXT G_STRINGIFY(APPLICATION_ID)
#define FORMAT 1
#define FORMAT_TEXT G_STRINGIFY(FORMAT)
#define BUSY_TIMEOUT_MS 5000

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

void
vr_sqlite_database_set_error(sqlite3 *database, const char *shown, const char *what, GError **error)
{
    int code = sqlite3_errcode(database);
    VrErrorCode kind = VR_ERROR_IO;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR)
        kind = VR_ERROR_CORRUPT;
    if (code == SQLITE_BUSY)
        kind = VR_ERROR_CONFLICT;
    g_set_error(error, VR_ERROR, kind, "%s: cannot %s: %s", shown, what, sqlite3_errmsg(database));
}

sqlite3 *
vr_sqlite_database_connect(const char *path, const char *shown, int flags, GError **error)
{
    g_autoptr(sqlite3) database = NULL;
    if (sqlite3_open_v2(path, &database, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        vr_sqlite_database_set_error(database, shown, "open it", error);
        return NULL;
    }
    sqlite3_busy_timeout(database, BUSY_TIMEOUT_MS);
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return g_steal_pointer(&database);
}

static gboolean
read_number(sqlite3 *database, const char *shown, const char *query, gint64 *out_number,
            GError **error)
{
    g_autoptr(sqlite3_stmt) statement = NULL;
    if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        vr_sqlite_database_set_error(database, shown, "read it", error);
        return FALSE;
    }
    *out_number = sqlite3_column_int64(statement, 0);
    return TRUE;
}

gboolean
vr_sqlite_database_check_format(sqlite3 *database, const char *shown, GError **error)
{
    gint64 application = 0, format = 0;
    if (!read_number(database, shown, "PRAGMA application_id", &application, error) ||
        !read_number(database, shown, "PRAGMA user_version", &format, error))
        return FALSE;
    if (application != APPLICATION_ID || format < 1) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT, "%s: not a journal of virt-roll", shown);
        return FALSE;
    }
    if (format > FORMAT) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                    "%s: has format %" G_GINT64_FORMAT ", this virt-roll knows up to " FORMAT_TEXT
                    ": use the version that wrote it",
                    shown, format);
        return FALSE;
    }
    return TRUE;
}

void
vr_sqlite_database_remove(const char *path)
{
    static const char *const files[] = {"", "-journal", "-wal", "-shm"};
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *file = g_strconcat(path, files[i], NULL);
        (void)g_unlink(file); /* usually there is none */
    }
}

gboolean
vr_sqlite_database_make_file(const char *path, GError **error)
{
    vr_sqlite_database_remove(path);
    /* Made here because SQLite would let everybody read it. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot make it: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    (void)close(fd);
    return TRUE;
}

gboolean
vr_sqlite_database_create(const char *path, GError **error)
{
    if (!vr_sqlite_database_make_file(path, error))
        return FALSE;
    g_autoptr(sqlite3) database =
        vr_sqlite_database_connect(path, path, SQLITE_OPEN_READWRITE, error);
    if (database == NULL)
        return FALSE;
    if (sqlite3_exec(database, create_script, NULL, NULL, NULL) != SQLITE_OK) {
        vr_sqlite_database_set_error(database, path, "make the journal", error);
        return FALSE;
    }
    return TRUE;
}
