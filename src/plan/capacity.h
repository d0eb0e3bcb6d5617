/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who has room while a plan grows: a ledger of promises, without time. A VM has its place on a
 * target from the promise on; on its source until the whole host is promised to be emptied. What
 * fits here fits at every instant of any execution that keeps `after`.
 */
#pragma once

#include "plan/problem.h"

G_BEGIN_DECLS

/* Which rules the VMs of a host come under, each as often as VMs: few, so a list is fastest. */
typedef struct {
    guint *rules;
    guint count, size;
} VrPresence;

typedef struct {
    const VrProblem *problem;
    VrAmount *frees;       /* per host; negative on a host over its own limits */
    VrPresence *presences; /* per host */
} VrCapacity;

typedef enum {
    VR_FIT_YES,
    VR_FIT_MEMORY,
    VR_FIT_VCPUS,
    VR_FIT_CPU,
    VR_FIT_GROUP,
    VR_FIT_NAME,
} VrFit;

/* As everything is at the start; or `emptied`: as if all hosts to be updated were empty. */
VrCapacity *vr_capacity_new(const VrProblem *problem, gboolean emptied);

/* Is there enough of every resource? */
static inline gboolean
vr_capacity_has_room(const VrCapacity *self, const VrBlock *block, guint host)
{
    const VrAmount *free = &self->frees[host];

    for (guint r = 0; r < VR_RESOURCES; r++) {
        if (block->size.of[r] > free->of[r])
            return FALSE;
    }
    return TRUE;
}

/* May the block go to a host of its pool? If not, the first reason. */
VrFit vr_capacity_fit(const VrCapacity *self, const VrBlock *block, guint host);

/* The block has its place on the host; or has it no longer. */
void vr_capacity_take(VrCapacity *self, const VrBlock *block, guint host);
void vr_capacity_give(VrCapacity *self, const VrBlock *block, guint host);

void vr_capacity_free(VrCapacity *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrCapacity, vr_capacity_free)

G_END_DECLS
