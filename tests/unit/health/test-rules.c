/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each rule fires at its limit and at its time, and one below it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate.h"

#define HELD 17      /* the interval in which what began in the first is found: 12 + 6 - 1 */
#define HELD_LONG 35 /* in a window of 30 */
#define ONE GATE_TICK_US

static Gate *
new_gate(void)
{
    return gate_new(&GATE_WISH, NULL);
}

/* Nothing but what moves nobody. */
static void
assert_no_alert(Gate *gate, guint intervals)
{
    for (guint i = 0; i < intervals; i++) {
        (void)gate_step(gate);
        if (vr_health_is_alert(&gate->verdict->finding))
            fail_msg("interval %u: %s", gate->intervals,
                     vr_health_rule_to_string(gate->verdict->finding.rule));
    }
}

static void
test_rules_steady_gate_has_nothing_to_tell(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = new_gate();

    assert_int_equal(gate_steps(gate, 200), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate->verdict->finding.cause, VR_HEALTH_CAUSE_NONE);
    assert_false(gate->verdict->intake_closed);
    assert_true(gate->verdict->clock_runs);
    assert_int_equal(gate->verdict->evidence.control_vms, 60);
    assert_int_equal(gate->verdict->evidence.control_hosts, 6);
    assert_int_equal(gate->verdict->evidence.relative.steal_vms, 30);
    assert_int_equal(gate->verdict->evidence.relative.expected_ppm, 10000);
}

static void
test_rules_critical_steal(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate();

    gate_set_delay(at, 0, 30, gate_delay_at(110));
    gate_set_delay(below, 0, 30, gate_delay_at(110) - ONE);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD);
    assert_int_equal(at->verdict->finding.tier, VR_HEALTH_TIER_CRITICAL);
    assert_int_equal(at->verdict->finding.cause, VR_HEALTH_CAUSE_UPDATE);
    assert_int_equal(at->verdict->evidence.critical.excess_permille, 100);
    assert_int_equal(gate_until(below, VR_HEALTH_RULE_CRITICAL_STEAL, 60), 0);
}

static void
test_rules_critical_steal_must_hurt_on_the_clock(void **state G_GNUC_UNUSED)
{
    VrHealthLimits limits = vr_health_limits_default();
    limits.drift_steal_limit_permille = 10000;
    g_autoptr(Gate) idle = gate_new(&GATE_WISH, &limits);

    /* All want a CPU for 2 % of the time: 11 % of that is no 1 % of the clock. */
    for (guint i = 0; i < 30; i++)
        idle->does[i].wanted_us = GATE_WANTED_US / 5;
    for (guint i = 0; i < 30; i++)
        idle->does[i].delay_us = idle->does[i].wanted_us / 5;
    assert_int_equal(gate_until(idle, VR_HEALTH_RULE_CRITICAL_STEAL, 30), 0);
    assert_int_equal(gate_until(idle, VR_HEALTH_RULE_RELATIVE_STEAL, 30), HELD_LONG);
}

static void
test_rules_critical_io(void **state G_GNUC_UNUSED)
{
    VrHealthLimits limits = vr_health_limits_default();
    limits.drift_io_limit_q8 = 8192;
    g_autoptr(Gate) at = gate_new(&GATE_WISH, &limits), below = gate_new(&GATE_WISH, &limits);

    gate_set_latency(at, 0, 30, gate_latency_at(340));
    gate_set_latency(below, 0, 30, gate_latency_at(340) - 1);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_CRITICAL_IO, 60), HELD);
    assert_int_equal(at->verdict->evidence.critical.shift_q8, 340);
    assert_int_equal(gate_until(below, VR_HEALTH_RULE_CRITICAL_IO, 60), 0);
}

static void
test_rules_io_that_hurts_nobody_is_no_alert(void **state G_GNUC_UNUSED)
{
    VrHealthLimits limits = vr_health_limits_default();
    limits.drift_io_limit_q8 = 8192;
    limits.io_floor_us = 4000;
    g_autoptr(Gate) at = gate_new(&GATE_WISH, &limits), below = gate_new(&GATE_WISH, &limits);

    gate_set_latency(at, 0, 30, 4000);
    gate_set_latency(below, 0, 30, 3999);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_CRITICAL_IO, 60), HELD);
    assert_no_alert(below, 60);
}

static void
test_rules_relative_steal(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate();

    gate_set_delay(at, 0, 30, gate_delay_at(50));
    gate_set_delay(below, 0, 30, gate_delay_at(50) - ONE);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_RELATIVE_STEAL, 60), HELD_LONG);
    assert_int_equal(at->verdict->finding.tier, VR_HEALTH_TIER_RELATIVE);
    assert_no_alert(below, 120);
}

static void
test_rules_relative_io(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate();

    gate_set_latency(at, 0, 30, gate_latency_at(260));
    gate_set_latency(below, 0, 30, gate_latency_at(260) - 1);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_RELATIVE_IO, 60), HELD_LONG);
    assert_no_alert(below, 70); /* the drift rule finds it in time: 39 per minute of 500 */
    assert_int_equal(gate_until(below, VR_HEALTH_RULE_DRIFT_IO, 60), 13 * 6);
}

static void
test_rules_drift_of_steal(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate();

    gate_set_delay(at, 0, 30, gate_delay_at(49)); /* 9 over the allowance per minute */
    gate_set_delay(below, 0, 30, gate_delay_at(40));
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_DRIFT_STEAL, 300), 34 * 6);
    assert_int_equal(at->verdict->finding.tier, VR_HEALTH_TIER_DRIFT);
    assert_no_alert(below, 300);
}

static void
test_rules_most_vms_must_show_it(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate();

    gate_set_delay(at, 0, 18, gate_delay_at(200));
    gate_set_delay(below, 0, 17, gate_delay_at(200));
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD);
    assert_int_equal(gate_until(below, VR_HEALTH_RULE_CRITICAL_STEAL, 60), 0);
}

static void
test_rules_what_does_not_hold_is_no_alert(void **state G_GNUC_UNUSED)
{
    VrHealthLimits limits = vr_health_limits_default();
    limits.drift_steal_limit_permille = 10000;
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, &limits);

    /* Windows of 12 over the limit in five evaluations, then below it. */
    gate_set_delay(gate, 0, 30, gate_delay_at(110));
    assert_int_equal(gate_steps(gate, HELD - 1), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate->verdict->evidence.held_critical_steal, 5);
    gate_set_delay(gate, 0, 30, GATE_DELAY_US);
    assert_int_equal(gate_step(gate), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate->verdict->evidence.held_critical_steal, 0);
}

static void
set_severe_steal(Gate *gate, gint64 less_us)
{
    gate_set_delay(gate, 0, 30, 20000000 / 1000 * 300 - less_us);
}

static void
test_rules_severe_steal_in_three_samples(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate(), broken = new_gate();

    set_severe_steal(at, 0);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_SEVERE_STEAL, 10), 3);
    assert_int_equal(at->verdict->finding.tier, VR_HEALTH_TIER_SEVERE);
    set_severe_steal(below, ONE);
    assert_int_equal(gate_until(below, VR_HEALTH_RULE_SEVERE_STEAL, 10), 0);
    set_severe_steal(broken, 0);
    (void)gate_steps(broken, 2);
    gate_set_delay(broken, 0, 30, GATE_DELAY_US);
    (void)gate_step(broken);
    set_severe_steal(broken, 0);
    assert_int_equal(gate_steps(broken, 2), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate_step(broken), VR_HEALTH_RULE_SEVERE_STEAL);
}

static void
test_rules_severe_steal_of_a_full_host_is_crowding(void **state G_GNUC_UNUSED)
{
    GateWish full = GATE_WISH;
    full.cpu_permille = 769;
    g_autoptr(Gate) at = gate_new(&full, NULL);
    full.cpu_permille = 770;
    g_autoptr(Gate) above = gate_new(&full, NULL);

    set_severe_steal(at, 0);
    set_severe_steal(above, 0);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_SEVERE_STEAL, 10), 3);
    assert_int_equal(gate_until(above, VR_HEALTH_RULE_SEVERE_CROWDING, 10), 3);
    assert_int_equal(above->verdict->finding.cause, VR_HEALTH_CAUSE_CROWDING);
    assert_false(vr_health_is_alert(&above->verdict->finding));
    assert_true(above->verdict->intake_closed);
}

static void
test_rules_severe_io(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate(), half = new_gate();

    gate_set_latency(at, 0, 15, 200000);
    gate_set_latency(below, 0, 30, 199000);
    gate_set_latency(half, 0, 14, 300000);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_SEVERE_IO, 10), 3);
    assert_int_equal(gate_until(below, VR_HEALTH_RULE_SEVERE_IO, 10), 0);
    assert_int_equal(gate_until(half, VR_HEALTH_RULE_SEVERE_IO, 10), 0);
}

static void
test_rules_io_that_stopped(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate(), everywhere = new_gate();

    gate_set_requests(at, 0, 24, 0);
    gate_set_requests(below, 0, 23, 0);
    gate_set_requests(everywhere, 0, 30, 0);
    gate_controls_follow(everywhere);
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_IO_STOPPED, 10), 3);
    assert_no_alert(below, 40);
    assert_no_alert(everywhere, 40);
}

static void
test_rules_stalls(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), two = new_gate();

    for (guint stall = 1; stall <= 3; stall++) {
        gate_set_latency(at, 0, 15, 6000);
        const VrHealthRule rule = gate_step(at);
        assert_int_equal(rule, stall < 3 ? VR_HEALTH_RULE_NONE : VR_HEALTH_RULE_STALLS);
        gate_set_latency(at, 0, 15, GATE_LATENCY_US);
        (void)gate_steps(at, 9);
    }
    for (guint stall = 1; stall <= 4; stall++) { /* never three in thirty */
        gate_set_latency(two, 0, 30, 6000);
        assert_int_equal(gate_step(two), VR_HEALTH_RULE_NONE);
        gate_set_latency(two, 0, 30, GATE_LATENCY_US);
        assert_int_equal(gate_steps(two, 14), VR_HEALTH_RULE_NONE);
    }
}

static void
test_rules_events_act_at_once(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) crashed = new_gate(), probe = new_gate(), probes = new_gate();

    vr_host_judge_event(crashed->judge, 7, VR_HEALTH_EVENT_CRASHED);
    assert_int_equal(gate_step(crashed), VR_HEALTH_RULE_GUEST_LOST);
    assert_string_equal(crashed->verdict->evidence.witnesses[0].vm, "vm-0007");
    for (guint i = 0; i < 3; i++) {
        vr_host_judge_event(probe->judge, 7, VR_HEALTH_EVENT_PROBE_LOST);
        vr_host_judge_event(probes->judge, i, VR_HEALTH_EVENT_PROBE_LOST);
        const VrHealthRule rule = gate_step(probe);
        assert_int_equal(rule, i < 2 ? VR_HEALTH_RULE_NONE : VR_HEALTH_RULE_PROBE_LOST);
        assert_int_equal(gate_step(probes), VR_HEALTH_RULE_NONE); /* one each: of no VM three */
    }
}

static void
test_rules_a_full_host_is_not_blamed_for_steal(void **state G_GNUC_UNUSED)
{
    GateWish full = GATE_WISH;
    full.cpu_permille = 799;
    g_autoptr(Gate) at = gate_new(&full, NULL);
    full.cpu_permille = 800;
    g_autoptr(Gate) above = gate_new(&full, NULL);

    gate_set_delay(at, 0, 30, gate_delay_at(200));
    gate_set_delay(above, 0, 30, gate_delay_at(200));
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD);
    assert_int_equal(gate_until(above, VR_HEALTH_RULE_TOO_FULL, 60), 30);
    assert_true(above->verdict->intake_closed);
}

static void
test_rules_spells_of_crowding_count_as_what_they_cost(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = new_gate();

    /* 45 % on average, but full in one sample of four. */
    gate_set_delay(gate, 0, 30, gate_delay_at(200));
    for (guint i = 0; i < 60; i++) {
        gate->cpu_permille = i % 4 == 0 ? 950 : 283;
        (void)gate_step(gate);
        assert_false(vr_health_is_alert(&gate->verdict->finding));
    }
    assert_in_range(gate->verdict->evidence.cpu_mean_permille, 440, 455);
    assert_int_equal(gate->verdict->finding.cause, VR_HEALTH_CAUSE_CROWDING);
}

static void
test_rules_crowding_is_told_from_the_load(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate();

    gate_set_delay(at, 0, 30, gate_delay_at(50));
    gate_set_delay(below, 0, 30, gate_delay_at(50) - ONE);
    at->cpu_permille = below->cpu_permille = 700;
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_CROWDED, 60), 30);
    assert_true(at->verdict->intake_closed);
    assert_int_equal(gate_steps(below, 60), VR_HEALTH_RULE_NONE);
}

static void
test_rules_one_vm_never_moves_the_others(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) load = new_gate(), disk = new_gate();

    load->does[4].wanted_us = GATE_WANTED_US * 9;
    load->does[4].delay_us = GATE_WANTED_US * 4;
    for (guint i = 0; i < 90; i++)
        load->counters[i].vcpus = 8;
    assert_no_alert(load, 60);
    gate_set_latency(disk, 4, 5, GATE_LATENCY_US * 100);
    assert_no_alert(disk, 60);
    assert_int_equal(disk->verdict->finding.rule, VR_HEALTH_RULE_VM_IO);
    assert_string_equal(disk->verdict->evidence.witnesses[0].vm, "vm-0004");
}

static void
test_rules_own_load_of_a_vm_is_found(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) at = new_gate(), below = new_gate();

    for (guint i = 0; i < 90; i++)
        at->counters[i].vcpus = below->counters[i].vcpus = 4;
    (void)gate_steps(at, 1);
    (void)gate_steps(below, 1);
    /* The baseline is a tenth of each vCPU: 0.4 of four. */
    at->does[4].wanted_us = 29000000;
    below->does[4].wanted_us = 28900000;
    assert_int_equal(gate_until(at, VR_HEALTH_RULE_VM_LOAD, 60), 45);
    assert_string_equal(at->verdict->evidence.witnesses[0].vm, "vm-0004");
    assert_int_equal(gate_until(below, VR_HEALTH_RULE_VM_LOAD, 60), 0);
}

static void
test_rules_what_controls_have_too_is_the_fleets(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) steal = new_gate(), io = new_gate();

    gate_set_delay(steal, 0, 30, gate_delay_at(110));
    gate_controls_follow(steal);
    assert_no_alert(steal, 60);
    gate_set_latency(io, 0, 30, GATE_LATENCY_US * 4);
    gate_controls_follow(io);
    assert_no_alert(io, 60);
    assert_int_equal(io->verdict->finding.rule, VR_HEALTH_RULE_FLEET_WIDE);
}

static Gate *
gate_of(guint vms, guint control_hosts, guint controls)
{
    GateWish wish = GATE_WISH;

    wish.vms = vms;
    wish.control_hosts = control_hosts;
    wish.controls = controls;
    return gate_new(&wish, NULL);
}

static void
test_rules_few_controls_widen_limits(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) vms = gate_of(30, 3, 9), hosts = gate_of(30, 2, 10),
                    enough = gate_of(30, 3, 10);

    gate_set_delay(vms, 0, 30, gate_delay_at(60));
    gate_set_delay(hosts, 0, 30, gate_delay_at(60));
    gate_set_delay(enough, 0, 30, gate_delay_at(50));
    (void)gate_steps(vms, 40);
    (void)gate_steps(hosts, 40);
    (void)gate_steps(enough, 40);
    assert_int_equal(vms->verdict->evidence.relative.steal_limit_permille, 64);
    assert_int_equal(hosts->verdict->evidence.relative.steal_limit_permille, 64);
    assert_int_equal(enough->verdict->finding.rule, VR_HEALTH_RULE_RELATIVE_STEAL);
}

static void
test_rules_without_controls_most_is_unknown(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) io = gate_of(30, 3, 4), steal = gate_of(30, 3, 4), small = gate_of(30, 3, 4);

    gate_set_latency(io, 0, 30, GATE_LATENCY_US * 8);
    gate_set_delay(steal, 0, 30, gate_delay_at(170));
    gate_set_delay(small, 0, 30, gate_delay_at(169));
    assert_no_alert(io, 60);
    assert_int_equal(io->verdict->finding.rule, VR_HEALTH_RULE_NO_CONTROLS);
    assert_int_equal(io->verdict->finding.cause, VR_HEALTH_CAUSE_UNKNOWN);
    assert_int_equal(gate_until(steal, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD);
    assert_no_alert(small, 60);
}

static void
test_rules_few_vms_are_judged_strictly(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) seven = gate_of(7, 6, 60), four = gate_of(4, 6, 60), below = gate_of(4, 6, 60);

    gate_set_delay(seven, 0, 7, gate_delay_at(160));
    assert_int_equal(gate_until(seven, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD);
    assert_int_equal(seven->verdict->evidence.critical.steal_limit_permille, 150);
    gate_set_delay(four, 0, 4, gate_delay_at(210));
    assert_int_equal(gate_until(four, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD + 6);
    gate_set_delay(below, 0, 3, gate_delay_at(400));
    assert_no_alert(below, 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_steady_gate_has_nothing_to_tell),
        cmocka_unit_test(test_rules_critical_steal),
        cmocka_unit_test(test_rules_critical_steal_must_hurt_on_the_clock),
        cmocka_unit_test(test_rules_critical_io),
        cmocka_unit_test(test_rules_io_that_hurts_nobody_is_no_alert),
        cmocka_unit_test(test_rules_relative_steal),
        cmocka_unit_test(test_rules_relative_io),
        cmocka_unit_test(test_rules_drift_of_steal),
        cmocka_unit_test(test_rules_most_vms_must_show_it),
        cmocka_unit_test(test_rules_what_does_not_hold_is_no_alert),
        cmocka_unit_test(test_rules_severe_steal_in_three_samples),
        cmocka_unit_test(test_rules_severe_steal_of_a_full_host_is_crowding),
        cmocka_unit_test(test_rules_severe_io),
        cmocka_unit_test(test_rules_io_that_stopped),
        cmocka_unit_test(test_rules_stalls),
        cmocka_unit_test(test_rules_events_act_at_once),
        cmocka_unit_test(test_rules_a_full_host_is_not_blamed_for_steal),
        cmocka_unit_test(test_rules_spells_of_crowding_count_as_what_they_cost),
        cmocka_unit_test(test_rules_crowding_is_told_from_the_load),
        cmocka_unit_test(test_rules_one_vm_never_moves_the_others),
        cmocka_unit_test(test_rules_own_load_of_a_vm_is_found),
        cmocka_unit_test(test_rules_what_controls_have_too_is_the_fleets),
        cmocka_unit_test(test_rules_few_controls_widen_limits),
        cmocka_unit_test(test_rules_without_controls_most_is_unknown),
        cmocka_unit_test(test_rules_few_vms_are_judged_strictly),
    };

    return cmocka_run_group_tests_name("health/rules", tests, NULL, NULL);
}
