/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/amounts.h"

#include <string.h>

#include <virt-roll/error.h>

#define DIGITS_MAX 6
#define DAY_S 86400

/* Digits at *cursor, which is then behind them. FALSE: none, or too many. */
static gboolean
take_number(const char **cursor, gint64 *out_number)
{
    guint count = 0;

    *out_number = 0;
    for (; g_ascii_isdigit(**cursor) && count <= DIGITS_MAX; (*cursor)++, count++)
        *out_number = *out_number * 10 + (**cursor - '0');
    return count > 0 && count <= DIGITS_MAX;
}

gboolean
vr_amounts_parse_percent(const char *option, const char *text, gint64 *out_permille, GError **error)
{
    const char *cursor = text;
    gint64 whole = 0, tenths = 0;
    gboolean is_sound = take_number(&cursor, &whole);

    if (is_sound && *cursor == '.') {
        cursor++;
        is_sound = g_ascii_isdigit(*cursor);
        tenths = is_sound ? *cursor++ - '0' : 0;
    }
    if (is_sound && *cursor == '%')
        cursor++;
    *out_permille = whole * 10 + tenths;
    if (is_sound && *cursor == '\0' && *out_permille <= 1000)
        return TRUE;
    vr_error_set(
        error, VR_ERROR_INVALID,
        "%s %s: must be a share in per cent, 0 to 100 with at most one decimal place, such "
        "as 2.5",
        option, text);
    return FALSE;
}

/* "1h30m": days, hours, minutes, seconds in this order, each at most once. 0: no such span. */
static gint64
parse_span_s(const char *text)
{
    static const struct {
        char letter;
        gint64 seconds;
    } units[] = {{'d', DAY_S}, {'h', 3600}, {'m', 60}, {'s', 1}};
    const char *cursor = text;
    gint64 sum_s = 0, number = 0;
    guint next = 0;

    while (*cursor != '\0') {
        if (!take_number(&cursor, &number))
            return 0;
        while (next < G_N_ELEMENTS(units) && units[next].letter != *cursor)
            next++;
        if (next == G_N_ELEMENTS(units))
            return 0;
        sum_s += number * units[next++].seconds;
        cursor++;
    }
    return sum_s;
}

/* NULL: it is no time of day. */
static GDateTime *
parse_time_of_day(const char *text, GDateTime *now)
{
    const char *cursor = text;
    gint64 hour = 0, minute = 0;

    if (!take_number(&cursor, &hour) || *cursor++ != ':' || !take_number(&cursor, &minute) ||
        *cursor != '\0' || hour > 23 || minute > 59)
        return NULL;
    int year = 0, month = 0, day = 0;
    g_date_time_get_ymd(now, &year, &month, &day);
    g_autoptr(GDateTime) today =
        g_date_time_new(g_date_time_get_timezone(now), year, month, day, (int)hour, (int)minute, 0);
    if (today == NULL || g_date_time_compare(today, now) > 0)
        return g_steal_pointer(&today);
    return g_date_time_add_days(today, 1);
}

gboolean
vr_amounts_parse_deadline(const char *option, const char *text, VrTimeUs now_us, GTimeZone *zone,
                          VrTimeUs *out_us, GError **error)
{
    g_autoptr(GDateTime) now_utc = g_date_time_new_from_unix_utc(now_us / VR_S_US);
    g_autoptr(GDateTime) now = g_date_time_to_timezone(now_utc, zone);
    gint64 span_s = parse_span_s(text);
    g_autoptr(GDateTime) then = span_s > 0 ? NULL : parse_time_of_day(text, now);

    if (span_s == 0 && then == NULL)
        then = g_date_time_new_from_iso8601(text, zone);
    if (span_s == 0 && then == NULL) {
        vr_error_set(error, VR_ERROR_INVALID,
                     "%s %s: must be a time such as 4h, 1h30m, 06:00 or 2026-11-23T06:00:00Z",
                     option, text);
        return FALSE;
    }
    *out_us = then != NULL ? g_date_time_to_unix(then) * VR_S_US : now_us + span_s * VR_S_US;
    if (*out_us >= now_us + VR_S_US)
        return TRUE;
    vr_error_set(error, VR_ERROR_INVALID, "%s %s: that is over already", option, text);
    return FALSE;
}
