/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What no plan can beat: docs/reference/plan.md, "Lower bounds". Each is proven for every plan that
 * keeps the rules, so a plan that reaches one is the best there is by that measure.
 */
#pragma once

#include "plan/problem.h"

G_BEGIN_DECLS

typedef struct {
    gint64 migrations;
    gint64 makespan_ms;               /* of any plan */
    gint64 makespan_within_budget_ms; /* of a plan with no more than so many extras */
    gint64 makespan_one_migration_ms; /* of a plan without extras */
} VrBounds;

VrBounds vr_bounds_compute(const VrProblem *problem, gint64 extra_max);

/* Migrations of the pool beyond one per VM. */
gint64 vr_bounds_extra_migrations(const VrProblem *problem, guint pool);

/* The least number of these VMs that must stay out of `room` so that the others fit in. */
guint vr_bounds_left_over(const VrProblem *problem, VrResource resource, gint64 room,
                          const GArray *vms);

G_END_DECLS
