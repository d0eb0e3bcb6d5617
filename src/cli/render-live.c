/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/time.h"
#include "cli/render.h"
#include "cli/tally.h"
#include "cli/text.h"

/* Lines beside the overall bar: a screen must not scroll because of what is in flight. */
#define LINES_MAX 12
#define SUBJECT_WIDTH 10
#define WAY_WIDTH 8
#define BAR_WIDTH 20
/* What takes longer than that wants an explanation. */
#define REASON_AFTER_US (2 * VR_S_US)

typedef struct {
    const VrRollout *rollout;
    GHashTable *progress;
    gint64 now_us;
    guint width;
} View;

/* Adds "  text" if it still fits; what comes first matters more. */
static void
append_field(GString *line, guint width, const char *text)
{
    if (vr_text_width(line->str) + 2 + vr_text_width(text) <= width)
        g_string_append_printf(line, "  %s", text);
}

static GString *
new_line(const char *subject, const char *what)
{
    GString *line = g_string_new("▸ ");

    vr_text_append_cell(line, subject, MAX(SUBJECT_WIDTH, MIN(vr_text_width(subject), 24)));
    g_string_append_c(line, ' ');
    vr_text_append_cell(line, what, MAX(WAY_WIDTH, MIN(vr_text_width(what), 30)));
    return line;
}

static char *
finish_line(const View *view, GString *line)
{
    g_autofree char *text = g_string_free(line, FALSE);

    return vr_text_fit(text, view->width);
}

/* What is left goes up again when a guest writes; so does the bar go back then. */
static gint64
done_permille(const VrMigrationProgress *progress)
{
    if (progress->data_total_mib <= 0 || progress->data_remaining_mib < 0)
        return 0;
    return CLAMP((progress->data_total_mib - progress->data_remaining_mib) * 1000 /
                     progress->data_total_mib,
                 0, 1000);
}

/* The numbers matter more. */
static guint
bar_width(const View *view)
{
    if (view->width >= 110)
        return BAR_WIDTH;
    return view->width >= 90 ? BAR_WIDTH / 2 : BAR_WIDTH / 4;
}

static void
append_progress(const View *view, GString *line, const VrMigrationProgress *progress)
{
    gint64 permille = done_permille(progress);

    if (progress->data_total_mib <= 0) { /* the target starts its side first */
        append_field(line, view->width, "preparing the target");
        return;
    }
    g_autoptr(GString) bar = g_string_new(NULL);
    g_autofree char *percent = g_strdup_printf("%3" G_GINT64_FORMAT " %%", permille / 10);

    vr_text_append_bar(bar, permille, bar_width(view));
    append_field(line, view->width, bar->str);
    append_field(line, view->width, percent);
    if (progress->rate_mib_per_s >= 0) {
        g_autofree char *rate =
            g_strdup_printf("%" G_GINT64_FORMAT " MiB/s", progress->rate_mib_per_s);
        append_field(line, view->width, rate);
    }
    if (progress->data_remaining_mib >= 0) {
        g_autofree char *mib = vr_text_mib(progress->data_remaining_mib);
        g_autofree char *left = g_strdup_printf("%s left", mib);
        append_field(line, view->width, left);
    }
    if (progress->downtime_ms >= 0) {
        g_autofree char *downtime =
            g_strdup_printf("downtime ~%" G_GINT64_FORMAT " ms", progress->downtime_ms);
        append_field(line, view->width, downtime);
    }
    if (progress->dirty_mib_per_s >= 0) {
        g_autofree char *dirty =
            g_strdup_printf("dirty %" G_GINT64_FORMAT " MiB/s", progress->dirty_mib_per_s);
        append_field(line, view->width, dirty);
    }
}

static void
append_waiting(const View *view, GString *line, const VrStepState *step)
{
    if (step->not_before_us > view->now_us + VR_S_US) {
        g_autofree char *left = vr_text_rough_span(step->not_before_us - view->now_us);
        g_autofree char *text = g_strdup_printf("again in %s", left);
        append_field(line, view->width, text);
    }
    if (step->reason != NULL && view->now_us - step->since_us >= REASON_AFTER_US)
        append_field(line, view->width + vr_text_width(step->reason), step->reason);
}

static char *
migration_line(const View *view, const VrStepState *step)
{
    g_autofree char *way = g_strdup_printf("%s → %s", step->plan->source, step->plan->target);
    GString *line = new_line(step->plan->vm, way);
    const VrMigrationProgress *progress =
        g_hash_table_lookup(view->progress, GUINT_TO_POINTER(step->plan->id));

    if (step->phase == VR_PHASE_MIGRATING && progress != NULL) {
        append_progress(view, line, progress);
    } else {
        append_field(line, view->width, vr_phase_to_string(step->phase));
        append_waiting(view, line, step);
    }
    return finish_line(view, line);
}

static char *
gate_line(const View *view, const VrStepState *step)
{
    GString *line = new_line(step->plan->host, "gate");
    const VrHostHealth *health = vr_rollout_find_health(view->rollout, step->plan->host);
    gint64 left_us = MAX(step->not_before_us - view->now_us, 0);
    g_autofree char *left = vr_text_rough_span(left_us);
    g_autofree char *text =
        left_us > 0 ? g_strdup_printf("%s left", left) : g_strdup(vr_phase_to_string(step->phase));
    g_autofree char *held = g_strdup_printf("%s is kept as it is", step->plan->source);

    append_field(line, view->width, text);
    append_field(line, view->width, held);
    if (health != NULL && health->clock_stands_since_us != 0)
        append_field(line, view->width, "cannot be read: its time stands still");
    else if (health != NULL && health->finding.rule != VR_HEALTH_RULE_NONE)
        append_field(line, view->width, vr_health_rule_to_string(health->finding.rule));
    else if (health != NULL)
        append_field(line, view->width, "watched: well");
    return finish_line(view, line);
}

static char *
host_line(const View *view, const VrStepState *step)
{
    GString *line = new_line(step->plan->host, vr_phase_to_string(step->phase));
    g_autofree char *since = vr_text_rough_span(MAX(view->now_us - step->since_us, 0));
    g_autofree char *text = g_strdup_printf("for %s", since);

    if (view->now_us - step->since_us >= VR_S_US)
        append_field(line, view->width, text);
    if (step->phase > VR_PHASE_REBOOTING && step->deadline_us > view->now_us) {
        g_autofree char *left = vr_text_rough_span(step->deadline_us - view->now_us);
        g_autofree char *limit = g_strdup_printf("gives up in %s", left);
        append_field(line, view->width, limit);
    }
    append_waiting(view, line, step);
    return finish_line(view, line);
}

/* A host that its VMs are leaving. NULL: none is left; its gate's line says the rest. */
static char *
drain_line(const View *view, const VrStepState *step)
{
    guint all = 0;
    guint gone = 0;

    for (guint i = 0; i < view->rollout->steps->len; i++) {
        const VrStepState *other = vr_rollout_step(view->rollout, i);
        gboolean leaves = other->plan->kind == VR_STEP_MIGRATE &&
                          other->phase != VR_PHASE_SUPERSEDED &&
                          g_strcmp0(other->plan->source, step->plan->host) == 0;
        all += leaves;
        gone += leaves && vr_phase_is_satisfied(other->phase);
    }
    if (gone == all)
        return NULL;

    GString *line = new_line(step->plan->host, "draining");
    g_autofree char *text = g_strdup_printf("%u of %u VMs gone", gone, all);
    append_field(line, view->width, text);
    return finish_line(view, line);
}

/* NULL: nothing goes on with it. */
static char *
step_line(const View *view, const VrStepState *step)
{
    if (step->phase == VR_PHASE_PENDING || vr_phase_is_last(step->phase))
        return NULL;
    if (step->phase == VR_PHASE_CLOSED)
        return drain_line(view, step);
    switch (step->plan->kind) {
    case VR_STEP_UPDATE:
    case VR_STEP_QUARANTINE:
    case VR_STEP_REOPEN:
        return host_line(view, step);
    case VR_STEP_MIGRATE:
        return migration_line(view, step);
    case VR_STEP_GATE:
        return gate_line(view, step);
    }
    g_assert_not_reached();
}

static char *
overall_line(const View *view)
{
    VrTally tally = vr_tally_count(view->rollout);
    gint64 total = tally.hosts_to_update + tally.vms_to_migrate;
    gint64 done = tally.hosts_updated + tally.vms_migrated;
    GString *line = g_string_new("  all  ");
    g_autofree char *end = vr_text_clock(vr_tally_forecast_end_us(view->rollout, view->now_us));
    g_autofree char *counts =
        g_strdup_printf("%u of %u hosts, %u of %u VMs", tally.hosts_updated, tally.hosts_to_update,
                        tally.vms_migrated, tally.vms_to_migrate);
    g_autofree char *forecast = g_strdup_printf("ends about %s", end);

    vr_text_append_bar(line, total > 0 ? done * 1000 / total : 0, BAR_WIDTH);
    append_field(line, view->width, counts);
    append_field(line, view->width,
                 view->rollout->phase == VR_ROLLOUT_STOPPING ? "stopping" : forecast);
    return finish_line(view, line);
}

GPtrArray *
vr_render_live(const VrRollout *rollout, GHashTable *progress, gint64 now_us, guint width)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    View view = {rollout, progress, now_us, width};
    guint hidden = 0;

    if (rollout->basis == NULL)
        return lines;
    for (guint i = 0; i < rollout->steps->len; i++) {
        char *line = step_line(&view, vr_rollout_step(rollout, i));
        if (line == NULL)
            continue;
        if (lines->len < LINES_MAX) {
            g_ptr_array_add(lines, line);
        } else {
            hidden++;
            g_free(line);
        }
    }
    if (hidden > 0)
        g_ptr_array_add(lines, g_strdup_printf("  … and %u more", hidden));
    g_ptr_array_add(lines, overall_line(&view));
    return lines;
}
