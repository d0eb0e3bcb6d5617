/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/cost.h"
#include "plan/forecast.h"

typedef struct {
    gint64 out_rate, in_rate;
    gint64 out_count, in_count;
} HostLoad;

typedef struct {
    const VrProblem *problem;
    const VrLimits *limits;
    VrPlan *plan;
    HostLoad *loads;    /* per host */
    guint *waits;       /* per step: steps of `after` that have not ended */
    GArray **followers; /* per step (element-type guint): indices */
    GArray *ready;      /* (element-type guint) indices, ascending */
    GSequence *running; /* steps by end */
    gint64 now_ms;
    gint64 down_max;
    gint64 down_count, in_flight_count;
} Forecast;

static int
compare_end(gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
    const VrPlanStep *x = a, *y = b;

    if (x->end_ms != y->end_ms)
        return x->end_ms < y->end_ms ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static VrPlanStep *
step_at(const Forecast *self, guint index)
{
    return g_ptr_array_index(self->plan->steps, index);
}

static guint
find_host(const Forecast *self, const char *name)
{
    gint host = vr_inventory_find_host(self->problem->inventory, name);

    g_assert(host >= 0);
    return (guint)host;
}

static void
make_ready(Forecast *self, guint index)
{
    guint at = self->ready->len;

    while (at > 0 && g_array_index(self->ready, guint, at - 1) > index)
        at--;
    g_array_insert_val(self->ready, at, index);
}

static void
link_steps(Forecast *self)
{
    for (guint i = 0; i < self->plan->steps->len; i++)
        self->followers[i] = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint i = 0; i < self->plan->steps->len; i++) {
        const GArray *after = step_at(self, i)->after;
        for (guint j = 0; j < after->len; j++) {
            guint before = g_array_index(after, guint, j) - 1;
            g_array_append_val(self->followers[before], i);
        }
        self->waits[i] = after->len;
        if (after->len == 0)
            make_ready(self, i);
    }
}

static gboolean
start_migration(Forecast *self, VrPlanStep *step)
{
    const VrInventory *inventory = self->problem->inventory;
    const VrLimits *limits = self->limits;
    guint source = find_host(self, step->source), target = find_host(self, step->target);
    HostLoad *out = &self->loads[source], *in = &self->loads[target];

    if (limits->migrations_max > 0 && self->in_flight_count >= limits->migrations_max)
        return FALSE;
    if (out->out_count >= MAX(limits->migrations_out_per_host, 1) ||
        in->in_count >= MAX(limits->migrations_in_per_host, 1))
        return FALSE;
    gint64 source_link = vr_inventory_host(inventory, source)->link_mib_per_s;
    gint64 target_link = vr_inventory_host(inventory, target)->link_mib_per_s;
    gint64 full = vr_cost_full_rate(limits, source_link, target_link);
    gint64 rate = MIN(full, MIN(source_link - out->out_rate, target_link - in->in_rate));
    if (rate < vr_cost_least_rate(full))
        return FALSE;
    gint vm = vr_inventory_find_vm(inventory, step->vm_uuid);
    g_assert(vm >= 0);
    step->rate_mib_per_s = rate;
    step->end_ms =
        self->now_ms + vr_cost_migration_ms(limits, vr_inventory_vm(inventory, vm), rate);
    out->out_rate += rate;
    in->in_rate += rate;
    out->out_count++;
    in->in_count++;
    self->in_flight_count++;
    VrPlanSummary *summary = &self->plan->summary;
    summary->migrations_in_flight_peak =
        MAX(summary->migrations_in_flight_peak, self->in_flight_count);
    return TRUE;
}

static gboolean
start_update(Forecast *self, VrPlanStep *step)
{
    VrPlanSummary *summary = &self->plan->summary;

    if (self->down_count >= self->down_max)
        return FALSE;
    step->end_ms = self->now_ms + step->end_ms - step->start_ms;
    self->down_count++;
    summary->hosts_down_peak = MAX(summary->hosts_down_peak, self->down_count);
    return TRUE;
}

static gboolean
start_step(Forecast *self, VrPlanStep *step)
{
    gboolean started = TRUE;

    switch (step->kind) {
    case VR_STEP_MIGRATE:
        started = start_migration(self, step);
        break;
    case VR_STEP_UPDATE:
        started = start_update(self, step);
        break;
    case VR_STEP_GATE:
        step->end_ms = self->now_ms + step->end_ms - step->start_ms;
        break;
    }
    if (!started)
        return FALSE;
    step->start_ms = self->now_ms;
    (void)g_sequence_insert_sorted(self->running, step, compare_end, NULL);
    return TRUE;
}

static void
start_ready_steps(Forecast *self)
{
    guint kept = 0;

    for (guint i = 0; i < self->ready->len; i++) {
        guint index = g_array_index(self->ready, guint, i);
        if (!start_step(self, step_at(self, index)))
            g_array_index(self->ready, guint, kept++) = index;
    }
    g_array_set_size(self->ready, kept);
}

static void
end_step(Forecast *self, const VrPlanStep *step)
{
    const GArray *followers = self->followers[step->id - 1];

    if (step->kind == VR_STEP_UPDATE)
        self->down_count--;
    if (step->kind == VR_STEP_MIGRATE) {
        HostLoad *out = &self->loads[find_host(self, step->source)];
        HostLoad *in = &self->loads[find_host(self, step->target)];
        out->out_rate -= step->rate_mib_per_s;
        in->in_rate -= step->rate_mib_per_s;
        out->out_count--;
        in->in_count--;
        self->in_flight_count--;
        if (!step->extra)
            self->plan->summary.exposure_vm_ms += step->end_ms;
    }
    for (guint i = 0; i < followers->len; i++) {
        guint follower = g_array_index(followers, guint, i);
        if (--self->waits[follower] == 0)
            make_ready(self, follower);
    }
}

static void
end_next_steps(Forecast *self)
{
    GSequenceIter *iter = g_sequence_get_begin_iter(self->running);

    g_assert(!g_sequence_iter_is_end(iter));
    self->now_ms = ((const VrPlanStep *)g_sequence_get(iter))->end_ms;
    while (!g_sequence_iter_is_end(iter)) {
        const VrPlanStep *step = g_sequence_get(iter);
        if (step->end_ms > self->now_ms)
            break;
        GSequenceIter *next = g_sequence_iter_next(iter);
        g_sequence_remove(iter);
        end_step(self, step);
        iter = next;
    }
}

void
vr_forecast_run(const VrProblem *problem, VrPlan *plan)
{
    guint count = plan->steps->len;
    g_autofree HostLoad *loads = g_new0(HostLoad, problem->host_count);
    g_autofree guint *waits = g_new0(guint, count);
    g_autofree GArray **followers = g_new0(GArray *, count);
    g_autoptr(GArray) ready = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GSequence) running = g_sequence_new(NULL);
    Forecast self = {.problem = problem,
                     .limits = &problem->policy->limits,
                     .plan = plan,
                     .loads = loads,
                     .waits = waits,
                     .followers = followers,
                     .ready = ready,
                     .running = running,
                     .down_max = vr_policy_hosts_down_max(problem->policy, problem->host_count)};

    link_steps(&self);
    start_ready_steps(&self);
    while (!g_sequence_is_empty(running)) {
        end_next_steps(&self);
        start_ready_steps(&self);
    }
    g_assert(ready->len == 0);
    plan->summary.makespan_ms = self.now_ms;
    for (guint i = 0; i < count; i++)
        g_array_unref(followers[i]);
}
