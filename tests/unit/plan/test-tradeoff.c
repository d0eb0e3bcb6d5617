/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>
#include <virt-roll/tradeoff.h>

#include "synthetic-fleet.h"

static const VrPlanRequest request = {.update_level = "level-1"};

typedef struct {
    VrInventory *inventory;
    VrPolicy *policy;
    VrPlanQuestion question;
} Fixture;

static int
setup(void **state)
{
    Fixture *self = g_new0(Fixture, 1);
    SyntheticWish wish = SYNTHETIC_WISH;

    wish.host_count = 29; /* with one more, a tenth would be 3 */
    self->inventory = synthetic_fleet_generate(&wish);
    self->policy = vr_policy_new();
    self->question = (VrPlanQuestion){self->inventory, self->policy, &request};
    *state = self;
    return 0;
}

static int
teardown(void **state)
{
    Fixture *self = *state;

    vr_policy_free(self->policy);
    vr_inventory_free(self->inventory);
    g_free(self);
    return 0;
}

static VrPlan *
plan_under(const Fixture *self, gint64 permille)
{
    g_autoptr(VrPolicy) policy = vr_policy_copy(self->policy);
    g_autoptr(GError) error = NULL;

    policy->limits.extra_migrations_permille = permille;
    VrPlan *plan = vr_planner_compute(self->inventory, policy, &request, &error);
    assert_null(error);
    return plan;
}

static const VrLeverage *
find_lever(const GPtrArray *levers, VrLever lever)
{
    for (guint i = 0; i < levers->len; i++) {
        const VrLeverage *leverage = g_ptr_array_index(levers, i);
        if (leverage->lever == lever)
            return leverage;
    }
    return NULL;
}

static void
test_tradeoff_levers_shorten_the_plan_strongest_first(void **state)
{
    const Fixture *self = *state;
    g_autoptr(VrPlan) plan = plan_under(self, 0);
    g_autoptr(GPtrArray) levers = vr_tradeoff_levers(&self->question, plan);
    gint64 before_ms = 0;

    assert_true(levers->len >= 3);
    for (guint i = 0; i < levers->len; i++) {
        const VrLeverage *leverage = g_ptr_array_index(levers, i);
        assert_true(leverage->makespan_ms < plan->summary.makespan_ms);
        assert_true(leverage->makespan_ms >= before_ms);
        before_ms = leverage->makespan_ms;
    }
    assert_non_null(find_lever(levers, VR_LEVER_EMPTY_HOST));
    assert_null(find_lever(levers, VR_LEVER_GATE)); /* there is none to shorten */
}

/* Halving the gate is planning with half the gate: nothing else may differ. */
static void
test_tradeoff_lever_changes_one_thing_only(void **state)
{
    Fixture *self = *state;
    g_autoptr(GError) error = NULL;

    self->policy->limits.gate_s = 600;
    g_autoptr(VrPlan) plan = plan_under(self, 0);
    g_autoptr(GPtrArray) levers = vr_tradeoff_levers(&self->question, plan);
    self->policy->limits.gate_s = 300;
    g_autoptr(VrPlan) half = plan_under(self, 0);
    self->policy->limits.gate_s = 600;
    self->policy->limits.hosts_down_max = 4;
    g_autoptr(VrPlan) twice = plan_under(self, 0);
    assert_int_equal(find_lever(levers, VR_LEVER_GATE)->makespan_ms, half->summary.makespan_ms);
    if (twice->summary.makespan_ms < plan->summary.makespan_ms)
        assert_int_equal(find_lever(levers, VR_LEVER_HOSTS_DOWN)->makespan_ms,
                         twice->summary.makespan_ms);
}

static void
test_tradeoff_curve_begins_without_a_budget(void **state)
{
    const Fixture *self = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) points = vr_tradeoff_curve(&self->question, &error);
    g_autoptr(VrPlan) plan = plan_under(self, 0);

    assert_null(error);
    assert_int_equal(points->len, 8);
    for (guint i = 0; i < points->len; i++) {
        const VrCurvePoint *point = &g_array_index(points, VrCurvePoint, i);
        gint64 required = point->summary.migrations - point->summary.extra_migrations;
        if (i == 0)
            assert_int_equal(point->summary.makespan_ms, plan->summary.makespan_ms);
        assert_true(point->summary.extra_migrations <=
                    required * point->extra_migrations_permille / 1000);
    }
    assert_true(g_array_index(points, VrCurvePoint, 5).summary.makespan_ms <
                plan->summary.makespan_ms);
}

static void
test_tradeoff_finish_within_takes_the_smallest_budget(void **state)
{
    const Fixture *self = *state;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPlan) without = plan_under(self, 0);
    g_autoptr(VrPlan) with = plan_under(self, 30);
    gint64 permille = -1, wanted_ms = with->summary.makespan_ms;

    assert_true(wanted_ms < without->summary.makespan_ms);
    g_autoptr(VrPlan) found =
        vr_tradeoff_finish_within(&self->question, wanted_ms, &permille, &error);
    assert_null(error);
    assert_true(found->summary.makespan_ms <= wanted_ms);
    assert_true(permille > 0 && permille <= 30);
    g_autoptr(VrPlan) less = plan_under(self, permille - 1);
    assert_true(less->summary.makespan_ms > wanted_ms);
    g_autoptr(VrPlan) easy =
        vr_tradeoff_finish_within(&self->question, without->summary.makespan_ms, &permille, &error);
    assert_int_equal(permille, 0);
    assert_string_equal(easy->digest, without->digest);
}

static void
test_tradeoff_finish_within_says_what_would_do(void **state)
{
    const Fixture *self = *state;
    g_autoptr(GError) error = NULL;
    gint64 permille = -1;

    assert_null(vr_tradeoff_finish_within(&self->question, 1000, &permille, &error));
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_CAPACITY));
    assert_non_null(strstr(error->message, "at most 1 s: the shortest takes "));
    assert_non_null(strstr(error->message, "; what helps: "));
    assert_non_null(strstr(error->message, "updates half as long ("));
}

#define TRADEOFF_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TRADEOFF_TEST(test_tradeoff_levers_shorten_the_plan_strongest_first),
        TRADEOFF_TEST(test_tradeoff_lever_changes_one_thing_only),
        TRADEOFF_TEST(test_tradeoff_curve_begins_without_a_budget),
        TRADEOFF_TEST(test_tradeoff_finish_within_takes_the_smallest_budget),
        TRADEOFF_TEST(test_tradeoff_finish_within_says_what_would_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
