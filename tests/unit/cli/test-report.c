/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "cli/render.h"
#include "cli/tally.h"
#include "rollout-fixture.h"

static VrStatusView
view_of(const VrRollout *rollout)
{
    return (VrStatusView){rollout, FALSE, "virt-roll", rollout->now_us, NULL};
}

static char *
render(const VrRollout *rollout)
{
    VrStatusView view = view_of(rollout);

    return vr_render_report(&view, 80);
}

static char *
render_json(const VrRollout *rollout)
{
    VrStatusView view = view_of(rollout);

    return vr_render_report_json(&view);
}

static void
test_report_of_a_whole_rollout(void **state)
{
    g_autoptr(VrRollout) rollout = fixture_done();
    g_autofree char *text = render(rollout);
    (void)state;

    assert_string_equal(
        text, "Rollout 20261122-120000-lab   update: level-2\n"
              "Hosts\n"
              "  h3  updated: level level-1 → level-2, boot id 3e1f0000 → b07a0000, kernel\n"
              "      6.1.0-1 → 6.1.0-2\n"
              "  h2  updated: level level-1 → level-2, boot id 3e1f0000 → b07a0000, kernel\n"
              "      6.1.0-1 → 6.1.0-2\n"
              "  h1  updated: level level-1 → level-2, boot id 3e1f0000 → b07a0000, kernel\n"
              "      6.1.0-1 → 6.1.0-2\n"
              "Migrations              took    downtime\n"
              "  vm2  h2 → h3         1.9 s      118 ms  settled\n"
              "  vm3  h2 → h3         1.9 s       61 ms  settled\n"
              "  vm1  h1 → h3         1.9 s       61 ms  settled\n"
              "Left out: h4 (unmovable-vm): VM 'vm4' cannot be migrated (has a host device):\n"
              "shut it off or make it movable, then plan again\n"
              "Done in 1 min (forecast 39 s).   3 of 3 hosts updated, 3 of 3 VMs migrated with 3 "
              "migrations.\n"
              "Longest downtime reported: 118 ms (vm2).\n");
}

static void
test_report_of_a_rollout_cut_short(void **state)
{
    g_autoptr(VrRollout) rollout = fixture_rollout();
    (void)state;

    fixture_update(rollout, "h3", 10);
    vr_event_free(fixture_rollout_phase(rollout, VR_ROLLOUT_STOPPED, 11, "Ctrl-C or a signal"));
    g_autofree char *text = render(rollout);
    assert_non_null(strstr(text, "  h1  waits\n"));
    assert_non_null(strstr(text,
                           "Stopped after 11 s, goes on later.   1 of 3 hosts updated, 0 of 3 "
                           "VMs migrated with 0 migrations.\n  Ctrl-C or a signal\n"));
    assert_null(strstr(text, "Migrations"));
}

static JsonObject *
member(JsonObject *object, const char *list, guint index)
{
    return json_array_get_object_element(json_object_get_array_member(object, list), index);
}

static void
test_report_json_has_all_that_the_text_has(void **state)
{
    g_autoptr(VrRollout) rollout = fixture_done();
    g_autofree char *text = render_json(rollout);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = vr_json_parse(text, strlen(text), "report", &error);
    (void)state;

    assert_null(error);
    assert_true(g_str_has_suffix(text, "}\n"));
    JsonObject *report = json_node_get_object(root);
    assert_string_equal(json_object_get_string_member(report, "format"), "virt-roll-report/1");
    assert_string_equal(json_object_get_string_member(report, "phase"), "done");
    assert_string_equal(json_object_get_string_member(report, "ended_at"), "2026-11-22T12:01:00Z");
    JsonObject *summary = json_object_get_object_member(report, "summary");
    assert_int_equal(json_object_get_int_member(summary, "vms_migrated"), 3);
    assert_int_equal(json_object_get_int_member(summary, "hosts_left_out"), 1);
    assert_int_equal(json_object_get_int_member(summary, "downtime_ms_max"), 118);
    assert_int_equal(json_object_get_int_member(summary, "duration_ms"), 60000);
    JsonObject *facts = json_object_get_object_member(member(report, "hosts", 0), "facts_after");
    assert_string_equal(json_object_get_string_member(facts, "kernel"), "6.1.0-2");
    JsonObject *migration = member(report, "migrations", 0);
    assert_string_equal(json_object_get_string_member(migration, "vm"), "vm2");
    assert_int_equal(json_object_get_int_member(migration, "downtime_ms"), 118);
    assert_true(json_object_get_null_member(migration, "last_error"));
    assert_string_equal(json_object_get_string_member(member(report, "skipped", 0), "host"), "h4");
}

static void
test_report_names_the_failure_of_a_migration(void **state)
{
    static const VrPhase until[] = {VR_PHASE_CHECKING, VR_PHASE_FITTING, VR_PHASE_MIGRATING,
                                    VR_PHASE_OBSERVING};
    g_autoptr(VrRollout) rollout = fixture_rollout();
    guint vm = fixture_find(rollout, VR_STEP_MIGRATE, "vm1");
    g_autoptr(GError) error = NULL;
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(until); i++)
        vr_event_free(fixture_enter(rollout, vm, until[i], 1, NULL));
    vr_event_free(fixture_fail(rollout, vm, VR_PHASE_FAILED, 2, VR_FAILURE_LINK_LOST, "vm1: x"));
    g_autofree char *text = render(rollout);
    assert_non_null(strstr(text, "\n  vm1: x [link-lost]\n"));
    g_autofree char *json = render_json(rollout);
    g_autoptr(JsonNode) root = vr_json_parse(json, strlen(json), "report", &error);
    JsonArray *migrations = json_object_get_array_member(json_node_get_object(root), "migrations");
    guint found = 0;
    for (guint i = 0; i < json_array_get_length(migrations); i++) {
        JsonObject *migration = json_array_get_object_element(migrations, i);
        gboolean failed = strcmp(json_object_get_string_member(migration, "vm"), "vm1") == 0;
        assert_int_equal(json_object_get_null_member(migration, "failure"), !failed);
        if (failed)
            assert_string_equal(json_object_get_string_member(migration, "failure_class"), "retry");
        found += failed;
    }
    assert_int_equal(found, 1);
}

/* A stage may print what it likes, a name twice too. */
static void
test_report_json_survives_any_facts(void **state)
{
    g_autoptr(VrRollout) rollout = fixture_rollout();
    g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_HOST_FACTS, FIXTURE_START_US);
    g_autoptr(GError) error = NULL;
    (void)state;

    event->step = fixture_find(rollout, VR_STEP_UPDATE, "h3") + 1;
    event->phase = VR_PHASE_FACTS_BEFORE;
    event->text = g_strdup("noise\n=x\nkernel= 6 \nkernel=7\nq=\"\\=\n\n");
    assert_true(vr_rollout_apply(rollout, event, &error));
    g_autofree char *text = render_json(rollout);
    g_autoptr(JsonNode) root = vr_json_parse(text, strlen(text), "report", &error);
    assert_null(error);
    JsonObject *facts = json_object_get_object_member(
        member(json_node_get_object(root), "hosts", 0), "facts_before");
    assert_int_equal(json_object_get_size(facts), 2);
    assert_string_equal(json_object_get_string_member(facts, "kernel"), "6");
    assert_string_equal(json_object_get_string_member(facts, "q"), "\"\\=");
}

static void
test_exit_status_follows_the_phase(void **state)
{
    static const struct {
        VrRolloutPhase phase;
        int status;
    } cases[] = {
        {VR_ROLLOUT_DONE, 6},   {VR_ROLLOUT_NEEDS_OPERATOR, 5}, {VR_ROLLOUT_STOPPED, 7},
        {VR_ROLLOUT_FAILED, 1}, {VR_ROLLOUT_CLOSED, 1},         {VR_ROLLOUT_RUNNING, 7},
    };
    g_autoptr(VrRollout) rollout = fixture_rollout();
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        vr_event_free(fixture_rollout_phase(rollout, cases[i].phase, 1, NULL));
        assert_int_equal(vr_tally_exit_status(rollout), cases[i].status);
    }
    g_ptr_array_set_size(rollout->basis->plan->skipped, 0);
    vr_event_free(fixture_rollout_phase(rollout, VR_ROLLOUT_DONE, 2, NULL));
    assert_int_equal(vr_tally_exit_status(rollout), 0);
}

static void
test_forecast_moves_with_what_has_happened(void **state)
{
    g_autoptr(VrRollout) rollout = fixture_rollout();
    gint64 planned_us = rollout->basis->plan->summary.makespan_ms * 1000;
    gint64 late_us = FIXTURE_START_US + 100 * G_USEC_PER_SEC;
    (void)state;

    assert_int_equal(vr_tally_forecast_end_us(rollout, FIXTURE_START_US),
                     FIXTURE_START_US + planned_us);
    /* h3 was ready 20 s after the start instead of 10: all that follows is 10 s late. */
    fixture_update(rollout, "h3", 20);
    assert_int_equal(vr_tally_forecast_end_us(rollout, rollout->now_us),
                     FIXTURE_START_US + planned_us + 10 * G_USEC_PER_SEC);
    /* Stopped until now: nothing can have begun before. */
    assert_int_equal(vr_tally_forecast_end_us(rollout, late_us),
                     late_us + planned_us - 10 * G_USEC_PER_SEC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_of_a_whole_rollout),
        cmocka_unit_test(test_report_of_a_rollout_cut_short),
        cmocka_unit_test(test_report_json_has_all_that_the_text_has),
        cmocka_unit_test(test_report_names_the_failure_of_a_migration),
        cmocka_unit_test(test_report_json_survives_any_facts),
        cmocka_unit_test(test_exit_status_follows_the_phase),
        cmocka_unit_test(test_forecast_moves_with_what_has_happened),
    };

    g_setenv("TZ", "UTC", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
