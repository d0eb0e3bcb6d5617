/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/error.h>

#include "base/reader.h"
#include "plan/scope.h"

static gboolean
refuse_unknown(const VrProblem *problem, const char *name, GError **error)
{
    g_autofree const char **names = g_new0(const char *, problem->host_count + 1);

    for (guint h = 0; h < problem->host_count; h++)
        names[h] = vr_problem_host_name(problem, h);
    const char *nearest = vr_nearest_word(name, names);
    if (nearest != NULL)
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND,
                    "host '%s' is not in the inventory; did you mean '%s'?", name, nearest);
    else
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "host '%s' is not in the inventory", name);
    return FALSE;
}

/* Which hosts a list of names selects: one flag per host. */
static gboolean
read_names(const VrProblem *problem, const char *const *names, gboolean *flags, GError **error)
{
    for (guint i = 0; names != NULL && names[i] != NULL; i++) {
        gint host = vr_inventory_find_host(problem->inventory, names[i]);
        if (host < 0)
            return refuse_unknown(problem, names[i], error);
        flags[host] = TRUE;
    }
    return TRUE;
}

static gboolean
is_unmovable(const VrVm *vm)
{
    return vr_problem_takes_room(vm) && (!vm->movable || !vr_vm_is_active(vm));
}

static char *
explain_unmovable(const VrVm *vm)
{
    if (vm->movable)
        return g_strdup_printf("VM '%s' is in the state %s, in which it cannot be migrated: bring "
                               "it back to running or shut it off, then plan again",
                               vm->name, vr_vm_state_to_string(vm->state));
    return g_strdup_printf("VM '%s' cannot be migrated (%s): shut it off or make it movable, then "
                           "plan again",
                           vm->name,
                           vm->unmovable_reason != NULL ? vm->unmovable_reason : "unmovable");
}

static void
skip_for_vms(VrProblem *problem, guint host, const char *reason, const GArray *vms)
{
    const VrVm *first = vr_inventory_vm(problem->inventory, g_array_index(vms, guint, 0));
    g_autofree char *text = NULL;

    if (g_str_equal(reason, "unmovable-vm"))
        text = explain_unmovable(first);
    else if (g_str_equal(reason, "offline-autostart-vm"))
        text = g_strdup_printf("VM '%s' is shut off but has autostart: it would start on the host "
                               "in the middle of its update; turn its autostart off or start it",
                               first->name);
    else
        text = g_strdup_printf("VM '%s' is shut off and the policy has offline_vms: block; move "
                               "or undefine it, or set offline_vms: leave",
                               first->name);
    char *detail = vms->len > 1 ? g_strdup_printf("%s; %u more VMs like it", text, vms->len - 1)
                                : g_steal_pointer(&text);
    VrPlanSkip *skip = vr_problem_skip(problem, host, reason, detail);
    for (guint i = 0; i < vms->len; i++) {
        const VrVm *vm = vr_inventory_vm(problem->inventory, g_array_index(vms, guint, i));
        g_ptr_array_add(skip->vms, g_strdup(vm->uuid));
    }
}

/* The host's VMs that stand in the way of its update, with the reason; empty if none does. */
static GArray *
find_obstacles(const VrProblem *problem, guint host, const char **out_reason)
{
    const VrProblemHost *own = &problem->hosts[host];
    gboolean block = problem->policy->offline_vms == VR_OFFLINE_VMS_BLOCK;
    GArray *found = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < own->vms->len; i++) {
        guint v = g_array_index(own->vms, guint, i);
        if (is_unmovable(vr_inventory_vm(problem->inventory, v)))
            g_array_append_val(found, v);
    }
    *out_reason = "unmovable-vm";
    if (found->len > 0)
        return found;
    for (guint i = 0; i < own->offline->len; i++) {
        guint v = g_array_index(own->offline, guint, i);
        if (vr_inventory_vm(problem->inventory, v)->autostart)
            g_array_append_val(found, v);
    }
    *out_reason = "offline-autostart-vm";
    if (found->len > 0 || !block)
        return found;
    g_array_append_vals(found, own->offline->data, own->offline->len);
    *out_reason = "offline-vm";
    return found;
}

/* Hosts that are in the order and not to be updated have no place in it. */
static gboolean
read_order(VrProblem *problem, const char *const *names, GError **error)
{
    for (guint i = 0; names != NULL && names[i] != NULL; i++) {
        gint host = vr_inventory_find_host(problem->inventory, names[i]);
        if (host < 0)
            return refuse_unknown(problem, names[i], error);
        problem->hosts[host].rank = MIN(problem->hosts[host].rank, i);
    }
    return TRUE;
}

gboolean
vr_scope_apply(VrProblem *problem, const VrPlanRequest *request, GError **error)
{
    g_autofree gboolean *selected = g_new0(gboolean, problem->host_count);
    g_autofree gboolean *excluded = g_new0(gboolean, problem->host_count);

    if (!read_names(problem, request->hosts, selected, error) ||
        !read_names(problem, request->exclude, excluded, error) ||
        !read_order(problem, request->order, error))
        return FALSE;
    for (guint h = 0; h < problem->host_count; h++) {
        if (problem->hosts[h].role != VR_ROLE_UPDATE)
            continue;
        if (excluded[h]) {
            (void)vr_problem_skip(problem, h, "excluded",
                                  g_strdup("the request excludes it; leave it out of the "
                                           "exclusions to have it updated"));
            continue;
        }
        if (request->hosts != NULL && !selected[h]) {
            (void)vr_problem_skip(
                problem, h, "not-selected",
                g_strdup("the request does not name it; add it to the hosts to have it updated"));
            continue;
        }
        const char *reason;
        g_autoptr(GArray) obstacles = find_obstacles(problem, h, &reason);
        if (obstacles->len > 0)
            skip_for_vms(problem, h, reason, obstacles);
    }
    return TRUE;
}
