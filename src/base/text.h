/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of somebody else's, made fit to be shown. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Valid UTF-8 on one line: control characters replaced, line breaks and tabs by spaces.
 * (transfer full)
 */
char *vr_text_clean(const char *text);

/*
 * Does the whole text match the pattern? `*` stands for any text, `?` for any one character, all
 * else for itself. Time: at most the product of the lengths.
 */
gboolean vr_text_matches(const char *pattern, const char *text);

G_END_DECLS
