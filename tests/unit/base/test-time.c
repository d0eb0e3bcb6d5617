/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "expect.h"

#include "base/time.h"

static void
test_time_format_utc_known_times(void **state)
{
    static const struct {
        VrTimeUs time_us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1795316400 * VR_S_US, "2026-11-22T03:00:00Z"},
        {951782400 * VR_S_US, "2000-02-29T00:00:00Z"},
        {4107542400 * VR_S_US, "2100-03-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {1500 * VR_MS_US, "1970-01-01T00:00:01.5Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = vr_time_format_utc(rows[i].time_us);
        assert_string_equal(text, rows[i].text);
        VrTimeUs back = 0;
        assert_true(vr_time_parse_utc(text, &back));
        assert_true(back == rows[i].time_us);
    }
}

static void
test_time_parse_utc_refuses_what_is_no_such_time(void **state)
{
    static const char *const texts[] = {
        "",
        "2026-11-22",
        "2026-11-22T03:00:00",
        "2026-11-22T03:00:00+01:00",
        "2026-11-22 03:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567Z",
        "2026-1-1T00:00:00Z",
        "2026-01-01T00:00:00Zx",
        "+026-01-01T00:00:00Z",
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        VrTimeUs time_us = 42;
        if (vr_time_parse_utc(texts[i], &time_us))
            fail_msg("\"%s\" was taken", texts[i]);
        assert_true(time_us == 42);
    }
}

static void
test_time_every_day_of_800_years_comes_back(void **state)
{
    (void)state;
    for (gint64 day = -146097; day < 146097; day++) {
        g_autofree char *text = vr_time_format_utc(day * 86400 * VR_S_US);
        VrTimeUs back = 0;
        assert_true(vr_time_parse_utc(text, &back));
        assert_true(back == day * 86400 * VR_S_US);
    }
}

static void
test_time_format_span_for_people(void **state)
{
    static const struct {
        VrTimeUs span_us;
        const char *text;
    } rows[] = {
        {0, "0 ms"},
        {61 * VR_MS_US, "61 ms"},
        {999499, "999 ms"},
        {999500, "1 s"},
        {1400 * VR_MS_US, "1.4 s"},
        {30200 * VR_MS_US, "30.2 s"},
        {59940 * VR_MS_US, "59.9 s"},
        {59960 * VR_MS_US, "1 min"},
        {125 * VR_S_US, "2 min 05 s"},
        {600 * VR_S_US, "10 min"},
        {12000 * VR_S_US, "3 h 20 min"},
        {10980 * VR_S_US, "3 h 03 min"},
        {3599600 * VR_MS_US, "1 h"},
        {52 * 3600 * VR_S_US, "2 d 4 h"},
        {86399 * VR_S_US, "1 d"},
        {-125 * VR_S_US, "-2 min 05 s"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = vr_time_format_span(rows[i].span_us);
        assert_string_equal(text, rows[i].text);
    }
    g_autofree char *least = vr_time_format_span(G_MININT64);
    assert_true(g_str_has_prefix(least, "-"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_format_utc_known_times),
        cmocka_unit_test(test_time_parse_utc_refuses_what_is_no_such_time),
        cmocka_unit_test(test_time_every_day_of_800_years_comes_back),
        cmocka_unit_test(test_time_format_span_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
