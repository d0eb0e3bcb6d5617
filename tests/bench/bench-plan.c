/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The planner on synthetic fleets: against lower bounds, against the orders of others, against
 * itself on larger fleets. Prints ratios of one run, in processor time of this process, and never
 * fails for being slow or worse. docs/reference/performance.md has the tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench-plan.h"

typedef struct {
    const char *name;
    void (*run)(const BenchOptions *options);
    const char *hosts; /* default of --hosts */
    const char *purpose;
} Mode;

/* Canonical JSON of the first fleet asked for; all its VMs can be migrated. */
static void
print_fleet(const BenchOptions *options)
{
    SyntheticWish wish = SYNTHETIC_WISH;

    wish.seed = (guint64)options->first_seed;
    wish.host_count = (guint)g_array_index(options->hosts, gint64, 0);
    wish.spare_percent = (guint)g_array_index(options->spares, gint64, 0);
    wish.pinned_share = 0;
    g_autoptr(VrInventory) inventory = synthetic_fleet_generate(&wish);
    g_autofree char *text = vr_inventory_format(inventory);
    (void)fputs(text, stdout);
}

static const Mode modes[] = {
    {"quality", bench_quality, "20,100", "migrations and makespan against the pipeline"},
    {"bounds", bench_bounds, "20,100", "makespan against the plan's lower bounds"},
    {"peers", bench_peers, "20,100", "against the orders of others"},
    {"fleet", print_fleet, "100", "an inventory, for other programs"},
    {"scale", bench_scale, "250,500,1000", "time and memory on larger fleets"},
};

gint64
bench_cpu_time_us(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

double
bench_ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

guint
bench_empty_counts(guint host_count, guint counts[2])
{
    counts[0] = 1;
    counts[1] = host_count / 50;
    return counts[1] > 1 ? 2 : 1;
}

VrPolicy *
bench_policy(const BenchOptions *options)
{
    VrPolicy *policy = vr_policy_new();

    policy->limits.gate_s = options->gate_s;
    policy->limits.extra_migrations_permille = options->extra_permille;
    return policy;
}

BenchPlan
bench_plan_compute(const VrInventory *inventory, const VrPolicy *policy)
{
    VrPlanRequest request = {.update_level = "level-2"};
    g_autoptr(GError) error = NULL;
    BenchPlan result = {0};
    gint64 begun_us = bench_cpu_time_us();

    result.plan = vr_planner_compute(inventory, policy, &request, &error);
    result.time_us = bench_cpu_time_us() - begun_us;
    if (result.plan == NULL)
        result.refusal = g_strdup(error->message);
    return result;
}

void
bench_plan_clear(BenchPlan *self)
{
    vr_plan_free(self->plan);
    g_free(self->refusal);
}

static GArray *
parse_numbers(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(gint64));

    for (guint i = 0; words[i] != NULL; i++) {
        gint64 number = 0;
        if (!g_ascii_string_to_signed(words[i], 10, 1, VR_HOSTS_MAX, &number, NULL)) {
            fprintf(stderr, "bench-plan: no list of numbers: %s\n", text);
            exit(2);
        }
        g_array_append_val(numbers, number);
    }
    return g_steal_pointer(&numbers);
}

static const Mode *
find_mode(const char *name)
{
    for (guint i = 0; name != NULL && i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    }
    fprintf(stderr, "usage: bench-plan MODE [OPTION...]\n");
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++)
        fprintf(stderr, "  %-8s %s\n", modes[i].name, modes[i].purpose);
    exit(2);
}

int
main(int argc, char **argv)
{
    g_autofree char *hosts = NULL, *spares = NULL;
    BenchOptions options = {.seeds = 3, .first_seed = 1};
    const GOptionEntry entries[] = {
        {"hosts", 0, 0, G_OPTION_ARG_STRING, &hosts, "Sizes of fleets", "N,N..."},
        {"spare", 0, 0, G_OPTION_ARG_STRING, &spares, "Spare memory in percent [20]", "P,P..."},
        {"seeds", 0, 0, G_OPTION_ARG_INT, &options.seeds, "Fleets of each kind [3]", "N"},
        {"first-seed", 0, 0, G_OPTION_ARG_INT, &options.first_seed, "The first of them [1]", "N"},
        {"gate", 0, 0, G_OPTION_ARG_INT, &options.gate_s, "gate_s of the policy [0]", "S"},
        {"extra", 0, 0, G_OPTION_ARG_INT, &options.extra_permille,
         "extra_migrations_permille of the policy [0]", "P"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("quality|bounds|peers|scale|fleet");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "bench-plan: %s\n", error->message);
        return 2;
    }
    const Mode *mode = find_mode(argc == 2 ? argv[1] : NULL);
    options.hosts = parse_numbers(hosts != NULL ? hosts : mode->hosts);
    options.spares = parse_numbers(spares != NULL ? spares : "20");
    setvbuf(stdout, NULL, _IOLBF, 0);
    mode->run(&options);
    g_array_unref(options.hosts);
    g_array_unref(options.spares);
    return 0;
}
