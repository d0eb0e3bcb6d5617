/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of somebody else's, made fit to be shown; and text that grows by millions of pieces. */
#pragma once

#include <string.h>

#include <glib.h>

G_BEGIN_DECLS

/*
 * Valid UTF-8 on one line: control characters replaced, line breaks and tabs by spaces.
 * (transfer full)
 */
char *vr_text_clean(const char *text);

/* Makes room for so many bytes behind the end, and gives the place where they go. */
static inline char *
vr_text_reserve(GString *out, gsize length)
{
    gsize old = out->len;

    if (old + length >= out->allocated_len) {
        g_string_set_size(out, old + length);
        out->len = old;
    }
    return out->str + old;
}

/* The bytes up to there, which lies in what was reserved, are text now. */
static inline void
vr_text_take(GString *out, char *end)
{
    *end = '\0';
    out->len = (gsize)(end - out->str);
}

/* g_string_append_len without a call, as long as there is room. */
static inline void
vr_text_append(GString *out, const char *bytes, gsize length)
{
    char *end = vr_text_reserve(out, length);

    memcpy(end, bytes, length);
    vr_text_take(out, end + length);
}

/*
 * Does the whole text match the pattern? `*` stands for any text, `?` for any one character, all
 * else for itself. Time: at most the product of the lengths.
 */
gboolean vr_text_matches(const char *pattern, const char *text);

G_END_DECLS
