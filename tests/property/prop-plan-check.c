/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is the check of plans worth anything? Good plans are broken in one place each, and every one must
 * be caught; so must a good plan that is held against a policy stricter than its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fleet-generator.h"
#include "plan-check.h"
#include "plan-mutations.h"

#define FLEETS 90
#define REPLAYS 12
#define PLACES_MAX 4 /* tried per plan and mutation, spread over the plan */
#define APPLIED_MIN 10

static VrPlan *
copy_plan(const VrPlan *plan)
{
    g_autofree char *text = vr_plan_format(plan);
    g_autoptr(GError) error = NULL;
    VrPlan *copy = vr_plan_parse(text, strlen(text), "copy", &error);

    if (copy == NULL)
        fail_msg("%s", error->message);
    return copy;
}

/* At one place of a copy. TRUE: it could be done there. */
static gboolean
mutate_at(const Mutation *mutation, const Mutant *original, guint place, guint32 seed)
{
    Mutant mutant = {fleet_shuffle(original->inventory, seed), vr_policy_copy(original->policy),
                     copy_plan(original->plan)};
    gboolean applied = mutation->mutate(&mutant, place);

    if (applied) {
        g_autofree char *broken =
            plan_check(mutant.inventory, mutant.policy, mutant.plan, seed, REPLAYS);
        if (broken == NULL)
            fail_msg("seed %u: %s at %u was not caught", seed, mutation->name, place);
    }
    vr_plan_free(mutant.plan);
    vr_policy_free(mutant.policy);
    vr_inventory_free(mutant.inventory);
    return applied;
}

static void
mutate_plan(guint32 seed, guint *applied)
{
    g_autoptr(VrInventory) inventory = fleet_generate(seed);
    g_autoptr(VrPolicy) policy = fleet_generate_policy(seed);
    g_autoptr(FleetRequest) request = fleet_generate_request(seed, inventory);
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request->request, NULL);

    if (plan == NULL || plan->steps->len == 0 || plan->steps->len > 120)
        return;
    Mutant original = {inventory, policy, plan};
    for (guint m = 0; m < MUTATIONS; m++) {
        guint count = plan_mutations[m].is_of_plan ? MUTATION_PLACES : plan->steps->len, done = 0;
        guint first = plan_mutations[m].is_of_plan ? 0 : seed * 7 % count;
        guint stop = plan_mutations[m].is_of_plan ? MUTATION_PLACES : PLACES_MAX;
        for (guint i = 0; i < count && done < stop; i++)
            done += mutate_at(&plan_mutations[m], &original, (first + i) % count, seed);
        applied[m] += done;
    }
}

static void
prop_broken_plan_is_caught(void **state G_GNUC_UNUSED)
{
    guint applied[MUTATIONS] = {0}, together = 0;

    for (guint32 seed = 1; seed <= FLEETS; seed++)
        mutate_plan(seed, applied);
    for (guint m = 0; m < MUTATIONS; m++) {
        if (applied[m] < APPLIED_MIN)
            fail_msg("%s was done %u times only", plan_mutations[m].name, applied[m]);
        together += applied[m];
    }
    print_message("%u broken plans caught\n", together);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prop_broken_plan_is_caught),
    };

    return cmocka_run_group_tests_name("check of plans", tests, NULL, NULL);
}
