/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts by their free room, to find the fullest one that still has enough, and the emptiest, in
 * constant time: buckets of equal width, each a list in order of arrival, over them two levels of
 * bitmaps. Within a bucket the order is not that of the room.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VR_FREE_INDEX_NONE G_MAXUINT

/* A host's place in the one index that it is in. */
typedef struct {
    guint next, previous;
    gint bucket; /* -1: in none */
} VrFreeLink;

typedef struct {
    VrFreeLink *links; /* per host; borrowed, shared by indexes that hold different hosts */
    gint64 width;      /* of a bucket */
    guint bucket_count, host_count;
    guint *heads, *tails;
    guint64 *words; /* a bit per bucket that is not empty */
    guint64 top;    /* a bit per word that is not 0 */
} VrFreeIndex;

/* For up to `host_count` hosts, none with more than `room_max`. */
VrFreeIndex *vr_free_index_new(VrFreeLink *links, guint host_count, gint64 room_max);

/* Adds the host, or moves it to where it now belongs; room below 0 counts as 0. */
void vr_free_index_put(VrFreeIndex *self, guint host, gint64 room);
void vr_free_index_remove(VrFreeIndex *self, guint host);

/* From the fullest that can have `room` to the emptiest; the first bucket may have less. */
guint vr_free_index_first(const VrFreeIndex *self, gint64 room);
guint vr_free_index_next(const VrFreeIndex *self, guint host);

/* From the emptiest to the fullest. */
guint vr_free_index_last(const VrFreeIndex *self);
guint vr_free_index_previous(const VrFreeIndex *self, guint host);

void vr_free_index_free(VrFreeIndex *self);

G_END_DECLS
