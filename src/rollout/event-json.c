/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events as journal bodies. Only what differs from vr_event_new is written, so a body is as short
 * as its event; the tables below are the whole format.
 */
#include <string.h>

#include <virt-roll/rollout.h>

#include "base/json.h"
#include "base/reader.h"
#include "base/time.h"

typedef struct {
    const char *name;
    gsize offset;
    gint64 absent; /* value that is not written */
    gint64 min, max;
} IntegerField;

static const IntegerField long_fields[] = {
    {"not_before_us", G_STRUCT_OFFSET(VrEvent, not_before_us), 0, 0, VR_TIME_MAX_US},
    {"deadline_us", G_STRUCT_OFFSET(VrEvent, deadline_us), 0, 0, VR_TIME_MAX_US},
    {"libvirt_id", G_STRUCT_OFFSET(VrEvent, libvirt_id), VR_UNKNOWN, G_MININT64, G_MAXINT64},
    {"cpu_time_ns", G_STRUCT_OFFSET(VrEvent, cpu_time_ns), VR_UNKNOWN, G_MININT64, G_MAXINT64},
    {"total_ms", G_STRUCT_OFFSET(VrEvent, stats.total_ms), VR_UNKNOWN, G_MININT64, G_MAXINT64},
    {"downtime_ms", G_STRUCT_OFFSET(VrEvent, stats.downtime_ms), VR_UNKNOWN, G_MININT64,
     G_MAXINT64},
    {"data_mib", G_STRUCT_OFFSET(VrEvent, stats.data_mib), VR_UNKNOWN, G_MININT64, G_MAXINT64},
#define BASELINE_FIELD(member)                                                                     \
    {"baseline_" #member, G_STRUCT_OFFSET(VrEvent, baseline.member), 0, -1, G_MAXINT64},
    VR_BASELINE_FIELDS(BASELINE_FIELD)
#undef BASELINE_FIELD
};

static const IntegerField short_fields[] = {
    {"step", G_STRUCT_OFFSET(VrEvent, step), 0, 0, G_MAXINT32},
    {"attempt", G_STRUCT_OFFSET(VrEvent, attempt), 0, 0, G_MAXINT32},
    {"round", G_STRUCT_OFFSET(VrEvent, round), 0, 0, G_MAXINT32},
    {"autostart", G_STRUCT_OFFSET(VrEvent, autostart), 0, 0, G_MAXINT32},
    {"paused", G_STRUCT_OFFSET(VrEvent, paused), 0, 0, G_MAXINT32},
    {"ran_on", G_STRUCT_OFFSET(VrEvent, ran_on), 0, 0, G_MAXINT32},
    {"counted", G_STRUCT_OFFSET(VrEvent, counted), 0, 0, G_MAXINT32},
    {"way_back", G_STRUCT_OFFSET(VrEvent, way_back), 0, 0, G_MAXINT32},
    {"intake_closed", G_STRUCT_OFFSET(VrEvent, intake_closed), 0, 0, G_MAXINT32},
    {"clock_stands", G_STRUCT_OFFSET(VrEvent, clock_stands), 0, 0, G_MAXINT32},
};

static const struct {
    const char *name;
    gsize offset;
} text_fields[] = {
    {"rollout", G_STRUCT_OFFSET(VrEvent, rollout)}, {"reason", G_STRUCT_OFFSET(VrEvent, reason)},
    {"silent", G_STRUCT_OFFSET(VrEvent, silent)},   {"host", G_STRUCT_OFFSET(VrEvent, host)},
    {"text", G_STRUCT_OFFSET(VrEvent, text)},
};

/* G_STRUCT_MEMBER for a const struct. */
static gconstpointer
field_at(const VrEvent *event, gsize offset)
{
    return (const guint8 *)event + offset;
}

static void
set_integer(JsonObject *body, const IntegerField *field, gint64 value)
{
    if (value != field->absent)
        json_object_set_int_member(body, field->name, value);
}

char *
vr_event_format(const VrEvent *self)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *body = json_object_new();

    json_node_take_object(node, body);
    for (guint i = 0; i < G_N_ELEMENTS(long_fields); i++)
        set_integer(body, &long_fields[i], *(const gint64 *)field_at(self, long_fields[i].offset));
    for (guint i = 0; i < G_N_ELEMENTS(short_fields); i++)
        set_integer(body, &short_fields[i], *(const guint *)field_at(self, short_fields[i].offset));
    for (guint i = 0; i < G_N_ELEMENTS(text_fields); i++) {
        const char *text = *(char *const *)field_at(self, text_fields[i].offset);
        if (text != NULL)
            json_object_set_string_member(body, text_fields[i].name, text);
    }
    if (self->definition != NULL)
        json_object_set_string_member(body, "text", self->definition);
    if (self->kind == VR_EVENT_STEP_PHASE || self->kind == VR_EVENT_HOST_FACTS)
        json_object_set_string_member(body, "phase", vr_phase_to_string(self->phase));
    if (self->kind == VR_EVENT_ROLLOUT_PHASE)
        json_object_set_string_member(body, "phase",
                                      vr_rollout_phase_to_string(self->rollout_phase));
    if (self->row >= 0)
        json_object_set_string_member(body, "row", vr_row_to_string((VrRow)self->row));
    if (self->side >= 0)
        json_object_set_string_member(body, "side", vr_side_to_string((VrSide)self->side));
    if (self->kind == VR_EVENT_HOST_JUDGED) {
        json_object_set_string_member(body, "tier", vr_health_tier_to_string(self->finding.tier));
        json_object_set_string_member(body, "cause",
                                      vr_health_cause_to_string(self->finding.cause));
        json_object_set_string_member(body, "rule", vr_health_rule_to_string(self->finding.rule));
    }
    if (self->failure != VR_FAILURE_NONE)
        json_object_set_string_member(body, "failure", vr_failure_words()[self->failure]);
    return vr_json_canonical(node);
}

static void
read_words(VrReader *reader, VrEvent *event)
{

    if (event->kind == VR_EVENT_STEP_PHASE || event->kind == VR_EVENT_HOST_FACTS)
        event->phase = (VrPhase)vr_reader_word(reader, "phase", vr_phase_words(), 0);
    if (event->kind == VR_EVENT_ROLLOUT_PHASE)
        event->rollout_phase =
            (VrRolloutPhase)vr_reader_word(reader, "phase", vr_rollout_phase_words(), 0);
    if (vr_reader_has(reader, "row"))
        event->row = (gint)vr_reader_word(reader, "row", vr_row_words(), 0);
    if (vr_reader_has(reader, "side"))
        event->side = (gint)vr_reader_word(reader, "side", vr_side_words(), 0);
    event->finding.tier =
        (VrHealthTier)vr_reader_word(reader, "tier", vr_health_tier_words(), VR_HEALTH_TIER_NONE);
    event->finding.cause = (VrHealthCause)vr_reader_word(reader, "cause", vr_health_cause_words(),
                                                         VR_HEALTH_CAUSE_NONE);
    event->finding.rule =
        (VrHealthRule)vr_reader_word(reader, "rule", vr_health_rule_words(), VR_HEALTH_RULE_NONE);
    event->failure =
        (VrFailure)vr_reader_word(reader, "failure", vr_failure_words(), VR_FAILURE_NONE);
}

static gboolean
has_definition(VrEventKind kind)
{
    return kind == VR_EVENT_VM_DEFINED || kind == VR_EVENT_VM_RECORDED;
}

static void
read_body(VrReader *reader, VrEvent *event)
{
    for (guint i = 0; i < G_N_ELEMENTS(long_fields); i++) {
        gint64 *field = &G_STRUCT_MEMBER(gint64, event, long_fields[i].offset);
        *field = vr_reader_integer(reader, long_fields[i].name, long_fields[i].min,
                                   long_fields[i].max, long_fields[i].absent);
    }
    for (guint i = 0; i < G_N_ELEMENTS(short_fields); i++) {
        guint *field = &G_STRUCT_MEMBER(guint, event, short_fields[i].offset);
        *field = (guint)vr_reader_integer(reader, short_fields[i].name, short_fields[i].min,
                                          short_fields[i].max, short_fields[i].absent);
    }
    for (guint i = 0; i < G_N_ELEMENTS(text_fields); i++) {
        char **field = &G_STRUCT_MEMBER(char *, event, text_fields[i].offset);
        *field = g_strdup(vr_reader_string(reader, text_fields[i].name, NULL));
    }
    if (has_definition(event->kind) && event->text != NULL) {
        event->definition = g_ref_string_new(event->text);
        g_clear_pointer(&event->text, g_free);
    }
    read_words(reader, event);
}

VrEvent *
vr_event_parse(const VrRecord *record, GError **error)
{
    VrEventKind kind = VR_EVENT_CREATED;
    g_autofree char *source =
        g_strdup_printf("journal record %" G_GUINT64_FORMAT, record->sequence);

    if (!vr_event_kind_from_string(record->kind, &kind)) {
        vr_error_set(error, VR_ERROR_CORRUPT,
                     "%s: unknown kind '%s' (written by a newer virt-roll?)", source, record->kind);
        return NULL;
    }
    if (record->version > VR_EVENT_VERSION) {
        vr_error_set(error, VR_ERROR_CORRUPT,
                     "%s: format %u is newer than this program's %d: use the newer virt-roll",
                     source, record->version, VR_EVENT_VERSION);
        return NULL;
    }
    if (record->at_us < 0 || record->at_us > VR_TIME_MAX_US) {
        vr_error_set(error, VR_ERROR_CORRUPT, "%s: its time %" G_GINT64_FORMAT " us is none",
                     source, record->at_us);
        return NULL;
    }

    JsonNode *root = vr_json_parse(record->body, strlen(record->body), source, error);
    if (root == NULL)
        return NULL;

    g_autoptr(VrDocument) document = vr_document_new(root, source, TRUE);
    g_autoptr(VrReader) reader = vr_reader_new(document);
    g_autoptr(VrEvent) event = vr_event_new(kind, record->at_us);

    read_body(reader, event);
    if (!vr_reader_finish(reader, error))
        return NULL;
    return g_steal_pointer(&event);
}
