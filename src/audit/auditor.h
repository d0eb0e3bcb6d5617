/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Judges a simulated rollout by the world's truth, never by what the engine believes. It shares no
 * decision code with the engine: of src/rollout it uses the formats of journal records only. Every
 * rule is written once more here, from docs/internals/simulator.md.
 */
#pragma once

#include <virt-roll/rollout.h>

#include "sim/world.h"

G_BEGIN_DECLS

/* X(member, name, what must hold) */
#define SIM_RULES(X)                                                                               \
    X(SIM_RULE_I1, "I1", "a VM runs on at most one host")                                          \
    X(SIM_RULE_I2, "I2", "no VM is lost by what the controller does")                              \
    X(SIM_RULE_I3, "I3", "a host is changed only proven empty and closed")                         \
    X(SIM_RULE_I4, "I4", "a copy is destroyed or undefined only when a newer one is safe")         \
    X(SIM_RULE_I5, "I5", "a source is resumed only if no newer copy exists or may come")           \
    X(SIM_RULE_I6, "I6", "one migration of a VM at a time, and none while one is unresolved")      \
    X(SIM_RULE_I7, "I7", "nothing is done to a VM in post-copy")                                   \
    X(SIM_RULE_I8, "I8", "intent is durable before its effect")                                    \
    X(SIM_RULE_I9, "I9", "limits of migrations in flight and hosts down hold")                     \
    X(SIM_RULE_I10, "I10", "capacity, headroom and group rules hold")                              \
    X(SIM_RULE_I11, "I11", "what acts on absence has read it afresh; unknown is not absent")       \
    X(SIM_RULE_I12, "I12", "only the present controller acts")                                     \
    X(SIM_RULE_I13, "I13", "a VM keeps its definition, autostart and persistence")                 \
    X(SIM_RULE_I14, "I14", "paused stays paused, running stays running")                           \
    X(SIM_RULE_I15, "I15", "the way back exists: a refuge keeps room until its gate has passed")   \
    X(SIM_RULE_I16, "I16", "every privileged action has exactly one record of its intent")         \
    X(SIM_RULE_I17, "I17", "a host that failed or asks for a person gets no VM")                   \
    X(SIM_RULE_I18, "I18", "after a journal failure nothing is issued")                            \
    X(SIM_RULE_L1, "L1", "with faults healed a rollout ends")                                      \
    X(SIM_RULE_L2, "L2", "no VM stays paused by a migration without a person being asked")         \
    X(SIM_RULE_L3, "L3", "a stop takes effect before the next VM")                                 \
    X(SIM_RULE_L4, "L4", "a restarted controller knows where it is in bounded time")               \
    X(SIM_RULE_R2, "R2", "a VM migrates once, and only onto an updated host or as declared")       \
    X(SIM_RULE_R4, "R4", "a refuge stays empty, closed and not updated until its gate has passed") \
    X(SIM_RULE_R5, "R5", "a way back leads off a host in alert, to one not updated, and once")     \
    X(SIM_RULE_RV, "RV", "a plan is revised on what is certain, and keeps what was promised")      \
    X(SIM_RULE_END, "END", "a rollout that is done has done it: every host, every VM")
typedef enum {
#define SIM_RULE_MEMBER(member, name, text) member,
    SIM_RULES(SIM_RULE_MEMBER)
#undef SIM_RULE_MEMBER
} SimRule;
#define SIM_RULE_COUNT (SIM_RULE_END + 1)

const char *sim_rule_name(SimRule rule);
const char *sim_rule_text(SimRule rule);

typedef struct SimAuditor SimAuditor;

/* What was approved. All borrowed; must outlive the auditor. */
SimAuditor *sim_auditor_new(const SimWorld *world, const VrPlan *plan, const VrPolicy *policy,
                            const VrInventory *inventory);
void sim_auditor_free(SimAuditor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimAuditor, sim_auditor_free)

/* For SimWorld.seen, with the auditor as data. */
void sim_auditor_see(const SimFact *fact, gpointer data);

/* After every timer of the world: rules of time (L2, L4) and of state. Cheap if nothing changed. */
void sim_auditor_look(SimAuditor *self);

/*
 * The rollout has come to rest: `phase` is what it says of itself, `asking` whether it names a
 * person to ask. final: faults are healed, people have repaired what the engine may not, and it was
 * taken up again as often as that could help: it must be done, or closed for a reason that is true.
 */
void sim_auditor_rest(SimAuditor *self, VrRolloutPhase phase, gboolean final);
/* It did not come to rest in its time (L1). */
void sim_auditor_endless(SimAuditor *self, const char *where);

/* The first breach as "I5: vm3: …", NULL if there is none. Borrowed. */
const char *sim_auditor_breach(const SimAuditor *self);
SimRule sim_auditor_breached_rule(const SimAuditor *self); /* of it; only if there is one */

/* How often each rule was put to the test, [SIM_RULE_COUNT]. */
const guint64 *sim_auditor_evaluations(const SimAuditor *self);

G_END_DECLS
