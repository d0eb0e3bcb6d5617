/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a person sees of a plan that may be revised, and of one that was. */
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

#define AT_US(second) (FIXTURE_START_US + (second)*G_USEC_PER_SEC)

/* h3 is updated; when h1 was closed a VM ran there that the plan does not know. */
static VrRollout *
asked_about_a_vm(void)
{
    VrRollout *rollout = fixture_rollout();
    guint h1 = fixture_find(rollout, VR_STEP_UPDATE, "h1");

    fixture_update(rollout, "h3", 10);
    vr_event_free(fixture_enter(rollout, h1, VR_PHASE_CLOSING, 20, NULL));
    vr_event_free(fixture_enter(rollout, h1, VR_PHASE_COMPARING, 21, NULL));
    vr_event_free(fixture_enter(rollout, h1, VR_PHASE_NEEDS_OPERATOR, 22,
                                "h1 runs vm5, which the plan does not know"));
    vr_event_free(fixture_rollout_phase(rollout, VR_ROLLOUT_NEEDS_OPERATOR, 22,
                                        "h1 runs vm5, which the plan does not know"));
    return rollout;
}

/* As it is then: vm5 has come, and vm2 is gone. */
static VrInventory *
scan_later(void)
{
    g_autoptr(VrInventory) before = fixture_inventory();
    VrInventory *scan = vr_inventory_new();
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < before->hosts->len; i++) {
        VrHost *host = vr_inventory_copy_host(scan, vr_inventory_host(before, i));
        if (strcmp(host->name, "h3") == 0)
            host->updated = VR_UPDATED_YES;
    }
    for (guint i = 0; i < before->vms->len; i++) {
        if (strcmp(vr_inventory_vm(before, i)->name, "vm2") != 0)
            vr_inventory_copy_vm(scan, vr_inventory_vm(before, i));
    }
    VrVm *vm = vr_inventory_add_vm(scan, "00000000-0000-4000-8000-000000000005", "vm5", "h1");
    vm->memory_mib = vm->resident_mib = 1024;
    vm->vcpus = 1;
    assert_true(vr_inventory_seal(scan, &error));
    return scan;
}

static VrRevision *
plan_anew(const VrRollout *rollout, const char *skip)
{
    g_autoptr(VrInventory) scan = scan_later();
    g_autoptr(GError) error = NULL;
    VrRevision *revision =
        vr_revision_new(rollout, scan, skip, "its disk is bad", AT_US(30), &error);

    if (revision == NULL)
        fail_msg("%s", error->message);
    return revision;
}

static void
test_revision_difference_names_vms_and_counts(void **state)
{
    g_autoptr(VrRollout) rollout = asked_about_a_vm();
    g_autoptr(VrRevision) revision = plan_anew(rollout, NULL);
    g_autofree char *text = vr_render_revision(rollout, revision, AT_US(30), 100);
    (void)state;

    assert_non_null(strstr(text, "A new plan for what is left of rollout " FIXTURE_ID ":\n"));
    assert_non_null(strstr(text, "  vm2 is gone\n"));
    assert_non_null(strstr(text, "  vm5 goes from h1 to "));
    assert_non_null(strstr(text, "2 host updates left, as before; 3 migrations left, as before; "));
    assert_non_null(strstr(text, "  ends about 2026-11-22 12:0"));
}

static void
test_revision_difference_names_the_host_that_is_left_out(void **state)
{
    g_autoptr(VrRollout) rollout = asked_about_a_vm();
    g_autoptr(VrRevision) revision = plan_anew(rollout, "h1");
    g_autofree char *text = vr_render_revision(rollout, revision, AT_US(30), 100);
    (void)state;

    assert_non_null(strstr(text, "  h1 is left out (skipped): a person left it out: its disk is "
                                 "bad\n"));
    assert_non_null(strstr(text, "  vm1 stays where it is (it was to go to "));
    assert_non_null(strstr(text, "1 host update left, it was 2; 1 migration left, it was 3"));
}

static void
test_revision_difference_as_json(void **state)
{
    g_autoptr(VrRollout) rollout = asked_about_a_vm();
    g_autoptr(VrRevision) revision = plan_anew(rollout, "h1");
    g_autofree char *doubt = vr_revision_find_doubt(rollout, revision);
    g_autofree char *text = vr_render_revision_json(rollout, revision, doubt, AT_US(30));
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = vr_json_parse(text, strlen(text), "diff", &error);
    (void)state;

    assert_null(error);
    JsonObject *diff = json_node_get_object(root);
    assert_string_equal(json_object_get_string_member(diff, "format"), "virt-roll-diff/1");
    assert_string_equal(json_object_get_string_member(diff, "plan_digest_before"),
                        rollout->basis->plan->digest);
    assert_true(json_object_get_boolean_member(diff, "needs_approval"));
    assert_int_equal(json_array_get_length(json_object_get_array_member(diff, "hosts")), 1);
    assert_int_equal(json_array_get_length(json_object_get_array_member(diff, "vms")), 2);
    assert_int_equal(json_object_get_int_member(diff, "migrations_left"), 1);
    assert_int_equal(json_object_get_int_member(diff, "migrations_left_before"), 3);
}

static void
test_revision_is_named_by_status_where_it_helps(void **state)
{
    g_autoptr(VrRollout) rollout = asked_about_a_vm();
    VrStatusView view = {rollout, FALSE, "virt-roll", AT_US(30), NULL};
    g_autofree char *text = vr_render_status(&view, 100);
    (void)state;

    assert_non_null(strstr(text, "Next:  virt-roll rollout replan   (plans anew what is left"));
}

/* What was superseded counts nowhere, but a host that it has closed is still closed. */
static void
test_revision_once_made_is_what_counts(void **state)
{
    g_autoptr(VrRollout) rollout = asked_about_a_vm();
    g_autoptr(VrRevision) revision = plan_anew(rollout, "h1");
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func((GDestroyNotify)vr_event_free);
    g_autoptr(GError) error = NULL;
    VrInput input = {
        .kind = VR_INPUT_REVISE,
        .at_us = AT_US(31),
        .text = "its disk is bad",
        .plan = revision->planned,
        .inventory = revision->scope,
    };
    (void)state;

    vr_rollout_decide(rollout, &input, events);
    for (guint i = 0; i < events->len; i++)
        assert_true(vr_rollout_apply(rollout, g_ptr_array_index(events, i), &error));
    VrTally tally = vr_tally_count(rollout);
    assert_int_equal(tally.hosts_to_update, 2);
    assert_int_equal(tally.hosts_updated, 1);
    assert_int_equal(tally.vms_to_migrate, 1);
    assert_int_equal(tally.needs_operator, 0);
    assert_int_equal(tally.hosts_left_out, 2); /* h4 cannot be emptied */

    VrStatusView view = {rollout, FALSE, "virt-roll", AT_US(40), NULL};
    g_autofree char *text = vr_render_status(&view, 100);
    assert_non_null(strstr(text, "Still changed: h1 is closed to guests (comparing)\n"));
    g_autofree char *report = vr_render_report(&view, 100);
    assert_non_null(strstr(report, "Left out: h1 (skipped)"));
    assert_null(strstr(report, "superseded"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revision_difference_names_vms_and_counts),
        cmocka_unit_test(test_revision_difference_names_the_host_that_is_left_out),
        cmocka_unit_test(test_revision_difference_as_json),
        cmocka_unit_test(test_revision_is_named_by_status_where_it_helps),
        cmocka_unit_test(test_revision_once_made_is_what_counts),
    };

    g_setenv("TZ", "UTC", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
