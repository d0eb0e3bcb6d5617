/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What other choices would bring: the format `virt-roll-curve/1` and its table. */
#include "base/time.h"
#include "cli/json-fields.h"
#include "cli/render.h"
#include "cli/text.h"

#define FORMAT "virt-roll-curve/1"

static const VrCurvePoint *
point_at(const GArray *points, guint index)
{
    return &g_array_index(points, VrCurvePoint, index);
}

/* What is gained against the first point, "-38 %"; the first itself has nothing to gain. */
static char *
describe_gain(const VrCurvePoint *point, const VrCurvePoint *first)
{
    gint64 base_ms = first->summary.makespan_ms;

    if (point == first || base_ms == 0)
        return g_strdup("");
    gint64 percent = (point->summary.makespan_ms - base_ms) * 100 / base_ms;
    return g_strdup_printf("%+" G_GINT64_FORMAT " %%", percent);
}

static void
append_point(GString *out, const VrCurvePoint *point, const VrCurvePoint *first)
{
    const VrPlanSummary *summary = &point->summary;
    gint64 required = MAX(summary->migrations - summary->extra_migrations, 1);
    g_autofree char *takes = vr_text_rough_span(summary->makespan_ms * VR_MS_US);
    g_autofree char *exposed = vr_text_rough_span(summary->exposure_vm_ms / required * VR_MS_US);
    g_autofree char *gain = describe_gain(point, first);

    g_string_append_printf(out,
                           "  %3" G_GINT64_FORMAT ".%" G_GINT64_FORMAT " %%  %10" G_GINT64_FORMAT
                           "  %7" G_GINT64_FORMAT "  ",
                           point->extra_migrations_permille / 10,
                           point->extra_migrations_permille % 10, summary->migrations,
                           summary->extra_migrations);
    vr_text_append_cell(out, takes, 13);
    vr_text_append_cell(out, gain, 8);
    g_string_append_printf(out, "%s\n", exposed);
}

/* A budget that buys the same plan as the one before is left out. */
static gboolean
is_news(const GArray *points, guint index)
{
    if (index == 0)
        return TRUE;
    const VrPlanSummary *now = &point_at(points, index)->summary;
    const VrPlanSummary *before = &point_at(points, index - 1)->summary;
    return now->makespan_ms != before->makespan_ms || now->migrations != before->migrations ||
           now->exposure_vm_ms != before->exposure_vm_ms;
}

static void
append_levers(GString *out, const GPtrArray *levers)
{
    if (levers->len == 0)
        return;
    g_string_append(out, "\nWith the policy's own budget, one thing changed:\n");
    for (guint i = 0; i < levers->len; i++) {
        const VrLeverage *leverage = g_ptr_array_index(levers, i);
        g_autofree char *takes = vr_text_rough_span(leverage->makespan_ms * VR_MS_US);
        g_string_append(out, "  ");
        vr_text_append_cell(out, leverage->change, 44);
        g_string_append_printf(out, "%s\n", takes);
    }
}

char *
vr_render_curve(const GArray *points, const GPtrArray *levers)
{
    GString *out = g_string_new("  budget  migrations    extra  takes        gain    "
                                "time until a VM is on an updated host\n");

    for (guint i = 0; i < points->len; i++) {
        if (is_news(points, i))
            append_point(out, point_at(points, i), point_at(points, 0));
    }
    append_levers(out, levers);
    return g_string_free(out, FALSE);
}

static void
add_point(JsonBuilder *builder, const VrCurvePoint *point)
{
    const VrPlanSummary *summary = &point->summary;

    json_builder_begin_object(builder);
    vr_json_fields_integer(builder, "extra_migrations_permille", point->extra_migrations_permille);
    vr_json_fields_integer(builder, "migrations", summary->migrations);
    vr_json_fields_integer(builder, "extra_migrations", summary->extra_migrations);
    vr_json_fields_integer(builder, "makespan_ms", summary->makespan_ms);
    vr_json_fields_integer(builder, "makespan_lower_bound_ms", summary->makespan_lower_bound_ms);
    vr_json_fields_integer(builder, "exposure_vm_ms", summary->exposure_vm_ms);
    vr_json_fields_integer(builder, "migrations_in_flight_peak",
                           summary->migrations_in_flight_peak);
    vr_json_fields_integer(builder, "hosts_down_peak", summary->hosts_down_peak);
    json_builder_end_object(builder);
}

static void
add_lever(JsonBuilder *builder, const VrLeverage *leverage)
{
    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "lever", vr_lever_to_string(leverage->lever));
    vr_json_fields_string(builder, "change", leverage->change);
    vr_json_fields_integer(builder, "makespan_ms", leverage->makespan_ms);
    vr_json_fields_integer(builder, "migrations", leverage->migrations);
    json_builder_end_object(builder);
}

char *
vr_render_curve_json(const GArray *points, const GPtrArray *levers)
{
    g_autoptr(JsonBuilder) builder = json_builder_new_immutable();

    json_builder_begin_object(builder);
    vr_json_fields_string(builder, "format", FORMAT);
    json_builder_set_member_name(builder, "points");
    json_builder_begin_array(builder);
    for (guint i = 0; i < points->len; i++)
        add_point(builder, point_at(points, i));
    json_builder_end_array(builder);
    json_builder_set_member_name(builder, "levers");
    json_builder_begin_array(builder);
    for (guint i = 0; i < levers->len; i++)
        add_lever(builder, g_ptr_array_index(levers, i));
    json_builder_end_array(builder);
    json_builder_end_object(builder);
    return vr_json_fields_finish(builder);
}
