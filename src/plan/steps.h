/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the order of the work to steps that name all they must wait for (`after`), so that any
 * execution that keeps `after` and the run-time limits is safe, whatever the real durations.
 */
#pragma once

#include "plan/conveyor.h"

G_BEGIN_DECLS

typedef struct VrSteps VrSteps;

/* Appends to the plan; it must outlive this. Durations of updates and gates are set, starts not. */
VrSteps *vr_steps_new(const VrProblem *problem, VrPlan *plan);

/* The work of one more pool; what was added before comes first. */
void vr_steps_add(VrSteps *self, const VrConveyor *conveyor);

void vr_steps_free(VrSteps *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrSteps, vr_steps_free)

G_END_DECLS
