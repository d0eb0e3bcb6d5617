/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a scenario that breaches a rule to a small one that breaches the same rule. */
#pragma once

#include "simulate/run.h"

G_BEGIN_DECLS

/*
 * Tries ever smaller scenarios: fewer strikes (delta debugging, Zeller and Hildebrandt 2002), hosts
 * and VMs. (transfer full) NULL: the scenario breaches nothing. out_runs: how many were tried.
 */
SimScenario *sim_shrink(const SimScenario *scenario, guint *out_runs);

G_END_DECLS
