/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/build.h"
#include "plan/reason.h"
#include "plan/steps.h"

typedef struct {
    VrPlan *plan;
    const VrProblem *problem;
    const VrSchedule *schedule;
    char **hosts;      /* per host: its name, kept; NULL: not yet */
    GPtrArray *afters; /* per list of the schedule (nullable) (element-type GArray) */
    GString *reason;
} Steps;

static char *
keep_host(Steps *self, guint host)
{
    if (self->hosts[host] == NULL)
        self->hosts[host] = vr_plan_keep(self->plan, vr_problem_host_name(self->problem, host));
    return self->hosts[host];
}

/* Migrations between the same hosts come after the same steps: one list for all. */
static GArray *
find_after(Steps *self, guint index)
{
    const VrIdList *list = &g_array_index(self->schedule->lists, VrIdList, index);
    GArray *after = g_ptr_array_index(self->afters, index);

    if (after != NULL)
        return after;
    after = g_array_sized_new(FALSE, FALSE, sizeof(guint), list->count);
    if (list->count > 0)
        g_array_append_vals(after, &g_array_index(self->schedule->ids, guint, list->first),
                            list->count);
    g_ptr_array_index(self->afters, index) = after;
    return after;
}

static void
append_step(Steps *self, const VrEntry *entry)
{
    VrPlanStep *step = vr_plan_append_step(self->plan, entry->kind, find_after(self, entry->after));

    if (entry->kind == VR_STEP_MIGRATE) {
        const VrVm *vm = vr_inventory_vm(self->problem->inventory, entry->vm);
        step->vm_uuid = vr_plan_keep(self->plan, vm->uuid);
        step->vm = vr_plan_keep(self->plan, vm->name);
        step->target = keep_host(self, entry->host);
    } else {
        step->host = keep_host(self, entry->host);
    }
    if (entry->kind != VR_STEP_UPDATE)
        step->source = keep_host(self, entry->source);
    step->start_ms = entry->start_ms;
    step->end_ms = entry->end_ms;
    step->rate_mib_per_s = entry->rate_mib_per_s;
    step->extra = entry->extra;
    g_string_truncate(self->reason, 0);
    vr_reason_append(self->reason, self->problem, self->schedule, entry);
    step->why = vr_plan_keep(self->plan, self->reason->str);
}

static void
unref_array(gpointer data)
{
    if (data != NULL)
        g_array_unref(data);
}

void
vr_steps_append(VrPlan *plan, const VrProblem *problem, const VrSchedule *schedule)
{
    g_autofree char **hosts = g_new0(char *, problem->host_count);
    g_autoptr(GPtrArray) afters = g_ptr_array_new_full(schedule->lists->len, unref_array);
    Steps self = {plan, problem, schedule, hosts, afters, g_string_new(NULL)};

    g_ptr_array_set_size(afters, (gint)schedule->lists->len);
    for (guint i = 0; i < schedule->entries->len; i++)
        append_step(&self, &g_array_index(schedule->entries, VrEntry, i));
    g_string_free(self.reason, TRUE);
}
