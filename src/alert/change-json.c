/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/alert.h>

#include <string.h>

#include "alert/known.h"
#include "base/json-writer.h"
#include "base/json.h"
#include "base/reader.h"

static void
write_alert(VrJsonWriter *writer, const VrAlert *alert)
{
    vr_json_writer_begin(writer, '{');
    vr_json_writer_name(writer, "by_default");
    vr_json_writer_boolean(writer, alert->by_default);
    vr_json_writer_name(writer, "fingerprint");
    vr_json_writer_string(writer, alert->fingerprint);
    if (alert->host != NULL) {
        vr_json_writer_name(writer, "host");
        vr_json_writer_string(writer, alert->host);
    }
    vr_json_writer_name(writer, "meaning");
    vr_json_writer_string(writer, vr_alert_meaning_to_string(alert->meaning));
    vr_json_writer_name(writer, "name");
    vr_json_writer_string(writer, alert->name);
    vr_json_writer_name(writer, "received_us");
    vr_json_writer_integer(writer, alert->received_us);
    vr_json_writer_name(writer, "starts_us");
    vr_json_writer_integer(writer, alert->starts_us);
    vr_json_writer_name(writer, "summary");
    vr_json_writer_string(writer, alert->summary);
    vr_json_writer_end(writer, '}');
}

char *
vr_alert_change_format(const VrAlertChange *self)
{
    VrJsonWriter writer = vr_json_writer_text();
    vr_json_writer_begin(&writer, '{');
    vr_json_writer_name(&writer, "alert");
    write_alert(&writer, self->alert);
    vr_json_writer_name(&writer, "at_us");
    vr_json_writer_integer(&writer, self->at_us);
    vr_json_writer_name(&writer, "change");
    vr_json_writer_string(&writer, vr_alert_change_kind_to_string(self->kind));
    vr_json_writer_end(&writer, '}');
    return vr_json_writer_finish(&writer);
}

/* Whatever is missing, the alert is complete. */
static void
read_alert(VrAlert *alert, VrReader *reader)
{
    alert->fingerprint = g_strdup(vr_reader_required_string(reader, "fingerprint"));
    alert->name = g_strdup(vr_reader_required_string(reader, "name"));
    alert->host = g_strdup(vr_reader_string(reader, "host", NULL));
    alert->summary = g_strdup(vr_reader_required_string(reader, "summary"));
    alert->starts_us = vr_reader_required_integer(reader, "starts_us", 0, G_MAXINT64);
    alert->received_us = vr_reader_required_integer(reader, "received_us", 0, G_MAXINT64);
    (void)vr_reader_required_string(reader, "meaning");
    alert->meaning = (VrAlertMeaning)vr_reader_word(reader, "meaning", vr_alert_meaning_words(),
                                                    VR_ALERT_MEANING_WAIT);
    if (alert->meaning == VR_ALERT_MEANING_IGNORE)
        vr_reader_fail(reader, "meaning", "an alert that means nothing is not kept");
    alert->by_default = vr_reader_boolean(reader, "by_default", FALSE);
    if (alert->fingerprint[0] == '\0')
        vr_reader_fail(reader, "fingerprint", "must not be empty");
}

VrAlertChange *
vr_alert_change_parse(const char *text, gsize length, const char *source, GError **error)
{
    JsonNode *root = vr_json_parse(text, length, source, error);
    if (root == NULL)
        return NULL;
    g_autoptr(VrDocument) document = vr_document_new(root, source, TRUE);
    g_autoptr(VrReader) reader = vr_reader_new(document);
    g_autoptr(VrAlert) alert = vr_alert_new();
    VrAlertChange change = {.alert = alert};
    (void)vr_reader_required_string(reader, "change");
    change.kind = (VrAlertChangeKind)vr_reader_word(reader, "change", vr_alert_change_kind_words(),
                                                    VR_ALERT_RAISED);
    change.at_us = vr_reader_required_integer(reader, "at_us", 0, G_MAXINT64);
    if (vr_reader_enter(reader, "alert")) {
        read_alert(alert, reader);
        vr_reader_leave(reader);
    } else {
        vr_reader_fail(reader, NULL, "alert is missing");
    }
    if (!vr_reader_finish(reader, error))
        return NULL;
    change.alert = g_steal_pointer(&alert);
    return g_memdup2(&change, sizeof change);
}
