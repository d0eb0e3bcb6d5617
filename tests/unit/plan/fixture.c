/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "plan-check.h"

int
fixture_setup(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->inventory = vr_inventory_new();
    fixture->policy = vr_policy_new();
    *state = fixture;
    return 0;
}

int
fixture_teardown(void **state)
{
    Fixture *fixture = *state;

    vr_inventory_free(fixture->inventory);
    vr_policy_free(fixture->policy);
    g_free(fixture);
    return 0;
}

VrPlan *
expect_steps(const Fixture *fixture, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    VrPlan *plan = compute(fixture->inventory, fixture->policy, &error);

    if (plan == NULL)
        fail_msg("%s", error->message);
    g_autofree char *steps = describe(plan);
    assert_string_equal(steps, wanted);
    g_autofree char *broken = plan_check(fixture->inventory, fixture->policy, plan, 1, 50);
    if (broken != NULL)
        fail_msg("%s", broken);
    return plan;
}

void
expect_error(const Fixture *fixture, VrErrorCode code, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPlan) plan = compute(fixture->inventory, fixture->policy, &error);

    assert_null(plan);
    assert_string_equal(error->message, wanted);
    assert_int_equal(error->code, code);
}
