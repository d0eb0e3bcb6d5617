/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts by their free memory, in steps of 1 GiB: the next host with at least or at most so much in
 * constant time. Hosts of one step come in the order in which they got there.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct RoomIndex RoomIndex;

RoomIndex *room_index_new(guint host_count);

/* Moves the host to where it belongs; within its step it keeps its place. */
void room_index_put(RoomIndex *self, guint host, gint64 free_mib);
void room_index_remove(RoomIndex *self, guint host);
gboolean room_index_has(const RoomIndex *self, guint host);

/* The first step from `step` up (down) that has hosts; -1: none. */
gint room_index_up(const RoomIndex *self, gint step);
gint room_index_down(const RoomIndex *self, gint step);
gint room_index_top(const RoomIndex *self);
gint room_index_step_of(gint64 free_mib);

/* The first host of a step, the next one after `host`; -1: none. */
gint room_index_first(const RoomIndex *self, gint step);
gint room_index_next(const RoomIndex *self, guint host);

void room_index_free(RoomIndex *self);

G_END_DECLS
