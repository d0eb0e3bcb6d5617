/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The format `virt-roll-status/1`: docs/reference/commands.md. */
#include "cli/render-health.h"
#include "cli/json-fields.h"
#include "cli/silent-hosts.h"
#include "cli/tally.h"

#define FORMAT "virt-roll-status/1"

static void
add_counts(JsonBuilder *builder, const VrRollout *rollout)
{
    VrTally tally = vr_tally_count(rollout);

    vr_json_fields_integer(builder, "hosts_to_update", tally.hosts_to_update);
    vr_json_fields_integer(builder, "hosts_updated", tally.hosts_updated);
    vr_json_fields_integer(builder, "vms_to_migrate", tally.vms_to_migrate);
    vr_json_fields_integer(builder, "vms_migrated", tally.vms_migrated);
    vr_json_fields_integer(builder, "migrations_in_flight", tally.migrations_in_flight);
}

static void
add_waiting(JsonBuilder *builder, const VrRollout *rollout)
{
    json_builder_set_member_name(builder, "needs_operator");
    json_builder_begin_array(builder);
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->phase != VR_PHASE_NEEDS_OPERATOR)
            continue;
        json_builder_begin_object(builder);
        vr_json_fields_integer(builder, "step", step->plan->id);
        vr_json_fields_string(builder, "kind", vr_step_kind_to_string(step->plan->kind));
        vr_json_fields_string(builder, "host", step->plan->host);
        vr_json_fields_string(builder, "vm", step->plan->vm);
        vr_json_fields_string(builder, "vm_uuid", step->plan->vm_uuid);
        vr_json_fields_string(builder, "phase", vr_phase_to_string(step->resume_phase));
        vr_json_fields_string(builder, "reason", step->reason);
        vr_json_fields_failure(builder, step->trouble);
        vr_json_fields_time(builder, "since", step->since_us);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
add_deferred(JsonBuilder *builder, const VrRollout *rollout)
{
    json_builder_set_member_name(builder, "deferred");
    json_builder_begin_array(builder);
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->phase != VR_PHASE_DEFERRED)
            continue;
        json_builder_begin_object(builder);
        vr_json_fields_integer(builder, "step", step->plan->id);
        vr_json_fields_string(builder, "vm", step->plan->vm);
        vr_json_fields_string(builder, "vm_uuid", step->plan->vm_uuid);
        vr_json_fields_string(builder, "source", step->plan->source);
        vr_json_fields_string(builder, "target", step->plan->target);
        vr_json_fields_string(builder, "reason", step->reason);
        vr_json_fields_failure(builder, step->trouble);
        vr_json_fields_time(builder, "again_at", step->not_before_us);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
add_changed(JsonBuilder *builder, const VrRollout *rollout)
{
    g_autoptr(GPtrArray) changed = vr_render_changed(rollout);

    json_builder_set_member_name(builder, "still_changed");
    json_builder_begin_array(builder);
    for (guint i = 0; i < changed->len; i++)
        json_builder_add_string_value(builder, g_ptr_array_index(changed, i));
    json_builder_end_array(builder);
}

char *
vr_render_status_json(const VrStatusView *view)
{
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();
    const VrRollout *rollout = view->rollout;
    const char *why = NULL;
    g_autofree char *next = vr_render_next(view, &why);

    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "format", FORMAT);
    vr_json_fields_string(builder, "rollout", rollout->id);
    vr_json_fields_string(builder, "phase", vr_rollout_phase_to_string(rollout->phase));
    vr_json_fields_string(builder, "reason", rollout->reason);
    vr_json_fields_boolean(builder, "controller_alive", view->is_alive);
    vr_json_fields_time(builder, "started_at", rollout->started_us);
    vr_json_fields_time(builder, "ended_at", rollout->ended_us);
    vr_json_fields_time(builder, "last_event_at", rollout->now_us);
    if (rollout->basis != NULL) {
        vr_json_fields_string(builder, "update_level", rollout->basis->plan->update_level);
        add_counts(builder, rollout);
    }
    vr_render_health_add_json(builder, rollout);
    add_waiting(builder, rollout);
    add_deferred(builder, rollout);
    vr_silent_hosts_add_json(builder, view);
    add_changed(builder, rollout);
    vr_json_fields_string(builder, "next", next);
    json_builder_end_object(builder);
    return vr_json_fields_finish(builder);
}
