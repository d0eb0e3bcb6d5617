/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every combination that the recovery table can be asked: exactly one row by first match, the whole
 * answer in a golden file, and invariants written apart from the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <virt-roll/recovery.h>

#define GOLDEN "tests/unit/rollout/recovery.golden"
#define SOURCE_SIDES 12 /* off-failed is off on a source */
#define COMBINATIONS (3 * SOURCE_SIDES * VR_SIDE_COUNT * 2 * 2 * 2)

typedef void (*Visit)(const VrEvidence *evidence, const VrRecoveryRow *row, gpointer data);

static void
visit_sides(VrEvidence evidence, Visit visit, gpointer data)
{
    for (guint s = 0; s < VR_SIDE_COUNT; s++) {
        for (guint d = 0; d < VR_SIDE_COUNT && s != VR_SIDE_OFF_FAILED; d++) {
            evidence.source = (VrSide)s;
            evidence.target = (VrSide)d;
            visit(&evidence, vr_recovery_match(&evidence), data);
        }
    }
}

static void
visit_all(Visit visit, gpointer data)
{
    for (guint e = 0; e < 3; e++) {
        for (guint flags = 0; flags < 8; flags++) {
            VrEvidence evidence = {
                .elsewhere = (VrElsewhere)e,
                .same_instance = (flags & 1) != 0,
                .target_persistent = (flags & 2) != 0,
                .paused_before = (flags & 4) != 0,
            };
            visit_sides(evidence, visit, data);
        }
    }
}

/* ------------------------------------------------------------------ totality */

static void
count_row(const VrEvidence *evidence, const VrRecoveryRow *row, gpointer data)
{
    guint *counts = data;
    (void)evidence;

    counts[row->row]++;
    counts[VR_ROW_V + 1]++;
}

static void
test_recovery_every_combination_has_a_row_and_every_row_is_met(void **state)
{
    guint counts[VR_ROW_V + 2] = {0};
    (void)state;

    visit_all(count_row, counts);
    assert_int_equal(counts[VR_ROW_V + 1], COMBINATIONS);
    for (guint row = 0; row <= VR_ROW_V; row++) {
        if (counts[row] < 2)
            fail_msg("row %s is the first match of %u combinations", vr_row_to_string((VrRow)row),
                     counts[row]);
    }
}

/*
 * First match, rewritten as disjoint sets: each combination is in the set of a row if the row takes
 * it and no earlier one does. Exactly one set has it.
 */
static gboolean
takes(const VrRecoveryRow *row, const VrEvidence *evidence)
{
    return (row->elsewhere_mask >> evidence->elsewhere & 1) != 0 &&
           (row->source_mask >> evidence->source & 1) != 0 &&
           (row->target_mask >> evidence->target & 1) != 0 &&
           (row->same_instance_mask >> evidence->same_instance & 1) != 0 &&
           (row->target_persistent_mask >> evidence->target_persistent & 1) != 0 &&
           (row->paused_before_mask >> evidence->paused_before & 1) != 0;
}

static void
check_exactly_one(const VrEvidence *evidence, const VrRecoveryRow *matched, gpointer data)
{
    guint count = 0;
    guint sets = 0;
    const VrRecoveryRow *rows = vr_recovery_rows(&count);
    gboolean taken = FALSE;
    (void)data;

    for (guint i = 0; i < count; i++) {
        gboolean in_set = takes(&rows[i], evidence) && !taken;
        taken = taken || takes(&rows[i], evidence);
        sets += in_set;
        if (in_set)
            assert_ptr_equal(&rows[i], matched);
    }
    assert_int_equal(sets, 1);
}

static void
test_recovery_exactly_one_row_matches(void **state)
{
    (void)state;
    visit_all(check_exactly_one, NULL);
}

/* What a person reads of a guest that is gone: where its last state is to be looked for. */
static void
test_recovery_says_where_the_guest_died(void **state)
{
    VrEvidence evidence = {.source = VR_SIDE_OFF, .target = VR_SIDE_ABSENT};
    (void)state;

    assert_int_equal(vr_recovery_match(&evidence)->row, VR_ROW_V);
    assert_non_null(strstr(vr_recovery_match(&evidence)->meaning, "died on its source"));
    evidence.target = VR_SIDE_OFF;
    assert_int_equal(vr_recovery_match(&evidence)->row, VR_ROW_V);
    assert_null(strstr(vr_recovery_match(&evidence)->meaning, "died on its"));
    evidence.source = VR_SIDE_ABSENT;
    assert_int_equal(vr_recovery_match(&evidence)->row, VR_ROW_V);
    assert_non_null(strstr(vr_recovery_match(&evidence)->meaning, "died on its target"));
}

static void
test_recovery_says_what_to_do_to_whom_it_asks(void **state)
{
    guint count = 0;
    const VrRecoveryRow *rows = vr_recovery_rows(&count);
    (void)state;

    for (guint i = 0; i < count; i++)
        assert_int_equal(rows[i].remedy != NULL,
                         rows[i].decision == VR_DECISION_OPERATOR && rows[i].row != VR_ROW_D);
}

/* ------------------------------------------------------------------ invariants */

static gboolean
has_job(VrSide side)
{
    return side == VR_SIDE_RUNNING_JOB || side == VR_SIDE_MIGRATION_JOB || side == VR_SIDE_USER_JOB;
}

static gboolean
changes_something(VrDecision decision)
{
    return decision >= VR_DECISION_RESUME_SOURCE;
}

static void
check_unknown(const VrEvidence *evidence, const VrRecoveryRow *row)
{
    if (evidence->elsewhere == VR_ELSEWHERE_UNKNOWN || evidence->source == VR_SIDE_UNKNOWN ||
        evidence->target == VR_SIDE_UNKNOWN)
        assert_true(row->decision == VR_DECISION_HOLD || row->decision == VR_DECISION_OPERATOR);
    if (evidence->elsewhere == VR_ELSEWHERE_YES)
        assert_true(row->decision == VR_DECISION_OPERATOR || row->decision == VR_DECISION_HOLD);
    if (has_job(evidence->source) || has_job(evidence->target))
        assert_true(row->decision == VR_DECISION_WAIT || row->decision == VR_DECISION_HOLD ||
                    row->decision == VR_DECISION_OPERATOR);
}

static void
check_actions(const VrEvidence *evidence, const VrRecoveryRow *row)
{
    gboolean taken_over = evidence->target == VR_SIDE_RUNNING || evidence->target == VR_SIDE_USER;

    if (row->decision == VR_DECISION_RESUME_SOURCE)
        assert_true(evidence->target == VR_SIDE_ABSENT && evidence->source == VR_SIDE_MIGRATION &&
                    !evidence->paused_before && row->needs_fence && row->needs_twice);
    if (row->decision == VR_DECISION_DESTROY_SOURCE)
        assert_true(taken_over && evidence->target_persistent &&
                    evidence->source == VR_SIDE_MIGRATION && row->needs_fence && row->needs_twice);
    if (row->decision == VR_DECISION_UNDEFINE_SOURCE)
        assert_true(taken_over && evidence->target_persistent && evidence->source == VR_SIDE_OFF);
    if (row->decision == VR_DECISION_UNDEFINE_TARGET)
        assert_true(evidence->target == VR_SIDE_OFF_FAILED &&
                    (evidence->source == VR_SIDE_RUNNING || evidence->source == VR_SIDE_USER));
    if (row->decision == VR_DECISION_DEFINE_TARGET)
        assert_true(taken_over && !evidence->target_persistent);
    if (changes_something(row->decision))
        assert_true(row->needs_fence && evidence->elsewhere == VR_ELSEWHERE_NO);
}

static void
check_verdicts(const VrEvidence *evidence, const VrRecoveryRow *row)
{
    if (row->decision == VR_DECISION_SETTLED)
        assert_true(evidence->source == VR_SIDE_ABSENT && evidence->target_persistent &&
                    (evidence->target == VR_SIDE_RUNNING || evidence->target == VR_SIDE_USER));
    if (row->decision == VR_DECISION_ROLLED_BACK)
        assert_true(evidence->target == VR_SIDE_ABSENT && row->needs_fence &&
                    (evidence->source == VR_SIDE_RUNNING || evidence->source == VR_SIDE_USER));
    if (row->decision == VR_DECISION_STOPPED)
        assert_true(row->needs_fence);
    if (evidence->source == VR_SIDE_RUNNING && evidence->target == VR_SIDE_RUNNING &&
        evidence->elsewhere == VR_ELSEWHERE_NO)
        assert_int_equal(row->decision, VR_DECISION_OPERATOR); /* split brain */
    /* Who shuts down on its source has run there: what runs on the target is another one. */
    if (evidence->source == VR_SIDE_OFF_BY_GUEST && evidence->elsewhere == VR_ELSEWHERE_NO &&
        (evidence->target == VR_SIDE_RUNNING || evidence->target == VR_SIDE_USER))
        assert_int_equal(row->decision, VR_DECISION_OPERATOR);
    if (evidence->source == VR_SIDE_ABSENT && evidence->target == VR_SIDE_ABSENT)
        assert_true(row->decision == VR_DECISION_OPERATOR || row->decision == VR_DECISION_HOLD);
}

static void
check_invariants(const VrEvidence *evidence, const VrRecoveryRow *row, gpointer data)
{
    (void)data;
    check_unknown(evidence, row);
    check_actions(evidence, row);
    check_verdicts(evidence, row);
}

static void
test_recovery_invariants_hold_everywhere(void **state)
{
    (void)state;
    visit_all(check_invariants, NULL);
}

/* ------------------------------------------------------------------ golden file */

static void
write_heading(GString *text, const VrEvidence *evidence)
{
    g_string_append_printf(text, "\nelsewhere %s, %s instance, target %s, guest %s before\n",
                           vr_elsewhere_to_string(evidence->elsewhere),
                           evidence->same_instance ? "same" : "other",
                           evidence->target_persistent ? "persistent" : "transient",
                           evidence->paused_before ? "paused" : "ran");
    g_string_append(text, "source \\ target:");
    for (guint d = 0; d < VR_SIDE_COUNT; d++)
        g_string_append_printf(text, " %s", vr_side_to_string((VrSide)d));
    g_string_append_c(text, '\n');
}

static void
write_cell(const VrEvidence *evidence, const VrRecoveryRow *row, gpointer data)
{
    GString *text = data;

    if (evidence->source == VR_SIDE_UNKNOWN && evidence->target == VR_SIDE_UNKNOWN)
        write_heading(text, evidence);
    if (evidence->target == VR_SIDE_UNKNOWN)
        g_string_append_printf(text, "%-14s", vr_side_to_string(evidence->source));
    g_string_append_printf(text, " %-2s", vr_row_to_string(row->row));
    if (evidence->target == VR_SIDE_COUNT - 1)
        g_string_append_c(text, '\n');
}

static void
test_recovery_answers_are_the_reviewed_ones(void **state)
{
    g_autoptr(GString) text = g_string_new("The row for every combination, in the order of the "
                                           "columns. Written by the test; review a change.\n");
    g_autofree char *golden = NULL;
    (void)state;

    visit_all(write_cell, text);
    if (g_getenv("VR_UPDATE_GOLDEN") != NULL)
        assert_true(g_file_set_contents(GOLDEN, text->str, -1, NULL));
    assert_true(g_file_get_contents(GOLDEN, &golden, NULL, NULL));
    assert_string_equal(text->str, golden);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recovery_every_combination_has_a_row_and_every_row_is_met),
        cmocka_unit_test(test_recovery_exactly_one_row_matches),
        cmocka_unit_test(test_recovery_says_where_the_guest_died),
        cmocka_unit_test(test_recovery_says_what_to_do_to_whom_it_asks),
        cmocka_unit_test(test_recovery_invariants_hold_everywhere),
        cmocka_unit_test(test_recovery_answers_are_the_reviewed_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
