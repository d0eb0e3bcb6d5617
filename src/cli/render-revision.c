/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A revised plan against the one that it would replace. */
#include "cli/difference.h"
#include "cli/json-fields.h"
#include "cli/render.h"
#include "cli/text.h"

#define VMS_MAX 20 /* listed; the JSON has all */

/* ------------------------------------------------------------------ for people */

static char *
describe_vm(const VrMovedVm *vm)
{
    if (vm->after == NULL && !vm->is_there)
        return g_strdup_printf("%s is gone", vm->vm);
    if (vm->after == NULL)
        return g_strdup_printf("%s stays where it is (it was to go to %s)", vm->vm, vm->before);
    if (vm->before == NULL)
        return g_strdup_printf("%s goes from %s to %s (the present plan leaves it)", vm->vm,
                               vm->source, vm->after);
    return g_strdup_printf("%s goes from %s to %s instead of %s", vm->vm, vm->source, vm->after,
                           vm->before);
}

static char *
describe_host(const VrLeftHost *left)
{
    if (left->skip != NULL)
        return g_strdup_printf("%s is left out (%s): %s", left->host, left->skip->reason,
                               left->skip->detail != NULL ? left->skip->detail : "");
    return g_strdup_printf("%s is set aside, the others go on without it: %s", left->host,
                           left->reason != NULL ? left->reason : "no reason given");
}

static void
append_count(GString *out, const char *noun, guint before, guint after)
{
    g_autofree char *text = vr_text_count(after, noun);

    if (before == after)
        g_string_append_printf(out, "%s left, as before", text);
    else
        g_string_append_printf(out, "%s left, it was %u", text, before);
}

static void
append_line(GString *out, char *text, guint width)
{
    g_autofree char *clean = vr_text_clean(text);

    vr_text_append_wrapped(out, clean, "  ", width);
    g_free(text);
}

char *
vr_render_revision(const VrRollout *rollout, const VrRevision *revision, gint64 now_us, guint width)
{
    g_autoptr(VrDifference) difference = vr_difference_new(rollout, revision, now_us);
    g_autofree char *end = vr_text_date_clock(difference->end_us);
    g_autofree char *end_before = vr_text_date_clock(difference->end_before_us);
    g_autoptr(GString) counts = g_string_new(NULL);
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "A new plan for what is left of rollout %s:\n", rollout->id);
    for (guint i = 0; i < difference->left_hosts->len; i++)
        append_line(out, describe_host(&g_array_index(difference->left_hosts, VrLeftHost, i)),
                    width);
    for (guint i = 0; i < MIN(difference->vms->len, VMS_MAX); i++)
        append_line(out, describe_vm(&g_array_index(difference->vms, VrMovedVm, i)), width);
    if (difference->vms->len > VMS_MAX)
        g_string_append_printf(out, "  … and %u more VMs (-o json has all)\n",
                               difference->vms->len - VMS_MAX);
    if (vr_difference_is_none(difference))
        g_string_append(out, "  No VM goes elsewhere, and the same hosts are updated.\n");
    append_count(counts, "host update", difference->updates_before, difference->updates);
    g_string_append(counts, "; ");
    append_count(counts, "migration", difference->migrations_before, difference->migrations);
    g_string_append(counts, "; ");
    append_count(counts, "extra migration", difference->extras_before, difference->extras);
    append_line(out, g_strdup(counts->str), width);
    if (difference->gates > 0)
        append_line(
            out, g_strdup_printf("%u of its gates watch what has come already", difference->gates),
            width);
    append_line(out, g_strdup_printf("ends about %s, it was %s", end, end_before), width);
    return g_string_free(out, FALSE);
}

/* ------------------------------------------------------------------ JSON */

static void
build_vms(JsonBuilder *builder, const VrDifference *difference)
{
    json_builder_set_member_name(builder, "vms");
    json_builder_begin_array(builder);
    for (guint i = 0; i < difference->vms->len; i++) {
        const VrMovedVm *vm = &g_array_index(difference->vms, VrMovedVm, i);
        json_builder_begin_object(builder);
        vr_json_fields_string(builder, "vm", vm->vm);
        vr_json_fields_string(builder, "vm_uuid", vm->vm_uuid);
        vr_json_fields_string(builder, "source", vm->source);
        vr_json_fields_string(builder, "target_before", vm->before);
        vr_json_fields_string(builder, "target", vm->after);
        vr_json_fields_boolean(builder, "gone", !vm->is_there);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

static void
build_hosts(JsonBuilder *builder, const VrDifference *difference)
{
    json_builder_set_member_name(builder, "hosts");
    json_builder_begin_array(builder);
    for (guint i = 0; i < difference->left_hosts->len; i++) {
        const VrLeftHost *left = &g_array_index(difference->left_hosts, VrLeftHost, i);
        json_builder_begin_object(builder);
        vr_json_fields_string(builder, "host", left->host);
        vr_json_fields_boolean(builder, "set_aside", left->skip == NULL);
        vr_json_fields_string(builder, "reason", left->skip != NULL ? left->skip->reason : "lost");
        vr_json_fields_string(builder, "detail",
                              left->skip != NULL ? left->skip->detail : left->reason);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
}

char *
vr_render_revision_json(const VrRollout *rollout, const VrRevision *revision, const char *doubt,
                        gint64 now_us)
{
    g_autoptr(VrDifference) difference = vr_difference_new(rollout, revision, now_us);
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();

    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "format", "virt-roll-diff/1");
    vr_json_fields_string(builder, "rollout", rollout->id);
    vr_json_fields_string(builder, "plan_digest_before", rollout->basis->plan->digest);
    vr_json_fields_string(builder, "plan_digest", revision->plan->digest);
    vr_json_fields_boolean(builder, "needs_approval", doubt != NULL);
    vr_json_fields_string(builder, "needs_approval_reason", doubt);
    build_hosts(builder, difference);
    build_vms(builder, difference);
    vr_json_fields_integer(builder, "updates_left_before", difference->updates_before);
    vr_json_fields_integer(builder, "updates_left", difference->updates);
    vr_json_fields_integer(builder, "migrations_left_before", difference->migrations_before);
    vr_json_fields_integer(builder, "migrations_left", difference->migrations);
    vr_json_fields_integer(builder, "extra_migrations_left_before", difference->extras_before);
    vr_json_fields_integer(builder, "extra_migrations_left", difference->extras);
    vr_json_fields_integer(builder, "gates_kept", difference->gates);
    vr_json_fields_time(builder, "forecast_end_before", difference->end_before_us);
    vr_json_fields_time(builder, "forecast_end", difference->end_us);
    json_builder_end_object(builder);
    return vr_json_fields_finish(builder);
}
