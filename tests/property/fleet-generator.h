/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small random fleets with their policies: the same seed gives the same fleet. */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

G_BEGIN_DECLS

/* Two to twelve hosts that keep their own rules, some full, some empty, some updated. Sealed. */
VrInventory *fleet_generate(guint32 seed);

/* Limits, gates and what to do about VMs that cannot move. */
VrPolicy *fleet_generate_policy(guint32 seed);

/* The same fleet, its lists in another order. Sealed. */
VrInventory *fleet_shuffle(const VrInventory *inventory, guint32 seed);

/* A plain fleet: as many hosts, some of them empty, the others filled to `fill_permille`. Sealed.
 */
VrInventory *fleet_generate_uniform(guint32 seed, guint host_count, guint empty_count,
                                    guint fill_permille);

G_END_DECLS
