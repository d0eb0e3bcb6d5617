/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hops, one after the other, as a schedule. */
#pragma once

#include "plan/puzzle.h"
#include "plan/schedule.h"

G_BEGIN_DECLS

/*
 * The forecast does one migration at a time. `after` has what each step relies on: the target's
 * update, what had to leave the target before, the VM's hop before it. NULL: the canary's gate
 * cannot be kept in this order. (transfer full)
 */
VrSchedule *vr_sequence_lay_out(const VrProblem *problem, const GArray *hops);

G_END_DECLS
