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

/* g_string_append_len without a call, as long as there is room. */
static inline void
vr_text_append(GString *out, const char *bytes, gsize length)
{
    if (out->len + length >= out->allocated_len) {
        g_string_append_len(out, bytes, (gssize)length);
        return;
    }
    memcpy(out->str + out->len, bytes, length);
    out->len += length;
    out->str[out->len] = '\0';
}

G_END_DECLS
