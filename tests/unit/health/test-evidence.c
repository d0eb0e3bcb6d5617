/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evidence is written, read, judged again, and said in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>

#include "base/json.h"
#include "gate.h"

/* Written, read and written again it is the same, and gives the verdict again. */
static void
assert_replays(const VrHealthVerdict *verdict)
{
    g_autofree char *text = vr_evidence_format(&verdict->evidence);
    g_autoptr(GError) error = NULL;
    VrHealthEvidence back;

    assert_true(vr_evidence_parse(text, strlen(text), "evidence", &back, &error));
    g_autofree char *again = vr_evidence_format(&back);
    assert_string_equal(again, text);
    g_autoptr(JsonNode) node = vr_json_parse(text, strlen(text), "evidence", &error);
    g_autofree char *canonical = vr_json_canonical(node);
    assert_string_equal(canonical, text);
    const VrHealthFinding finding = vr_evidence_replay(&back);
    assert_int_equal(finding.rule, verdict->finding.rule);
    assert_int_equal(finding.tier, verdict->finding.tier);
    assert_int_equal(finding.cause, verdict->finding.cause);
}

typedef struct {
    gint64 steal_permille, latency_us, requests, cpu_permille;
    gboolean peer, event;
    VrHealthRule expected;
} Situation;

static const Situation situations[] = {
    {10, 1000, 160, 450, FALSE, FALSE, VR_HEALTH_RULE_NONE},
    {60, 1000, 160, 450, FALSE, FALSE, VR_HEALTH_RULE_RELATIVE_STEAL},
    {150, 1000, 160, 450, TRUE, FALSE, VR_HEALTH_RULE_CRITICAL_STEAL},
    {10, 2200, 160, 450, FALSE, FALSE, VR_HEALTH_RULE_RELATIVE_IO},
    {10, 2600, 160, 450, FALSE, FALSE, VR_HEALTH_RULE_CRITICAL_IO},
    {10, 300000, 160, 450, FALSE, FALSE, VR_HEALTH_RULE_SEVERE_IO},
    {10, 1000, 0, 450, FALSE, FALSE, VR_HEALTH_RULE_IO_STOPPED},
    {60, 1000, 160, 700, FALSE, FALSE, VR_HEALTH_RULE_CROWDED},
    {10, 1000, 160, 450, FALSE, TRUE, VR_HEALTH_RULE_GUEST_LOST},
};

static Gate *
gate_in(const Situation *situation)
{
    Gate *gate = gate_new(&GATE_WISH, NULL);

    gate_set_delay(gate, 0, 30, gate_delay_at(situation->steal_permille));
    gate_set_latency(gate, 0, 30, situation->latency_us);
    gate_set_requests(gate, 0, 30, situation->requests);
    gate->cpu_permille = situation->cpu_permille;
    if (situation->peer)
        vr_host_judge_peer_passed(gate->judge);
    if (situation->event)
        vr_host_judge_event(gate->judge, 3, VR_HEALTH_EVENT_CRASHED);
    return gate;
}

static void
test_evidence_replays_in_every_sample(void **state G_GNUC_UNUSED)
{
    for (guint i = 0; i < G_N_ELEMENTS(situations); i++) {
        g_autoptr(Gate) gate = gate_in(&situations[i]);
        for (guint sample = 0; sample < 40; sample++) {
            (void)gate_step(gate);
            assert_replays(gate->verdict);
        }
        assert_int_equal(gate->verdict->finding.rule, situations[i].expected);
    }
}

/* One thing of what was recorded is different, and it is another verdict. */
static void
test_evidence_decides(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_in(&situations[2]);
    assert_int_equal(gate_steps(gate, 40), VR_HEALTH_RULE_CRITICAL_STEAL);
    const VrHealthEvidence recorded = gate->verdict->evidence;
    VrHealthEvidence changed = recorded;

    changed.critical.excess_permille = changed.critical.steal_limit_permille - 1;
    assert_int_equal(vr_evidence_replay(&changed).rule, VR_HEALTH_RULE_NONE);
    changed = recorded;
    changed.held_critical_steal = changed.limits.hold_samples - 1;
    assert_int_equal(vr_evidence_replay(&changed).rule, VR_HEALTH_RULE_NONE);
    changed = recorded;
    changed.peer_passed = 0;
    assert_int_equal(vr_evidence_replay(&changed).cause, VR_HEALTH_CAUSE_UPDATE);
    changed.guests_lost = 1;
    assert_int_equal(vr_evidence_replay(&changed).rule, VR_HEALTH_RULE_GUEST_LOST);
}

static void
test_evidence_names_the_worst_and_the_median_vm(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_in(&situations[0]);

    for (guint i = 0; i < 30; i++)
        gate_set_delay(gate, i, i + 1, gate_delay_at(200 + (i * 7) % 30));
    assert_int_not_equal(gate_until(gate, VR_HEALTH_RULE_CRITICAL_STEAL, 30), 0);
    const VrHealthEvidence *evidence = &gate->verdict->evidence;
    assert_int_equal(evidence->witness_count, VR_HEALTH_WITNESSES_MAX);
    for (guint i = 0; i < 5; i++)
        assert_int_equal(evidence->witnesses[i].excess_permille, 219 - (gint64)i);
    assert_int_equal(evidence->witnesses[5].excess_permille, 204);
    assert_string_equal(evidence->witnesses[0].vm, "vm-0017");
}

static void
assert_refused(const char *text, const char *words)
{
    g_autoptr(GError) error = NULL;
    VrHealthEvidence evidence;

    assert_false(vr_evidence_parse(text, strlen(text), "evidence", &evidence, &error));
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_INVALID));
    if (strstr(error->message, words) == NULL)
        fail_msg("%s", error->message);
}

static char *
exchanged(const char *text, const char *what, const char *by)
{
    g_auto(GStrv) parts = g_strsplit(text, what, 2);

    assert_int_equal(g_strv_length(parts), 2);
    return g_strjoinv(by, parts);
}

static void
test_evidence_that_is_none_is_refused(void **state G_GNUC_UNUSED)
{
    g_autoptr(Gate) gate = gate_in(&situations[1]);
    (void)gate_steps(gate, 40);
    g_autofree char *text = vr_evidence_format(&gate->verdict->evidence);
    g_autofree char *format = exchanged(text, "evidence/1", "evidence/2");
    g_autofree char *member = exchanged(text, "\"guests_lost\"", "\"guests_last\"");
    g_autofree char *number = exchanged(text, "\"sample\":35", "\"sample\":\"35\"");
    g_autofree char *large = exchanged(text, "\"sample\":35", "\"sample\":2305843009213693952");
    g_autofree char *name =
        exchanged(text, "\"vm\":\"vm-", "\"vm\":\"0123456789012345678901234567890123456789");

    assert_refused("", "evidence:1:1");
    assert_refused("[]", "evidence");
    assert_refused("{}", "format");
    assert_refused(format, "format");
    assert_refused(member, "guests_lost");
    assert_refused(number, "sample");
    assert_refused(large, "sample");
    assert_refused(name, "vm");
}

static void
assert_sentence(guint situation, const char *expected)
{
    g_autoptr(Gate) gate = gate_in(&situations[situation]);

    (void)gate_steps(gate, 40);
    g_autofree char *sentence =
        vr_health_sentence(&gate->verdict->finding, &gate->verdict->evidence, "h3", NULL);
    assert_string_equal(sentence, expected);
}

static void
test_evidence_in_words(void **state G_GNUC_UNUSED)
{
    assert_sentence(0, "h3: nothing to tell.");
    assert_sentence(1, "h3: its VMs wait for a CPU 6.0 % of the time they want one; 1.0 % was "
                       "expected at 45 % load (before: 1.0 %); 30 of 30 VMs; 60 VMs elsewhere "
                       "unchanged.");
    assert_sentence(3, "h3: a disk request of its VMs takes 2.2 ms; it took 1.0 ms before; 30 of "
                       "30 VMs; 60 VMs elsewhere unchanged.");
    assert_sentence(8, "h3: VM vm-0003 has crashed or was paused by an I/O error.");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evidence_replays_in_every_sample),
        cmocka_unit_test(test_evidence_decides),
        cmocka_unit_test(test_evidence_names_the_worst_and_the_median_vm),
        cmocka_unit_test(test_evidence_that_is_none_is_refused),
        cmocka_unit_test(test_evidence_in_words),
    };

    return cmocka_run_group_tests_name("health/evidence", tests, NULL, NULL);
}
