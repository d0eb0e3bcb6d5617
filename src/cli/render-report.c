/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/time.h"
#include "cli/render-health.h"
#include "cli/render.h"
#include "cli/tally.h"
#include "cli/text.h"

/* Migrations that are listed one by one; of more, those with the longest downtime. */
#define MIGRATIONS_MAX 40
#define NAME_WIDTH_MAX 28
#define WAY_WIDTH_MAX 30
#define ID_SHOWN 8

static const char *const shown_facts[] = {"kernel", "qemu", "libvirt", "microcode"};

static char *
format_head(const VrRollout *rollout, gint64 now_us)
{
    g_autofree char *span = vr_time_format_span(vr_tally_duration_us(rollout, now_us));
    g_autofree char *forecast =
        vr_text_rough_span(rollout->basis->plan->summary.makespan_ms * VR_MS_US);

    switch (rollout->phase) {
    case VR_ROLLOUT_DONE:
        return g_strdup_printf("Done in %s (forecast %s).", span, forecast);
    case VR_ROLLOUT_STOPPED:
        return g_strdup_printf("Stopped after %s, goes on later.", span);
    case VR_ROLLOUT_NEEDS_OPERATOR:
        return g_strdup_printf("NEEDS A PERSON after %s.", span);
    case VR_ROLLOUT_FAILED:
        return g_strdup_printf("FAILED after %s.", span);
    case VR_ROLLOUT_CLOSED:
        return g_strdup_printf("Closed after %s.", span);
    case VR_ROLLOUT_NONE:
    case VR_ROLLOUT_RUNNING:
    case VR_ROLLOUT_STOPPING:
        return g_strdup_printf("Under way for %s.", span);
    }
    g_assert_not_reached();
}

/* "4c2f… → 99ab…", "1" where nothing changed, "-" if it is not known. */
static char *
format_fact(const VrStepState *step, const char *name, int width)
{
    g_autofree char *before = vr_facts_get(step->facts_before, name);
    g_autofree char *after = vr_facts_get(step->facts_after, name);

    if (before == NULL && after == NULL)
        return g_strdup("-");
    if (after == NULL)
        return g_strdup_printf("%.*s", width, before);
    if (before == NULL || strcmp(before, after) == 0)
        return g_strdup_printf("%.*s", width, after);
    return g_strdup_printf("%.*s → %.*s", width, before, width, after);
}

static gboolean
has_changed(const VrStepState *step, const char *name)
{
    g_autofree char *before = vr_facts_get(step->facts_before, name);
    g_autofree char *after = vr_facts_get(step->facts_after, name);

    return before != NULL && after != NULL && strcmp(before, after) != 0;
}

/* What is known of a host's update, without its name. (transfer full) */
static char *
describe_host(const VrStepState *step)
{
    GString *text =
        g_string_new(step->phase == VR_PHASE_PENDING ? "waits" : vr_phase_to_string(step->phase));
    g_autofree char *level = format_fact(step, "update_level", G_MAXINT);
    g_autofree char *boot = format_fact(step, "boot_id", ID_SHOWN);

    if (step->facts_before == NULL && step->facts_after == NULL)
        return g_string_free(text, FALSE);
    g_string_append_printf(text, ": level %s, boot id %s", level, boot);
    for (guint i = 0; i < G_N_ELEMENTS(shown_facts); i++) {
        if (!has_changed(step, shown_facts[i]))
            continue;
        g_autofree char *fact = format_fact(step, shown_facts[i], G_MAXINT);
        g_string_append_printf(text, ", %s %s", shown_facts[i], fact);
    }
    return g_string_free(text, FALSE);
}

/* The name, and beside it what is known, in as many lines as that needs. */
static void
append_host(GString *out, const VrStepState *step, guint name_width, guint width)
{
    g_autofree char *text = describe_host(step);
    g_autofree char *indent = g_strnfill(name_width + 4, ' ');
    g_autoptr(GString) lines = g_string_new(NULL);

    vr_text_append_wrapped(lines, text, indent, width);
    g_string_append(out, "  ");
    vr_text_append_cell(out, step->plan->host, name_width);
    g_string_append(out, lines->str + name_width + 2);
}

static void
append_hosts(GString *out, const VrRollout *rollout, guint width)
{
    guint name_width = 0;

    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrPlanStep *plan = vr_rollout_step(rollout, i)->plan;
        if (plan->kind == VR_STEP_UPDATE)
            name_width = MAX(name_width, vr_text_width(plan->host));
    }
    name_width = MIN(name_width, NAME_WIDTH_MAX);
    g_string_append(out, "Hosts\n");
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_UPDATE && step->phase != VR_PHASE_SUPERSEDED)
            append_host(out, step, name_width, width);
    }
}

static gint
by_downtime(gconstpointer a, gconstpointer b)
{
    const VrStepState *left = *(const VrStepState *const *)a;
    const VrStepState *right = *(const VrStepState *const *)b;

    if (left->stats.downtime_ms != right->stats.downtime_ms)
        return left->stats.downtime_ms < right->stats.downtime_ms ? 1 : -1;
    return left->plan->id < right->plan->id ? -1 : 1;
}

/* (element-type VrStepState) those to list, borrowed. */
static GPtrArray *
choose_migrations(const VrRollout *rollout, guint *out_hidden)
{
    GPtrArray *chosen = g_ptr_array_new();

    for (guint i = 0; i < rollout->steps->len; i++) {
        VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_PENDING &&
            (step->phase != VR_PHASE_SUPERSEDED || vr_tally_was_issued(step)))
            g_ptr_array_add(chosen, step);
    }
    *out_hidden = chosen->len > MIGRATIONS_MAX ? chosen->len - MIGRATIONS_MAX : 0;
    if (*out_hidden > 0) {
        g_ptr_array_sort(chosen, by_downtime);
        g_ptr_array_set_size(chosen, MIGRATIONS_MAX);
    }
    return chosen;
}

static char *
format_way(const VrStepState *step)
{
    return g_strdup_printf("%s → %s", step->plan->source, step->plan->target);
}

static void
append_migration(GString *out, const VrStepState *step, guint name_width, guint way_width)
{
    g_autofree char *way = format_way(step);
    gint64 took_us = vr_tally_migration_us(step);
    g_autofree char *took = took_us != VR_UNKNOWN && step->phase == VR_PHASE_SETTLED
                                ? vr_time_format_span(took_us)
                                : g_strdup("-");
    g_autofree char *downtime =
        step->stats.downtime_ms != VR_UNKNOWN
            ? g_strdup_printf("%" G_GINT64_FORMAT " ms", step->stats.downtime_ms)
            : g_strdup("-");

    g_string_append(out, "  ");
    vr_text_append_cell(out, step->plan->vm, name_width);
    g_string_append(out, "  ");
    vr_text_append_cell(out, way, way_width);
    g_string_append_printf(out, "  %10s  %10s  %s\n", took, downtime,
                           vr_phase_to_string(step->phase));
}

static void
append_migrations(GString *out, const VrRollout *rollout)
{
    guint hidden = 0;
    g_autoptr(GPtrArray) chosen = choose_migrations(rollout, &hidden);
    guint name_width = 2;
    guint way_width = 9;

    if (chosen->len == 0)
        return;
    for (guint i = 0; i < chosen->len; i++) {
        const VrStepState *step = g_ptr_array_index(chosen, i);
        g_autofree char *way = format_way(step);
        name_width = MAX(name_width, vr_text_width(step->plan->vm));
        way_width = MAX(way_width, vr_text_width(way));
    }
    name_width = MIN(name_width, NAME_WIDTH_MAX);
    way_width = MIN(way_width, WAY_WIDTH_MAX);
    g_string_append(out, "Migrations");
    g_string_append_printf(out, "%*s  %10s  %10s\n", (int)(name_width + way_width) - 6, "", "took",
                           "downtime");
    for (guint i = 0; i < chosen->len; i++)
        append_migration(out, g_ptr_array_index(chosen, i), name_width, way_width);
    if (hidden > 0)
        g_string_append_printf(out, "  … and %u with less downtime (the JSON report has all)\n",
                               hidden);
}

/* Of those that did not get where they should: why, and what to do. */
static void
append_failures(GString *out, const VrRollout *rollout, guint width)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind != VR_STEP_MIGRATE || step->trouble == VR_FAILURE_NONE ||
            g_strcmp0(step->reason, rollout->reason) == 0) /* the last lines say that */
            continue;
        g_autofree char *text = vr_tally_reason(step);
        vr_text_append_wrapped(out, text, "  ", width);
    }
}

static void
append_totals(GString *out, const VrRollout *rollout)
{
    VrTally tally = vr_tally_count(rollout);
    g_autofree char *migrations = vr_text_count(tally.migrations, "migration");

    g_string_append_printf(out, "%u of %u hosts updated, %u of %u VMs migrated with %s.\n",
                           tally.hosts_updated, tally.hosts_to_update, tally.vms_migrated,
                           tally.vms_to_migrate, migrations);
    if (tally.vms_stopped > 0) {
        g_autofree char *stopped = vr_text_count(tally.vms_stopped, "VM");
        g_string_append_printf(out, "%s shut down meanwhile and left where %s.\n", stopped,
                               tally.vms_stopped == 1 ? "it is" : "they are");
    }
    if (tally.downtime_vm != NULL) {
        g_autofree char *vm = vr_text_clean(tally.downtime_vm);
        g_string_append_printf(out, "Longest downtime reported: %" G_GINT64_FORMAT " ms (%s).\n",
                               tally.downtime_ms_max, vm);
    }
}

static void
append_left_out(GString *out, const VrRollout *rollout, guint width)
{
    const GPtrArray *skipped = rollout->basis->plan->skipped;

    for (guint i = 0; i < skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(skipped, i);
        if (!vr_tally_is_left_out(skip))
            continue;
        g_autofree char *text = g_strdup_printf("Left out: %s (%s): %s", skip->host, skip->reason,
                                                skip->detail != NULL ? skip->detail : "");
        vr_text_append_wrapped(out, text, "", width);
    }
}

char *
vr_render_report(const VrStatusView *view, guint width)
{
    const VrRollout *rollout = view->rollout;
    GString *out = g_string_new(NULL);
    g_autofree char *head = format_head(rollout, view->now_us);
    g_autofree char *silent = vr_render_silent_hosts(view, width);
    g_autofree char *health = vr_render_health(rollout, width);
    g_autofree char *level = vr_text_clean(rollout->basis->plan->update_level);

    g_string_append_printf(out, "Rollout %s   update: %s\n", rollout->id, level);
    append_hosts(out, rollout, width);
    append_migrations(out, rollout);
    append_failures(out, rollout, width);
    g_string_append(out, health);
    append_left_out(out, rollout, width);
    g_string_append_printf(out, "%s   ", head);
    append_totals(out, rollout);
    if (rollout->phase != VR_ROLLOUT_DONE && rollout->reason != NULL)
        vr_text_append_wrapped(out, rollout->reason, "  ", width);
    g_string_append(out, silent);
    return g_string_free(out, FALSE);
}
