/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/time.h"

#include <string.h>

#define DAY_S 86400LL
#define ERA_YEARS 400
#define ERA_DAYS 146097LL                /* in 400 years of the Gregorian calendar */
#define EPOCH_DAYS_FROM_MARCH_0 719468LL /* from 0000-03-01 to 1970-01-01 */

typedef struct {
    gint64 year;
    gint64 month; /* 1 to 12 */
    gint64 day;   /* 1 to 31 */
} Date;

static gint64
floor_divide(gint64 value, gint64 divisor)
{
    gint64 quotient = value / divisor;
    return value % divisor < 0 ? quotient - 1 : quotient;
}

/* Years are counted from 1 March, so that the leap day is the last of its year. */
static gint64
days_from_date(Date date)
{
    gint64 year = date.month <= 2 ? date.year - 1 : date.year;
    gint64 era = floor_divide(year, ERA_YEARS);
    gint64 year_of_era = year - era * ERA_YEARS;
    gint64 month = (date.month + 9) % 12; /* March is 0 */
    gint64 day_of_year = (153 * month + 2) / 5 + date.day - 1;
    gint64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_DAYS_FROM_MARCH_0;
}

static Date
date_from_days(gint64 days)
{
    days += EPOCH_DAYS_FROM_MARCH_0;
    gint64 era = floor_divide(days, ERA_DAYS);
    gint64 day_of_era = days - era * ERA_DAYS;
    gint64 year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    gint64 day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    gint64 month = (5 * day_of_year + 2) / 153;
    return (Date){
        .year = year_of_era + era * ERA_YEARS + (month >= 10 ? 1 : 0),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
    };
}

static gboolean
is_same_date(Date a, Date b)
{
    return a.year == b.year && a.month == b.month && a.day == b.day;
}

/* Exactly `count` digits; -1 if they are not there. */
static gint64
take_digits(const char **at, guint count)
{
    gint64 value = 0;
    for (guint i = 0; i < count; i++, (*at)++) {
        if (!g_ascii_isdigit(**at))
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static gboolean
take_character(const char **at, char character)
{
    if (**at != character)
        return FALSE;
    (*at)++;
    return TRUE;
}

/* ".5" to ".500000" as microseconds, 0 if there is none; -1 if it is broken. */
static gint64
take_fraction(const char **at)
{
    if (!take_character(at, '.'))
        return 0;
    gint64 value = 0;
    gint64 unit = VR_S_US / 10;
    if (!g_ascii_isdigit(**at))
        return -1;
    for (; g_ascii_isdigit(**at); (*at)++, unit /= 10) {
        if (unit == 0)
            return -1;
        value += (**at - '0') * unit;
    }
    return value;
}

/* "2 min 05 s"; the second unit is left out if it is zero. */
static char *
format_pair(gint64 units, const char *unit, gint64 rest, const char *rest_unit, int rest_width)
{
    if (rest == 0)
        return g_strdup_printf("%" G_GINT64_FORMAT " %s", units, unit);
    return g_strdup_printf("%" G_GINT64_FORMAT " %s %0*" G_GINT64_FORMAT " %s", units, unit,
                           rest_width, rest, rest_unit);
}

static char *
format_positive_span(gint64 span_us)
{
    gint64 ms = span_us / VR_MS_US + (span_us % VR_MS_US >= VR_MS_US / 2 ? 1 : 0);
    if (ms < 1000)
        return g_strdup_printf("%" G_GINT64_FORMAT " ms", ms);

    gint64 tenths = (ms + 50) / 100;
    if (tenths < 600) {
        if (tenths % 10 == 0)
            return g_strdup_printf("%" G_GINT64_FORMAT " s", tenths / 10);
        return g_strdup_printf("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT " s", tenths / 10,
                               tenths % 10);
    }

    gint64 seconds = (ms + 500) / 1000;
    if (seconds < 3600)
        return format_pair(seconds / 60, "min", seconds % 60, "s", 2);
    gint64 minutes = (seconds + 30) / 60;
    if (minutes < 24 * 60)
        return format_pair(minutes / 60, "h", minutes % 60, "min", 2);
    gint64 hours = (minutes + 30) / 60;
    return format_pair(hours / 24, "d", hours % 24, "h", 1);
}

char *
vr_time_format_utc(VrTimeUs time_us)
{
    gint64 seconds = floor_divide(time_us, VR_S_US);
    gint64 fraction_us = (time_us % VR_S_US + VR_S_US) % VR_S_US;
    gint64 days = floor_divide(seconds, DAY_S);
    gint64 second_of_day = seconds - days * DAY_S;
    Date date = date_from_days(days);

    char fraction[8] = "";
    if (fraction_us != 0) {
        gsize length = (gsize)g_snprintf(fraction, sizeof fraction, ".%06d", (int)fraction_us);
        while (fraction[length - 1] == '0')
            fraction[--length] = '\0';
    }
    return g_strdup_printf("%04d-%02d-%02dT%02d:%02d:%02d%sZ", (int)date.year, (int)date.month,
                           (int)date.day, (int)(second_of_day / 3600),
                           (int)(second_of_day / 60 % 60), (int)(second_of_day % 60), fraction);
}

gboolean
vr_time_parse_utc(const char *text, VrTimeUs *out_time_us)
{
    const char *at = text;
    Date date = {0};
    gint64 hour = -1;
    gint64 minute = -1;
    gint64 second = -1;
    gint64 fraction_us = -1;
    gboolean is_complete = (date.year = take_digits(&at, 4)) >= 0 && take_character(&at, '-') &&
                           (date.month = take_digits(&at, 2)) >= 1 && take_character(&at, '-') &&
                           (date.day = take_digits(&at, 2)) >= 1 && take_character(&at, 'T') &&
                           (hour = take_digits(&at, 2)) >= 0 && take_character(&at, ':') &&
                           (minute = take_digits(&at, 2)) >= 0 && take_character(&at, ':') &&
                           (second = take_digits(&at, 2)) >= 0 &&
                           (fraction_us = take_fraction(&at)) >= 0 && take_character(&at, 'Z') &&
                           *at == '\0';
    if (!is_complete || date.month > 12 || hour > 23 || minute > 59 || second > 59)
        return FALSE;

    gint64 days = days_from_date(date);
    if (!is_same_date(date_from_days(days), date)) /* 30 February is another day */
        return FALSE;
    *out_time_us = (days * DAY_S + hour * 3600 + minute * 60 + second) * VR_S_US + fraction_us;
    return TRUE;
}

char *
vr_time_format_span(VrTimeUs span_us)
{
    if (span_us >= 0)
        return format_positive_span(span_us);
    g_autofree char *text = format_positive_span(span_us == G_MININT64 ? G_MAXINT64 : -span_us);
    return g_strconcat("-", text, NULL);
}
