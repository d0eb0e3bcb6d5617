/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every plan promises, on generated fleets. PROP_SEED and PROP_FLEETS choose others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>
#include <virt-roll/plan.h>

#include "fleet-generator.h"
#include "plan-check.h"

#define FLEETS 1000
#define REPLAYS 6

static const VrPlanRequest request = {.update_level = "level-1"};

static guint32
first_seed(void)
{
    const char *text = g_getenv("PROP_SEED");

    return text != NULL ? (guint32)g_ascii_strtoull(text, NULL, 10) : 1;
}

static guint
fleet_count(void)
{
    const char *text = g_getenv("PROP_FLEETS");

    return text != NULL ? (guint)g_ascii_strtoull(text, NULL, 10) : FLEETS;
}

/* The plan of a seed's fleet, or NULL with the error. */
static VrPlan *
plan_of(guint32 seed, VrInventory **out_inventory, VrPolicy **out_policy, GError **error)
{
    *out_inventory = fleet_generate(seed);
    *out_policy = fleet_generate_policy(seed);
    return vr_planner_compute(*out_inventory, *out_policy, &request, error);
}

static void
prop_plan_keeps_every_rule_in_every_order(void **state G_GNUC_UNUSED)
{
    guint planned = 0, with_extras = 0, with_gates = 0, with_skips = 0, refused = 0;

    for (guint i = 0; i < fleet_count(); i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(VrInventory) inventory = NULL;
        g_autoptr(VrPolicy) policy = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(VrPlan) plan = plan_of(seed, &inventory, &policy, &error);
        if (plan == NULL) {
            if (!g_error_matches(error, VR_ERROR, VR_ERROR_CAPACITY) || policy->partial)
                fail_msg("seed %u: %s", seed, error->message);
            refused++;
            continue;
        }
        g_autofree char *broken = plan_check(inventory, policy, plan, seed, REPLAYS);
        if (broken != NULL)
            fail_msg("seed %u: %s", seed, broken);
        planned += plan->steps->len > 0;
        with_extras += plan->summary.extra_migrations > 0;
        with_skips += plan->skipped->len > 0;
        with_gates += policy->limits.gate_s > 0 || policy->limits.gate_canary_s > 0;
    }
    print_message("seeds %u to %u: %u planned, %u with extras, %u with gates, %u with hosts left "
                  "out, %u refused\n",
                  first_seed(), first_seed() + fleet_count() - 1, planned, with_extras, with_gates,
                  with_skips, refused);
    assert_true(planned * 2 > fleet_count());
    assert_true(with_extras * 20 > fleet_count() && with_gates * 4 > fleet_count());
}

static void
prop_plan_does_not_depend_on_order_of_input(void **state G_GNUC_UNUSED)
{
    for (guint i = 0; i < fleet_count() / 4; i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(VrInventory) inventory = NULL;
        g_autoptr(VrPolicy) policy = NULL;
        g_autoptr(GError) error = NULL, other_error = NULL;
        g_autoptr(VrPlan) plan = plan_of(seed, &inventory, &policy, &error);
        g_autoptr(VrInventory) shuffled = fleet_shuffle(inventory, seed);
        g_autoptr(VrPlan) other = vr_planner_compute(shuffled, policy, &request, &other_error);
        g_autofree char *text = plan != NULL ? vr_plan_format(plan) : g_strdup(error->message);
        g_autofree char *other_text =
            other != NULL ? vr_plan_format(other) : g_strdup(other_error->message);
        if (strcmp(text, other_text) != 0)
            fail_msg("seed %u: another order gives another plan", seed);
    }
}

static void
prop_parse_of_format_is_the_plan(void **state G_GNUC_UNUSED)
{
    for (guint i = 0; i < fleet_count() / 4; i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(VrInventory) inventory = NULL;
        g_autoptr(VrPolicy) policy = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(VrPlan) plan = plan_of(seed, &inventory, &policy, &error);
        if (plan == NULL)
            continue;
        g_autofree char *text = vr_plan_format(plan);
        g_autoptr(VrPlan) parsed = vr_plan_parse(text, strlen(text), "plan.json", &error);
        if (parsed == NULL)
            fail_msg("seed %u: %s", seed, error->message);
        g_autofree char *again = vr_plan_format(parsed);
        if (strcmp(text, again) != 0)
            fail_msg("seed %u: the plan changed on its way through text", seed);
    }
}

static void
prop_plan_of_finished_rollout_has_no_steps(void **state G_GNUC_UNUSED)
{
    for (guint i = 0; i < fleet_count() / 10; i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(VrInventory) inventory = fleet_generate(seed);
        g_autoptr(VrPolicy) policy = fleet_generate_policy(seed);
        g_autoptr(GError) error = NULL;
        for (guint h = 0; h < inventory->hosts->len; h++)
            ((VrHost *)g_ptr_array_index(inventory->hosts, h))->updated = VR_UPDATED_YES;
        g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
        assert_non_null(plan);
        assert_int_equal(plan->steps->len, 0);
        assert_int_equal(plan->skipped->len, 0);
        assert_int_equal(plan->summary.makespan_ms, 0);
    }
}

/* An empty host as large as any other takes every host in turn: nothing migrates twice. */
static void
prop_migrations_are_the_lower_bound_with_an_empty_host(void **state G_GNUC_UNUSED)
{
    g_autoptr(VrPolicy) policy = vr_policy_new();

    for (guint i = 0; i < fleet_count() / 4; i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(GError) error = NULL;
        g_autoptr(VrInventory) inventory =
            fleet_generate_uniform(seed, 2 + i % 20, 1 + i % 2, 300 + i % 650);
        g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
        if (plan == NULL)
            fail_msg("seed %u: %s", seed, error->message);
        if (plan->summary.migrations != plan->summary.migrations_lower_bound ||
            plan->summary.migrations != (gint64)inventory->vms->len)
            fail_msg("seed %u: %" G_GINT64_FORMAT " migrations for %u VMs", seed,
                     plan->summary.migrations, inventory->vms->len);
    }
}

/* With no empty host the fewest VMs step aside, and no more if there is room to spare. */
static void
prop_extras_are_the_lower_bound_without_an_empty_host(void **state G_GNUC_UNUSED)
{
    g_autoptr(VrPolicy) policy = vr_policy_new();

    for (guint i = 0; i < fleet_count() / 4; i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(GError) error = NULL;
        g_autoptr(VrInventory) inventory =
            fleet_generate_uniform(seed, 4 + i % 20, 0, 300 + i % 300);
        g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
        if (plan == NULL)
            fail_msg("seed %u: %s", seed, error->message);
        if (plan->summary.extra_migrations == 0 ||
            plan->summary.migrations != plan->summary.migrations_lower_bound)
            fail_msg("seed %u: %" G_GINT64_FORMAT " migrations, bound %" G_GINT64_FORMAT, seed,
                     plan->summary.migrations, plan->summary.migrations_lower_bound);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prop_plan_keeps_every_rule_in_every_order),
        cmocka_unit_test(prop_plan_does_not_depend_on_order_of_input),
        cmocka_unit_test(prop_parse_of_format_is_the_plan),
        cmocka_unit_test(prop_plan_of_finished_rollout_has_no_steps),
        cmocka_unit_test(prop_migrations_are_the_lower_bound_with_an_empty_host),
        cmocka_unit_test(prop_extras_are_the_lower_bound_without_an_empty_host),
    };

    return cmocka_run_group_tests_name("planner properties", tests, NULL, NULL);
}
