/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include "base/json.h"
#include "base/time.h"
#include "model/document.h"

Fixture
fixture_new(const char *alerts, const char *monitoring)
{
    g_autoptr(GError) error = NULL;
    Fixture self = {0};
    g_autofree char *policy =
        g_strdup_printf("{\"format\":\"virt-roll-policy/1\",\"alerts\":%s}", alerts);
    g_autofree char *fleet = g_strdup_printf(
        "{\"format\":\"virt-roll-fleet/1\",\"name\":\"f\",\"monitoring\":%s,"
        "\"defaults\":{\"uri\":\"qemu+ssh://{name}/system\"},\"hosts\":[{\"name\":\"h1\"},"
        "{\"name\":\"h2\",\"aliases\":[\"node2\"]},"
        "{\"name\":\"h3.dc1\",\"aliases\":[\"h3.dc1:9100\"]}]}",
        monitoring);
    self.policy = vr_policy_parse(policy, strlen(policy), "p", &error);
    expect_no_error(error);
    JsonNode *root = vr_json_parse(fleet, strlen(fleet), "f", &error);
    expect_no_error(error);
    g_autoptr(VrDocument) document = vr_document_new(root, "f", TRUE);
    self.fleet = vr_fleet_read(document, &error);
    expect_no_error(error);
    self.mapping = vr_alert_mapping_new(self.fleet, self.policy);
    return self;
}

void
fixture_clear(Fixture *self)
{
    vr_alert_mapping_free(self->mapping);
    vr_policy_free(self->policy);
    vr_fleet_free(self->fleet);
}

/* By the parser, so that nothing is here that it would not give. */
VrAlertMessage *
fixture_message(void)
{
    g_autoptr(GError) error = NULL;
    const char *text = "{\"version\":\"4\",\"alerts\":[]}";
    VrAlertMessage *message = vr_alert_message_parse(text, strlen(text), &error);
    expect_no_error(error);
    return message;
}

static char *
labels_json(const char *labels)
{
    GString *text = g_string_new("{");
    g_auto(GStrv) parts = g_strsplit(labels, ",", -1);
    for (guint i = 0; parts[i] != NULL; i++) {
        g_auto(GStrv) pair = g_strsplit(parts[i], "=", 2);
        g_string_append_printf(text, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", pair[0], pair[1]);
    }
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

void
fixture_add(VrAlertMessage *message, const char *fingerprint, const char *labels, gint64 starts_us,
            gint64 ends_us)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *starts = vr_time_format_utc(starts_us);
    g_autofree char *ends = vr_time_format_utc(ends_us);
    g_autofree char *object = labels_json(labels);
    g_autofree char *text = g_strdup_printf(
        "{\"version\":\"4\",\"alerts\":[{\"status\":\"%s\",\"labels\":%s,\"startsAt\":\"%s\","
        "\"endsAt\":\"%s\",\"fingerprint\":\"%s\",\"annotations\":{\"summary\":\"s\"}}]}",
        ends_us == 0 ? "firing" : "resolved", object, starts, ends, fingerprint);
    g_autoptr(VrAlertMessage) one = vr_alert_message_parse(text, strlen(text), &error);
    expect_no_error(error);
    g_ptr_array_add(message->alerts, g_ptr_array_steal_index(one->alerts, 0));
}
