/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "forecast-check.h"

typedef struct {
    const VrInventory *inventory;
    const VrPolicy *policy;
    const VrPlan *plan;
    char *broken;
} Check;

static void G_GNUC_PRINTF(3, 4) breaks(Check *self, guint step, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (self->broken == NULL)
        self->broken = step > 0 ? g_strdup_printf("step %u: %s", step, text) : g_strdup(text);
}

static const VrHost *
find_host(const Check *self, const char *name)
{
    gint index = vr_inventory_find_host(self->inventory, name);

    g_assert(index >= 0);
    return vr_inventory_host(self->inventory, (guint)index);
}

static const VrVm *
find_vm(const Check *self, const char *uuid)
{
    gint index = vr_inventory_find_vm(self->inventory, uuid);

    g_assert(index >= 0);
    return vr_inventory_vm(self->inventory, (guint)index);
}

/* What runs beside a migration at the moment when it starts. */
static void
check_slots(Check *self, guint index)
{
    const VrLimits *limits = &self->policy->limits;
    const VrPlanStep *step = vr_plan_step(self->plan, index);
    gint64 out = 0, in = 0, all = 0, out_rate = 0, in_rate = 0;

    for (guint i = 0; i < self->plan->steps->len; i++) {
        const VrPlanStep *other = vr_plan_step(self->plan, i);
        if (other->kind != VR_STEP_MIGRATE || other->start_ms > step->start_ms ||
            other->end_ms <= step->start_ms)
            continue;
        all++;
        if (strcmp(other->source, step->source) == 0) {
            out++;
            out_rate += other->rate_mib_per_s;
        }
        if (strcmp(other->target, step->target) == 0) {
            in++;
            in_rate += other->rate_mib_per_s;
        }
    }
    if (out > limits->migrations_out_per_host || in > limits->migrations_in_per_host ||
        (limits->migrations_max > 0 && all > limits->migrations_max))
        breaks(self, step->id, "too many migrations at once in the forecast");
    if (out_rate > find_host(self, step->source)->link_mib_per_s ||
        in_rate > find_host(self, step->target)->link_mib_per_s)
        breaks(self, step->id, "a link is overcommitted in the forecast");
    if (all > self->plan->summary.migrations_in_flight_peak)
        breaks(self, step->id, "more migrations at once than the summary's peak");
}

/* What is down at the moment when an update starts. */
static void
check_down(Check *self, guint index)
{
    const VrLimits *limits = &self->policy->limits;
    const VrPlanStep *step = vr_plan_step(self->plan, index);
    const char *domain = find_host(self, step->host)->failure_domain;
    gint64 max = limits->hosts_down_max, down = 0, in_domain = 0;

    if (max == 0)
        max = MAX(1, (gint64)self->inventory->hosts->len * limits->hosts_down_max_permille / 1000);
    for (guint i = 0; i < self->plan->steps->len; i++) {
        const VrPlanStep *other = vr_plan_step(self->plan, i);
        if (other->kind != VR_STEP_UPDATE || other->start_ms > step->start_ms ||
            (other->end_ms <= step->start_ms && i != index))
            continue;
        down++;
        in_domain +=
            domain != NULL && g_strcmp0(find_host(self, other->host)->failure_domain, domain) == 0;
    }
    if (down > max ||
        (limits->hosts_down_per_domain_max > 0 && in_domain > limits->hosts_down_per_domain_max))
        breaks(self, step->id, "too many hosts down in the forecast");
    if (down > self->plan->summary.hosts_down_peak)
        breaks(self, step->id, "more hosts down than the summary's peak");
}

static void
check_duration(Check *self, guint index)
{
    const VrLimits *limits = &self->policy->limits;
    const VrPlanStep *step = vr_plan_step(self->plan, index);
    const VrVm *vm = find_vm(self, step->vm_uuid);
    gint64 rate = step->rate_mib_per_s, full = limits->stream_mib_per_s;
    gint64 links[] = {find_host(self, step->source)->link_mib_per_s,
                      find_host(self, step->target)->link_mib_per_s};

    for (guint i = 0; i < G_N_ELEMENTS(links); i++)
        full = MIN(full, links[i] * limits->stream_link_permille / 1000);
    if (rate > full || rate * 2 < full)
        breaks(self, step->id, "a rate out of bounds");
    /* ⌈5000 × resident / max(rate, 5 × (rate - dirty))⌉, by what a ceiling is. */
    gint64 time_ms = step->end_ms - step->start_ms - limits->migration_overhead_ms;
    gint64 divisor =
        rate > 5 * (rate - vm->dirty_mib_per_s) ? rate : 5 * (rate - vm->dirty_mib_per_s);
    if (time_ms * divisor < 5000 * vm->resident_mib ||
        (time_ms - 1) * divisor >= MAX(5000 * vm->resident_mib, 1))
        breaks(self, step->id, "takes another time than the cost model says");
}

static void
check_forecast(Check *self)
{
    const VrPlanSummary *summary = &self->plan->summary;
    gint64 makespan = 0, migrations = 0, extras = 0, exposure = 0;
    gboolean first_gate = TRUE;

    for (guint i = 0; i < self->plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(self->plan, i);
        gint64 length_ms = step->end_ms - step->start_ms, wanted_ms = length_ms;
        for (guint j = 0; j < step->after->len; j++) {
            guint before = g_array_index(step->after, guint, j) - 1;
            if (vr_plan_step(self->plan, before)->end_ms > step->start_ms)
                breaks(self, step->id, "starts before what it is after");
        }
        if (i > 0 && step->start_ms < vr_plan_step(self->plan, i - 1)->start_ms)
            breaks(self, step->id, "starts before the step above it");
        makespan = MAX(makespan, step->end_ms);
        if (step->kind == VR_STEP_MIGRATE) {
            migrations++;
            extras += step->extra;
            exposure += step->extra ? 0 : step->end_ms;
            check_slots(self, i);
            check_duration(self, i);
        } else if (step->kind == VR_STEP_UPDATE) {
            wanted_ms = find_host(self, step->host)->update_s * 1000;
            check_down(self, i);
        } else {
            wanted_ms = 1000 * (first_gate ? MAX(self->policy->limits.gate_s,
                                                 self->policy->limits.gate_canary_s)
                                           : self->policy->limits.gate_s);
            first_gate = FALSE;
        }
        if (length_ms != wanted_ms)
            breaks(self, step->id, "has another length than its own");
    }
    if (makespan != summary->makespan_ms || migrations != summary->migrations ||
        extras != summary->extra_migrations || exposure != summary->exposure_vm_ms)
        breaks(self, 0, "the summary does not add up");
    if (migrations < summary->migrations_lower_bound ||
        makespan < summary->makespan_lower_bound_ms ||
        (extras == 0 && makespan < summary->makespan_lower_bound_one_migration_ms))
        breaks(self, 0, "a lower bound is above the plan");
}

char *
forecast_check(const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan)
{
    Check self = {inventory, policy, plan, NULL};

    check_forecast(&self);
    return self.broken;
}
