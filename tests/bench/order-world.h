/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fleet in which orders of work are played through, event by event, by the cost model and the
 * limits of the policy. Places are reserved first; a migration starts as soon as slots and links
 * allow. Knows memory, vCPUs and anti-affinity groups with one VM per host, no gates.
 */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

#include "room-index.h"

G_BEGIN_DECLS

typedef enum {
    HOST_WAITS,
    HOST_DRAINS,
    HOST_EMPTY,
    HOST_UPDATES,
    HOST_UPDATED,
    HOST_LEFT_OUT
} HostState;
typedef enum { VM_RESTS, VM_QUEUED, VM_FLIES } VmState;

/* Lists that a VM is in: of those on a host, and of those that wait to leave and to enter one. */
typedef enum { LIST_RESIDENT, LIST_OUT, LIST_IN, LISTS } ListKind;

typedef struct {
    HostState state;
    gint64 room_mib, used_mib; /* used: VMs that come and VMs that have not gone included */
    gint64 room_vcpus, used_vcpus;
    gint64 link, out_rate, in_rate;
    gint64 out_count, in_count;
    gint64 incoming_mib; /* resident memory that is reserved for and has not arrived */
    gint64 update_ms;
    guint vm_count, start_vm_count;
    gboolean is_target; /* of the wave that is being made up */
    gint heads[LISTS], tails[LISTS];
} WorldHost;

typedef struct {
    gint64 memory_mib, vcpus, resident_mib, dirty_mib_per_s, rate;
    gint host, target, start_host, group; /* target, group: -1 for none */
    gboolean movable;
    VmState state;
    gint next[LISTS], previous[LISTS];
} WorldVm;

typedef struct {
    gint64 at_ms;
    guint64 sequence;
    gboolean is_update;
    guint id; /* of the host or the VM */
} WorldEvent;

typedef struct {
    const VrLimits *limits;
    guint host_count, vm_count;
    WorldHost *hosts;
    WorldVm *vms;
    guint *group_starts, *members; /* VMs by group */
    GArray *events;                /* a heap of WorldEvent */
    guint64 sequence;
    gint64 now_ms, counted_ms;
    RoomIndex *any, *updated, *updating;
    gint64 free_updated_mib, free_updating_mib;
    gint64 down_max, down_count, down_peak, in_flight, in_flight_peak;
    gint64 waiting_vms; /* on hosts that are to be updated */
    gint64 exposure_vm_ms, migrations;
} World;

World *world_new(const VrInventory *inventory, const VrPolicy *policy);

gint64 world_free_mib(const World *self, guint host);
gboolean world_is_apart(const World *self, guint vm, guint host); /* from its group's others */
gboolean world_fits(const World *self, guint vm, guint host);
void world_reserve(World *self, guint vm, guint host);
void world_unreserve(World *self, guint vm);

/* Starts when it can. The place is reserved. */
void world_queue(World *self, guint vm);

/* Out of the lists of hosts that can take VMs, and back to where it belongs. */
void world_hide(World *self, guint host);
void world_show(World *self, guint host);

/* The host gives VMs and takes none, for a try: without the accounts of world_set_state. */
void world_begin_try(World *self, guint host);
void world_end_try(World *self, guint host, HostState state);

void world_set_state(World *self, guint host, HostState state);
void world_start_update(World *self, guint host);

/* Starts what can start now at an updated host. */
void world_wake_target(World *self, guint host);

/* FALSE: nothing goes on. `*out_target` of a migration; -1 for an update. */
gboolean world_step(World *self, guint *out_host, gint *out_target);
void world_run(World *self);

void world_free(World *self);

G_END_DECLS
