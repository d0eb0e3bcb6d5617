/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plays the plan: at its forecast times, and in random orders with random durations. */
#include <stdlib.h>

#include "plan-check-private.h"

/* Of the steps that could start, so many are tried at a time; all when nothing else goes on. */
#define TRIES_MAX 48

#define TIES 1024

/* When a step starts or ends. */
typedef struct {
    gint64 at;
    guint index;
} Moment;

static int
compare_moments(gconstpointer a, gconstpointer b)
{
    const Moment *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void
check_duration(Check *self, guint index)
{
    const StepFacts *step = &self->steps[index];
    const VrVm *vm = self->vms[step->vm].self;
    gint64 rate = step->self->rate_mib_per_s;
    guint id = step->self->id;

    if (rate < 1 || rate > step->rate_full || rate * 2 < step->rate_full) {
        check_breaks(self, id, "a rate out of bounds");
        return;
    }
    /* A ceiling: the least number that is not below the quotient. */
    gint64 time_ms = step->self->end_ms - step->self->start_ms;
    __int128 sending_ms = time_ms - self->policy->limits.migration_overhead_ms;
    __int128 divisor = MAX(rate, 5 * (rate - vm->dirty_mib_per_s));
    __int128 wanted = (__int128)5000 * vm->resident_mib;
    if (sending_ms * divisor < wanted || (wanted > 0 && (sending_ms - 1) * divisor >= wanted) ||
        (wanted == 0 && sending_ms != 0))
        check_breaks(self, id, "takes another time than the cost model says");
}

/* Of an update, of a gate. The canary's first gate is its own, later ones may be. */
static void
check_length(Check *self, guint index, gboolean *canary_seen)
{
    const StepFacts *step = &self->steps[index];
    gint64 length_ms = step->self->end_ms - step->self->start_ms;
    gboolean first = step->self->kind == VR_STEP_GATE && step->host == self->canary;

    if (step->self->kind == VR_STEP_UPDATE) {
        if (length_ms != self->hosts[step->host].self->update_s * 1000)
            check_breaks(self, step->self->id, "an update takes another time");
        return;
    }
    gboolean usual = length_ms == self->policy->limits.gate_s * 1000;
    if ((first && !*canary_seen) ? !step->is_canary_gate
                                 : !usual && !(first && step->is_canary_gate))
        check_breaks(self, step->self->id, "a gate of another length");
    *canary_seen |= first;
}

typedef struct {
    gint64 in_flight_peak, down_peak, exposure_vm_ms;
    gboolean canary_seen;
    guint8 *exposed; /* per VM: has reached an updated host */
} Forecast;

static void
forecast_start(Check *self, Forecast *forecast, guint index)
{
    const StepFacts *step = &self->steps[index];
    const GArray *after = step->self->after;

    for (guint i = 0; i < after->len; i++) {
        if (!self->done[g_array_index(after, guint, i) - 1])
            check_breaks(self, step->self->id, "starts before what it is after has ended");
    }
    if (!check_limits_allow(self, index, step->self->rate_mib_per_s))
        check_breaks(self, step->self->id, "too much at once in the forecast");
    check_start_step(self, index);
    check_count(self, index, step->self->rate_mib_per_s, 1);
    if (step->self->kind == VR_STEP_MIGRATE)
        check_duration(self, index);
    else
        check_length(self, index, &forecast->canary_seen);
    forecast->in_flight_peak = MAX(forecast->in_flight_peak, self->in_flight);
    forecast->down_peak = MAX(forecast->down_peak, self->down_count);
}

static void
forecast_end(Check *self, Forecast *forecast, guint index)
{
    const StepFacts *step = &self->steps[index];

    check_end_step(self, index);
    check_count(self, index, step->self->rate_mib_per_s, -1);
    if (step->self->kind != VR_STEP_MIGRATE || !self->hosts_now[step->target].updated ||
        forecast->exposed[step->vm] || !self->vms[step->vm].required)
        return;
    forecast->exposed[step->vm] = TRUE;
    forecast->exposure_vm_ms += step->self->end_ms;
}

static Moment *
sort_moments(const Check *self, gboolean ends)
{
    Moment *moments = g_new(Moment, self->step_count + 1);

    for (guint i = 0; i < self->step_count; i++) {
        const VrPlanStep *step = self->steps[i].self;
        moments[i] = (Moment){ends ? step->end_ms : step->start_ms, i};
    }
    qsort(moments, self->step_count, sizeof *moments, compare_moments);
    return moments;
}

void
check_forecast(Check *self)
{
    g_autofree Moment *starts = sort_moments(self, FALSE), *ends = sort_moments(self, TRUE);
    g_autofree guint8 *exposed = g_new0(guint8, self->vm_count + 1);
    const VrPlanSummary *summary = &self->plan->summary;
    Forecast forecast = {.exposed = exposed};
    guint ended = 0;

    check_reset(self);
    for (guint i = 0; i < self->step_count && self->broken == NULL; i++) {
        const VrPlanStep *step = self->steps[starts[i].index].self;
        /* What ends at an instant makes room for what starts then; steps that take no time end
         * where they start. */
        for (; ended < self->step_count && ends[ended].at <= step->start_ms; ended++) {
            if (self->steps[ends[ended].index].self->start_ms < ends[ended].at)
                forecast_end(self, &forecast, ends[ended].index);
        }
        forecast_start(self, &forecast, starts[i].index);
        if (step->end_ms == step->start_ms)
            forecast_end(self, &forecast, starts[i].index);
    }
    for (; ended < self->step_count && self->broken == NULL; ended++) {
        if (!self->done[ends[ended].index])
            forecast_end(self, &forecast, ends[ended].index);
    }
    if (self->broken != NULL)
        return;
    check_end(self);
    if (summary->migrations_in_flight_peak != forecast.in_flight_peak ||
        summary->hosts_down_peak != forecast.down_peak ||
        summary->exposure_vm_ms != forecast.exposure_vm_ms)
        check_breaks(self, 0,
                     "summary: %" G_GINT64_FORMAT " in flight, not %" G_GINT64_FORMAT
                     "; %" G_GINT64_FORMAT " down, not %" G_GINT64_FORMAT
                     "; exposure %" G_GINT64_FORMAT " ms, not %" G_GINT64_FORMAT,
                     summary->migrations_in_flight_peak, forecast.in_flight_peak,
                     summary->hosts_down_peak, forecast.down_peak, summary->exposure_vm_ms,
                     forecast.exposure_vm_ms);
}

typedef enum {
    LENGTHS_RANDOM,
    LENGTHS_ZERO,
    LENGTHS_ONE_SLOW, /* one step lasts until nothing else can go on */
    LENGTHS_SLOW_UPDATES,
    LENGTHS_SLOW_MIGRATIONS,
    LENGTHS_UNEVEN, /* from 1 to a million, each magnitude as often */
    LENGTHS,
} Lengths;

typedef struct {
    Check *check;
    Lengths lengths;
    guint slow, lazy_percent;
    guint *waits;
    gint64 *rates;
    GArray *ready;   /* (element-type guint) */
    GArray *running; /* (element-type Moment) a heap */
    gint64 now;      /* in parts of a millisecond, TIES of them */
    guint done_count;
} Replay;

static gint64
draw_length(Replay *self, guint index)
{
    Check *check = self->check;
    VrStepKind kind = check->steps[index].self->kind;
    gint64 length_ms = 1 + check_pick(check, 1000);

    switch (self->lengths) {
    case LENGTHS_ZERO:
        return 0;
    case LENGTHS_ONE_SLOW:
        return index == self->slow ? G_MAXINT32 : length_ms;
    case LENGTHS_SLOW_UPDATES:
        return kind == VR_STEP_UPDATE ? length_ms * 1000 : length_ms;
    case LENGTHS_SLOW_MIGRATIONS:
        return kind == VR_STEP_MIGRATE ? length_ms * 1000 : length_ms;
    case LENGTHS_UNEVEN:
        return check_pick(check, 1u << check_pick(check, 21));
    case LENGTHS_RANDOM:
    case LENGTHS:
        break;
    }
    return length_ms;
}

static void
push_running(Replay *self, Moment moment)
{
    guint at = self->running->len;

    g_array_append_val(self->running, moment);
    Moment *heap = (Moment *)(gpointer)self->running->data;
    for (; at > 0 && moment.at < heap[(at - 1) / 2].at; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = moment;
}

static guint
pop_running(Replay *self)
{
    Moment *heap = (Moment *)(gpointer)self->running->data, first = heap[0];
    guint count = self->running->len - 1, at = 0;
    Moment last = heap[count];

    g_array_set_size(self->running, count);
    for (guint child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && heap[child + 1].at < heap[child].at)
            child++;
        if (last.at <= heap[child].at)
            break;
        heap[at] = heap[child];
        at = child;
    }
    if (count > 0)
        heap[at] = last;
    self->now = first.at;
    return first.index;
}

/* As fast as the links have room for. */
static gint64
choose_rate(const Check *check, guint index)
{
    const StepFacts *step = &check->steps[index];

    if (step->self->kind != VR_STEP_MIGRATE)
        return 0;
    gint64 out =
        check->hosts[step->source].self->link_mib_per_s - check->hosts_now[step->source].out_rate;
    gint64 in =
        check->hosts[step->target].self->link_mib_per_s - check->hosts_now[step->target].in_rate;
    return MIN(step->rate_full, MIN(out, in));
}

static gboolean
try_start(Replay *self, guint index)
{
    Check *check = self->check;

    self->rates[index] = choose_rate(check, index);
    if (!check_limits_allow(check, index, self->rates[index]))
        return FALSE;
    check_start_step(check, index);
    check_count(check, index, self->rates[index], 1);
    /* In finer units than milliseconds, so that steps that end together end in any order. */
    gint64 length = draw_length(self, index) * TIES + check_pick(check, TIES);
    push_running(self, (Moment){self->now + length, index});
    return TRUE;
}

/* Ready steps in random order, some left for later; all of them when `all`. */
static void
start_some(Replay *self, gboolean all)
{
    Check *check = self->check;
    guint tries = all ? self->ready->len : MIN(self->ready->len, TRIES_MAX);

    for (guint i = 0; i < self->ready->len && tries > 0; tries--) {
        guint other = i + check_pick(check, self->ready->len - i);
        guint index = g_array_index(self->ready, guint, other);
        g_array_index(self->ready, guint, other) = g_array_index(self->ready, guint, i);
        g_array_index(self->ready, guint, i) = index;
        if ((!all && check_pick(check, 100) < self->lazy_percent) || !try_start(self, index))
            i++;
        else
            g_array_remove_index_fast(self->ready, i);
    }
}

static void
end_one(Replay *self)
{
    Check *check = self->check;
    guint index = pop_running(self);
    const GArray *followers = check->followers[index];

    check_end_step(check, index);
    check_count(check, index, self->rates[index], -1);
    self->done_count++;
    for (guint i = 0; i < followers->len; i++) {
        guint follower = g_array_index(followers, guint, i);
        if (--self->waits[follower] == 0)
            g_array_append_val(self->ready, follower);
    }
}

static void
play(Replay *self)
{
    Check *check = self->check;

    check_reset(check);
    for (guint i = 0; i < check->step_count; i++) {
        self->waits[i] = check->steps[i].self->after->len;
        if (self->waits[i] == 0)
            g_array_append_val(self->ready, i);
    }
    while (self->done_count < check->step_count && check->broken == NULL) {
        start_some(self, FALSE);
        if (self->running->len == 0)
            start_some(self, TRUE);
        if (self->running->len == 0) {
            check_breaks(check, 0, "no step can go on after %u of %u", self->done_count,
                         check->step_count);
            return;
        }
        end_one(self);
    }
    if (check->broken == NULL)
        check_end(check);
}

void
check_replay(Check *self, guint run)
{
    static const guint lazy_percents[] = {0, 60, 20, 90, 0};
    g_autofree guint *waits = g_new0(guint, self->step_count + 1);
    g_autofree gint64 *rates = g_new0(gint64, self->step_count + 1);
    g_autoptr(GArray) ready = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) running = g_array_new(FALSE, FALSE, sizeof(Moment));
    Replay replay = {.check = self,
                     .lengths = (Lengths)(run % LENGTHS),
                     .slow = check_pick(self, self->step_count + 1),
                     .lazy_percent = lazy_percents[run % G_N_ELEMENTS(lazy_percents)],
                     .waits = waits,
                     .rates = rates,
                     .ready = ready,
                     .running = running};

    play(&replay);
}
