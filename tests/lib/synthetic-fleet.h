/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fleets as one meets them, of any size, for benchmarks: hosts of 512 GiB or of four classes, about
 * 32 VMs of 2 to 256 GiB on each, anti-affinity groups, a few VMs that cannot be migrated. The same
 * wish gives the same fleet, on every machine and in every version: tables of earlier measurements
 * name them by these numbers, so the draws may not change.
 */
#pragma once

#include <virt-roll/inventory.h>

G_BEGIN_DECLS

typedef struct {
    guint64 seed;
    guint host_count;
    guint empty_count;
    guint spare_percent; /* of the fleet's memory, the empty hosts' included */
    gboolean mixed;      /* four classes of hosts; else all alike */
    double group_share;  /* of the VMs, in anti-affinity groups of 2 to 12 */
    double pinned_share; /* of the hosts, with VMs that cannot be migrated */
    double link_factor;  /* links and update times against the usual ones */
    double update_factor;
} SyntheticWish;

/* 100 hosts alike, one empty, 20 % spare; 30 % of the VMs in groups, 1 % of the hosts pinned. */
#define SYNTHETIC_WISH                                                                             \
    ((SyntheticWish){.seed = 1,                                                                    \
                     .host_count = 100,                                                            \
                     .empty_count = 1,                                                             \
                     .spare_percent = 20,                                                          \
                     .group_share = 0.3,                                                           \
                     .pinned_share = 0.01,                                                         \
                     .link_factor = 1,                                                             \
                     .update_factor = 1})

/* Sealed; hosts and VMs in the order of their names. */
VrInventory *synthetic_fleet_generate(const SyntheticWish *wish);

G_END_DECLS
