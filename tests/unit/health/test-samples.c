/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters that restart, stand still, jump or are nonsense: told apart, and never blamed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate.h"
#include "health/sample.h"

static const VrHealthSample first = {.at_ms = 1000000,
                                     .delay_us = 1600000,
                                     .run_us = 16000000,
                                     .requests = 500,
                                     .io_us = 800000,
                                     .vcpus = 4};

static const VrHealthSample second = {.at_ms = 1010000,
                                      .delay_us = 1600000 + 160000,
                                      .run_us = 16000000 + 1600000,
                                      .requests = 510,
                                      .io_us = 800000 + 16000,
                                      .vcpus = 4};

/* Of the interval from the first sample to this one. */
static VrInterval
take(const VrHealthSample *to)
{
    VrReading reading = {0};

    assert_int_equal(vr_reading_take(&reading, &first).vcpu_ms, 0);
    return vr_reading_take(&reading, to);
}

static void
test_samples_give_what_happened(void **state G_GNUC_UNUSED)
{
    const VrInterval interval = take(&second);

    assert_int_equal(interval.delay_ticks, 10000);
    assert_int_equal(interval.run_ticks, 100000);
    assert_int_equal(interval.requests, 10);
    assert_int_equal(interval.io_ticks, 1000);
    assert_int_equal(interval.vcpu_ms, 40000);
}

static void
assert_unknown(VrHealthSample sample)
{
    VrReading reading = {0};

    (void)vr_reading_take(&reading, &first);
    assert_int_equal(vr_reading_take(&reading, &sample).vcpu_ms, 0);
}

#define WITH(member, value)                                                                        \
    ({                                                                                             \
        VrHealthSample changed = second;                                                           \
        changed.member = (value);                                                                  \
        changed;                                                                                   \
    })

static void
test_samples_that_went_back_are_a_restart(void **state G_GNUC_UNUSED)
{
    assert_unknown(WITH(delay_us, first.delay_us - 1));
    assert_unknown(WITH(run_us, first.run_us - 1));
    assert_unknown(WITH(requests, first.requests - 1));
    assert_unknown(WITH(io_us, first.io_us - 1));
}

static void
test_samples_that_are_nonsense_are_missed(void **state G_GNUC_UNUSED)
{
    assert_unknown(WITH(delay_us, -1));
    assert_unknown(WITH(run_us, G_MININT64));
    assert_unknown(WITH(requests, -5));
    assert_unknown(WITH(io_us, G_MININT64));
    assert_unknown(WITH(vcpus, 0));
    assert_unknown(WITH(vcpus, -1));
    assert_unknown(WITH(vcpus, G_MAXINT64));
    assert_unknown(WITH(at_ms, first.at_ms));
    assert_unknown(WITH(at_ms, first.at_ms - 1));
    assert_unknown(WITH(at_ms, -1));
}

static void
test_samples_that_jump_are_unknown(void **state G_GNUC_UNUSED)
{
    /* 10 s and a quarter and a second, of four vCPUs. */
    const gint64 most_us = 13500 * 1000 * 4;

    const VrHealthSample most = WITH(run_us, first.run_us + most_us - 160000);

    assert_int_not_equal(take(&most).vcpu_ms, 0);
    assert_unknown(WITH(run_us, first.run_us + most_us - 160000 + 1));
    assert_unknown(WITH(delay_us, G_MAXINT64));
    assert_unknown(WITH(run_us, G_MAXINT64));
    assert_unknown(WITH(at_ms, G_MAXINT64));
}

static void
test_samples_that_all_stand_still_are_stale(void **state G_GNUC_UNUSED)
{
    VrHealthSample still = first;

    still.at_ms += 10000;
    assert_unknown(still);
    still.run_us++;
    assert_int_not_equal(take(&still).vcpu_ms, 0);
}

static void
test_samples_after_a_gap(void **state G_GNUC_UNUSED)
{
    for (guint missed = 0; missed <= 4; missed++) {
        VrReading reading = {0};
        (void)vr_reading_take(&reading, &first);
        for (guint i = 0; i < missed; i++)
            assert_int_equal(vr_reading_take(&reading, NULL).vcpu_ms, 0);
        assert_int_equal(reading.missed_row, missed);
        const VrInterval interval = vr_reading_take(&reading, &second);
        assert_int_equal(interval.vcpu_ms, missed <= 3 ? 40000 : 0);
        assert_int_equal(reading.missed_row, 0);
    }
}

static void
test_samples_rounding_does_not_add_up(void **state G_GNUC_UNUSED)
{
    VrReading reading = {0};
    VrRing ring = {0};
    VrHealthSample sample = {.vcpus = 1};

    (void)vr_reading_take(&reading, &sample);
    for (guint i = 0; i < 30; i++) {
        sample.at_ms += 10000;
        sample.delay_us += 15; /* less than a tick each */
        sample.run_us += 31;
        vr_ring_put(&ring, i, vr_reading_take(&reading, &sample));
    }
    const VrSums sums = vr_ring_sum(&ring, 29, 30);
    assert_int_equal(sums.delay_ticks, 30 * 15 / 16);
    assert_int_equal(sums.run_ticks, 30 * 31 / 16);
    assert_int_equal(sums.present, 30);
}

/* 65,535 vCPUs, waiting whole intervals of minutes: sums stay within what they are made for. */
static void
test_samples_at_their_maximum(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);
    VrHealthSample sample = {.at_ms = gate->at_ms, .vcpus = 65535};

    for (guint i = 0; i < 90; i++) {
        sample.at_ms += 2000000000;
        sample.delay_us += G_GINT64_CONSTANT(2000000000000) * 65535 / 2;
        sample.run_us += G_GINT64_CONSTANT(2000000000000) * 65535 / 2;
        sample.requests += G_MAXINT32;
        sample.io_us += G_GINT64_CONSTANT(1) << 55;
        for (guint vm = 0; vm < 30; vm++)
            vr_host_judge_sample(gate->judge, vm, &sample);
        (void)vr_host_judge_advance(gate->judge, 450);
    }
    const VrHealthVerdict *verdict = vr_host_judge_advance(gate->judge, 450);
    assert_true(vr_health_is_alert(&verdict->finding));
    assert_in_range(verdict->evidence.critical.steal_ppm, 0, 1000000);
}

/* Whatever becomes of the counters of VMs that are well, nobody is blamed. */
static void
test_samples_of_sick_counters_blame_nobody(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    for (guint i = 0; i < 300; i++) {
        for (guint vm = 0; vm < 30; vm++) {
            VrHealthSample *counters = &gate->counters[vm];
            if ((i + vm) % 7 == 0)
                *counters = (VrHealthSample){.vcpus = 2};
            else if ((i + vm) % 13 == 0)
                counters->delay_us += G_GINT64_CONSTANT(1) << 50;
            else if ((i + vm) % 17 == 0)
                counters->run_us += G_GINT64_CONSTANT(1) << 50;
            gate->does[vm].missing = (i * 7 + vm) % 5 == 0;
        }
        (void)gate_step(gate);
        assert_false(vr_health_is_alert(&gate->verdict->finding));
    }
}

static void
test_samples_that_stand_still_everywhere_blame_nobody(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    (void)gate_steps(gate, 40);
    for (guint vm = 0; vm < 30; vm++)
        gate->does[vm] = (GateDoes){0};
    for (guint i = 0; i < 60; i++) {
        (void)gate_step(gate);
        assert_false(vr_health_is_alert(&gate->verdict->finding));
    }
    assert_int_equal(gate->verdict->evidence.relative.evaluated, 0);
}

static void
test_samples_without_any_delay_are_not_believed(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) busy = gate_new(&GATE_WISH, NULL), one = gate_new(&GATE_WISH, NULL);
    g_autoptr(Gate) idle = gate_new(&GATE_WISH, NULL);

    gate_set_delay(busy, 0, 30, 0);
    gate_set_delay(one, 0, 29, 0);
    gate_set_delay(idle, 0, 30, 0);
    idle->cpu_permille = 299;
    assert_int_equal(gate_steps(busy, 13), VR_HEALTH_RULE_STEAL_UNAVAILABLE);
    assert_int_equal(gate_steps(one, 13), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate_steps(idle, 60), VR_HEALTH_RULE_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_give_what_happened),
        cmocka_unit_test(test_samples_that_went_back_are_a_restart),
        cmocka_unit_test(test_samples_that_are_nonsense_are_missed),
        cmocka_unit_test(test_samples_that_jump_are_unknown),
        cmocka_unit_test(test_samples_that_all_stand_still_are_stale),
        cmocka_unit_test(test_samples_after_a_gap),
        cmocka_unit_test(test_samples_rounding_does_not_add_up),
        cmocka_unit_test(test_samples_at_their_maximum),
        cmocka_unit_test(test_samples_of_sick_counters_blame_nobody),
        cmocka_unit_test(test_samples_that_stand_still_everywhere_blame_nobody),
        cmocka_unit_test(test_samples_without_any_delay_are_not_believed),
    };

    return cmocka_run_group_tests_name("health/samples", tests, NULL, NULL);
}
