/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small fleet that is hard to empty: the fewest extra migrations there are, found by looking at
 * every placement of its VMs that can be reached.
 */
#pragma once

#include "plan/problem.h"

G_BEGIN_DECLS

/* One after the other; a host that is empty after one is updated before the next. */
typedef struct {
    const VrBlock *block; /* of a host of the problem */
    guint source, target;
    gboolean extra;
} VrHop;

/*
 * (element-type VrHop) (transfer full) NULL: there is no way, or the fleet has more than one pool,
 * 8 hosts or 16 blocks, spare hosts to keep, or too many placements. Never takes a VM off an
 * updated host, nor onto one that a VM has left: a source is closed from its first migration on.
 */
GArray *vr_puzzle_solve(const VrProblem *problem);

G_END_DECLS
