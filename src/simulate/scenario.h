/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a simulated run is made from: a value, drawn from a seed or read from a file. The same
 * scenario and the same build give the same trace to the byte. Format `virt-roll-scenario/1`:
 * docs/internals/simulator.md.
 */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

#include "sim/fault.h"

G_BEGIN_DECLS

#define SIM_SCENARIO_FORMAT "virt-roll-scenario/1"
#define SIM_HOSTS_MAX 64
#define SIM_VMS_PER_HOST_MAX 200

typedef struct {
    guint32 seed;
    guint hosts;        /* 2.. */
    guint vms_per_host; /* at most, on each host that is not empty */
    gboolean storage_lock;
    gboolean replans;       /* the operator revises the plan, or the policy lets it be revised */
    gboolean explicit_only; /* only the strikes below, none by lot */
    GArray *strikes;        /* (element-type SimStrike) */
} SimScenario;

SimScenario *sim_scenario_draw(guint32 seed);
SimScenario *sim_scenario_copy(const SimScenario *self);
void sim_scenario_free(SimScenario *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimScenario, sim_scenario_free)

/* Text <-> value. Errors name source and place; unknown fields are errors. */
SimScenario *sim_scenario_parse(const char *text, gsize length, const char *source,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *sim_scenario_format(const SimScenario *self);

/* The fleet and the policy of a scenario: sealed, with room for its rollout most of the time. */
VrInventory *sim_scenario_inventory(const SimScenario *self);
VrPolicy *sim_scenario_policy(const SimScenario *self);

G_END_DECLS
