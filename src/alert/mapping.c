/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/alert.h>

#include <string.h>

#include "alert/known.h"
#include "base/text.h"

struct VrAlertMapping {
    const VrPolicy *policy;
    char *const *host_labels; /* of the fleet */
    GHashTable *hosts;        /* (element-type utf8 VrFleetHost) by name and alias, all borrowed */
};

VrAlertMapping *
vr_alert_mapping_new(const VrFleet *fleet, const VrPolicy *policy)
{
    VrAlertMapping *self = g_new0(VrAlertMapping, 1);
    self->policy = policy;
    self->host_labels = fleet->monitoring.host_labels;
    self->hosts = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < fleet->hosts->len; i++) {
        VrFleetHost *host = g_ptr_array_index(fleet->hosts, i);
        g_hash_table_insert(self->hosts, host->name, host);
        for (guint j = 0; host->aliases[j] != NULL; j++)
            g_hash_table_insert(self->hosts, host->aliases[j], host);
    }
    return self;
}

void
vr_alert_mapping_free(VrAlertMapping *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref(self->hosts);
    g_free(self);
}

/* "h1:9100" -> "h1", "[::1]:9100" -> "::1"; without a port the text itself. (transfer full) */
static char *
cut_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return g_strdup(text);
    if (text[0] == '[' && colon[-1] == ']')
        return g_strndup(text + 1, (gsize)(colon - text) - 2);
    return g_strndup(text, (gsize)(colon - text));
}

/* (nullable) Borrowed from the fleet. */
static const char *
find_host(const VrAlertMapping *self, const VrReceivedAlert *received)
{
    for (guint i = 0; self->host_labels[i] != NULL; i++) {
        const char *value = vr_received_alert_label(received, self->host_labels[i]);
        g_autofree char *bare = cut_port(value);
        const VrFleetHost *host = g_hash_table_lookup(self->hosts, value);
        if (host == NULL)
            host = g_hash_table_lookup(self->hosts, bare);
        if (host != NULL)
            return host->name;
    }
    return NULL;
}

static const VrAlertRule *
find_rule(const VrAlertMapping *self, const VrReceivedAlert *received)
{
    for (guint i = 0; i < self->policy->alerts->len; i++) {
        const VrAlertRule *rule = g_ptr_array_index(self->policy->alerts, i);
        gboolean all = TRUE;
        for (guint j = 0; all && j < rule->matches->len; j++) {
            const VrLabelMatch *match = g_ptr_array_index(rule->matches, j);
            all = vr_text_matches(match->pattern, vr_received_alert_label(received, match->label));
        }
        if (all)
            return rule;
    }
    return NULL;
}

VrAlert *
vr_alert_mapping_judge(const VrAlertMapping *self, const VrReceivedAlert *received, gint64 now_us)
{
    const char *name = vr_received_alert_label(received, "alertname");
    if (g_str_has_prefix(name, VR_ALERT_OWN_PREFIX))
        return NULL;

    const char *host = find_host(self, received);
    const VrAlertRule *rule = find_rule(self, received);
    VrAlertMeaning meaning = VR_ALERT_MEANING_IGNORE;
    if (rule != NULL)
        meaning = rule->meaning;
    else if (host != NULL && strcmp(vr_received_alert_label(received, "severity"), "critical") == 0)
        meaning = VR_ALERT_MEANING_CLOSE_INTAKE;
    /* What is to be done at a host cannot be done at none. */
    if (host == NULL && meaning > VR_ALERT_MEANING_WAIT)
        meaning = VR_ALERT_MEANING_WAIT;
    if (meaning == VR_ALERT_MEANING_IGNORE)
        return NULL;

    VrAlert *alert = vr_alert_new();
    alert->fingerprint = g_strdup(received->fingerprint);
    alert->name = vr_alert_shorten(name);
    alert->host = g_strdup(host);
    alert->summary = g_strdup(received->summary);
    alert->starts_us = received->starts_us;
    alert->received_us = now_us;
    alert->meaning = meaning;
    alert->by_default = rule == NULL;
    return alert;
}
