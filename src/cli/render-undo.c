/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/way-back.h>

#include "base/time.h"
#include "cli/render.h"
#include "cli/text.h"

/* So many at a time as the limits let leave a host: rough, but what a person wants to know. */
static gint64
forecast_ms(const VrRollout *rollout, const VrWayBack *way)
{
    gint64 sum_ms = 0;

    for (guint i = way->from; i < way->plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(way->plan, i);
        sum_ms += step->end_ms - step->start_ms;
    }
    return sum_ms / rollout->basis->policy->limits.migrations_out_per_host;
}

static guint
append_ways(GString *out, const VrWayBack *way)
{
    guint count = 0;

    for (guint i = way->from; i < way->plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(way->plan, i);
        if (step->kind == VR_STEP_MIGRATE)
            g_string_append_printf(out, "  %s  %s → %s\n", step->vm, step->source, step->target);
        else if (step->kind == VR_STEP_REOPEN)
            g_string_append_printf(out, "  %s is opened again\n", step->host);
        else
            g_string_append_printf(out, "  %s is closed to guests\n", step->host);
        count += step->kind == VR_STEP_MIGRATE;
    }
    return count;
}

char *
vr_render_undo(const VrRollout *rollout, const char *host, gint64 now_us, guint width)
{
    g_autoptr(VrWayBack) way = vr_way_back_compose(rollout, host, NULL, now_us);
    GString *out = g_string_new(NULL);

    if (way == NULL) {
        g_autofree char *none = g_strdup_printf("%s is closed already, and no VM that came to it "
                                                "is without its way back.",
                                                host);
        vr_text_append_wrapped(out, none, "", width);
    } else {
        g_autoptr(GString) ways = g_string_new(NULL);
        g_autofree char *vms = vr_text_count(append_ways(ways, way), "VM");
        g_autofree char *span = vr_time_format_span(forecast_ms(rollout, way) * VR_MS_US);
        g_string_append_printf(out, "Back from %s: %s, about %s\n%s", host, vms, span, ways->str);
        if (way->reasons->len > 0)
            vr_text_append_wrapped(out, way->reasons->str, "  ", width);
    }
    g_autofree char *after = g_strdup_printf("Nothing else begins until you release %s, or plan "
                                             "anew without it (rollout replan).",
                                             host);
    vr_text_append_wrapped(out, after, "", width);
    return g_string_free(out, FALSE);
}

char *
vr_render_release(const VrRollout *rollout, const char *host, guint width)
{
    GString *out = g_string_new(NULL);
    const VrHostAlert *alert = vr_rollout_find_alert(rollout, host);
    g_autofree char *text = NULL;

    if (vr_rollout_is_quarantined(rollout, host))
        text = g_strdup_printf("%s is opened again and may take VMs; since VMs have gone back from "
                               "it, plan anew after that (rollout replan).",
                               host);
    else
        text = g_strdup_printf("The gate of %s begins anew, and the rollout goes on.", host);
    if (alert != NULL) {
        g_autofree char *was = g_strdup_printf("%s is in alert: %s", host, alert->reason);
        vr_text_append_wrapped(out, was, "", width);
    }
    vr_text_append_wrapped(out, text, "", width);
    return g_string_free(out, FALSE);
}
