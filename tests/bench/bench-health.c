/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The health judgement on synthetic gates, against a plain fixed threshold, and what it costs.
 * Prints and judges nothing. docs/reference/health.md has the tables.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "health-model.h"

#define INTERVAL_S 10
#define FIVE_MINUTES 30 /* samples */
#define TWO_MINUTES 12
#define RULES_MAX 32

typedef struct {
    gint64 gates, faults, first_seed, vms, control_hosts, controls, hosts;
    gint64 calibrated, minutes;
    char *only;
} Options;

static gint64
cpu_time_us(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* The plain one that everybody starts with: 5 minutes of steal over 10 %, or 2 of I/O over 100 ms,
 * on any VM. Gives the sample since settling, -1: none. */
static gint64
fixed_threshold_vm(const VrtTrace *trace, const VrtTraceVm *vm)
{
    guint slow = 0;
    const VrHealthSample *last = NULL;

    for (guint i = trace->settled; i < vm->samples->len; i++) {
        const VrHealthSample *now = &g_array_index(vm->samples, VrHealthSample, i);
        if (now->vcpus == 0)
            continue;
        const gint64 requests = last != NULL ? now->requests - last->requests : 0;
        if (requests > 0)
            slow = (now->io_us - last->io_us) / requests > 100000 ? slow + 1 : 0;
        last = now;
        if (slow >= TWO_MINUTES)
            return i - trace->settled;
        if (i < trace->settled + FIVE_MINUTES)
            continue;
        const VrHealthSample *then = &g_array_index(vm->samples, VrHealthSample, i - FIVE_MINUTES);
        if (then->vcpus > 0 &&
            now->delay_us - then->delay_us > (now->at_ms - then->at_ms) * 1000 * now->vcpus / 10)
            return i - trace->settled;
    }
    return -1;
}

static gint64
fixed_threshold(const VrtTrace *trace)
{
    gint64 first = -1;

    for (guint i = 0; i < trace->vms->len; i++) {
        const gint64 at = fixed_threshold_vm(trace, g_ptr_array_index(trace->vms, i));
        if (at >= 0 && (first < 0 || at < first))
            first = at;
    }
    return first;
}

typedef struct {
    guint gates, alerts, early, plain_alerts, plain_early;
    guint cause[VR_HEALTH_CAUSE_UNKNOWN + 1];
    guint rule[RULES_MAX]; /* of alerts */
    GArray *delays_s;      /* (element-type gint64) of alerts after the onset */
    GArray *plain_delays_s;
} Tally;

static gint
compare_integers(gconstpointer a, gconstpointer b)
{
    const gint64 first = *(const gint64 *)a, second = *(const gint64 *)b;

    return (first > second) - (first < second);
}

/* onset < 0: nothing is wrong. */
static void
count_alert(gint64 sample, gint64 onset, guint *alerts, guint *early, GArray *delays_s)
{
    const gint64 delay_s = (sample + 1 - onset) * INTERVAL_S;

    if (sample < 0)
        return;
    (*alerts)++;
    if (sample < onset)
        (*early)++;
    else
        g_array_append_val(delays_s, delay_s);
}

static Tally
run_situation(const HealthSituation *situation, guint number, gint64 gates, const Options *options,
              const VrHealthLimits *limits)
{
    const HealthSize size = {(guint)options->vms, (guint)options->control_hosts,
                             (guint)options->controls, (guint)options->minutes * 6};
    Tally tally = {.delays_s = g_array_new(FALSE, FALSE, sizeof(gint64)),
                   .plain_delays_s = g_array_new(FALSE, FALSE, sizeof(gint64))};

    for (gint64 i = 0; i < gates; i++) {
        guint onset;
        const guint64 seed = (guint64)(options->first_seed + i) * 1000 + number;
        g_autoptr(VrtTrace) trace = health_model_gate(situation, &size, seed, &onset);
        const gboolean is_fault = situation->right == VR_HEALTH_CAUSE_UPDATE;
        const VrtTraceResult result = vrt_trace_judge(trace, limits);
        tally.gates++;
        tally.cause[result.finding.cause] += result.alert_sample < 0;
        tally.rule[result.finding.rule] += result.alert_sample >= 0;
        count_alert(result.alert_sample, is_fault ? onset : 0, &tally.alerts, &tally.early,
                    tally.delays_s);
        count_alert(fixed_threshold(trace), is_fault ? onset : 0, &tally.plain_alerts,
                    &tally.plain_early, tally.plain_delays_s);
    }
    g_array_sort(tally.delays_s, compare_integers);
    g_array_sort(tally.plain_delays_s, compare_integers);
    return tally;
}

static void
tally_clear(Tally *self)
{
    g_array_unref(self->delays_s);
    g_array_unref(self->plain_delays_s);
}

static double
percent(guint part, guint whole)
{
    return whole > 0 ? 100.0 * part / whole : 0;
}

static guint
within(const GArray *sorted, gint64 most)
{
    guint count = 0;

    while (count < sorted->len && g_array_index(sorted, gint64, count) <= most)
        count++;
    return count;
}

/* Nearest rank; -1 of none. */
static gint64
quantile(const GArray *sorted, guint percentage)
{
    const guint rank = (sorted->len * percentage + 99) / 100;

    return sorted->len > 0 ? g_array_index(sorted, gint64, MAX(rank, 1) - 1) : -1;
}

/* Of gates without an alert. */
static void
print_causes(const Tally *tally)
{
    for (guint i = 0; i <= VR_HEALTH_CAUSE_UNKNOWN; i++) {
        if (tally->cause[i] > 0 && tally->cause[i] * 100 >= tally->gates)
            printf(" %.0f %% %s", percent(tally->cause[i], tally->gates),
                   vr_health_cause_to_string((VrHealthCause)i));
    }
}

static void
print_rules(const Tally *tally)
{
    for (guint i = 0; i < RULES_MAX; i++) {
        if (tally->rule[i] > 0)
            printf(" %s %u", vr_health_rule_to_string((VrHealthRule)i), tally->rule[i]);
    }
}

static void
run_healthy(const HealthSituation *situations, const Options *options, const VrHealthLimits *limits)
{
    guint gates = 0, alerts = 0, plain = 0;

    puts("| healthy situation | gates | false / 1,000 | fixed threshold | named | of alerts |\n"
         "|---|---|---|---|---|---|");
    for (guint i = 0; situations[i].name != NULL; i++) {
        if (options->only != NULL && strstr(situations[i].name, options->only) == NULL)
            continue;
        Tally tally = run_situation(&situations[i], i, options->gates, options, limits);
        printf("| %s | %u | %.1f | %.0f |", situations[i].name, tally.gates,
               percent(tally.alerts, tally.gates) * 10,
               percent(tally.plain_alerts, tally.gates) * 10);
        print_causes(&tally);
        printf(" |");
        print_rules(&tally);
        printf(" |\n");
        (void)fflush(stdout);
        gates += tally.gates;
        alerts += tally.alerts;
        plain += tally.plain_alerts;
        tally_clear(&tally);
    }
    printf("| **all** | %u | %.2f (%u) | %.0f | | |\n\n", gates, percent(alerts, gates) * 10,
           alerts, percent(plain, gates) * 10);
}

static void
run_faults(const Options *options, const VrHealthLimits *limits)
{
    const HealthSituation *faults = health_model_faults;

    puts("| fault | found in 10 min | in 5 min | in 30 s | p50 s | p99 s | too early | fixed "
         "threshold: in 10 min | p50 s | else named | of alerts |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|");
    for (guint i = 0; faults[i].name != NULL; i++) {
        if (options->only != NULL && strstr(faults[i].name, options->only) == NULL)
            continue;
        Tally tally = run_situation(&faults[i], 100 + i, options->faults, options, limits);
        const guint gates = tally.gates - tally.early;
        printf("| %s | %.1f %% | %.1f %% | %.1f %% | %" G_GINT64_FORMAT " | %" G_GINT64_FORMAT
               " | %u | %.0f %% | %" G_GINT64_FORMAT " |",
               faults[i].name, percent(tally.delays_s->len, gates),
               percent(within(tally.delays_s, 300), gates),
               percent(within(tally.delays_s, 30), gates), quantile(tally.delays_s, 50),
               quantile(tally.delays_s, 99), tally.early,
               percent(tally.plain_delays_s->len, tally.gates - tally.plain_early),
               quantile(tally.plain_delays_s, 50));
        print_causes(&tally);
        printf(" |");
        print_rules(&tally);
        printf(" |\n");
        (void)fflush(stdout);
        tally_clear(&tally);
    }
    puts("");
}

static VrHealthLimits
limits_of(const Options *options)
{
    VrHealthLimits limits = vr_health_limits_default();

    if (options->calibrated) {
        limits.io_relative_q8 = 160;
        limits.io_critical_q8 = 240;
        limits.drift_io_allowance_q8 = 150;
    }
    return limits;
}

static void
run_table(const Options *options)
{
    const VrHealthLimits limits = limits_of(options);

    run_healthy(health_model_healthy, options, &limits);
    run_healthy(health_model_noisy, options, &limits);
    run_faults(options, &limits);
}

static gint64
resident_kib(void)
{
    char line[256];
    gint64 kib = -1;
    FILE *status = fopen("/proc/self/status", "r");

    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (g_str_has_prefix(line, "VmRSS:"))
            kib = g_ascii_strtoll(line + strlen("VmRSS:"), NULL, 10);
    }
    if (status != NULL)
        (void)fclose(status);
    return kib;
}

static void
add_vms(VrHostJudge *judge, guint count, gint64 epoch)
{
    const VrBaseline baseline = {.latency_us = 1000,
                                 .runnable_ppm = 100000,
                                 .source_cpu_permille = 450,
                                 .steal_ppm = 8000,
                                 .strong = 1};

    for (guint i = 0; i < count; i++) {
        char id[VR_HEALTH_VM_BYTES];
        g_snprintf(id, sizeof id, "%08u-0000-0000-0000-000000000000", i);
        vr_host_judge_add_vm(judge, id, &baseline, epoch);
    }
}

/* Something plausible that differs from VM to VM. */
static VrHealthSample
plain_sample(guint at, guint vm)
{
    return (VrHealthSample){.at_ms = (gint64)at * 10000,
                            .delay_us = (gint64)at * (10000 + vm * 7 + at % 13),
                            .run_us = (gint64)at * (1000000 + vm * 997),
                            .requests = (gint64)at * (50 + vm),
                            .io_us = (gint64)at * (50 + vm) * (950 + vm % 11),
                            .vcpus = 2};
}

static void
feed_controls(VrControlGroup *group, guint at, guint hosts, guint vms)
{
    for (guint i = 0; i < hosts; i++)
        vr_control_group_host_cpu(group, i, 450);
    for (guint i = 0; i < vms; i++) {
        const VrHealthSample sample = plain_sample(at, i);
        vr_control_group_sample(group, i, &sample);
    }
    vr_control_group_advance(group);
}

/* A whole fleet in its gates at once. */
static void
run_cost(const Options *options)
{
    const VrHealthLimits limits = vr_health_limits_default();
    const guint hosts = (guint)options->hosts, vms = (guint)options->vms;
    const guint controls = (guint)(options->control_hosts * options->controls);
    g_autoptr(VrControlGroup) group = vr_control_group_new(&limits);
    g_autofree VrHostJudge **judges = g_new0(VrHostJudge *, hosts);
    guint at = 1;

    for (guint i = 0; i < options->control_hosts; i++)
        vr_control_group_add_host(group);
    for (guint i = 0; i < controls; i++)
        vr_control_group_add_vm(group, i / (guint)options->controls);
    for (; at <= 60; at++)
        feed_controls(group, at, (guint)options->control_hosts, controls);
    const gint64 epoch = vr_control_group_mark(group), before_kib = resident_kib();
    for (guint i = 0; i < hosts; i++) {
        judges[i] = vr_host_judge_new(&limits, group);
        add_vms(judges[i], vms, epoch);
    }
    gint64 spent_us = 0;
    const guint intervals = 72, counted = 30;
    for (guint interval = 0; interval < intervals; interval++, at++) {
        const gint64 begin_us = cpu_time_us();
        feed_controls(group, at, (guint)options->control_hosts, controls);
        for (guint host = 0; host < hosts; host++) {
            for (guint vm = 0; vm < vms; vm++) {
                const VrHealthSample sample = plain_sample(at, vm + host % 17);
                vr_host_judge_sample(judges[host], vm, &sample);
            }
            vr_host_judge_advance(judges[host], 450 + host % 50);
        }
        if (interval >= intervals - counted)
            spent_us += cpu_time_us() - begin_us;
    }
    const double interval_us = (double)spent_us / counted;
    printf("%u hosts x %u VMs, %u controls, samples taken in: %.1f us per host and interval, "
           "%.2f %% of one core at 10 s; %.0f bytes per VM, hosts and all\n",
           hosts, vms, controls, interval_us / hosts, interval_us / (INTERVAL_S * 1e6) * 100,
           (double)(resident_kib() - before_kib) * 1024 / hosts / vms);
    for (guint i = 0; i < hosts; i++)
        vr_host_judge_free(judges[i]);
}

/* Gates from a file, one per line, in; verdicts out. */
static int
run_replay(const char *path, const Options *options)
{
    const VrHealthLimits limits = limits_of(options);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        (void)fprintf(stderr, "bench-health: %s\n", error->message);
        return 2;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        if (lines[i][0] == '\0')
            continue;
        g_autofree char *source = g_strdup_printf("%s:%u", path, i + 1);
        g_autoptr(VrtTrace) trace = vrt_trace_parse(lines[i], strlen(lines[i]), source, &error);
        if (trace == NULL) {
            (void)fprintf(stderr, "bench-health: %s\n", error->message);
            return 2;
        }
        const VrtTraceResult result = vrt_trace_judge(trace, &limits);
        g_autofree char *line = vrt_trace_result_format(trace, &result);
        puts(line);
    }
    return 0;
}

int
main(int argc, char **argv)
{
    Options options = {100, 40, 1, 30, 6, 10, 1000, 0, 10, NULL};
    const GOptionEntry entries[] = {
        {"gates", 0, 0, G_OPTION_ARG_INT64, &options.gates, "per healthy situation [100]", "N"},
        {"faults", 0, 0, G_OPTION_ARG_INT64, &options.faults, "gates per fault [40]", "N"},
        {"first-seed", 0, 0, G_OPTION_ARG_INT64, &options.first_seed, "[1]", "N"},
        {"vms", 0, 0, G_OPTION_ARG_INT64, &options.vms, "of a host [30]", "N"},
        {"control-hosts", 0, 0, G_OPTION_ARG_INT64, &options.control_hosts, "[6]", "N"},
        {"controls", 0, 0, G_OPTION_ARG_INT64, &options.controls, "per control host [10]", "N"},
        {"hosts", 0, 0, G_OPTION_ARG_INT64, &options.hosts, "of cost [1000]", "N"},
        {"calibrated", 0, 0, G_OPTION_ARG_INT64, &options.calibrated,
         "1: I/O limits of a calm storage [0]", "0|1"},
        {"minutes", 0, 0, G_OPTION_ARG_INT64, &options.minutes, "of a gate [10]", "N"},
        {"only", 0, 0, G_OPTION_ARG_STRING, &options.only, "situations with this in the name",
         "TEXT"},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("table|cost|replay FILE");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 2) {
        (void)fprintf(stderr, "bench-health: %s\n",
                      error != NULL ? error->message : "which of table, cost and replay?");
        return 2;
    }
    if (strcmp(argv[1], "replay") == 0 && argc == 3)
        return run_replay(argv[2], &options);
    if (strcmp(argv[1], "cost") == 0)
        run_cost(&options);
    else if (strcmp(argv[1], "table") == 0)
        run_table(&options);
    else
        return 2;
    return 0;
}
