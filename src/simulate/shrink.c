/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/shrink.h"

#define RUNS_MAX 3000

typedef struct {
    SimGoesWrong goes_wrong;
    gpointer data;
    guint runs;
} Shrinking;

static gboolean
still_fails(Shrinking *self, const SimScenario *scenario)
{
    SimOutcome outcome;
    gboolean fails = FALSE;

    if (self->runs >= RUNS_MAX)
        return FALSE;
    self->runs++;
    sim_run(scenario, NULL, NULL, &outcome);
    fails = self->goes_wrong(&outcome, self->data);
    sim_outcome_clear(&outcome);
    return fails;
}

/* Without the strikes from `first` on, `count` of them. */
static SimScenario *
without(const SimScenario *scenario, guint first, guint count)
{
    SimScenario *smaller = sim_scenario_copy(scenario);

    g_array_remove_range(smaller->strikes, first, MIN(count, smaller->strikes->len - first));
    return smaller;
}

/* Takes out ever smaller pieces as long as it still fails. */
static SimScenario *
shrink_strikes(Shrinking *self, SimScenario *scenario)
{
    guint piece = scenario->strikes->len;

    while (piece > 0) {
        gboolean removed = FALSE;
        for (guint first = 0; first < scenario->strikes->len;) {
            g_autoptr(SimScenario) smaller = without(scenario, first, piece);
            if (still_fails(self, smaller)) {
                sim_scenario_free(scenario);
                scenario = g_steal_pointer(&smaller);
                removed = TRUE;
            } else {
                first += piece;
            }
        }
        if (!removed || piece > scenario->strikes->len)
            piece = MIN(piece / 2, scenario->strikes->len);
    }
    return scenario;
}

/* One size less of something; FALSE if it then fails no more. */
static gboolean
try_size(Shrinking *self, SimScenario **scenario, guint hosts, guint vms_per_host)
{
    g_autoptr(SimScenario) smaller = sim_scenario_copy(*scenario);

    if (hosts < 2 || vms_per_host < 1)
        return FALSE;
    smaller->hosts = hosts;
    smaller->vms_per_host = vms_per_host;
    if (!still_fails(self, smaller))
        return FALSE;
    sim_scenario_free(*scenario);
    *scenario = g_steal_pointer(&smaller);
    return TRUE;
}

static SimScenario *
shrink_sizes(Shrinking *self, SimScenario *scenario)
{
    while (try_size(self, &scenario, scenario->hosts - 1, scenario->vms_per_host) ||
           try_size(self, &scenario, scenario->hosts, scenario->vms_per_host - 1))
        continue;
    return scenario;
}

SimScenario *
sim_shrink(const SimScenario *scenario, SimGoesWrong goes_wrong, gpointer data, guint *out_runs)
{
    Shrinking self = {goes_wrong, data, 1};
    SimScenario *smallest = NULL;
    SimOutcome outcome;

    sim_run(scenario, NULL, NULL, &outcome);
    if (goes_wrong(&outcome, data)) {
        smallest = sim_scenario_copy(scenario);
        g_array_unref(smallest->strikes);
        smallest->strikes = g_array_copy(outcome.happened);
        smallest->explicit_only = TRUE;
        smallest = shrink_strikes(&self, shrink_sizes(&self, smallest));
        smallest = shrink_strikes(&self, shrink_sizes(&self, smallest));
    }
    *out_runs = self.runs;
    sim_outcome_clear(&outcome);
    return smallest;
}
