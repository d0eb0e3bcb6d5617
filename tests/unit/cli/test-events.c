/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/render.h"
#include "cli/text.h"
#include "rollout-fixture.h"

#define RESULT TRUE, FALSE
#define BAD TRUE, TRUE
#define BEGINS FALSE, FALSE

typedef struct {
    VrPhase phase;
    const char *reason;
    const char *text; /* NULL: nobody cares */
    gboolean is_result;
    gboolean is_bad;
} Case;

static void
check(VrRollout *rollout, guint index, const Case *cases, guint count)
{
    for (guint i = 0; i < count; i++) {
        VrPhase from = vr_rollout_step(rollout, index)->phase;
        g_autoptr(VrEvent) event =
            fixture_enter(rollout, index, cases[i].phase, 10 + i, cases[i].reason);
        g_auto(VrEventLine) line = vr_render_event(rollout, event, from);
        if (cases[i].text == NULL) {
            assert_null(line.text);
            continue;
        }
        assert_string_equal(line.text, cases[i].text);
        assert_int_equal(line.is_result, cases[i].is_result);
        assert_int_equal(line.is_bad, cases[i].is_bad);
    }
}

static void
test_events_of_an_update(void **state)
{
    static const Case cases[] = {
        {VR_PHASE_CLOSING, NULL, "h3  closing to guests", BEGINS},
        {VR_PHASE_COMPARING, NULL, NULL, BEGINS},
        {VR_PHASE_COMPARING, "h3 cannot be read", NULL, BEGINS},
        {VR_PHASE_CLOSED, NULL, "h3  closed and empty", BEGINS},
        {VR_PHASE_FACTS_BEFORE, NULL, "h3  update begins", BEGINS},
        {VR_PHASE_ASSESSING, NULL, NULL, BEGINS},
        {VR_PHASE_PREPARING, NULL, NULL, BEGINS},
        {VR_PHASE_PROVING, NULL, NULL, BEGINS},
        {VR_PHASE_PROVING, NULL, NULL, BEGINS},
        {VR_PHASE_APPLYING, NULL, "h3  proven empty, applying level-2", BEGINS},
        {VR_PHASE_NEEDS_OPERATOR, "h3: stage apply failed with exit status 1",
         "NEEDS A PERSON: h3: stage apply failed with exit status 1", BAD},
        {VR_PHASE_PROVING, NULL, NULL, BEGINS},
        {VR_PHASE_CLOSED, NULL, "h3  waits closed, its update has not begun", BEGINS},
    };
    g_autoptr(VrRollout) rollout = fixture_rollout();
    (void)state;

    check(rollout, fixture_find(rollout, VR_STEP_UPDATE, "h3"), cases, G_N_ELEMENTS(cases));
}

static void
test_event_of_an_updated_host_says_what_changed(void **state)
{
    g_autoptr(VrRollout) rollout = fixture_rollout();
    g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_STEP_PHASE, FIXTURE_START_US);
    (void)state;

    fixture_update(rollout, "h3", 10);
    event->step = fixture_find(rollout, VR_STEP_UPDATE, "h3") + 1;
    event->phase = VR_PHASE_UPDATED;
    g_auto(VrEventLine) line = vr_render_event(rollout, event, VR_PHASE_OPENING);
    assert_string_equal(line.text, "h3  updated  level level-1 → level-2, rebooted (boot id "
                                   "3e1f0000 → b07a0000)");
}

static void
measure(VrRollout *rollout, guint index)
{
    g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_VM_MEASURED, FIXTURE_START_US);
    g_autoptr(GError) error = NULL;

    event->step = index + 1;
    event->stats = (VrMigrationStats){900, 61, 76};
    assert_true(vr_rollout_apply(rollout, event, &error));
}

static void
test_events_of_a_migration(void **state)
{
    static const Case first[] = {
        {VR_PHASE_CHECKING, NULL, NULL, BEGINS},
        {VR_PHASE_FITTING, NULL, NULL, BEGINS},
        {VR_PHASE_MIGRATING, NULL, "vm1  h1 → h3  migrating", BEGINS},
        {VR_PHASE_ABORTING, "vm1 does not converge",
         "vm1  h1 → h3  aborting: vm1 does not converge", BAD},
        {VR_PHASE_OBSERVING, NULL, NULL, BEGINS},
        {VR_PHASE_DEFERRED, "vm1 runs on h1 as before: why",
         "vm1  h1 → h3  again in 0 ms: vm1 runs on h1 as before: why", BAD},
        {VR_PHASE_CHECKING, NULL, NULL, BEGINS},
        {VR_PHASE_FITTING, NULL, NULL, BEGINS},
        {VR_PHASE_MIGRATING, NULL, "vm1  h1 → h3  migrating, attempt 2", BEGINS},
        {VR_PHASE_OBSERVING, NULL, NULL, BEGINS},
    };
    static const Case last[] = {
        {VR_PHASE_SETTLED, NULL,
         "vm1  h1 → h3  76 MiB in 900 ms, downtime 61 ms, attempt 2  settled", RESULT},
        {VR_PHASE_OBSERVING, "a definition of vm1 is on h1 again",
         "vm1  h1 → h3  a definition of vm1 is on h1 again", BAD},
    };
    g_autoptr(VrRollout) rollout = fixture_rollout();
    guint index = fixture_find(rollout, VR_STEP_MIGRATE, "vm1");
    (void)state;

    check(rollout, index, first, G_N_ELEMENTS(first));
    measure(rollout, index);
    check(rollout, index, last, G_N_ELEMENTS(last));
}

/* People look the word up; the sentence and what to do are in the reason. */
static void
test_events_of_a_failure_end_in_its_word(void **state)
{
    static const VrPhase until[] = {VR_PHASE_CHECKING, VR_PHASE_FITTING, VR_PHASE_MIGRATING,
                                    VR_PHASE_OBSERVING};
    g_autoptr(VrRollout) rollout = fixture_rollout();
    guint vm = fixture_find(rollout, VR_STEP_MIGRATE, "vm1");
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(until); i++)
        vr_event_free(fixture_enter(rollout, vm, until[i], 1, NULL));
    g_autoptr(VrEvent) deferred = fixture_fail(rollout, vm, VR_PHASE_DEFERRED, 2,
                                               VR_FAILURE_VM_BUSY, "vm1 runs on h1 as before: why");
    g_auto(VrEventLine) line = vr_render_event(rollout, deferred, VR_PHASE_OBSERVING);
    assert_string_equal(line.text, "vm1  h1 → h3  again in 15 min: vm1 runs on h1 as before: why "
                                   "[vm-busy]");
    assert_true(line.is_bad);
    g_autoptr(VrEvent) asking = fixture_fail(rollout, vm, VR_PHASE_NEEDS_OPERATOR, 3,
                                             VR_FAILURE_NAME_TAKEN, "vm1 runs on h1: why");
    g_auto(VrEventLine) asked = vr_render_event(rollout, asking, VR_PHASE_DEFERRED);
    assert_string_equal(asked.text, "NEEDS A PERSON: vm1 runs on h1: why [name-taken]");
}

static void
test_events_of_a_gate(void **state)
{
    static const Case cases[] = {
        {VR_PHASE_WATCHING, NULL, "h3  gate of 5 s: h2 is kept as it is", BEGINS},
        {VR_PHASE_LOOKING, NULL, NULL, BEGINS},
        {VR_PHASE_PASSED, NULL, "h3  gate passed: h2 may be updated", RESULT},
    };
    g_autoptr(VrRollout) rollout = fixture_rollout();
    (void)state;

    check(rollout, fixture_find(rollout, VR_STEP_GATE, "h3"), cases, G_N_ELEMENTS(cases));
}

static void
test_live_lines_stay_within_the_width(void **state)
{
    static const Case cases[] = {{VR_PHASE_CHECKING, NULL, NULL, BEGINS},
                                 {VR_PHASE_FITTING, NULL, NULL, BEGINS},
                                 {VR_PHASE_MIGRATING, NULL, "vm1  h1 → h3  migrating", BEGINS}};
    static const guint widths[] = {40, 79, 99, 159};
    VrMigrationProgress progress = {.data_total_mib = 100,
                                    .data_remaining_mib = 26,
                                    .rate_mib_per_s = 61,
                                    .dirty_mib_per_s = 4,
                                    .downtime_ms = 60};
    g_autoptr(VrRollout) rollout = fixture_rollout();
    g_autoptr(GHashTable) table = g_hash_table_new(NULL, NULL);
    guint index = fixture_find(rollout, VR_STEP_MIGRATE, "vm1");
    (void)state;

    check(rollout, index, cases, G_N_ELEMENTS(cases));
    g_hash_table_insert(table, GUINT_TO_POINTER(index + 1), &progress);
    for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
        g_autoptr(GPtrArray) lines = vr_render_live(rollout, table, rollout->now_us, widths[i]);
        assert_int_equal(lines->len, 2);
        for (guint k = 0; k < lines->len; k++)
            assert_true(vr_text_width(g_ptr_array_index(lines, k)) <= widths[i]);
    }
    g_autoptr(GPtrArray) lines = vr_render_live(rollout, table, rollout->now_us, 99);
    assert_string_equal(g_ptr_array_index(lines, 0),
                        "▸ vm1        h1 → h3   ███████░░░   74 %  61 MiB/s  26 MiB left  downtime "
                        "~60 ms  dirty 4 MiB/s");
    assert_true(
        g_str_has_prefix(g_ptr_array_index(lines, 1),
                         "  all  ░░░░░░░░░░░░░░░░░░░░  0 of 3 hosts, 0 of 3 VMs  ends about "
                         "12:00:"));
}

static void
test_live_lines_of_a_host_that_is_drained(void **state)
{
    static const VrPhase closing[] = {VR_PHASE_CLOSING, VR_PHASE_COMPARING, VR_PHASE_CLOSED};
    VrMigrationProgress progress = {.data_total_mib = -1, .data_remaining_mib = -1};
    g_autoptr(VrRollout) rollout = fixture_rollout();
    g_autoptr(GHashTable) table = g_hash_table_new(NULL, NULL);
    guint host = fixture_find(rollout, VR_STEP_UPDATE, "h1");
    guint vm = fixture_find(rollout, VR_STEP_MIGRATE, "vm1");
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(closing); i++)
        vr_event_free(fixture_enter(rollout, host, closing[i], 1, NULL));
    vr_event_free(fixture_enter(rollout, vm, VR_PHASE_CHECKING, 1, NULL));
    vr_event_free(fixture_enter(rollout, vm, VR_PHASE_FITTING, 1, NULL));
    vr_event_free(fixture_enter(rollout, vm, VR_PHASE_MIGRATING, 1, NULL));
    g_hash_table_insert(table, GUINT_TO_POINTER(vm + 1), &progress);
    g_autoptr(GPtrArray) lines = vr_render_live(rollout, table, rollout->now_us, 99);
    assert_int_equal(lines->len, 3);
    assert_string_equal(g_ptr_array_index(lines, 0), "▸ vm1        h1 → h3   preparing the target");
    assert_string_equal(g_ptr_array_index(lines, 1), "▸ h1         draining  0 of 1 VMs gone");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_an_update),
        cmocka_unit_test(test_event_of_an_updated_host_says_what_changed),
        cmocka_unit_test(test_events_of_a_migration),
        cmocka_unit_test(test_events_of_a_failure_end_in_its_word),
        cmocka_unit_test(test_events_of_a_gate),
        cmocka_unit_test(test_live_lines_stay_within_the_width),
        cmocka_unit_test(test_live_lines_of_a_host_that_is_drained),
    };

    g_setenv("TZ", "UTC", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
