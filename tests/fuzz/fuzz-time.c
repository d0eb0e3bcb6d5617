/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times as text, and any number as a time. */
#include <string.h>

#include "base/time.h"
#include "fuzz.h"

static void
check_text(const char *text)
{
    VrTimeUs time_us = 0;
    VrTimeUs again_us = 0;

    if (!vr_time_parse_utc(text, &time_us))
        return;
    g_autofree char *formatted = vr_time_format_utc(time_us);
    g_assert_true(vr_time_parse_utc(formatted, &again_us));
    g_assert_cmpint(again_us, ==, time_us);
    /* The same but for zeros at the end of a fraction, which we do not write. */
    gsize same = strlen("2026-11-22T03:00:00");
    g_assert_true(strncmp(formatted, text, same) == 0);

    g_autoptr(GDateTime) oracle = g_date_time_new_from_iso8601(text, NULL);
    if (oracle != NULL)
        g_assert_cmpint(g_date_time_to_unix(oracle) * VR_S_US + g_date_time_get_microsecond(oracle),
                        ==, time_us);
}

static void
check_number(VrTimeUs time_us)
{
    g_autofree char *time = vr_time_format_utc(time_us);
    g_autofree char *span = vr_time_format_span(time_us);

    g_assert_true(time[strlen(time) - 1] == 'Z');
    g_assert_true((span[0] == '-') == (time_us < 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = vr_fuzz_text(data, size);
    VrTimeUs time_us = 0;

    check_text(text);
    if (size >= sizeof time_us) {
        memcpy(&time_us, data, sizeof time_us);
        check_number(time_us);
    }
    return 0;
}
