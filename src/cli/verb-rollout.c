/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that do not let a rollout go on: status, rollout report, diff, definition, close. */
#include <string.h>

#include <virt-roll/error.h>

#include "base/time.h"
#include "cli/follow.h"
#include "cli/inputs.h"
#include "cli/json-fields.h"
#include "cli/replanning.h"
#include "cli/silent-hosts.h"
#include "cli/tally.h"
#include "cli/verbs.h"

/* The last rollout; one without basis if there has never been one. */
static VrRollout *
look(const VrOptions *options, gboolean *out_is_alive, GError **error)
{
    g_autofree char *state = vr_inputs_find_state(options, NULL, error);
    g_autoptr(GError) problem = NULL;

    *out_is_alive = FALSE;
    if (state == NULL)
        return NULL;
    VrRollout *rollout = vr_controller_look(state, out_is_alive, &problem);
    if (rollout != NULL)
        return rollout;
    if (g_error_matches(problem, VR_ERROR, VR_ERROR_NOT_FOUND))
        return vr_rollout_new();
    g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
}

/* Only for the URIs of commands, when there are any to tell; without them they are left open. */
static VrFleet *
load_fleet(const VrOptions *options, const VrRollout *rollout)
{
    g_autoptr(GPtrArray) silent = vr_silent_hosts_find(rollout);
    g_autoptr(GError) error = NULL;

    return silent->len > 0 ? vr_inputs_load_fleet(options, &error) : NULL;
}

int
vr_verb_status(const VrOptions *options, VrConsole *console, GError **error)
{
    gboolean is_alive = FALSE;
    g_autoptr(VrRollout) rollout = look(options, &is_alive, error);
    g_autofree char *program = vr_options_program(options);

    if (rollout == NULL)
        return 0;
    g_autoptr(VrFleet) fleet = load_fleet(options, rollout);
    VrStatusView view = {rollout, is_alive, program, g_get_real_time(), fleet};
    g_autofree char *text = options->is_json ? vr_render_status_json(&view)
                                             : vr_render_status(&view, vr_console_width(console));
    int status = vr_console_give(console, text, options->is_json, error);
    if (status != 0 || rollout->basis == NULL || rollout->phase == VR_ROLLOUT_CLOSED)
        return status;
    return vr_tally_count(rollout).needs_operator > 0 ? 5 : 0;
}

int
vr_verb_rollout_report(const VrOptions *options, VrConsole *console, GError **error)
{
    gboolean is_alive = FALSE;
    g_autoptr(VrRollout) rollout = look(options, &is_alive, error);

    if (rollout == NULL)
        return 0;
    if (rollout->basis == NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "there has been no rollout yet");
        return 0;
    }
    g_autofree char *program = vr_options_program(options);
    g_autoptr(VrFleet) fleet = load_fleet(options, rollout);
    VrStatusView view = {rollout, is_alive, program, g_get_real_time(), fleet};
    g_autofree char *text = options->is_json ? vr_render_report_json(&view)
                                             : vr_render_report(&view, vr_console_width(console));
    return vr_console_give(console, text, options->is_json, error);
}

int
vr_verb_rollout_diff(const VrOptions *options, VrConsole *console, GError **error)
{
    gboolean is_alive = FALSE;
    g_autoptr(VrRollout) rollout = look(options, &is_alive, error);
    g_autoptr(VrFleet) fleet = rollout != NULL ? vr_inputs_load_fleet(options, error) : NULL;

    if (fleet == NULL)
        return 0;
    g_autoptr(VrLibvirt) libvirt = vr_libvirt_new(fleet);
    if (vr_rollout_is_unfinished(rollout))
        vr_libvirt_expect(libvirt, rollout->basis->inventory);
    g_autoptr(VrRevision) revision =
        vr_replanning_compute(fleet, libvirt, rollout, NULL, NULL, error);
    if (revision == NULL)
        return 0;
    gint64 now_us = g_get_real_time();
    g_autofree char *doubt = vr_revision_find_doubt(rollout, revision);
    g_autofree char *text =
        options->is_json ? vr_render_revision_json(rollout, revision, doubt, now_us)
                         : vr_render_revision(rollout, revision, now_us, vr_console_width(console));
    return vr_console_give(console, text, options->is_json, error);
}

/* By UUID, or by name if one VM only has it; the last that the journal has of it. */
static const VrStepState *
find_definition(const VrRollout *rollout, const char *vm, GError **error)
{
    const VrStepState *found = NULL;
    const VrPlanStep *known = NULL;

    for (guint i = 0; rollout->basis != NULL && i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        const VrPlanStep *plan = step->plan;
        if (plan->kind != VR_STEP_MIGRATE ||
            (g_strcmp0(plan->vm_uuid, vm) != 0 && g_strcmp0(plan->vm, vm) != 0))
            continue;
        if (known != NULL && strcmp(known->vm_uuid, plan->vm_uuid) != 0) {
            g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                        "%s: two VMs are called so, %s and %s; name the UUID", vm, known->vm_uuid,
                        plan->vm_uuid);
            return NULL;
        }
        known = plan;
        if (step->definition != NULL)
            found = step;
    }
    if (found == NULL)
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND,
                    "%s: the last rollout has no definition of such a VM; it keeps those of the "
                    "VMs that it migrates",
                    vm);
    return found;
}

static char *
format_definition(const VrStepState *step)
{
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();

    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "vm", step->plan->vm);
    vr_json_fields_string(builder, "vm_uuid", step->plan->vm_uuid);
    vr_json_fields_string(builder, "definition", step->definition);
    json_builder_end_object(builder);
    return vr_json_fields_finish(builder);
}

int
vr_verb_rollout_definition(const VrOptions *options, VrConsole *console, GError **error)
{
    gboolean is_alive = FALSE;
    g_autoptr(VrRollout) rollout = look(options, &is_alive, error);
    const VrStepState *step =
        rollout != NULL ? find_definition(rollout, options->arguments[0], error) : NULL;

    if (step == NULL)
        return 0;
    vr_console_note(console,
                    "%s: the definition as it was on %s; it may hold secrets: keep it in a file "
                    "that nobody else can read (umask 077)",
                    step->plan->vm, step->plan->source);
    if (options->is_json) {
        g_autofree char *json = format_definition(step);
        return vr_console_give(console, json, TRUE, error);
    }
    return vr_console_give(console, step->definition, TRUE, error);
}

static gboolean
check_closable(const VrRollout *rollout, GError **error)
{
    if (rollout->basis == NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "there is no rollout to close");
        return FALSE;
    }
    if (rollout->phase == VR_ROLLOUT_DONE || rollout->phase == VR_ROLLOUT_CLOSED) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED, "rollout %s is %s already", rollout->id,
                    vr_rollout_phase_to_string(rollout->phase));
        return FALSE;
    }
    if (!vr_rollout_is_over(rollout->phase)) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "rollout %s was cut off while it ran, so what it had in hand may still go on: "
                    "let virt-roll run find out how that ended (Ctrl-C stops it then), and close "
                    "it after that",
                    rollout->id);
        return FALSE;
    }
    return TRUE;
}

static void
tell_closed(VrConsole *console, const VrRollout *rollout)
{
    g_autoptr(GPtrArray) changed = vr_render_changed(rollout);
    g_autofree char *head = g_strdup_printf("Rollout %s is closed.\n", rollout->id);

    vr_console_print(console, head);
    for (guint i = 0; i < changed->len; i++) {
        g_autofree char *line = g_strdup_printf("  Still changed, and yours now: %s\n",
                                                (const char *)g_ptr_array_index(changed, i));
        vr_console_print(console, line);
    }
}

int
vr_verb_rollout_close(const VrOptions *options, VrConsole *console, GError **error)
{
    if (options->reason == NULL || *options->reason == '\0') {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "rollout close: needs --reason TEXT; it is kept in the journal");
        return 0;
    }
    g_autoptr(VrFleet) fleet = vr_inputs_load_fleet(options, error);
    g_autofree char *state = fleet != NULL ? vr_inputs_find_state(options, fleet, error) : NULL;
    gboolean is_alive = FALSE;
    g_autoptr(VrRollout) rollout = state != NULL ? look(options, &is_alive, error) : NULL;
    if (rollout == NULL || (!is_alive && !check_closable(rollout, error)))
        return 0;

    /* In this order: the controller is freed before what it speaks to. */
    g_autoptr(VrLibvirt) libvirt = vr_libvirt_new(fleet);
    g_autoptr(VrFollow) follow = vr_follow_new(console);
    VrControllerListener listener = vr_follow_listener(follow);
    g_autoptr(VrController) controller =
        vr_controller_open(fleet, libvirt, state, &listener, error);
    if (controller == NULL)
        return 0;
    vr_follow_start_from(follow, controller, vr_controller_snapshot(controller));
    if (!check_closable(vr_follow_rollout(follow), error))
        return 0;
    vr_controller_close(controller, options->reason);
    if (vr_follow_await(follow, VR_ROLLOUT_CLOSED, error))
        tell_closed(console, vr_follow_rollout(follow));
    return 0;
}
