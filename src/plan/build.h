/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the planner and the parser put a VrPlan together. */
#pragma once

#include <virt-roll/plan.h>

#include "base/json-writer.h"
#include "base/reader.h"

G_BEGIN_DECLS

VrPlan *vr_plan_new(void);
VrPlan *vr_plan_copy(const VrPlan *self);

/* The member "steps": those from that index on; and appended to a plan that ends before them. */
void vr_plan_write_steps(VrJsonWriter *out, const VrPlan *self, guint from);
void vr_plan_read_steps(VrReader *reader, JsonNode *root, VrPlan *self);

/*
 * The next step, its id set, everything else zero. Borrowed. `after` (nullable) is shared; without
 * one the step gets an empty one of its own.
 */
VrPlanStep *vr_plan_append_step(VrPlan *self, VrStepKind kind, GArray *after);

/* A copy that lives as long as the plan. NULL: NULL. */
char *vr_plan_keep(VrPlan *self, const char *text);

/* The next step like another one, `after` included, each of whose ids is raised by `shift`. */
VrPlanStep *vr_plan_copy_step(VrPlan *self, const VrPlanStep *step, guint shift);

/* Adds an id to `after`, which is the step's own, kept ascending and without doubles. */
void vr_plan_step_add_after(VrPlanStep *self, guint id);
VrPlanSkip *vr_plan_copy_skip(const VrPlanSkip *skip);

/* `reason` is a word, `detail` a sentence (transfer full). Borrowed. */
VrPlanSkip *vr_plan_skip_new(const char *host, const char *reason, char *detail);
void vr_plan_skip_free(VrPlanSkip *self);

G_END_DECLS
