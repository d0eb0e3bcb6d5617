/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning anew in mid-rollout, as `rollout replan` and `rollout skip` do, on a simulated world. */
#pragma once

#include <virt-roll/revision.h>

#include "sim/world.h"

G_BEGIN_DECLS

/*
 * Scans the world and plans what is left; now and then without a host that waits for a person.
 * `planned` is the inventory that the world was made of. NULL: it is refused, and the trace says
 * why.
 */
VrRevision *sim_replan(SimWorld *world, const VrRollout *rollout, const VrInventory *planned,
                       GRand *whims);

/* The VMs that it plans are no strangers any more: they belong to the fleet from now on. */
void sim_replan_adopt(SimWorld *world, const VrRevision *revision);

G_END_DECLS
