/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the planner and the parser put a VrPlan together. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

VrPlan *vr_plan_new(void);

/*
 * The next step, its id set, everything else zero. Borrowed. `after` (nullable) is shared; without
 * one the step gets an empty one of its own.
 */
VrPlanStep *vr_plan_append_step(VrPlan *self, VrStepKind kind, GArray *after);

/* A copy that lives as long as the plan. NULL: NULL. */
char *vr_plan_keep(VrPlan *self, const char *text);

/* `reason` is a word, `detail` a sentence (transfer full). Borrowed. */
VrPlanSkip *vr_plan_skip_new(const char *host, const char *reason, char *detail);
void vr_plan_skip_free(VrPlanSkip *self);

G_END_DECLS
