/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How time and memory grow with the fleet. Each fleet is planned in a child, so that its peak is
 * its own: the inventory comes to it as a file, as it comes to the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench-plan.h"

#define REPEATS 5

typedef struct {
    double read_s, plan_s;
    gint64 read_peak_mib, peak_mib;
    gint64 makespan_ms, migrations;
    guint vm_count;
} Measured;

static gint64
peak_mib(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

static gint
compare_times(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

static void
measure_here(const char *path, const VrPolicy *policy, guint repeats, Measured *out)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gint64 times_us[REPEATS], begun_us = bench_cpu_time_us();
    gsize length = 0;

    if (!g_file_get_contents(path, &text, &length, &error))
        g_error("%s", error->message);
    g_autoptr(VrInventory) inventory = vr_inventory_parse(text, length, path, &error);
    g_assert_no_error(error);
    g_clear_pointer(&text, g_free);
    out->read_s = (double)(bench_cpu_time_us() - begun_us) / G_USEC_PER_SEC;
    out->read_peak_mib = peak_mib();
    out->vm_count = inventory->vms->len;
    for (guint i = 0; i < repeats; i++) {
        BenchPlan own = bench_plan_compute(inventory, policy);
        if (own.plan != NULL) {
            out->makespan_ms = own.plan->summary.makespan_ms;
            out->migrations = own.plan->summary.migrations;
        }
        if (i == 0) /* a program plans once; repeats leave holes in the heap */
            out->peak_mib = peak_mib();
        times_us[i] = own.time_us;
        bench_plan_clear(&own);
    }
    qsort(times_us, repeats, sizeof times_us[0], compare_times);
    out->plan_s = (double)times_us[repeats / 2] / G_USEC_PER_SEC;
}

/* In a child. The file was made before, by another one. */
static Measured
measure(const char *path, const VrPolicy *policy, guint repeats)
{
    Measured result = {0};
    int ends[2];

    if (pipe(ends) != 0)
        g_error("no pipe");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        measure_here(path, policy, repeats, &result);
        _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    (void)close(ends[1]);
    if (read(ends[0], &result, sizeof result) != sizeof result)
        g_error("the child failed");
    (void)close(ends[0]);
    (void)waitpid(child, NULL, 0);
    return result;
}

static gint64
write_fleet(const SyntheticWish *wish, const char *path)
{
    gint64 size = 0;
    fflush(stdout);
    pid_t child = fork();

    if (child == 0) {
        g_autoptr(VrInventory) inventory = synthetic_fleet_generate(wish);
        g_autofree char *text = vr_inventory_format(inventory);
        _exit(g_file_set_contents(path, text, -1, NULL) ? 0 : 1);
    }
    (void)waitpid(child, NULL, 0);
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
    if (file != NULL)
        size = (gint64)g_mapped_file_get_length(file);
    return size;
}

void
bench_scale(const BenchOptions *options)
{
    g_autoptr(VrPolicy) policy = bench_policy(options);
    g_autofree char *path =
        g_strdup_printf("%s/virt-roll-bench-%d.json", g_get_tmp_dir(), (int)getpid());

    printf(
        "Processor time of one process; plan: median of %d. peak: resident memory, after reading "
        "and after planning once.\ngrowth: plan time against the line above, per doubling.\n\n",
        REPEATS);
    printf("%-7s %6s %8s %7s | %7s %8s %7s | %8s %8s | %10s %9s\n", "kind", "hosts", "VMs", "MiB",
           "read s", "plan s", "growth", "peak MiB", "peak MiB", "makespan h", "migr");
    for (guint kind = 0; kind < 2; kind++) {
        Measured last = {0};
        for (guint h = 0; h < options->hosts->len; h++) {
            SyntheticWish wish = SYNTHETIC_WISH;
            wish.seed = (guint64)options->first_seed;
            wish.host_count = (guint)g_array_index(options->hosts, gint64, h);
            wish.spare_percent = (guint)g_array_index(options->spares, gint64, 0);
            wish.empty_count = MAX(wish.host_count / 50, 1);
            wish.mixed = kind == 1;
            gint64 size = write_fleet(&wish, path);
            Measured own = measure(path, policy, REPEATS);
            double doublings =
                h == 0 ? 1
                       : bench_ratio(wish.host_count,
                                     (double)g_array_index(options->hosts, gint64, h - 1)) /
                             2;
            printf("%-7s %6u %8u %7.1f | %7.2f %8.3f %7.2f | %8" G_GINT64_FORMAT
                   " %8" G_GINT64_FORMAT " | %10.2f %9" G_GINT64_FORMAT "\n",
                   wish.mixed ? "mixed" : "uniform", wish.host_count, own.vm_count,
                   (double)size / 1048576, own.read_s, own.plan_s,
                   bench_ratio(own.plan_s, last.plan_s * doublings), own.read_peak_mib,
                   own.peak_mib, (double)own.makespan_ms / 3.6e6, own.migrations);
            last = own;
        }
    }
    (void)unlink(path);
}
