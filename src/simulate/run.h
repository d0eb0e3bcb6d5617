/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One simulated rollout from beginning to end: the world of a scenario, the real planner and
 * engine, controllers that die and start again, an operator, and the auditor that watches it all.
 * First anything may fail; then the faults heal, and the rollout must end.
 */
#pragma once

#include "audit/auditor.h"
#include "simulate/scenario.h"

G_BEGIN_DECLS

typedef struct {
    char *breach;  /* (nullable) the first one */
    SimRule rule;  /* that was breached */
    char *refusal; /* (nullable) why there was nothing to simulate: the planner's words */
    VrRolloutPhase phase;
    char *reason;       /* (nullable) of the phase */
    guint64 migrations; /* that libvirt began for us */
    guint64 arrivals;   /* guests that ran on their target at the end of one */
    guint64 actions;    /* of the recovery table, executed */
    guint64 stages;
    guint64 restarts;  /* controllers after the first */
    guint64 repairs;   /* rounds of the operator */
    guint64 revisions; /* of the plan */
    guint64 records;
    gint64 simulated_us;
    guint64 struck[SIM_FAULT_COUNT];
    guint asked[SIM_FAULT_COUNT]; /* opportunities of each kind */
    char *end_state; /* where every VM is and how each host is, a line each; NULL with refusal */
    guint64 evaluations[SIM_RULE_COUNT];
    GArray *happened; /* (element-type SimStrike) */
} SimOutcome;

/* Lines of the trace, without their ends, with the virtual time in front. */
typedef void (*SimTraceLine)(const char *line, gpointer data);

/* traced (nullable) is told every line. out_outcome: clear with sim_outcome_clear. */
void sim_run(const SimScenario *scenario, SimTraceLine traced, gpointer data,
             SimOutcome *out_outcome);
void sim_outcome_clear(SimOutcome *self);

G_END_DECLS
