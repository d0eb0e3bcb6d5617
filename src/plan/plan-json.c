/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The format `virt-roll-plan/1`. */
#include <string.h>

#include "base/json.h"
#include "plan/build.h"

#define PLAN_FORMAT "virt-roll-plan/1"

/*
 * X(member of VrPlanSummary, which is also its name in JSON), by name. LATER is for bounds that
 * plans in older journals lack: the bound of any plan stands in.
 */
#define SUMMARY_FIELDS(X, LATER)                                                                   \
    X(exposure_vm_ms)                                                                              \
    X(extra_migrations)                                                                            \
    X(hosts)                                                                                       \
    X(hosts_down_peak)                                                                             \
    X(hosts_skipped)                                                                               \
    X(hosts_to_update)                                                                             \
    X(makespan_lower_bound_ms)                                                                     \
    X(makespan_lower_bound_one_migration_ms)                                                       \
    LATER(makespan_lower_bound_within_budget_ms)                                                   \
    X(makespan_ms)                                                                                 \
    X(migrations)                                                                                  \
    X(migrations_in_flight_peak)                                                                   \
    X(migrations_lower_bound)                                                                      \
    X(vms)

static void
write_string(VrJsonWriter *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    vr_json_writer_name(out, name);
    vr_json_writer_string(out, value);
}

static void
write_integer(VrJsonWriter *out, const char *name, gint64 value)
{
    vr_json_writer_name(out, name);
    vr_json_writer_integer(out, value);
}

static void
write_step(VrJsonWriter *out, const VrPlanStep *step)
{
    vr_json_writer_begin(out, '{');
    vr_json_writer_name(out, "after");
    vr_json_writer_begin(out, '[');
    for (guint i = 0; i < step->after->len; i++)
        vr_json_writer_integer(out, g_array_index(step->after, guint, i));
    vr_json_writer_end(out, ']');
    if (step->back) {
        vr_json_writer_name(out, "back");
        vr_json_writer_boolean(out, TRUE);
    }
    write_integer(out, "end_ms", step->end_ms);
    if (step->kind == VR_STEP_MIGRATE) {
        vr_json_writer_name(out, "extra");
        vr_json_writer_boolean(out, step->extra);
    }
    write_string(out, "host", step->host);
    write_integer(out, "id", step->id);
    write_string(out, "kind", vr_step_kind_to_string(step->kind));
    if (step->kind == VR_STEP_MIGRATE)
        write_integer(out, "rate_mib_per_s", step->rate_mib_per_s);
    write_string(out, "source", step->source);
    write_integer(out, "start_ms", step->start_ms);
    write_string(out, "target", step->target);
    write_string(out, "vm", step->vm);
    write_string(out, "vm_uuid", step->vm_uuid);
    write_string(out, "why", step->why);
    vr_json_writer_end(out, '}');
}

static void
write_skip(VrJsonWriter *out, const VrPlanSkip *skip)
{
    vr_json_writer_begin(out, '{');
    write_string(out, "detail", skip->detail);
    write_string(out, "host", skip->host);
    write_string(out, "reason", skip->reason);
    vr_json_writer_name(out, "vms");
    vr_json_writer_begin(out, '[');
    for (guint i = 0; i < skip->vms->len; i++)
        vr_json_writer_string(out, g_ptr_array_index(skip->vms, i));
    vr_json_writer_end(out, ']');
    vr_json_writer_end(out, '}');
}

void
vr_plan_write_steps(VrJsonWriter *out, const VrPlan *self, guint from)
{
    vr_json_writer_name(out, "steps");
    vr_json_writer_begin(out, '[');
    for (guint i = from; i < self->steps->len; i++)
        write_step(out, vr_plan_step(self, i));
    vr_json_writer_end(out, ']');
}

static void
write_lists(VrJsonWriter *out, const VrPlan *plan)
{
    vr_json_writer_name(out, "skipped");
    vr_json_writer_begin(out, '[');
    for (guint i = 0; i < plan->skipped->len; i++)
        write_skip(out, g_ptr_array_index(plan->skipped, i));
    vr_json_writer_end(out, ']');
    vr_plan_write_steps(out, plan, 0);
}

char *
vr_plan_format(const VrPlan *self)
{
    VrJsonWriter out = vr_json_writer_text();

    vr_json_writer_begin(&out, '{');
    write_string(&out, "digest", self->digest);
    write_string(&out, "format", PLAN_FORMAT);
    write_string(&out, "inventory_digest", self->inventory_digest);
    write_string(&out, "policy_digest", self->policy_digest);
    write_lists(&out, self);
    vr_json_writer_name(&out, "summary");
    vr_json_writer_begin(&out, '{');
#define WRITE_FIELD(field) write_integer(&out, #field, self->summary.field);
    SUMMARY_FIELDS(WRITE_FIELD, WRITE_FIELD)
#undef WRITE_FIELD
    vr_json_writer_end(&out, '}');
    vr_json_writer_name(&out, "update");
    vr_json_writer_begin(&out, '{');
    write_string(&out, "class", self->update_class);
    write_string(&out, "level", self->update_level);
    vr_json_writer_end(&out, '}');
    vr_json_writer_end(&out, '}');
    g_string_append_c(out.text, '\n');
    return vr_json_writer_finish(&out);
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
        gint64 unknown = vr_reader_integer(reader, "makespan_lower_bound_ms", 0, G_MAXINT64, 0);
#define READ_LATER_FIELD(field)                                                                    \
    plan->summary.field = vr_reader_integer(reader, #field, 0, G_MAXINT64, unknown);
        SUMMARY_FIELDS(READ_FIELD, READ_LATER_FIELD)
#undef READ_FIELD
#undef READ_LATER_FIELD
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
        step->back = vr_reader_boolean(reader, "back", FALSE);
    } else {
        step->host = vr_plan_keep(plan, vr_reader_required_string(reader, "host"));
    }
    if (step->kind == VR_STEP_MIGRATE || step->kind == VR_STEP_GATE)
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

void
vr_plan_read_steps(VrReader *reader, JsonNode *root, VrPlan *self)
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
        read_step(reader, json_array_get_object_element(array, i), self);
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
        vr_plan_read_steps(reader, root, plan);
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
