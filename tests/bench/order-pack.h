/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Places for the VMs of one host, or for none of them. */
#pragma once

#include "order-world.h"

G_BEGIN_DECLS

typedef enum {
    PACK_UPDATED = 1 << 0,
    PACK_UPDATING = 1 << 1,
    PACK_ANY = 1 << 2, /* the roomiest host; else the fullest that has room */
    PACK_SMALLEST_FIRST = 1 << 3,
} PackFlags;

/* The fullest host of `index` that has room for the VM; -1: none. */
gint pack_find(const World *world, const RoomIndex *index, guint vm);

/* VMs of the host that neither migrate nor wait to, the largest first. (element-type guint) */
GArray *pack_list(const World *world, guint host);

/* Reserves a place for each VM. `out_extras`: how many on hosts that are not updated. */
gboolean pack_host(World *world, guint host, PackFlags flags, guint *out_extras);
void pack_undo(World *world, guint host);

/* Queues the VMs that have a place. */
void pack_launch(World *world, guint host);

G_END_DECLS
