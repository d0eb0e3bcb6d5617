/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three hosts and three guests as the auditor sees them, made by hand: what happens is written into
 * the world and told, by these functions only. h3 is updated. The plan: vm1 (step 1) and vm2 (2)
 * from h2 to h3, its gate (3), update h2 (4), vm3 from h1 to h2 (5), update h1 (6),
 * and vm3 on to h1 (7), which is extra and not needed.
 */
#pragma once

#include "audit/auditor.h"

enum { H1, H2, H3, HOSTS };
enum { VM1, VM2, VM3, VMS };
enum { STEP_VM1 = 1, STEP_VM2, STEP_GATE, STEP_H2, STEP_VM3, STEP_H1, STEP_VM3_ON };
#define STEPS STEP_VM3_ON

typedef struct {
    SimWorld world;
    VrPlan plan;
    VrPolicy *policy;
    VrInventory *inventory;
    SimAuditor *auditor;
    guint attempts[STEPS + 1];
    guint64 sequence;
} Small;

/* The rule holds in the good world, where it is put to the test, and is broken in the bad one. */
typedef void (*Case)(Small *small, gboolean bad);
void check_rule(SimRule rule, Case run);

void later(Small *self, gint64 seconds); /* and looks */
void changes(Small *self, guint vm, guint host, SimQemu qemu, SimCause cause);
void told(Small *self, guint vm, guint host, SimCause cause); /* that its copy has changed */
SimCopy *copy_of(Small *self, guint vm, guint host);
void host_told(Small *self, guint host, SimCause cause);
void controller(Small *self, SimFactKind kind, guint number);

/* Durable: a new attempt of that phase. */
void records(Small *self, guint step, VrPhase phase);
void rollout_is(Small *self, VrRolloutPhase phase);

/*
 * Durable: the plan is revised. Steps by bits (1 << id); with_gate: h3 is watched for vm1 and vm2
 * again, and h2 is updated after that.
 */
typedef struct {
    guint superseded;
    guint set_aside;
    gboolean with_gate;
    gboolean automatic;
} Revision;
void revises(Small *self, Revision revision);

void reads(Small *self, guint vm, guint host, VrSide side);
void lists(Small *self, guint host);
void migration(Small *self, SimFactKind kind, guint vm, guint source, guint target);
SimMigration *in_flight(Small *self, guint vm, guint source, guint target);
void action(Small *self, SimFactKind kind, guint vm, guint host, VrAction action);
void stage(Small *self, SimFactKind kind, guint step, guint host, VrStage stage);

/* As it should go, up to its end; to the last look before it settles; and to the moment when both
 * copies are paused. */
void migrates(Small *self, guint step, guint vm, guint source, guint target);
void migrates_unsettled(Small *self, guint step, guint vm, guint source, guint target);
void migrates_halfway(Small *self, guint step, guint vm, guint source, guint target);
void proves_empty(Small *self, guint host);
void closes(Small *self, guint step, guint host);
void updates(Small *self, guint step, guint host); /* closed already */
