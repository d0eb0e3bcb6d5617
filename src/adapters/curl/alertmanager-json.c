/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/curl/alertmanager-json.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "base/json-writer.h"
#include "base/json.h"
#include "base/time.h"

#define SOURCE "Alertmanager"
#define ID_LENGTH_MAX 64

static void
write_time(VrJsonWriter *writer, const char *name, gint64 time_us)
{
    g_autofree char *text = vr_time_format_utc(time_us);
    vr_json_writer_name(writer, name);
    vr_json_writer_string(writer, text);
}

static void
write_text(VrJsonWriter *writer, const char *name, const char *value)
{
    vr_json_writer_name(writer, name);
    vr_json_writer_string(writer, value);
}

static void
write_matcher(VrJsonWriter *writer, const char *name, gboolean is_equal, const char *pattern)
{
    vr_json_writer_begin(writer, '{');
    vr_json_writer_name(writer, "isEqual");
    vr_json_writer_boolean(writer, is_equal);
    vr_json_writer_name(writer, "isRegex");
    vr_json_writer_boolean(writer, TRUE);
    write_text(writer, "name", name);
    write_text(writer, "value", pattern);
    vr_json_writer_end(writer, '}');
}

static void
append_quoted(GString *pattern, const char *text)
{
    for (; *text != '\0'; text++) {
        if (!g_ascii_isalnum(*text) && *text != '-' && *text != '_' && *text != ':')
            g_string_append_c(pattern, '\\');
        g_string_append_c(pattern, *text);
    }
}

/* "(h1|h1\.dc1)(:[0-9]+)?": Alertmanager compares whole values. (transfer full) */
static char *
format_host_pattern(const VrFleetHost *host)
{
    GString *pattern = g_string_new("(");
    append_quoted(pattern, host->name);
    for (guint i = 0; host->aliases[i] != NULL; i++) {
        g_string_append_c(pattern, '|');
        append_quoted(pattern, host->aliases[i]);
    }
    g_string_append(pattern, ")(:[0-9]+)?");
    return g_string_free(pattern, FALSE);
}

char *
vr_alertmanager_format_silence(const VrSilenceRequest *request, const VrFleetHost *host,
                               const char *label)
{
    g_autofree char *pattern = format_host_pattern(host);
    VrJsonWriter writer = vr_json_writer_text();
    vr_json_writer_begin(&writer, '{');
    write_text(&writer, "comment", request->comment);
    write_text(&writer, "createdBy", "virt-roll");
    write_time(&writer, "endsAt", request->until_us);
    vr_json_writer_name(&writer, "matchers");
    vr_json_writer_begin(&writer, '[');
    write_matcher(&writer, label, TRUE, pattern);
    write_matcher(&writer, "alertname", FALSE, "VirtRoll.*");
    vr_json_writer_end(&writer, ']');
    write_time(&writer, "startsAt", request->from_us);
    vr_json_writer_end(&writer, '}');
    return vr_json_writer_finish(&writer);
}

static void
write_alert(VrJsonWriter *writer, const VrPostedAlert *alert)
{
    vr_json_writer_begin(writer, '{');
    vr_json_writer_name(writer, "annotations");
    vr_json_writer_begin(writer, '{');
    write_text(writer, "summary", alert->summary);
    vr_json_writer_end(writer, '}');
    write_time(writer, "endsAt", alert->until_us);
    vr_json_writer_name(writer, "labels");
    vr_json_writer_begin(writer, '{');
    write_text(writer, "alertname", alert->name);
    write_text(writer, "fleet", alert->fleet);
    if (alert->host != NULL)
        write_text(writer, "host", alert->host);
    write_text(writer, "severity", alert->severity);
    vr_json_writer_end(writer, '}');
    write_time(writer, "startsAt", alert->starts_us);
    vr_json_writer_end(writer, '}');
}

char *
vr_alertmanager_format_alerts(const VrPostedAlert *alerts, guint count)
{
    VrJsonWriter writer = vr_json_writer_text();
    vr_json_writer_begin(&writer, '[');
    for (guint i = 0; i < count; i++)
        write_alert(&writer, &alerts[i]);
    vr_json_writer_end(&writer, ']');
    return vr_json_writer_finish(&writer);
}

gboolean
vr_alertmanager_is_silence_id(const char *text)
{
    gsize length = 0;
    while (g_ascii_isalnum(text[length]) || text[length] == '-')
        length++;
    return length > 0 && length <= ID_LENGTH_MAX && text[length] == '\0';
}

/* "" if there is none, or the text is no such object. (transfer full) */
static char *
parse_text_member(const char *text, gsize length, const char *name, const char *inner)
{
    g_autoptr(JsonNode) root = vr_json_parse(text, length, SOURCE, NULL);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root))
        return g_strdup("");
    JsonNode *node = json_object_get_member(json_node_get_object(root), name);
    if (inner != NULL && node != NULL)
        node = JSON_NODE_HOLDS_OBJECT(node)
                   ? json_object_get_member(json_node_get_object(node), inner)
                   : NULL;
    gboolean is_text = node != NULL && JSON_NODE_HOLDS_VALUE(node) &&
                       json_node_get_value_type(node) == G_TYPE_STRING;
    return g_strdup(is_text ? json_node_get_string(node) : "");
}

char *
vr_alertmanager_parse_silence_id(const char *text, gsize length)
{
    g_autofree char *id = parse_text_member(text, length, "silenceID", NULL);
    return vr_alertmanager_is_silence_id(id) ? g_steal_pointer(&id) : NULL;
}

gboolean
vr_alertmanager_parse_is_expired(const char *text, gsize length)
{
    g_autofree char *state = parse_text_member(text, length, "status", "state");
    return strcmp(state, "expired") == 0;
}
