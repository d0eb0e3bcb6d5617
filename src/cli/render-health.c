/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the watch has said of hosts, and which of them are in alert. */
#include "cli/render-health.h"

#include "cli/json-fields.h"
#include "cli/text.h"

char *
vr_render_health(const VrRollout *rollout, guint width)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < rollout->healths->len; i++) {
        const VrHostHealth *health = vr_rollout_health(rollout, i);
        g_autofree char *text =
            g_strdup_printf("%s%s", health->sentence,
                            health->intake_closed ? " It takes no more VMs for now." : "");
        if (health->finding.tier == VR_HEALTH_TIER_NONE &&
            health->finding.rule == VR_HEALTH_RULE_NONE)
            continue;
        if (out->len == 0)
            g_string_append(out, "Watched\n");
        vr_text_append_wrapped(out, text, "  ", width);
    }
    return g_string_free(out, FALSE);
}

static void
add_alert(JsonBuilder *builder, const VrHostAlert *alert)
{
    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "host", alert->host);
    vr_json_fields_string(builder, "reason", alert->reason);
    vr_json_fields_time(builder, "since", alert->since_us);
    vr_json_fields_boolean(builder, "way_back", alert->way_back);
    vr_json_fields_boolean(builder, "released", alert->released);
    json_builder_set_member_name(builder, "staying");
    json_builder_begin_array(builder);
    for (guint i = 0; i < alert->staying->len; i++)
        json_builder_add_string_value(builder, g_ptr_array_index(alert->staying, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static void
add_health(JsonBuilder *builder, const VrHostHealth *health)
{
    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "host", health->host);
    vr_json_fields_string(builder, "tier", vr_health_tier_to_string(health->finding.tier));
    vr_json_fields_string(builder, "cause", vr_health_cause_to_string(health->finding.cause));
    vr_json_fields_string(builder, "rule", vr_health_rule_to_string(health->finding.rule));
    vr_json_fields_string(builder, "sentence", health->sentence);
    vr_json_fields_time(builder, "since", health->since_us);
    vr_json_fields_boolean(builder, "intake_closed", health->intake_closed);
    vr_json_fields_boolean(builder, "readable", health->clock_stands_since_us == 0);
    json_builder_end_object(builder);
}

void
vr_render_health_add_json(JsonBuilder *builder, const VrRollout *rollout)
{
    json_builder_set_member_name(builder, "alerts");
    json_builder_begin_array(builder);
    for (guint i = 0; i < rollout->alerts->len; i++)
        add_alert(builder, vr_rollout_alert(rollout, i));
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "health");
    json_builder_begin_array(builder);
    for (guint i = 0; i < rollout->healths->len; i++)
        add_health(builder, vr_rollout_health(rollout, i));
    json_builder_end_array(builder);
}
