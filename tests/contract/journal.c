/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every journal must do, however it stores: the suite runs once per maker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/sqlite/journal.h"
#include "journal-fixture.h"
#include "sim/controller.h"

typedef struct {
    const char *name;
    const char *close_is_death; /* (nullable) why what is in flight is not waited for */
    void (*go_on)(void);        /* (nullable) */
    gpointer (*open)(const char *folder, GError **error); /* what was stored there is there again */
    VrJournal (*port)(gpointer journal);
    void (*close)(gpointer journal);
} JournalMaker;

static gpointer
sqlite_open(const char *folder, GError **error)
{
    return vr_sqlite_journal_open(folder, error);
}

static VrJournal
sqlite_port(gpointer journal)
{
    return vr_sqlite_journal_port(journal);
}

static void
sqlite_close(gpointer journal)
{
    vr_sqlite_journal_free(journal);
}

/* The world of the folder that was opened last. */
static SimWorld *sim_world;
static char *sim_folder;

static void
sim_forget(void)
{
    g_clear_pointer(&sim_world, sim_world_free);
    g_clear_pointer(&sim_folder, g_free);
}

static gpointer
sim_open(const char *folder, GError **error)
{
    if (g_strcmp0(folder, sim_folder) != 0) {
        g_autoptr(VrInventory) inventory = vr_inventory_new();
        VrHost *host = vr_inventory_add_host(inventory, "h1");
        host->memory_mib = host->vcpus = host->link_mib_per_s = host->update_s = 1;
        if (!vr_inventory_seal(inventory, error))
            return NULL;
        sim_forget();
        sim_world = sim_world_new(inventory, "level-2", 1);
        sim_folder = g_strdup(folder);
    }
    return sim_controller_new(sim_world);
}

static VrJournal
sim_port(gpointer journal)
{
    return sim_controller_ports(journal).journal;
}

static void
sim_close(gpointer journal)
{
    sim_controller_free(journal);
}

static void
sim_go_on(void)
{
    (void)sim_world_step(sim_world, G_MAXINT64);
}

static const JournalMaker makers[] = {
    {"sqlite", NULL, NULL, sqlite_open, sqlite_port, sqlite_close},
    {"sim", "a simulated controller is killed, never closed", sim_go_on, sim_open, sim_port,
     sim_close},
};

/* -------------------------------------------------------------------------- world */

typedef struct {
    const JournalMaker *maker;
    char *folder;
    gpointer journal;
    VrJournal port;
    JournalAnswer answer;
} World;

static void
world_open(World *world)
{
    g_autoptr(GError) error = NULL;
    world->journal = world->maker->open(world->folder, &error);
    if (world->journal == NULL)
        print_error("%s\n", error->message);
    assert_non_null(world->journal);
    world->port = world->maker->port(world->journal);
}

static void
world_close(World *world)
{
    world->maker->close(world->journal);
    world->journal = NULL;
}

static int
setup(void **state)
{
    World *world = g_new0(World, 1);
    world->maker = *state;
    world->folder = journal_make_folder();
    journal_answer_init(&world->answer);
    journal_go_on_by(world->maker->go_on);
    world_open(world);
    *state = world;
    return 0;
}

static int
teardown(void **state)
{
    World *world = *state;
    world_close(world);
    journal_answer_clear(&world->answer);
    journal_remove_folder(world->folder);
    g_free(world);
    return 0;
}

static VrRecord
record_of(guint64 sequence)
{
    return (VrRecord){.sequence = sequence,
                      .at_us = -5,
                      .rollout = "r1",
                      .kind = "drained",
                      .version = 2,
                      .body = "{}"};
}

static void
assert_content(World *world, const char *expected)
{
    g_autofree char *text = journal_read_text(world->port, 1);
    assert_string_equal(text, expected);
}

/* -------------------------------------------------------------------------- tests */

static void
test_journal_append_reads_back_every_field(void **state)
{
    World *world = *state;
    const VrRecord records[] = {
        {1, G_MININT64, "r1", "rollout-created", 0, "{\"name\":\"机房\"}"},
        {2, G_MAXINT64, "", "x", G_MAXUINT, ""},
        {3, 0, "r'\"\n2", "host-drained", 7, "line\nline\ttab\"'%s"},
    };
    assert_int_equal(journal_append(world->port, &world->answer, records, 3), VR_APPEND_DURABLE);
    const char *expected = "1 r1 -9223372036854775808 rollout-created 0 {\"name\":\"机房\"}\n"
                           "2  9223372036854775807 x 4294967295 \n"
                           "3 r'\"\n2 0 host-drained 7 line\nline\ttab\"'%s";
    assert_content(world, expected);
    world_close(world);
    world_open(world);
    assert_content(world, expected);
}

static void
test_journal_large_body_reads_back_whole(void **state)
{
    World *world = *state;
    g_autofree char *body = g_strnfill(8 * 1024 * 1024, 'x');
    journal_append_one(world->port, 1, body);
    g_autofree char *text = journal_read_text(world->port, 1);
    assert_true(g_str_has_suffix(text, body));
}

static void
test_journal_reopened_goes_on_where_it_was(void **state)
{
    World *world = *state;
    VrRecord again = record_of(2);
    journal_append_one(world->port, 1, "a");
    journal_append_one(world->port, 2, "b");
    world_close(world);
    world_open(world);
    assert_int_equal(journal_append(world->port, &world->answer, &again, 1), VR_APPEND_REFUSED);
    journal_append_one(world->port, 3, "c");
    g_autoptr(GPtrArray) lines = journal_read(world->port, 1);
    assert_int_equal(lines->len, 3);
}

static void
test_journal_wrong_sequence_is_refused_whole(void **state)
{
    World *world = *state;
    const VrRecord wrong[][2] = {
        {record_of(0), record_of(1)}, {record_of(1), record_of(2)},
        {record_of(3), record_of(4)}, {record_of(2), record_of(4)},
        {record_of(2), record_of(2)}, {record_of(G_MAXUINT64), record_of(0)},
    };
    journal_append_one(world->port, 1, "a");
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        assert_int_equal(journal_append(world->port, &world->answer, wrong[i], 2),
                         VR_APPEND_REFUSED);
        assert_non_null(strstr(world->answer.detail, "sequence"));
        g_autoptr(GPtrArray) lines = journal_read(world->port, 1);
        assert_int_equal(lines->len, 1);
    }
    journal_append_one(world->port, 2, "b");
}

static gboolean
count_to_two(const VrRecord *record, gpointer data)
{
    (void)record;
    guint *count = data;
    return ++*count < 2;
}

static void
test_journal_read_starts_and_ends_where_asked(void **state)
{
    World *world = *state;
    static const guint expected[] = {5, 5, 4, 3, 2, 1, 0, 0};
    guint count = 0;
    for (guint64 sequence = 1; sequence <= 5; sequence++)
        journal_append_one(world->port, sequence, "x");
    for (guint from = 0; from < G_N_ELEMENTS(expected); from++) {
        g_autoptr(GPtrArray) lines = journal_read(world->port, from);
        assert_int_equal(lines->len, expected[from]);
    }
    g_autoptr(GPtrArray) beyond = journal_read(world->port, G_MAXUINT64);
    assert_int_equal(beyond->len, 0);
    assert_true(world->port.vtable->read(world->port.context, 1, count_to_two, &count, NULL));
    assert_int_equal(count, 2);
}

static void
test_journal_empty_reads_nothing(void **state)
{
    assert_content(*state, "");
}

typedef struct {
    JournalAnswer *answer;
    guint *next;
    guint own;
    gboolean in_order;
} Flight;

static void
land(VrAppend outcome, const char *detail, gpointer data)
{
    Flight *flight = data;
    flight->in_order = outcome == VR_APPEND_DURABLE && (*flight->next)++ == flight->own;
    journal_answer_done(outcome, detail, flight->answer);
}

/* Answers come once each, in the order of the calls; also prints how fast that is. */
static void
test_journal_many_in_flight_are_answered_in_order(void **state)
{
    World *world = *state;
    enum { COUNT = 20000, WINDOW = 256 };
    g_autofree Flight *flights = g_new0(Flight, COUNT);
    g_autofree char *body = g_strnfill(300, 'b');
    guint next = 0;
    gint64 begin = g_get_monotonic_time();
    for (guint i = 0; i < COUNT; i++) {
        VrRecord record = record_of(i + 1);
        record.body = body;
        flights[i] = (Flight){&world->answer, &next, i, FALSE};
        world->port.vtable->append(world->port.context, &record, 1, land, &flights[i]);
        if (i >= WINDOW)
            journal_answer_wait(&world->answer, i - WINDOW + 1);
    }
    journal_answer_wait(&world->answer, COUNT);
    gint64 elapsed_us = g_get_monotonic_time() - begin;
    print_message("%s: %d appends/s with %d in flight\n", world->maker->name,
                  (int)((gint64)COUNT * G_USEC_PER_SEC / elapsed_us), WINDOW);
    for (guint i = 0; i < COUNT; i++)
        assert_true(flights[i].in_order);
    assert_int_equal(world->answer.done_count, COUNT);
    g_autoptr(GPtrArray) lines = journal_read(world->port, 1);
    assert_int_equal(lines->len, COUNT);
}

static void
test_journal_wrong_sequence_in_flight_harms_nobody(void **state)
{
    World *world = *state;
    JournalAnswer wrong;
    journal_answer_init(&wrong);
    for (guint i = 0; i < 200; i++) {
        VrRecord right = record_of(i + 1), bad = record_of(1000);
        world->port.vtable->append(world->port.context, &right, 1, journal_answer_done,
                                   &world->answer);
        world->port.vtable->append(world->port.context, &bad, 1, journal_answer_done, &wrong);
    }
    journal_answer_wait(&world->answer, 200);
    journal_answer_wait(&wrong, 200);
    assert_int_equal(world->answer.outcome, VR_APPEND_DURABLE);
    assert_int_equal(wrong.outcome, VR_APPEND_REFUSED);
    g_autoptr(GPtrArray) lines = journal_read(world->port, 1);
    assert_int_equal(lines->len, 200);
    journal_answer_clear(&wrong);
}

static void
append_next(VrAppend outcome, const char *detail, gpointer data)
{
    World *world = data;
    VrRecord record = record_of(2);
    assert_int_equal(outcome, VR_APPEND_DURABLE);
    (void)detail;
    world->port.vtable->append(world->port.context, &record, 1, journal_answer_done,
                               &world->answer);
}

static void
test_journal_append_from_done_works(void **state)
{
    World *world = *state;
    VrRecord record = record_of(1);
    world->port.vtable->append(world->port.context, &record, 1, append_next, world);
    journal_answer_wait(&world->answer, 1);
    assert_int_equal(world->answer.outcome, VR_APPEND_DURABLE);
}

static void
test_journal_close_waits_for_appends(void **state)
{
    World *world = *state;
    if (world->maker->close_is_death != NULL) {
        print_message("           not on %s: close waits for appends: %s\n", world->maker->name,
                      world->maker->close_is_death);
        return;
    }
    for (guint i = 0; i < 500; i++) {
        VrRecord record = record_of(i + 1);
        world->port.vtable->append(world->port.context, &record, 1, journal_answer_done,
                                   &world->answer);
    }
    world_close(world);
    assert_int_equal(world->answer.done_count, 500);
    assert_int_equal(world->answer.outcome, VR_APPEND_DURABLE);
    world_open(world);
    g_autoptr(GPtrArray) lines = journal_read(world->port, 1);
    assert_int_equal(lines->len, 500);
}

#define JOURNAL_TEST(test)                                                                         \
    {                                                                                              \
#test, test, setup, teardown, NULL                                                         \
    }

int
main(void)
{
    int failed = 0;
    for (guint i = 0; i < G_N_ELEMENTS(makers); i++) {
        struct CMUnitTest tests[] = {
            JOURNAL_TEST(test_journal_append_reads_back_every_field),
            JOURNAL_TEST(test_journal_large_body_reads_back_whole),
            JOURNAL_TEST(test_journal_reopened_goes_on_where_it_was),
            JOURNAL_TEST(test_journal_wrong_sequence_is_refused_whole),
            JOURNAL_TEST(test_journal_read_starts_and_ends_where_asked),
            JOURNAL_TEST(test_journal_empty_reads_nothing),
            JOURNAL_TEST(test_journal_many_in_flight_are_answered_in_order),
            JOURNAL_TEST(test_journal_wrong_sequence_in_flight_harms_nobody),
            JOURNAL_TEST(test_journal_append_from_done_works),
            JOURNAL_TEST(test_journal_close_waits_for_appends),
        };
        JournalMaker maker = makers[i];
        for (guint j = 0; j < G_N_ELEMENTS(tests); j++)
            tests[j].initial_state = &maker;
        failed += cmocka_run_group_tests_name(maker.name, tests, NULL, NULL);
    }
    sim_forget();
    return failed;
}
