/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The format `virt-roll-health-evidence/1`. */
#include <string.h>

#include <virt-roll/health.h>

#include "base/json-writer.h"
#include "base/json.h"
#include "base/reader.h"

#define EVIDENCE_FORMAT "virt-roll-health-evidence/1"

/* Larger numbers are not of our making, and rules may double what they read. */
#define INTEGER_MAX (G_GINT64_CONSTANT(1) << 60)

typedef struct {
    const char *name;
    gsize offset;
} Field;

#define FACT_FIELD(member) {#member, G_STRUCT_OFFSET(VrHealthEvidence, member)},
#define WINDOW_FIELD(member) {#member, G_STRUCT_OFFSET(VrHealthWindow, member)},
#define WITNESS_FIELD(member) {#member, G_STRUCT_OFFSET(VrHealthWitness, member)},
#define LIMIT_FIELD(member, ...) {#member, G_STRUCT_OFFSET(VrHealthLimits, member)},

static const Field facts[] = {VR_HEALTH_FACT_FIELDS(FACT_FIELD)};
static const Field window_fields[] = {VR_HEALTH_WINDOW_FIELDS(WINDOW_FIELD)};
static const Field witness_fields[] = {VR_HEALTH_WITNESS_FIELDS(WITNESS_FIELD)};
static const Field limit_fields[] = {VR_HEALTH_LIMITS(LIMIT_FIELD)};

static void
write_fields(VrJsonWriter *out, const Field *fields, guint count, gconstpointer value)
{
    for (guint i = 0; i < count; i++) {
        vr_json_writer_name(out, fields[i].name);
        vr_json_writer_integer(out, G_STRUCT_MEMBER(gint64, value, fields[i].offset));
    }
}

#define WRITE(out, fields, value) write_fields(out, fields, G_N_ELEMENTS(fields), value)

static void
write_window(VrJsonWriter *out, const char *name, const VrHealthWindow *window)
{
    vr_json_writer_name(out, name);
    vr_json_writer_begin(out, '{');
    WRITE(out, window_fields, window);
    vr_json_writer_end(out, '}');
}

char *
vr_evidence_format(const VrHealthEvidence *self)
{
    VrJsonWriter out = vr_json_writer_text();

    vr_json_writer_begin(&out, '{');
    write_window(&out, "critical", &self->critical);
    vr_json_writer_name(&out, "facts");
    vr_json_writer_begin(&out, '{');
    WRITE(&out, facts, self);
    vr_json_writer_end(&out, '}');
    vr_json_writer_name(&out, "format");
    vr_json_writer_string(&out, EVIDENCE_FORMAT);
    vr_json_writer_name(&out, "limits");
    vr_json_writer_begin(&out, '{');
    WRITE(&out, limit_fields, &self->limits);
    vr_json_writer_end(&out, '}');
    write_window(&out, "relative", &self->relative);
    vr_json_writer_name(&out, "witnesses");
    vr_json_writer_begin(&out, '[');
    for (guint i = 0; i < self->witness_count; i++) {
        vr_json_writer_begin(&out, '{');
        WRITE(&out, witness_fields, &self->witnesses[i]);
        vr_json_writer_name(&out, "vm");
        vr_json_writer_string(&out, self->witnesses[i].vm);
        vr_json_writer_end(&out, '}');
    }
    vr_json_writer_end(&out, ']');
    vr_json_writer_end(&out, '}');
    return vr_json_writer_finish(&out);
}

static void
read_fields(VrReader *reader, const Field *fields, guint count, gpointer value)
{
    for (guint i = 0; i < count; i++)
        G_STRUCT_MEMBER(gint64, value, fields[i].offset) =
            vr_reader_required_integer(reader, fields[i].name, -INTEGER_MAX, INTEGER_MAX);
}

static void
read_object(VrReader *reader, const char *name, const Field *fields, guint count, gpointer value)
{
    if (!vr_reader_enter(reader, name)) {
        vr_reader_fail(reader, name, "is missing");
        return;
    }
    read_fields(reader, fields, count, value);
    vr_reader_leave(reader);
}

#define READ(reader, name, fields, value)                                                          \
    read_object(reader, name, fields, G_N_ELEMENTS(fields), value)

static void
read_witnesses(VrReader *reader, VrHealthEvidence *out)
{
    guint count = 0;

    if (!vr_reader_enter_array(reader, "witnesses", &count)) {
        vr_reader_fail(reader, "witnesses", "is missing");
        return;
    }
    if (count > VR_HEALTH_WITNESSES_MAX)
        vr_reader_fail(reader, NULL, "has %u elements, more than %d", count,
                       VR_HEALTH_WITNESSES_MAX);
    for (guint i = 0; i < MIN(count, VR_HEALTH_WITNESSES_MAX); i++) {
        VrHealthWitness *witness = &out->witnesses[i];
        if (!vr_reader_enter_element(reader, i))
            break;
        read_fields(reader, witness_fields, G_N_ELEMENTS(witness_fields), witness);
        const char *vm = vr_reader_required_string(reader, "vm");
        if (strlen(vm) >= VR_HEALTH_VM_BYTES)
            vr_reader_fail(reader, "vm", "is longer than %d bytes", VR_HEALTH_VM_BYTES - 1);
        else
            memcpy(witness->vm, vm, strlen(vm));
        vr_reader_leave(reader);
        out->witness_count++;
    }
    vr_reader_leave(reader);
}

gboolean
vr_evidence_parse(const char *text, gsize length, const char *source,
                  VrHealthEvidence *out_evidence, GError **error)
{
    JsonNode *root = vr_json_parse(text, length, source, error);
    if (root == NULL)
        return FALSE;

    g_autoptr(VrDocument) document = vr_document_new(root, source, TRUE);
    g_autoptr(VrReader) reader = vr_reader_new(document);
    VrHealthEvidence evidence = {0};
    const char *format = vr_reader_required_string(reader, "format");
    if (!vr_reader_failed(reader) && strcmp(format, EVIDENCE_FORMAT) != 0)
        vr_reader_fail(reader, "format", "is not \"" EVIDENCE_FORMAT "\"");
    READ(reader, "facts", facts, &evidence);
    READ(reader, "limits", limit_fields, &evidence.limits);
    READ(reader, "critical", window_fields, &evidence.critical);
    READ(reader, "relative", window_fields, &evidence.relative);
    read_witnesses(reader, &evidence);
    if (!vr_reader_finish(reader, error))
        return FALSE;
    *out_evidence = evidence;
    return TRUE;
}
