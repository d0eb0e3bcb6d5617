/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/planning.h"

#include "cli/inputs.h"
#include "controller/scan.h"

static gboolean
read_hosts(char ***place, char *const *lists, const VrFleet *fleet, GError **error)
{
    if (lists == NULL)
        return TRUE;
    *place = vr_inputs_expand_hosts(lists, fleet, error);
    return *place != NULL;
}

gboolean
vr_planning_read_request(VrPlanning *self, const VrOptions *options, GError **error)
{
    self->level = vr_inputs_find_level(options, self->fleet, error);
    return self->level != NULL && read_hosts(&self->hosts, options->hosts, self->fleet, error) &&
           read_hosts(&self->exclude, options->exclude, self->fleet, error);
}

gboolean
vr_planning_scan(VrPlanning *self, gboolean with_definitions, GError **error)
{
    if (self->libvirt == NULL)
        self->libvirt = vr_libvirt_new(self->fleet);
    self->inventory =
        vr_scan_fleet(self->fleet, self->libvirt, self->level, with_definitions, error);
    return self->inventory != NULL;
}

gboolean
vr_planning_compute(VrPlanning *self, GError **error)
{
    VrPlanRequest request = {
        .update_level = self->level,
        .hosts = (const char *const *)self->hosts,
        .exclude = (const char *const *)self->exclude,
    };

    self->plan = vr_planner_compute(self->inventory, self->policy, &request, error);
    return self->plan != NULL;
}

void
vr_planning_clear(VrPlanning *self)
{
    g_clear_pointer(&self->plan, vr_plan_free);
    g_clear_pointer(&self->inventory, vr_inventory_free);
    g_clear_pointer(&self->libvirt, vr_libvirt_free);
    g_clear_pointer(&self->exclude, g_strfreev);
    g_clear_pointer(&self->hosts, g_strfreev);
    g_clear_pointer(&self->level, g_free);
    g_clear_pointer(&self->policy, vr_policy_free);
    g_clear_pointer(&self->fleet, vr_fleet_free);
}
