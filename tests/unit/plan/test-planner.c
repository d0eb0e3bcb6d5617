/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fixture.h"

static void
test_planner_empty_host_is_updated_first_and_takes_the_next(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_vm(fixture->inventory, 1, "h1", 4000);
    add_vm(fixture->inventory, 2, "h2", 2000);
    add_vm(fixture->inventory, 3, "h2", 1000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h3\n"
                                                   "2 migrate v2 h2>h3 after 1\n"
                                                   "3 migrate v3 h2>h3 after 1\n"
                                                   "4 migrate v1 h1>h3 after 1\n"
                                                   "5 update h2 after 2,3\n"
                                                   "6 update h1 after 4\n");
    assert_string_equal(vr_plan_step(plan, 0)->why, "h3 is empty");
    assert_string_equal(vr_plan_step(plan, 1)->why,
                        "to h3: the fullest updated host with room (7800 MiB left)");
    assert_string_equal(
        vr_plan_step(plan, 4)->why,
        "h2 is next: its 2 VMs fit on h3, and of all that are left it takes longest");
    assert_int_equal(plan->summary.hosts_to_update, 3);
    assert_int_equal(plan->summary.vms, 3);
    assert_int_equal(plan->summary.migrations, 3);
    assert_int_equal(plan->summary.migrations_lower_bound, 3);
    assert_int_equal(plan->summary.extra_migrations, 0);
}

static void
test_planner_forecast_follows_the_cost_model(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_vm(fixture->inventory, 1, "h1", 4000);
    add_vm(fixture->inventory, 2, "h1", 2000);
    add_vm(fixture->inventory, 3, "h1", 1000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h2\n"
                                                   "2 migrate v1 h1>h2 after 1\n"
                                                   "3 migrate v2 h1>h2 after 1\n"
                                                   "4 migrate v3 h1>h2 after 1\n"
                                                   "5 update h1 after 2,3,4\n");
    /* Two at 500 of 1000 MiB/s: 2 s and 4 s or 2 s for the memory; the third when the second ends.
     */
    assert_int_equal(vr_plan_step(plan, 1)->rate_mib_per_s, 500);
    assert_int_equal(vr_plan_step(plan, 1)->start_ms, 100000);
    assert_int_equal(vr_plan_step(plan, 1)->end_ms, 106000);
    assert_int_equal(vr_plan_step(plan, 2)->end_ms, 104000);
    assert_int_equal(vr_plan_step(plan, 3)->start_ms, 104000);
    assert_int_equal(vr_plan_step(plan, 3)->end_ms, 107000);
    assert_int_equal(plan->summary.makespan_ms, 207000);
    assert_int_equal(plan->summary.migrations_in_flight_peak, 2);
    assert_int_equal(plan->summary.hosts_down_peak, 1);
    assert_int_equal(plan->summary.exposure_vm_ms, 106000 + 104000 + 107000);
}

static void
test_planner_gates_hold_the_refuge_and_the_canary_goes_first(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.gate_s = 600;
    fixture->policy->limits.gate_canary_s = 3600;
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2")->memory_mib = 6000;
    add_host(fixture->inventory, "h3")->memory_mib = 6000;
    add_vm(fixture->inventory, 1, "h1", 5000);
    add_vm(fixture->inventory, 2, "h1", 3000);
    /* h2 is the canary; what does not fit on it waits for its gate. */
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h2\n"
                                                   "2 update h3\n"
                                                   "3 migrate v1 h1>h2 after 1\n"
                                                   "4 gate h2 for h1 after 3\n"
                                                   "5 migrate v2 h1>h3 after 2,4\n"
                                                   "6 gate h3 for h1 after 5\n"
                                                   "7 update h1 after 4,6\n");
    assert_string_equal(vr_plan_step(plan, 3)->why,
                        "holds h1's update until h2 has run its VMs for 1 h");
    assert_int_equal(vr_plan_step(plan, 3)->end_ms - vr_plan_step(plan, 3)->start_ms, 3600000);
    assert_int_equal(vr_plan_step(plan, 5)->end_ms - vr_plan_step(plan, 5)->start_ms, 600000);
}

static void
test_planner_first_drain_goes_to_one_host_if_it_can(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.gate_canary_s = 60;
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2")->memory_mib = 4000;
    add_host(fixture->inventory, "h3");
    add_vm(fixture->inventory, 1, "h1", 5000);
    add_vm(fixture->inventory, 2, "h1", 3000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h3\n"
                                                   "2 update h2\n"
                                                   "3 migrate v1 h1>h3 after 1\n"
                                                   "4 migrate v2 h1>h3 after 1\n"
                                                   "5 gate h3 for h1 after 3,4\n"
                                                   "6 update h1 after 5\n");
}

static void
test_planner_no_empty_host_vacates_the_cheapest(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_vm(fixture->inventory, 1, "h1", 2000);
    add_vm(fixture->inventory, 2, "h2", 3000);
    add_vm(fixture->inventory, 3, "h2", 3000);
    add_vm(fixture->inventory, 4, "h3", 1000);
    add_vm(fixture->inventory, 5, "h3", 2000);
    /* h1 has the fewest VMs; h2 is the fuller host; v1 leaves it only after it has arrived. */
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 migrate v1 h1>h2 extra\n"
                                                   "2 update h1 after 1\n"
                                                   "3 migrate v5 h3>h1 after 2\n"
                                                   "4 migrate v4 h3>h1 after 2\n"
                                                   "5 update h3 after 3,4\n"
                                                   "6 migrate v2 h2>h1 after 1,2\n"
                                                   "7 migrate v3 h2>h1 after 1,2\n"
                                                   "8 migrate v1 h2>h3 after 1,5\n"
                                                   "9 update h2 after 6,7,8\n");
    assert_string_equal(vr_plan_step(plan, 0)->why,
                        "no host is empty: h1 can be emptied with the fewest extra migrations "
                        "(1); to h2, the fullest with room");
    assert_int_equal(plan->summary.extra_migrations, 1);
    assert_int_equal(plan->summary.migrations, 6);
    assert_int_equal(plan->summary.migrations_lower_bound, 6);
}

static void
test_planner_drain_that_only_partly_fits_uses_fewest_extras(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3")->updated = VR_UPDATED_YES;
    add_vm(fixture->inventory, 1, "h1", 1000);
    add_vm(fixture->inventory, 2, "h1", 500);
    add_vm(fixture->inventory, 3, "h1", 5000);
    add_vm(fixture->inventory, 4, "h2", 3500);
    add_vm(fixture->inventory, 5, "h2", 500);
    add_vm(fixture->inventory, 6, "h2", 500);
    add_vm(fixture->inventory, 7, "h3", 8200);
    /* h3 has room for all of either host's VMs but the largest; h1 has none for the one of h2. */
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 migrate v3 h1>h2 extra\n"
                                                   "2 migrate v1 h1>h3\n"
                                                   "3 migrate v2 h1>h3\n"
                                                   "4 update h1 after 1,2,3\n"
                                                   "5 migrate v3 h2>h1 after 1,4\n"
                                                   "6 migrate v4 h2>h1 after 1,4\n"
                                                   "7 migrate v5 h2>h1 after 1,4\n"
                                                   "8 migrate v6 h2>h1 after 1,4\n"
                                                   "9 update h2 after 5,6,7,8\n");
    assert_string_equal(vr_plan_step(plan, 0)->why,
                        "no host's VMs all fit on the updated hosts: h1 needs the fewest extra "
                        "migrations (1); to h2, the fullest with room");
}

static void
test_planner_group_member_may_go_where_another_has_left(void **state)
{
    Fixture *fixture = *state;

    vr_inventory_add_group(fixture->inventory, "db", VR_GROUP_ANTI_AFFINITY);
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_vm(fixture->inventory, 1, "h1", 2000)->group = g_strdup("db");
    add_vm(fixture->inventory, 2, "h2", 1000)->group = g_strdup("db");
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h3\n"
                                                   "2 migrate v2 h2>h3 after 1\n"
                                                   "3 update h2 after 2\n"
                                                   "4 migrate v1 h1>h2 after 3\n"
                                                   "5 update h1 after 4\n");
}

static void
test_planner_lone_empty_host_is_updated(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h1\n");
    assert_int_equal(plan->summary.makespan_ms, 100000);
    assert_int_equal(plan->summary.makespan_lower_bound_ms, 100000);
}

static void
test_planner_updated_fleet_needs_no_steps(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1")->updated = VR_UPDATED_YES;
    add_vm(fixture->inventory, 1, "h1", 1000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "");
    assert_int_equal(plan->summary.makespan_lower_bound_ms, 0);
    assert_int_equal(plan->summary.migrations_lower_bound, 0);
}

static void
test_planner_host_not_assessed_is_updated(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1")->updated = VR_UPDATED_NOT_ASSESSED;
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h1\n");
}

static void
test_planner_vms_stay_in_their_pool(void **state)
{
    Fixture *fixture = *state;
    static const char *const names[] = {"a1", "a2", "b1", "b2"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        VrHost *host = add_host(fixture->inventory, names[i]);
        g_free(host->pool);
        host->pool = g_strndup(names[i], 1);
    }
    add_vm(fixture->inventory, 1, "a1", 5000);
    add_vm(fixture->inventory, 2, "b1", 5000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update a2\n"
                                                   "2 update b2\n"
                                                   "3 migrate v1 a1>a2 after 1\n"
                                                   "4 update a1 after 3\n"
                                                   "5 migrate v2 b1>b2 after 2\n"
                                                   "6 update b1 after 5\n");
}

static void
test_planner_affinity_group_goes_together(void **state)
{
    Fixture *fixture = *state;

    vr_inventory_add_group(fixture->inventory, "pair", VR_GROUP_AFFINITY);
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2")->memory_mib = 4000;
    add_host(fixture->inventory, "h3");
    add_vm(fixture->inventory, 1, "h1", 3000)->group = g_strdup("pair");
    add_vm(fixture->inventory, 2, "h1", 3000)->group = g_strdup("pair");
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h3\n"
                                                   "2 update h2\n"
                                                   "3 migrate v1 h1>h3 after 1\n"
                                                   "4 migrate v2 h1>h3 after 1\n"
                                                   "5 update h1 after 3,4\n");
}

static void
test_planner_two_vms_of_one_name_never_meet(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2")->updated = VR_UPDATED_YES;
    add_host(fixture->inventory, "h3")->updated = VR_UPDATED_YES;
    VrVm *twin = add_vm(fixture->inventory, 1, "h1", 1000);
    VrVm *other = add_vm(fixture->inventory, 2, "h2", 2000);
    g_free(twin->name);
    twin->name = g_strdup("twin");
    g_free(other->name);
    other->name = g_strdup("twin");
    other->state = VR_VM_SHUT_OFF;
    /* By room alone h2 would be as good, and first. */
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 migrate twin h1>h3\n2 update h1 after 1\n");
}

static void
test_planner_host_over_its_limits_takes_nothing_but_may_be_emptied(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1")->vcpus = 1;
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3")->vcpus = 1;
    add_host(fixture->inventory, "h4");
    add_vm(fixture->inventory, 1, "h1", 1000)->vcpus = 4;
    add_vm(fixture->inventory, 2, "h2", 1000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h3\n"
                                                   "2 update h4\n"
                                                   "3 migrate v2 h2>h3 after 1\n"
                                                   "4 update h2 after 3\n"
                                                   "5 migrate v1 h1>h4 after 2\n"
                                                   "6 update h1 after 5\n");
}

static void
test_planner_busy_target_takes_no_more_than_its_share(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.target_cpu_permille_max = 500;
    add_host(fixture->inventory, "h1");
    VrHost *busy = add_host(fixture->inventory, "h2");
    busy->updated = VR_UPDATED_YES;
    busy->cpu_used_permille = 480;
    add_host(fixture->inventory, "h3")->updated = VR_UPDATED_YES;
    VrVm *vm = add_vm(fixture->inventory, 1, "h1", 1000);
    vm->vcpus = 3;
    vm->cpu_used_permille = 700;
    /* 30 thousandths per vCPU are known of v2; that h2 is at 480 counts all the same. */
    VrVm *there = add_vm(fixture->inventory, 2, "h2", 1000);
    there->cpu_used_permille = 30;
    /* 480 + 3 x 700 / 100 is more than 500. */
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 migrate v1 h1>h3\n2 update h1 after 1\n");
}

static void
test_planner_spare_host_stays_empty_until_another_is(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.spare_hosts_min = 1;
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_host(fixture->inventory, "h4");
    add_vm(fixture->inventory, 1, "h1", 5000);
    add_vm(fixture->inventory, 2, "h2", 4000);
    /* h3 is spare; h4 takes the VMs of both; h2 stays empty in the place of h3. */
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h4\n"
                                                   "2 migrate v1 h1>h4 after 1\n"
                                                   "3 migrate v2 h2>h4 after 1\n"
                                                   "4 update h2 after 3\n"
                                                   "5 update h1 after 2\n"
                                                   "6 update h3 after 4\n");
}

static void
test_planner_spare_host_is_made_where_there_is_none(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.spare_hosts_min = 1;
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_vm(fixture->inventory, 1, "h1", 2000);
    add_vm(fixture->inventory, 2, "h2", 3000);
    add_vm(fixture->inventory, 3, "h3", 2500);
    /* h1 is emptied to be spare, h3 to be updated; h2 is spare at the end. */
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 migrate v1 h1>h2 extra\n"
                                                   "2 migrate v3 h3>h2 extra\n"
                                                   "3 update h3 after 2\n"
                                                   "4 migrate v2 h2>h3 after 1,2,3\n"
                                                   "5 migrate v3 h2>h3 after 1,2,3\n"
                                                   "6 migrate v1 h2>h3 after 1,2,3\n"
                                                   "7 update h2 after 4,5,6\n"
                                                   "8 update h1 after 1,7\n");
}

static void
test_planner_request_has_its_own_order(void **state)
{
    Fixture *fixture = *state;
    static const char *const order[] = {"h3", "h1", NULL};
    const VrPlanRequest request = {.update_level = "l", .order = order};
    g_autoptr(GError) error = NULL;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_host(fixture->inventory, "h4");
    for (guint i = 1; i <= 3; i++) {
        g_autofree char *host = g_strdup_printf("h%u", i);
        add_vm(fixture->inventory, i, host, 1000 * i + 5000);
    }
    assert_true(vr_inventory_seal(fixture->inventory, NULL));
    g_autoptr(VrPlan) plan =
        vr_planner_compute(fixture->inventory, fixture->policy, &request, &error);
    g_autofree char *steps = describe(plan);
    assert_string_equal(steps, "1 update h4\n"
                               "2 migrate v3 h3>h4 after 1\n"
                               "3 update h3 after 2\n"
                               "4 migrate v1 h1>h3 after 3\n"
                               "5 update h1 after 4\n"
                               "6 migrate v2 h2>h1 after 5\n"
                               "7 update h2 after 6\n");
    assert_string_equal(vr_plan_step(plan, 2)->why,
                        "h3 is next in the order of the request: its one VM fits on h4");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PLANNER_TEST(test_planner_empty_host_is_updated_first_and_takes_the_next),
        PLANNER_TEST(test_planner_forecast_follows_the_cost_model),
        PLANNER_TEST(test_planner_gates_hold_the_refuge_and_the_canary_goes_first),
        PLANNER_TEST(test_planner_first_drain_goes_to_one_host_if_it_can),
        PLANNER_TEST(test_planner_no_empty_host_vacates_the_cheapest),
        PLANNER_TEST(test_planner_drain_that_only_partly_fits_uses_fewest_extras),
        PLANNER_TEST(test_planner_group_member_may_go_where_another_has_left),
        PLANNER_TEST(test_planner_lone_empty_host_is_updated),
        PLANNER_TEST(test_planner_updated_fleet_needs_no_steps),
        PLANNER_TEST(test_planner_host_not_assessed_is_updated),
        PLANNER_TEST(test_planner_vms_stay_in_their_pool),
        PLANNER_TEST(test_planner_affinity_group_goes_together),
        PLANNER_TEST(test_planner_two_vms_of_one_name_never_meet),
        PLANNER_TEST(test_planner_host_over_its_limits_takes_nothing_but_may_be_emptied),
        PLANNER_TEST(test_planner_spare_host_stays_empty_until_another_is),
        PLANNER_TEST(test_planner_spare_host_is_made_where_there_is_none),
        PLANNER_TEST(test_planner_request_has_its_own_order),
        PLANNER_TEST(test_planner_busy_target_takes_no_more_than_its_share),
    };

    return cmocka_run_group_tests_name("plan/planner", tests, NULL, NULL);
}
