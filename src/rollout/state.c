/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rollout as a value: new, free, copy, questions. apply.c changes it, and what that calls. */
#include <string.h>

#include "rollout/state.h"

static VrStepState *
step_state_new(const VrPlanStep *plan)
{
    VrStepState *self = g_new0(VrStepState, 1);

    self->plan = plan;
    self->source_update = -1;
    self->target_update = -1;
    self->row = -1;
    self->side = -1;
    self->libvirt_id = VR_UNKNOWN;
    self->source_cpu_time_ns = VR_UNKNOWN;
    self->target_cpu_time_ns = VR_UNKNOWN;
    self->stats = (VrMigrationStats){VR_UNKNOWN, VR_UNKNOWN, VR_UNKNOWN};
    return self;
}

static VrStepState *
step_state_copy(const VrStepState *self)
{
    VrStepState *copy = g_memdup2(self, sizeof *self);

    copy->reason = g_strdup(self->reason);
    copy->silent = g_strdup(self->silent);
    if (self->definition != NULL) /* long, and the same for ever: shared */
        copy->definition = g_ref_string_acquire(self->definition);
    copy->last_error = g_strdup(self->last_error);
    copy->facts_before = g_strdup(self->facts_before);
    copy->facts_before_reboot = g_strdup(self->facts_before_reboot);
    copy->facts_after = g_strdup(self->facts_after);
    return copy;
}

static void
step_state_free(gpointer data)
{
    VrStepState *self = data;

    g_free(self->reason);
    g_free(self->silent);
    g_clear_pointer(&self->definition, g_ref_string_release);
    g_free(self->last_error);
    g_free(self->facts_before);
    g_free(self->facts_before_reboot);
    g_free(self->facts_after);
    g_free(self);
}

static void
append_copy(gpointer text, gpointer array)
{
    g_ptr_array_add(array, g_strdup(text));
}

static VrHostAlert *
alert_copy(const VrHostAlert *self)
{
    VrHostAlert *copy = g_memdup2(self, sizeof *self);

    copy->host = g_strdup(self->host);
    copy->reason = g_strdup(self->reason);
    copy->staying = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_foreach(self->staying, append_copy, copy->staying);
    return copy;
}

static VrHostHealth *
health_copy(const VrHostHealth *self)
{
    VrHostHealth *copy = g_memdup2(self, sizeof *self);

    copy->host = g_strdup(self->host);
    copy->sentence = g_strdup(self->sentence);
    copy->evidence = g_strdup(self->evidence);
    return copy;
}

static void
health_free(gpointer data)
{
    VrHostHealth *self = data;

    g_free(self->host);
    g_free(self->sentence);
    g_free(self->evidence);
    g_free(self);
}

static void
alert_free(gpointer data)
{
    VrHostAlert *self = data;

    g_free(self->host);
    g_free(self->reason);
    g_ptr_array_unref(self->staying);
    g_free(self);
}

static void
basis_clear(gpointer data)
{
    VrBasis *self = data;

    vr_plan_free(self->plan);
    vr_policy_free(self->policy);
    vr_inventory_free(self->inventory);
    g_ptr_array_unref(self->dependents);
}

VrRollout *
vr_rollout_new(void)
{
    VrRollout *self = g_new0(VrRollout, 1);

    self->steps = g_ptr_array_new_with_free_func(step_state_free);
    self->alerts = g_ptr_array_new_with_free_func(alert_free);
    self->healths = g_ptr_array_new_with_free_func(health_free);
    return self;
}

VrRollout *
vr_rollout_copy(const VrRollout *self)
{
    VrRollout *copy = g_memdup2(self, sizeof *self);

    copy->id = g_strdup(self->id);
    copy->reason = g_strdup(self->reason);
    if (self->basis != NULL)
        copy->basis = g_atomic_rc_box_acquire((gpointer)(guintptr)self->basis);
    copy->steps = g_ptr_array_new_full(self->steps->len, step_state_free);
    for (guint i = 0; i < self->steps->len; i++)
        g_ptr_array_add(copy->steps, step_state_copy(vr_rollout_step(self, i)));
    copy->alerts = g_ptr_array_new_full(self->alerts->len, alert_free);
    for (guint i = 0; i < self->alerts->len; i++)
        g_ptr_array_add(copy->alerts, alert_copy(vr_rollout_alert(self, i)));
    copy->healths = g_ptr_array_new_full(self->healths->len, health_free);
    for (guint i = 0; i < self->healths->len; i++)
        g_ptr_array_add(copy->healths, health_copy(vr_rollout_health(self, i)));
    return copy;
}

void
vr_rollout_free(VrRollout *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->steps);
    g_ptr_array_unref(self->alerts);
    g_ptr_array_unref(self->healths);
    if (self->basis != NULL)
        g_atomic_rc_box_release_full((gpointer)(guintptr)self->basis, basis_clear);
    g_free(self->id);
    g_free(self->reason);
    g_free(self);
}

static gint
find_update(GHashTable *updates, const char *host)
{
    gpointer index = NULL;

    if (host == NULL || !g_hash_table_lookup_extended(updates, host, NULL, &index))
        return -1;
    return GPOINTER_TO_INT(index);
}

static void
link_step(VrRollout *self, VrBasis *basis, GHashTable *updates, guint index)
{
    VrStepState *step = vr_rollout_step(self, index);
    const VrPlanStep *plan = step->plan;
    const char *target = plan->kind == VR_STEP_GATE ? plan->host : plan->target;

    step->source_update = find_update(updates, plan->source);
    step->target_update = find_update(updates, target);
    step->unmet = 0;
    for (guint i = 0; i < plan->after->len; i++) {
        guint before = g_array_index(plan->after, guint, i) - 1;
        step->unmet += !vr_phase_is_satisfied(vr_rollout_step(self, before)->phase);
        g_array_append_val((GArray *)g_ptr_array_index(basis->dependents, before), index);
    }
}

static void
free_array(gpointer data)
{
    g_array_unref(data);
}

/* Puts the state on a basis, whose plan has its steps and perhaps more: those are pending. */
static void
stand_on(VrRollout *self, VrBasis *basis)
{
    const VrPlan *plan = basis->plan;
    g_autoptr(GHashTable) updates = g_hash_table_new(g_str_hash, g_str_equal);

    basis->dependents = g_ptr_array_new_with_free_func(free_array);
    for (guint i = 0; i < plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(plan, i);
        g_assert(step->id == i + 1);
        if (i < self->steps->len)
            vr_rollout_step(self, i)->plan = step;
        else
            g_ptr_array_add(self->steps, step_state_new(step));
        g_ptr_array_add(basis->dependents, g_array_new(FALSE, FALSE, sizeof(guint)));
        if (step->kind == VR_STEP_UPDATE && vr_rollout_step(self, i)->phase != VR_PHASE_SUPERSEDED)
            g_hash_table_insert(updates, step->host, GINT_TO_POINTER((gint)i));
    }
    for (guint i = 0; i < self->steps->len; i++)
        link_step(self, basis, updates, i);
    if (self->basis != NULL)
        g_atomic_rc_box_release_full((gpointer)(guintptr)self->basis, basis_clear);
    self->basis = basis;
}

void
vr_state_found(VrRollout *self, VrPlan *plan, VrPolicy *policy, VrInventory *inventory)
{
    VrBasis *basis = g_atomic_rc_box_new0(VrBasis);

    basis->plan = plan;
    basis->policy = policy;
    basis->inventory = inventory;
    stand_on(self, basis);
    basis->extras_approved = vr_rollout_count_extras(self);
}

void
vr_state_revise(VrRollout *self, VrPlan *plan, VrInventory *inventory, gboolean automatic)
{
    VrBasis *basis = g_atomic_rc_box_new0(VrBasis);
    guint extras_approved = self->basis->extras_approved;

    basis->plan = plan;
    basis->policy = vr_policy_copy(self->basis->policy);
    basis->inventory = inventory;
    stand_on(self, basis);
    basis->extras_approved = automatic ? extras_approved : vr_rollout_count_extras(self);
}

void
vr_state_extend(VrRollout *self, VrPlan *plan)
{
    vr_state_revise(self, plan, vr_inventory_copy(self->basis->inventory), TRUE);
}

VrHostHealth *
vr_state_add_health(VrRollout *self, const char *host)
{
    VrHostHealth *health = g_new0(VrHostHealth, 1);

    health->host = g_strdup(host);
    g_ptr_array_add(self->healths, health);
    return health;
}

VrHostAlert *
vr_state_add_alert(VrRollout *self, const char *host)
{
    VrHostAlert *alert = g_new0(VrHostAlert, 1);

    alert->host = g_strdup(host);
    alert->staying = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(self->alerts, alert);
    return alert;
}

guint
vr_rollout_count_extras(const VrRollout *self)
{
    guint count = 0;

    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        count += step->plan->extra && step->phase != VR_PHASE_SUPERSEDED;
    }
    return count;
}

guint
vr_rollout_count_satisfied(const VrRollout *self)
{
    guint count = 0;

    for (guint i = 0; i < self->steps->len; i++)
        count += vr_phase_is_satisfied(vr_rollout_step(self, i)->phase);
    return count;
}

gint
vr_rollout_find_update(const VrRollout *self, const char *host)
{
    gint found = -1;

    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        if (step->plan->kind != VR_STEP_UPDATE || g_strcmp0(step->plan->host, host) != 0)
            continue;
        found = (gint)i;
        if (step->phase != VR_PHASE_SUPERSEDED)
            break;
    }
    return found;
}

gboolean
vr_phase_is_satisfied(VrPhase phase)
{
    return phase == VR_PHASE_UPDATED || phase == VR_PHASE_SETTLED || phase == VR_PHASE_STOPPED ||
           phase == VR_PHASE_PASSED || phase == VR_PHASE_QUARANTINED || phase == VR_PHASE_REOPENED;
}

gboolean
vr_phase_is_last(VrPhase phase)
{
    return vr_phase_is_satisfied(phase) || phase == VR_PHASE_FAILED || phase == VR_PHASE_ALERTED ||
           phase == VR_PHASE_NEEDS_OPERATOR || phase == VR_PHASE_SUPERSEDED;
}

gboolean
vr_phase_is_replaceable(VrPhase phase)
{
    return phase == VR_PHASE_PENDING || phase == VR_PHASE_CLOSED || phase == VR_PHASE_ALERTED ||
           phase == VR_PHASE_FAILED || phase == VR_PHASE_NEEDS_OPERATOR;
}

gint
vr_compare_ids(gconstpointer a, gconstpointer b)
{
    guint left = *(const guint *)a;
    guint right = *(const guint *)b;

    return (left > right) - (left < right);
}

gboolean
vr_phase_is_host_down(VrPhase phase)
{
    return phase >= VR_PHASE_APPLYING && phase <= VR_PHASE_VERIFYING;
}

gboolean
vr_rollout_is_over(VrRolloutPhase phase)
{
    return phase != VR_ROLLOUT_RUNNING && phase != VR_ROLLOUT_STOPPING;
}

gboolean
vr_rollout_is_asked_about(const VrRollout *self, const VrStepState *step)
{
    if (step->plan->kind != VR_STEP_MIGRATE)
        return FALSE;
    /* While libvirt works on it, or nobody knows, there is nothing to leave as it is. */
    if (step->phase == VR_PHASE_NEEDS_OPERATOR)
        return step->row < 0 ||
               ((1u << step->row) & (1u << VR_ROW_Y | 1u << VR_ROW_Z | 1u << VR_ROW_U |
                                     1u << VR_ROW_J | 1u << VR_ROW_K)) == 0;
    if (step->phase == VR_PHASE_FAILED)
        return TRUE;
    for (guint i = 0; step->phase == VR_PHASE_SETTLED && i < self->steps->len; i++) {
        const VrStepState *gate = vr_rollout_step(self, i);
        if (gate->plan->kind == VR_STEP_GATE && gate->phase == VR_PHASE_NEEDS_OPERATOR &&
            g_strcmp0(gate->plan->host, step->plan->target) == 0 &&
            g_strcmp0(gate->plan->source, step->plan->source) == 0)
            return TRUE;
    }
    return FALSE;
}

gboolean
vr_rollout_is_unfinished(const VrRollout *self)
{
    return self->basis != NULL && self->phase != VR_ROLLOUT_DONE &&
           self->phase != VR_ROLLOUT_CLOSED;
}

gboolean
vr_step_is_busy(const VrStepState *step)
{
    return !vr_phase_is_last(step->phase) && step->phase != VR_PHASE_PENDING &&
           step->phase != VR_PHASE_DEFERRED && step->phase != VR_PHASE_CLOSED &&
           step->phase != VR_PHASE_WATCHING;
}

gboolean
vr_rollout_may_begin(const VrRollout *self)
{
    if (self->phase != VR_ROLLOUT_RUNNING || vr_rollout_blocking_alert(self) != NULL)
        return FALSE;
    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        if (step->phase == VR_PHASE_NEEDS_OPERATOR && !step->set_aside)
            return FALSE;
    }
    return TRUE;
}

gboolean
vr_rollout_may_begin_step(const VrRollout *self, const VrStepState *step)
{
    return vr_step_is_way_back(step->plan) ? self->phase == VR_ROLLOUT_RUNNING
                                           : vr_rollout_may_begin(self);
}

VrStepState *
vr_rollout_awaited(const VrRollout *self, const VrInput *input)
{
    if (input->step < 1 || input->step > self->steps->len)
        return NULL;

    VrStepState *step = vr_rollout_step(self, input->step - 1);
    return step->attempt == input->attempt ? step : NULL;
}

gint64
vr_rollout_usable_mib(const VrRollout *self, const char *host)
{
    gint index = vr_inventory_find_host(self->basis->inventory, host);

    if (index < 0)
        return 0;
    return vr_policy_usable_mib(
        self->basis->policy, vr_inventory_host(self->basis->inventory, (guint)index)->memory_mib);
}
