/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Averages over seeds: the planner beside the pipeline, and beside its own lower bounds. */
#include <stdio.h>

#include "bench-plan.h"

/* Sums over the fleets that both finished. */
typedef struct {
    double makespan_h, pipeline_h, worst_ratio;
    double migrations, pipeline_migrations;
    double over_one_bound, over_budget_bound, over_any_bound; /* sums of ratios */
    double time_ms, pipeline_time_ms;
    guint count, longer, more, refused, pipeline_left;
    guint32 worst_seed;
} Sums;

static void
add(Sums *self, const VrPlanSummary *plan, const OrderResult *pipeline, guint64 seed)
{
    double ratio = bench_ratio((double)plan->makespan_ms, (double)pipeline->makespan_ms);

    self->count++;
    self->makespan_h += (double)plan->makespan_ms / 3.6e6;
    self->pipeline_h += (double)pipeline->makespan_ms / 3.6e6;
    self->migrations += (double)plan->migrations;
    self->pipeline_migrations += (double)pipeline->migrations;
    self->longer += plan->makespan_ms > pipeline->makespan_ms;
    self->more += plan->migrations > pipeline->migrations;
    if (ratio > self->worst_ratio) {
        self->worst_ratio = ratio;
        self->worst_seed = (guint32)seed;
    }
    self->over_one_bound +=
        bench_ratio((double)plan->makespan_ms, (double)plan->makespan_lower_bound_one_migration_ms);
    self->over_budget_bound +=
        bench_ratio((double)plan->makespan_ms, (double)plan->makespan_lower_bound_within_budget_ms);
    self->over_any_bound +=
        bench_ratio((double)plan->makespan_ms, (double)plan->makespan_lower_bound_ms);
}

static void
measure(Sums *self, const BenchOptions *options, SyntheticWish wish)
{
    g_autoptr(VrPolicy) policy = bench_policy(options);

    for (gint i = 0; i < options->seeds; i++) {
        wish.seed = (guint64)(options->first_seed + i);
        g_autoptr(VrInventory) inventory = synthetic_fleet_generate(&wish);
        OrderResult pipeline = order_run(ORDER_PIPELINE, inventory, policy);
        BenchPlan ours = bench_plan_compute(inventory, policy);
        self->time_ms += (double)ours.time_us / 1000;
        self->pipeline_time_ms += (double)pipeline.plan_us / 1000;
        self->refused += ours.plan == NULL;
        self->pipeline_left += pipeline.hosts_left > 0;
        if (ours.plan != NULL && pipeline.hosts_left == 0)
            add(self, &ours.plan->summary, &pipeline, wish.seed);
        bench_plan_clear(&ours);
    }
}

static void
print_quality(const SyntheticWish *wish, const char *kind, const Sums *sums, gint seeds)
{
    double count = MAX(sums->count, 1);

    printf("%5u %4u%% %-7s %5u %-7s %4u | %8.3f %8.3f %6.3f %6.3f (%3u) %3u | %8.1f %8.4f %3u | "
           "%8.1f %8.1f | %3u %3u\n",
           wish->host_count, wish->spare_percent, wish->mixed ? "mixed" : "uniform",
           wish->empty_count, kind, sums->count, sums->pipeline_h / count, sums->makespan_h / count,
           bench_ratio(sums->makespan_h, sums->pipeline_h), sums->worst_ratio, sums->worst_seed,
           sums->longer, sums->migrations / count,
           bench_ratio(sums->migrations, sums->pipeline_migrations), sums->more,
           sums->time_ms / seeds, sums->pipeline_time_ms / seeds, sums->refused,
           sums->pipeline_left);
}

static void
quality_of(const BenchOptions *options, SyntheticWish wish)
{
    static const double factors[] = {1, 0.25};
    static const char *const kinds[] = {"usual", "drains"};

    for (guint i = 0; i < G_N_ELEMENTS(factors); i++) {
        Sums sums = {0};
        wish.link_factor = wish.update_factor = factors[i];
        measure(&sums, options, wish);
        print_quality(&wish, kinds[i], &sums, options->seeds);
    }
}

void
bench_quality(const BenchOptions *options)
{
    printf("Averages of the fleets that both finish. pipeline: one drain order, one migration per "
           "VM.\nratio: ours / pipeline, of the averages; worst of one fleet (seed); longer, more: "
           "fleets where ours is.\nlinks and updates of 'drains' a quarter. left: fleets that ours "
           "refuses, that the pipeline does not finish.\n\n");
    printf("%5s %5s %-7s %5s %-7s %4s | %8s %8s %6s %6s %5s %3s | %8s %8s %3s | %8s %8s | %3s\n",
           "hosts", "spare", "kind", "empty", "times", "n", "pipe h", "ours h", "ratio", "worst",
           "seed", "lng", "migr", "ratio", "mor", "ours ms", "pipe ms", "left");
    for (guint h = 0; h < options->hosts->len; h++) {
        for (guint i = 0; i < options->spares->len * 2; i++) {
            SyntheticWish wish = SYNTHETIC_WISH;
            guint empties[2];
            wish.host_count = (guint)g_array_index(options->hosts, gint64, h);
            wish.spare_percent = (guint)g_array_index(options->spares, gint64, i / 2);
            wish.mixed = i % 2 == 1;
            guint kinds = bench_empty_counts(wish.host_count, empties);
            for (guint e = 0; e < kinds; e++) {
                wish.empty_count = empties[e];
                quality_of(options, wish);
            }
        }
    }
}

static void
print_bounds(const BenchOptions *options, SyntheticWish wish, gint gate_s, gint extra_permille)
{
    BenchOptions own = *options;
    Sums sums = {0};

    own.gate_s = gate_s;
    own.extra_permille = extra_permille;
    measure(&sums, &own, wish);
    double count = MAX(sums.count, 1);
    printf("%5u %4u%% %-7s %5u %5d %5.1f%% %4u | %8.3f %8.3f %8.3f %8.3f | %9.4f | %3u\n",
           wish.host_count, wish.spare_percent, wish.mixed ? "mixed" : "uniform", wish.empty_count,
           gate_s, extra_permille / 10.0, sums.count, sums.makespan_h / count,
           sums.over_one_bound / count, sums.over_budget_bound / count, sums.over_any_bound / count,
           bench_ratio(sums.migrations, sums.pipeline_migrations), sums.refused);
}

void
bench_bounds(const BenchOptions *options)
{
    static const gint gates_s[] = {0, 600}, extras_permille[] = {0, 50};

    printf("Averages. x one: makespan / bound of plans without extra migrations (means little with "
           "a budget);\nx budget: / bound of plans with as many extras; x any: / bound of any "
           "plan.\n\n");
    printf("%5s %5s %-7s %5s %5s %6s %4s | %8s %8s %8s %8s | %9s | %s\n", "hosts", "spare", "kind",
           "empty", "gate", "budget", "n", "ours h", "x one", "x budget", "x any", "migr/VM",
           "refused");
    for (guint h = 0; h < options->hosts->len; h++) {
        for (guint i = 0; i < options->spares->len * 2; i++) {
            SyntheticWish wish = SYNTHETIC_WISH;
            guint empties[2];
            wish.host_count = (guint)g_array_index(options->hosts, gint64, h);
            wish.spare_percent = (guint)g_array_index(options->spares, gint64, i / 2);
            wish.mixed = i % 2 == 1;
            guint kinds = bench_empty_counts(wish.host_count, empties);
            for (guint e = 0; e < kinds * 4; e++) {
                wish.empty_count = empties[e / 4];
                print_bounds(options, wish, gates_s[e / 2 % 2], extras_permille[e % 2]);
            }
        }
    }
}
