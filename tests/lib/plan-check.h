/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Judges a plan against the inventory and the policy that it was made from. Written from the rules
 * (docs/reference/plan.md), apart from the planner, and shares no code with it: what both get wrong
 * together, nobody sees.
 */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

/*
 * Four looks at the plan: its form and its summary; proofs from `after` alone, for every order
 * there is; the forecast times; and `runs` replays in random orders that keep `after` and the
 * limits of the run time, each step taking any time at all. NULL: every rule was kept; else what
 * was broken, by which step. (transfer full)
 */
char *plan_check(const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan,
                 guint32 seed, guint runs);

G_END_DECLS
