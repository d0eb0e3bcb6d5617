/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a place for every VM of one host. */
#pragma once

#include "plan/belt.h"

G_BEGIN_DECLS

/* Where a block of the source goes. */
typedef struct {
    guint block; /* index in the source's blocks */
    guint target;
    gboolean extra;
    VrChoice choice;
    gint64 left_mib;
} VrPlace;

typedef enum {
    VR_PACK_FORWARD, /* onto updated hosts only, or those that will be: one migration per VM */
    VR_PACK_FEWEST,  /* as many as possible there, smallest first; the others are extras */
    VR_PACK_LARGEST, /* the same, largest first: packs where that does not */
    VR_PACK_OPEN,    /* extras all */
    VR_PACK_ASIDE,   /* the largest are extras, within the budget; all others go forward */
} VrPacking;

/*
 * Promises a place to all VMs of `source`, which is open, and appends where each block goes.
 * FALSE: one fits nowhere; nothing is promised then.
 */
gboolean vr_placement_pack(VrBelt *belt, guint source, VrPacking packing, GArray *out_places);

/* The same, onto one updated host. */
gboolean vr_placement_pack_whole(VrBelt *belt, guint source, GArray *out_places);

/* Takes back the promises of `places`. */
void vr_placement_undo(VrBelt *belt, guint source, GArray *places);

/* Which of the source's blocks fits nowhere, not even as an extra, and what comes nearest. */
VrNoPlace vr_placement_explain(VrBelt *belt, guint source);

G_END_DECLS
