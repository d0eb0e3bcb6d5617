/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The format `virt-roll-report/1`: docs/reference/commands.md. */
#include <string.h>

#include "base/time.h"
#include "cli/render-health.h"
#include "cli/json-fields.h"
#include "cli/silent-hosts.h"
#include "cli/tally.h"

#define FORMAT "virt-roll-report/1"

static void
add_summary(JsonBuilder *builder, const VrRollout *rollout)
{
    VrTally tally = vr_tally_count(rollout);

    json_builder_set_member_name(builder, "summary");
    json_builder_begin_object(builder);
    vr_json_fields_integer(builder, "hosts_to_update", tally.hosts_to_update);
    vr_json_fields_integer(builder, "hosts_updated", tally.hosts_updated);
    vr_json_fields_integer(builder, "hosts_left_out", tally.hosts_left_out);
    vr_json_fields_integer(builder, "vms_to_migrate", tally.vms_to_migrate);
    vr_json_fields_integer(builder, "vms_migrated", tally.vms_migrated);
    vr_json_fields_integer(builder, "vms_stopped", tally.vms_stopped);
    vr_json_fields_integer(builder, "migrations", tally.migrations);
    vr_json_fields_integer(builder, "migrations_planned", rollout->basis->plan->summary.migrations);
    vr_json_fields_integer(builder, "needs_operator", tally.needs_operator);
    vr_json_fields_integer(builder, "data_mib", tally.data_mib);
    vr_json_fields_optional(builder, "downtime_ms_max", tally.downtime_ms_max);
    vr_json_fields_string(builder, "downtime_vm", tally.downtime_vm);
    vr_json_fields_span(builder, "duration_ms", rollout->started_us, rollout->ended_us);
    vr_json_fields_integer(builder, "forecast_ms", rollout->basis->plan->summary.makespan_ms);
    vr_json_fields_integer(builder, "restarts", rollout->restarts);
    json_builder_end_object(builder);
}

/* Every "name=value" line; the first of a name counts, as in vr_facts_get. */
static void
add_facts(JsonBuilder *builder, const char *name, const char *facts)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_auto(GStrv) lines = g_strsplit(facts != NULL ? facts : "", "\n", -1);

    if (facts == NULL) {
        vr_json_fields_string(builder, name, NULL);
        return;
    }
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
    for (guint i = 0; lines[i] != NULL; i++) {
        char *equals = strchr(lines[i], '=');
        if (equals == NULL || equals == lines[i])
            continue;
        *equals = '\0';
        if (g_hash_table_add(seen, lines[i]))
            vr_json_fields_string(builder, lines[i], g_strstrip(equals + 1));
    }
    json_builder_end_object(builder);
}

static void
add_common(JsonBuilder *builder, const VrStepState *step)
{
    vr_json_fields_integer(builder, "step", step->plan->id);
    vr_json_fields_string(builder, "phase", vr_phase_to_string(step->phase));
    vr_json_fields_string(builder, "reason", step->reason);
    vr_json_fields_time(builder, "begun_at", step->begun_us);
    vr_json_fields_time(builder, "ended_at", step->ended_us);
}

static void
add_host(JsonBuilder *builder, const VrStepState *step)
{
    vr_json_fields_string(builder, "host", step->plan->host);
    add_facts(builder, "facts_before", step->facts_before);
    add_facts(builder, "facts_after", step->facts_after);
}

static void
add_migration(JsonBuilder *builder, const VrStepState *step)
{
    gint64 took_us = step->phase == VR_PHASE_SETTLED ? vr_tally_migration_us(step) : VR_UNKNOWN;

    vr_json_fields_string(builder, "vm", step->plan->vm);
    vr_json_fields_string(builder, "vm_uuid", step->plan->vm_uuid);
    vr_json_fields_string(builder, "source", step->plan->source);
    vr_json_fields_string(builder, "target", step->plan->target);
    vr_json_fields_boolean(builder, "extra", step->plan->extra);
    vr_json_fields_boolean(builder, "back", step->plan->back);
    vr_json_fields_optional(builder, "steal_ppm_before",
                            step->has_baseline ? step->baseline.steal_ppm : VR_UNKNOWN);
    vr_json_fields_optional(builder, "io_latency_us_before",
                            step->has_baseline && step->baseline.latency_us > 0
                                ? step->baseline.latency_us
                                : VR_UNKNOWN);
    vr_json_fields_integer(builder, "attempts", step->tries);
    vr_json_fields_integer(builder, "deferrals", step->deferrals);
    vr_json_fields_optional(builder, "duration_ms",
                            took_us != VR_UNKNOWN ? took_us / VR_MS_US : VR_UNKNOWN);
    vr_json_fields_optional(builder, "downtime_ms", step->stats.downtime_ms);
    vr_json_fields_optional(builder, "data_mib", step->stats.data_mib);
    vr_json_fields_string(builder, "last_error", step->last_error);
    vr_json_fields_failure(builder,
                           step->trouble != VR_FAILURE_NONE ? step->trouble : step->failure);
}

static void
add_gate(JsonBuilder *builder, const VrStepState *step)
{
    vr_json_fields_string(builder, "host", step->plan->host);
    vr_json_fields_string(builder, "refuge", step->plan->source);
}

static void
add_steps(JsonBuilder *builder, const VrRollout *rollout, const char *name, VrStepKind kind,
          void (*add)(JsonBuilder *builder, const VrStepState *step))
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_array(builder);
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind != kind)
            continue;
        json_builder_begin_object(builder);
        add_common(builder, step);
        add(builder, step);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
add_skipped(JsonBuilder *builder, const VrPlan *plan)
{
    json_builder_set_member_name(builder, "skipped");
    json_builder_begin_array(builder);
    for (guint i = 0; i < plan->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(plan->skipped, i);
        json_builder_begin_object(builder);
        vr_json_fields_string(builder, "host", skip->host);
        vr_json_fields_string(builder, "reason", skip->reason);
        vr_json_fields_string(builder, "detail", skip->detail);
        json_builder_set_member_name(builder, "vms");
        json_builder_begin_array(builder);
        for (guint k = 0; k < skip->vms->len; k++)
            json_builder_add_string_value(builder, g_ptr_array_index(skip->vms, k));
        json_builder_end_array(builder);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

char *
vr_render_report_json(const VrStatusView *view)
{
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();
    const VrRollout *rollout = view->rollout;

    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "format", FORMAT);
    vr_json_fields_string(builder, "rollout", rollout->id);
    vr_json_fields_string(builder, "phase", vr_rollout_phase_to_string(rollout->phase));
    vr_json_fields_string(builder, "reason", rollout->reason);
    vr_json_fields_string(builder, "update_level", rollout->basis->plan->update_level);
    vr_json_fields_string(builder, "plan_digest", rollout->basis->plan->digest);
    vr_json_fields_time(builder, "created_at", rollout->created_us);
    vr_json_fields_time(builder, "started_at", rollout->started_us);
    vr_json_fields_time(builder, "ended_at", rollout->ended_us);
    add_summary(builder, rollout);
    add_steps(builder, rollout, "hosts", VR_STEP_UPDATE, add_host);
    add_steps(builder, rollout, "migrations", VR_STEP_MIGRATE, add_migration);
    add_steps(builder, rollout, "gates", VR_STEP_GATE, add_gate);
    add_skipped(builder, rollout->basis->plan);
    vr_render_health_add_json(builder, rollout);
    vr_silent_hosts_add_json(builder, view);
    json_builder_end_object(builder);
    return vr_json_fields_finish(builder);
}
