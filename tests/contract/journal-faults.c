/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call of the journal to its files fails, alone or with all that follow: the first, second,
 * fourth, until a whole run of appends has needed fewer. Whatever fails: what was called durable
 * is there afterwards, what was refused is not, nothing is durable after an error that leaves the
 * disk in doubt, and what is there stays readable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "adapters/sqlite/journal.h"
#include "journal-fixture.h"

#define APPENDS 12
/* Several pages each, so that the log is moved into the file in between. */
#define BODY_LENGTH 400000

/* -------------------------------------------------------------------------- a failing disk */

typedef enum { CALL_READ, CALL_WRITE, CALL_SYNC, CALL_TRUNCATE } Call;

typedef struct {
    sqlite3_io_methods methods; /* of this file; its first member is asked for by SQLite */
    const sqlite3_io_methods *real;
} FailingMethods;

/* What is to fail. Guarded by being set only while nobody uses a journal. */
static struct {
    Call call;
    int code;
    gboolean for_ever;
    gint countdown; /* atomic; at 0 it fails */
} fault;

static sqlite3_vfs *real_disk;
static FailingMethods failing[2]; /* the real disk has one set of methods per kind of file */
static guint failing_count;

/* SQLITE_OK: let it through. */
static int
fail_now(Call call)
{
    if (call != fault.call || fault.code == SQLITE_OK)
        return SQLITE_OK;
    gint left = g_atomic_int_add(&fault.countdown, -1);
    return left == 1 || (left < 1 && fault.for_ever) ? fault.code : SQLITE_OK;
}

static const sqlite3_io_methods *
real_methods(sqlite3_file *file)
{
    return ((const FailingMethods *)(const void *)file->pMethods)->real;
}

static int
failing_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 at)
{
    int code = fail_now(CALL_READ);
    return code != SQLITE_OK ? code : real_methods(file)->xRead(file, bytes, count, at);
}

static int
failing_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    int code = fail_now(CALL_WRITE);
    /* Half of it is there, as a disk may leave it. */
    if (code != SQLITE_OK)
        (void)real_methods(file)->xWrite(file, bytes, count / 2, at);
    return code != SQLITE_OK ? code : real_methods(file)->xWrite(file, bytes, count, at);
}

static int
failing_sync(sqlite3_file *file, int flags)
{
    int code = fail_now(CALL_SYNC);
    return code != SQLITE_OK ? code : real_methods(file)->xSync(file, flags);
}

static int
failing_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = fail_now(CALL_TRUNCATE);
    return code != SQLITE_OK ? code : real_methods(file)->xTruncate(file, size);
}

static int
failing_open(sqlite3_vfs *disk, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)disk;
    int code = real_disk->xOpen(real_disk, name, file, flags, out_flags);
    if (file->pMethods == NULL)
        return code;
    guint i = 0;
    while (i < failing_count && failing[i].real != file->pMethods)
        i++;
    g_assert_cmpuint(i, <, G_N_ELEMENTS(failing));
    if (i == failing_count) {
        failing[i] = (FailingMethods){*file->pMethods, file->pMethods};
        failing[i].methods.xRead = failing_read;
        failing[i].methods.xWrite = failing_write;
        failing[i].methods.xSync = failing_sync;
        failing[i].methods.xTruncate = failing_truncate;
        failing[i].methods.iVersion = MIN(failing[i].methods.iVersion, 2); /* no memory maps */
        failing_count++;
    }
    file->pMethods = &failing[i].methods;
    return code;
}

static int
install_failing_disk(void **state)
{
    static sqlite3_vfs disk;
    (void)state;
    real_disk = sqlite3_vfs_find(NULL);
    disk = *real_disk;
    disk.zName = "failing";
    disk.pNext = NULL;
    disk.xOpen = failing_open;
    return sqlite3_vfs_register(&disk, 1);
}

/* -------------------------------------------------------------------------- world */

typedef struct {
    char *folder;
    char *body;
} World;

static int
setup(void **state)
{
    World *world = g_new0(World, 1);
    world->body = g_strnfill(BODY_LENGTH, 'b');
    *state = world;
    return 0;
}

static int
teardown(void **state)
{
    World *world = *state;
    g_free(world->body);
    g_free(world);
    return 0;
}

static VrAppend
append(VrJournal port, guint64 sequence, const char *body)
{
    VrRecord record = {sequence, 1, "r", "k", 1, body};
    JournalAnswer answer;
    journal_answer_init(&answer);
    VrAppend outcome = journal_append(port, &answer, &record, 1);
    if (outcome != VR_APPEND_DURABLE)
        assert_non_null(answer.detail);
    journal_answer_clear(&answer);
    return outcome;
}

static guint
count_records(const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrSqliteJournal) journal = vr_sqlite_journal_open_read_only(folder, &error);
    if (journal == NULL)
        print_error("%s\n", error->message);
    assert_non_null(journal);
    g_autoptr(GPtrArray) lines = journal_read(vr_sqlite_journal_port(journal), 1);
    return lines->len;
}

typedef struct {
    guint durable;        /* records that are there for sure */
    gboolean in_doubt;    /* the one after may be there */
    gboolean has_stopped; /* nothing is taken any more */
} Run;

/* Appends as the engine does, one after the other; goes on after failures, which it never does. */
static Run
append_all(const World *world, VrSqliteJournal *journal)
{
    VrJournal port = vr_sqlite_journal_port(journal);
    Run run = {0};
    for (guint i = 0; i < APPENDS; i++) {
        VrAppend outcome = append(port, run.durable + 1, world->body);
        assert_false(run.in_doubt && outcome != VR_APPEND_REFUSED);
        switch (outcome) {
        case VR_APPEND_DURABLE:
            assert_false(run.has_stopped);
            run.durable++;
            break;
        case VR_APPEND_UNKNOWN:
            run.in_doubt = TRUE;
            break;
        case VR_APPEND_REFUSED:
            /* A disk that is full once may have room for the next. */
            run.has_stopped = fault.code != SQLITE_FULL;
            break;
        }
    }
    return run;
}

/* FALSE: the run has needed fewer calls, so none has failed. */
static gboolean
try_fault(World *world, gint number)
{
    int code = fault.code;
    fault.code = SQLITE_OK;
    world->folder = journal_make_folder();
    VrSqliteJournal *journal = vr_sqlite_journal_open(world->folder, NULL);
    assert_non_null(journal);
    fault.code = code;
    g_atomic_int_set(&fault.countdown, number);
    Run run = append_all(world, journal);
    gboolean has_failed = g_atomic_int_get(&fault.countdown) <= 0;

    /* Readable, while the writer still has it: reading is not what fails then. */
    fault.code = fault.call == CALL_READ ? SQLITE_OK : code;
    guint seen = count_records(world->folder);
    assert_true(seen == run.durable || (run.in_doubt && seen == run.durable + 1));
    fault.code = code;
    vr_sqlite_journal_free(journal);
    fault.code = SQLITE_OK;
    guint kept = count_records(world->folder);
    assert_true(kept == run.durable || (run.in_doubt && kept == run.durable + 1));

    /* A fresh open reads what is really there, and goes on. */
    g_autoptr(VrSqliteJournal) again = vr_sqlite_journal_open(world->folder, NULL);
    assert_non_null(again);
    assert_int_equal(append(vr_sqlite_journal_port(again), kept + 1, "x"), VR_APPEND_DURABLE);
    fault.code = code;
    return has_failed;
}

static void
try_all(World *world, Call call, int code)
{
    guint failed = 0;
    for (guint for_ever = 0; for_ever < 2; for_ever++) {
        gboolean has_failed = TRUE;
        fault.call = call;
        fault.for_ever = for_ever != 0;
        for (gint number = 1; has_failed; number += number) {
            fault.code = code;
            has_failed = try_fault(world, number);
            fault.code = SQLITE_OK;
            journal_remove_folder(world->folder);
            failed += has_failed;
        }
    }
    print_message("%u faults\n", failed);
    assert_true(failed > 0);
}

/* -------------------------------------------------------------------------- tests */

static void
test_fault_of_a_sync(void **state)
{
    try_all(*state, CALL_SYNC, SQLITE_IOERR_FSYNC);
}

static void
test_fault_of_a_write(void **state)
{
    try_all(*state, CALL_WRITE, SQLITE_IOERR_WRITE);
}

static void
test_fault_of_a_full_disk(void **state)
{
    try_all(*state, CALL_WRITE, SQLITE_FULL);
}

static void
test_fault_of_a_read(void **state)
{
    try_all(*state, CALL_READ, SQLITE_IOERR_READ);
}

/* What is in doubt is not made certain by a second sync that says it is well. */
static void
test_fault_of_one_sync_is_the_end_of_writing(void **state)
{
    World *world = *state;
    world->folder = journal_make_folder();
    VrSqliteJournal *journal = vr_sqlite_journal_open(world->folder, NULL);
    fault.call = CALL_SYNC;
    fault.code = SQLITE_IOERR_FSYNC;
    fault.for_ever = FALSE;
    VrJournal port = vr_sqlite_journal_port(journal);
    assert_int_equal(append(port, 1, "a"), VR_APPEND_DURABLE);
    g_atomic_int_set(&fault.countdown, 1);
    assert_int_equal(append(port, 2, "b"), VR_APPEND_UNKNOWN);
    assert_int_equal(append(port, 2, "b"), VR_APPEND_REFUSED);
    assert_int_equal(append(port, 3, "c"), VR_APPEND_REFUSED);
    vr_sqlite_journal_free(journal);
    fault.code = SQLITE_OK;
    journal_remove_folder(world->folder);
}

#define FAULT_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_fault_of_a_sync),
        FAULT_TEST(test_fault_of_a_write),
        FAULT_TEST(test_fault_of_a_full_disk),
        FAULT_TEST(test_fault_of_a_read),
        FAULT_TEST(test_fault_of_one_sync_is_the_end_of_writing),
    };
    return cmocka_run_group_tests(tests, install_failing_disk, NULL);
}
