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

#define FLEETS 2000
#define REPLAYS 6

static const VrPlanRequest whole_fleet = {.update_level = "level-1"};

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
    g_autoptr(FleetRequest) request = fleet_generate_request(seed, *out_inventory);
    return vr_planner_compute(*out_inventory, *out_policy, &request->request, error);
}

static gboolean
names_host_or_vm(const VrInventory *inventory, const char *message)
{
    for (guint i = 0; i < inventory->hosts->len + inventory->vms->len; i++) {
        const char *name = i < inventory->hosts->len
                               ? vr_inventory_host(inventory, i)->name
                               : vr_inventory_vm(inventory, i - inventory->hosts->len)->name;
        g_autofree char *quoted = g_strdup_printf("'%s'", name);
        if (strstr(message, quoted) != NULL)
            return TRUE;
    }
    return FALSE;
}

/* A refusal is for a reason that this policy has, and names whom it is about. */
static void
check_refusal(guint32 seed, const VrInventory *inventory, const VrPolicy *policy,
              const GError *error)
{
    if (policy->limits.spare_hosts_min > 0 &&
        g_error_matches(error, VR_ERROR, VR_ERROR_UNSUPPORTED))
        return;
    gboolean fits = g_error_matches(error, VR_ERROR, VR_ERROR_CAPACITY) && !policy->partial;
    fits |= g_error_matches(error, VR_ERROR, VR_ERROR_REFUSED) &&
            policy->limits.extra_migrations_needed == VR_EXTRA_NEEDED_REFUSE;
    if (!fits || !names_host_or_vm(inventory, error->message))
        fail_msg("seed %u: refused: %s", seed, error->message);
}

static gboolean
is_named(const char *const *names, const char *name)
{
    return names != NULL && g_strv_contains(names, name);
}

/* Who is left out by the request, and nobody else for that reason. */
static void
check_scope(guint32 seed, const VrInventory *inventory, const VrPlan *plan)
{
    g_autoptr(FleetRequest) own = fleet_generate_request(seed, inventory);
    const VrPlanRequest *request = &own->request;
    guint wanted = 0, found = 0;

    for (guint i = 0; i < inventory->hosts->len; i++) {
        const VrHost *host = vr_inventory_host(inventory, i);
        if (host->updated != VR_UPDATED_YES)
            wanted += is_named(request->exclude, host->name) ||
                      (request->hosts != NULL && !is_named(request->hosts, host->name));
    }
    for (guint i = 0; i < plan->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(plan->skipped, i);
        gboolean excluded = strcmp(skip->reason, "excluded") == 0;
        if (!excluded && strcmp(skip->reason, "not-selected") != 0)
            continue;
        found++;
        if (is_named(excluded ? request->exclude : request->hosts, skip->host) != excluded)
            fail_msg("seed %u: %s is %s", seed, skip->host, skip->reason);
    }
    if (found != wanted)
        fail_msg("seed %u: %u hosts are left out by the request, not %u", seed, found, wanted);
}

typedef struct {
    guint planned, extras, beyond, gates, skips, refused, large;
} Tally;

static void
count(Tally *self, const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan)
{
    const VrPlanSummary *summary = &plan->summary;
    gint64 required = summary->migrations - summary->extra_migrations;
    gint64 budget = required * policy->limits.extra_migrations_permille / 1000;

    self->planned += plan->steps->len > 0;
    self->extras += summary->extra_migrations > 0;
    self->beyond +=
        summary->extra_migrations > budget && summary->migrations > summary->migrations_lower_bound;
    self->skips += plan->skipped->len > 0;
    self->gates += policy->limits.gate_s > 0 || policy->limits.gate_canary_s > 0;
    self->large += inventory->hosts->len > 50;
}

static void
prop_plan_keeps_every_rule_in_every_order(void **state G_GNUC_UNUSED)
{
    Tally tally = {0};

    for (guint i = 0; i < fleet_count(); i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(VrInventory) inventory = NULL;
        g_autoptr(VrPolicy) policy = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(VrPlan) plan = plan_of(seed, &inventory, &policy, &error);
        if (plan == NULL) {
            check_refusal(seed, inventory, policy, error);
            tally.refused++;
            continue;
        }
        g_autofree char *broken = plan_check(inventory, policy, plan, seed, REPLAYS);
        if (broken != NULL)
            fail_msg("seed %u: %s", seed, broken);
        check_scope(seed, inventory, plan);
        count(&tally, inventory, policy, plan);
    }
    print_message(
        "seeds %u to %u: %u planned, %u with extras (%u beyond budget and bound), %u with "
        "gates, %u with hosts left out, %u of more than 50 hosts, %u refused\n",
        first_seed(), first_seed() + fleet_count() - 1, tally.planned, tally.extras, tally.beyond,
        tally.gates, tally.skips, tally.large, tally.refused);
    assert_true(tally.planned * 2 > fleet_count());
    assert_true(tally.extras * 20 > fleet_count() && tally.gates * 4 > fleet_count());
}

static void
prop_plan_does_not_depend_on_order_of_input(void **state G_GNUC_UNUSED)
{
    for (guint i = 0; i < fleet_count(); i++) {
        guint32 seed = first_seed() + i;
        g_autoptr(VrInventory) inventory = NULL;
        g_autoptr(VrPolicy) policy = NULL;
        g_autoptr(GError) error = NULL, other_error = NULL;
        g_autoptr(VrPlan) plan = plan_of(seed, &inventory, &policy, &error);
        g_autoptr(VrInventory) shuffled = fleet_shuffle(inventory, seed);
        g_autoptr(FleetRequest) request = fleet_generate_request(seed, shuffled);
        g_autoptr(VrPlan) other =
            vr_planner_compute(shuffled, policy, &request->request, &other_error);
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
        policy->limits.spare_hosts_min = 0;
        g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &whole_fleet, &error);
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
        g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &whole_fleet, &error);
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
        g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &whole_fleet, &error);
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
