/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of plan-check: facts, the fleet as it changes, and the orders that it is put to. */
#pragma once

#include "plan-check.h"

G_BEGIN_DECLS

/* What does not change in a replay. Indices; -1 for none. */
typedef struct {
    const VrHost *self;
    gint64 room_mib, room_cpu; /* cpu: thousandths of a vCPU; 0: no limit */
    int domain;
    gboolean updated_at_start, skipped;
    guint update; /* id of its update; 0: none */
    gboolean has_stale_definition;
} HostFacts;

typedef struct {
    const VrVm *self;
    gint64 cpu;
    int host, name; /* name: equal for VMs of one name */
    gboolean takes_room, required;
} VmFacts;

typedef struct {
    const VrPlanStep *self;
    int host, source, vm, target;
    gboolean needs_gate;     /* migrate: leaves a host to be updated for one that is */
    gboolean is_canary_gate; /* long enough for the canary */
    gint64 rate_full;
} StepFacts;

typedef struct {
    gboolean updated, down;
    gboolean closed;               /* a VM has left it; until it is updated */
    gint64 memory_mib, vcpus, cpu; /* in use, places for VMs on their way included */
    guint vm_count;                /* there or on their way */
    guint held_count;              /* VMs that left, whose gates have not passed */
    gint64 out_count, in_count, out_rate, in_rate;
} HostNow;

typedef struct {
    int host, target; /* target -1: at rest */
    int left;         /* the host whose update waits for this VM's gate; -1 */
    guint forward;
} VmNow;

typedef struct {
    const VrInventory *inventory;
    const VrPolicy *policy;
    const VrPlan *plan;
    guint host_count, vm_count, step_count, group_count, domain_count;
    HostFacts *hosts;
    VmFacts *vms;
    StepFacts *steps;
    GArray **by_group; /* (element-type guint) VMs that take room */
    GArray **by_name;  /* (element-type guint) VMs, those that are shut off too */
    GArray **leaving;  /* per host (element-type guint) indices of its migrations */
    GArray **followers;
    gint64 canary_gate_s, down_max;

    HostNow *hosts_now;
    VmNow *vms_now;
    GArray **covers; /* per step: VMs that a gate watches */
    guint8 *done;    /* per step */
    guint *downs;    /* per domain */
    gint64 down_count, in_flight;
    gint64 empty_count, empty_at_start; /* hosts without a VM on them or on its way */
    int canary;                         /* the first updated host that took a VM; -1 */
    gboolean canary_passed;
    guint32 random;
    char *broken;
} Check;

/* Keeps the first one. `step` is an id or 0. */
void check_breaks(Check *self, guint step, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Below `bound`. */
guint check_pick(Check *self, guint bound);

/* The fleet as it is before the first step. */
void check_reset(Check *self);

/* Changes the fleet and judges the change. The steps of `after` have ended. */
void check_start_step(Check *self, guint index);
void check_end_step(Check *self, guint index);

/* When all steps have ended. */
void check_end(Check *self);

/* Do the limits of the run time let the step start now? FALSE also when its rate is too low;
 * `rate` counts for a migration. */
gboolean check_limits_allow(const Check *self, guint index, gint64 rate);

/* Occupies slots, links and hosts down; `sign` is 1 or -1. */
void check_count(Check *self, guint index, gint64 rate, gint sign);

void check_proofs(Check *self);
void check_forecast(Check *self);
void check_replay(Check *self, guint run);

G_END_DECLS
