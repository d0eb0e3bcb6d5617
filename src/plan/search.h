/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The conveyor in several manners; the best result is the plan. */
#pragma once

#include "plan/conveyor.h"

G_BEGIN_DECLS

/*
 * Best is: most hosts updated; then fewest extra migrations beyond the budget; then the shortest
 * makespan; then fewest extras; then the least exposure; then what was tried first.
 */
VrSchedule *vr_search_best(const VrProblem *problem);

G_END_DECLS
