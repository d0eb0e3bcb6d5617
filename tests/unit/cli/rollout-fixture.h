/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small rollout without hosts: h3 empty, h2 with vm2 and vm3, h1 with vm1; h4 has a VM that
 * cannot move. Planned by the planner, driven by events that the test makes.
 */
#pragma once

#include <virt-roll/rollout.h>

G_BEGIN_DECLS

/* 2026-11-22 12:00:00 UTC; tests set TZ to UTC. */
#define FIXTURE_START_US (1795348800LL * 1000000)
#define FIXTURE_ID "20261122-120000-lab"

VrInventory *fixture_inventory(void);
VrPolicy *fixture_policy(void);
VrPlan *fixture_plan(void);

/* Created and running at FIXTURE_START_US. */
VrRollout *fixture_rollout(void);

/* Index of a step: an update of `name`, a migration of VM `name`, or the gate of `name`. */
guint fixture_find(const VrRollout *rollout, VrStepKind kind, const char *name);

/*
 * Events, `second` after the start, applied. `reason` is nullable. Returned: the event, owned by
 * the caller.
 */
VrEvent *fixture_enter(VrRollout *rollout, guint index, VrPhase phase, gint64 second,
                       const char *reason);
/* The same with a failure, for a phase that waits for 15 minutes. */
VrEvent *fixture_fail(VrRollout *rollout, guint index, VrPhase phase, gint64 second,
                      VrFailure failure, const char *reason);
VrEvent *fixture_rollout_phase(VrRollout *rollout, VrRolloutPhase phase, gint64 second,
                               const char *reason);

/* Through all phases of an update or a migration without a hitch, until `second`. */
void fixture_update(VrRollout *rollout, const char *host, gint64 second);
void fixture_migrate(VrRollout *rollout, const char *vm, gint64 second, gint64 downtime_ms);

/* The whole rollout, done after 60 seconds. */
VrRollout *fixture_done(void);

G_END_DECLS
