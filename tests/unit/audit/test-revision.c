/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor's rules on a revised plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "small-world.h"

#define STEP(id) (1u << (id))
#define ALL ((STEP(STEPS + 1) - 1) & ~STEP(0))
#define REST (ALL & ~STEP(STEP_VM1) & ~STEP(STEP_VM2)) /* when both have arrived */

static void
stands_still(Small *small)
{
    rollout_is(small, VR_ROLLOUT_STOPPED);
}

/* vm1 and vm2 have come to h3. */
static void
drains_h2_and_stands_still(Small *small)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates(small, STEP_VM2, VM2, H2, H3);
    stands_still(small);
}

static void
revises_a_rollout_at_rest(Small *small, gboolean bad)
{
    if (!bad)
        stands_still(small);
    revises(small, (Revision){.superseded = ALL});
}

static void
keeps_the_gate(Small *small, gboolean bad)
{
    drains_h2_and_stands_still(small);
    revises(small, (Revision){.superseded = REST, .with_gate = !bad});
}

static void
keeps_what_has_ended_well(Small *small, gboolean bad)
{
    drains_h2_and_stands_still(small);
    revises(small, (Revision){.superseded = bad ? ALL : REST, .with_gate = TRUE});
}

static void
supersedes_nothing_in_flight(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    records(small, STEP_VM1, VR_PHASE_NEEDS_OPERATOR);
    if (bad)
        (void)in_flight(small, VM1, H2, H3);
    stands_still(small);
    revises(small, (Revision){.superseded = ALL});
}

static void
leaves_nobody_in_between(Small *small, gboolean bad)
{
    records(small, STEP_VM1, VR_PHASE_NEEDS_OPERATOR);
    stands_still(small);
    revises(small, (Revision){.superseded = bad ? ALL & ~STEP(STEP_VM1) : ALL});
}

static void
sets_aside_what_is_empty(Small *small, gboolean bad)
{
    drains_h2_and_stands_still(small);
    records(small, STEP_GATE, VR_PHASE_WATCHING);
    records(small, STEP_H2, VR_PHASE_NEEDS_OPERATOR);
    if (bad)
        changes(small, VM1, H2, SIM_QEMU_RUNNING, SIM_BY_STRANGER);
    revises(small, (Revision){
                       .superseded = REST & ~STEP(STEP_H2) & ~STEP(STEP_GATE),
                       .set_aside = STEP(STEP_H2),
                   });
}

static void
superseded_steps_stay_so(Small *small, gboolean bad)
{
    stands_still(small);
    revises(small, (Revision){.superseded = ALL});
    if (bad)
        records(small, STEP_VM3, VR_PHASE_CHECKING);
}

static void
asks_about_a_vm_that_is_nowhere(Small *small, gboolean bad)
{
    SimCopy *copy = copy_of(small, VM3, H1);

    copy->defined = copy->on_disk = FALSE;
    changes(small, VM3, H1, SIM_QEMU_NONE, SIM_BY_OWNER);
    stands_still(small);
    revises(small, (Revision){.superseded = ALL, .automatic = bad});
}

#define TEST_OF_RULE(name, case)                                                                   \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        check_rule(SIM_RULE_RV, case);                                                             \
    }

TEST_OF_RULE(test_revised_at_rest, revises_a_rollout_at_rest)
TEST_OF_RULE(test_gate_kept, keeps_the_gate)
TEST_OF_RULE(test_history_kept, keeps_what_has_ended_well)
TEST_OF_RULE(test_nothing_in_flight, supersedes_nothing_in_flight)
TEST_OF_RULE(test_nobody_in_between, leaves_nobody_in_between)
TEST_OF_RULE(test_set_aside_empty, sets_aside_what_is_empty)
TEST_OF_RULE(test_superseded_stays, superseded_steps_stay_so)
TEST_OF_RULE(test_nowhere_asked, asks_about_a_vm_that_is_nowhere)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revised_at_rest),   cmocka_unit_test(test_gate_kept),
        cmocka_unit_test(test_history_kept),      cmocka_unit_test(test_nothing_in_flight),
        cmocka_unit_test(test_nobody_in_between), cmocka_unit_test(test_set_aside_empty),
        cmocka_unit_test(test_superseded_stays),  cmocka_unit_test(test_nowhere_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
