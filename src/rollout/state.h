/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the rollout layer: making states, and questions that several files ask. */
#pragma once

#include <virt-roll/rollout.h>

G_BEGIN_DECLS

/*
 * The state of a rollout that has just been created on the three values (all taken). The plan's ids
 * must be 1.. in order and each `after` smaller than its step, as vr_plan_parse makes sure.
 */
void vr_state_found(VrRollout *self, VrPlan *plan, VrPolicy *policy, VrInventory *inventory);

/*
 * The same rollout on a combined plan: its old steps, as they are, then new ones, pending. Plan and
 * inventory are taken. Automatic: no person has approved it.
 */
void vr_state_revise(VrRollout *self, VrPlan *plan, VrInventory *inventory, gboolean automatic);

/* At rest: it has not begun, stands still, or waits for a person. */
gboolean vr_phase_is_replaceable(VrPhase phase);
/* Of guints, for sorted arrays of ids. */
gint vr_compare_ids(gconstpointer a, gconstpointer b);

/* Steps that are not superseded and are an extra migration; that have ended well. */
guint vr_rollout_count_extras(const VrRollout *self);
guint vr_rollout_count_satisfied(const VrRollout *self);

/*
 * Something runs, or waits to run, for this step. A gate's watching, a refuge and what is
 * deferred are not busy.
 */
gboolean vr_step_is_busy(const VrStepState *step);

/* May new work begin? No while stopping, or while any step waits for a person. */
gboolean vr_rollout_may_begin(const VrRollout *self);

/* The step that a completion is for, if it is still waited for; NULL if stale. */
VrStepState *vr_rollout_awaited(const VrRollout *self, const VrInput *input);

/* Like that, for one step: a way back begins whatever else waits for a person. */
gboolean vr_rollout_may_begin_step(const VrRollout *self, const VrStepState *step);
/* Of the way back off a host in alert: added, never planned. */
gboolean vr_step_is_way_back(const VrPlanStep *step);
/* Is there a later migration of its VM, off its target or off where it was found since? */
gboolean vr_rollout_moves_on(const VrRollout *self, const VrStepState *arrival);

/* The same rollout with steps more at its plan's end, pending. The plan is taken. */
void vr_state_extend(VrRollout *self, VrPlan *plan);

VrHostAlert *vr_state_add_alert(VrRollout *self, const char *host);
VrHostHealth *vr_state_add_health(VrRollout *self, const char *host);

/* Of the host's record in the inventory; 0 if it has none. */
gint64 vr_rollout_usable_mib(const VrRollout *self, const char *host);

G_END_DECLS
