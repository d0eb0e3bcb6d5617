/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/error.h>

#include "plan/bounds.h"
#include "plan/build.h"
#include "plan/reason.h"
#include "plan/scope.h"
#include "plan/search.h"
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
        vr_feasibility_check(problem, obstacles);
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

/* With policy.partial, hosts that are stuck are left out and all is planned afresh. */
static VrSchedule *
find_schedule(VrProblem *problem, GError **error)
{
    for (;;) {
        g_autoptr(VrSchedule) schedule = vr_search_best(problem);
        if (schedule->stuck->hosts->len == 0)
            return g_steal_pointer(&schedule);
        if (!problem->policy->partial) {
            g_autofree char *text = vr_feasibility_format(problem, schedule->stuck);
            g_set_error_literal(error, VR_ERROR, VR_ERROR_CAPACITY, text);
            return NULL;
        }
        skip_obstacles(problem, schedule->stuck);
    }
}

/* The first host that extras beyond the budget were needed for. */
static guint
find_vacated(const VrSchedule *schedule)
{
    for (guint i = 0; i < schedule->entries->len; i++) {
        const VrEntry *entry = &g_array_index(schedule->entries, VrEntry, i);
        if (entry->extra && schedule->notes[entry->source].turn >= VR_TURN_NO_EMPTY)
            return entry->source;
    }
    g_assert_not_reached();
}

static gboolean
check_extras(const VrProblem *problem, const VrSchedule *schedule, GError **error)
{
    const VrLimits *limits = &problem->policy->limits;
    gint64 budget = vr_conveyor_budget(problem);

    if (schedule->extra_count <= budget || limits->extra_migrations_needed == VR_EXTRA_NEEDED_ALLOW)
        return TRUE;
    guint host = find_vacated(schedule);
    const VrDrainNote *note = &schedule->notes[host];
    g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                "%u extra migrations are needed and the policy allows %" G_GINT64_FORMAT
                ": %s, so that '%s' must be emptied with %u of them; set "
                "extra_migrations_needed: allow, or empty a host",
                schedule->extra_count, budget,
                note->turn == VR_TURN_NO_EMPTY ? vr_reason_no_empty(problem)
                                               : "no host's VMs all fit on the updated hosts",
                vr_problem_host_name(problem, host), note->extra_count);
    return FALSE;
}

static void
sum_up(VrProblem *problem, const VrSchedule *schedule, VrPlan *plan)
{
    VrPlanSummary *summary = &plan->summary;
    VrBounds bounds =
        vr_bounds_compute(problem, MAX(vr_conveyor_budget(problem), (gint64)schedule->extra_count));

    summary->hosts = problem->host_count;
    for (guint v = 0; v < problem->vm_count; v++)
        summary->vms += vr_vm_is_active(vr_inventory_vm(problem->inventory, v));
    for (guint i = 0; i < plan->steps->len; i++)
        summary->migrations += vr_plan_step(plan, i)->kind == VR_STEP_MIGRATE;
    for (guint h = 0; h < problem->host_count; h++) {
        if (problem->skipped[h] == NULL)
            continue;
        summary->hosts_skipped++;
        g_ptr_array_add(plan->skipped, g_steal_pointer(&problem->skipped[h]));
    }
    summary->hosts_to_update = schedule->host_count;
    summary->extra_migrations = schedule->extra_count;
    summary->makespan_ms = schedule->makespan_ms;
    summary->exposure_vm_ms = schedule->exposure_vm_ms;
    summary->migrations_in_flight_peak = vr_schedule_peak(schedule, VR_STEP_MIGRATE);
    summary->hosts_down_peak = vr_schedule_peak(schedule, VR_STEP_UPDATE);
    summary->migrations_lower_bound = bounds.migrations;
    summary->makespan_lower_bound_ms = bounds.makespan_ms;
    summary->makespan_lower_bound_within_budget_ms = bounds.makespan_within_budget_ms;
    summary->makespan_lower_bound_one_migration_ms = bounds.makespan_one_migration_ms;
}

static gboolean
check_question(const VrInventory *inventory, const VrPlanRequest *request, GError **error)
{
    if (inventory->hosts->len == 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "the inventory has no hosts");
        return FALSE;
    }
    if (request->update_level == NULL || *request->update_level == '\0') {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "the request names no update level");
        return FALSE;
    }
    return TRUE;
}

VrPlan *
vr_planner_compute(const VrInventory *inventory, const VrPolicy *policy,
                   const VrPlanRequest *request, GError **error)
{
    g_return_val_if_fail(inventory != NULL && policy != NULL && request != NULL, NULL);
    if (!check_question(inventory, request, error))
        return NULL;
    g_autoptr(VrProblem) problem = vr_problem_new(inventory, policy);
    if (!vr_scope_apply(problem, request, error) || !check_feasibility(problem, error))
        return NULL;
    g_autoptr(VrSchedule) schedule = find_schedule(problem, error);
    if (schedule == NULL || !check_extras(problem, schedule, error))
        return NULL;

    g_autoptr(VrPlan) plan = vr_plan_new();
    vr_steps_append(plan, problem, schedule);
    sum_up(problem, schedule, plan);
    plan->update_level = g_strdup(request->update_level);
    plan->policy_digest = vr_policy_digest(policy);
    plan->inventory_digest = vr_inventory_digest(inventory);
    plan->digest = vr_plan_compute_digest(plan);
    return g_steal_pointer(&plan);
}
