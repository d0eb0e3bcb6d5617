/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last look before a migration is issued: is there room, and nothing in its way? */
#include "rollout/decide.h"

/* The VM of the step, if it is on its way to the target and not on the listing yet; else -1. */
static gint
find_arriving(const VrRollout *rollout, const VrStepState *step, const char *target,
              const VrListing *listing)
{
    if (step->plan->kind != VR_STEP_MIGRATE || !vr_step_is_busy(step) || step->tries == 0 ||
        g_strcmp0(step->plan->target, target) != 0)
        return -1;
    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        if (vm->active && g_strcmp0(vm->uuid, step->plan->vm_uuid) == 0)
            return -1;
    }
    return vr_inventory_find_vm(rollout->basis->inventory, step->plan->vm_uuid);
}

/* What runs on the target and what is on its way there, the step's own VM left out. */
typedef struct {
    gint64 memory_mib;
    gint64 group_members; /* of the step's VM's group, if it has one */
} Taken;

static void
take(Taken *self, const VrInventory *inventory, gint vm, gint64 memory_mib, gint group)
{
    self->memory_mib += memory_mib;
    self->group_members +=
        vm >= 0 && group >= 0 && vr_inventory_vm(inventory, (guint)vm)->group_index == group;
}

static Taken
count_taken(const VrRollout *rollout, const VrStepState *step, const VrListing *listing, gint group)
{
    const VrInventory *inventory = rollout->basis->inventory;
    Taken taken = {0, 0};

    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        if (vm->active)
            take(&taken, inventory, vr_inventory_find_vm(inventory, vm->uuid), vm->memory_mib,
                 group);
    }
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *other = vr_rollout_step(rollout, i);
        gint vm = other != step ? find_arriving(rollout, other, step->plan->target, listing) : -1;
        if (vm >= 0)
            take(&taken, inventory, vm, vr_inventory_vm(inventory, (guint)vm)->memory_mib, group);
    }
    return taken;
}

/* An owner may have started a member of the group there since the plan was made. */
static char *
find_group_obstacle(const VrRollout *rollout, const VrPlanStep *plan, gint group_index,
                    const Taken *taken)
{
    if (group_index < 0)
        return NULL;
    const VrGroup *group = vr_inventory_group(rollout->basis->inventory, (guint)group_index);
    if (group->rule != VR_GROUP_ANTI_AFFINITY || taken->group_members < group->max_per_host)
        return NULL;
    return g_strdup_printf("%s is of group %s, of which %s may have %" G_GINT64_FORMAT
                           " and has %" G_GINT64_FORMAT " already",
                           plan->vm, group->name, plan->target, group->max_per_host,
                           taken->group_members);
}

static char *
find_identity_obstacle(const VrPlanStep *plan, const VrListing *listing, VrFailure *out_failure)
{
    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        if (g_strcmp0(vm->uuid, plan->vm_uuid) == 0) {
            *out_failure = VR_FAILURE_UUID_TAKEN;
            return g_strdup_printf("%s is on %s already, %s", plan->vm, plan->target,
                                   vr_side_to_string(vm->side));
        }
        if (g_strcmp0(vm->name, plan->vm) == 0) {
            *out_failure = VR_FAILURE_NAME_TAKEN;
            return g_strdup_printf("%s: another VM of that name (%s) is on %s", plan->vm, vm->uuid,
                                   plan->target);
        }
    }
    return NULL;
}

/* NULL if the VM may go to the listed target now; else why not. (transfer full) */
static char *
find_obstacle(VrDeciding *self, const VrStepState *step, VrFailure *out_failure)
{
    const VrListing *listing = self->input->listing;
    const VrInventory *inventory = self->rollout->basis->inventory;
    const VrPlanStep *plan = step->plan;
    char *obstacle = find_identity_obstacle(plan, listing, out_failure);

    if (obstacle != NULL)
        return obstacle;
    gint vm = vr_inventory_find_vm(inventory, plan->vm_uuid);
    gint group = vm >= 0 ? vr_inventory_vm(inventory, (guint)vm)->group_index : -1;
    Taken taken = count_taken(self->rollout, step, listing, group);
    *out_failure = VR_FAILURE_GROUP_RULE;
    obstacle = find_group_obstacle(self->rollout, plan, group, &taken);
    if (obstacle != NULL)
        return obstacle;

    gint64 usable_mib = vr_rollout_usable_mib(self->rollout, plan->target);
    gint64 needed_mib = vr_migration_memory_mib(self, step);
    *out_failure = VR_FAILURE_NO_MEMORY;
    if (taken.memory_mib + needed_mib > usable_mib)
        return g_strdup_printf(
            "%s needs %" G_GINT64_FORMAT " MiB and %s has %" G_GINT64_FORMAT
            " MiB free of %" G_GINT64_FORMAT ": more runs there than was planned",
            plan->vm, needed_mib, plan->target, MAX(0, usable_mib - taken.memory_mib), usable_mib);
    return NULL;
}

/* The target could be read a moment ago and cannot be listed: not for ever. */
static void
fit_later(VrDeciding *self, const VrStepState *step)
{
    const VrRecoveryPolicy *recovery = &self->rollout->basis->policy->recovery;
    gint64 limit_us = recovery->hold_unknown_ms * VR_MS_US;
    const char *detail = self->input->listing->reachable ? "listing its guests takes more than 10 s"
                                                         : self->input->listing->detail;
    char *reason = g_strdup_printf("%s cannot be read: %s", step->plan->target, detail);
    VrFailure failure = self->input->listing->failure;
    VrEvent *event = NULL;

    if (failure == VR_FAILURE_NONE)
        failure = VR_FAILURE_HOST_UNREACHABLE;
    if (vr_failure_is_fatal(failure) || self->at_us - step->since_us >= limit_us)
        event = vr_deciding_need_operator(self, step, failure, reason);
    else
        event = vr_deciding_enter(self, step, VR_PHASE_FITTING, reason);
    event->silent = g_strdup(step->plan->target);
    event->failure = failure;
    if (event->phase == VR_PHASE_FITTING)
        event->not_before_us = self->at_us + recovery->poll_max_ms * VR_MS_US;
}

void
vr_migration_fitted(VrDeciding *self, const VrStepState *step)
{
    if (!vr_rollout_may_begin_step(self->rollout, step)) {
        vr_deciding_enter(self, step, VR_PHASE_PENDING, NULL);
        return;
    }
    if (!self->input->listing->reachable || vr_deciding_is_old(self)) {
        fit_later(self, step);
        return;
    }
    if (self->at_us - step->since_us > VR_PROOF_AGE_MAX_US) {
        vr_deciding_enter(
            self, step, VR_PHASE_CHECKING,
            g_strdup_printf("%s is looked at once more: that was a while ago", step->plan->vm));
        return;
    }

    VrFailure failure = VR_FAILURE_NONE;
    char *obstacle = find_obstacle(self, step, &failure);
    if (obstacle != NULL) {
        vr_deciding_need_operator(self, step, failure, obstacle);
        return;
    }
    vr_deciding_enter(self, step, VR_PHASE_MIGRATING, NULL)->deadline_us =
        self->at_us + vr_migration_limit_us(self, step);
}
