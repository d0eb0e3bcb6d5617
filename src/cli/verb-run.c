/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run and its kin (retry, defer, replan, skip, undo, release): begin, go on, watch, report. */
#include <errno.h>

#include <virt-roll/error.h>

#include "base/time.h"
#include "cli/follow.h"
#include "cli/inputs.h"
#include "cli/planning.h"
#include "cli/render.h"
#include "cli/replanning.h"
#include "cli/tally.h"
#include "cli/text.h"
#include "cli/verbs.h"

#define FLEET_NAME_SHOWN 40
#define EXIT_GOES_ON_LATER 7

typedef struct {
    const VrOptions *options;
    VrConsole *console;
    char *state;
    const char *retry;   /* (nullable) host to try again */
    const char *defer;   /* (nullable) VM to leave as it is */
    const char *skip;    /* (nullable) host to leave out */
    const char *undo;    /* (nullable) host whose VMs are to migrate back */
    const char *release; /* (nullable) host that is in alert no more */
    gboolean is_replan;
    VrPlanning planning;
    VrFollow *follow;
    VrController *controller;
} Run;

static void
run_clear(Run *self)
{
    vr_controller_free(self->controller);
    vr_follow_free(self->follow);
    vr_planning_clear(&self->planning);
    g_free(self->state);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

/* ------------------------------------------------------------------ the end */

/* TRUE: it stands in *out_path, which is the caller's. */
static gboolean
save_report(const Run *self, const char *json, char **out_path)
{
    const VrRollout *rollout = vr_follow_rollout(self->follow);
    g_autofree char *directory = g_build_filename(self->state, "reports", NULL);
    g_autofree char *name = g_strdup_printf("%s.json", rollout->id);
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autoptr(GError) problem = NULL;

    if (g_mkdir_with_parents(directory, 0700) != 0) {
        vr_console_note(self->console, "%s: cannot be made: %s; rollout report has the report",
                        directory, g_strerror(errno));
        return FALSE;
    }
    if (!g_file_set_contents(path, json, -1, &problem)) {
        vr_console_note(self->console, "%s; rollout report has the report", problem->message);
        return FALSE;
    }
    *out_path = g_steal_pointer(&path);
    return TRUE;
}

static void
tell_next(const Run *self, const VrStatusView *view)
{
    const char *why = NULL;
    g_autofree char *next = vr_render_next(view, &why);

    if (next == NULL)
        return;
    g_autofree char *line = g_strdup_printf("Next:  %s   (%s)\n", next, why);
    vr_console_print(self->console, line);
}

static int
report(const Run *self, GError **error)
{
    const VrRollout *rollout = vr_follow_rollout(self->follow);
    g_autofree char *program = vr_options_program(self->options);
    VrStatusView view = {rollout, FALSE, program, g_get_real_time(), self->planning.fleet};
    g_autofree char *text = vr_render_report(&view, vr_console_width(self->console));
    g_autofree char *json = vr_render_report_json(&view);
    g_autofree char *path = NULL;

    vr_console_print(self->console, "\n");
    vr_console_print(self->console, text);
    if (save_report(self, json, &path)) {
        g_autofree char *line = g_strdup_printf("Report: %s\n", path);
        vr_console_print(self->console, line);
    }
    tell_next(self, &view);
    if (self->options->is_quiet && rollout->phase != VR_ROLLOUT_DONE && rollout->reason != NULL)
        vr_console_error(self->console, rollout->reason);
    if (self->options->is_json && !vr_console_write(self->console, json, error))
        return 0;
    return vr_tally_exit_status(rollout);
}

/*
 * The rollout stands still: goes on by another plan if the policy lets it do so without asking.
 * FALSE: it does not; why not is for those who wanted it to.
 */
static gboolean
revise_by_itself(const Run *self, guint *revisions)
{
    const VrRollout *rollout = vr_follow_rollout(self->follow);
    g_autoptr(GError) problem = NULL;
    gboolean is_asking =
        rollout->phase == VR_ROLLOUT_NEEDS_OPERATOR || rollout->phase == VR_ROLLOUT_FAILED;

    if (rollout->basis->policy->revise != VR_REVISE_AUTOMATIC || !is_asking ||
        vr_follow_was_stopped(self->follow) || rollout->revisions < *revisions)
        return FALSE;
    g_autoptr(VrRevision) revision = vr_replanning_compute(
        self->planning.fleet, self->planning.libvirt, rollout, NULL, NULL, &problem);
    g_autofree char *doubt =
        revision != NULL ? vr_revision_find_doubt(rollout, revision) : g_strdup(problem->message);
    if (doubt != NULL) {
        vr_console_note(self->console, "the plan is not revised without a person: %s", doubt);
        return FALSE;
    }
    g_autofree char *text =
        vr_render_revision(rollout, revision, g_get_real_time(), vr_console_width(self->console));
    vr_console_print(self->console, text);
    *revisions = rollout->revisions + 1;
    vr_controller_revise_by_itself(self->controller, g_steal_pointer(&revision), rollout->reason);
    return TRUE;
}

static int
watch(const Run *self, GError **error)
{
    guint revisions = 0; /* that there must be before the next one: else the last was refused */
    VrFollowEnd end = VR_FOLLOW_OVER;

    do
        end = vr_follow_run(self->follow, error);
    while (end == VR_FOLLOW_OVER && revise_by_itself(self, &revisions));
    switch (end) {
    case VR_FOLLOW_OVER:
        return report(self, error);
    case VR_FOLLOW_LEFT:
        vr_console_note(self->console, "left at once; what libvirt and the stages have in hand "
                                       "goes on without us: virt-roll run resumes");
        return EXIT_GOES_ON_LATER;
    case VR_FOLLOW_HALTED:
        return 0;
    }
    g_assert_not_reached();
}

/* ------------------------------------------------------------------ going on */

static gboolean
open_controller(Run *self, GError **error)
{
    VrControllerListener listener;

    if (self->planning.libvirt == NULL)
        self->planning.libvirt = vr_libvirt_new(self->planning.fleet);
    self->follow = vr_follow_new(self->console);
    listener = vr_follow_listener(self->follow);
    self->controller = vr_controller_open(self->planning.fleet, self->planning.libvirt, self->state,
                                          &listener, error);
    if (self->controller == NULL)
        return FALSE;
    vr_follow_start_from(self->follow, self->controller, vr_controller_snapshot(self->controller));
    return TRUE;
}

static void
say_what_goes_on(const Run *self, const VrRollout *rollout)
{
    VrTally tally = vr_tally_count(rollout);
    gboolean was_cut_off = !vr_rollout_is_over(rollout->phase);
    g_autofree char *reason = rollout->reason != NULL ? vr_text_clean(rollout->reason) : NULL;
    g_autofree char *text = g_strdup_printf(
        "Going on with rollout %s: %u of %u hosts updated, %u of %u VMs migrated; it stood still "
        "because %s%s%s",
        rollout->id, tally.hosts_updated, tally.hosts_to_update, tally.vms_migrated,
        tally.vms_to_migrate, was_cut_off ? "its controller was cut off" : "it ended as ",
        was_cut_off ? "" : vr_rollout_phase_to_string(rollout->phase),
        was_cut_off      ? ""
        : reason != NULL ? ": "
                         : "");
    g_autofree char *whole = g_strconcat(text, !was_cut_off && reason != NULL ? reason : "", NULL);
    g_autoptr(GString) wrapped = g_string_new(NULL);

    vr_text_append_wrapped(wrapped, whole, "", vr_console_width(self->console));
    vr_console_print(self->console, wrapped->str);
}

/* The rollout is done on its own plan; whoever asks for another one must hear that. */
static gboolean
check_same_request(const Run *self, const VrRollout *rollout, GError **error)
{
    const char *level = rollout->basis->plan->update_level;

    if (self->options->hosts == NULL && self->options->exclude == NULL &&
        self->options->extra_migrations == NULL && self->options->finish_by == NULL &&
        self->options->reverse == NULL &&
        (self->options->update == NULL || g_strcmp0(self->options->update, level) == 0))
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                "rollout %s (update %s) is not finished and goes on as it was planned: run without "
                "options that plan anew, such as --hosts and --update, or end it with: virt-roll "
                "rollout close --reason "
                "TEXT",
                rollout->id, level);
    return FALSE;
}

/* The host's own name, whichever of its names a person uses. */
static const char *
host_name(const Run *self, const char *host)
{
    gint index = vr_fleet_find_host(self->planning.fleet, host);

    return index >= 0 ? vr_fleet_host(self->planning.fleet, (guint)index)->name : host;
}

static gboolean
check_retry(const Run *self, const VrRollout *rollout, GError **error)
{
    const char *host = host_name(self, self->retry);
    gint index = vr_rollout_find_update(rollout, host);

    if (index < 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND,
                    "%s: rollout %s does not update such a host", host, rollout->id);
        return FALSE;
    }
    if (vr_rollout_step(rollout, (guint)index)->phase != VR_PHASE_NEEDS_OPERATOR) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "%s: its update does not wait for a person (it is %s); virt-roll run goes on",
                    host, vr_phase_to_string(vr_rollout_step(rollout, (guint)index)->phase));
        return FALSE;
    }
    return TRUE;
}

/* UUID of the VM to leave as it is: one that a person was asked about. NULL: there is none. */
static const char *
find_deferrable(const Run *self, const VrRollout *rollout, GError **error)
{
    const VrPlanStep *found = NULL;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (!vr_rollout_is_asked_about(rollout, step) ||
            (g_strcmp0(step->plan->vm_uuid, self->defer) != 0 &&
             g_strcmp0(step->plan->vm, self->defer) != 0))
            continue;
        if (found != NULL && g_strcmp0(found->vm_uuid, step->plan->vm_uuid) != 0) {
            g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                        "%s: two VMs of that name wait for a person, %s and %s: say which by UUID",
                        self->defer, found->vm_uuid, step->plan->vm_uuid);
            return NULL;
        }
        found = step->plan;
    }
    if (found == NULL)
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND,
                    "%s: no VM of that name or UUID waits for a person in rollout %s; virt-roll "
                    "status shows which do",
                    self->defer, rollout->id);
    return found != NULL ? found->vm_uuid : NULL;
}

/* May the host's VMs be brought back, or the host be released? */
static gboolean
check_alert(const Run *self, const VrRollout *rollout, GError **error)
{
    g_autofree char *obstacle =
        self->undo != NULL
            ? vr_rollout_find_undo_obstacle(rollout, host_name(self, self->undo))
            : vr_rollout_find_release_obstacle(rollout, host_name(self, self->release));

    if (obstacle == NULL)
        return TRUE;
    g_set_error_literal(error, VR_ERROR, VR_ERROR_REFUSED, obstacle);
    return FALSE;
}

/* What the question is about, where that is more than going on. */
static void
show_consequence(const Run *self, const VrRollout *rollout)
{
    g_autofree char *text = NULL;

    if (self->undo == NULL && self->release == NULL)
        return;
    text = self->undo != NULL ? vr_render_undo(rollout, host_name(self, self->undo),
                                               g_get_real_time(), vr_console_width(self->console))
                              : vr_render_release(rollout, host_name(self, self->release),
                                                  vr_console_width(self->console));
    vr_console_print(self->console, text);
}

static void
ask_for_subject(const Run *self, const char *vm_uuid)
{
    const char *reason = self->options->reason;

    if (vm_uuid != NULL)
        vr_controller_ask(self->controller, VR_INPUT_DEFER, vm_uuid, reason);
    if (self->retry != NULL)
        vr_controller_ask(self->controller, VR_INPUT_RETRY, host_name(self, self->retry), NULL);
    if (self->undo != NULL)
        vr_controller_ask(self->controller, VR_INPUT_UNDO, host_name(self, self->undo), reason);
    if (self->release != NULL)
        vr_controller_ask(self->controller, VR_INPUT_RELEASE, host_name(self, self->release),
                          reason);
}

/* Goes on by a plan of what is left, once it is approved. */
static int
replan(Run *self, GError **error)
{
    const VrRollout *rollout = vr_follow_rollout(self->follow);
    const char *reason =
        self->options->reason != NULL ? self->options->reason : "a person asked for a new plan";
    g_autoptr(VrRevision) revision =
        vr_replanning_compute(self->planning.fleet, self->planning.libvirt, rollout, self->skip,
                              self->options->reason, error);

    if (revision == NULL)
        return 0;
    g_autofree char *text =
        vr_render_revision(rollout, revision, g_get_real_time(), vr_console_width(self->console));
    vr_console_print(self->console, text);
    if (!self->options->is_yes && !vr_console_ask(self->console, "Go on by it?")) {
        vr_console_note(self->console, "nothing was changed");
        return EXIT_GOES_ON_LATER;
    }
    vr_controller_revise(self->controller, g_steal_pointer(&revision), reason);
    return watch(self, error);
}

static int
go_on(Run *self, GError **error)
{
    const char *vm_uuid = NULL;
    const VrRollout *rollout = vr_follow_rollout(self->follow);

    if (!check_same_request(self, rollout, error) ||
        (self->retry != NULL && !check_retry(self, rollout, error)) ||
        ((self->undo != NULL || self->release != NULL) && !check_alert(self, rollout, error)))
        return 0;
    if (self->defer != NULL && (vm_uuid = find_deferrable(self, rollout, error)) == NULL)
        return 0;
    say_what_goes_on(self, rollout);
    if (self->is_replan)
        return replan(self, error);
    show_consequence(self, rollout);
    if (!self->options->is_yes && !vr_console_ask(self->console, "Go on?"))
        return EXIT_GOES_ON_LATER;
    ask_for_subject(self, vm_uuid);
    vr_controller_resume(self->controller);
    return watch(self, error);
}

/* ------------------------------------------------------------------ beginning */

/* Does an earlier rollout have this id? Its stages and its report stand under it. */
static gboolean
is_id_taken(const Run *self, const char *id)
{
    const VrRollout *last = vr_follow_rollout(self->follow);
    g_autofree char *stages = g_build_filename(self->state, "stages", id, NULL);
    g_autofree char *name = g_strdup_printf("%s.json", id);
    g_autofree char *report = g_build_filename(self->state, "reports", name, NULL);

    return g_strcmp0(last->id, id) == 0 || g_file_test(stages, G_FILE_TEST_EXISTS) ||
           g_file_test(report, G_FILE_TEST_EXISTS);
}

/*
 * Names files and stages' attempts: short, sortable, no more than letters, digits and marks. Never
 * the same twice, or a stage's attempt of an earlier rollout would be taken for one of this.
 */
static char *
make_id(const Run *self)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y%m%d-%H%M%S");
    char *id = g_strdup_printf("%s-%.*s", time, FLEET_NAME_SHOWN, self->planning.fleet->name);

    for (guint i = 2; is_id_taken(self, id); i++) {
        g_free(id);
        id = g_strdup_printf("%s-%.*s.%u", time, FLEET_NAME_SHOWN, self->planning.fleet->name, i);
    }
    return id;
}

static void
show_plan(const Run *self)
{
    const VrPlanning *planning = &self->planning;
    g_autofree char *text = vr_planning_show(planning, vr_console_width(self->console));

    vr_console_print(self->console, text);
    if (planning->plan->steps->len > 0)
        vr_console_print(self->console, "Ctrl-C finishes what is in flight and stops; run goes on "
                                        "later where it stopped.\n");
}

static gboolean
is_any_left_out(const VrPlan *plan)
{
    for (guint i = 0; i < plan->skipped->len; i++) {
        if (vr_tally_is_left_out(g_ptr_array_index(plan->skipped, i)))
            return TRUE;
    }
    return FALSE;
}

/* Opened only now: whatever is wrong before leaves no trace. */
static gboolean
open_for_new(Run *self, GError **error)
{
    if (!open_controller(self, error))
        return FALSE;
    const VrRollout *rollout = vr_follow_rollout(self->follow);
    if (!vr_rollout_is_unfinished(rollout))
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_CONFLICT,
                "rollout %s was begun meanwhile by somebody else; virt-roll status shows it",
                rollout->id);
    return FALSE;
}

static int
begin(Run *self, GError **error)
{
    VrPlanning *planning = &self->planning;

    planning->policy = vr_inputs_load_policy(self->options, self->console, error);
    if (planning->policy == NULL || !vr_planning_read_request(planning, self->options, error) ||
        !vr_inputs_check_stages(planning->fleet, error) ||
        !vr_planning_scan(planning, TRUE, error) || !vr_planning_compute(planning, error))
        return 0;
    show_plan(self);
    if (planning->plan->steps->len == 0)
        return is_any_left_out(planning->plan) ? 6 : 0;
    if (!self->options->is_yes && !vr_console_ask(self->console, "Go?")) {
        vr_console_note(self->console, "nothing was done");
        return 0;
    }
    if (!open_for_new(self, error))
        return 0;
    g_autofree char *id = make_id(self);
    vr_controller_begin(self->controller, id, planning->plan, planning->policy,
                        planning->inventory);
    return watch(self, error);
}

/* ------------------------------------------------------------------ which of both */

/* What the state directory holds, without touching it. FALSE with error. */
static gboolean
find_unfinished(const Run *self, gboolean *out_is_there, GError **error)
{
    gboolean is_owned = FALSE;
    g_autoptr(GError) problem = NULL;
    g_autoptr(VrRollout) rollout = vr_controller_look(self->state, &is_owned, &problem);

    /* An owner: opening says who it is. */
    *out_is_there = is_owned || (rollout != NULL && vr_rollout_is_unfinished(rollout));
    if (rollout != NULL || g_error_matches(problem, VR_ERROR, VR_ERROR_NOT_FOUND))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
}

static int
run(Run *request, GError **error)
{
    g_auto(Run) self = *request;
    const VrOptions *options = self.options;
    const char *subject = self.retry != NULL     ? self.retry
                          : self.undo != NULL    ? self.undo
                          : self.release != NULL ? self.release
                                                 : self.defer;
    gboolean is_there = FALSE;

    if ((self.planning.fleet = vr_inputs_load_fleet(options, error)) == NULL)
        return 0;
    if (!options->is_yes && !vr_console_can_ask()) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "there is no terminal to ask \"Go?\" on: look at the plan with virt-roll plan, "
                    "then run with --yes");
        return 0;
    }
    self.state = vr_inputs_find_state(options, self.planning.fleet, error);
    if (self.state == NULL || !find_unfinished(&self, &is_there, error))
        return 0;
    if (is_there) {
        if (!open_controller(&self, error))
            return 0;
        if (vr_rollout_is_unfinished(vr_follow_rollout(self.follow)))
            return go_on(&self, error);
        /* Its owner has just finished it. */
        g_clear_pointer(&self.controller, vr_controller_free);
        g_clear_pointer(&self.follow, vr_follow_free);
    }
    if (subject != NULL || self.is_replan) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "%s%sthere is no unfinished rollout",
                    subject != NULL ? subject : "", subject != NULL ? ": " : "");
        return 0;
    }
    return begin(&self, error);
}

int
vr_verb_run(const VrOptions *options, VrConsole *console, GError **error)
{
    Run request = {.options = options, .console = console, .retry = options->retry};

    return run(&request, error);
}

int
vr_verb_rollout_retry(const VrOptions *options, VrConsole *console, GError **error)
{
    Run request = {.options = options, .console = console, .retry = options->arguments[0]};

    return run(&request, error);
}

/* What goes into the journal because of a person says why. */
static gboolean
check_reason(const VrOptions *options, const char *verb, GError **error)
{
    if (options->reason != NULL && *options->reason != '\0')
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                "%s: needs --reason TEXT; it is kept in the journal", verb);
    return FALSE;
}

int
vr_verb_rollout_defer(const VrOptions *options, VrConsole *console, GError **error)
{
    Run request = {.options = options, .console = console, .defer = options->arguments[0]};

    return check_reason(options, "rollout defer", error) ? run(&request, error) : 0;
}

int
vr_verb_rollout_replan(const VrOptions *options, VrConsole *console, GError **error)
{
    Run request = {.options = options, .console = console, .is_replan = TRUE};

    return run(&request, error);
}

int
vr_verb_rollout_skip(const VrOptions *options, VrConsole *console, GError **error)
{
    Run request = {
        .options = options,
        .console = console,
        .skip = options->arguments[0],
        .is_replan = TRUE,
    };

    return check_reason(options, "rollout skip", error) ? run(&request, error) : 0;
}

int
vr_verb_rollout_undo(const VrOptions *options, VrConsole *console, GError **error)
{
    Run request = {.options = options, .console = console, .undo = options->arguments[0]};

    return check_reason(options, "rollout undo", error) ? run(&request, error) : 0;
}

int
vr_verb_rollout_release(const VrOptions *options, VrConsole *console, GError **error)
{
    Run request = {.options = options, .console = console, .release = options->arguments[0]};

    return check_reason(options, "rollout release", error) ? run(&request, error) : 0;
}
