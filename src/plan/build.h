/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the planner and the parser put a VrPlan together. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

VrPlan *vr_plan_new(void);

/* The next step, its id set, everything else zero and owned strings NULL. Borrowed. */
VrPlanStep *vr_plan_append_step(VrPlan *self, VrStepKind kind);

/* The next step like another one, `after` included, each of whose ids is raised by `shift`. */
VrPlanStep *vr_plan_copy_step(VrPlan *self, const VrPlanStep *step, guint shift);
VrPlanSkip *vr_plan_copy_skip(const VrPlanSkip *skip);

/* `reason` is a word, `detail` a sentence (transfer full). Borrowed. */
VrPlanSkip *vr_plan_skip_new(const char *host, const char *reason, char *detail);
void vr_plan_skip_free(VrPlanSkip *self);

/* Adds an id to `after`, kept ascending and without doubles. */
void vr_plan_step_add_after(VrPlanStep *self, guint id);

G_END_DECLS
