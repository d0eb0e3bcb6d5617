/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/error.h>

#include "plan/bounds.h"
#include "plan/build.h"
#include "plan/forecast.h"
#include "plan/scope.h"
#include "plan/steps.h"

static void
skip_obstacles(VrProblem *problem, const VrObstacles *obstacles)
{
    for (guint i = 0; i < obstacles->hosts->len; i++)
        (void)vr_problem_skip(problem, g_array_index(obstacles->hosts, guint, i), "no-room",
                              g_strdup(g_ptr_array_index(obstacles->causes, i)));
}

/* Hosts that can never be emptied: refused, or left out one round after the other. */
static gboolean
check_feasibility(VrProblem *problem, GError **error)
{
    for (;;) {
        g_autoptr(VrObstacles) obstacles = vr_feasibility_obstacles_new();
        for (guint p = 0; p < problem->pool_count; p++)
            vr_feasibility_check(problem, p, obstacles);
        if (obstacles->hosts->len == 0)
            return TRUE;
        if (!problem->policy->partial) {
            g_autofree char *text = vr_feasibility_format(problem, obstacles);
            g_set_error_literal(error, VR_ERROR, VR_ERROR_CAPACITY, text);
            return FALSE;
        }
        skip_obstacles(problem, obstacles);
    }
}

/* With policy.partial, hosts that are stuck are left out and the pool is planned afresh. */
static VrConveyor *
plan_pool(VrProblem *problem, guint pool)
{
    for (;;) {
        g_autoptr(VrConveyor) conveyor = vr_conveyor_compute(problem, pool);
        if (conveyor->stuck->hosts->len == 0 || !problem->policy->partial)
            return g_steal_pointer(&conveyor);
        skip_obstacles(problem, conveyor->stuck);
    }
}

static void
conveyor_free(gpointer data)
{
    vr_conveyor_free(data);
}

/* (element-type VrConveyor) per pool; NULL if hosts are stuck. */
static GPtrArray *
plan_pools(VrProblem *problem, GError **error)
{
    g_autoptr(GPtrArray) conveyors = g_ptr_array_new_with_free_func(conveyor_free);
    g_autoptr(VrObstacles) obstacles = vr_feasibility_obstacles_new();

    for (guint p = 0; p < problem->pool_count; p++) {
        VrConveyor *conveyor = plan_pool(problem, p);
        g_ptr_array_add(conveyors, conveyor);
        for (guint i = 0; i < conveyor->stuck->hosts->len; i++)
            vr_feasibility_add(obstacles, g_array_index(conveyor->stuck->hosts, guint, i),
                               g_strdup(g_ptr_array_index(conveyor->stuck->causes, i)));
    }
    if (obstacles->hosts->len == 0)
        return g_steal_pointer(&conveyors);
    g_autofree char *text = vr_feasibility_format(problem, obstacles);
    g_set_error_literal(error, VR_ERROR, VR_ERROR_CAPACITY, text);
    return NULL;
}

/* VMs that must migrate: those on hosts that will be updated. */
static gint64
count_required(const VrProblem *problem)
{
    gint64 count = 0;

    for (guint h = 0; h < problem->host_count; h++) {
        if (problem->hosts[h].role == VR_ROLE_UPDATE)
            count += problem->hosts[h].vms->len;
    }
    return count;
}

static gboolean
check_extras(const VrProblem *problem, const GPtrArray *conveyors, GError **error)
{
    const VrLimits *limits = &problem->policy->limits;
    gint64 count = 0;
    const VrDrain *first = NULL;

    for (guint i = 0; i < conveyors->len; i++) {
        const VrConveyor *conveyor = g_ptr_array_index(conveyors, i);
        count += conveyor->extra_count;
        for (guint j = 0; j < conveyor->drains->len && first == NULL; j++) {
            const VrDrain *drain = g_ptr_array_index(conveyor->drains, j);
            first = drain->extra_count > 0 ? drain : NULL;
        }
    }
    gint64 budget = count_required(problem) * limits->extra_migrations_permille / 1000;
    if (count <= budget || limits->extra_migrations_needed == VR_EXTRA_NEEDED_ALLOW)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                "%" G_GINT64_FORMAT
                " extra migrations are needed and the policy allows %" G_GINT64_FORMAT
                ": %s, so that '%s' must be emptied with %u of them; set "
                "extra_migrations_needed: allow, or empty a host",
                count, budget,
                first->no_empty ? "no host is empty" : "no host's VMs all fit on the updated hosts",
                vr_problem_host_name(problem, first->host), first->extra_count);
    return FALSE;
}

static void
sum_up(VrProblem *problem, const GPtrArray *conveyors, VrPlan *plan)
{
    VrPlanSummary *summary = &plan->summary;
    VrBounds bounds = vr_bounds_compute(problem);

    summary->hosts = problem->host_count;
    for (guint v = 0; v < problem->vm_count; v++)
        summary->vms += vr_vm_is_active(vr_inventory_vm(problem->inventory, v));
    for (guint i = 0; i < conveyors->len; i++) {
        const VrConveyor *conveyor = g_ptr_array_index(conveyors, i);
        summary->hosts_to_update += conveyor->drains->len;
        summary->extra_migrations += conveyor->extra_count;
    }
    for (guint i = 0; i < plan->steps->len; i++)
        summary->migrations += vr_plan_step(plan, i)->kind == VR_STEP_MIGRATE;
    for (guint h = 0; h < problem->host_count; h++) {
        if (problem->skipped[h] == NULL)
            continue;
        summary->hosts_skipped++;
        g_ptr_array_add(plan->skipped, g_steal_pointer(&problem->skipped[h]));
    }
    summary->migrations_lower_bound = bounds.migrations;
    summary->makespan_lower_bound_ms = bounds.makespan_ms;
    summary->makespan_lower_bound_one_migration_ms = bounds.makespan_one_migration_ms;
}

static gboolean
check_question(const VrInventory *inventory, const VrPolicy *policy, const VrPlanRequest *request,
               GError **error)
{
    if (inventory->hosts->len == 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "the inventory has no hosts");
        return FALSE;
    }
    if (request->update_level == NULL || *request->update_level == '\0') {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "the request names no update level");
        return FALSE;
    }
    /* Rather refused than promised: the conveyor uses every empty host that there is. */
    if (policy->limits.spare_hosts_min > 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_UNSUPPORTED,
                    "policy: limits.spare_hosts_min is %" G_GINT64_FORMAT
                    ", and this planner cannot keep hosts spare yet: set it to 0, and exclude the "
                    "hosts that are to stay empty",
                    policy->limits.spare_hosts_min);
        return FALSE;
    }
    return TRUE;
}

VrPlan *
vr_planner_compute(const VrInventory *inventory, const VrPolicy *policy,
                   const VrPlanRequest *request, GError **error)
{
    g_return_val_if_fail(inventory != NULL && policy != NULL && request != NULL, NULL);
    if (!check_question(inventory, policy, request, error))
        return NULL;
    g_autoptr(VrProblem) problem = vr_problem_new(inventory, policy);
    if (!vr_scope_apply(problem, request, error) || !check_feasibility(problem, error))
        return NULL;
    g_autoptr(GPtrArray) conveyors = plan_pools(problem, error);
    if (conveyors == NULL || !check_extras(problem, conveyors, error))
        return NULL;

    g_autoptr(VrPlan) plan = vr_plan_new();
    g_autoptr(VrSteps) steps = vr_steps_new(problem, plan);
    for (guint i = 0; i < conveyors->len; i++)
        vr_steps_add(steps, g_ptr_array_index(conveyors, i));
    vr_forecast_run(problem, plan);
    sum_up(problem, conveyors, plan);
    plan->update_level = g_strdup(request->update_level);
    plan->policy_digest = vr_policy_digest(policy);
    plan->inventory_digest = vr_inventory_digest(inventory);
    plan->digest = vr_plan_compute_digest(plan);
    return g_steal_pointer(&plan);
}
