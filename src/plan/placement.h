/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding a place for every VM of one host. Best fit: the target with the least room that is
 * enough, so that large holes last.
 */
#pragma once

#include "plan/capacity.h"

G_BEGIN_DECLS

typedef struct {
    guint vm, source, target;
    gboolean extra;
    gint64 free_mib; /* left on the target */
} VrMove;

/* Hosts that may take the VMs, in order of preference among equals. */
typedef struct {
    const GArray *updated; /* (element-type guint) */
    const GArray *pending; /* (element-type guint) (nullable) for extras; the source is left out */
} VrTargets;

/* Each pending target is one extra migration. */
typedef enum {
    VR_ORDER_LARGEST,  /* the large ones first: packs best */
    VR_ORDER_SMALLEST, /* as many as possible onto updated hosts: fewest extras */
} VrOrder;

/* A block that fits nowhere, and the target that came nearest. */
typedef struct {
    guint vm; /* the first of the block */
    VrAmount size;
    gint nearest; /* -1: no target at all */
    VrFit fit;    /* why not there */
    gint64 missing;
} VrNoPlace;

/*
 * Promises a place for all VMs of `source`, and appends where each goes. FALSE: one fits nowhere
 * (out_no_place says which, if not NULL); nothing is promised then.
 */
gboolean vr_placement_pack(VrCapacity *capacity, guint source, const VrTargets *targets,
                           VrOrder order, GArray *out_moves, VrNoPlace *out_no_place);

/* The size of the host's largest block (affinity groups go as one) by the pool's binding resource.
 */
gint64 vr_placement_largest(const VrCapacity *capacity, guint source);

G_END_DECLS
