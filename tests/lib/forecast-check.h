/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Judges the forecast of a plan that is otherwise sound: times, rates, limits and the summary. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

/* NULL: all is as the cost model and the limits say; else what is not. (transfer full) */
char *forecast_check(const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan);

G_END_DECLS
