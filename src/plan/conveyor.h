/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of the work: which host is emptied next, and where its VMs go. Serial: one host after
 * the other, each as soon as all its VMs have a place on updated hosts.
 */
#pragma once

#include "plan/feasibility.h"

G_BEGIN_DECLS

typedef struct {
    guint host;
    GArray *moves; /* (element-type VrMove) largest VM first; empty: the host is empty already */
    guint extra_count; /* of the moves */
    gboolean no_empty; /* no host of the pool was updated or empty when it was chosen */
} VrDrain;

typedef struct {
    GPtrArray *drains; /* (element-type VrDrain) in order of their updates */
    guint extra_count;
    VrObstacles *stuck; /* hosts that could not be emptied */
} VrConveyor;

/* For the hosts of one pool that have the role VR_ROLE_UPDATE. */
VrConveyor *vr_conveyor_compute(const VrProblem *problem, guint pool);

void vr_conveyor_free(VrConveyor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrConveyor, vr_conveyor_free)

G_END_DECLS
