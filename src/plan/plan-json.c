/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The format `virt-roll-plan/1`. */
#include <string.h>

#include "base/json.h"
#include "base/reader.h"
#include "plan/build.h"

#define PLAN_FORMAT "virt-roll-plan/1"

/* X(member of VrPlanSummary, which is also its name in JSON) */
#define SUMMARY_FIELDS(X)                                                                          \
    X(hosts)                                                                                       \
    X(hosts_to_update)                                                                             \
    X(hosts_skipped)                                                                               \
    X(vms)                                                                                         \
    X(migrations)                                                                                  \
    X(migrations_lower_bound)                                                                      \
    X(extra_migrations)                                                                            \
    X(makespan_ms)                                                                                 \
    X(makespan_lower_bound_ms)                                                                     \
    X(makespan_lower_bound_one_migration_ms)                                                       \
    X(migrations_in_flight_peak)                                                                   \
    X(hosts_down_peak)                                                                             \
    X(exposure_vm_ms)

static void
add_string(JsonBuilder *builder, const char *name, const char *value)
{
    if (value == NULL)
        return;
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}

static void
add_integer(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

static void
build_step(JsonBuilder *builder, const VrPlanStep *step)
{
    json_builder_begin_object(builder);
    add_integer(builder, "id", step->id);
    add_string(builder, "kind", vr_step_kind_to_string(step->kind));
    add_string(builder, "host", step->host);
    add_string(builder, "vm_uuid", step->vm_uuid);
    add_string(builder, "vm", step->vm);
    add_string(builder, "source", step->source);
    add_string(builder, "target", step->target);
    add_integer(builder, "start_ms", step->start_ms);
    add_integer(builder, "end_ms", step->end_ms);
    if (step->kind == VR_STEP_MIGRATE) {
        add_integer(builder, "rate_mib_per_s", step->rate_mib_per_s);
        json_builder_set_member_name(builder, "extra");
        json_builder_add_boolean_value(builder, step->extra);
    }
    json_builder_set_member_name(builder, "after");
    json_builder_begin_array(builder);
    for (guint i = 0; i < step->after->len; i++)
        json_builder_add_int_value(builder, g_array_index(step->after, guint, i));
    json_builder_end_array(builder);
    add_string(builder, "why", step->why);
    json_builder_end_object(builder);
}

static void
build_skip(JsonBuilder *builder, const VrPlanSkip *skip)
{
    json_builder_begin_object(builder);
    add_string(builder, "host", skip->host);
    add_string(builder, "reason", skip->reason);
    add_string(builder, "detail", skip->detail);
    json_builder_set_member_name(builder, "vms");
    json_builder_begin_array(builder);
    for (guint i = 0; i < skip->vms->len; i++)
        json_builder_add_string_value(builder, g_ptr_array_index(skip->vms, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);
}

static void
build_head(JsonBuilder *builder, const VrPlan *plan)
{
    add_string(builder, "format", PLAN_FORMAT);
    add_string(builder, "digest", plan->digest);
    add_string(builder, "policy_digest", plan->policy_digest);
    add_string(builder, "inventory_digest", plan->inventory_digest);
    json_builder_set_member_name(builder, "update");
    json_builder_begin_object(builder);
    add_string(builder, "level", plan->update_level);
    add_string(builder, "class", plan->update_class);
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "summary");
    json_builder_begin_object(builder);
#define ADD_FIELD(field) add_integer(builder, #field, plan->summary.field);
    SUMMARY_FIELDS(ADD_FIELD)
#undef ADD_FIELD
    json_builder_end_object(builder);
}

char *
vr_plan_format(const VrPlan *self)
{
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();

    json_builder_begin_object(builder);
    build_head(builder, self);
    json_builder_set_member_name(builder, "steps");
    json_builder_begin_array(builder);
    for (guint i = 0; i < self->steps->len; i++)
        build_step(builder, vr_plan_step(self, i));
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "skipped");
    json_builder_begin_array(builder);
    for (guint i = 0; i < self->skipped->len; i++)
        build_skip(builder, g_ptr_array_index(self->skipped, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);

    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *canonical = vr_json_canonical(root);
    return g_strconcat(canonical, "\n", NULL);
}

static void
read_head(VrReader *reader, VrPlan *plan)
{
    const char *format = vr_reader_required_string(reader, "format");

    if (format != NULL && strcmp(format, PLAN_FORMAT) != 0)
        vr_reader_fail(reader, "format", "is '%s', not '%s'", format, PLAN_FORMAT);
    plan->digest = g_strdup(vr_reader_required_string(reader, "digest"));
    plan->policy_digest = g_strdup(vr_reader_required_string(reader, "policy_digest"));
    plan->inventory_digest = g_strdup(vr_reader_required_string(reader, "inventory_digest"));
    if (vr_reader_enter(reader, "update")) {
        plan->update_level = g_strdup(vr_reader_required_string(reader, "level"));
        plan->update_class = g_strdup(vr_reader_string(reader, "class", NULL));
        vr_reader_leave(reader);
    } else {
        vr_reader_fail(reader, "update", "is missing");
    }
    if (vr_reader_enter(reader, "summary")) {
#define READ_FIELD(field)                                                                          \
    plan->summary.field = vr_reader_required_integer(reader, #field, 0, G_MAXINT64);
        SUMMARY_FIELDS(READ_FIELD)
#undef READ_FIELD
        vr_reader_leave(reader);
    } else {
        vr_reader_fail(reader, "summary", "is missing");
    }
}

/* The reader knows arrays of objects and of strings only; `after` is one of integers. */
static void
read_after(VrReader *reader, JsonNode *node, VrPlanStep *step)
{
    if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node)) {
        vr_reader_fail(reader, "after", "must be an array of step ids");
        return;
    }
    JsonArray *array = json_node_get_array(node);
    guint last = 0;
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *element = json_array_get_element(array, i);
        if (!JSON_NODE_HOLDS_VALUE(element) || json_node_get_value_type(element) != G_TYPE_INT64) {
            vr_reader_fail(reader, "after", "must hold step ids only");
            return;
        }
        gint64 id = json_node_get_int(element);
        if (id <= last || id >= step->id) {
            vr_reader_fail(reader, "after",
                           "of step %u names %" G_GINT64_FORMAT
                           ": ids must ascend and be smaller than the step's own",
                           step->id, id);
            return;
        }
        last = (guint)id;
        g_array_append_val(step->after, last);
    }
}

static void
read_step(VrReader *reader, JsonObject *object, VrPlan *plan)
{
    guint kind = vr_reader_word(reader, "kind", vr_step_kind_words(), G_MAXUINT);

    if (kind == G_MAXUINT) {
        vr_reader_fail(reader, "kind", "is missing");
        return;
    }
    VrPlanStep *step = vr_plan_append_step(plan, (VrStepKind)kind, NULL);
    (void)vr_reader_required_integer(reader, "id", step->id, step->id);
    if (step->kind == VR_STEP_MIGRATE) {
        step->vm_uuid = vr_plan_keep(plan, vr_reader_required_string(reader, "vm_uuid"));
        step->vm = vr_plan_keep(plan, vr_reader_required_string(reader, "vm"));
        step->target = vr_plan_keep(plan, vr_reader_required_string(reader, "target"));
        step->rate_mib_per_s = vr_reader_required_integer(reader, "rate_mib_per_s", 1, G_MAXINT64);
        step->extra = vr_reader_boolean(reader, "extra", FALSE);
    } else {
        step->host = vr_plan_keep(plan, vr_reader_required_string(reader, "host"));
    }
    if (step->kind != VR_STEP_UPDATE)
        step->source = vr_plan_keep(plan, vr_reader_required_string(reader, "source"));
    step->start_ms = vr_reader_required_integer(reader, "start_ms", 0, G_MAXINT64);
    step->end_ms = vr_reader_required_integer(reader, "end_ms", step->start_ms, G_MAXINT64);
    if (step->kind == VR_STEP_GATE && step->end_ms - step->start_ms > VR_GATE_S_MAX * 1000LL)
        vr_reader_fail(reader, "end_ms", "is more than %d s after start_ms, longer than any gate",
                       VR_GATE_S_MAX);
    step->why = vr_plan_keep(plan, vr_reader_string(reader, "why", NULL));
    (void)vr_reader_has(reader, "after");
    read_after(reader, json_object_get_member(object, "after"), step);
}

static void
read_steps(VrReader *reader, JsonNode *root, VrPlan *plan)
{
    guint length;

    if (!vr_reader_enter_array(reader, "steps", &length)) {
        vr_reader_fail(reader, "steps", "is missing");
        return;
    }
    JsonArray *array = json_object_get_array_member(json_node_get_object(root), "steps");
    for (guint i = 0; i < length && !vr_reader_failed(reader); i++) {
        if (!vr_reader_enter_element(reader, i))
            break;
        read_step(reader, json_array_get_object_element(array, i), plan);
        vr_reader_leave(reader);
    }
    vr_reader_leave(reader);
}

static void
read_skipped(VrReader *reader, VrPlan *plan)
{
    guint length;

    if (!vr_reader_enter_array(reader, "skipped", &length))
        return;
    for (guint i = 0; i < length && !vr_reader_failed(reader); i++) {
        if (!vr_reader_enter_element(reader, i))
            break;
        VrPlanSkip *skip = vr_plan_skip_new(vr_reader_required_string(reader, "host"),
                                            vr_reader_required_string(reader, "reason"),
                                            g_strdup(vr_reader_string(reader, "detail", NULL)));
        g_auto(GStrv) vms = vr_reader_strings(reader, "vms");
        for (guint j = 0; vms != NULL && vms[j] != NULL; j++)
            g_ptr_array_add(skip->vms, g_strdup(vms[j]));
        g_ptr_array_add(plan->skipped, skip);
        vr_reader_leave(reader);
    }
    vr_reader_leave(reader);
}

VrPlan *
vr_plan_parse(const char *text, gsize length, const char *source, GError **error)
{
    JsonNode *root = vr_json_parse(text, length, source, error);

    if (root == NULL)
        return NULL;
    g_autoptr(VrDocument) document = vr_document_new(root, source, FALSE);
    g_autoptr(VrReader) reader = vr_reader_new(document);
    g_autoptr(VrPlan) plan = vr_plan_new();

    read_head(reader, plan);
    if (!vr_reader_failed(reader)) {
        read_steps(reader, root, plan);
        read_skipped(reader, plan);
    }
    if (!vr_reader_failed(reader)) {
        g_autofree char *digest = vr_plan_compute_digest(plan);
        if (strcmp(digest, plan->digest) != 0)
            vr_reader_fail(reader, "digest",
                           "does not match the steps: the plan was changed after it was made; "
                           "plan again");
    }
    if (!vr_reader_finish(reader, error))
        return NULL;
    return g_steal_pointer(&plan);
}
