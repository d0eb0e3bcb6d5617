/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "small-fleet.h"

VrHost *
add_host(VrInventory *inventory, const char *name)
{
    VrHost *host = vr_inventory_add_host(inventory, name);

    host->memory_mib = 10000;
    host->vcpus = 100;
    host->link_mib_per_s = 1000;
    host->update_s = 100;
    host->updated = VR_UPDATED_NO;
    return host;
}

VrVm *
add_vm(VrInventory *inventory, guint number, const char *host, gint64 memory_mib)
{
    g_autofree char *uuid = g_strdup_printf("00000000-0000-4000-8000-%012u", number);
    g_autofree char *name = g_strdup_printf("v%u", number);
    VrVm *vm = vr_inventory_add_vm(inventory, uuid, name, host);

    vm->memory_mib = memory_mib;
    vm->vcpus = 1;
    vm->resident_mib = memory_mib / 2;
    return vm;
}

VrPlan *
compute(VrInventory *inventory, const VrPolicy *policy, GError **error)
{
    static const VrPlanRequest request = {.update_level = "level-1"};

    if (!vr_inventory_seal(inventory, error))
        return NULL;
    return vr_planner_compute(inventory, policy, &request, error);
}

char *
describe(const VrPlan *plan)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(plan, i);
        g_string_append_printf(text, "%u %s ", step->id, vr_step_kind_to_string(step->kind));
        if (step->kind == VR_STEP_MIGRATE)
            g_string_append_printf(text, "%s %s>%s%s", step->vm, step->source, step->target,
                                   step->extra ? " extra" : "");
        else if (step->kind == VR_STEP_GATE)
            g_string_append_printf(text, "%s for %s", step->host, step->source);
        else
            g_string_append(text, step->host);
        for (guint j = 0; j < step->after->len; j++)
            g_string_append_printf(text, "%s%u", j == 0 ? " after " : ",",
                                   g_array_index(step->after, guint, j));
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
