/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The auditor's rules on hosts, limits and placement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "small-world.h"

/* h2 is empty, closed, and its gate has passed. */
static void
drains_h2(Small *small)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates(small, STEP_VM2, VM2, H2, H3);
}

static void
drains_h2_and_waits(Small *small)
{
    drains_h2(small);
    records(small, STEP_GATE, VR_PHASE_WATCHING);
    records(small, STEP_GATE, VR_PHASE_PASSED);
}

static void
applies_to(Small *small, guint step, guint host)
{
    records(small, step, VR_PHASE_APPLYING);
    stage(small, SIM_FACT_STAGE_ISSUED, step, host, VR_STAGE_APPLY);
    stage(small, SIM_FACT_STAGE_BEGINS, step, host, VR_STAGE_APPLY);
}

static void
applies(Small *small)
{
    applies_to(small, STEP_H2, H2);
}

/* ------------------------------------------------------------------ I3 */

static void
case_empty(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    copy_of(small, VM3, H2)->qemu = bad ? SIM_QEMU_RUNNING : SIM_QEMU_NONE;
    proves_empty(small, H2);
    applies(small);
}

static void
case_no_autostart(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    copy_of(small, VM1, H2)->defined = TRUE;
    copy_of(small, VM1, H2)->autostart = bad;
    proves_empty(small, H2);
    applies(small);
}

static void
case_closed(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    proves_empty(small, H2);
    sim_host(&small->world, H2)->closed = !bad;
    applies(small);
}

static void
case_listed_twice(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    lists(small, H2);
    if (!bad)
        lists(small, H2);
    applies(small);
}

static void
case_listed_lately(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    proves_empty(small, H2);
    later(small, bad ? 11 : 9);
    applies(small);
}

static void
case_listed_since_the_last_guest(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    proves_empty(small, H2);
    if (bad) {
        changes(small, VM3, H2, SIM_QEMU_RUNNING, SIM_BY_STRANGER);
        changes(small, VM3, H2, SIM_QEMU_NONE, SIM_BY_STRANGER);
    }
    applies(small);
}

static void
case_listed_again_before_the_reboot(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    proves_empty(small, H2);
    applies(small);
    later(small, 1);
    if (!bad)
        proves_empty(small, H2);
    records(small, STEP_H2, VR_PHASE_REBOOTING);
    stage(small, SIM_FACT_STAGE_ISSUED, STEP_H2, H2, VR_STAGE_REBOOT);
    stage(small, SIM_FACT_STAGE_BEGINS, STEP_H2, H2, VR_STAGE_REBOOT);
}

/* ------------------------------------------------------------------ I9, I10, I17, R2 */

static void
case_migrations_out(Small *small, gboolean bad)
{
    small->policy->limits.migrations_out_per_host = bad ? 1 : 2;
    closes(small, STEP_H2, H2);
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
    migrates_halfway(small, STEP_VM2, VM2, H2, H3);
}

static void
case_migrations_in_all(Small *small, gboolean bad)
{
    small->policy->limits.migrations_max = bad ? 1 : 2;
    closes(small, STEP_H2, H2);
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
    migrates_halfway(small, STEP_VM2, VM2, H2, H3);
}

static void
case_hosts_down(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    if (bad) {
        closes(small, STEP_H1, H1);
        copy_of(small, VM3, H1)->autostart = FALSE;
        changes(small, VM3, H1, SIM_QEMU_NONE, SIM_BY_OWNER);
        records(small, STEP_VM3, VR_PHASE_STOPPED);
        proves_empty(small, H1);
        applies_to(small, STEP_H1, H1);
    }
    proves_empty(small, H2);
    applies(small);
}

static void
case_room(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    sim_vm(&small->world, VM1)->memory_mib = bad ? 9801 : 9800;
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
}

static void
case_room_beside_what_is_on_its_way(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    sim_vm(&small->world, VM2)->memory_mib = bad ? 6000 : 5800;
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
    migrates_halfway(small, STEP_VM2, VM2, H2, H3);
}

static void
case_group(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    ((VrGroup *)g_ptr_array_index(small->inventory->groups, 0))->max_per_host = bad ? 1 : 2;
    migrates(small, STEP_VM1, VM1, H2, H3);
    migrates_halfway(small, STEP_VM2, VM2, H2, H3);
}

static void
case_target_is_updated(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    sim_host(&small->world, H3)->updated = !bad;
    migrates_halfway(small, STEP_VM1, VM1, H2, H3);
}

static void
case_target_has_not_failed(Small *small, gboolean bad)
{
    drains_h2_and_waits(small);
    updates(small, STEP_H2, H2);
    closes(small, STEP_H1, H1);
    if (bad)
        records(small, STEP_H2, VR_PHASE_NEEDS_OPERATOR);
    migrates_halfway(small, STEP_VM3, VM3, H1, H2);
}

static void
case_migrates_once(Small *small, gboolean bad)
{
    closes(small, STEP_H2, H2);
    migrates(small, STEP_VM1, VM1, H2, H3);
    if (!bad)
        return;
    copy_of(small, VM1, H3)->qemu = SIM_QEMU_NONE;
    copy_of(small, VM1, H3)->defined = FALSE;
    copy_of(small, VM1, H2)->qemu = SIM_QEMU_RUNNING;
    migrates(small, STEP_VM1, VM1, H2, H3);
}

/* ------------------------------------------------------------------ I15, R4 */

static void
case_refuge_stays_closed(Small *small, gboolean bad)
{
    drains_h2(small);
    sim_host(&small->world, H2)->closed = !bad;
    records(small, STEP_GATE, VR_PHASE_PASSED);
}

static void
case_refuge_is_not_updated(Small *small, gboolean bad)
{
    if (bad)
        drains_h2(small);
    else
        drains_h2_and_waits(small);
    proves_empty(small, H2);
    applies(small);
}

static void
case_refuge_keeps_room(Small *small, gboolean bad)
{
    drains_h2(small);
    if (bad) {
        sim_vm(&small->world, VM3)->memory_mib = 2000;
        changes(small, VM3, H2, SIM_QEMU_RUNNING, SIM_BY_OWNER);
    }
    records(small, STEP_GATE, VR_PHASE_PASSED);
}

#define RULE_TEST(name, rule)                                                                      \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        check_rule(rule, case_##name);                                                             \
    }

RULE_TEST(empty, SIM_RULE_I3)
RULE_TEST(no_autostart, SIM_RULE_I3)
RULE_TEST(closed, SIM_RULE_I3)
RULE_TEST(listed_twice, SIM_RULE_I3)
RULE_TEST(listed_lately, SIM_RULE_I3)
RULE_TEST(listed_since_the_last_guest, SIM_RULE_I3)
RULE_TEST(listed_again_before_the_reboot, SIM_RULE_I3)
RULE_TEST(migrations_out, SIM_RULE_I9)
RULE_TEST(migrations_in_all, SIM_RULE_I9)
RULE_TEST(hosts_down, SIM_RULE_I9)
RULE_TEST(room, SIM_RULE_I10)
RULE_TEST(room_beside_what_is_on_its_way, SIM_RULE_I10)
RULE_TEST(group, SIM_RULE_I10)
RULE_TEST(target_is_updated, SIM_RULE_I17)
RULE_TEST(target_has_not_failed, SIM_RULE_I17)
RULE_TEST(migrates_once, SIM_RULE_R2)
RULE_TEST(refuge_stays_closed, SIM_RULE_R4)
RULE_TEST(refuge_is_not_updated, SIM_RULE_R4)
RULE_TEST(refuge_keeps_room, SIM_RULE_I15)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_no_autostart),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_listed_twice),
        cmocka_unit_test(test_listed_lately),
        cmocka_unit_test(test_listed_since_the_last_guest),
        cmocka_unit_test(test_listed_again_before_the_reboot),
        cmocka_unit_test(test_migrations_out),
        cmocka_unit_test(test_migrations_in_all),
        cmocka_unit_test(test_hosts_down),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_room_beside_what_is_on_its_way),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_target_is_updated),
        cmocka_unit_test(test_target_has_not_failed),
        cmocka_unit_test(test_migrates_once),
        cmocka_unit_test(test_refuge_stays_closed),
        cmocka_unit_test(test_refuge_is_not_updated),
        cmocka_unit_test(test_refuge_keeps_room),
    };

    return cmocka_run_group_tests_name("audit-hosts", tests, NULL, NULL);
}
