/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What audit verify has found; the format `virt-roll-audit/1`: docs/reference/commands.md. */
#include "cli/json-fields.h"
#include "cli/render-audit.h"
#include "cli/text.h"

#define FORMAT "virt-roll-audit/1"

char *
vr_render_audit(const VrAuditView *view)
{
    const VrAudit *audit = view->audit;
    g_autofree char *count = vr_text_count((gint64)audit->records, "record");
    GString *text = g_string_new(NULL);

    if (audit->problem == NULL)
        g_string_append_printf(text, "%s: %s, whole\n", view->path, count);
    else
        g_string_append_printf(text, "%s: broken after %s\n", view->path, count);
    for (guint i = 0; i < audit->rollouts->len; i++) {
        const VrAuditedRollout *one = g_ptr_array_index(audit->rollouts, i);
        g_autofree char *name = vr_text_clean(one->rollout);
        g_autofree char *begun = vr_text_date_clock(one->begun_us);
        g_autofree char *last = vr_text_date_clock(one->last_us);
        g_string_append_printf(
            text,
            "  rollout %s  %s  records %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ", %s to %s\n",
            name, vr_rollout_phase_to_string(one->phase), one->first, one->last, begun, last);
    }
    if (view->head != NULL)
        g_string_append_printf(text,
                               "  head    %s\nKept elsewhere, the head tells later whether the "
                               "end was cut off or rewritten:\naudit verify --expect-head HEAD\n",
                               view->head);
    return g_string_free(text, FALSE);
}

static void
add_rollout(JsonBuilder *builder, const VrAuditedRollout *one)
{
    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "rollout", one->rollout);
    vr_json_fields_string(builder, "phase", vr_rollout_phase_to_string(one->phase));
    vr_json_fields_integer(builder, "first_record", (gint64)one->first);
    vr_json_fields_integer(builder, "last_record", (gint64)one->last);
    vr_json_fields_time(builder, "begun_at", one->begun_us);
    vr_json_fields_time(builder, "last_event_at", one->last_us);
    json_builder_end_object(builder);
}

char *
vr_render_audit_json(const VrAuditView *view)
{
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();
    const VrAudit *audit = view->audit;

    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "format", FORMAT);
    vr_json_fields_string(builder, "journal", view->path);
    vr_json_fields_boolean(builder, "whole", audit->problem == NULL);
    vr_json_fields_integer(builder, "records", (gint64)audit->records);
    vr_json_fields_string(builder, "head", view->head);
    json_builder_set_member_name(builder, "rollouts");
    json_builder_begin_array(builder);
    for (guint i = 0; i < audit->rollouts->len; i++)
        add_rollout(builder, g_ptr_array_index(audit->rollouts, i));
    json_builder_end_array(builder);
    vr_json_fields_string(builder, "problem",
                          audit->problem != NULL ? audit->problem->message : NULL);
    json_builder_end_object(builder);
    return vr_json_fields_finish(builder);
}
