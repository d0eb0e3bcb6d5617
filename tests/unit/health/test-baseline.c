/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <virt-roll/health.h>

/* What a VM of one vCPU does in each of `count` samples of 10 s. */
typedef struct {
    gint64 delay_us, run_us, requests, io_us;
} Does;

static VrBaseline
baseline_of(guint count, Does does)
{
    g_autoptr(VrBaselineCollector) collector = vr_baseline_collector_new();
    VrHealthSample sample = {.vcpus = 1};

    for (guint i = 0; i < count; i++) {
        sample.at_ms += 10000;
        sample.delay_us += does.delay_us;
        sample.run_us += does.run_us;
        sample.requests += does.requests;
        sample.io_us += does.io_us;
        vr_baseline_collector_add(collector, &sample, 400);
    }
    return vr_baseline_collector_make(collector);
}

static void
test_baseline_is_share_latency_and_load(void **state G_GNUC_UNUSED)
{
    const VrBaseline baseline = baseline_of(60, (Does){32000, 1568000, 50, 40000});

    assert_int_equal(baseline.steal_ppm, 20000);
    assert_int_equal(baseline.latency_us, 800);
    assert_int_equal(baseline.runnable_ppm, 160000);
    assert_int_equal(baseline.source_cpu_permille, 400);
    assert_int_equal(baseline.active, 1);
    assert_int_equal(baseline.strong, 0);
    assert_int_equal(baseline.at_ms, 600000);
}

static void
test_baseline_of_an_idle_vm_has_no_steal(void **state G_GNUC_UNUSED)
{
    assert_int_equal(baseline_of(60, (Does){0, 50000, 0, 0}).steal_ppm, 0); /* 0.5 % */
    assert_int_equal(baseline_of(60, (Does){0, 49984, 0, 0}).steal_ppm, -1);
}

static void
test_baseline_of_few_requests_has_no_latency(void **state G_GNUC_UNUSED)
{
    /* 59 intervals of 60 samples */
    assert_int_equal(baseline_of(31, (Does){0, 100000, 1, 1600}).latency_us, 1600);
    assert_int_equal(baseline_of(30, (Does){0, 100000, 1, 1600}).latency_us, 0);
    assert_int_equal(baseline_of(60, (Does){0, 100000, 4, 1600}).active, 0);
    assert_int_equal(baseline_of(60, (Does){0, 100000, 5, 1600}).active, 1);
}

static void
test_baseline_of_few_samples_is_none(void **state G_GNUC_UNUSED)
{
    const VrBaseline few = baseline_of(30, (Does){32000, 1568000, 50, 40000});

    assert_int_equal(few.steal_ppm, -1);
    assert_int_equal(few.latency_us, 0);
    assert_int_equal(few.runnable_ppm, -1);
    assert_int_equal(few.active, 0);
    assert_int_equal(baseline_of(31, (Does){32000, 1568000, 50, 40000}).steal_ppm, 20000);
    assert_int_equal(baseline_of(0, (Does){0}).source_cpu_permille, -1);
}

static void
test_baseline_forgets_what_is_long_ago(void **state G_GNUC_UNUSED)
{
    g_autoptr(VrBaselineCollector) collector = vr_baseline_collector_new();
    VrHealthSample sample = {.vcpus = 1};

    for (guint i = 0; i < 170; i++) {
        sample.at_ms += 10000;
        sample.delay_us += i < 100 ? 1000000 : 16000;
        sample.run_us += 1584000;
        vr_baseline_collector_add(collector, &sample, i < 100 ? 900 : 300);
    }
    const VrBaseline baseline = vr_baseline_collector_make(collector);
    assert_int_equal(baseline.steal_ppm, 10000);
    assert_int_equal(baseline.source_cpu_permille, 300);
}

static void
test_baseline_active_allows_few_samples_without_requests(void **state G_GNUC_UNUSED)
{
    for (guint without = 2; without <= 3; without++) { /* of 59; 5 % are 2.95 */
        g_autoptr(VrBaselineCollector) collector = vr_baseline_collector_new();
        VrHealthSample sample = {.vcpus = 1};
        for (guint i = 0; i < 60; i++) {
            sample.at_ms += 10000;
            sample.run_us += 100000;
            sample.requests += i >= 1 && i <= without ? 0 : 10;
            vr_baseline_collector_add(collector, &sample, -1);
        }
        assert_int_equal(vr_baseline_collector_make(collector).active, without == 2);
    }
}

static VrBaseline
strengthened(gint64 steal_ppm, gint64 latency_us, guint count)
{
    VrHealthRollup rollups[VR_HEALTH_ROLLUPS_MAX];
    VrBaseline baseline = {.steal_ppm = 10000, .latency_us = 1000};

    for (guint i = 0; i < count; i++)
        rollups[i] = (VrHealthRollup){steal_ppm, latency_us, 30};
    vr_baseline_strengthen(&baseline, rollups, count);
    return baseline;
}

static void
test_baseline_history_only_excuses(void **state G_GNUC_UNUSED)
{
    assert_int_equal(strengthened(15000, 2000, 21).steal_ppm, 15000);
    assert_int_equal(strengthened(15000, 2000, 21).latency_us, 2000);
    assert_int_equal(strengthened(15000, 2000, 21).strong, 1);
    assert_int_equal(strengthened(1, 1, 21).steal_ppm, 10000);
    assert_int_equal(strengthened(1, 1, 21).latency_us, 1000);
    assert_int_equal(strengthened(900000, 900000, 21).steal_ppm, 25000);
    assert_int_equal(strengthened(900000, 900000, 21).latency_us, 4000);
}

static void
test_baseline_little_history_changes_nothing(void **state G_GNUC_UNUSED)
{
    const VrBaseline baseline = strengthened(15000, 2000, 4);

    assert_int_equal(baseline.steal_ppm, 10000);
    assert_int_equal(baseline.latency_us, 1000);
    assert_int_equal(baseline.strong, 0);
    assert_int_equal(strengthened(15000, 2000, 5).strong, 1);
    assert_int_equal(strengthened(-1, 0, 21).strong, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_baseline_is_share_latency_and_load),
        cmocka_unit_test(test_baseline_of_an_idle_vm_has_no_steal),
        cmocka_unit_test(test_baseline_of_few_requests_has_no_latency),
        cmocka_unit_test(test_baseline_of_few_samples_is_none),
        cmocka_unit_test(test_baseline_forgets_what_is_long_ago),
        cmocka_unit_test(test_baseline_active_allows_few_samples_without_requests),
        cmocka_unit_test(test_baseline_history_only_excuses),
        cmocka_unit_test(test_baseline_little_history_changes_nothing),
    };

    return cmocka_run_group_tests_name("health/baseline", tests, NULL, NULL);
}
