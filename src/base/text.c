/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"

char *
vr_text_clean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *clean = g_string_sized_new(strlen(valid));

    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        if (character == '\n' || character == '\t')
            g_string_append_c(clean, ' ');
        else
            g_string_append_unichar(clean, g_unichar_iscntrl(character) ? '?' : character);
    }
    return g_string_free(clean, FALSE);
}

/* To go back to the last star is enough: what an earlier one took could be taken by the last. */
gboolean
vr_text_matches(const char *pattern, const char *text)
{
    const char *after_star = NULL;
    const char *retry = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            retry = text;
        } else if (*pattern == '?') {
            pattern++;
            text = g_utf8_next_char(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (after_star != NULL) {
            pattern = after_star;
            retry = g_utf8_next_char(retry);
            text = retry;
        } else {
            return FALSE;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
