/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random fleets with policies and requests: the same seed gives the same. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

/*
 * Two to 200 hosts, mostly few; some full, some empty, some updated; pools, groups, domains. Nearly
 * all fleets keep their own rules. Sealed.
 */
VrInventory *fleet_generate(guint32 seed);

/* Limits, gates and what to do about VMs that cannot move. */
VrPolicy *fleet_generate_policy(guint32 seed);

typedef struct {
    VrPlanRequest request;
    GPtrArray *names[2]; /* hosts, exclude; borrowed, ending in NULL */
} FleetRequest;

/* Mostly the whole fleet; sometimes only some of its hosts, or not all. */
FleetRequest *fleet_generate_request(guint32 seed, const VrInventory *inventory);
void fleet_request_free(FleetRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FleetRequest, fleet_request_free)

/* The same fleet, its lists in another order. Sealed. */
VrInventory *fleet_shuffle(const VrInventory *inventory, guint32 seed);

/* A plain fleet: as many hosts, some of them empty, the others filled to `fill_permille`. Sealed.
 */
VrInventory *fleet_generate_uniform(guint32 seed, guint host_count, guint empty_count,
                                    guint fill_permille);

G_END_DECLS
