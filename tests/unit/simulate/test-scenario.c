/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "simulate/shrink.h"

static void
test_scenario_comes_back_from_its_text(void **state)
{
    g_autoptr(SimScenario) scenario = sim_scenario_draw(42);
    SimStrike strike = {SIM_FAULT_HOST_CRASH, 7};
    g_autoptr(GError) error = NULL;
    (void)state;

    scenario->explicit_only = TRUE;
    g_array_append_val(scenario->strikes, strike);
    g_autofree char *text = sim_scenario_format(scenario);
    g_autoptr(SimScenario) parsed = sim_scenario_parse(text, strlen(text), "scenario", &error);
    assert_null(error);
    g_autofree char *again = sim_scenario_format(parsed);
    assert_string_equal(text, again);
    assert_int_equal(parsed->strikes->len, 1);
}

/* What "goes wrong" here: a daemon restarted and a call was lost, in the same run. */
static gboolean
has_both(const SimOutcome *outcome, gpointer data)
{
    (void)data;
    return outcome->refusal == NULL && outcome->struck[SIM_FAULT_DAEMON_RESTART] > 0 &&
           outcome->struck[SIM_FAULT_CALL_LOST] > 0;
}

/* No strike of it can be left out. */
static void
assert_minimal(const SimScenario *scenario)
{
    for (guint i = 0; i < scenario->strikes->len; i++) {
        g_autoptr(SimScenario) smaller = sim_scenario_copy(scenario);
        SimOutcome outcome;
        g_array_remove_index(smaller->strikes, i);
        sim_run(smaller, NULL, NULL, &outcome);
        assert_false(has_both(&outcome, NULL));
        sim_outcome_clear(&outcome);
    }
}

static void
test_shrink_leaves_the_strikes_that_matter(void **state)
{
    guint shrunk = 0;
    (void)state;

    for (guint32 seed = 0; seed < 200 && shrunk < 3; seed++) {
        g_autoptr(SimScenario) scenario = sim_scenario_draw(seed);
        guint runs = 0;
        g_autoptr(SimScenario) smallest = sim_shrink(scenario, has_both, NULL, &runs);
        if (smallest == NULL)
            continue;
        shrunk++;
        assert_true(smallest->explicit_only);
        assert_true(smallest->strikes->len >= 2);
        assert_minimal(smallest);
        assert_true(smallest->hosts <= scenario->hosts);
        assert_true(runs > 1);
    }
    assert_int_equal(shrunk, 3);
}

/* Whatever else is asked in between, the n-th question of a kind has one answer. */
static void
test_faults_do_not_depend_on_each_other(void **state)
{
    SimFaults alone;
    SimFaults mixed;
    (void)state;

    sim_faults_draw(&alone, 1); /* a run with every kind */
    sim_faults_draw(&mixed, 1);
    for (guint i = 0; i < 5000; i++) {
        gboolean strikes = sim_faults_strike(&alone, SIM_FAULT_HINT_LOST);
        if (i % 3 == 0)
            (void)sim_faults_strike(&mixed, SIM_FAULT_CALL_LOST);
        assert_int_equal(sim_faults_strike(&mixed, SIM_FAULT_HINT_LOST), strikes);
    }
    assert_int_equal(alone.asked[SIM_FAULT_HINT_LOST], 5000);
    sim_faults_clear(&alone);
    sim_faults_clear(&mixed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenario_comes_back_from_its_text),
        cmocka_unit_test(test_shrink_leaves_the_strikes_that_matter),
        cmocka_unit_test(test_faults_do_not_depend_on_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
