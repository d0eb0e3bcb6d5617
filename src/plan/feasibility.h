/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can never work, found before planning, and the words for it. */
#pragma once

#include "plan/capacity.h"

G_BEGIN_DECLS

/* A block that fits nowhere, and the target that came nearest. */
typedef struct {
    guint vm; /* the first of the block */
    VrAmount size;
    gint nearest; /* -1: no target at all */
    VrFit fit;    /* why not there */
    gint64 missing;
} VrNoPlace;

/* Hosts that cannot be emptied while all VMs run, with a sentence on each. */
typedef struct {
    GArray *hosts;     /* (element-type guint) */
    GPtrArray *causes; /* (element-type utf8) */
} VrObstacles;

VrObstacles *vr_feasibility_obstacles_new(void);

/* `cause` is taken. */
void vr_feasibility_add(VrObstacles *self, guint host, char *cause);

/*
 * Adds the hosts that can never be emptied, whatever the order of the work. That none
 * is found is no promise: holes may still be too small.
 */
void vr_feasibility_check(const VrProblem *problem, VrObstacles *obstacles);

/* "VM 'v' (16384 MiB, 4 vCPUs) fits on no other host: … lacks 2048 MiB; …" (transfer full) */
char *vr_feasibility_explain(const VrProblem *problem, const VrNoPlace *no_place);

/* "host 'h1' cannot be emptied: …; host 'h2' …; what would help" (transfer full) */
char *vr_feasibility_format(const VrProblem *problem, const VrObstacles *obstacles);

void vr_feasibility_obstacles_free(VrObstacles *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrObstacles, vr_feasibility_obstacles_free)

G_END_DECLS
