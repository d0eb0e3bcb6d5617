/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The best that any plan can do, for fleets of a few hosts: found by trying everything, by the
 * rules and not by the planner's code. One pool, nothing left out, no gates, no limit of CPU use.
 */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

G_BEGIN_DECLS

#define EXACT_HOSTS_MAX 6
#define EXACT_UNITS_MAX 16

typedef enum {
    EXACT_FOUND,
    EXACT_IMPOSSIBLE,
    EXACT_TOO_LARGE, /* given up */
} ExactOutcome;

/* What migrates as one: a VM, or an affinity group. */
typedef struct {
    gint64 memory_mib, vcpus;
    guint vm_count, host;
    gint group;       /* of an anti-affinity rule; -1 */
    guint hosts_mask; /* where it may run */
    gint64 time_ms;   /* of its migrations, one after the other */
} ExactUnit;

typedef struct {
    guint host_count, unit_count, updated_mask;
    gint64 room_mib[EXACT_HOSTS_MAX], room_vcpus[EXACT_HOSTS_MAX], update_ms[EXACT_HOSTS_MAX];
    ExactUnit units[EXACT_UNITS_MAX];
    gint64 group_max[EXACT_UNITS_MAX]; /* per group of the inventory */
    gint64 down_max;
} ExactWorld;

/* FALSE: too many VMs, or more groups than there is room for. */
gboolean exact_world_init(ExactWorld *self, const VrInventory *inventory, const VrPolicy *policy);

/* Is there room on the host for the unit, with the others at `places` and on their way to
 * `targets`? NULL: none is on its way; else a target is the unit's own place if it is at rest. */
gboolean exact_world_fits(const ExactWorld *self, const guint8 *places, const guint8 *targets,
                          guint unit, guint host);

/* The fewest extra migrations with which every host can be updated. */
ExactOutcome exact_search_extras(const ExactWorld *world, guint *out_extras);

/*
 * The shortest makespan of plans with at most so many extra migrations. Each host gives one VM and
 * takes one VM at a time, so that the duration of a migration is that of the VM.
 */
ExactOutcome exact_search_makespan(const ExactWorld *world, guint extras_max, gint64 *out_ms);

G_END_DECLS
