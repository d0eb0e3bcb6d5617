/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "small-fleet.h"

/* Three hosts, h3 empty, one VM each on the others, a gate. */
static VrPlan *
make_plan(gint64 resident_mib, const char *host_of_second)
{
    g_autoptr(VrInventory) inventory = vr_inventory_new();
    g_autoptr(VrPolicy) policy = vr_policy_new();

    add_host(inventory, "h1");
    add_host(inventory, "h2");
    add_host(inventory, "h3");
    add_vm(inventory, 1, "h1", 4000)->resident_mib = resident_mib;
    add_vm(inventory, 2, host_of_second, 5000);
    policy->limits.gate_s = 60;
    return compute(inventory, policy, NULL);
}

static char *
replace(const char *text, const char *old, const char *new)
{
    g_auto(GStrv) parts = g_strsplit(text, old, 2);

    assert_int_equal(g_strv_length(parts), 2);
    return g_strjoinv(new, parts);
}

static void
test_plan_json_round_trip_keeps_the_plan(void **state G_GNUC_UNUSED)
{
    g_autoptr(VrPlan) plan = make_plan(2000, "h2");
    g_autofree char *text = vr_plan_format(plan);
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPlan) parsed = vr_plan_parse(text, strlen(text), "plan.json", &error);

    assert_null(error);
    g_autofree char *again = vr_plan_format(parsed);
    assert_string_equal(again, text);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void
test_plan_json_digest_is_about_what_is_done_not_when(void **state G_GNUC_UNUSED)
{
    g_autoptr(VrPlan) plan = make_plan(2000, "h2");
    g_autoptr(VrPlan) remeasured = make_plan(2200, "h2");
    g_autoptr(VrPlan) other = make_plan(2000, "h1");

    assert_int_not_equal(plan->summary.exposure_vm_ms, remeasured->summary.exposure_vm_ms);
    assert_string_equal(plan->digest, remeasured->digest);
    assert_string_not_equal(plan->digest, other->digest);

    VrPlanStep *step = g_ptr_array_index(plan->steps, 1);
    char *target = step->target;
    step->target = step->source;
    g_autofree char *digest = vr_plan_compute_digest(plan);
    assert_string_not_equal(digest, remeasured->digest);
    step->target = target;

    step->extra = TRUE;
    g_autofree char *extra = vr_plan_compute_digest(plan);
    assert_string_not_equal(extra, remeasured->digest);
    step->extra = FALSE;
    g_array_set_size(step->after, 0);
    g_autofree char *order = vr_plan_compute_digest(plan);
    assert_string_not_equal(order, remeasured->digest);
}

static void
test_plan_json_refuses_what_is_no_plan(void **state G_GNUC_UNUSED)
{
    static const struct {
        const char *old, *new, *message;
    } cases[] = {
        {"\"h3\"", "\"h2\"", "does not match the steps"},
        {"virt-roll-plan/1", "virt-roll-plan/2", "virt-roll-plan/1"},
        {"\"id\":2", "\"id\":7", "id"},
        {"\"after\":[1]", "\"after\":[2]", "must ascend"},
        {"\"after\":[1]", "\"after\":[1,1]", "must ascend"},
        {"\"after\":[1]", "\"after\":[\"1\"]", "step ids only"},
        {"\"after\":[1]", "\"after\":1", "an array of step ids"},
        {"\"kind\":\"gate\"", "\"kind\":\"wait\"", "kind"},
        {"\"rate_mib_per_s\"", "\"rate\"", "rate_mib_per_s"},
        {"\"steps\"", "\"stops\"", "steps"},
        {"\"summary\"", "\"sum\"", "summary"},
        {"\"level\"", "\"lever\"", "level"},
        {"{", "", "plan.json"},
    };
    g_autoptr(VrPlan) plan = make_plan(2000, "h2");
    g_autofree char *text = vr_plan_format(plan);

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *wrong = replace(text, cases[i].old, cases[i].new);
        g_autoptr(GError) error = NULL;
        g_autoptr(VrPlan) parsed = vr_plan_parse(wrong, strlen(wrong), "plan.json", &error);
        if (parsed != NULL || !g_error_matches(error, VR_ERROR, VR_ERROR_INVALID) ||
            strstr(error->message, cases[i].message) == NULL)
            fail_msg("case %u: %s", i, error != NULL ? error->message : "accepted");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_json_round_trip_keeps_the_plan),
        cmocka_unit_test(test_plan_json_digest_is_about_what_is_done_not_when),
        cmocka_unit_test(test_plan_json_refuses_what_is_no_plan),
    };

    return cmocka_run_group_tests_name("plan/plan-json", tests, NULL, NULL);
}
