/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "plan/reason.h"

const char *
vr_reason_no_empty(const VrProblem *problem)
{
    return problem->policy->limits.spare_hosts_min > 0 ? "no host is empty but spare ones"
                                                       : "no host is empty";
}

/* There are hundreds of thousands of these: no format strings. */
static void
append_forward(GString *out, const char *target, const VrEntry *entry)
{
    static const char *const choices[] = {
        [VR_CHOICE_FULLEST] = ": the fullest updated host with room (",
        [VR_CHOICE_SOONEST] = ": the shortest queue on its link (",
        [VR_CHOICE_LIGHTEST] = ": the least busy updated host (",
        [VR_CHOICE_SEQUENCE] = ": on the way with the fewest extra migrations"};
    const char *choice = choices[entry->choice];

    vr_text_append(out, "to ", 3);
    vr_text_append(out, target, strlen(target));
    vr_text_append(out, choice, strlen(choice));
    if (entry->choice == VR_CHOICE_SEQUENCE)
        return;
    vr_json_append_integer(out, entry->left_mib);
    vr_text_append(out, " MiB left)", 10);
}

static char *
format_extra(const VrProblem *problem, const VrSchedule *schedule, const VrEntry *entry)
{
    const VrDrainNote *note = &schedule->notes[entry->source];
    const char *source = vr_problem_host_name(problem, entry->source);
    const char *target = vr_problem_host_name(problem, entry->host);

    if (entry->choice == VR_CHOICE_SEQUENCE)
        return g_strdup_printf("a hop to %s that makes room: no way to update all hosts needs "
                               "fewer than %u extra migrations",
                               target, schedule->extra_count);
    if (note->turn == VR_TURN_NO_EMPTY)
        return g_strdup_printf(
            "%s: %s can be emptied with the fewest extra migrations (%u); to %s, "
            "the fullest with room",
            vr_reason_no_empty(problem), source, note->extra_count, target);
    if (note->turn == VR_TURN_NO_FIT)
        return g_strdup_printf("no host's VMs all fit on the updated hosts: %s needs the fewest "
                               "extra migrations (%u); to %s, the fullest with room",
                               source, note->extra_count, target);
    if (note->turn != VR_TURN_EARLY)
        return g_strdup_printf("within the budget: aside to %s, the fullest with room, so that "
                               "more hosts' VMs fit on the updated hosts",
                               target);
    return g_strdup_printf("within the budget: %s is emptied early with %u extra migrations; to "
                           "%s, the fullest with room",
                           source, note->extra_count, target);
}

/* "on h3", "on h3 and 2 more hosts" */
static char *
format_targets(const VrProblem *problem, const VrDrainNote *note)
{
    const char *first = vr_problem_host_name(problem, note->first_target);

    if (note->target_count == 1)
        return g_strdup_printf("on %s", first);
    return g_strdup_printf("on %s and %u more host%s", first, note->target_count - 1,
                           note->target_count == 2 ? "" : "s");
}

static char *
format_update(const VrProblem *problem, const VrDrainNote *note, const VrEntry *entry)
{
    const char *host = vr_problem_host_name(problem, entry->host);

    if (note->turn == VR_TURN_EMPTY)
        return g_strdup_printf("%s is empty", host);
    g_autofree char *targets = format_targets(problem, note);
    g_autofree char *vms = note->vm_count == 1 ? g_strdup("its one VM fits")
                                               : g_strdup_printf("its %u VMs fit", note->vm_count);
    switch (note->turn) {
    case VR_TURN_GROWTH:
        return g_strdup_printf("%s is next: %s %s and return most room for the time", host, vms,
                               targets);
    case VR_TURN_LONGEST:
        return g_strdup_printf("%s is next: %s %s, and of all that are left it takes longest", host,
                               vms, targets);
    case VR_TURN_ORDER:
        return g_strdup_printf("%s is next in the order of the request: %s %s", host, vms, targets);
    case VR_TURN_EARLY:
        return g_strdup_printf("%s was emptied early, within the budget of extra migrations", host);
    case VR_TURN_NO_EMPTY:
        return g_strdup_printf("no host was empty: %s was emptied with the fewest extra "
                               "migrations (%u)",
                               host, note->extra_count);
    case VR_TURN_NO_FIT:
        return g_strdup_printf("no host's VMs all fitted on the updated hosts: %s needed the "
                               "fewest extra migrations (%u)",
                               host, note->extra_count);
    case VR_TURN_SEQUENCE:
        return g_strdup_printf("%s is empty now, on the way with the fewest extra migrations",
                               host);
    case VR_TURN_EMPTY:
        break;
    }
    g_assert_not_reached();
}

static char *
format_gate(const VrProblem *problem, const VrEntry *entry)
{
    g_autofree char *span = vr_time_format_span((entry->end_ms - entry->start_ms) * VR_MS_US);

    return g_strdup_printf("holds %s's update until %s has run its VMs for %s",
                           vr_problem_host_name(problem, entry->source),
                           vr_problem_host_name(problem, entry->host), span);
}

void
vr_reason_append(GString *out, const VrProblem *problem, const VrSchedule *schedule,
                 const VrEntry *entry)
{
    g_autofree char *text = NULL;

    switch (entry->kind) {
    case VR_STEP_UPDATE:
        text = format_update(problem, &schedule->notes[entry->host], entry);
        break;
    case VR_STEP_MIGRATE:
        if (!entry->extra) {
            append_forward(out, vr_problem_host_name(problem, entry->host), entry);
            return;
        }
        text = format_extra(problem, schedule, entry);
        break;
    case VR_STEP_GATE:
        text = format_gate(problem, entry);
        break;
    case VR_STEP_QUARANTINE:
    case VR_STEP_REOPEN:
        g_assert_not_reached(); /* never planned */
    }
    g_string_append(out, text);
}
