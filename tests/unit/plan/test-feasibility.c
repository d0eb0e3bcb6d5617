/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fixture.h"

static void
test_feasibility_extras_beyond_the_policy_are_refused(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.extra_migrations_needed = VR_EXTRA_NEEDED_REFUSE;
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_vm(fixture->inventory, 1, "h1", 2000);
    add_vm(fixture->inventory, 2, "h2", 2000);
    expect_error(fixture, VR_ERROR_REFUSED,
                 "1 extra migrations are needed and the policy allows 0: no host is empty, so that "
                 "'h1' must be emptied with 1 of them; set extra_migrations_needed: allow, or "
                 "empty a host");
}

static void
test_feasibility_spare_host_without_a_relief_is_refused(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.spare_hosts_min = 1;
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_vm(fixture->inventory, 1, "h1", 1000);
    expect_error(fixture, VR_ERROR_CAPACITY,
                 "host 'h1' cannot be emptied: VM 'v1' (1000 MiB) has nowhere to go: no other host "
                 "of the fleet is updated or will be; add a host; host 'h2' cannot be emptied: it "
                 "is kept as a spare host, and no other host can be spare in its place; lower "
                 "spare_hosts_min or empty another host; or set partial: true to update the other "
                 "hosts only");
}

static void
test_feasibility_extras_within_the_budget_are_not_refused(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->limits.extra_migrations_needed = VR_EXTRA_NEEDED_REFUSE;
    fixture->policy->limits.extra_migrations_permille = 500;
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_vm(fixture->inventory, 1, "h1", 2000);
    add_vm(fixture->inventory, 2, "h2", 2000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 migrate v1 h1>h2 extra\n"
                                                   "2 update h1 after 1\n"
                                                   "3 migrate v1 h2>h1 after 1,2\n"
                                                   "4 migrate v2 h2>h1 after 1,2\n"
                                                   "5 update h2 after 3,4\n");
}

static void
test_feasibility_vm_that_fits_nowhere_is_named_with_what_is_missing(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2")->memory_mib = 8000;
    add_vm(fixture->inventory, 1, "h1", 9000);
    expect_error(fixture, VR_ERROR_CAPACITY,
                 "host 'h1' cannot be emptied: VM 'v1' (9000 MiB, 1 vCPUs) fits on no other host: "
                 "'h2' comes nearest and lacks 1160 MiB; free that much there, add a host or lower "
                 "headroom_permille; or set partial: true to update the other hosts only");
}

static void
test_feasibility_hosts_that_are_too_full_together_are_named(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_vm(fixture->inventory, 1, "h1", 5000);
    add_vm(fixture->inventory, 2, "h2", 5000);
    expect_error(fixture, VR_ERROR_CAPACITY,
                 "host 'h1' cannot be emptied: the other hosts together lack 200 MiB for the VMs "
                 "that must run on them meanwhile; shut VMs off, add a host or raise what a host "
                 "may give; host 'h2' cannot be emptied: the other hosts together lack 200 MiB for "
                 "the VMs that must run on them meanwhile; shut VMs off, add a host or raise what "
                 "a host may give; or set partial: true to update the other hosts only");
}

static void
test_feasibility_holes_that_are_too_small_are_named(void **state)
{
    Fixture *fixture = *state;
    static const char *const names[] = {"h1", "h2", "h3"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        add_host(fixture->inventory, names[i]);
        add_vm(fixture->inventory, i + 1, names[i], 6000);
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPlan) plan = compute(fixture->inventory, fixture->policy, &error);
    assert_null(plan);
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_CAPACITY));
    assert_non_null(strstr(error->message,
                           "host 'h3' cannot be emptied: VM 'v3' (6000 MiB, 1 vCPUs) fits on no "
                           "other host: 'h1' comes nearest and lacks 2200 MiB; free"));
}

static void
test_feasibility_partial_leaves_out_what_has_no_room(void **state)
{
    Fixture *fixture = *state;

    fixture->policy->partial = TRUE;
    add_host(fixture->inventory, "h1")->memory_mib = 20000;
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_vm(fixture->inventory, 1, "h1", 15000);
    add_vm(fixture->inventory, 2, "h2", 2000);
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h3\n"
                                                   "2 migrate v2 h2>h3 after 1\n"
                                                   "3 update h2 after 2\n");
    const VrPlanSkip *skip = g_ptr_array_index(plan->skipped, 0);
    assert_string_equal(skip->host, "h1");
    assert_string_equal(skip->reason, "no-room");
    assert_non_null(strstr(skip->detail, "lacks 5200 MiB"));
    assert_int_equal(plan->summary.hosts_skipped, 1);
    assert_int_equal(plan->summary.hosts_to_update, 2);
}

static void
test_feasibility_lone_host_with_vms_is_refused(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_vm(fixture->inventory, 1, "h1", 1000);
    expect_error(fixture, VR_ERROR_CAPACITY,
                 "host 'h1' cannot be emptied: VM 'v1' (1000 MiB) has nowhere to go: no other host "
                 "of the fleet is updated or will be; add a host; or set partial: true to update "
                 "the other hosts only");
}

static void
test_feasibility_empty_inventory_is_invalid(void **state)
{
    expect_error(*state, VR_ERROR_INVALID, "the inventory has no hosts");
}

static void
test_feasibility_vms_that_cannot_move_keep_their_host_out(void **state)
{
    Fixture *fixture = *state;

    for (guint i = 1; i <= 5; i++) {
        g_autofree char *name = g_strdup_printf("h%u", i);
        add_host(fixture->inventory, name);
    }
    VrVm *pinned = add_vm(fixture->inventory, 1, "h1", 1000);
    pinned->movable = FALSE;
    pinned->unmovable_reason = g_strdup("uses a host device");
    add_vm(fixture->inventory, 2, "h2", 1000)->state = VR_VM_CRASHED;
    VrVm *starts = add_vm(fixture->inventory, 3, "h3", 1000);
    starts->state = VR_VM_SHUT_OFF;
    starts->autostart = TRUE;
    add_vm(fixture->inventory, 4, "h4", 1000)->state = VR_VM_SHUT_OFF;
    fixture->policy->offline_vms = VR_OFFLINE_VMS_BLOCK;
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h5\n");
    static const char *const reasons[] = {"unmovable-vm", "unmovable-vm", "offline-autostart-vm",
                                          "offline-vm"};
    for (guint i = 0; i < G_N_ELEMENTS(reasons); i++) {
        const VrPlanSkip *skip = g_ptr_array_index(plan->skipped, i);
        assert_string_equal(skip->reason, reasons[i]);
        assert_int_equal(skip->vms->len, 1);
    }
    const VrPlanSkip *first = g_ptr_array_index(plan->skipped, 0);
    assert_non_null(strstr(first->detail, "VM 'v1' cannot be migrated (uses a host device)"));
}

static void
test_feasibility_offline_vm_stays_where_it_is(void **state)
{
    Fixture *fixture = *state;

    add_host(fixture->inventory, "h1");
    add_vm(fixture->inventory, 1, "h1", 9000)->state = VR_VM_SHUT_OFF;
    g_autoptr(VrPlan) plan = expect_steps(fixture, "1 update h1\n");
}

static void
test_feasibility_request_chooses_hosts(void **state)
{
    Fixture *fixture = *state;
    static const char *const hosts[] = {"h2", "h3", NULL}, *const exclude[] = {"h3", NULL};
    const VrPlanRequest request = {.update_level = "l", .hosts = hosts, .exclude = exclude};
    g_autoptr(GError) error = NULL;

    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    add_host(fixture->inventory, "h3");
    add_host(fixture->inventory, "h4")->updated = VR_UPDATED_YES;
    add_vm(fixture->inventory, 1, "h2", 1000);
    assert_true(vr_inventory_seal(fixture->inventory, NULL));
    g_autoptr(VrPlan) plan =
        vr_planner_compute(fixture->inventory, fixture->policy, &request, &error);
    assert_non_null(plan);
    /* h4 is not selected, but it is updated and takes VMs; h1 and h3 take none. */
    g_autofree char *steps = describe(plan);
    assert_string_equal(steps, "1 migrate v1 h2>h4\n2 update h2 after 1\n");
    assert_int_equal(plan->skipped->len, 2);
    const VrPlanSkip *first = g_ptr_array_index(plan->skipped, 0);
    const VrPlanSkip *second = g_ptr_array_index(plan->skipped, 1);
    assert_string_equal(first->reason, "not-selected");
    assert_string_equal(second->reason, "excluded");
}

static void
test_feasibility_unknown_host_is_answered_with_the_nearest(void **state)
{
    Fixture *fixture = *state;
    static const char *const hosts[] = {"kvm-o1", NULL};
    const VrPlanRequest request = {.update_level = "l", .hosts = hosts};
    g_autoptr(GError) error = NULL;

    add_host(fixture->inventory, "kvm-01");
    add_host(fixture->inventory, "store-7");
    assert_true(vr_inventory_seal(fixture->inventory, NULL));
    g_autoptr(VrPlan) plan =
        vr_planner_compute(fixture->inventory, fixture->policy, &request, &error);
    assert_null(plan);
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_NOT_FOUND));
    assert_string_equal(error->message,
                        "host 'kvm-o1' is not in the inventory; did you mean 'kvm-01'?");
}

static void
test_feasibility_group_that_cannot_part_is_named(void **state)
{
    Fixture *fixture = *state;

    vr_inventory_add_group(fixture->inventory, "db", VR_GROUP_ANTI_AFFINITY);
    add_host(fixture->inventory, "h1");
    add_host(fixture->inventory, "h2");
    for (guint i = 1; i <= 2; i++)
        add_vm(fixture->inventory, i, i == 1 ? "h1" : "h2", 1000)->group = g_strdup("db");
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPlan) plan = compute(fixture->inventory, fixture->policy, &error);
    assert_null(plan);
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_CAPACITY));
    assert_non_null(strstr(error->message, "host 'h1' cannot be emptied: VM 'v1' "));
    assert_non_null(strstr(error->message, "group 'db' (anti-affinity) keeps it away"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PLANNER_TEST(test_feasibility_extras_beyond_the_policy_are_refused),
        PLANNER_TEST(test_feasibility_spare_host_without_a_relief_is_refused),
        PLANNER_TEST(test_feasibility_extras_within_the_budget_are_not_refused),
        PLANNER_TEST(test_feasibility_vm_that_fits_nowhere_is_named_with_what_is_missing),
        PLANNER_TEST(test_feasibility_hosts_that_are_too_full_together_are_named),
        PLANNER_TEST(test_feasibility_holes_that_are_too_small_are_named),
        PLANNER_TEST(test_feasibility_partial_leaves_out_what_has_no_room),
        PLANNER_TEST(test_feasibility_lone_host_with_vms_is_refused),
        PLANNER_TEST(test_feasibility_empty_inventory_is_invalid),
        PLANNER_TEST(test_feasibility_vms_that_cannot_move_keep_their_host_out),
        PLANNER_TEST(test_feasibility_offline_vm_stays_where_it_is),
        PLANNER_TEST(test_feasibility_request_chooses_hosts),
        PLANNER_TEST(test_feasibility_unknown_host_is_answered_with_the_nearest),
        PLANNER_TEST(test_feasibility_group_that_cannot_part_is_named),
    };

    return cmocka_run_group_tests_name("plan/scope, plan/feasibility", tests, NULL, NULL);
}
