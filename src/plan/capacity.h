/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has room while a plan grows. A VM that leaves keeps its place on its source until the source
 * is empty, and a place on a target is taken when it is promised, so that what fits here fits at
 * every instant of any execution.
 */
#pragma once

#include "plan/problem.h"

G_BEGIN_DECLS

typedef struct {
    const VrProblem *problem;
    guint pool;
    VrAmount *loads;  /* per host, promises included */
    GArray **present; /* per host (element-type guint): VMs there or promised to it */
    GArray *log;      /* promises since the last commit */
} VrCapacity;

typedef enum {
    VR_FIT_YES,
    VR_FIT_MEMORY,
    VR_FIT_VCPUS,
    VR_FIT_CPU,
    VR_FIT_GROUP,
    VR_FIT_NAME,
} VrFit;

/* VMs that go together, with their sum. */
typedef struct {
    const guint *vms;
    guint count;
    VrAmount size;
} VrBlock;

/* For the hosts of one pool, as they are at the start; skipped hosts included. */
VrCapacity *vr_capacity_new(const VrProblem *problem, guint pool);

/* May the block go to a host of the same pool? If not, the first reason. */
VrFit vr_capacity_fit(const VrCapacity *self, const VrBlock *block, guint host);

/* Can be negative, on a host over its own limits. */
gint64 vr_capacity_free(const VrCapacity *self, guint host, VrResource resource);

void vr_capacity_promise(VrCapacity *self, const VrBlock *block, guint host);

/* Takes back the promises beyond the first `mark` of the log. */
void vr_capacity_undo(VrCapacity *self, guint mark);

/* Makes the promises final; the host is empty from now on. */
void vr_capacity_commit_drain(VrCapacity *self, guint host);

void vr_capacity_free_all(VrCapacity *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrCapacity, vr_capacity_free_all)

G_END_DECLS
