/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gate in which every VM does the same, exactly, in each interval: 2 vCPUs that want a CPU for a
 * tenth of the time and wait for a hundredth of that, and 160 requests of 1 ms. So a test can set
 * one thing to a limit, and to one below it.
 */
#pragma once

#include <virt-roll/health.h>

G_BEGIN_DECLS

#define GATE_WANTED_US 2000000 /* per interval, of 20 s of vCPU time */
#define GATE_DELAY_US 20000
#define GATE_REQUESTS 160 /* of them, any latency is kept exactly */
#define GATE_LATENCY_US 1000
#define GATE_CPU_PERMILLE 450
#define GATE_TICK_US 16 /* of what is kept of a delay */

/* What a VM does in an interval; multiples of a tick are exact. */
typedef struct {
    gint64 delay_us, wanted_us, requests, latency_us;
    gboolean missing;
} GateDoes;

typedef struct {
    guint vms, control_hosts, controls; /* controls in all */
    gint64 cpu_permille;                /* of all hosts, before and after */
    gint64 interval_ms;
    gint64 begin_ms;
    gboolean shuffled; /* VMs are added in another order; their number is no multiple of 7 */
    gboolean no_warm_up;
    gboolean strong; /* baselines */
} GateWish;

extern const GateWish GATE_WISH; /* 30 VMs, 60 controls on 6 hosts */

typedef struct {
    GateWish wish;
    VrHealthLimits limits;
    VrControlGroup *group;
    VrHostJudge *judge;
    gint64 at_ms, epoch;
    gint64 cpu_permille; /* from now on, of the host */
    GateDoes *does;      /* from now on; VMs, then controls */
    VrHealthSample *counters;
    guint *slots;
    VrBaseline baseline;
    const VrHealthVerdict *verdict; /* of the last interval */
    guint intervals;
} Gate;

Gate *gate_new(const GateWish *wish, const VrHealthLimits *limits);
void gate_free(Gate *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gate, gate_free)

/* Of the host's VMs first..last-1. */
void gate_set_delay(Gate *self, guint first, guint last, gint64 delay_us);
void gate_set_latency(Gate *self, guint first, guint last, gint64 latency_us);
void gate_set_requests(Gate *self, guint first, guint last, gint64 requests);
/* All controls do what the first VM of the host does. */
void gate_controls_follow(Gate *self);

/* One interval, or several; the finding after the last. */
VrHealthRule gate_step(Gate *self);
VrHealthRule gate_steps(Gate *self, guint count);
/* Steps until the verdict has that rule; its interval, counted from 1, or 0 after `most`. */
guint gate_until(Gate *self, VrHealthRule rule, guint most);

/* The delay with which steal is at `permille` of the time that a VM wants a CPU. */
gint64 gate_delay_at(gint64 permille);
/* The least latency that is `shift_q8` over the baseline. */
gint64 gate_latency_at(gint64 shift_q8);

G_END_DECLS
