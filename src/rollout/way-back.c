/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/way-back.h>

#include <string.h>

#include "base/time.h"
#include "plan/build.h"
#include "plan/capacity.h"
#include "rollout/revision.h"
#include "rollout/state.h"

/* May VMs go back to a host? */
typedef enum {
    STANDING_NO,
    STANDING_LATER, /* it is in the midst of something that will end */
    STANDING_YES,
} Standing;

typedef struct {
    const VrRollout *rollout;
    const char *host; /* that they leave */
    const GPtrArray *staying;
    VrProblem *problem;
    VrCapacity *capacity; /* with everything where it is now, what is on its way on both sides */
    VrWayBack *result;
    gint64 now_ms; /* since the rollout's start */
    guint quarantine;
} Composing;

void
vr_way_back_free(VrWayBack *self)
{
    if (self == NULL)
        return;
    vr_plan_free(self->plan);
    g_ptr_array_unref(self->staying);
    g_string_free(self->reasons, TRUE);
    g_free(self);
}

/* ------------------------------------------------------------------ which VMs */

/* Was a step to take the VM off the host, which its owner or a person has left there? */
static gboolean
was_left(const Composing *self, const char *vm_uuid)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        if (step->plan->back && step->phase == VR_PHASE_STOPPED &&
            strcmp(step->plan->source, self->host) == 0 &&
            strcmp(step->plan->vm_uuid, vm_uuid) == 0)
            return TRUE;
    }
    return FALSE;
}

/* It came to the host, is there as far as is known, and nothing has been decided for it. */
static gboolean
wants_back(const Composing *self, const VrStepState *step)
{
    if (step->plan->kind != VR_STEP_MIGRATE || step->phase != VR_PHASE_SETTLED ||
        strcmp(step->plan->target, self->host) != 0 || vr_rollout_moves_on(self->rollout, step) ||
        was_left(self, step->plan->vm_uuid))
        return FALSE;
    return self->staying == NULL ||
           !g_ptr_array_find_with_equal_func((GPtrArray *)(guintptr)self->staying,
                                             step->plan->vm_uuid, g_str_equal, NULL);
}

static gboolean
was_brought_back(const VrRollout *rollout, const char *vm_uuid)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->back && step->phase != VR_PHASE_SUPERSEDED &&
            strcmp(step->plan->vm_uuid, vm_uuid) == 0)
            return TRUE;
    }
    return FALSE;
}

/* ------------------------------------------------------------------ which hosts */

static Standing
standing_in_update(const VrStepState *update)
{
    if (update->was_down || update->phase == VR_PHASE_UPDATED)
        return STANDING_NO;
    if (update->phase == VR_PHASE_NEEDS_OPERATOR)
        return update->silent == NULL ? STANDING_YES : STANDING_NO;
    return update->phase == VR_PHASE_PENDING || update->phase == VR_PHASE_CLOSED ? STANDING_YES
                                                                                 : STANDING_LATER;
}

static Standing
standing_of(const Composing *self, const char *host)
{
    const VrRollout *rollout = self->rollout;
    gint index = vr_inventory_find_host(rollout->basis->inventory, host);
    gint update = vr_rollout_find_update(rollout, host);

    if (index < 0 || strcmp(host, self->host) == 0 ||
        vr_rollout_find_alert(rollout, host) != NULL || vr_rollout_is_quarantined(rollout, host))
        return STANDING_NO;
    if (update >= 0)
        return standing_in_update(vr_rollout_step(rollout, (guint)update));
    return vr_inventory_host(rollout->basis->inventory, (guint)index)->updated == VR_UPDATED_NO
               ? STANDING_YES
               : STANDING_NO;
}

/* Some VM's own source is being closed: what is decided now might miss it. */
static gboolean
must_wait(const Composing *self)
{
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        if (wants_back(self, step) && standing_of(self, step->plan->source) == STANDING_LATER)
            return TRUE;
    }
    return FALSE;
}

/* ------------------------------------------------------------------ who has room */

/*
 * The inventory may be younger than some of the migrations: only one that begins where its VM is
 * has happened since.
 */
static void
account_for(Composing *self, const VrStepState *step, guint vm, guint *at)
{
    const VrInventory *inventory = self->rollout->basis->inventory;
    VrBlock block = {&vm, 1, self->problem->vms[vm].size, self->problem->vms[vm].link_mib};
    gint source = vr_inventory_find_host(inventory, step->plan->source);
    gint target = vr_inventory_find_host(inventory, step->plan->target);

    if (source < 0 || target < 0 || *at != (guint)source)
        return;
    if (step->phase == VR_PHASE_SETTLED) {
        vr_capacity_give(self->capacity, &block, (guint)source);
        *at = (guint)target;
    } else if (!step->plan->back && step->tries == 0) {
        return;
    }
    vr_capacity_take(self->capacity, &block, (guint)target);
}

static void
account(Composing *self)
{
    const VrInventory *inventory = self->rollout->basis->inventory;
    g_autofree guint *at = g_new(guint, inventory->vms->len + 1);

    for (guint i = 0; i < inventory->vms->len; i++)
        at[i] = vr_inventory_vm(inventory, i)->host_index;
    for (guint i = 0; i < self->rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self->rollout, i);
        gint vm = step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_SUPERSEDED
                      ? vr_inventory_find_vm(inventory, step->plan->vm_uuid)
                      : -1;
        if (vm >= 0)
            account_for(self, step, (guint)vm, &at[vm]);
    }
}

/* Closed, with room that is kept for the VMs that have left it. */
static gboolean
is_refuge(const Composing *self, const char *host)
{
    gint update = vr_rollout_find_update(self->rollout, host);

    return update >= 0 && vr_rollout_step(self->rollout, (guint)update)->phase != VR_PHASE_PENDING;
}

/* Another host of its pool that is not updated and has room, the emptiest first; NULL. */
static const char *
find_other(const Composing *self, guint vm, guint source)
{
    const VrInventory *inventory = self->rollout->basis->inventory;
    VrBlock block = {&vm, 1, self->problem->vms[vm].size, self->problem->vms[vm].link_mib};
    const char *best = NULL;
    gint64 best_mib = -1;

    for (guint h = 0; h < inventory->hosts->len; h++) {
        const char *name = vr_inventory_host(inventory, h)->name;
        gint64 free_mib = self->capacity->frees[h].of[VR_RESOURCE_MEMORY];
        if (self->problem->hosts[h].pool == self->problem->hosts[source].pool &&
            free_mib > best_mib && standing_of(self, name) == STANDING_YES &&
            !is_refuge(self, name) && vr_capacity_fit(self->capacity, &block, h) == VR_FIT_YES) {
            best = name;
            best_mib = free_mib;
        }
    }
    return best;
}

/* ------------------------------------------------------------------ the steps */

static VrWayBack *
way_back_new(const VrRollout *rollout)
{
    VrWayBack *self = g_new0(VrWayBack, 1);

    self->plan = vr_plan_copy(rollout->basis->plan);
    self->from = self->plan->steps->len;
    self->staying = g_ptr_array_new_with_free_func(g_free);
    self->reasons = g_string_new(NULL);
    return self;
}

/* Its id. */
static guint
append_host_step(VrWayBack *self, VrStepKind kind, const char *host, const char *why, gint64 now_ms)
{
    VrPlanStep *step = vr_plan_append_step(self->plan, kind, NULL);

    step->host = vr_plan_keep(self->plan, host);
    step->start_ms = step->end_ms = now_ms;
    step->why = vr_plan_keep(self->plan, why);
    return step->id;
}

/* The latest step that closes or opens the host beside its update, planned or added just now. */
static const VrPlanStep *
find_host_step(const Composing *self, const char *host)
{
    const VrPlan *plan = self->result != NULL ? self->result->plan : self->rollout->basis->plan;

    for (guint i = plan->steps->len; i > 0; i--) {
        const VrPlanStep *step = vr_plan_step(plan, i - 1);
        gboolean is_gone = i <= self->rollout->steps->len &&
                           vr_rollout_step(self->rollout, i - 1)->phase == VR_PHASE_SUPERSEDED;
        if ((step->kind == VR_STEP_QUARANTINE || step->kind == VR_STEP_REOPEN) && !is_gone &&
            strcmp(step->host, host) == 0)
            return step;
    }
    return NULL;
}

static gboolean
is_to_be_quarantined(const Composing *self)
{
    const VrPlanStep *last = find_host_step(self, self->host);

    return last == NULL || last->kind != VR_STEP_QUARANTINE;
}

/* One that is just being opened is closed after that. */
static void
quarantine(Composing *self)
{
    const VrPlanStep *last = find_host_step(self, self->host);
    guint opened = last != NULL && last->kind == VR_STEP_REOPEN ? last->id : 0;

    self->quarantine = last != NULL ? last->id : 0;
    if (!is_to_be_quarantined(self))
        return;
    self->quarantine = append_host_step(
        self->result, VR_STEP_QUARANTINE, self->host,
        "it is in alert: nothing comes onto it, and what came leaves it", self->now_ms);
    if (opened != 0)
        vr_plan_step_add_after(g_ptr_array_index(self->result->plan->steps, self->quarantine - 1),
                               opened);
}

/* 0: it is open. */
static guint
reopen(Composing *self, const char *host)
{
    const VrPlanStep *last = find_host_step(self, host);

    if (last != NULL && last->kind == VR_STEP_REOPEN)
        return last->id;
    if (!vr_revision_is_closed(self->rollout, host))
        return 0;
    return append_host_step(self->result, VR_STEP_REOPEN, host, "VMs come back to it",
                            self->now_ms);
}

static void
bring_back(Composing *self, const VrStepState *arrival, const char *target)
{
    VrPlan *plan = self->result->plan;
    guint closed = self->quarantine;
    guint open = reopen(self, target);
    VrPlanStep *step = vr_plan_append_step(plan, VR_STEP_MIGRATE, NULL);
    g_autofree char *why = g_strdup_printf("back: %s is in alert", self->host);

    step->vm_uuid = vr_plan_keep(plan, arrival->plan->vm_uuid);
    step->vm = vr_plan_keep(plan, arrival->plan->vm);
    step->source = vr_plan_keep(plan, self->host);
    step->target = vr_plan_keep(plan, target);
    step->back = TRUE;
    step->rate_mib_per_s = MAX(arrival->plan->rate_mib_per_s, 1);
    step->start_ms = self->now_ms;
    step->end_ms = self->now_ms + (arrival->plan->end_ms - arrival->plan->start_ms);
    step->why = vr_plan_keep(plan, why);
    vr_plan_step_add_after(step, closed);
    if (open != 0)
        vr_plan_step_add_after(step, open);
}

static void
let_stay(Composing *self, const VrStepState *arrival, const char *why)
{
    g_ptr_array_add(self->result->staying, g_strdup(arrival->plan->vm_uuid));
    g_string_append_printf(self->result->reasons, "%s%s stays: %s",
                           self->result->reasons->len > 0 ? "; " : "", arrival->plan->vm, why);
}

static void
find_way(Composing *self, const VrStepState *arrival)
{
    const VrInventory *inventory = self->rollout->basis->inventory;
    gint vm = vr_inventory_find_vm(inventory, arrival->plan->vm_uuid);
    const char *target = arrival->plan->source;
    gint source = vr_inventory_find_host(inventory, target);

    if (was_brought_back(self->rollout, arrival->plan->vm_uuid)) {
        let_stay(self, arrival, "it has been migrated back once in this rollout");
        return;
    }
    if (vm < 0 || source < 0) {
        let_stay(self, arrival, "the plan does not know it any more");
        return;
    }
    if (standing_of(self, target) != STANDING_YES)
        target = find_other(self, (guint)vm, (guint)source);
    if (target == NULL) {
        let_stay(self, arrival, "no host that is not updated has room for it");
        return;
    }
    guint index = (guint)vm;
    VrBlock block = {&index, 1, self->problem->vms[vm].size, self->problem->vms[vm].link_mib};
    vr_capacity_take(self->capacity, &block, (guint)vr_inventory_find_host(inventory, target));
    bring_back(self, arrival, target);
}

/* Those with a refuge first: it is theirs. */
static void
find_ways(Composing *self)
{
    for (guint round = 0; round < 2; round++) {
        for (guint i = 0; i < self->rollout->steps->len; i++) {
            const VrStepState *step = vr_rollout_step(self->rollout, i);
            if (!wants_back(self, step))
                continue;
            gboolean has_refuge = standing_of(self, step->plan->source) == STANDING_YES;
            if (has_refuge == (round == 0))
                find_way(self, step);
        }
    }
}

static gint64
since_start_ms(const VrRollout *rollout, gint64 now_us)
{
    return MAX(now_us - rollout->started_us, 0) / VR_MS_US;
}

VrWayBack *
vr_way_back_compose(const VrRollout *rollout, const char *host, const GPtrArray *staying,
                    gint64 now_us)
{
    Composing composing = {
        .rollout = rollout,
        .host = host,
        .staying = staying,
        .now_ms = since_start_ms(rollout, now_us),
    };
    gboolean anybody = FALSE;

    for (guint i = 0; i < rollout->steps->len && !anybody; i++)
        anybody = wants_back(&composing, vr_rollout_step(rollout, i));
    if ((!anybody && !is_to_be_quarantined(&composing)) || must_wait(&composing))
        return NULL;

    g_autoptr(VrProblem) problem =
        vr_problem_new(rollout->basis->inventory, rollout->basis->policy);
    g_autoptr(VrCapacity) capacity = vr_capacity_new(problem, FALSE);
    composing.problem = problem;
    composing.capacity = capacity;
    composing.result = way_back_new(rollout);
    account(&composing);
    quarantine(&composing);
    find_ways(&composing);
    return composing.result;
}

VrWayBack *
vr_way_back_reopen(const VrRollout *rollout, const char *host, gint64 now_us)
{
    VrWayBack *self = way_back_new(rollout);

    (void)append_host_step(self, VR_STEP_REOPEN, host, "it was released",
                           since_start_ms(rollout, now_us));
    return self;
}
