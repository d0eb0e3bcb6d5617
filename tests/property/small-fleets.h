/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fleets for the exact search: a few hosts, hard to empty. The same seed, the same fleet. */
#pragma once

#include <virt-roll/inventory.h>

G_BEGIN_DECLS

typedef enum {
    SMALL_NO_EMPTY,   /* every host in use, room enough in all */
    SMALL_FRAGMENTED, /* the room is in pieces */
    SMALL_SWAP,       /* large VMs that would have to change places, little room beside them */
    SMALL_GROUPS,     /* rules stand in the way more than room */
    SMALL_ONE_EMPTY,
    SMALL_KINDS,
} SmallKind;

const char *small_kind_to_string(SmallKind kind);

/* Sealed. Memory in units of 1024 MiB, no headroom needed. */
VrInventory *small_fleet_generate(guint32 seed, SmallKind kind, guint host_count);

/* One line: what is where, for a message. (transfer full) */
char *small_fleet_describe(const VrInventory *inventory);

G_END_DECLS
