/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is special about the journal in a file: its lock, its damage, full disks, sudden death. */
#define _GNU_SOURCE /* unshare */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>
#include <sqlite3.h>

#include "adapters/sqlite/journal.h"
#include "journal-fixture.h"

#define SKIPPED 77

typedef struct {
    char *folder;
    char *file; /* journal.db in it */
    JournalAnswer answer;
} World;

static int
setup(void **state)
{
    World *world = g_new0(World, 1);
    world->folder = journal_make_folder();
    world->file = g_build_filename(world->folder, "journal.db", NULL);
    journal_answer_init(&world->answer);
    *state = world;
    return 0;
}

static int
teardown(void **state)
{
    World *world = *state;
    journal_answer_clear(&world->answer);
    journal_remove_folder(world->folder);
    g_free(world->file);
    g_free(world);
    return 0;
}

static VrSqliteJournal *
open_journal(const char *folder)
{
    g_autoptr(GError) error = NULL;
    VrSqliteJournal *journal = vr_sqlite_journal_open(folder, &error);
    if (journal == NULL)
        print_error("%s\n", error->message);
    assert_non_null(journal);
    return journal;
}

/* A closed journal with records 1 to `count`. */
static void
write_journal(World *world, guint count)
{
    g_autoptr(VrSqliteJournal) journal = open_journal(world->folder);
    for (guint i = 1; i <= count; i++) {
        g_autofree char *body = g_strdup_printf("{\"body-of\":%u}", i);
        journal_append_one(vr_sqlite_journal_port(journal), i, body);
    }
}

/* So that the next one begins anew. */
static void
remove_journal(World *world)
{
    g_autofree char *head = g_build_filename(world->folder, "journal.head", NULL);
    (void)g_unlink(world->file);
    assert_int_equal(g_unlink(head), 0);
}

/* As an administrator might, with SQLite's own shell. */
static void
alter(const char *file, const char *script)
{
    sqlite3 *database = NULL;
    assert_int_equal(sqlite3_open(file, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, script, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static gboolean
ignore_record(const VrRecord *record, gpointer data)
{
    (void)record;
    (void)data;
    return TRUE;
}

/* The error of opening (read-only or not) or else of reading; NULL: none. */
static GError *
open_and_read(const char *folder, gboolean read_only)
{
    GError *error = NULL;
    g_autoptr(VrSqliteJournal) journal = read_only
                                             ? vr_sqlite_journal_open_read_only(folder, &error)
                                             : vr_sqlite_journal_open(folder, &error);
    if (journal == NULL)
        return error;
    VrJournal port = vr_sqlite_journal_port(journal);
    (void)port.vtable->read(port.context, 1, ignore_record, NULL, &error);
    return error;
}

static void
assert_error(const GError *error, VrErrorCode code, const char *part)
{
    assert_non_null(error);
    if (!g_error_matches(error, VR_ERROR, (int)code) || strstr(error->message, part) == NULL)
        print_error("%d: %s\n", error->code, error->message);
    assert_true(g_error_matches(error, VR_ERROR, (int)code));
    assert_non_null(strstr(error->message, part));
}

static void
assert_both_fail(const char *folder, VrErrorCode code, const char *part)
{
    g_autoptr(GError) written = open_and_read(folder, FALSE);
    g_autoptr(GError) read = open_and_read(folder, TRUE);
    assert_error(written, code, part);
    assert_error(read, code, part);
}

/* -------------------------------------------------------------------------- lock */

static void
test_journal_second_open_is_refused_with_the_pid(void **state)
{
    World *world = *state;
    g_autoptr(GError) error = NULL;
    g_autofree char *pid = g_strdup_printf("pid %d since 2", (int)getpid());
    g_autoptr(VrSqliteJournal) journal = open_journal(world->folder);
    assert_null(vr_sqlite_journal_open(world->folder, &error));
    assert_error(error, VR_ERROR_CONFLICT, pid);
    journal_append_one(vr_sqlite_journal_port(journal), 1, "still works");
}

static void
test_journal_lock_of_the_dead_does_not_matter(void **state)
{
    World *world = *state;
    g_autofree char *lock = g_build_filename(world->folder, "lock", NULL);
    g_autofree char *text = NULL;
    assert_true(g_file_set_contents(lock, "pid 1 since the beginning of time\n", -1, NULL));
    g_autoptr(VrSqliteJournal) journal = open_journal(world->folder);
    assert_true(g_file_get_contents(lock, &text, NULL, NULL));
    assert_null(strstr(text, "beginning"));
}

static void
test_journal_files_are_private(void **state)
{
    World *world = *state;
    g_autofree char *folder = g_build_filename(world->folder, "a", "b", NULL);
    g_autofree char *file = g_build_filename(folder, "journal.db", NULL);
    struct stat status;
    g_autoptr(VrSqliteJournal) journal = open_journal(folder);
    assert_int_equal(stat(folder, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* -------------------------------------------------------------------------- read-only */

static void
test_journal_read_only_works_beside_the_writer(void **state)
{
    World *world = *state;
    g_autoptr(VrSqliteJournal) writer = open_journal(world->folder);
    VrRecord record = {.sequence = 2, .rollout = "r", .kind = "k", .body = "b"};
    journal_append_one(vr_sqlite_journal_port(writer), 1, "a");
    g_autoptr(VrSqliteJournal) reader = vr_sqlite_journal_open_read_only(world->folder, NULL);
    assert_non_null(reader);
    g_autoptr(GPtrArray) before = journal_read(vr_sqlite_journal_port(reader), 1);
    assert_int_equal(before->len, 1);
    journal_append_one(vr_sqlite_journal_port(writer), 2, "b");
    g_autoptr(GPtrArray) after = journal_read(vr_sqlite_journal_port(reader), 1);
    assert_int_equal(after->len, 2);
    assert_int_equal(journal_append(vr_sqlite_journal_port(reader), &world->answer, &record, 1),
                     VR_APPEND_REFUSED);
}

static void
test_journal_read_only_needs_a_journal(void **state)
{
    World *world = *state;
    g_autofree char *missing = g_build_filename(world->folder, "missing", NULL);
    g_autoptr(GError) no_file = open_and_read(world->folder, TRUE);
    g_autoptr(GError) no_folder = open_and_read(missing, TRUE);
    assert_error(no_file, VR_ERROR_NOT_FOUND, world->folder);
    assert_error(no_folder, VR_ERROR_NOT_FOUND, missing);
    assert_false(g_file_test(missing, G_FILE_TEST_EXISTS));
}

/* -------------------------------------------------------------------------- damage */

static void
test_journal_flipped_byte_is_found_and_named(void **state)
{
    World *world = *state;
    g_autofree char *bytes = NULL;
    gsize count = 0;
    write_journal(world, 9);
    assert_true(g_file_get_contents(world->file, &bytes, &count, NULL));
    char *body = memmem(bytes, count, "body-of\":7", 10);
    assert_non_null(body);
    body[0] ^= 0x20;
    assert_true(g_file_set_contents(world->file, bytes, (gssize)count, NULL));
    assert_both_fail(world->folder, VR_ERROR_CORRUPT, "record 7 ");

    /* Those before it are readable, and those after it if one does not begin at it. */
    g_autoptr(VrSqliteJournal) journal = vr_sqlite_journal_open_read_only(world->folder, NULL);
    g_autoptr(GPtrArray) lines = journal_read(vr_sqlite_journal_port(journal), 9);
    assert_int_equal(lines->len, 1);
}

static void
test_journal_altered_records_are_found_and_named(void **state)
{
    static const struct {
        const char *script, *found;
    } alterations[] = {
        {"UPDATE records SET body = 'x' WHERE sequence = 1", "record 1 "},
        {"UPDATE records SET at_us = at_us + 1 WHERE sequence = 3", "record 3 "},
        {"UPDATE records SET version = version + 4294967296 WHERE sequence = 3", "record 3 "},
        {"UPDATE records SET kind = kind || char(0) WHERE sequence = 3", "record 3 "},
        {"UPDATE records SET rollout = 'r1s', kind = 'tep-started' WHERE sequence = 2",
         "record 2 "},
        {"UPDATE records SET hash = previous_hash WHERE sequence = 5", "record 5 "},
        {"UPDATE records SET previous_hash = hash WHERE sequence = 5", "record 5 "},
        {"DELETE FROM records WHERE sequence = 1", "record 1 "},
        {"DELETE FROM records WHERE sequence = 4", "record 4 "},
        {"UPDATE records SET sequence = 0 WHERE sequence = 1", "record 1 "},
        {"UPDATE records SET sequence = 7 WHERE sequence = 5", "record 5 "},
        {"DROP TABLE records", "records"},
    };
    World *world = *state;
    for (guint i = 0; i < G_N_ELEMENTS(alterations); i++) {
        write_journal(world, 5);
        alter(world->file, alterations[i].script);
        assert_both_fail(world->folder, VR_ERROR_CORRUPT, alterations[i].found);
        remove_journal(world);
    }
}

static void
test_journal_gap_before_the_start_is_found(void **state)
{
    World *world = *state;
    g_autoptr(GError) error = NULL;
    write_journal(world, 5);
    alter(world->file, "DELETE FROM records WHERE sequence = 4");
    g_autoptr(VrSqliteJournal) journal = vr_sqlite_journal_open_read_only(world->folder, NULL);
    VrJournal port = vr_sqlite_journal_port(journal);
    assert_false(port.vtable->read(port.context, 5, ignore_record, NULL, &error));
    assert_error(error, VR_ERROR_CORRUPT, "record 4 ");
}

/* A record that fits in itself but not to the one before it. */
static void
test_journal_record_of_another_journal_is_found(void **state)
{
    World *world = *state;
    g_autofree char *other = g_build_filename(world->folder, "other.db", NULL);
    g_autofree char *script =
        g_strdup_printf("ATTACH '%s' AS other; DELETE FROM records WHERE sequence = 3;"
                        "INSERT INTO records SELECT * FROM other.records WHERE sequence = 3",
                        other);
    {
        g_autoptr(VrSqliteJournal) journal = open_journal(world->folder);
        for (guint i = 1; i <= 3; i++)
            journal_append_one(vr_sqlite_journal_port(journal), i, "elsewhere");
    }
    assert_int_equal(g_rename(world->file, other), 0);
    remove_journal(world);
    write_journal(world, 3);
    alter(world->file, script);
    assert_both_fail(world->folder, VR_ERROR_CORRUPT, "record 3 ");
}

static void
test_journal_truncated_file_is_an_error(void **state)
{
    World *world = *state;
    g_autofree char *bytes = NULL;
    gsize count = 0;
    write_journal(world, 200);
    assert_true(g_file_get_contents(world->file, &bytes, &count, NULL));
    const gsize sizes[] = {0, 1, 50, 100, 1024, 4096, 5000, count / 2, count - 4096, count - 1};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        assert_true(g_file_set_contents(world->file, bytes, (gssize)sizes[i], NULL));
        assert_both_fail(world->folder, VR_ERROR_CORRUPT, world->file);
    }
}

static void
test_journal_vanished_file_is_not_begun_anew(void **state)
{
    World *world = *state;
    g_autofree char *log = g_strconcat(world->file, "-wal", NULL);
    assert_true(g_file_set_contents(log, "left behind", -1, NULL));
    assert_both_fail(world->folder, VR_ERROR_CORRUPT, log);
    assert_false(g_file_test(world->file, G_FILE_TEST_EXISTS));

    assert_int_equal(g_unlink(log), 0);
    write_journal(world, 1);
    assert_int_equal(g_unlink(world->file), 0);
    assert_both_fail(world->folder, VR_ERROR_CORRUPT, "journal.head is there");
    assert_false(g_file_test(world->file, G_FILE_TEST_EXISTS));
}

static void
test_journal_interrupted_creation_is_repeated(void **state)
{
    World *world = *state;
    g_autofree char *fresh = g_strconcat(world->file, ".new", NULL);
    assert_true(g_file_set_contents(fresh, "half of it", -1, NULL));
    write_journal(world, 1);
    assert_false(g_file_test(fresh, G_FILE_TEST_EXISTS));
}

static void
test_journal_foreign_or_newer_file_is_left_alone(void **state)
{
    static const struct {
        const char *script, *found;
    } files[] = {
        {"PRAGMA user_version = 2", "has format 2"},
        {"PRAGMA user_version = 0", "not a journal"},
        {"PRAGMA application_id = 1", "not a journal"},
    };
    World *world = *state;
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *before = NULL, *after = NULL;
        gsize before_count = 0, after_count = 0;
        write_journal(world, 2);
        alter(world->file, files[i].script);
        assert_true(g_file_get_contents(world->file, &before, &before_count, NULL));
        assert_both_fail(world->folder, VR_ERROR_CORRUPT, files[i].found);
        assert_true(g_file_get_contents(world->file, &after, &after_count, NULL));
        assert_int_equal(before_count, after_count);
        assert_memory_equal(before, after, before_count);
        remove_journal(world);
    }
    assert_true(g_file_set_contents(world->file, "Dear diary,", -1, NULL));
    assert_both_fail(world->folder, VR_ERROR_CORRUPT, world->file);
}

/* -------------------------------------------------------------------------- sudden death */

typedef struct {
    int acknowledged_fd;
    guint64 last; /* of the append */
} Acknowledgement;

static void
acknowledge(VrAppend outcome, const char *detail, gpointer data)
{
    g_autofree Acknowledgement *self = data;
    (void)detail;
    g_assert_cmpint(outcome, ==, VR_APPEND_DURABLE);
    g_assert_cmpint(write(self->acknowledged_fd, &self->last, sizeof self->last), ==, 8);
}

/* Appends three records at a time until it is killed, and tells each sequence that is durable. */
static void
append_for_ever(const char *folder, guint64 next, int acknowledged_fd)
{
    g_autofree char *body = g_strnfill(2000, 'b');
    VrSqliteJournal *journal = vr_sqlite_journal_open(folder, NULL);
    g_assert_nonnull(journal);
    VrJournal port = vr_sqlite_journal_port(journal);
    JournalAnswer pace;
    journal_answer_init(&pace);
    for (guint64 round = 0;; round++) {
        VrRecord records[3];
        for (guint i = 0; i < 3; i++)
            records[i] = (VrRecord){next++, 1, "r", "k", 1, body};
        Acknowledgement *acknowledgement = g_new(Acknowledgement, 1);
        *acknowledgement = (Acknowledgement){acknowledged_fd, next - 1};
        port.vtable->append(port.context, records, 3, acknowledge, acknowledgement);
        if (round % 8 == 7) {
            (void)journal_append(port, &pace, &(VrRecord){next, 1, "r", "k", 1, ""}, 1);
            next++;
        }
    }
}

/* The highest sequence that the child had acknowledged when it died. */
static guint64
run_until_killed(const char *folder, guint64 next)
{
    int acknowledged[2];
    guint64 last = 0, seen = 0;
    assert_int_equal(pipe(acknowledged), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        append_for_ever(folder, next, acknowledged[1]);
    (void)close(acknowledged[1]);
    for (guint i = 0; read(acknowledged[0], &seen, sizeof seen) == sizeof seen; i++) {
        last = seen;
        if (i == 600)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    (void)close(acknowledged[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return last;
}

static void
test_journal_killed_writer_loses_nothing_acknowledged(void **state)
{
    World *world = *state;
    guint64 next = 1;
    for (guint round = 0; round < 5; round++) {
        guint64 acknowledged = run_until_killed(world->folder, next);
        g_autoptr(VrSqliteJournal) journal = open_journal(world->folder);
        g_autoptr(GPtrArray) lines = journal_read(vr_sqlite_journal_port(journal), 1);
        assert_true(acknowledged > next);
        assert_true(lines->len >= acknowledged);
        next = lines->len + 1;
    }
}

/* -------------------------------------------------------------------------- full disk */

/* A disk of 1 MiB that only this process sees and that goes with it. */
static gboolean
mount_small_disk(const char *folder)
{
    g_autofree char *map = g_strdup_printf("%u %u 1", getuid(), getuid());
    if (geteuid() != 0 && (unshare(CLONE_NEWUSER) != 0 ||
                           !g_file_set_contents_full("/proc/self/uid_map", map, -1,
                                                     G_FILE_SET_CONTENTS_NONE, 0600, NULL)))
        return FALSE;
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", folder, "tmpfs", 0, "size=1m") == 0;
}

static VrAppend
append_in_child(VrJournal port, JournalAnswer *answer, guint64 sequence, const char *body)
{
    VrRecord record = {sequence, 1, "r", "k", 1, body};
    return journal_append(port, answer, &record, 1);
}

static int
fill_small_disk(const char *folder)
{
    if (!mount_small_disk(folder))
        return SKIPPED;
    g_autofree char *body = g_strnfill(20000, 'b');
    VrSqliteJournal *journal = vr_sqlite_journal_open(folder, NULL);
    g_assert_nonnull(journal);
    VrJournal port = vr_sqlite_journal_port(journal);
    JournalAnswer answer;
    journal_answer_init(&answer);
    guint64 next = 1;
    while (append_in_child(port, &answer, next, body) == VR_APPEND_DURABLE)
        next++;
    g_assert_cmpint(answer.outcome, ==, VR_APPEND_REFUSED);
    g_assert_nonnull(strstr(answer.detail, "full"));
    g_autoptr(GPtrArray) lines = journal_read(port, 1);
    g_assert_cmpint(lines->len, ==, next - 1);

    /* Somebody makes room. */
    g_assert_cmpint(mount("small", folder, "tmpfs", MS_REMOUNT, "size=8m"), ==, 0);
    g_assert_cmpint(append_in_child(port, &answer, next, body), ==, VR_APPEND_DURABLE);
    vr_sqlite_journal_free(journal);
    journal_answer_clear(&answer);
    return 0;
}

static void
test_journal_full_disk_refuses_until_there_is_room(void **state)
{
    World *world = *state;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_small_disk(world->folder));
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        print_message("cannot mount a small disk here\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* From now on no file grows beyond `size`: write() fails with EFBIG, an error like any other. */
static void
limit_files(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size == RLIM_INFINITY ? limit.rlim_max : size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
test_journal_failed_write_is_unknown_and_the_last(void **state)
{
    World *world = *state;
    g_autofree char *log = g_strconcat(world->file, "-wal", NULL);
    g_autofree char *body = g_strnfill(200000, 'b');
    VrRecord large = {2, 1, "r", "k", 1, body}, small = {2, 1, "r", "k", 1, "b"};
    struct stat status;
    {
        g_autoptr(VrSqliteJournal) journal = open_journal(world->folder);
        VrJournal port = vr_sqlite_journal_port(journal);
        journal_append_one(port, 1, "a");
        assert_int_equal(stat(log, &status), 0);
        (void)signal(SIGXFSZ, SIG_IGN);
        limit_files((rlim_t)status.st_size + 10000);
        VrAppend outcome = journal_append(port, &world->answer, &large, 1);
        limit_files(RLIM_INFINITY);
        assert_int_equal(outcome, VR_APPEND_UNKNOWN);
        assert_non_null(world->answer.detail);
        /* The disk is well again, but what it did with the last write is not known. */
        assert_int_equal(journal_append(port, &world->answer, &small, 1), VR_APPEND_REFUSED);
        assert_non_null(strstr(world->answer.detail, "start again"));
        g_autoptr(GPtrArray) lines = journal_read(port, 1);
        assert_int_equal(lines->len, 1);
    }
    g_autoptr(VrSqliteJournal) again = open_journal(world->folder);
    g_autoptr(GPtrArray) lines = journal_read(vr_sqlite_journal_port(again), 1);
    assert_int_equal(lines->len, 1);
    journal_append_one(vr_sqlite_journal_port(again), 2, "b");
}

#define JOURNAL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(test_journal_second_open_is_refused_with_the_pid),
        JOURNAL_TEST(test_journal_lock_of_the_dead_does_not_matter),
        JOURNAL_TEST(test_journal_files_are_private),
        JOURNAL_TEST(test_journal_read_only_works_beside_the_writer),
        JOURNAL_TEST(test_journal_read_only_needs_a_journal),
        JOURNAL_TEST(test_journal_flipped_byte_is_found_and_named),
        JOURNAL_TEST(test_journal_altered_records_are_found_and_named),
        JOURNAL_TEST(test_journal_gap_before_the_start_is_found),
        JOURNAL_TEST(test_journal_record_of_another_journal_is_found),
        JOURNAL_TEST(test_journal_truncated_file_is_an_error),
        JOURNAL_TEST(test_journal_vanished_file_is_not_begun_anew),
        JOURNAL_TEST(test_journal_interrupted_creation_is_repeated),
        JOURNAL_TEST(test_journal_foreign_or_newer_file_is_left_alone),
        JOURNAL_TEST(test_journal_killed_writer_loses_nothing_acknowledged),
        JOURNAL_TEST(test_journal_full_disk_refuses_until_there_is_room),
        JOURNAL_TEST(test_journal_failed_write_is_unknown_and_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
