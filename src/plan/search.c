/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/bounds.h"
#include "plan/search.h"
#include "plan/sequence.h"

/* The first is the best one for most fleets; large ones get no other. */
static const VrManner manners[] = {
    {VR_PREFER_GROWTH, VR_AHEAD_UPDATING, FALSE, FALSE, 1000, 0},
    {VR_PREFER_GROWTH, VR_AHEAD_WAITING, FALSE, FALSE, 1000, 0},
    {VR_PREFER_GROWTH, VR_AHEAD_NONE, FALSE, FALSE, 1000, 0},
    {VR_PREFER_GROWTH, VR_AHEAD_NONE, TRUE, FALSE, 0, 0},
    {VR_PREFER_GIANTS, VR_AHEAD_NONE, TRUE, FALSE, 0, 0},
    {VR_PREFER_ROOM, VR_AHEAD_NONE, TRUE, TRUE, 0, 0},
};

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

static void
keep_better(VrSchedule **best, VrSchedule **other, gint64 budget)
{
    if (*best != NULL && !is_better(*other, *best, budget))
        return;
    VrSchedule *worse = *best;
    *best = g_steal_pointer(other);
    vr_schedule_free(worse);
}

/* More than the proven minimum: small fleets are worth looking at every way. */
static void
solve_if_hard(const VrProblem *problem, VrSchedule **best, gint64 budget)
{
    gint64 least = budget;

    for (guint p = 0; p < problem->pool_count; p++)
        least = MAX(least, vr_bounds_extra_migrations(problem, p));
    if ((*best)->stuck->hosts->len == 0 && (*best)->extra_count <= least)
        return;
    g_autoptr(GArray) hops = vr_puzzle_solve(problem);
    g_autoptr(VrSchedule) schedule = hops != NULL ? vr_sequence_lay_out(problem, hops) : NULL;
    if (schedule != NULL)
        keep_better(best, &schedule, budget);
}

VrSchedule *
vr_search_best(const VrProblem *problem)
{
    g_autoptr(VrSchedule) best = NULL;
    gint64 budget = vr_conveyor_budget(problem);

    for (guint i = 0; i < G_N_ELEMENTS(manners); i++) {
        g_autoptr(VrSchedule) schedule = vr_conveyor_run(problem, &manners[i], G_MAXINT64);
        keep_better(&best, &schedule, budget);
    }
    solve_if_hard(problem, &best, budget);
    return g_steal_pointer(&best);
}
