/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last look before a migration is issued: is there room, and nothing in its way? */
#include "rollout/decide.h"

/* Memory that VMs on their way to the target will take and that the listing does not show yet. */
static gint64
arriving_mib(const VrRollout *rollout, const VrStepState *step, const VrListing *listing)
{
    gint64 sum_mib = 0;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *other = vr_rollout_step(rollout, i);
        gboolean listed = FALSE;
        if (other == step || other->plan->kind != VR_STEP_MIGRATE || !vr_step_is_busy(other) ||
            other->tries == 0 || g_strcmp0(other->plan->target, step->plan->target) != 0)
            continue;
        for (guint k = 0; k < listing->vms->len && !listed; k++) {
            const VrListedVm *vm = g_ptr_array_index(listing->vms, k);
            listed = vm->active && g_strcmp0(vm->uuid, other->plan->vm_uuid) == 0;
        }
        gint vm = vr_inventory_find_vm(rollout->basis->inventory, other->plan->vm_uuid);
        if (!listed && vm >= 0)
            sum_mib += vr_inventory_vm(rollout->basis->inventory, (guint)vm)->memory_mib;
    }
    return sum_mib;
}

/* NULL if the VM may go to the listed target now; else why not. (transfer full) */
static char *
find_obstacle(VrDeciding *self, const VrStepState *step, VrFailure *out_failure)
{
    const VrListing *listing = self->input->listing;
    const VrPlanStep *plan = step->plan;
    gint64 usable_mib = vr_rollout_usable_mib(self->rollout, plan->target);
    gint64 used_mib = arriving_mib(self->rollout, step, listing);
    gint64 needed_mib = vr_migration_memory_mib(self, step);

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
        if (vm->active)
            used_mib += vm->memory_mib;
    }
    *out_failure = VR_FAILURE_NO_MEMORY;
    if (used_mib + needed_mib > usable_mib)
        return g_strdup_printf(
            "%s needs %" G_GINT64_FORMAT " MiB and %s has %" G_GINT64_FORMAT
            " MiB free of %" G_GINT64_FORMAT ": more runs there than was planned",
            plan->vm, needed_mib, plan->target, MAX(0, usable_mib - used_mib), usable_mib);
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
    if (!vr_rollout_may_begin(self->rollout)) {
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
