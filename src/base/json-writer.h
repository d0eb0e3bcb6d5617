/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Canonical JSON written straight out, or straight into its SHA-256, without a tree: inventories
 * and plans have hundreds of thousands of members. Canonical is what the caller makes it: members
 * are written in the order of their names.
 */
#pragma once

#include "base/sha256.h"

G_BEGIN_DECLS

/* Private but for its initializers, and `text`, to which more may be appended at the end. */
typedef struct {
    GString *text;
    VrSha256 *sha256; /* NULL: the text is kept */
    gboolean needs_comma;
} VrJsonWriter;

VrJsonWriter vr_json_writer_text(void);
VrJsonWriter vr_json_writer_digest(void);

void vr_json_writer_begin(VrJsonWriter *self, char bracket); /* '{' or '[' */
void vr_json_writer_end(VrJsonWriter *self, char bracket);
void vr_json_writer_name(VrJsonWriter *self, const char *name); /* needs no escapes */

void vr_json_writer_string(VrJsonWriter *self, const char *value);
void vr_json_writer_integer(VrJsonWriter *self, gint64 value);
void vr_json_writer_boolean(VrJsonWriter *self, gboolean value);
void vr_json_writer_null(VrJsonWriter *self);

/* The text, or "sha256:" and lower-case hex. Ends the writer. (transfer full) */
char *vr_json_writer_finish(VrJsonWriter *self);

G_END_DECLS
