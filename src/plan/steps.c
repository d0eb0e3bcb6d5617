/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/time.h"
#include "plan/build.h"
#include "plan/steps.h"

struct VrSteps {
    const VrProblem *problem;
    VrPlan *plan;
    guint *updates;    /* per host: id of its update step; 0: none yet */
    GArray **arrivals; /* per host (nullable) (element-type guint): ids of extras onto it */
    guint last_update; /* 0: none yet */
    gint canary;       /* the first updated host that takes VMs; -1: none yet */
    guint canary_gate; /* 0: none */
};

VrSteps *
vr_steps_new(const VrProblem *problem, VrPlan *plan)
{
    VrSteps *self = g_new0(VrSteps, 1);

    self->problem = problem;
    self->plan = plan;
    self->updates = g_new0(guint, problem->host_count);
    self->arrivals = g_new0(GArray *, problem->host_count);
    self->canary = -1;
    return self;
}

static gint64
gate_ms(const VrSteps *self, guint target)
{
    const VrLimits *limits = &self->problem->policy->limits;

    /* Only the first gate of the canary is longer: after it the update has been seen to work. */
    if ((gint)target == self->canary && self->canary_gate == 0)
        return MAX(limits->gate_s, limits->gate_canary_s) * 1000;
    return limits->gate_s * 1000;
}

static char *
explain_move(const VrSteps *self, const VrDrain *drain, const VrMove *move)
{
    const char *target = vr_problem_host_name(self->problem, move->target);

    if (!move->extra)
        return g_strdup_printf("%s is updated; %" G_GINT64_FORMAT " MiB free after it", target,
                               move->free_mib);
    const char *source = vr_problem_host_name(self->problem, drain->host);
    if (drain->no_empty)
        return g_strdup_printf("no host is empty: %s can be emptied with the fewest extra "
                               "migrations (%u); %s has %" G_GINT64_FORMAT " MiB free after it",
                               source, drain->extra_count, target, move->free_mib);
    return g_strdup_printf("no host's VMs all fit on the updated hosts: %s needs the fewest extra "
                           "migrations (%u); %s has %" G_GINT64_FORMAT " MiB free after it",
                           source, drain->extra_count, target, move->free_mib);
}

static guint
add_migration(VrSteps *self, const VrDrain *drain, const VrMove *move)
{
    const VrVm *vm = vr_inventory_vm(self->problem->inventory, move->vm);
    VrPlanStep *step = vr_plan_append_step(self->plan, VR_STEP_MIGRATE);
    const GArray *arrivals = self->arrivals[drain->host];

    step->vm_uuid = g_strdup(vm->uuid);
    step->vm = g_strdup(vm->name);
    step->source = g_strdup(vr_problem_host_name(self->problem, move->source));
    step->target = g_strdup(vr_problem_host_name(self->problem, move->target));
    step->extra = move->extra;
    step->why = explain_move(self, drain, move);
    /* A host is closed when its drain begins: by then every extra onto it has arrived. */
    for (guint i = 0; arrivals != NULL && i < arrivals->len; i++)
        vr_plan_step_add_after(step, g_array_index(arrivals, guint, i));
    if (move->extra) {
        if (self->arrivals[move->target] == NULL)
            self->arrivals[move->target] = g_array_new(FALSE, FALSE, sizeof(guint));
        g_array_append_val(self->arrivals[move->target], step->id);
        return step->id;
    }
    if (self->updates[move->target] != 0)
        vr_plan_step_add_after(step, self->updates[move->target]);
    /* Not even the canary takes more: else its gate would watch VMs of later sources too. */
    if (self->canary_gate != 0)
        vr_plan_step_add_after(step, self->canary_gate);
    return step->id;
}

/* Returns the id, or 0 for a gate of length 0, which is left out. */
static guint
add_gate(VrSteps *self, guint source, guint target, const GArray *migrations)
{
    gint64 length_ms = gate_ms(self, target);

    if (length_ms == 0)
        return 0;
    VrPlanStep *step = vr_plan_append_step(self->plan, VR_STEP_GATE);
    step->host = g_strdup(vr_problem_host_name(self->problem, target));
    step->source = g_strdup(vr_problem_host_name(self->problem, source));
    step->end_ms = length_ms;
    g_autofree char *span = vr_time_format_span(length_ms * VR_MS_US);
    step->why = g_strdup_printf("holds %s's update until %s has run its VMs for %s", step->source,
                                step->host, span);
    for (guint i = 0; i < migrations->len; i++)
        vr_plan_step_add_after(step, g_array_index(migrations, guint, i));
    if ((gint)target == self->canary && self->canary_gate == 0)
        self->canary_gate = step->id;
    return step->id;
}

/* The target's share of a drain: its migrations, then its gate. `holds` is what an update awaits.
 */
static void
add_target(VrSteps *self, const VrDrain *drain, guint target, GArray *holds)
{
    g_autoptr(GArray) migrations = g_array_new(FALSE, FALSE, sizeof(guint));
    gboolean extra = FALSE;

    for (guint i = 0; i < drain->moves->len; i++) {
        const VrMove *move = &g_array_index(drain->moves, VrMove, i);
        if (move->target != target)
            continue;
        guint id = add_migration(self, drain, move);
        g_array_append_val(migrations, id);
        extra = move->extra;
    }
    guint gate = extra ? 0 : add_gate(self, drain->host, target, migrations);
    if (gate != 0)
        g_array_append_val(holds, gate);
    else
        g_array_append_vals(holds, migrations->data, migrations->len);
}

/* The updated host that takes most of the first VMs; of equals the one that takes the largest. */
static void
choose_canary(VrSteps *self, const VrDrain *drain)
{
    g_autofree guint *counts = g_new0(guint, self->problem->host_count);

    for (guint i = 0; i < drain->moves->len; i++) {
        const VrMove *move = &g_array_index(drain->moves, VrMove, i);
        counts[move->target] += !move->extra;
    }
    for (guint i = 0; i < drain->moves->len; i++) {
        const VrMove *move = &g_array_index(drain->moves, VrMove, i);
        if (!move->extra && (self->canary < 0 || counts[move->target] > counts[self->canary]))
            self->canary = (gint)move->target;
    }
}

/* Targets in the order of their first VM, the canary before all. */
static GArray *
list_targets(const VrSteps *self, const VrDrain *drain)
{
    GArray *targets = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree gboolean *seen = g_new0(gboolean, self->problem->host_count);

    for (guint pass = 0; pass < 2; pass++) {
        for (guint i = 0; i < drain->moves->len; i++) {
            guint target = g_array_index(drain->moves, VrMove, i).target;
            if (seen[target] || (pass == 0 && (gint)target != self->canary))
                continue;
            seen[target] = TRUE;
            g_array_append_val(targets, target);
        }
    }
    return targets;
}

static void
add_update(VrSteps *self, const VrDrain *drain, const GArray *holds)
{
    const VrHost *host = vr_inventory_host(self->problem->inventory, drain->host);
    VrPlanStep *step = vr_plan_append_step(self->plan, VR_STEP_UPDATE);

    step->host = g_strdup(host->name);
    step->end_ms = host->update_s * 1000;
    for (guint i = 0; i < holds->len; i++)
        vr_plan_step_add_after(step, g_array_index(holds, guint, i));
    /* One host down at a time. */
    if (self->last_update != 0)
        vr_plan_step_add_after(step, self->last_update);
    step->why = drain->moves->len == 0 ? g_strdup_printf("%s is empty", host->name)
                                       : g_strdup_printf("%s is empty once its %u VMs have left",
                                                         host->name, drain->moves->len);
    self->updates[drain->host] = step->id;
    self->last_update = step->id;
}

void
vr_steps_add(VrSteps *self, const VrConveyor *conveyor)
{
    for (guint i = 0; i < conveyor->drains->len; i++) {
        const VrDrain *drain = g_ptr_array_index(conveyor->drains, i);
        g_autoptr(GArray) holds = g_array_new(FALSE, FALSE, sizeof(guint));
        if (self->canary < 0 && drain->moves->len > 0)
            choose_canary(self, drain);
        g_autoptr(GArray) targets = list_targets(self, drain);
        for (guint j = 0; j < targets->len; j++)
            add_target(self, drain, g_array_index(targets, guint, j), holds);
        add_update(self, drain, holds);
    }
}

void
vr_steps_free(VrSteps *self)
{
    if (self == NULL)
        return;
    for (guint h = 0; h < self->problem->host_count; h++) {
        if (self->arrivals[h] != NULL)
            g_array_unref(self->arrivals[h]);
    }
    g_free(self->arrivals);
    g_free(self->updates);
    g_free(self);
}
