/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/time.h"
#include "cli/render.h"
#include "cli/text.h"

/* Hosts that get a line; the JSON has all. */
#define ROWS_MAX 60
#define LEVERS_SHOWN 3
#define NAME_WIDTH_MAX 20
#define LOAD_WIDTH 18
#define END_WIDTH 13

typedef struct {
    const VrPlan *plan;
    guint name_width;
    guint line_width; /* of the timeline */
    gint64 makespan_ms;
} Sheet;

/* What the plan does with one host. */
typedef struct {
    const VrPlanStep *update;
    guint departures;
    gint64 drain_start_ms;
    gint64 drain_end_ms;
    gint64 gate_end_ms; /* of the gate that holds it back; 0 */
    const char *target; /* (nullable) of its first VM */
    gboolean many_targets;
} Row;

static void
add_departure(Row *row, const VrPlanStep *step)
{
    if (row->departures == 0 || step->start_ms < row->drain_start_ms)
        row->drain_start_ms = step->start_ms;
    row->drain_end_ms = MAX(row->drain_end_ms, step->end_ms);
    row->many_targets =
        row->many_targets || (row->target != NULL && strcmp(row->target, step->target) != 0);
    if (row->target == NULL)
        row->target = step->target;
    row->departures++;
}

static Row *
find_row(GHashTable *rows, const char *host)
{
    Row *row = g_hash_table_lookup(rows, host);

    if (row == NULL) {
        row = g_new0(Row, 1);
        g_hash_table_insert(rows, (gpointer)(guintptr)host, row);
    }
    return row;
}

/* (element-type utf8 Row) */
static GHashTable *
collect_rows(const VrPlan *plan)
{
    GHashTable *rows = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);

    for (guint i = 0; i < plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(plan, i);
        Row *row = find_row(rows, step->kind == VR_STEP_UPDATE ? step->host : step->source);
        if (step->kind == VR_STEP_UPDATE)
            row->update = step;
        else if (step->kind == VR_STEP_MIGRATE)
            add_departure(row, step);
        else
            row->gate_end_ms = MAX(row->gate_end_ms, step->end_ms);
    }
    return rows;
}

static guint
column_of(const Sheet *sheet, gint64 at_ms)
{
    if (sheet->makespan_ms == 0)
        return 0;
    return (guint)(CLAMP(at_ms, 0, sheet->makespan_ms) * sheet->line_width / sheet->makespan_ms);
}

/* From one time to another; what takes time is seen, however short. */
static void
paint(const Sheet *sheet, const char **cells, gint64 from_ms, gint64 to_ms, const char *mark)
{
    guint from = MIN(column_of(sheet, from_ms), sheet->line_width - 1);
    guint to = MAX(column_of(sheet, to_ms), from + 1);

    for (guint i = from; i < to; i++)
        cells[i] = mark;
}

static void
append_timeline(GString *out, const Sheet *sheet, const Row *row)
{
    g_autofree const char **cells = g_new(const char *, sheet->line_width);

    for (guint i = 0; i < sheet->line_width; i++)
        cells[i] = " ";
    if (row->gate_end_ms != 0)
        paint(sheet, cells, row->drain_end_ms, row->gate_end_ms, "░");
    if (row->departures > 0)
        paint(sheet, cells, row->drain_start_ms, row->drain_end_ms, "─");
    paint(sheet, cells, row->update->start_ms, row->update->end_ms, "█");
    for (guint i = 0; i < sheet->line_width; i++)
        g_string_append(out, cells[i]);
}

static void
append_row(GString *out, const Sheet *sheet, const Row *row)
{
    g_autofree char *vms = vr_text_count(row->departures, "VM");
    g_autofree char *load = row->departures == 0 ? g_strdup("empty")
                                                 : g_strdup_printf("%s → %s%s", vms, row->target,
                                                                   row->many_targets ? " …" : "");
    g_autofree char *end = vr_text_rough_span(row->update->end_ms * VR_MS_US);

    g_string_append(out, "  ");
    vr_text_append_cell(out, row->update->host, sheet->name_width);
    g_string_append(out, "  ");
    vr_text_append_cell(out, load, LOAD_WIDTH);
    append_timeline(out, sheet, row);
    g_string_append_printf(out, "  %s\n", end);
}

static void
append_rows(GString *out, Sheet *sheet, guint width)
{
    g_autoptr(GHashTable) rows = collect_rows(sheet->plan);
    guint shown = 0;
    gint64 hidden = sheet->plan->summary.hosts_to_update - ROWS_MAX;

    for (guint i = 0; i < sheet->plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(sheet->plan, i);
        sheet->makespan_ms = MAX(sheet->makespan_ms, step->end_ms);
        if (step->kind == VR_STEP_UPDATE)
            sheet->name_width = MAX(sheet->name_width, vr_text_width(step->host));
    }
    sheet->name_width = MIN(sheet->name_width, NAME_WIDTH_MAX);
    guint taken = sheet->name_width + LOAD_WIDTH + END_WIDTH + 6;
    sheet->line_width = width > taken + 10 ? width - taken : 10;

    for (guint i = 0; i < sheet->plan->steps->len && shown < ROWS_MAX; i++) {
        const VrPlanStep *step = vr_plan_step(sheet->plan, i);
        if (step->kind != VR_STEP_UPDATE)
            continue;
        append_row(out, sheet, g_hash_table_lookup(rows, step->host));
        shown++;
    }
    if (hidden > 0)
        g_string_append_printf(out, "  … and %" G_GINT64_FORMAT " more (plan -o json has all)\n",
                               hidden);
    g_string_append(out,
                    "  ─ its VMs leave   ░ gate: kept as it is   █ update   end after start\n");
}

static guint
count_pools(const VrInventory *inventory)
{
    g_autoptr(GHashTable) pools = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < inventory->hosts->len; i++)
        g_hash_table_add(pools, vr_inventory_host(inventory, i)->pool);
    return g_hash_table_size(pools);
}

static void
append_head(GString *out, const VrPlanView *view)
{
    const VrPlan *plan = view->plan;
    g_autofree char *hosts = vr_text_count(plan->summary.hosts, "host");
    g_autofree char *vms = vr_text_count(plan->summary.vms, "VM");
    g_autofree char *pools = vr_text_count(count_pools(view->inventory), "pool");
    g_autofree char *updates = vr_text_count(plan->summary.hosts_to_update, "update");
    g_autofree char *migrations = vr_text_count(plan->summary.migrations, "migration");
    g_autofree char *span = vr_text_rough_span(plan->summary.makespan_ms * VR_MS_US);
    const char *hex = g_str_has_prefix(plan->digest, "sha256:") ? plan->digest + 7 : plan->digest;

    g_string_append_printf(out, "%s: %s, %s, %s   update: %s\n", view->fleet, hosts, vms, pools,
                           plan->update_level);
    if (plan->steps->len == 0)
        return;
    g_string_append_printf(out,
                           "Plan %.8s   %s, %s (fewest possible: %" G_GINT64_FORMAT "), about %s\n",
                           hex, updates, migrations, plan->summary.migrations_lower_bound, span);
}

/* "gate 10 min (the first 1 h)" (transfer full) */
static char *
describe_gate(const VrLimits *limits)
{
    g_autofree char *gate = vr_text_rough_span(limits->gate_s * VR_S_US);
    g_autofree char *canary = vr_text_rough_span(limits->gate_canary_s * VR_S_US);

    if (limits->gate_canary_s > limits->gate_s)
        return g_strdup_printf("gate %s (the first %s)", limits->gate_s > 0 ? gate : "none",
                               canary);
    return limits->gate_s > 0 ? g_strdup_printf("gate %s", gate) : g_strdup("no gate");
}

static void
append_bounds(GString *out, const VrPlanView *view, guint width)
{
    const VrPlanSummary *summary = &view->plan->summary;
    const VrLimits *limits = &view->policy->limits;
    g_autofree char *least =
        vr_text_rough_span(summary->makespan_lower_bound_one_migration_ms * VR_MS_US);
    g_autofree char *gate = describe_gate(limits);
    g_autofree char *down =
        vr_text_count(vr_policy_hosts_down_max(view->policy, (guint)summary->hosts), "host");
    g_autofree char *text = g_strdup_printf(
        "at most at once: %s down, migrations %" G_GINT64_FORMAT " out of and %" G_GINT64_FORMAT
        " into a host; %s; no plan with one migration per VM takes less than %s",
        down, limits->migrations_out_per_host, limits->migrations_in_per_host, gate, least);

    vr_text_append_wrapped(out, text, "  ", width);
}

/* Migrations beyond the one per VM, with the reason of the first. */
static void
append_extras(GString *out, const VrPlan *plan, guint width)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(plan, i);
        if (!step->extra)
            continue;
        g_autofree char *count = vr_text_count(plan->summary.extra_migrations, "extra migration");
        g_autofree char *text =
            g_strdup_printf("%s: %s", count, step->why != NULL ? step->why : "no reason given");
        vr_text_append_wrapped(out, text, "  ", width);
        return;
    }
}

static void
append_skipped(GString *out, const VrPlan *plan, guint width)
{
    guint asked_for = 0;

    for (guint i = 0; i < plan->skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(plan->skipped, i);
        if (strcmp(skip->reason, "excluded") == 0 || strcmp(skip->reason, "not-selected") == 0) {
            asked_for++;
            continue;
        }
        g_autofree char *text = g_strdup_printf("left out: %s (%s): %s", skip->host, skip->reason,
                                                skip->detail != NULL ? skip->detail : "");
        vr_text_append_wrapped(out, text, "  ", width);
    }
    if (asked_for > 0) {
        g_autofree char *count = vr_text_count(asked_for, "host");
        g_string_append_printf(out, "  left out as asked: %s\n", count);
    }
}

/* "limited by the gate: gates half as long would make it 22 s; …" */
static void
append_levers(GString *out, const GPtrArray *levers, guint width)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; levers != NULL && i < MIN(levers->len, LEVERS_SHOWN); i++) {
        const VrLeverage *leverage = g_ptr_array_index(levers, i);
        g_autofree char *span = vr_text_rough_span(leverage->makespan_ms * VR_MS_US);
        if (i == 0)
            g_string_append_printf(text, "limited by %s: %s would make it about %s",
                                   vr_lever_limit(leverage->lever), leverage->change, span);
        else
            g_string_append_printf(text, ", %s (%s)", leverage->change, span);
    }
    if (text->len > 0)
        vr_text_append_wrapped(out, text->str, "  ", width);
}

char *
vr_render_plan(const VrPlanView *view, guint width)
{
    const VrPlan *plan = view->plan;
    GString *out = g_string_new(NULL);
    Sheet sheet = {.plan = plan};

    append_head(out, view);
    if (plan->steps->len > 0) {
        append_rows(out, &sheet, width);
        append_bounds(out, view, width);
        append_levers(out, view->levers, width);
        append_extras(out, plan, width);
    } else {
        g_string_append_printf(out, "Nothing to do: %s\n",
                               plan->skipped->len > 0 ? "every host that is not updated is left out"
                                                      : "every host is updated");
    }
    append_skipped(out, plan, width);
    return g_string_free(out, FALSE);
}
