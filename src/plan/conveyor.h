/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pipelined conveyor, decided and forecast in one go: as soon as all VMs of a host have a place
 * on updated hosts, or on hosts that soon will be, it is emptied, and then updated to take the next
 * ones. As many hosts at once as limits and room allow.
 */
#pragma once

#include "plan/drain.h"
#include "plan/order.h"

G_BEGIN_DECLS

typedef struct {
    VrBelt *belt;
    VrOrder *orders[VR_ORDERS];
    guint *exhausted;   /* per pool: its stamp when no host could be drained */
    guint *spent;       /* per pool: its stamp when no extras were worth it */
    guint pipeline_max; /* hosts that are worth being drained, gated, waiting or down at once */
    GArray *places;     /* of the host that is being tried */
} VrConveyor;

/*
 * Runs it to its end, or until it is clear that it takes longer than `give_up_ms`: NULL then.
 * (transfer full)
 */
VrSchedule *vr_conveyor_run(const VrProblem *problem, const VrManner *manner, gint64 give_up_ms);

/* Voluntary extras that the policy allows. */
gint64 vr_conveyor_budget(const VrProblem *problem);

/* Begins to drain an open host to `places`, whose promises are made. For vacate.c. */
void vr_conveyor_drain(VrConveyor *self, guint host, VrTurn turn);

G_END_DECLS
