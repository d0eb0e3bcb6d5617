/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/classify.h"

#include <libvirt/libvirt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STATES_END (VIR_DOMAIN_PMSUSPENDED + 2)
#define REASONS_END 20

static VrSide
with_job(VrSide side)
{
    if (side == VR_SIDE_RUNNING)
        return VR_SIDE_RUNNING_JOB;
    if (side == VR_SIDE_MIGRATION)
        return VR_SIDE_MIGRATION_JOB;
    return side == VR_SIDE_USER ? VR_SIDE_USER_JOB : side;
}

/* The classes of docs/internals/recovery.md once more, said in another way than in the table. */
static VrSide
expected_active(int state, int reason, VrRole role)
{
    if (state == VIR_DOMAIN_RUNNING)
        return reason == VIR_DOMAIN_RUNNING_POSTCOPY || reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED
                   ? VR_SIDE_POSTCOPY
                   : VR_SIDE_RUNNING;
    if (state != VIR_DOMAIN_PAUSED)
        return VR_SIDE_ODD;
    switch (reason) {
    case VIR_DOMAIN_PAUSED_USER:
        return VR_SIDE_USER;
    case VIR_DOMAIN_PAUSED_MIGRATION:
        return VR_SIDE_MIGRATION;
    case VIR_DOMAIN_PAUSED_STARTING_UP:
        return role == VR_ROLE_TARGET ? VR_SIDE_MIGRATION : VR_SIDE_ODD;
    case VIR_DOMAIN_PAUSED_POSTCOPY:
    case VIR_DOMAIN_PAUSED_POSTCOPY_FAILED:
        return VR_SIDE_POSTCOPY;
    default:
        return VR_SIDE_ODD;
    }
}

static VrSide
expected_inactive(int state, int reason, VrRole role)
{
    if (state == VIR_DOMAIN_CRASHED)
        return VR_SIDE_OFF;
    if (state != VIR_DOMAIN_SHUTOFF)
        return VR_SIDE_ODD;
    if (reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN)
        return VR_SIDE_OFF_BY_GUEST;
    if (reason == VIR_DOMAIN_SHUTOFF_FAILED && role == VR_ROLE_TARGET)
        return VR_SIDE_OFF_FAILED;
    return VR_SIDE_OFF;
}

static void
check(int state, int reason, VrRole role)
{
    VrSide active = expected_active(state, reason, role);
    assert_int_equal(vr_classify_side(state, reason, FALSE, TRUE, role), active);
    assert_int_equal(vr_classify_side(state, reason, TRUE, TRUE, role), with_job(active));
    assert_int_equal(vr_classify_side(state, reason, FALSE, FALSE, role),
                     expected_inactive(state, reason, role));
    /* A domain that is off and has a job is not something that we know anything of. */
    assert_int_equal(vr_classify_side(state, reason, TRUE, FALSE, role), VR_SIDE_ODD);
}

static void
test_classify_every_state_has_the_class_of_the_recovery_table(void **state)
{
    (void)state;
    for (int domain_state = -1; domain_state < STATES_END; domain_state++)
        for (int reason = -1; reason < REASONS_END; reason++)
            for (int role = VR_ROLE_SOURCE; role <= VR_ROLE_OTHER; role++)
                check(domain_state, reason, (VrRole)role);
}

static void
test_classify_never_says_unknown_or_absent(void **state)
{
    (void)state;
    for (int domain_state = -1; domain_state < STATES_END; domain_state++) {
        for (int reason = -1; reason < REASONS_END; reason++) {
            for (int bits = 0; bits < 4; bits++) {
                VrSide side = vr_classify_side(domain_state, reason, bits & 1, (bits & 2) != 0,
                                               VR_ROLE_TARGET);
                assert_true(side != VR_SIDE_UNKNOWN && side != VR_SIDE_ABSENT);
            }
        }
    }
}

static void
test_classify_describe_names_state_reason_and_job(void **state)
{
    (void)state;
    g_autofree char *migrated =
        vr_classify_describe(VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_MIGRATED, FALSE);
    assert_string_equal(migrated, "running (migrated)");
    g_autofree char *incoming =
        vr_classify_describe(VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP, TRUE);
    assert_string_equal(incoming, "paused (starting up), with a job");
    g_autofree char *daemon =
        vr_classify_describe(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON, FALSE);
    assert_string_equal(daemon, "shut off (daemon)");
    g_autofree char *later = vr_classify_describe(VIR_DOMAIN_PAUSED, 99, FALSE);
    assert_string_equal(later, "paused (reason not known here)");
    g_autofree char *stopping = vr_classify_describe(VIR_DOMAIN_SHUTDOWN, 0, FALSE);
    assert_string_equal(stopping, "being shut down");
    g_autofree char *strange = vr_classify_describe(-5, -5, TRUE);
    assert_string_equal(strange, "reason not known here, with a job");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classify_every_state_has_the_class_of_the_recovery_table),
        cmocka_unit_test(test_classify_never_says_unknown_or_absent),
        cmocka_unit_test(test_classify_describe_names_state_reason_and_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
