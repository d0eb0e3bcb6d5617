/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small journal, cut at every byte and with every byte changed. Whatever is done to it, reading
 * it gives all that was written or says that it is corrupt, and leaves the files as they are. Only
 * where its head file is gone too, its newest records may be missing without anybody knowing.
 *
 * With --long at every byte, and each of its bits; else at one bit of each twenty-third.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "adapters/sqlite/journal.h"
#include "journal-fixture.h"

/* Without --long: bytes from one damage to the next. */
#define STRIDE 23
/* Of the damage, each so manieth is tried without the head file, or for writing (that syncs). */
#define HEADLESS_EVERY 5
#define WRITABLE_EVERY 499

enum { DATABASE, LOG, HEAD, FILES };
static const char *const names[FILES] = {"journal.db", "journal.db-wal", "journal.head"};

typedef struct {
    char *path;
    char *bytes; /* as they should be; NULL: there is no such file */
    gsize count;
} Image;

typedef struct {
    char *folder;
    Image images[FILES];
    char *text; /* what it reads as */
    guint identical, refused, shortened;
    guint tried;
} World;

static gboolean is_long;

static gsize
stride(void)
{
    return is_long ? 1 : STRIDE;
}

/* -------------------------------------------------------------------------- world */

static void
append_records(VrJournal port, guint from, guint to)
{
    for (guint i = from; i <= to; i++) {
        g_autofree char *filler = g_strnfill(i % 5 * 40, 'x');
        g_autofree char *body = g_strdup_printf("{\"body-of\":%u,\"%s\":0}", i, filler);
        journal_append_one(port, i, body);
    }
}

static VrSqliteJournal *
open_journal(const char *folder, gboolean writable, GError **error)
{
    return writable ? vr_sqlite_journal_open(folder, error)
                    : vr_sqlite_journal_open_read_only(folder, error);
}

static void
load_images(World *world, const char *folder)
{
    for (guint i = 0; i < FILES; i++) {
        Image *image = &world->images[i];
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        image->path = g_build_filename(world->folder, names[i], NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            assert_true(g_file_get_contents(path, &image->bytes, &image->count, NULL));
    }
}

/* Records 1 to 20 in the file; with `has_log` three more transactions that are in the log only. */
static World *
world_new(gboolean has_log)
{
    World *world = g_new0(World, 1);
    char *origin = journal_make_folder();
    world->folder = journal_make_folder();
    VrSqliteJournal *journal = open_journal(origin, TRUE, NULL);
    append_records(vr_sqlite_journal_port(journal), 1, 20);
    vr_sqlite_journal_free(journal);
    journal = open_journal(origin, TRUE, NULL);
    if (has_log)
        append_records(vr_sqlite_journal_port(journal), 21, 23);
    world->text = journal_read_text(vr_sqlite_journal_port(journal), 1);
    load_images(world, origin);
    vr_sqlite_journal_free(journal);
    journal_remove_folder(origin);
    assert_int_equal(world->images[LOG].count > 0, has_log);
    return world;
}

static int
setup_closed(void **state)
{
    *state = world_new(FALSE);
    return 0;
}

static int
setup_in_use(void **state)
{
    *state = world_new(TRUE);
    return 0;
}

static int
teardown(void **state)
{
    World *world = *state;
    print_message("%u read as before, %u are refused, %u have lost their end\n", world->identical,
                  world->refused, world->shortened);
    for (guint i = 0; i < FILES; i++) {
        g_free(world->images[i].path);
        g_free(world->images[i].bytes);
    }
    journal_remove_folder(world->folder);
    g_free(world->text);
    g_free(world);
    return 0;
}

/* In place: to make a file anew thousands of times keeps a disk busy. */
static void
put_file(const char *path, const char *bytes, gsize count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, count, 0), count);
    assert_int_equal(ftruncate(fd, (off_t)count), 0);
    assert_int_equal(close(fd), 0);
}

/* All files as they should be, but the damaged one with these bytes, NULL: without it. */
static void
put_files(const World *world, guint damaged, const char *bytes, gsize count, gboolean has_head)
{
    g_autofree char *index = g_build_filename(world->folder, "journal.db-shm", NULL);
    (void)g_unlink(index);
    for (guint i = 0; i < FILES; i++) {
        const Image *image = &world->images[i];
        const char *content = i == damaged ? bytes : image->bytes;
        if (content == NULL || (i == HEAD && !has_head))
            (void)g_unlink(image->path);
        else
            put_file(image->path, content, i == damaged ? count : image->count);
    }
}

/* -------------------------------------------------------------------------- what is read */

static gboolean
collect(const VrRecord *record, gpointer text)
{
    g_string_append_printf(text, "%s%" G_GUINT64_FORMAT " %s %" G_GINT64_FORMAT " %s %u %s",
                           ((GString *)text)->len > 0 ? "\n" : "", record->sequence,
                           record->rollout, record->at_us, record->kind, record->version,
                           record->body);
    return TRUE;
}

/* (transfer full) NULL: an error */
static char *
read_folder(const char *folder, gboolean writable, GError **error)
{
    g_autoptr(VrSqliteJournal) journal = open_journal(folder, writable, error);
    if (journal == NULL)
        return NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    VrJournal port = vr_sqlite_journal_port(journal);
    if (!port.vtable->read(port.context, 1, collect, text, error))
        return NULL;
    return g_strdup(text->str);
}

static void
assert_file(const Image *image, const char *bytes, gsize count)
{
    g_autofree char *now = NULL;
    gsize now_count = 0;
    /* A reader leaves an empty log where there was none. */
    if (!g_file_get_contents(image->path, &now, &now_count, NULL) || now_count == 0) {
        assert_int_equal(count, 0);
        return;
    }
    assert_int_equal(now_count, count);
    assert_memory_equal(now, bytes, count);
}

static gboolean
is_beginning(const char *whole, const char *part)
{
    gsize length = strlen(part);
    return g_str_has_prefix(whole, part) && (length == 0 || whole[length] == '\n');
}

static void
check(World *world, guint damaged, const char *bytes, gsize count, gboolean has_head,
      gboolean writable)
{
    g_autoptr(GError) error = NULL;
    put_files(world, damaged, bytes, count, has_head);
    g_autofree char *text = read_folder(world->folder, writable, &error);
    if (text == NULL) {
        if (!g_error_matches(error, VR_ERROR, VR_ERROR_CORRUPT))
            print_error("%s, %" G_GSIZE_FORMAT " bytes: %s\n", names[damaged], count,
                        error->message);
        assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_CORRUPT));
        assert_non_null(strstr(error->message, world->images[DATABASE].path));
        world->refused++;
    } else if (strcmp(text, world->text) == 0) {
        world->identical++;
    } else {
        if (has_head || !is_beginning(world->text, text))
            print_error("%s, %" G_GSIZE_FORMAT " bytes:\n%s\n", names[damaged], count, text);
        assert_false(has_head);
        assert_true(is_beginning(world->text, text));
        world->shortened++;
    }
    /* Whoever opens it for writing may move the log of a sound journal into its file. */
    if (text == NULL || !writable) {
        for (guint i = DATABASE; i <= LOG; i++)
            assert_file(&world->images[i], i == damaged ? bytes : world->images[i].bytes,
                        i == damaged ? count : world->images[i].count);
    }
}

static void
check_all_ways(World *world, guint damaged, const char *bytes, gsize count)
{
    check(world, damaged, bytes, count, TRUE, FALSE);
    if (damaged == HEAD)
        return;
    if (world->tried % HEADLESS_EVERY == 0)
        check(world, damaged, bytes, count, FALSE, FALSE);
    if (world->tried % WRITABLE_EVERY == 0)
        check(world, damaged, bytes, count, TRUE, TRUE);
    world->tried++;
}

/* -------------------------------------------------------------------------- tests */

static void
test_damage_cut_at_any_byte(void **state)
{
    World *world = *state;
    for (guint i = 0; i < FILES; i++) {
        const Image *image = &world->images[i];
        for (gsize count = 0; image->bytes != NULL && count < image->count; count += stride())
            check_all_ways(world, i, image->bytes, count);
    }
    assert_true(world->refused > 0);
}

static void
test_damage_any_bit_flipped(void **state)
{
    World *world = *state;
    for (guint i = 0; i < FILES; i++) {
        const Image *image = &world->images[i];
        g_autofree char *bytes = g_memdup2(image->bytes, image->count);
        for (gsize at = 0; at < image->count; at += stride()) {
            /* Neighbours get different bits, so that each kind of field gets each of them. */
            for (guint bit = is_long ? 0 : at * 5 % 8, n = 0; n < (is_long ? 8 : 1); bit++, n++) {
                bytes[at] ^= (char)(1U << bit);
                check_all_ways(world, i, bytes, image->count);
                bytes[at] = image->bytes[at];
            }
        }
    }
    assert_true(world->identical > 0 && world->refused > 0);
}

static void
test_damage_a_file_lost(void **state)
{
    World *world = *state;
    check(world, DATABASE, world->images[DATABASE].bytes, world->images[DATABASE].count, TRUE,
          TRUE);
    assert_int_equal(world->identical, 1);
    check(world, LOG, NULL, 0, TRUE, FALSE);
    check(world, LOG, NULL, 0, TRUE, TRUE);
    assert_int_equal(world->refused, 2);
    check(world, LOG, NULL, 0, FALSE, FALSE);
    assert_int_equal(world->shortened, 1);
    check(world, HEAD, NULL, 0, TRUE, FALSE);
    assert_int_equal(world->identical, 2);
}

/* Somebody puts an older journal there by hand. */
static void
test_damage_an_older_journal_in_its_place(void **state)
{
    World *world = *state, *older = world_new(FALSE);
    g_autoptr(GError) error = NULL;
    put_files(world, LOG, NULL, 0, TRUE);
    put_file(world->images[DATABASE].path, older->images[DATABASE].bytes,
             older->images[DATABASE].count);
    g_autofree char *text = read_folder(world->folder, TRUE, &error);
    assert_null(text);
    assert_non_null(strstr(error->message, "record 21 is not what was written"));
    assert_non_null(strstr(error->message, "knows of 23"));
    void *older_state = older;
    (void)teardown(&older_state);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_damage_cut_at_any_byte, setup_closed, teardown),
        cmocka_unit_test_setup_teardown(test_damage_cut_at_any_byte, setup_in_use, teardown),
        cmocka_unit_test_setup_teardown(test_damage_any_bit_flipped, setup_closed, teardown),
        cmocka_unit_test_setup_teardown(test_damage_any_bit_flipped, setup_in_use, teardown),
        cmocka_unit_test_setup_teardown(test_damage_a_file_lost, setup_in_use, teardown),
        cmocka_unit_test_setup_teardown(test_damage_an_older_journal_in_its_place, setup_in_use,
                                        teardown),
    };
    is_long = argc > 1 && strcmp(argv[1], "--long") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
