/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/bounds.h"
#include "plan/search.h"
#include "plan/sequence.h"

/* VMs that are planned for in all runs together, and the most runs. */
#define WORK_MAX 600000
#define RUNS_MAX 40

/* The last is the best one for large fleets, which get few or no others. */
static const VrManner manners[] = {
    {.ahead = VR_AHEAD_NONE,
     .hurry = TRUE,
     .slack_permille = 750,
     .early_permille = 700,
     .aside_permille = 2000},
    {.ahead = VR_AHEAD_UPDATING, .early_permille = 1000},
    {.ahead = VR_AHEAD_UPDATING,
     .hurry = TRUE,
     .slack_permille = 750,
     .early_permille = 900,
     .aside_permille = 2500},
    {.ahead = VR_AHEAD_RETURNING,
     .hurry = TRUE,
     .near_permille = 1000,
     .slack_permille = 500,
     .early_permille = 800,
     .aside_permille = 2000},
};

/* One host after the other: slow, but each decision sees the end of those before it. */
static const VrManner careful[] = {
    {.serial = TRUE},
    {.preference = VR_PREFER_GIANTS, .serial = TRUE},
    {.preference = VR_PREFER_ROOM, .serial = TRUE, .whole = TRUE},
};

/* Picks from so many; the turn and what is picked decide alone. */
static guint
pick(guint turn, guint what, guint count)
{
    guint64 mixed = ((guint64)turn << 32 | what) * 0x9e3779b97f4a7c15u;

    mixed = (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9u;
    return (guint)((mixed >> 33) % count);
}

/*
 * Another manner for each turn: no rule was found that tells which of them suits a fleet, and they
 * differ by some percent.
 */
static VrManner
draw_manner(guint turn)
{
    static const VrAhead aheads[] = {VR_AHEAD_NONE, VR_AHEAD_RETURNING, VR_AHEAD_UPDATING,
                                     VR_AHEAD_GATED};

    return (VrManner){.ahead = aheads[pick(turn, 0, G_N_ELEMENTS(aheads))],
                      .hurry = pick(turn, 1, 5) > 0,
                      .near_permille = 500 + pick(turn, 2, 2000),
                      .slack_permille = 300 + pick(turn, 3, 1000),
                      .early_permille = 700 + 50 * pick(turn, 5, 7),
                      .aside_permille = 1500 + 500 * pick(turn, 6, 4),
                      .shuffle = turn,
                      .shuffle_permille = 25u << pick(turn, 4, 4)};
}

static gint64
extras_beyond(const VrSchedule *schedule, gint64 budget)
{
    return MAX((gint64)schedule->extra_count, budget);
}

static gboolean
is_better(const VrSchedule *a, const VrSchedule *b, gint64 budget)
{
    gint64 extras_a = extras_beyond(a, budget), extras_b = extras_beyond(b, budget);

    if (a->stuck->hosts->len != b->stuck->hosts->len)
        return a->stuck->hosts->len < b->stuck->hosts->len;
    if (extras_a != extras_b)
        return extras_a < extras_b;
    if (a->makespan_ms != b->makespan_ms)
        return a->makespan_ms < b->makespan_ms;
    if (a->extra_count != b->extra_count)
        return a->extra_count < b->extra_count;
    return a->exposure_vm_ms < b->exposure_vm_ms;
}

/* Keeps the better of two; takes both. (nullable) either */
static VrSchedule *
choose(VrSchedule *best, VrSchedule *other, gint64 budget)
{
    if (other == NULL || (best != NULL && !is_better(other, best, budget))) {
        vr_schedule_free(other);
        return best;
    }
    vr_schedule_free(best);
    return other;
}

/* Complete, and with no more extras than must be or may be. */
static gboolean
is_good(const VrSchedule *schedule, gint64 extra_max)
{
    return schedule->stuck->hosts->len == 0 && (gint64)schedule->extra_count <= extra_max;
}

static VrSchedule *
try(const VrProblem *problem, const VrManner *manner, VrSchedule *best, gint64 budget,
    gint64 extra_max)
{
    /* A run that takes longer cannot be the best any more. */
    gint64 limit_ms = best != NULL && is_good(best, extra_max) ? best->makespan_ms : G_MAXINT64;

    return choose(best, vr_conveyor_run(problem, manner, limit_ms), budget);
}

/* Small fleets that are hard to empty are worth looking at in every way. */
static VrSchedule *
solve(const VrProblem *problem, VrSchedule *best, gint64 budget)
{
    g_autoptr(GArray) hops = vr_puzzle_solve(problem);

    return hops != NULL ? choose(best, vr_sequence_lay_out(problem, hops), budget) : best;
}

VrSchedule *
vr_search_best(const VrProblem *problem)
{
    gint64 budget = vr_conveyor_budget(problem), extra_max = 0;
    guint runs = CLAMP(WORK_MAX / (problem->vm_count + 1), 1, RUNS_MAX);
    VrSchedule *best = NULL;

    for (guint p = 0; p < problem->pool_count; p++)
        extra_max += vr_bounds_extra_migrations(problem, p);
    extra_max = MAX(extra_max, budget);
    for (guint i = runs < G_N_ELEMENTS(manners) ? G_N_ELEMENTS(manners) - runs : 0;
         i < G_N_ELEMENTS(manners); i++)
        best = try(problem, &manners[i], best, budget, extra_max);
    for (guint i = 0; i < G_N_ELEMENTS(careful) && !is_good(best, extra_max); i++)
        best = try(problem, &careful[i], best, budget, extra_max);
    if (!is_good(best, extra_max))
        best = solve(problem, best, budget);
    for (guint i = G_N_ELEMENTS(manners); i < runs; i++) {
        VrManner manner = draw_manner(i);
        best = try(problem, &manner, best, budget, extra_max);
    }
    return best;
}
