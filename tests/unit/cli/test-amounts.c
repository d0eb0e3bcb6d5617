/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>

#include "cli/amounts.h"

/* 2026-11-22 12:00:00 UTC, which is 13:00 in the tests' zone. */
#define NOON_US (1795348800LL * VR_S_US)

static void
test_amounts_percent_is_exact_to_a_tenth(void **state)
{
    static const struct {
        const char *text;
        gint64 permille; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"2", 20},
        {"2.5", 25},
        {"2.5%", 25},
        {"100", 1000},
        {"100.0", 1000},
        {"100.1", -1},
        {"101", -1},
        {"-1", -1},
        {"2.55", -1},
        {"2.", -1},
        {".5", -1},
        {"", -1},
        {"two", -1},
        {"2 ", -1},
        {"%", -1},
        {"0x10", -1},
        {"1e1", -1},
        {"99999999999999999999", -1},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        gint64 permille = -1;
        gboolean is_sound =
            vr_amounts_parse_percent("--extra-migrations", cases[i].text, &permille, &error);
        if (is_sound != (cases[i].permille >= 0) || (is_sound && permille != cases[i].permille))
            fail_msg("%s gives %" G_GINT64_FORMAT, cases[i].text, permille);
        if (!is_sound)
            assert_true(g_str_has_prefix(error->message, "--extra-migrations "));
    }
}

static void
test_amounts_deadline_takes_spans_and_times(void **state)
{
    static const struct {
        const char *text;
        gint64 span_s; /* from noon; -1: refused */
    } cases[] = {
        {"4h", 14400},
        {"1h30m", 5400},
        {"45m", 2700},
        {"1d2h3m4s", 93784},
        {"13:30", 1800},
        {"13:00", 86400},
        {"06:00", 61200},
        {"2026-11-22T14:00:00", 3600},
        {"2026-11-22T14:00:00Z", 7200},
        {"2026-11-22T14:00:00+02:00", -1},
        {"2026-11-21T14:00:00Z", -1},
        {"24:00", -1},
        {"13:60", -1},
        {"30m1h", -1},
        {"4", -1},
        {"0h", -1},
        {"4h4h", -1},
        {"-4h", -1},
        {"", -1},
        {"tomorrow", -1},
        {"9999999999999999h", -1},
    };
    g_autoptr(GTimeZone) zone = g_time_zone_new_offset(3600);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        VrTimeUs then_us = 0;
        gboolean is_sound = vr_amounts_parse_deadline("--finish-by", cases[i].text, NOON_US, zone,
                                                      &then_us, &error);
        if (is_sound != (cases[i].span_s >= 0) ||
            (is_sound && then_us != NOON_US + cases[i].span_s * VR_S_US))
            fail_msg("%s gives %" G_GINT64_FORMAT " s", cases[i].text,
                     (then_us - NOON_US) / VR_S_US);
        if (!is_sound)
            assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_INVALID));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts_percent_is_exact_to_a_tenth),
        cmocka_unit_test(test_amounts_deadline_takes_spans_and_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
