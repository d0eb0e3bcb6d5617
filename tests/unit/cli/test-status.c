/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"
#include "cli/render.h"
#include "rollout-fixture.h"

static VrStatusView
view_of(const VrRollout *rollout, gboolean is_alive, gint64 second)
{
    return (VrStatusView){rollout, is_alive, "virt-roll --state s",
                          FIXTURE_START_US + second * G_USEC_PER_SEC, NULL};
}

static void
test_status_before_the_first_rollout(void **state)
{
    g_autoptr(VrRollout) rollout = vr_rollout_new();
    VrStatusView view = view_of(rollout, FALSE, 0);
    g_autofree char *text = vr_render_status(&view, 80);
    (void)state;

    assert_string_equal(text,
                        "There has been no rollout yet.\n"
                        "Next:  virt-roll --state s run   (plans a rollout, shows it, asks)\n");
}

static void
enter_all(VrRollout *rollout, guint index, const VrPhase *phases, guint count)
{
    for (guint i = 0; i < count; i++)
        vr_event_free(fixture_enter(rollout, index, phases[i], 20, NULL));
}

/* h3 is updated, h1 closed, and its VM under way. */
static VrRollout *
in_the_middle(void)
{
    static const VrPhase closing[] = {VR_PHASE_CLOSING, VR_PHASE_COMPARING, VR_PHASE_CLOSED};
    static const VrPhase migrating[] = {VR_PHASE_CHECKING, VR_PHASE_FITTING, VR_PHASE_MIGRATING};
    VrRollout *rollout = fixture_rollout();

    fixture_update(rollout, "h3", 10);
    enter_all(rollout, fixture_find(rollout, VR_STEP_UPDATE, "h1"), closing, 3);
    enter_all(rollout, fixture_find(rollout, VR_STEP_MIGRATE, "vm1"), migrating, 3);
    return rollout;
}

static void
test_status_of_a_running_rollout(void **state)
{
    g_autoptr(VrRollout) rollout = in_the_middle();
    VrStatusView view = view_of(rollout, TRUE, 21);
    g_autofree char *text = vr_render_status(&view, 80);
    (void)state;

    assert_non_null(strstr(text, "RUNNING, since 2026-11-22 12:00:00 (21 s)\n"
                                 "  1 of 3 hosts updated, 0 of 3 VMs migrated, 1 migration in "
                                 "flight\n  ends about 2026-11-22 12:00:"));
    assert_non_null(strstr(text, "  Still changed: vm1 is between h1 and h3 (migrating)\n"
                                 "  Still changed: h1 is closed to guests (closed)\n"
                                 "Next:  wait; Ctrl-C where it runs finishes what is in flight and "
                                 "stops\n"));
}

static void
test_status_without_a_controller_tells_how_to_go_on(void **state)
{
    g_autoptr(VrRollout) rollout = in_the_middle();
    VrStatusView view = view_of(rollout, FALSE, 80);
    g_autofree char *text = vr_render_status(&view, 80);
    (void)state;

    assert_non_null(strstr(text, "CUT OFF: its controller is gone, last heard of 2026-11-22 "
                                 "12:00:20 (1 min)\n"));
    assert_non_null(strstr(text, "Next:  virt-roll --state s run   (finds out how everything "
                                 "ended, goes on)\n"));
}

static VrRollout *
with_stuck_host(void)
{
    static const VrPhase phases[] = {VR_PHASE_CLOSING,      VR_PHASE_COMPARING, VR_PHASE_CLOSED,
                                     VR_PHASE_FACTS_BEFORE, VR_PHASE_ASSESSING, VR_PHASE_PREPARING,
                                     VR_PHASE_PROVING,      VR_PHASE_APPLYING};
    VrRollout *rollout = fixture_rollout();
    guint h3 = fixture_find(rollout, VR_STEP_UPDATE, "h3");

    enter_all(rollout, h3, phases, G_N_ELEMENTS(phases));
    vr_event_free(fixture_enter(rollout, h3, VR_PHASE_NEEDS_OPERATOR, 30,
                                "h3: stage apply failed with exit status 1"));
    vr_event_free(fixture_rollout_phase(rollout, VR_ROLLOUT_NEEDS_OPERATOR, 30,
                                        "h3: stage apply failed with exit status 1"));
    return rollout;
}

static void
test_status_of_a_host_that_needs_a_person(void **state)
{
    g_autoptr(VrRollout) rollout = with_stuck_host();
    VrStatusView view = view_of(rollout, FALSE, 90);
    g_autofree char *text = vr_render_status(&view, 80);
    (void)state;

    assert_string_equal(
        text, "Rollout 20261122-120000-lab   update: level-2\n"
              "NEEDS A PERSON, since 2026-11-22 12:00:30 (1 min)\n"
              "  h3: stage apply failed with exit status 1 (for 1 min, was applying)\n"
              "  0 of 3 hosts updated, 0 of 3 VMs migrated, 0 migrations in flight\n"
              "  Still changed: h3 is down for its update (applying)\n"
              "Next:  virt-roll --state s rollout retry h3   (once you have looked at it: what "
              "ended badly there runs again)\n");
}

/* It is no longer under way, and nobody need do anything: but people want to know. */
static void
test_status_tells_what_is_deferred_and_until_when(void **state)
{
    g_autoptr(VrRollout) rollout = in_the_middle();
    guint vm = fixture_find(rollout, VR_STEP_MIGRATE, "vm1");
    VrStatusView view = view_of(rollout, TRUE, 90);
    g_autoptr(GError) error = NULL;
    (void)state;

    vr_event_free(fixture_enter(rollout, vm, VR_PHASE_OBSERVING, 20, NULL));
    vr_event_free(fixture_fail(rollout, vm, VR_PHASE_DEFERRED, 30, VR_FAILURE_BLOCK_JOB, "vm1: x"));
    g_autofree char *text = vr_render_status(&view, 80);
    assert_non_null(strstr(text, "  vm1: x [block-job] (again in 14 min)\n"));
    assert_non_null(strstr(text, "0 migrations in flight"));
    g_autofree char *json = vr_render_status_json(&view);
    g_autoptr(JsonNode) root = vr_json_parse(json, strlen(json), "status", &error);
    JsonObject *deferred = json_array_get_object_element(
        json_object_get_array_member(json_node_get_object(root), "deferred"), 0);
    assert_string_equal(json_object_get_string_member(deferred, "failure"), "block-job");
    assert_string_equal(json_object_get_string_member(deferred, "failure_class"), "defer");
    assert_string_equal(json_object_get_string_member(deferred, "again_at"),
                        "2026-11-22T12:15:30Z");
}

static void
test_status_json_says_the_same(void **state)
{
    g_autoptr(VrRollout) rollout = with_stuck_host();
    VrStatusView view = view_of(rollout, FALSE, 90);
    g_autofree char *text = vr_render_status_json(&view);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = vr_json_parse(text, strlen(text), "status", &error);
    (void)state;

    assert_null(error);
    JsonObject *status = json_node_get_object(root);
    assert_string_equal(json_object_get_string_member(status, "format"), "virt-roll-status/1");
    assert_string_equal(json_object_get_string_member(status, "phase"), "needs-operator");
    assert_false(json_object_get_boolean_member(status, "controller_alive"));
    JsonObject *waiting =
        json_array_get_object_element(json_object_get_array_member(status, "needs_operator"), 0);
    assert_string_equal(json_object_get_string_member(waiting, "host"), "h3");
    assert_string_equal(json_object_get_string_member(waiting, "phase"), "applying");
    assert_string_equal(json_object_get_string_member(waiting, "since"), "2026-11-22T12:00:30Z");
}

static void
test_status_json_before_the_first_rollout(void **state)
{
    g_autoptr(VrRollout) rollout = vr_rollout_new();
    VrStatusView view = view_of(rollout, FALSE, 0);
    g_autofree char *text = vr_render_status_json(&view);
    (void)state;

    assert_string_equal(
        text,
        "{\"alerts\":[],\"controller_alive\":false,\"deferred\":[],\"ended_at\":null,\"format\":"
        "\"virt-roll-status/1\",\"health\":[],\"last_event_at\":null,\"needs_operator\":[],"
        "\"next\":\"virt-roll --state s run\","
        "\"phase\":\"none\",\"reason\":null,\"rollout\":null,"
        "\"silent_hosts\":[],\"started_at\":"
        "null,\"still_changed\":[]}\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_before_the_first_rollout),
        cmocka_unit_test(test_status_of_a_running_rollout),
        cmocka_unit_test(test_status_without_a_controller_tells_how_to_go_on),
        cmocka_unit_test(test_status_of_a_host_that_needs_a_person),
        cmocka_unit_test(test_status_tells_what_is_deferred_and_until_when),
        cmocka_unit_test(test_status_json_says_the_same),
        cmocka_unit_test(test_status_json_before_the_first_rollout),
    };

    g_setenv("TZ", "UTC", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
