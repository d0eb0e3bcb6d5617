/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every single point at which a controller can die, lose a call or a reply, or its journal fail, in
 * three rollouts: one strike of one kind at each of its opportunities, and nothing else. Each run
 * must end as the run without it did, and breach no rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "simulate/run.h"

/* Killed before and after each append, at each migration, action and stage; and so on. */
static const SimFault kinds[] = {
    SIM_FAULT_CONTROLLER_KILLED, SIM_FAULT_KILLED_AFTERWARDS, SIM_FAULT_CONTROLLER_STALLED,
    SIM_FAULT_CALL_LOST,         SIM_FAULT_REPLY_LOST,        SIM_FAULT_CALL_LATE,
    SIM_FAULT_READ_STALE,        SIM_FAULT_JOURNAL_SLOW,      SIM_FAULT_JOURNAL_REFUSES,
    SIM_FAULT_JOURNAL_UNKNOWN,
};

static SimScenario *
calm(guint32 seed, guint hosts, guint vms_per_host)
{
    SimScenario *scenario = sim_scenario_draw(seed);

    scenario->hosts = hosts;
    scenario->vms_per_host = vms_per_host;
    scenario->explicit_only = TRUE;
    return scenario;
}

/* The n-th opportunity of one kind, and no other strike. */
static void
run_with(const SimScenario *clean, SimFault fault, guint opportunity, const SimOutcome *expected)
{
    g_autoptr(SimScenario) scenario = sim_scenario_copy(clean);
    SimStrike strike = {fault, opportunity};
    SimOutcome outcome;

    g_array_append_val(scenario->strikes, strike);
    sim_run(scenario, NULL, NULL, &outcome);
    if (outcome.breach != NULL || outcome.phase != expected->phase ||
        g_strcmp0(outcome.end_state, expected->end_state) != 0)
        fail_msg("seed %u, %u hosts, %u VMs a host, %s %u: %s, %s\n%s\nexpected:\n%s",
                 scenario->seed, scenario->hosts, scenario->vms_per_host,
                 sim_fault_to_string(fault), opportunity, vr_rollout_phase_to_string(outcome.phase),
                 outcome.breach != NULL ? outcome.breach : "no rule was breached",
                 outcome.end_state, expected->end_state);
    sim_outcome_clear(&outcome);
}

static void
strike_everywhere(guint32 seed, guint hosts, guint vms_per_host)
{
    g_autoptr(SimScenario) scenario = calm(seed, hosts, vms_per_host);
    SimOutcome clean;
    guint runs = 0;

    sim_run(scenario, NULL, NULL, &clean);
    assert_null(clean.refusal);
    assert_null(clean.breach);
    assert_int_equal(clean.phase, VR_ROLLOUT_DONE);
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        for (guint n = 1; n <= clean.asked[kinds[i]]; n++, runs++)
            run_with(scenario, kinds[i], n, &clean);
    }
    printf("%u hosts, %u migrations, %u records: %u points\n", hosts, (guint)clean.migrations,
           (guint)clean.records, runs);
    sim_outcome_clear(&clean);
}

/* One empty host, one VM at a time. */
static void
test_three_hosts(void **state)
{
    (void)state;
    strike_everywhere(3, 3, 2);
}

/* Gates, several migrations in flight, VMs that are paused or shut off. */
static void
test_five_hosts(void **state)
{
    (void)state;
    strike_everywhere(7, 5, 4);
}

/* No host is empty: the planner has to make one, with declared extras. */
static void
test_no_empty_host(void **state)
{
    (void)state;
    strike_everywhere(11, 4, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_hosts),
        cmocka_unit_test(test_five_hosts),
        cmocka_unit_test(test_no_empty_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
