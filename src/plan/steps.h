/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the numbers of a schedule to the steps of a plan, with names and reasons. */
#pragma once

#include "plan/schedule.h"

G_BEGIN_DECLS

void vr_steps_append(VrPlan *plan, const VrProblem *problem, const VrSchedule *schedule);

G_END_DECLS
