/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json-writer.h"

#include "base/json.h"

#define CHUNK 65536 /* bytes that a digest keeps before it takes them in */

VrJsonWriter
vr_json_writer_text(void)
{
    return (VrJsonWriter){.text = g_string_new(NULL)};
}

VrJsonWriter
vr_json_writer_digest(void)
{
    return (VrJsonWriter){.text = g_string_sized_new(CHUNK),
                          .checksum = g_checksum_new(G_CHECKSUM_SHA256)};
}

static void
take_in(VrJsonWriter *self)
{
    g_checksum_update(self->checksum, (const guchar *)self->text->str, (gssize)self->text->len);
    g_string_truncate(self->text, 0);
}

/* What stands before a member or a value. */
static void
separate(VrJsonWriter *self, gboolean needs_comma)
{
    if (self->needs_comma)
        g_string_append_c(self->text, ',');
    self->needs_comma = needs_comma;
    if (self->checksum != NULL && self->text->len >= CHUNK)
        take_in(self);
}

void
vr_json_writer_begin(VrJsonWriter *self, char bracket)
{
    separate(self, FALSE);
    g_string_append_c(self->text, bracket);
}

void
vr_json_writer_end(VrJsonWriter *self, char bracket)
{
    g_string_append_c(self->text, bracket);
    self->needs_comma = TRUE;
}

void
vr_json_writer_name(VrJsonWriter *self, const char *name)
{
    separate(self, FALSE);
    g_string_append_c(self->text, '"');
    g_string_append(self->text, name);
    g_string_append(self->text, "\":");
}

void
vr_json_writer_string(VrJsonWriter *self, const char *value)
{
    separate(self, TRUE);
    vr_json_append_string(self->text, value);
}

void
vr_json_writer_integer(VrJsonWriter *self, gint64 value)
{
    separate(self, TRUE);
    vr_json_append_integer(self->text, value);
}

void
vr_json_writer_boolean(VrJsonWriter *self, gboolean value)
{
    separate(self, TRUE);
    g_string_append(self->text, value ? "true" : "false");
}

void
vr_json_writer_null(VrJsonWriter *self)
{
    separate(self, TRUE);
    g_string_append(self->text, "null");
}

char *
vr_json_writer_finish(VrJsonWriter *self)
{
    if (self->checksum == NULL)
        return g_string_free(g_steal_pointer(&self->text), FALSE);
    take_in(self);
    char *digest = g_strconcat("sha256:", g_checksum_get_string(self->checksum), NULL);
    g_clear_pointer(&self->checksum, g_checksum_free);
    g_string_free(g_steal_pointer(&self->text), TRUE);
    return digest;
}
