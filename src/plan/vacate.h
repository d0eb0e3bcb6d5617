/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Emptying hosts with the help of extra migrations, onto hosts that are still to be emptied. */
#pragma once

#include "plan/conveyor.h"

G_BEGIN_DECLS

/*
 * Nothing is under way in the pool and no host's VMs all fit on updated hosts: empties the one that
 * needs fewest extras. FALSE: none can be emptied.
 */
gboolean vr_vacate_needed(VrConveyor *conveyor, guint pool);

/* At the very start, within the budget: the more hosts are empty, the faster all goes. */
void vr_vacate_early(VrConveyor *conveyor);

/* Later, within the budget: one host most of whose VMs fit on updated hosts. FALSE: none. */
gboolean vr_vacate_within_budget(VrConveyor *conveyor, guint pool);

G_END_DECLS
