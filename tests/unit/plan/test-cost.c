/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plan/cost.h"

static void
test_cost_full_rate_is_least_of_stream_and_shares(void **state G_GNUC_UNUSED)
{
    VrLimits limits = {.stream_mib_per_s = 1000, .stream_link_permille = 500};

    assert_int_equal(vr_cost_full_rate(&limits, 1192, 1192), 596);
    assert_int_equal(vr_cost_full_rate(&limits, 1193, 5000), 596);
    assert_int_equal(vr_cost_full_rate(&limits, 5000, 299), 149);
    assert_int_equal(vr_cost_full_rate(&limits, 5000, 5000), 1000);
    assert_int_equal(vr_cost_full_rate(&limits, 1, 1), 1);
    assert_int_equal(vr_cost_least_rate(149), 75);
}

static void
test_cost_migration_takes_what_the_model_says(void **state G_GNUC_UNUSED)
{
    VrLimits limits = {.migration_overhead_ms = 2000};
    VrCargo cargo = {.resident_mib = 4613, .dirty_mib_per_s = 8};

    /* 5000 × 4613 / (5 × 588) = 7845.2 */
    assert_int_equal(vr_cost_migration_ms(&limits, &cargo, 596), 2000 + 7846);
    /* Faster than it can be sent: a fifth of the rate is left. */
    cargo.dirty_mib_per_s = 5000;
    assert_int_equal(vr_cost_migration_ms(&limits, &cargo, 596), 2000 + 38700);
    cargo.resident_mib = 0;
    assert_int_equal(vr_cost_migration_ms(&limits, &cargo, 596), 2000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost_full_rate_is_least_of_stream_and_shares),
        cmocka_unit_test(test_cost_migration_takes_what_the_model_says),
    };

    return cmocka_run_group_tests_name("plan/cost", tests, NULL, NULL);
}
