/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON in and out. json-glib gives the tree, but a strict scan of our own reads the text, because
 * json-glib's crashes on deep nesting, wraps numbers, keeps the last of duplicate keys and cuts
 * strings at NUL.
 */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define VR_JSON_DEPTH_MAX 64

/*
 * Parses one JSON text (RFC 8259, UTF-8). Refused with `source`:line:column: syntax, depth over
 * VR_JSON_DEPTH_MAX, a key twice in one object, a number that is no 64-bit integer (fractions and
 * exponents too: all our numbers are integers), NUL in a string, invalid UTF-8, trailing text.
 */
JsonNode *vr_json_parse(const char *text, gsize length, const char *source,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Canonical: keys sorted by byte, no spaces, UTF-8 unescaped where JSON allows. (transfer full) */
char *vr_json_canonical(JsonNode *node);

/* Appends text as a JSON string in canonical form, with its quotes. */
void vr_json_append_string(GString *out, const char *text);

void vr_json_append_integer(GString *out, gint64 value);

/* "sha256:" + lower-case hex of the text. (transfer full) */
char *vr_json_sha256(const char *text);

G_END_DECLS
