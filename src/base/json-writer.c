/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json-writer.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define CHUNK 65536 /* bytes that a digest keeps before it takes them in */

VrJsonWriter
vr_json_writer_text(void)
{
    return (VrJsonWriter){.text = g_string_new(NULL)};
}

VrJsonWriter
vr_json_writer_digest(void)
{
    return (VrJsonWriter){.text = g_string_sized_new(CHUNK), .sha256 = vr_sha256_new()};
}

static void
take_in(VrJsonWriter *self)
{
    vr_sha256_update(self->sha256, self->text->str, self->text->len);
    g_string_truncate(self->text, 0);
}

/* What stands before a member or a value. */
static void
separate(VrJsonWriter *self, gboolean needs_comma)
{
    if (self->needs_comma)
        vr_text_append(self->text, ",", 1);
    self->needs_comma = needs_comma;
    if (self->sha256 != NULL && self->text->len >= CHUNK)
        take_in(self);
}

void
vr_json_writer_begin(VrJsonWriter *self, char bracket)
{
    separate(self, FALSE);
    vr_text_append(self->text, &bracket, 1);
}

void
vr_json_writer_end(VrJsonWriter *self, char bracket)
{
    vr_text_append(self->text, &bracket, 1);
    self->needs_comma = TRUE;
}

void
vr_json_writer_name(VrJsonWriter *self, const char *name)
{
    gsize length = strlen(name);

    separate(self, FALSE);
    char *end = vr_text_reserve(self->text, length + 3);
    *end++ = '"';
    memcpy(end, name, length);
    end += length;
    *end++ = '"';
    *end++ = ':';
    vr_text_take(self->text, end);
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
    vr_text_append(self->text, value ? "true" : "false", value ? 4 : 5);
}

void
vr_json_writer_null(VrJsonWriter *self)
{
    separate(self, TRUE);
    vr_text_append(self->text, "null", 4);
}

char *
vr_json_writer_finish(VrJsonWriter *self)
{
    if (self->sha256 == NULL)
        return g_string_free(g_steal_pointer(&self->text), FALSE);
    take_in(self);
    g_autofree char *sum = vr_sha256_finish(g_steal_pointer(&self->sha256));
    g_string_free(g_steal_pointer(&self->text), TRUE);
    return g_strconcat("sha256:", sum, NULL);
}
