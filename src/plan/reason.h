/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one place that turns reasons into words for an operator. */
#pragma once

#include "plan/schedule.h"

G_BEGIN_DECLS

/* Why the step is done, and done then. */
void vr_reason_append(GString *out, const VrProblem *problem, const VrSchedule *schedule,
                      const VrEntry *entry);

/* "no host is empty", as an operator would see it. */
const char *vr_reason_no_empty(const VrProblem *problem);

G_END_DECLS
