/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/build.h"
#include "plan/reason.h"
#include "plan/steps.h"

static void
append_step(VrPlan *plan, const VrProblem *problem, const VrSchedule *schedule,
            const VrEntry *entry)
{
    const VrIdList *after = &g_array_index(schedule->lists, VrIdList, entry->after);
    const char *host = vr_problem_host_name(problem, entry->host);
    VrPlanStep *step = vr_plan_append_step(plan, entry->kind);

    if (entry->kind == VR_STEP_MIGRATE) {
        const VrVm *vm = vr_inventory_vm(problem->inventory, entry->vm);
        step->vm_uuid = g_strdup(vm->uuid);
        step->vm = g_strdup(vm->name);
        step->target = g_strdup(host);
    } else {
        step->host = g_strdup(host);
    }
    if (entry->kind != VR_STEP_UPDATE)
        step->source = g_strdup(vr_problem_host_name(problem, entry->source));
    step->start_ms = entry->start_ms;
    step->end_ms = entry->end_ms;
    step->rate_mib_per_s = entry->rate_mib_per_s;
    step->extra = entry->extra;
    step->why = vr_reason_format(problem, schedule, entry);
    if (after->count > 0)
        g_array_append_vals(step->after, &g_array_index(schedule->ids, guint, after->first),
                            after->count);
}

void
vr_steps_append(VrPlan *plan, const VrProblem *problem, const VrSchedule *schedule)
{
    for (guint i = 0; i < schedule->entries->len; i++)
        append_step(plan, problem, schedule, &g_array_index(schedule->entries, VrEntry, i));
}
