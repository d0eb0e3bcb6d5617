/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/json.h"
#include "plan/build.h"

VR_DEFINE_ENUM(VrStepKind, vr_step_kind, VR_STEP_KINDS)

static void
step_free(gpointer data)
{
    VrPlanStep *step = data;

    g_free(step->host);
    g_free(step->vm_uuid);
    g_free(step->vm);
    g_free(step->source);
    g_free(step->target);
    g_free(step->why);
    g_array_unref(step->after);
    g_free(step);
}

static void
skip_free(gpointer data)
{
    vr_plan_skip_free(data);
}

VrPlan *
vr_plan_new(void)
{
    VrPlan *self = g_new0(VrPlan, 1);

    self->steps = g_ptr_array_new_with_free_func(step_free);
    self->skipped = g_ptr_array_new_with_free_func(skip_free);
    return self;
}

VrPlanStep *
vr_plan_append_step(VrPlan *self, VrStepKind kind)
{
    VrPlanStep *step = g_new0(VrPlanStep, 1);

    step->id = self->steps->len + 1;
    step->kind = kind;
    step->after = g_array_new(FALSE, FALSE, sizeof(guint));
    g_ptr_array_add(self->steps, step);
    return step;
}

VrPlanStep *
vr_plan_copy_step(VrPlan *self, const VrPlanStep *step, guint shift)
{
    VrPlanStep *copy = vr_plan_append_step(self, step->kind);

    copy->host = g_strdup(step->host);
    copy->vm_uuid = g_strdup(step->vm_uuid);
    copy->vm = g_strdup(step->vm);
    copy->source = g_strdup(step->source);
    copy->target = g_strdup(step->target);
    copy->start_ms = step->start_ms;
    copy->end_ms = step->end_ms;
    copy->rate_mib_per_s = step->rate_mib_per_s;
    copy->extra = step->extra;
    copy->why = g_strdup(step->why);
    for (guint i = 0; i < step->after->len; i++)
        vr_plan_step_add_after(copy, g_array_index(step->after, guint, i) + shift);
    return copy;
}

void
vr_plan_step_add_after(VrPlanStep *self, guint id)
{
    guint at = self->after->len;

    g_assert(id > 0 && id < self->id);
    while (at > 0 && g_array_index(self->after, guint, at - 1) > id)
        at--;
    if (at == 0 || g_array_index(self->after, guint, at - 1) != id)
        g_array_insert_val(self->after, at, id);
}

VrPlanSkip *
vr_plan_skip_new(const char *host, const char *reason, char *detail)
{
    VrPlanSkip *self = g_new0(VrPlanSkip, 1);

    self->host = g_strdup(host);
    self->reason = g_strdup(reason);
    self->detail = detail;
    self->vms = g_ptr_array_new_with_free_func(g_free);
    return self;
}

VrPlanSkip *
vr_plan_copy_skip(const VrPlanSkip *skip)
{
    VrPlanSkip *copy = vr_plan_skip_new(skip->host, skip->reason, g_strdup(skip->detail));

    for (guint i = 0; i < skip->vms->len; i++)
        g_ptr_array_add(copy->vms, g_strdup(g_ptr_array_index(skip->vms, i)));
    return copy;
}

void
vr_plan_skip_free(VrPlanSkip *self)
{
    if (self == NULL)
        return;
    g_free(self->host);
    g_free(self->reason);
    g_free(self->detail);
    g_ptr_array_unref(self->vms);
    g_free(self);
}

/* The members of a step that say what is done and in which order, and nothing else. */
static void
build_digested_step(JsonBuilder *builder, const VrPlanStep *step)
{
    const struct {
        const char *name, *value;
    } members[] = {{"vm_uuid", step->vm_uuid},
                   {"source", step->source},
                   {"target", step->target},
                   {"host", step->host}};

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "kind");
    json_builder_add_string_value(builder, vr_step_kind_to_string(step->kind));
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        if (members[i].value == NULL)
            continue;
        json_builder_set_member_name(builder, members[i].name);
        json_builder_add_string_value(builder, members[i].value);
    }
    json_builder_set_member_name(builder, "after");
    json_builder_begin_array(builder);
    for (guint i = 0; i < step->after->len; i++)
        json_builder_add_int_value(builder, g_array_index(step->after, guint, i));
    json_builder_end_array(builder);
    if (step->kind == VR_STEP_MIGRATE) {
        json_builder_set_member_name(builder, "extra");
        json_builder_add_boolean_value(builder, step->extra);
    }
    json_builder_end_object(builder);
}

char *
vr_plan_compute_digest(const VrPlan *self)
{
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();

    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "policy_digest");
    json_builder_add_string_value(builder, self->policy_digest);
    json_builder_set_member_name(builder, "update");
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "level");
    json_builder_add_string_value(builder, self->update_level);
    if (self->update_class != NULL) {
        json_builder_set_member_name(builder, "class");
        json_builder_add_string_value(builder, self->update_class);
    }
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "steps");
    json_builder_begin_array(builder);
    for (guint i = 0; i < self->steps->len; i++)
        build_digested_step(builder, vr_plan_step(self, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);

    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *canonical = vr_json_canonical(root);
    return vr_json_sha256(canonical);
}

void
vr_plan_free(VrPlan *self)
{
    if (self == NULL)
        return;
    g_free(self->digest);
    g_free(self->policy_digest);
    g_free(self->inventory_digest);
    g_free(self->update_level);
    g_free(self->update_class);
    g_ptr_array_unref(self->steps);
    g_ptr_array_unref(self->skipped);
    g_free(self);
}
