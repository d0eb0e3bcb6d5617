/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Synthetic gates (tests/lib/health-model.h): healthy ones raise hardly an alert, critical faults
 * are found in time, and whatever is found is found again: from the same samples, from the VMs in
 * another order, from the evidence. PROP_GATES: of each situation. bench-health has the tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "health-model.h"

#define FIRST_SEED 900001
#define FIVE_MINUTES 30 /* samples */

static const HealthSize size = {
    .vms = 30, .control_hosts = 6, .controls_per_host = 10, .samples = 60};

static guint
gates_of_each(void)
{
    const char *text = getenv("PROP_GATES");

    return text != NULL ? (guint)g_ascii_strtoull(text, NULL, 10) : 15;
}

/* Not reversed: that has the same VMs in the middle. */
static void
shuffle(GPtrArray *vms)
{
    for (guint i = 0; i < vms->len; i++) {
        const guint other = (i * 7 + 3) % vms->len;
        gpointer kept = vms->pdata[i];
        vms->pdata[i] = vms->pdata[other];
        vms->pdata[other] = kept;
    }
}

/* Judged, and judged again in other ways with the same result. */
static VrtTraceResult
judge(VrtTrace *trace)
{
    const VrHealthLimits limits = vr_health_limits_default();
    const VrtTraceResult result = vrt_trace_judge(trace, &limits);
    const VrtTraceResult same = vrt_trace_judge(trace, &limits);

    assert_memory_equal(&same.finding, &result.finding, sizeof result.finding);
    assert_int_equal(same.alert_sample, result.alert_sample);
    if (result.finding.tier > VR_HEALTH_TIER_NONE) {
        const VrHealthFinding again = vr_evidence_replay(&result.verdict.evidence);
        assert_memory_equal(&again, &result.finding, sizeof again);
    }
    if (trace->events->len == 0) { /* these name VMs by their number */
        shuffle(trace->vms);
        shuffle(trace->controls);
        const VrtTraceResult other = vrt_trace_judge(trace, &limits);
        assert_memory_equal(&other.finding, &result.finding, sizeof result.finding);
        assert_int_equal(other.alert_sample, result.alert_sample);
    }
    return result;
}

static void
prop_healthy_gates_raise_hardly_an_alert(void **state G_GNUC_UNUSED)
{
    const guint gates = gates_of_each();
    guint alerts = 0, all = 0;

    for (guint i = 0; health_model_healthy[i].name != NULL; i++) {
        for (guint gate = 0; gate < gates; gate++, all++) {
            guint onset;
            const guint64 seed = FIRST_SEED + gate * 100 + i;
            g_autoptr(VrtTrace) trace =
                health_model_gate(&health_model_healthy[i], &size, seed, &onset);
            if (judge(trace).alert_sample < 0)
                continue;
            alerts++;
            print_message("alert: %s, seed %" G_GUINT64_FORMAT "\n", health_model_healthy[i].name,
                          seed);
        }
    }
    print_message("%u alerts in %u healthy gates\n", alerts, all);
    /* 0.4 in 1,000 are to be expected: three in 210 happen once in ten thousand such runs. */
    assert_in_range(alerts, 0, 2 + all / 1000);
}

static const HealthSituation *
fault_called(const char *name)
{
    const HealthSituation *fault = health_model_faults;

    while (fault->name != NULL && strcmp(fault->name, name) != 0)
        fault++;
    assert_non_null(fault->name);
    return fault;
}

/* How many of a fault's gates raise an alert within so many samples of its onset. */
static guint
count_found(const char *name, guint gates, guint samples)
{
    guint found = 0;

    for (guint gate = 0; gate < gates; gate++) {
        guint onset;
        g_autoptr(VrtTrace) trace =
            health_model_gate(fault_called(name), &size, FIRST_SEED + gate, &onset);
        const VrtTraceResult result = judge(trace);
        if (result.alert_sample >= 0)
            assert_in_range(result.alert_sample, onset, 60);
        found += result.alert_sample >= 0 && result.alert_sample - onset < samples;
        assert_true(result.alert_sample < 0 || result.finding.cause == VR_HEALTH_CAUSE_UPDATE);
    }
    print_message("%s: found in %u of %u gates within %u samples\n", name, found, gates, samples);
    return found;
}

static void
prop_critical_faults_are_found_in_five_minutes(void **state G_GNUC_UNUSED)
{
    static const char *const names[] = {"+10 points (critical)", "+20 points (critical)",
                                        "I/O x4 (critical)", "contention +30"};
    const guint gates = gates_of_each();

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        assert_in_range(count_found(names[i], gates, FIVE_MINUTES), gates - 1 - gates / 50, gates);
}

static void
prop_severe_faults_are_found_in_three_samples(void **state G_GNUC_UNUSED)
{
    static const char *const names[] = {"dead guest", "lost probe", "I/O + 1 s", "dead disk"};
    const guint gates = gates_of_each();

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        assert_in_range(count_found(names[i], gates, 3), gates - gates / 50, gates);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prop_healthy_gates_raise_hardly_an_alert),
        cmocka_unit_test(prop_critical_faults_are_found_in_five_minutes),
        cmocka_unit_test(prop_severe_faults_are_found_in_three_samples),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
