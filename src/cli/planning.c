/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/planning.h"

#include <virt-roll/error.h>
#include <virt-roll/tradeoff.h>

#include "cli/amounts.h"
#include "cli/inputs.h"
#include "cli/render.h"
#include "cli/reverse.h"
#include "controller/controller.h"
#include "controller/scan.h"

/* Larger fleets take a moment for each lever: plan --curve has them. */
#define LEVERS_HOSTS_MAX 1000

static gboolean
read_hosts(char ***place, char *const *lists, const VrFleet *fleet, GError **error)
{
    if (lists == NULL)
        return TRUE;
    *place = vr_inputs_expand_hosts(lists, fleet, error);
    return *place != NULL;
}

/* The hosts and the level of the way back; whoever names hosts wants only those of them. */
static gboolean
read_reverse(VrPlanning *self, const VrOptions *options, GError **error)
{
    g_autofree char *state = vr_inputs_find_state(options, self->fleet, error);
    gboolean is_running = FALSE;

    if (state == NULL)
        return FALSE;
    g_autoptr(VrRollout) rollout = vr_controller_look(state, &is_running, error);
    VrReverse reverse = {0};
    if (rollout == NULL ||
        !vr_reverse_find(rollout, options->reverse, options->update, &reverse, error))
        return FALSE;
    self->hosts = reverse.hosts;
    self->level = reverse.level;
    return TRUE;
}

static gboolean
read_budget(VrPlanning *self, const VrOptions *options, GError **error)
{
    VrTimeUs now_us = g_get_real_time(), deadline_us = 0;
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();

    if (options->extra_migrations != NULL && options->finish_by != NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "--finish-by finds the budget; say either it or --extra-migrations");
        return FALSE;
    }
    if (options->extra_migrations != NULL)
        return vr_amounts_parse_percent("--extra-migrations", options->extra_migrations,
                                        &self->policy->limits.extra_migrations_permille, error);
    if (options->finish_by == NULL)
        return TRUE;
    if (!vr_amounts_parse_deadline("--finish-by", options->finish_by, now_us, zone, &deadline_us,
                                   error))
        return FALSE;
    self->makespan_max_ms = (deadline_us - now_us) / VR_MS_US;
    return TRUE;
}

gboolean
vr_planning_read_request(VrPlanning *self, const VrOptions *options, GError **error)
{
    if (!read_budget(self, options, error))
        return FALSE;
    if (options->reverse != NULL && options->hosts != NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "--reverse names the hosts; leave some out with --exclude LIST");
        return FALSE;
    }
    if (options->reverse != NULL
            ? !read_reverse(self, options, error)
            : (self->level = vr_inputs_find_level(options, self->fleet, error)) == NULL)
        return FALSE;
    return read_hosts(&self->hosts, options->hosts, self->fleet, error) &&
           read_hosts(&self->exclude, options->exclude, self->fleet, error);
}

gboolean
vr_planning_scan(VrPlanning *self, gboolean with_definitions, GError **error)
{
    if (self->libvirt == NULL)
        self->libvirt = vr_libvirt_new(self->fleet);
    self->inventory =
        vr_scan_fleet(self->fleet, self->libvirt, self->level, with_definitions, NULL, error);
    return self->inventory != NULL;
}

VrPlanRequest
vr_planning_request(const VrPlanning *self)
{
    return (VrPlanRequest){
        .update_level = self->level,
        .hosts = (const char *const *)self->hosts,
        .exclude = (const char *const *)self->exclude,
    };
}

/* The policy keeps the budget that was found: the plan is made under it. */
gboolean
vr_planning_compute(VrPlanning *self, GError **error)
{
    VrPlanRequest request = vr_planning_request(self);
    VrPlanQuestion question = {self->inventory, self->policy, &request};

    if (self->makespan_max_ms == 0)
        self->plan = vr_planner_compute(self->inventory, self->policy, &request, error);
    else
        self->plan =
            vr_tradeoff_finish_within(&question, self->makespan_max_ms,
                                      &self->policy->limits.extra_migrations_permille, error);
    return self->plan != NULL;
}

char *
vr_planning_show(const VrPlanning *self, guint width)
{
    VrPlanRequest request = vr_planning_request(self);
    VrPlanQuestion question = {self->inventory, self->policy, &request};
    g_autoptr(GPtrArray) levers = NULL;

    if (self->inventory->hosts->len <= LEVERS_HOSTS_MAX)
        levers = vr_tradeoff_levers(&question, self->plan);
    VrPlanView view = {self->plan, self->policy, self->inventory,
                       self->fleet != NULL ? self->fleet->name : "plan", levers};
    return vr_render_plan(&view, width);
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
