/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the modes of bench-plan share. */
#pragma once

#include <virt-roll/plan.h>

#include "orders.h"
#include "synthetic-fleet.h"

G_BEGIN_DECLS

typedef struct {
    GArray *hosts;  /* (element-type gint64) sizes of fleets */
    GArray *spares; /* (element-type gint64) percent */
    gint seeds, first_seed;
    gint gate_s;
    gint extra_permille;
} BenchOptions;

void bench_quality(const BenchOptions *options);
void bench_bounds(const BenchOptions *options);
void bench_peers(const BenchOptions *options);
void bench_scale(const BenchOptions *options);

/* The defaults of a policy, with gate and budget of the options; hosts left out are no error. */
VrPolicy *bench_policy(const BenchOptions *options);

typedef struct {
    VrPlan *plan; /* NULL: refused */
    char *refusal;
    gint64 time_us; /* processor time */
} BenchPlan;

BenchPlan bench_plan_compute(const VrInventory *inventory, const VrPolicy *policy);
void bench_plan_clear(BenchPlan *self);

gint64 bench_cpu_time_us(void);
double bench_ratio(double a, double b); /* 0 if b is 0 */

/* "one" and 2 % of the hosts, if that is more. Returns how many. */
guint bench_empty_counts(guint host_count, guint counts[2]);

G_END_DECLS
