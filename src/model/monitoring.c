/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/monitor.h>

#include <string.h>

#include "base/text.h"

VR_DEFINE_ENUM(VrAlertMeaning, vr_alert_meaning, VR_ALERT_MEANINGS)
VR_DEFINE_ENUM(VrHealthyWhen, vr_healthy_when, VR_HEALTHY_WHENS)
VR_DEFINE_ENUM(VrProbeKind, vr_probe_kind, VR_PROBE_KINDS)
VR_DEFINE_ENUM(VrQueryAnswer, vr_query_answer, VR_QUERY_ANSWERS)
VR_DEFINE_ENUM(VrProbeEnd, vr_probe_end, VR_PROBE_ENDS)

gboolean
vr_probe_rule_selects(const VrProbeRule *self, const char *vm_name, const char *group)
{
    if (self->group != NULL && g_strcmp0(self->group, group) == 0)
        return TRUE;
    for (guint i = 0; self->vms[i] != NULL; i++) {
        if (vr_text_matches(self->vms[i], vm_name))
            return TRUE;
    }
    return FALSE;
}

char *
vr_query_rule_expand(const char *query, const char *host)
{
    GString *text = g_string_new(query);
    g_string_replace(text, "${host}", host, 0);
    return g_string_free(text, FALSE);
}

void
vr_alert_rule_free(gpointer rule)
{
    VrAlertRule *self = rule;
    if (self == NULL)
        return;
    g_ptr_array_unref(self->matches);
    g_free(self);
}

void
vr_query_rule_free(gpointer rule)
{
    VrQueryRule *self = rule;
    if (self == NULL)
        return;
    g_free(self->name);
    g_free(self->query);
    g_free(self->present);
    g_free(self);
}

void
vr_probe_rule_free(gpointer rule)
{
    VrProbeRule *self = rule;
    if (self == NULL)
        return;
    g_free(self->name);
    g_strfreev(self->vms);
    g_free(self->group);
    g_free(self->address);
    g_free(self->path);
    g_strfreev(self->argv);
    g_free(self);
}

void
vr_monitoring_clear(VrMonitoring *self)
{
    g_clear_pointer(&self->alertmanager_url, g_free);
    g_clear_pointer(&self->prometheus_url, g_free);
    g_clear_pointer(&self->host_labels, g_strfreev);
}
