/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/alert.h>

#include <string.h>

#include "alert/known.h"
#include "base/json.h"
#include "base/reader.h"
#include "base/time.h"

#define SOURCE "alerts"
#define VERSION "4"
#define FINGERPRINT_LENGTH_MAX 64
#define DATE_LENGTH 19 /* "2026-11-22T03:00:00" */
#define FRACTION_DIGITS 6

static void
free_label(gpointer label)
{
    VrLabel *self = label;
    g_free(self->name);
    g_free(self->value);
    g_free(self);
}

static void
free_received(gpointer alert)
{
    VrReceivedAlert *self = alert;
    g_free(self->fingerprint);
    g_free(self->summary);
    g_ptr_array_unref(self->labels);
    g_free(self);
}

void
vr_alert_message_free(VrAlertMessage *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->alerts);
    g_free(self);
}

const char *
vr_received_alert_label(const VrReceivedAlert *self, const char *name)
{
    for (guint i = 0; i < self->labels->len; i++) {
        const VrLabel *label = g_ptr_array_index(self->labels, i);
        if (strcmp(label->name, name) == 0)
            return label->value;
    }
    return "";
}

/* Two digits; -1 if they are not there. */
static gint64
two_digits(const char *text)
{
    if (!g_ascii_isdigit(text[0]) || !g_ascii_isdigit(text[1]))
        return -1;
    return (text[0] - '0') * 10 + (text[1] - '0');
}

/* "Z", "+02:00" */
static gboolean
parse_offset(const char *text, gint64 *out_offset_us)
{
    *out_offset_us = 0;
    if (strcmp(text, "Z") == 0)
        return TRUE;
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != strlen("+02:00") || text[3] != ':')
        return FALSE;
    gint64 hours = two_digits(text + 1);
    gint64 minutes = two_digits(text + 4);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return FALSE;
    *out_offset_us = (hours * 60 + minutes) * 60 * VR_S_US * (text[0] == '-' ? -1 : 1);
    return TRUE;
}

/* RFC 3339 as Go writes it: up to nine digits of a second, any zone. */
static gboolean
parse_time(const char *text, gint64 *out_time_us)
{
    gint64 offset_us = 0;
    if (strlen(text) <= DATE_LENGTH)
        return FALSE;
    const char *fraction = text + DATE_LENGTH;
    gsize digits = fraction[0] == '.' ? strspn(fraction + 1, "0123456789") : 0;
    const char *offset = digits > 0 ? fraction + 1 + digits : fraction;
    if (!parse_offset(offset, &offset_us))
        return FALSE;
    g_autofree char *utc = g_strdup_printf("%.*s%s%.*sZ", DATE_LENGTH, text, digits > 0 ? "." : "",
                                           (int)MIN(digits, FRACTION_DIGITS), fraction + 1);
    if (!vr_time_parse_utc(utc, out_time_us))
        return FALSE;
    *out_time_us -= offset_us;
    return TRUE;
}

static gint64
read_time(VrReader *reader, const char *name)
{
    const char *text = vr_reader_required_string(reader, name);
    gint64 time_us = 0;
    if (!parse_time(text, &time_us))
        vr_reader_fail(reader, name, "must be a time such as 2026-11-22T03:00:00Z, not \"%s\"",
                       text);
    return time_us;
}

static void
read_fingerprint(VrReceivedAlert *alert, VrReader *reader)
{
    const char *text = vr_reader_required_string(reader, "fingerprint");
    gsize length = 0;
    while (g_ascii_isalnum(text[length]))
        length++;
    if (length == 0 || length > FINGERPRINT_LENGTH_MAX || text[length] != '\0')
        vr_reader_fail(reader, "fingerprint", "must be 1 to %d letters and digits, not \"%s\"",
                       FINGERPRINT_LENGTH_MAX, text);
    alert->fingerprint = g_strdup(text);
}

static void
read_labels(VrReceivedAlert *alert, VrReader *reader)
{
    if (!vr_reader_enter(reader, "labels")) {
        vr_reader_fail(reader, NULL, "labels are missing");
        return;
    }
    g_autoptr(GList) names = vr_reader_members(reader);
    for (GList *link = names; link != NULL; link = link->next) {
        VrLabel *label = g_new0(VrLabel, 1);
        label->name = g_strdup(link->data);
        label->value = g_strdup(vr_reader_required_string(reader, link->data));
        g_ptr_array_add(alert->labels, label);
    }
    vr_reader_leave(reader);
}

static void
read_summary(VrReceivedAlert *alert, VrReader *reader)
{
    const char *summary = "";
    if (vr_reader_enter(reader, "annotations")) {
        summary = vr_reader_string(reader, "description", "");
        summary = vr_reader_string(reader, "summary", summary);
        vr_reader_leave(reader);
    }
    alert->summary = vr_alert_shorten(summary);
}

static VrReceivedAlert *
read_alert(VrReader *reader)
{
    static const char *const statuses[] = {"firing", "resolved", NULL};
    VrReceivedAlert *alert = g_new0(VrReceivedAlert, 1);
    alert->labels = g_ptr_array_new_with_free_func(free_label);
    read_fingerprint(alert, reader);
    (void)vr_reader_required_string(reader, "status");
    alert->resolved = vr_reader_word(reader, "status", statuses, 0) == 1;
    alert->starts_us = read_time(reader, "startsAt");
    if (alert->starts_us < 0)
        vr_reader_fail(reader, "startsAt", "is before 1970");
    if (alert->resolved)
        alert->ends_us = read_time(reader, "endsAt");
    read_labels(alert, reader);
    read_summary(alert, reader);
    return alert;
}

static void
read_alerts(VrAlertMessage *message, VrReader *reader)
{
    guint count = 0;
    if (!vr_reader_enter_array(reader, "alerts", &count)) {
        vr_reader_fail(reader, NULL, "alerts are missing");
        return;
    }
    if (count > VR_ALERTS_PER_MESSAGE_MAX)
        vr_reader_fail(reader, NULL, "%u alerts in one message, more than %d", count,
                       VR_ALERTS_PER_MESSAGE_MAX);
    for (guint i = 0; i < count && !vr_reader_failed(reader); i++) {
        if (!vr_reader_enter_element(reader, i))
            break;
        g_ptr_array_add(message->alerts, read_alert(reader));
        vr_reader_leave(reader);
    }
    vr_reader_leave(reader);
}

VrAlertMessage *
vr_alert_message_parse(const char *text, gsize length, GError **error)
{
    if (length > VR_ALERT_MESSAGE_LENGTH_MAX) {
        vr_error_set(error, VR_ERROR_INVALID, SOURCE ": %" G_GSIZE_FORMAT " bytes, more than %d",
                     length, VR_ALERT_MESSAGE_LENGTH_MAX);
        return NULL;
    }
    JsonNode *root = vr_json_parse(text, length, SOURCE, error);
    if (root == NULL)
        return NULL;
    g_autoptr(VrDocument) document = vr_document_new(root, SOURCE, FALSE);
    g_autoptr(VrReader) reader = vr_reader_new(document);
    g_autoptr(VrAlertMessage) message = g_new0(VrAlertMessage, 1);
    message->alerts = g_ptr_array_new_with_free_func(free_received);
    const char *version = vr_reader_required_string(reader, "version");
    if (strcmp(version, VERSION) != 0)
        vr_reader_fail(reader, "version", "must be \"" VERSION "\", not \"%s\"", version);
    message->truncated_count = vr_reader_integer(reader, "truncatedAlerts", 0, G_MAXINT64, 0);
    read_alerts(message, reader);
    if (!vr_reader_finish(reader, error))
        return NULL;
    return g_steal_pointer(&message);
}
