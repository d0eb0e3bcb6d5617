/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a scenario in which something goes wrong to a small one in which it still does. */
#pragma once

#include "simulate/run.h"

G_BEGIN_DECLS

/* Does it still go wrong in this way? */
typedef gboolean (*SimGoesWrong)(const SimOutcome *outcome, gpointer data);

/*
 * Tries ever smaller scenarios: fewer strikes (delta debugging, Zeller and Hildebrandt 2002), hosts
 * and VMs. (transfer full) NULL: nothing goes wrong to begin with. out_runs: how many were tried.
 */
SimScenario *sim_shrink(const SimScenario *scenario, SimGoesWrong goes_wrong, gpointer data,
                        guint *out_runs);

G_END_DECLS
