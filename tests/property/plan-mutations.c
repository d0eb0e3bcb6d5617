/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan-mutations.h"
#include "plan/build.h"

static VrPlanStep *
step_at(const Mutant *self, guint index)
{
    return g_ptr_array_index(self->plan->steps, index);
}

static gboolean
is_forward(const VrPlanStep *step)
{
    return step->kind == VR_STEP_MIGRATE && !step->extra;
}

/* Does `after` keep the step behind the one with this id by a way round, too? */
static gboolean
is_implied(const Mutant *self, guint index, guint id)
{
    g_autofree gboolean *reached = g_new0(gboolean, self->plan->steps->len + 1);

    for (guint i = index + 1; i-- > 0;) {
        const VrPlanStep *step = step_at(self, i);
        if (i != index && !reached[step->id])
            continue;
        for (guint j = 0; j < step->after->len; j++) {
            guint before = g_array_index(step->after, guint, j);
            if (i != index || before != id)
                reached[before] = TRUE;
        }
    }
    return reached[id];
}

/* Takes the first edge to a step of the kind that matters and that nothing else implies. */
static gboolean
drop_edge(Mutant *self, guint index, gboolean (*matters)(const VrPlanStep *, const VrPlanStep *))
{
    VrPlanStep *step = step_at(self, index);

    for (guint i = 0; i < step->after->len; i++) {
        guint id = g_array_index(step->after, guint, i);
        if (!matters(step, step_at(self, id - 1)) || is_implied(self, index, id))
            continue;
        g_array_remove_index(step->after, i);
        return TRUE;
    }
    return FALSE;
}

static gboolean
is_update_of_target(const VrPlanStep *step, const VrPlanStep *before)
{
    return is_forward(step) && before->kind == VR_STEP_UPDATE &&
           strcmp(before->host, step->target) == 0;
}

static gboolean
is_departure(const VrPlanStep *step, const VrPlanStep *before)
{
    return step->kind == VR_STEP_UPDATE && before->kind != VR_STEP_UPDATE &&
           strcmp(before->source, step->host) == 0;
}

static gboolean
is_watched(const VrPlanStep *step, const VrPlanStep *before)
{
    return step->kind == VR_STEP_GATE && before->kind == VR_STEP_MIGRATE;
}

static gboolean
drop_update_of_target(Mutant *self, guint index)
{
    return drop_edge(self, index, is_update_of_target);
}

static gboolean
drop_departure(Mutant *self, guint index)
{
    return drop_edge(self, index, is_departure);
}

static gboolean
drop_watched(Mutant *self, guint index)
{
    return drop_edge(self, index, is_watched);
}

static gboolean
target_is_source(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    step->target = vr_plan_keep(self->plan, step->source);
    return TRUE;
}

/* Onto a host whose update comes later. */
static gboolean
target_is_too_early(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (!is_forward(step))
        return FALSE;
    for (guint i = index + 1; i < self->plan->steps->len; i++) {
        const VrPlanStep *other = step_at(self, i);
        if (other->kind != VR_STEP_UPDATE || strcmp(other->host, step->source) == 0)
            continue;
        step->target = vr_plan_keep(self->plan, other->host);
        return TRUE;
    }
    return FALSE;
}

static gboolean
target_is_left_out(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE || self->plan->skipped->len == 0)
        return FALSE;
    const VrPlanSkip *skip = g_ptr_array_index(self->plan->skipped, 0);
    step->target = vr_plan_keep(self->plan, skip->host);
    return TRUE;
}

static gboolean
vm_is_another(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    for (guint i = index + 1; is_forward(step) && i < self->plan->steps->len; i++) {
        const VrPlanStep *other = step_at(self, i);
        if (!is_forward(other) || strcmp(other->vm_uuid, step->vm_uuid) == 0)
            continue;
        step->vm_uuid = vr_plan_keep(self->plan, other->vm_uuid);
        step->vm = vr_plan_keep(self->plan, other->vm);
        return TRUE;
    }
    return FALSE;
}

/* Before what it is after has ended, by one millisecond. */
static gboolean
starts_early(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    for (guint i = 0; i < step->after->len; i++) {
        const VrPlanStep *before = step_at(self, g_array_index(step->after, guint, i) - 1);
        if (before->end_ms != step->start_ms)
            continue;
        step->start_ms--;
        step->end_ms--;
        return TRUE;
    }
    return FALSE;
}

static gboolean
takes_less(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (step->end_ms == step->start_ms)
        return FALSE;
    step->end_ms--;
    return TRUE;
}

static gboolean
takes_more(Mutant *self, guint index)
{
    step_at(self, index)->end_ms++;
    return TRUE;
}

static gboolean
rate_is_low(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    step->rate_mib_per_s = (step->rate_mib_per_s - 1) / 2;
    return TRUE;
}

static gboolean
rate_is_high(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    step->rate_mib_per_s = step->rate_mib_per_s * 2 + 1;
    return TRUE;
}

static gboolean
extra_is_flipped(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    step->extra = !step->extra;
    return step->kind == VR_STEP_MIGRATE;
}

static gboolean
kind_is_gate(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_UPDATE)
        return FALSE;
    step->kind = VR_STEP_GATE;
    return TRUE;
}

/* What comes after it loses an edge, too: no id may point nowhere. */
static gboolean
step_is_missing(Mutant *self, guint index)
{
    guint gone = index + 1;

    if (step_at(self, index)->kind == VR_STEP_GATE && self->policy->limits.gate_s == 0)
        return FALSE;
    g_ptr_array_remove_index(self->plan->steps, index);
    for (guint i = index; i < self->plan->steps->len; i++) {
        VrPlanStep *step = step_at(self, i);
        step->id--;
        for (guint j = step->after->len; j-- > 0;) {
            guint *id = &g_array_index(step->after, guint, j);
            if (*id == gone)
                g_array_remove_index(step->after, j);
            else if (*id > gone)
                (*id)--;
        }
    }
    return TRUE;
}

/* The inventory's own VM of a step: what the plan was made of was another. */
static VrVm *
vm_of(const Mutant *self, const VrPlanStep *step)
{
    gint index = vr_inventory_find_vm(self->inventory, step->vm_uuid);

    return g_ptr_array_index(self->inventory->vms, index);
}

static VrHost *
host_named(const Mutant *self, const char *name)
{
    return g_ptr_array_index(self->inventory->hosts, vr_inventory_find_host(self->inventory, name));
}

static gboolean
vm_is_larger(Mutant *self, guint index)
{
    const VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    vm_of(self, step)->memory_mib = host_named(self, step->target)->memory_mib + 1;
    return TRUE;
}

static gboolean
vm_has_more_vcpus(Mutant *self, guint index)
{
    const VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    vm_of(self, step)->vcpus = host_named(self, step->target)->vcpus + 1;
    return TRUE;
}

static gboolean
vm_is_busier(Mutant *self, guint index)
{
    const VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE || self->policy->limits.target_cpu_permille_max == 0)
        return FALSE;
    vm_of(self, step)->cpu_used_permille = 1000 * host_named(self, step->target)->vcpus;
    return TRUE;
}

static gboolean
vm_is_unmovable(Mutant *self, guint index)
{
    const VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    vm_of(self, step)->movable = FALSE;
    return TRUE;
}

static gboolean
vm_is_shut_off(Mutant *self, guint index)
{
    const VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    vm_of(self, step)->state = VR_VM_SHUT_OFF;
    return TRUE;
}

static gboolean
target_is_in_another_pool(Mutant *self, guint index)
{
    const VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_MIGRATE)
        return FALSE;
    VrHost *target = host_named(self, step->target);
    g_free(target->pool);
    target->pool = g_strdup("elsewhere");
    return TRUE;
}

/* A later step that brings another VM to the same target, if `same`; from the same source, to
 * another target if not. */
static VrPlanStep *
find_companion(const Mutant *self, guint index, gboolean same)
{
    const VrPlanStep *step = step_at(self, index);

    for (guint i = index + 1; is_forward(step) && i < self->plan->steps->len; i++) {
        VrPlanStep *other = step_at(self, i);
        if (is_forward(other) && strcmp(other->vm_uuid, step->vm_uuid) != 0 &&
            (strcmp(other->target, step->target) == 0) == same &&
            (same || strcmp(other->source, step->source) == 0))
            return other;
    }
    return NULL;
}

static gboolean
name_is_taken(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index), *other = find_companion(self, index, TRUE);

    if (other == NULL)
        return FALSE;
    other->vm = step->vm;
    VrVm *vm = vm_of(self, other);
    g_free(vm->name);
    vm->name = g_strdup(step->vm);
    return TRUE;
}

/* A group by this rule, the last in the order of names. */
static void
put_into_group(Mutant *self, VrGroupRule rule, VrPlanStep *first, VrPlanStep *second)
{
    VrGroup *group = vr_inventory_add_group(self->inventory, "zz", rule);
    VrPlanStep *steps[] = {first, second};

    group->max_per_host = 1;
    g_ptr_array_add(group->hosts, g_strdup(first->target));
    for (guint i = 0; i < G_N_ELEMENTS(steps); i++)
        vm_of(self, steps[i])->group_index = (gint)self->inventory->groups->len - 1;
}

static gboolean
vms_are_too_close(Mutant *self, guint index)
{
    VrPlanStep *other = find_companion(self, index, TRUE);

    if (other != NULL)
        put_into_group(self, VR_GROUP_ANTI_AFFINITY, step_at(self, index), other);
    return other != NULL;
}

/* They were together. */
static gboolean
vms_are_torn_apart(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index), *other = find_companion(self, index, FALSE);

    if (other == NULL || strcmp(vm_of(self, step)->host, vm_of(self, other)->host) != 0)
        return FALSE;
    put_into_group(self, VR_GROUP_AFFINITY, step, other);
    return TRUE;
}

static gboolean
target_is_never(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    if (step->kind == VR_STEP_MIGRATE)
        put_into_group(self, VR_GROUP_NEVER_HOSTS, step, step);
    return step->kind == VR_STEP_MIGRATE;
}

/* A VM that is shut off would start by itself during the update. */
static gboolean
source_has_stale_definition(Mutant *self, guint index)
{
    const VrPlanStep *step = step_at(self, index);

    if (step->kind != VR_STEP_UPDATE)
        return FALSE;
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        VrVm *vm = g_ptr_array_index(self->inventory->vms, i);
        if (vm->state != VR_VM_SHUT_OFF || strcmp(vm->host, step->host) != 0)
            continue;
        vm->autostart = TRUE;
        return TRUE;
    }
    return FALSE;
}

/* A VM that migrates once more need not wait for its first migration. */
static gboolean
hop_is_unordered(Mutant *self, guint index)
{
    VrPlanStep *step = step_at(self, index);

    for (guint i = 0; step->kind == VR_STEP_MIGRATE && i < index; i++) {
        if (step_at(self, i)->kind != VR_STEP_MIGRATE ||
            strcmp(step_at(self, i)->vm_uuid, step->vm_uuid) != 0)
            continue;
        g_array_set_size(step->after, 0);
        return TRUE;
    }
    return FALSE;
}

/* The next ones go through the numbers of the summary, by the place in place of a step. */
static gint64 *
summary_number(VrPlanSummary *summary, guint index)
{
    gint64 *numbers[] = {&summary->hosts,           &summary->hosts_to_update,
                         &summary->hosts_skipped,   &summary->vms,
                         &summary->migrations,      &summary->extra_migrations,
                         &summary->makespan_ms,     &summary->migrations_in_flight_peak,
                         &summary->hosts_down_peak, &summary->exposure_vm_ms};

    return index < G_N_ELEMENTS(numbers) ? numbers[index] : NULL;
}

static gboolean
number_is_high(Mutant *self, guint index)
{
    gint64 *number = summary_number(&self->plan->summary, index);

    if (number == NULL)
        return FALSE;
    ++*number;
    return TRUE;
}

static gboolean
number_is_low(Mutant *self, guint index)
{
    gint64 *number = summary_number(&self->plan->summary, index);

    if (number == NULL)
        return FALSE;
    --*number;
    return TRUE;
}

static gboolean
bound_is_high(Mutant *self, guint index)
{
    VrPlanSummary *summary = &self->plan->summary;

    if (index == 0)
        summary->migrations_lower_bound = summary->migrations + 1;
    else if (index == 1)
        summary->makespan_lower_bound_ms = summary->makespan_ms + 1;
    else if (index == 2 && summary->extra_migrations == 0)
        summary->makespan_lower_bound_one_migration_ms = summary->makespan_ms + 1;
    else if (index == 3)
        summary->makespan_lower_bound_within_budget_ms = summary->makespan_ms + 1;
    else
        return FALSE;
    return TRUE;
}

/* As many spare hosts as are empty, if the first migration is onto one of them. */
static gboolean
spare_is_used(Mutant *self, guint index)
{
    guint spare = 0;
    gboolean used = FALSE;

    if (index > 0)
        return FALSE;
    for (guint i = 0; i < self->plan->steps->len && !used; i++) {
        const VrPlanStep *step = step_at(self, i);
        used = step->kind == VR_STEP_MIGRATE;
        for (guint j = 0; used && j < self->inventory->vms->len; j++) {
            const VrVm *vm = vr_inventory_vm(self->inventory, j);
            if (vm->state != VR_VM_SHUT_OFF && strcmp(vm->host, step->target) == 0)
                return FALSE;
        }
    }
    for (guint i = 0; i < self->inventory->hosts->len; i++) {
        gboolean empty = TRUE;
        for (guint j = 0; j < self->inventory->vms->len; j++) {
            const VrVm *vm = vr_inventory_vm(self->inventory, j);
            empty &= vm->state == VR_VM_SHUT_OFF || vm->host_index != i;
        }
        spare += empty;
    }
    self->policy->limits.spare_hosts_min = spare;
    return used;
}

static gboolean
limit_is_stricter(Mutant *self, guint index)
{
    VrLimits *limits = &self->policy->limits;
    const VrPlanSummary *summary = &self->plan->summary;

    if (index == 0 && summary->hosts_down_peak > 1)
        limits->hosts_down_max = summary->hosts_down_peak - 1;
    else if (index == 1 && summary->migrations_in_flight_peak > 1)
        limits->migrations_max = summary->migrations_in_flight_peak - 1;
    else if (index == 2 && summary->migrations > 0)
        limits->headroom_permille = 999;
    else if (index == 3 && summary->migrations > summary->extra_migrations)
        limits->gate_s += 7200;
    else if (index == 4 && summary->migrations > 0)
        limits->migration_overhead_ms++;
    else
        return FALSE;
    return TRUE;
}

#define STEP(function) #function, function, FALSE
#define PLAN(function) #function, function, TRUE

const Mutation plan_mutations[MUTATIONS] = {
    {STEP(drop_update_of_target)},
    {STEP(drop_departure)},
    {STEP(drop_watched)},
    {STEP(hop_is_unordered)},
    {STEP(target_is_source)},
    {STEP(target_is_too_early)},
    {STEP(target_is_left_out)},
    {STEP(target_is_in_another_pool)},
    {STEP(target_is_never)},
    {STEP(vm_is_another)},
    {STEP(vm_is_larger)},
    {STEP(vm_has_more_vcpus)},
    {STEP(vm_is_busier)},
    {STEP(vm_is_unmovable)},
    {STEP(vm_is_shut_off)},
    {STEP(name_is_taken)},
    {STEP(vms_are_too_close)},
    {STEP(vms_are_torn_apart)},
    {STEP(source_has_stale_definition)},
    {STEP(starts_early)},
    {STEP(takes_less)},
    {STEP(takes_more)},
    {STEP(rate_is_low)},
    {STEP(rate_is_high)},
    {STEP(extra_is_flipped)},
    {STEP(kind_is_gate)},
    {STEP(step_is_missing)},
    {PLAN(number_is_high)},
    {PLAN(number_is_low)},
    {PLAN(bound_is_high)},
    {PLAN(spare_is_used)},
    {PLAN(limit_is_stricter)},
};
