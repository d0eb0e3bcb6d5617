/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Judges a plan by replaying it. Written from the rules (docs/reference/plan.md), apart from the
 * planner, and shares no code with it: what both get wrong together, nobody sees.
 */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

/*
 * Replays the plan `runs` times, each in another order that keeps `after`, steps taking any time at
 * all; then checks the forecast against the limits. NULL: every rule was kept; else what was
 * broken, by which step. (transfer full)
 */
char *plan_check(const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan,
                 guint32 seed, guint runs);

G_END_DECLS
