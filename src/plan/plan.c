/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/build.h"

VR_DEFINE_ENUM(VrStepKind, vr_step_kind, VR_STEP_KINDS)

/* Steps that are allocated together: plans have hundreds of thousands. */
#define STEPS_PER_BLOCK 256

static void
step_clear(gpointer data)
{
    VrPlanStep *step = data;

    g_array_unref(step->after);
}

/* Zero, and where it is for good. */
static VrPlanStep *
allocate_step(VrPlan *self)
{
    if (self->block_left == 0) {
        g_ptr_array_add(self->blocks, g_new0(VrPlanStep, STEPS_PER_BLOCK));
        self->block_left = STEPS_PER_BLOCK;
    }
    VrPlanStep *last = g_ptr_array_index(self->blocks, self->blocks->len - 1);
    return &last[STEPS_PER_BLOCK - self->block_left--];
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
    self->steps = g_ptr_array_new_with_free_func(step_clear);
    self->blocks = g_ptr_array_new_with_free_func(g_free);
    self->skipped = g_ptr_array_new_with_free_func(skip_free);
    return self;
}

VrPlan *
vr_plan_copy(const VrPlan *self)
{
    VrPlan *copy = vr_plan_new();

    copy->digest = g_strdup(self->digest);
    copy->policy_digest = g_strdup(self->policy_digest);
    copy->inventory_digest = g_strdup(self->inventory_digest);
    copy->update_level = g_strdup(self->update_level);
    copy->update_class = g_strdup(self->update_class);
    copy->summary = self->summary;
    for (guint i = 0; i < self->steps->len; i++)
        vr_plan_copy_step(copy, vr_plan_step(self, i), 0);
    for (guint i = 0; i < self->skipped->len; i++)
        g_ptr_array_add(copy->skipped, vr_plan_copy_skip(g_ptr_array_index(self->skipped, i)));
    return copy;
}

VrPlanStep *
vr_plan_append_step(VrPlan *self, VrStepKind kind, GArray *after)
{
    VrPlanStep *step = allocate_step(self);

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

VrPlanStep *
vr_plan_copy_step(VrPlan *self, const VrPlanStep *step, guint shift)
{
    VrPlanStep *copy = vr_plan_append_step(self, step->kind, NULL);

    copy->host = vr_plan_keep(self, step->host);
    copy->vm_uuid = vr_plan_keep(self, step->vm_uuid);
    copy->vm = vr_plan_keep(self, step->vm);
    copy->source = vr_plan_keep(self, step->source);
    copy->target = vr_plan_keep(self, step->target);
    copy->start_ms = step->start_ms;
    copy->end_ms = step->end_ms;
    copy->rate_mib_per_s = step->rate_mib_per_s;
    copy->extra = step->extra;
    copy->back = step->back;
    copy->why = vr_plan_keep(self, step->why);
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

static void
write_member(VrJsonWriter *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    vr_json_writer_name(out, name);
    vr_json_writer_string(out, value);
}

/* The members of a step that say what is done and in which order, and nothing else. */
static void
write_digested_step(VrJsonWriter *out, const VrPlanStep *step)
{
    vr_json_writer_begin(out, '{');
    vr_json_writer_name(out, "after");
    vr_json_writer_begin(out, '[');
    for (guint i = 0; i < step->after->len; i++)
        vr_json_writer_integer(out, g_array_index(step->after, guint, i));
    vr_json_writer_end(out, ']');
    if (step->kind == VR_STEP_MIGRATE) {
        vr_json_writer_name(out, "extra");
        vr_json_writer_boolean(out, step->extra);
    }
    write_member(out, "host", step->host);
    write_member(out, "kind", vr_step_kind_to_string(step->kind));
    write_member(out, "source", step->source);
    write_member(out, "target", step->target);
    write_member(out, "vm_uuid", step->vm_uuid);
    vr_json_writer_end(out, '}');
}

char *
vr_plan_compute_digest(const VrPlan *self)
{
    VrJsonWriter out = vr_json_writer_digest();

    vr_json_writer_begin(&out, '{');
    write_member(&out, "policy_digest", self->policy_digest);
    vr_json_writer_name(&out, "steps");
    vr_json_writer_begin(&out, '[');
    for (guint i = 0; i < self->steps->len; i++)
        write_digested_step(&out, vr_plan_step(self, i));
    vr_json_writer_end(&out, ']');
    vr_json_writer_name(&out, "update");
    vr_json_writer_begin(&out, '{');
    write_member(&out, "class", self->update_class);
    write_member(&out, "level", self->update_level);
    vr_json_writer_end(&out, '}');
    vr_json_writer_end(&out, '}');
    return vr_json_writer_finish(&out);
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
    g_ptr_array_unref(self->blocks);
    g_ptr_array_unref(self->skipped);
    g_string_chunk_free(self->texts);
    g_free(self);
}
