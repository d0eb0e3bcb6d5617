/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table per fleet: migrations, makespan, exposure and planning time of each order. */
#include <stdio.h>

#include "bench-plan.h"

typedef struct {
    double migrations, makespan_h, exposure_h, in_flight, down, time_ms;
    guint unfinished;
} Row;

static void
add_order(Row *row, const OrderResult *result, double required)
{
    row->migrations += (double)result->migrations / required;
    row->makespan_h += (double)result->makespan_ms / 3.6e6;
    row->exposure_h += (double)result->exposure_vm_ms / 3.6e6 / required;
    row->in_flight += (double)result->migrations_in_flight_peak;
    row->down += (double)result->hosts_down_peak;
    row->time_ms += (double)result->plan_us / 1000;
    row->unfinished += result->hosts_left > 0;
}

static void
add_plan(Row *row, const BenchPlan *own, double required)
{
    if (own->plan == NULL) {
        row->unfinished++;
        return;
    }
    const VrPlanSummary *summary = &own->plan->summary;
    OrderResult result = {.migrations = summary->migrations,
                          .makespan_ms = summary->makespan_ms,
                          .exposure_vm_ms = summary->exposure_vm_ms,
                          .migrations_in_flight_peak = summary->migrations_in_flight_peak,
                          .hosts_down_peak = summary->hosts_down_peak,
                          .plan_us = own->time_us};
    add_order(row, &result, required);
}

static void
print_row(const char *name, const Row *row, double seeds)
{
    double count = MAX(seeds - (double)row->unfinished, 1);

    printf("%-40s %8.4f %10.2f %10.2f %6.1f %6.1f %9.1f %5u\n", name, row->migrations / count,
           row->makespan_h / count, row->exposure_h / count, row->in_flight / count,
           row->down / count, row->time_ms / count, row->unfinished);
}

/* VMs that have to migrate: on hosts that are not left out. */
static double
count_required(const VrInventory *inventory)
{
    g_autofree gboolean *pinned = g_new0(gboolean, inventory->hosts->len + 1);
    guint count = 0;

    for (guint i = 0; i < inventory->vms->len; i++)
        pinned[vr_inventory_vm(inventory, i)->host_index] |=
            !vr_inventory_vm(inventory, i)->movable;
    for (guint i = 0; i < inventory->vms->len; i++)
        count += !pinned[vr_inventory_vm(inventory, i)->host_index];
    return MAX(count, 1);
}

static void
compare(const BenchOptions *options, SyntheticWish wish)
{
    g_autoptr(VrPolicy) policy = bench_policy(options);
    static const gint budgets_permille[] = {0, 20, 50};
    Row orders[ORDERS] = {{0}}, ours[G_N_ELEMENTS(budgets_permille)] = {{0}};

    for (gint i = 0; i < options->seeds; i++) {
        wish.seed = (guint64)(options->first_seed + i);
        g_autoptr(VrInventory) inventory = synthetic_fleet_generate(&wish);
        double required = count_required(inventory);
        for (guint order = 0; order < ORDERS; order++) {
            OrderResult result = order_run((Order)order, inventory, policy);
            if (result.hosts_left > 0)
                orders[order].unfinished++;
            else
                add_order(&orders[order], &result, required);
        }
        for (guint b = 0; b < G_N_ELEMENTS(budgets_permille); b++) {
            policy->limits.extra_migrations_permille = budgets_permille[b];
            BenchPlan own = bench_plan_compute(inventory, policy);
            add_plan(&ours[b], &own, required);
            bench_plan_clear(&own);
        }
    }
    printf("%u hosts, %s, %u %% spare, %u empty\n", wish.host_count,
           wish.mixed ? "mixed" : "uniform", wish.spare_percent, wish.empty_count);
    printf("%-40s %8s %10s %10s %6s %6s %9s %5s\n", "order", "migr/VM", "makespan h", "expo h/VM",
           "flight", "down", "plan ms", "left");
    for (guint order = 0; order < ORDERS; order++)
        print_row(order_to_string((Order)order), &orders[order], options->seeds);
    for (guint b = 0; b < G_N_ELEMENTS(budgets_permille); b++) {
        g_autofree char *name =
            g_strdup_printf("virt-roll, budget %.1f %%", budgets_permille[b] / 10.0);
        print_row(name, &ours[b], options->seeds);
    }
    printf("\n");
}

void
bench_peers(const BenchOptions *options)
{
    printf("Means over the fleets that the order finishes; left: fleets that it does not.\n\n");
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
                compare(options, wish);
            }
        }
    }
}
