/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the planner and the parser put a VrPlan together. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

VrPlan *vr_plan_new(void);

/* The next step, its id set, everything else zero and owned strings NULL. Borrowed. */
VrPlanStep *vr_plan_append_step(VrPlan *self, VrStepKind kind);

/* `reason` is a word, `detail` a sentence (transfer full). Borrowed. */
VrPlanSkip *vr_plan_skip_new(const char *host, const char *reason, char *detail);
void vr_plan_skip_free(VrPlanSkip *self);

/* Adds an id to `after`, kept ascending and without doubles. */
void vr_plan_step_add_after(VrPlanStep *self, guint id);

G_END_DECLS
