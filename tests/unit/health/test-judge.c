/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the judge remembers, what changes nothing, and what it does without samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate.h"

#define HELD 17
#define DAY_SAMPLES 8640

static GateWish
wish_of(guint vms)
{
    GateWish wish = GATE_WISH;

    wish.vms = vms;
    return wish;
}

/* A gate in which VMs differ, and something happens: steal of most, a stall, holes. */
static void
play(Gate *gate, guint interval)
{
    for (guint i = 0; i < gate->wish.vms; i++) {
        const gint64 own = 1 + i * i % 7;
        gate->does[i].delay_us = GATE_DELAY_US * own;
        if (interval >= 20 && i % 4 != 0)
            gate->does[i].delay_us += gate_delay_at(30 + 4 * own);
        gate->does[i].latency_us = GATE_LATENCY_US * (interval == 12 || interval == 14 ? 20 : 1);
        gate->does[i].missing = (interval + i) % 11 == 0;
    }
}

/* Interval in which an alert comes; its evidence in JSON is appended. */
static guint
play_out(Gate *gate, GString *out)
{
    for (guint i = 1; i <= 90; i++) {
        play(gate, i);
        (void)gate_step(gate);
        if (vr_health_is_alert(&gate->verdict->finding)) {
            g_autofree char *json = vr_evidence_format(&gate->verdict->evidence);
            g_string_append(out, json);
            return i;
        }
    }
    return 0;
}

static void
assert_same_verdict(const GateWish *wish)
{
    g_autoptr(Gate) gate = gate_new(wish, NULL), plain = gate_new(&GATE_WISH, NULL);
    g_autoptr(GString) evidence = g_string_new(NULL), expected = g_string_new(NULL);
    const guint found = play_out(plain, expected);

    assert_int_not_equal(found, 0);
    assert_int_equal(play_out(gate, evidence), found);
    assert_string_equal(evidence->str, expected->str);
}

static void
test_judge_order_of_vms_changes_nothing(void **state G_GNUC_UNUSED)
{
    GateWish wish = GATE_WISH;

    wish.shuffled = TRUE;
    assert_same_verdict(&wish);
}

static void
test_judge_clock_changes_nothing(void **state G_GNUC_UNUSED)
{
    GateWish wish = GATE_WISH;

    wish.begin_ms = G_GINT64_CONSTANT(1764000000000);
    assert_same_verdict(&wish);
}

static void
test_judge_length_of_intervals_changes_nothing(void **state G_GNUC_UNUSED)
{
    for (gint64 interval_ms = 5000; interval_ms <= 60000; interval_ms *= 2) {
        GateWish wish = GATE_WISH;
        wish.interval_ms = interval_ms;
        g_autoptr(Gate) gate = gate_new(&wish, NULL);
        gate_set_delay(gate, 0, 30, gate_delay_at(120));
        assert_int_equal(gate_until(gate, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD);
    }
}

static void
test_judge_irregular_intervals_change_nothing(void **state G_GNUC_UNUSED)
{
    static const gint64 lengths_ms[] = {10000, 5000, 15000, 20000, 10000, 30000};
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    gate_set_delay(gate, 0, 30, gate_delay_at(120));
    for (guint i = 1; i < HELD; i++) {
        gate->wish.interval_ms = lengths_ms[i % G_N_ELEMENTS(lengths_ms)];
        assert_int_equal(gate_step(gate), VR_HEALTH_RULE_NONE);
    }
    assert_int_equal(gate_step(gate), VR_HEALTH_RULE_CRITICAL_STEAL);
    assert_int_equal(gate->verdict->evidence.critical.excess_permille, 110);
}

static void
test_judge_alert_stays_and_a_worse_one_replaces_it(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    gate_set_delay(gate, 0, 30, gate_delay_at(60));
    assert_int_not_equal(gate_until(gate, VR_HEALTH_RULE_RELATIVE_STEAL, 60), 0);
    gate_set_delay(gate, 0, 30, GATE_DELAY_US);
    assert_int_equal(gate_steps(gate, 200), VR_HEALTH_RULE_RELATIVE_STEAL);
    assert_int_equal(gate->verdict->evidence.sample, 35);
    vr_host_judge_event(gate->judge, 3, VR_HEALTH_EVENT_IO_ERROR);
    assert_int_equal(gate_step(gate), VR_HEALTH_RULE_GUEST_LOST);
    assert_int_equal(gate_steps(gate, 100), VR_HEALTH_RULE_GUEST_LOST);
}

static void
test_judge_finding_goes_when_it_is_half_gone_for_long(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    gate_set_latency(gate, 0, 1, GATE_LATENCY_US * 50);
    assert_int_equal(gate_until(gate, VR_HEALTH_RULE_VM_IO, 60), 30);
    assert_int_equal(gate_steps(gate, 44), VR_HEALTH_RULE_VM_IO);
    gate_set_latency(gate, 0, 1, GATE_LATENCY_US);
    /* Last seen at 60 or 75, gone at the first look 30 samples later. */
    assert_int_equal(gate_steps(gate, 15), VR_HEALTH_RULE_VM_IO);
    assert_int_equal(gate_steps(gate, 30), VR_HEALTH_RULE_NONE);
}

static void
test_judge_intake_reopens_when_it_has_been_roomy(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    gate->cpu_permille = 750;
    gate_set_delay(gate, 0, 30, gate_delay_at(60));
    (void)gate_steps(gate, 30);
    assert_true(gate->verdict->intake_closed);
    gate->cpu_permille = 699;
    gate_set_delay(gate, 0, 30, GATE_DELAY_US);
    /* Steal of the window falls below its limit with the last but two of the bad samples. */
    guint closed = 0;
    for (; gate->verdict->intake_closed && closed < 200; closed++)
        (void)gate_step(gate);
    assert_in_range(closed, 60, 72);
    gate->cpu_permille = 700; /* and full once more it does not reopen */
    assert_false(gate->verdict->intake_closed);
}

static void
test_judge_unread_host_is_unknown_and_stops_the_clock(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    gate_set_delay(gate, 0, 30, gate_delay_at(110));
    assert_int_equal(gate_steps(gate, HELD - 1), VR_HEALTH_RULE_NONE);
    for (guint i = 0; i < 30; i++)
        gate->does[i].missing = TRUE;
    assert_int_equal(gate_steps(gate, 2), VR_HEALTH_RULE_NONE);
    assert_false(gate->verdict->clock_runs);
    assert_int_equal(gate_step(gate), VR_HEALTH_RULE_HOST_UNREAD);
    assert_int_equal(gate->verdict->finding.cause, VR_HEALTH_CAUSE_UNKNOWN);
    assert_int_equal(gate->verdict->evidence.sample, HELD - 1);
    for (guint i = 0; i < 30; i++)
        gate->does[i].missing = FALSE;
    /* What was held is held on. */
    assert_int_equal(gate_step(gate), VR_HEALTH_RULE_CRITICAL_STEAL);
    assert_true(gate->verdict->clock_runs);
}

static void
test_judge_half_read_window_is_not_evaluated(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    for (guint i = 0; i < 16; i++)
        gate->does[i].missing = TRUE;
    gate_set_delay(gate, 0, 30, gate_delay_at(300));
    (void)gate_steps(gate, 60);
    assert_false(vr_health_is_alert(&gate->verdict->finding));
    assert_int_equal(gate->verdict->evidence.critical.evaluated, 0);
    assert_int_equal(gate->verdict->evidence.missed, 16 * 60);
}

static void
test_judge_one_vm_is_no_host(void **state G_GNUC_UNUSED)
{
    const GateWish wish = wish_of(1);
    g_autoptr(Gate) gate = gate_new(&wish, NULL);

    gate_set_delay(gate, 0, 1, gate_delay_at(500));
    gate_set_latency(gate, 0, 1, 300000);
    (void)gate_steps(gate, 100);
    assert_false(vr_health_is_alert(&gate->verdict->finding));
}

static void
test_judge_a_thousand_vms(void **state G_GNUC_UNUSED)
{
    const GateWish wish = wish_of(1000);
    g_autoptr(Gate) gate = gate_new(&wish, NULL);

    gate_set_delay(gate, 0, 600, gate_delay_at(110));
    assert_int_equal(gate_until(gate, VR_HEALTH_RULE_CRITICAL_STEAL, 60), HELD);
    assert_int_equal(gate->verdict->evidence.critical.steal_over_permille, 600);
}

static void
test_judge_warm_up_does_not_count(void **state G_GNUC_UNUSED)
{
    GateWish wish = GATE_WISH;
    wish.no_warm_up = FALSE;
    g_autoptr(Gate) gate = gate_new(&wish, NULL);

    gate_set_delay(gate, 0, 30, gate_delay_at(900));
    (void)gate_steps(gate, 11);
    assert_int_equal(gate->verdict->evidence.sample, 0);
    gate_set_delay(gate, 0, 30, GATE_DELAY_US);
    assert_int_equal(gate_steps(gate, 100), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate->verdict->evidence.relative.excess_permille, 0);
}

static void
test_judge_vms_that_arrive_late_have_their_own_time(void **state G_GNUC_UNUSED)
{
    GateWish wish = GATE_WISH;
    wish.no_warm_up = FALSE;
    g_autoptr(Gate) gate = gate_new(&wish, NULL);

    (void)gate_steps(gate, 50);
    const guint late = vr_host_judge_add_vm(gate->judge, "late", &gate->baseline, gate->epoch);
    VrHealthSample sample = {.vcpus = 2};
    for (guint i = 1; i <= 42; i++) {
        sample.at_ms = gate->at_ms + 10000;
        sample.run_us += GATE_WANTED_US;
        vr_host_judge_sample(gate->judge, late, &sample);
        (void)gate_step(gate);
        const guint testifies = i >= 12 + 12 ? 31 : 30; /* warm-up, then a whole window */
        assert_int_equal(gate->verdict->evidence.critical.steal_vms, testifies);
        assert_int_equal(gate->verdict->evidence.relative.steal_vms, i >= 42 ? 31 : 30);
    }
    vr_host_judge_remove_vm(gate->judge, late);
    (void)gate_step(gate);
    assert_int_equal(gate->verdict->evidence.critical.steal_vms, 30);
}

static void
test_judge_each_vm_has_the_epoch_of_its_baseline(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    /* The fleet's disks slow down; VMs that migrate later have that in their baselines. */
    for (guint i = 0; i < 60; i++)
        gate->does[30 + i].latency_us = GATE_LATENCY_US * 4;
    (void)gate_steps(gate, 80);
    const gint64 epoch = vr_control_group_mark(gate->group);
    assert_int_not_equal(epoch, gate->epoch);
    VrBaseline baseline = gate->baseline;
    baseline.latency_us *= 4;
    for (guint i = 0; i < 30; i++) {
        vr_host_judge_remove_vm(gate->judge, gate->slots[i]);
        g_autofree char *id = g_strdup_printf("later-%u", i);
        gate->slots[i] = vr_host_judge_add_vm(gate->judge, id, &baseline, epoch);
    }
    gate_set_latency(gate, 0, 30, GATE_LATENCY_US * 16); /* four times of its own */
    for (guint i = 0; i < 30 && !vr_health_is_alert(&gate->verdict->finding); i++)
        (void)gate_step(gate);
    assert_true(vr_health_is_alert(&gate->verdict->finding));
    assert_int_equal(gate->verdict->evidence.critical.control_shift_q8, 0);
    assert_int_equal(gate->verdict->evidence.critical.shift_q8, 512);
}

static void
test_judge_epoch_comes_back_after_a_restart(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL), again = gate_new(&GATE_WISH, NULL);
    guint count = 0;

    assert_null(vr_control_group_baselines(gate->group, gate->epoch + 1, &count));
    const VrBaseline *kept = vr_control_group_baselines(gate->group, gate->epoch, &count);
    assert_int_equal(count, 60);
    const gint64 epoch = vr_control_group_restore(again->group, kept, count);
    const gint64 later = vr_control_group_mark(again->group);
    assert_int_not_equal(epoch, again->epoch);
    assert_int_not_equal(epoch, later);
    const VrBaseline *back = vr_control_group_baselines(again->group, epoch, &count);
    assert_memory_equal(back, kept, 60 * sizeof(VrBaseline));
    (void)vr_host_judge_add_vm(again->judge, "restored", &gate->baseline, epoch);
    assert_int_equal(gate_steps(again, 20), VR_HEALTH_RULE_NONE);
    assert_int_equal(again->verdict->evidence.control_vms, 60);
}

static void
test_judge_controls_that_are_taken_away_count_no_more(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    for (guint i = 0; i < 55; i++)
        vr_control_group_remove_vm(gate->group, i);
    assert_int_equal(gate_steps(gate, 20), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate->verdict->evidence.control_vms, 5);
    assert_int_equal(gate->verdict->evidence.control_hosts, 1);
    vr_control_group_remove_vm(gate->group, 55);
    assert_int_equal(gate_step(gate), VR_HEALTH_RULE_NO_CONTROLS);
}

static void
test_judge_update_or_host(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) first = gate_new(&GATE_WISH, NULL), later = gate_new(&GATE_WISH, NULL);
    g_autoptr(Gate) passed = gate_new(&GATE_WISH, NULL);

    vr_host_judge_peer_passed(later->judge);
    vr_host_judge_gate_passed(passed->judge, passed->at_ms);
    gate_set_delay(first, 0, 30, gate_delay_at(300));
    gate_set_delay(later, 0, 30, gate_delay_at(300));
    gate_set_delay(passed, 0, 30, gate_delay_at(300));
    (void)gate_steps(first, 60);
    (void)gate_steps(later, 60);
    (void)gate_steps(passed, 60);
    assert_int_equal(first->verdict->finding.cause, VR_HEALTH_CAUSE_UPDATE);
    assert_int_equal(later->verdict->finding.cause, VR_HEALTH_CAUSE_HOST);
    assert_int_equal(passed->verdict->finding.cause, VR_HEALTH_CAUSE_HOST);
}

static void
test_judge_weak_baselines_expire_in_aftercare(void **state G_GNUC_UNUSED)
{
    GateWish wish = GATE_WISH;
    wish.strong = FALSE;
    g_autoptr(Gate) weak = gate_new(&wish, NULL), strong = gate_new(&GATE_WISH, NULL);

    vr_host_judge_gate_passed(weak->judge, weak->at_ms);
    vr_host_judge_gate_passed(strong->judge, strong->at_ms);
    (void)gate_steps(weak, 719); /* with the first reading two hours */
    (void)gate_steps(strong, 719);
    assert_int_equal(weak->verdict->evidence.relative.steal_vms, 30);
    (void)gate_steps(weak, 1);
    (void)gate_steps(strong, 1);
    assert_int_equal(weak->verdict->evidence.relative.steal_vms, 0);
    assert_int_equal(strong->verdict->evidence.relative.steal_vms, 30);
    assert_int_equal(weak->verdict->finding.rule, VR_HEALTH_RULE_TOO_FEW);
}

static void
test_judge_aftercare_is_stricter_after_a_day(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_new(&GATE_WISH, NULL);

    gate_set_delay(gate, 0, 30, gate_delay_at(45));
    vr_host_judge_gate_passed(gate->judge, gate->at_ms);
    assert_int_equal(gate_steps(gate, DAY_SAMPLES - 1), VR_HEALTH_RULE_NONE);
    assert_int_equal(gate->verdict->evidence.relative.steal_limit_permille, 40);
    (void)gate_step(gate);
    assert_int_equal(gate->verdict->evidence.relative.steal_limit_permille, 30);
    assert_int_equal(gate_until(gate, VR_HEALTH_RULE_RELATIVE_STEAL, 10), DAY_SAMPLES + 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge_order_of_vms_changes_nothing),
        cmocka_unit_test(test_judge_clock_changes_nothing),
        cmocka_unit_test(test_judge_length_of_intervals_changes_nothing),
        cmocka_unit_test(test_judge_irregular_intervals_change_nothing),
        cmocka_unit_test(test_judge_alert_stays_and_a_worse_one_replaces_it),
        cmocka_unit_test(test_judge_finding_goes_when_it_is_half_gone_for_long),
        cmocka_unit_test(test_judge_intake_reopens_when_it_has_been_roomy),
        cmocka_unit_test(test_judge_unread_host_is_unknown_and_stops_the_clock),
        cmocka_unit_test(test_judge_half_read_window_is_not_evaluated),
        cmocka_unit_test(test_judge_one_vm_is_no_host),
        cmocka_unit_test(test_judge_a_thousand_vms),
        cmocka_unit_test(test_judge_warm_up_does_not_count),
        cmocka_unit_test(test_judge_vms_that_arrive_late_have_their_own_time),
        cmocka_unit_test(test_judge_each_vm_has_the_epoch_of_its_baseline),
        cmocka_unit_test(test_judge_epoch_comes_back_after_a_restart),
        cmocka_unit_test(test_judge_controls_that_are_taken_away_count_no_more),
        cmocka_unit_test(test_judge_update_or_host),
        cmocka_unit_test(test_judge_weak_baselines_expire_in_aftercare),
        cmocka_unit_test(test_judge_aftercare_is_stricter_after_a_day),
    };

    return cmocka_run_group_tests_name("health/judge", tests, NULL, NULL);
}
