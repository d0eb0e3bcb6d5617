/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/text.h"

#include <string.h>

#include "base/time.h"

#define MIB_PER_GIB 1024

static guint
character_width(gunichar character)
{
    if (g_unichar_iszerowidth(character))
        return 0;
    return g_unichar_iswide(character) ? 2 : 1;
}

guint
vr_text_width(const char *text)
{
    guint width = 0;

    for (const char *c = text; *c != '\0'; c = g_utf8_next_char(c))
        width += character_width(g_utf8_get_char(c));
    return width;
}

char *
vr_text_fit(const char *text, guint width)
{
    g_autofree char *clean = vr_text_clean(text);
    guint used = 0;
    const char *end = clean;

    if (vr_text_width(clean) <= width)
        return g_steal_pointer(&clean);
    while (*end != '\0' && used + character_width(g_utf8_get_char(end)) + 1 <= width) {
        used += character_width(g_utf8_get_char(end));
        end = g_utf8_next_char(end);
    }
    return g_strdup_printf("%.*s%s", (int)(end - clean), clean, width > 0 ? "…" : "");
}

void
vr_text_append_cell(GString *out, const char *text, guint width)
{
    g_autofree char *cell = vr_text_fit(text, width);

    g_string_append(out, cell);
    for (guint used = vr_text_width(cell); used < width; used++)
        g_string_append_c(out, ' ');
}

void
vr_text_append_wrapped(GString *out, const char *text, const char *indent, guint width)
{
    g_autofree char *clean = vr_text_clean(text);
    g_auto(GStrv) words = g_strsplit(clean, " ", -1);
    guint used = 0;

    for (guint i = 0; words[i] != NULL; i++) {
        guint word_width = vr_text_width(words[i]);
        if (word_width == 0)
            continue;
        if (used > 0 && used + 1 + word_width <= width) {
            g_string_append_printf(out, " %s", words[i]);
            used += 1 + word_width;
        } else {
            g_string_append_printf(out, "%s%s%s", used > 0 ? "\n" : "", indent, words[i]);
            used = vr_text_width(indent) + word_width;
        }
    }
    g_string_append_c(out, '\n');
}

void
vr_text_append_bar(GString *out, gint64 permille, guint cells)
{
    guint full = (guint)(CLAMP(permille, 0, 1000) * cells / 1000);

    for (guint i = 0; i < cells; i++)
        g_string_append(out, i < full ? "█" : "░");
}

char *
vr_text_count(gint64 count, const char *noun)
{
    return g_strdup_printf("%" G_GINT64_FORMAT " %s%s", count, noun, count == 1 ? "" : "s");
}

static char *
format_local(gint64 at_us, const char *format)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(at_us / VR_S_US);

    return time != NULL ? g_date_time_format(time, format) : g_strdup("?");
}

char *
vr_text_clock(gint64 at_us)
{
    return format_local(at_us, "%H:%M:%S");
}

char *
vr_text_date_clock(gint64 at_us)
{
    return format_local(at_us, "%Y-%m-%d %H:%M:%S");
}

char *
vr_text_rough_span(gint64 span_us)
{
    if (span_us >= VR_S_US)
        span_us = (span_us + VR_S_US / 2) / VR_S_US * VR_S_US;
    return vr_time_format_span(span_us);
}

char *
vr_text_mib(gint64 mib)
{
    if (mib < 10 * MIB_PER_GIB)
        return g_strdup_printf("%" G_GINT64_FORMAT " MiB", mib);
    gint64 tenths = mib * 10 / MIB_PER_GIB;
    return g_strdup_printf("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT " GiB", tenths / 10,
                           tenths % 10);
}
