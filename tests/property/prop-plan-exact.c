/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fewest migrations: the planner against an exhaustive search, on small fleets that are hard to
 * empty. PROP_SEED and PROP_FLEETS choose others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>

#include "exact-search.h"
#include "plan-check.h"
#include "small-fleets.h"

#define FLEETS 700 /* of all kinds together */
#define DECIDED_MIN 500
#define REPLAYS 4
#define SHOWN_MAX 5
#define TIMED_FLEETS 120
#define TIMED_VMS_MAX 11

static const VrPlanRequest request = {.update_level = "level-1"};

typedef struct {
    guint decided, possible, minimal, refused, more, with_extras, too_large;
} Tally;

static guint32
number_of(const char *variable, guint32 otherwise)
{
    const char *text = g_getenv(variable);

    return text != NULL ? (guint32)g_ascii_strtoull(text, NULL, 10) : otherwise;
}

static void
show(const Tally *all, guint32 seed, SmallKind kind, const VrInventory *inventory, const char *text)
{
    g_autofree char *fleet = small_fleet_describe(inventory);

    if (all->refused + all->more <= SHOWN_MAX)
        print_message("  seed %u, %s: %s\n    %s\n", seed, small_kind_to_string(kind), text, fleet);
}

static void
compare(guint32 seed, SmallKind kind, const VrInventory *inventory, guint least, Tally *all)
{
    g_autoptr(VrPolicy) policy = vr_policy_new();
    g_autoptr(GError) error = NULL;

    policy->limits.headroom_permille = 0;
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    if (plan == NULL) {
        g_autofree char *text =
            g_strdup_printf("refused, though %u extras would do: %s", least, error->message);
        all->refused++;
        show(all, seed, kind, inventory, text);
        return;
    }
    g_autofree char *broken = plan_check(inventory, policy, plan, seed, REPLAYS);
    if (broken != NULL)
        fail_msg("seed %u, %s: %s", seed, small_kind_to_string(kind), broken);
    if (plan->summary.extra_migrations < least)
        fail_msg("seed %u, %s: fewer extras than the search: one of them is wrong", seed,
                 small_kind_to_string(kind));
    all->minimal += plan->summary.extra_migrations == least;
    if (plan->summary.extra_migrations == least)
        return;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT " extra migrations, %u would do",
                                            plan->summary.extra_migrations, least);
    all->more++;
    show(all, seed, kind, inventory, text);
}

/* A refusal of what cannot be done is right; a plan of it would be a wonder. */
static void
check_impossible(guint32 seed, SmallKind kind, const VrInventory *inventory)
{
    g_autoptr(VrPolicy) policy = vr_policy_new();
    g_autoptr(GError) error = NULL;

    policy->limits.headroom_permille = 0;
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    if (plan != NULL || !g_error_matches(error, VR_ERROR, VR_ERROR_CAPACITY))
        fail_msg("seed %u, %s: the search found no way, the planner did", seed,
                 small_kind_to_string(kind));
}

static void
try_fleet(guint32 seed, SmallKind kind, Tally *all)
{
    g_autoptr(VrInventory) inventory = small_fleet_generate(seed, kind, 3 + seed % 4);
    g_autoptr(VrPolicy) policy = vr_policy_new();
    ExactWorld world;
    guint least = 0;

    policy->limits.headroom_permille = 0;
    gboolean fits = exact_world_init(&world, inventory, policy);
    assert_true(fits);
    switch (exact_search_extras(&world, &least)) {
    case EXACT_TOO_LARGE:
        all->too_large++;
        return;
    case EXACT_IMPOSSIBLE:
        all->decided++;
        check_impossible(seed, kind, inventory);
        return;
    case EXACT_FOUND:
        break;
    }
    all->decided++;
    all->possible++;
    all->with_extras += least > 0;
    compare(seed, kind, inventory, least, all);
}

static void
prop_extras_are_the_fewest_there_are(void **state G_GNUC_UNUSED)
{
    guint32 first = number_of("PROP_SEED", 1), fleets = number_of("PROP_FLEETS", FLEETS);
    Tally all = {0};

    for (guint i = 0; i < fleets; i++)
        try_fleet(first + i, (SmallKind)(i % SMALL_KINDS), &all);
    print_message("%u fleets decided: %u can be updated, %u of them only with extra migrations; "
                  "%u too large to decide\nthe planner: minimal for %u, more migrations for %u, "
                  "refused %u\n",
                  all.decided, all.possible, all.with_extras, all.too_large, all.minimal, all.more,
                  all.refused);
    if (fleets >= FLEETS)
        assert_true(all.possible >= DECIDED_MIN);
    assert_int_equal(all.minimal, all.possible);
}

typedef struct {
    guint decided, optimal, too_large;
    double over_optimum, worst; /* sum and largest of the ratios */
    guint32 worst_seed;
} Times;

static void
time_fleet(guint32 seed, SmallKind kind, Times *all)
{
    g_autoptr(VrInventory) inventory = small_fleet_generate(seed, kind, 3 + seed % 2);
    g_autoptr(VrPolicy) policy = vr_policy_new();
    g_autoptr(GError) error = NULL;
    ExactWorld world;
    gint64 best_ms = 0;

    /* One migration each way at the full rate, so that its duration is fixed. */
    policy->limits.headroom_permille = 0;
    policy->limits.migrations_out_per_host = policy->limits.migrations_in_per_host = 1;
    policy->limits.stream_link_permille = 1000;
    policy->limits.hosts_down_max = 2;
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    if (plan == NULL || inventory->vms->len > TIMED_VMS_MAX ||
        !exact_world_init(&world, inventory, policy))
        return;
    guint extras = (guint)plan->summary.extra_migrations;
    if (exact_search_makespan(&world, extras, &best_ms) != EXACT_FOUND) {
        all->too_large++;
        return;
    }
    double ratio = (double)plan->summary.makespan_ms / (double)best_ms;
    if (plan->summary.makespan_ms < best_ms || plan->summary.makespan_lower_bound_ms > best_ms ||
        plan->summary.makespan_lower_bound_within_budget_ms > best_ms ||
        (extras == 0 && plan->summary.makespan_lower_bound_one_migration_ms > best_ms))
        fail_msg("seed %u, %s: makespan %" G_GINT64_FORMAT ", bounds %" G_GINT64_FORMAT
                 ", %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT ", best %" G_GINT64_FORMAT,
                 seed, small_kind_to_string(kind), plan->summary.makespan_ms,
                 plan->summary.makespan_lower_bound_ms,
                 plan->summary.makespan_lower_bound_within_budget_ms,
                 plan->summary.makespan_lower_bound_one_migration_ms, best_ms);
    all->decided++;
    all->optimal += plan->summary.makespan_ms == best_ms;
    all->over_optimum += ratio;
    if (ratio > all->worst) {
        all->worst = ratio;
        all->worst_seed = seed;
    }
}

/* No plan is shorter than the best schedule, no bound above it; how far off is printed only. */
static void
prop_makespan_is_between_bound_and_optimum(void **state G_GNUC_UNUSED)
{
    static const SmallKind kinds[] = {SMALL_NO_EMPTY, SMALL_FRAGMENTED, SMALL_ONE_EMPTY};
    guint32 first = number_of("PROP_SEED", 1), fleets = number_of("PROP_FLEETS", TIMED_FLEETS);

    for (guint k = 0; k < G_N_ELEMENTS(kinds); k++) {
        Times all = {0};
        for (guint i = 0; i < fleets / G_N_ELEMENTS(kinds); i++)
            time_fleet(first + i, kinds[k], &all);
        print_message("%s: %u makespans of as many migrations: %u optimal, %.3f x the optimum on "
                      "average, at most %.3f (seed %u); %u too large to decide\n",
                      small_kind_to_string(kinds[k]), all.decided, all.optimal,
                      all.over_optimum / MAX(all.decided, 1), all.worst, all.worst_seed,
                      all.too_large);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prop_makespan_is_between_bound_and_optimum),
        cmocka_unit_test(prop_extras_are_the_fewest_there_are),
    };

    return cmocka_run_group_tests_name("exact search", tests, NULL, NULL);
}
