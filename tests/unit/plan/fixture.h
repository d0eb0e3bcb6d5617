/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A test of the planner: an inventory and a policy to fill, and what is to come of them. */
#pragma once

#include "small-fleet.h"

G_BEGIN_DECLS

typedef struct {
    VrInventory *inventory;
    VrPolicy *policy;
} Fixture;

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Plans, judges the plan, and compares its steps (see describe) with `wanted`. */
VrPlan *expect_steps(const Fixture *fixture, const char *wanted);

/* Expects no plan, and an error with exactly this message. */
void expect_error(const Fixture *fixture, VrErrorCode code, const char *wanted);

#define PLANNER_TEST(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

G_END_DECLS
