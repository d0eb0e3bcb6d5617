/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that look and change nothing: inventory and plan. */
#include <virt-roll/error.h>
#include <virt-roll/tradeoff.h>

#include "cli/inputs.h"
#include "cli/planning.h"
#include "cli/render.h"
#include "cli/tally.h"
#include "cli/verbs.h"
#include "controller/scan.h"

int
vr_verb_inventory(const VrOptions *options, VrConsole *console, GError **error)
{
    g_autoptr(VrFleet) fleet = vr_inputs_load_fleet(options, error);
    g_autoptr(GError) no_level = NULL;

    if (fleet == NULL)
        return 0;
    /* Without a level the scan tells as much, but not who is updated. */
    g_autofree char *level = vr_inputs_find_level(options, fleet, &no_level);
    if (level == NULL && options->update != NULL) {
        g_propagate_error(error, g_steal_pointer(&no_level));
        return 0;
    }
    g_autoptr(VrLibvirt) libvirt = vr_libvirt_new(fleet);
    g_autoptr(VrInventory) inventory = vr_scan_fleet(fleet, libvirt, level, FALSE, NULL, error);
    if (inventory == NULL)
        return 0;
    g_autofree char *text = options->is_json
                                ? vr_inventory_format(inventory)
                                : vr_render_inventory(inventory, vr_console_width_max(console));
    return vr_console_give(console, text, options->is_json, error);
}

/* It may have been taken for another level; where it says which one a host has, that counts. */
static void
assess(VrInventory *inventory, const char *level)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        VrHost *host = g_ptr_array_index(inventory->hosts, i);
        if (host->update_level != NULL)
            host->updated =
                g_strcmp0(host->update_level, level) == 0 ? VR_UPDATED_YES : VR_UPDATED_NO;
    }
}

/* On a kept inventory the fleet file is needed only for what the options do not say. */
static gboolean
prepare(VrPlanning *planning, const VrOptions *options, VrConsole *console, GError **error)
{
    gboolean needs_fleet = options->inventory == NULL || options->update == NULL;

    if (needs_fleet && (planning->fleet = vr_inputs_load_fleet(options, error)) == NULL)
        return FALSE;
    if ((planning->policy = vr_inputs_load_policy(options, console, error)) == NULL)
        return FALSE;
    if (!vr_planning_read_request(planning, options, error))
        return FALSE;
    if (options->inventory == NULL)
        return vr_planning_scan(planning, FALSE, error);
    planning->inventory = vr_inputs_load_inventory(options->inventory, error);
    if (planning->inventory == NULL)
        return FALSE;
    assess(planning->inventory, planning->level);
    return TRUE;
}

static gboolean
save(const char *path, const char *text, GError **error)
{
    g_autoptr(GError) problem = NULL;

    if (g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED, "%s: is there already and is kept as it is",
                    path);
        return FALSE;
    }
    if (g_file_set_contents(path, text, -1, &problem))
        return TRUE;
    g_set_error_literal(error, VR_ERROR, VR_ERROR_IO, problem->message);
    return FALSE;
}

static int
show_curve(const VrPlanning *planning, const VrOptions *options, VrConsole *console, GError **error)
{
    VrPlanRequest request = vr_planning_request(planning);
    VrPlanQuestion question = {planning->inventory, planning->policy, &request};
    g_autoptr(GArray) points = vr_tradeoff_curve(&question, error);

    if (points == NULL)
        return 0;
    g_autoptr(GPtrArray) levers = vr_tradeoff_levers(&question, planning->plan);
    g_autofree char *text =
        options->is_json ? vr_render_curve_json(points, levers) : vr_render_curve(points, levers);
    return vr_console_give(console, text, options->is_json, error);
}

int
vr_verb_plan(const VrOptions *options, VrConsole *console, GError **error)
{
    g_auto(VrPlanning) planning = {0};

    if (!prepare(&planning, options, console, error) || !vr_planning_compute(&planning, error))
        return 0;
    if (options->is_curve)
        return show_curve(&planning, options, console, error);
    g_autofree char *json = vr_plan_format(planning.plan);
    if (options->output != NULL && !save(options->output, json, error))
        return 0;
    if (options->is_json)
        return vr_console_give(console, json, TRUE, error);
    g_autofree char *text = vr_planning_show(&planning, vr_console_width(console));
    return vr_console_give(console, text, FALSE, error);
}
