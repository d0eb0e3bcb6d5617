/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/difference.h"

#include <string.h>

#include "base/time.h"
#include "cli/tally.h"

typedef struct {
    const VrRollout *rollout;
    const VrRevision *revision;
    VrDifference *difference;
    GHashTable *places; /* UUID -> index + 1 into all */
    GArray *all;        /* (element-type VrMovedVm) in the order of their first step */
} Comparing;

static gboolean
is_superseded(const Comparing *self, guint index)
{
    for (guint i = 0; i < self->revision->superseded->len; i++) {
        if (g_array_index(self->revision->superseded, guint, i) == index + 1)
            return TRUE;
    }
    return FALSE;
}

static VrMovedVm *
find_vm(Comparing *self, const VrPlanStep *step)
{
    guint place = GPOINTER_TO_UINT(g_hash_table_lookup(self->places, step->vm_uuid));

    if (place == 0) {
        VrMovedVm vm = {
            .vm = step->vm,
            .vm_uuid = step->vm_uuid,
            .source = step->source,
            .is_there = vr_inventory_find_vm(self->revision->inventory, step->vm_uuid) >= 0,
        };
        g_array_append_val(self->all, vm);
        place = self->all->len;
        g_hash_table_insert(self->places, step->vm_uuid, GUINT_TO_POINTER(place));
    }
    return &g_array_index(self->all, VrMovedVm, place - 1);
}

static void
count_old_step(Comparing *self, const VrPlanStep *step)
{
    VrDifference *difference = self->difference;

    difference->updates_before += step->kind == VR_STEP_UPDATE;
    if (step->kind != VR_STEP_MIGRATE)
        return;
    difference->migrations_before++;
    difference->extras_before += step->extra;
    find_vm(self, step)->before = step->target;
}

static void
count_new_step(Comparing *self, const VrPlanStep *step)
{
    VrDifference *difference = self->difference;

    difference->updates += step->kind == VR_STEP_UPDATE;
    difference->end_us = MAX(difference->end_us, step->end_ms * VR_MS_US);
    if (step->kind != VR_STEP_MIGRATE)
        return;
    difference->migrations++;
    difference->extras += step->extra;
    VrMovedVm *vm = find_vm(self, step);
    if (vm->after == NULL)
        vm->source = step->source;
    vm->after = step->target;
}

static const VrPlanSkip *
find_skip(const VrPlan *plan, const char *host)
{
    for (guint i = 0; i < plan->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(plan->skipped, i);
        if (strcmp(skip->host, host) == 0)
            return skip;
    }
    return NULL;
}

/* Its update was still to be done, and no step of the new plan does it. */
static void
note_left_host(Comparing *self, guint index)
{
    const VrStepState *step = vr_rollout_step(self->rollout, index);
    const VrPlan *plan = self->revision->plan;
    VrLeftHost left = {step->plan->host, NULL, step->reason};

    for (guint i = self->revision->old_step_count; i < plan->steps->len; i++) {
        const VrPlanStep *other = vr_plan_step(plan, i);
        if (other->kind == VR_STEP_UPDATE && strcmp(other->host, left.host) == 0)
            return;
    }
    if (is_superseded(self, index))
        left.skip = find_skip(plan, left.host);
    g_array_append_val(self->difference->left_hosts, left);
}

static gboolean
is_set_aside_anew(const Comparing *self, const VrStepState *step)
{
    const GArray *ids = self->revision->set_aside;

    for (guint i = 0; i < ids->len; i++) {
        if (g_array_index(ids, guint, i) == step->plan->id)
            return !step->set_aside;
    }
    return FALSE;
}

static void
compare_old_steps(Comparing *self)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        gboolean superseded = is_superseded(self, i);
        if (superseded)
            count_old_step(self, step->plan);
        if (step->plan->kind == VR_STEP_UPDATE && (superseded || is_set_aside_anew(self, step)))
            note_left_host(self, i);
        self->difference->gates +=
            step->plan->kind == VR_STEP_GATE && step->phase == VR_PHASE_WATCHING;
    }
}

static void
compare_new_steps(Comparing *self)
{
    const VrPlan *plan = self->revision->plan;
    guint planned = plan->steps->len - self->revision->planned->steps->len;

    for (guint i = self->revision->old_step_count; i < plan->steps->len; i++) {
        count_new_step(self, vr_plan_step(plan, i));
        self->difference->gates += i < planned;
    }
}

VrDifference *
vr_difference_new(const VrRollout *rollout, const VrRevision *revision, gint64 now_us)
{
    VrDifference *self = g_new0(VrDifference, 1);
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(VrMovedVm));
    Comparing comparing = {rollout, revision, self, places, all};

    self->vms = g_array_new(FALSE, FALSE, sizeof(VrMovedVm));
    self->left_hosts = g_array_new(FALSE, FALSE, sizeof(VrLeftHost));
    compare_old_steps(&comparing);
    compare_new_steps(&comparing);
    for (guint i = 0; i < all->len; i++) {
        const VrMovedVm *vm = &g_array_index(all, VrMovedVm, i);
        if (g_strcmp0(vm->before, vm->after) != 0)
            g_array_append_vals(self->vms, vm, 1);
    }
    self->end_us += rollout->started_us != 0 ? rollout->started_us : now_us;
    self->end_us = MAX(self->end_us, now_us);
    self->end_before_us = vr_tally_forecast_end_us(rollout, now_us);
    return self;
}

gboolean
vr_difference_is_none(const VrDifference *self)
{
    return self->vms->len == 0 && self->left_hosts->len == 0 &&
           self->migrations == self->migrations_before && self->updates == self->updates_before;
}

void
vr_difference_free(VrDifference *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->vms);
    g_array_unref(self->left_hosts);
    g_free(self);
}
