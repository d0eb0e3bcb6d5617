/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What many runs come to: counts, what never happened, and the seeds that breached a rule. */
#pragma once

#include "simulate/run.h"

G_BEGIN_DECLS

typedef struct {
    guint32 seed;
    char *breach;
} SimFailure;

typedef struct {
    guint64 seeds;
    guint64 refused; /* the planner had nothing to do, or found no way */
    guint64 rollouts;
    guint64 done;
    guint64 not_done; /* ended otherwise, for a reason that was true */
    guint64 migrations;
    guint64 arrivals;
    guint64 actions;
    guint64 stages;
    guint64 restarts;
    guint64 repairs;
    guint64 revisions;
    guint64 records;
    gint64 simulated_us;
    gint64 elapsed_us;
    guint64 struck[SIM_FAULT_COUNT];
    guint64 evaluations[SIM_RULE_COUNT];
    GArray *failures; /* (element-type SimFailure) by seed */
} SimSummary;

void sim_summary_init(SimSummary *self);
void sim_summary_clear(SimSummary *self);
void sim_summary_add(SimSummary *self, guint32 seed, const SimOutcome *outcome);

/* (transfer full) Lines for people, or `virt-roll-simulation/1` JSON. */
char *sim_summary_text(const SimSummary *self);
char *sim_summary_json(const SimSummary *self);

G_END_DECLS
