/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When each step would run if everything took as long as the cost model says: steps start in the
 * order of their ids as soon as `after` and the run-time limits let them.
 */
#pragma once

#include "plan/problem.h"

G_BEGIN_DECLS

/*
 * Updates and gates come with their duration in end_ms - start_ms. Sets start_ms, end_ms and rate
 * of every step, and the times, peaks and exposure of the summary.
 */
void vr_forecast_run(const VrProblem *problem, VrPlan *plan);

G_END_DECLS
