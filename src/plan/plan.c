/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/json.h"
#include "plan/build.h"

VR_DEFINE_ENUM(VrStepKind, vr_step_kind, VR_STEP_KINDS)

static void
step_free(gpointer data)
{
    VrPlanStep *step = data;

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

    self->texts = g_string_chunk_new(4096);
    self->steps = g_ptr_array_new_with_free_func(step_free);
    self->skipped = g_ptr_array_new_with_free_func(skip_free);
    return self;
}

VrPlanStep *
vr_plan_append_step(VrPlan *self, VrStepKind kind, GArray *after)
{
    VrPlanStep *step = g_new0(VrPlanStep, 1);

    step->id = self->steps->len + 1;
    step->kind = kind;
    step->after = after != NULL ? g_array_ref(after) : g_array_new(FALSE, FALSE, sizeof(guint));
    g_ptr_array_add(self->steps, step);
    return step;
}

char *
vr_plan_keep(VrPlan *self, const char *text)
{
    return text != NULL ? g_string_chunk_insert(self->texts, text) : NULL;
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

static void
append_member(GString *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    g_string_append(out, name);
    vr_json_append_string(out, value);
}

static void
append_after(GString *out, const GArray *after)
{
    g_string_append(out, "{\"after\":[");
    for (guint i = 0; i < after->len; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        vr_json_append_integer(out, g_array_index(after, guint, i));
    }
    g_string_append_c(out, ']');
}

/* What is done and in which order, and nothing else; keys sorted, as canonical JSON has them. */
static void
append_digested_step(GString *out, const VrPlanStep *step)
{
    append_after(out, step->after);
    if (step->kind == VR_STEP_MIGRATE)
        g_string_append(out, step->extra ? ",\"extra\":true" : ",\"extra\":false");
    append_member(out, ",\"host\":", step->host);
    append_member(out, ",\"kind\":", vr_step_kind_to_string(step->kind));
    append_member(out, ",\"source\":", step->source);
    append_member(out, ",\"target\":", step->target);
    append_member(out, ",\"vm_uuid\":", step->vm_uuid);
    g_string_append_c(out, '}');
}

char *
vr_plan_compute_digest(const VrPlan *self)
{
    g_autoptr(VrJsonSum) sum = vr_json_sum_new();
    GString *out = sum->text;

    append_member(out, "{\"policy_digest\":", self->policy_digest);
    g_string_append(out, ",\"steps\":[");
    for (guint i = 0; i < self->steps->len; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_digested_step(out, vr_plan_step(self, i));
        vr_json_sum_flush(sum);
    }
    g_string_append(out, "],\"update\":{");
    append_member(out, "\"class\":", self->update_class);
    append_member(out,
                  self->update_class != NULL ? ",\"level\":" : "\"level\":", self->update_level);
    g_string_append(out, "}}");
    return vr_json_sum_finish(sum);
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
    g_string_chunk_free(self->texts);
    g_free(self);
}
