/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virt-roll-sim: rollouts in a simulated world, in virtual time, judged by an auditor. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate/shrink.h"
#include "simulate/summary.h"

typedef struct {
    char *seeds;
    char *seed;
    char *scenario;
    char *format;
    int jobs;
    gboolean trace;
    gboolean shrink;
    gboolean version;
} Options;

/* ------------------------------------------------------------------ many seeds */

typedef struct {
    SimSummary summary;
    GMutex lock;
} Many;

static void
run_seed(gpointer data, gpointer user_data)
{
    Many *many = user_data;
    guint32 seed = GPOINTER_TO_UINT(data) - 1; /* NULL is no job */
    g_autoptr(SimScenario) scenario = sim_scenario_draw(seed);
    SimOutcome outcome;

    sim_run(scenario, NULL, NULL, &outcome);
    g_mutex_lock(&many->lock);
    sim_summary_add(&many->summary, seed, &outcome);
    g_mutex_unlock(&many->lock);
    sim_outcome_clear(&outcome);
}

static int
run_many(const Options *options, guint first, guint last)
{
    Many many;
    gint64 begun_us = g_get_monotonic_time();
    gboolean json = g_strcmp0(options->format, "json") == 0;
    int status = 0;

    sim_summary_init(&many.summary);
    g_mutex_init(&many.lock);
    GThreadPool *pool = g_thread_pool_new(run_seed, &many, MAX(options->jobs, 1), TRUE, NULL);
    for (guint64 seed = first; seed <= last; seed++)
        (void)g_thread_pool_push(pool, GUINT_TO_POINTER((guint)(seed + 1)), NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    many.summary.elapsed_us = g_get_monotonic_time() - begun_us;
    g_autofree char *text =
        json ? sim_summary_json(&many.summary) : sim_summary_text(&many.summary);
    (void)fputs(text, stdout);
    if (many.summary.failures->len > 0) {
        const SimFailure *failure = &g_array_index(many.summary.failures, SimFailure, 0);
        (void)fprintf(stderr, "look at one: virt-roll-sim --seed %u --shrink\n", failure->seed);
        status = 1;
    }
    sim_summary_clear(&many.summary);
    g_mutex_clear(&many.lock);
    return status;
}

/* ------------------------------------------------------------------ one */

static void
print_line(const char *line, gpointer data)
{
    (void)fprintf(data, "%s\n", line);
}

static int
run_one(const Options *options, guint32 seed, const SimScenario *scenario)
{
    SimOutcome outcome;
    SimSummary summary;
    gint64 begun_us = g_get_monotonic_time();
    int status = 0;

    sim_run(scenario, options->trace ? print_line : NULL, stdout, &outcome);
    sim_summary_init(&summary);
    sim_summary_add(&summary, seed, &outcome);
    summary.elapsed_us = g_get_monotonic_time() - begun_us;
    if (g_strcmp0(options->format, "json") == 0) {
        g_autofree char *text = sim_summary_json(&summary);
        (void)fputs(text, stdout);
    } else if (outcome.refusal != NULL) {
        (void)printf("nothing to simulate: %s\n", outcome.refusal);
    } else {
        (void)printf("%s%s%s; %s\n", vr_rollout_phase_to_string(outcome.phase),
                     outcome.reason != NULL ? ": " : "",
                     outcome.reason != NULL ? outcome.reason : "",
                     outcome.breach != NULL ? outcome.breach : "no rule was breached");
    }
    status = outcome.breach != NULL;
    sim_summary_clear(&summary);
    sim_outcome_clear(&outcome);
    return status;
}

static gboolean
breaches_same_rule(const SimOutcome *outcome, gpointer data)
{
    gint *rule = data;

    if (outcome->breach == NULL)
        return FALSE;
    if (*rule < 0)
        *rule = (gint)outcome->rule; /* the first run's */
    return *rule == (gint)outcome->rule;
}

static int
shrink_one(const SimScenario *scenario)
{
    guint runs = 0;
    gint rule = -1;
    g_autoptr(SimScenario) smallest = sim_shrink(scenario, breaches_same_rule, &rule, &runs);

    if (smallest == NULL) {
        (void)fprintf(stderr, "virt-roll-sim: nothing to shrink: no rule was breached\n");
        return 0;
    }
    g_autofree char *text = sim_scenario_format(smallest);
    SimOutcome outcome;
    sim_run(smallest, NULL, NULL, &outcome);
    (void)fputs(text, stdout);
    (void)fprintf(stderr,
                  "%s\n%u strikes left after %u runs; keep the lines above in FILE, then: "
                  "virt-roll-sim --scenario FILE --trace\n",
                  outcome.breach, smallest->strikes->len, runs);
    sim_outcome_clear(&outcome);
    return 1;
}

/* ------------------------------------------------------------------ the command */

static gboolean
parse_number(const char *text, guint64 max, guint64 *out_number)
{
    return g_ascii_string_to_unsigned(text, 10, 0, max, out_number, NULL);
}

static gboolean
parse_range(const char *text, guint *out_first, guint *out_last)
{
    g_auto(GStrv) ends = g_strsplit(text, "..", 2);
    guint64 first = 0;
    guint64 last = 0;

    if (g_strv_length(ends) != 2 || !parse_number(ends[0], G_MAXUINT32 - 1, &first) ||
        !parse_number(ends[1], G_MAXUINT32 - 1, &last) || last < first)
        return FALSE;
    *out_first = (guint)first;
    *out_last = (guint)last;
    return TRUE;
}

static int
usage(const char *why, const char *what)
{
    (void)fprintf(stderr, "virt-roll-sim: %s%s; see virt-roll-sim --help\n", why, what);
    return 2;
}

static int
run_scenario(const Options *options, SimScenario *scenario)
{
    int status =
        options->shrink ? shrink_one(scenario) : run_one(options, scenario->seed, scenario);

    sim_scenario_free(scenario);
    return status;
}

static int
run_file(const Options *options)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize length = 0;
    SimScenario *scenario = NULL;

    if (g_file_get_contents(options->scenario, &text, &length, &error))
        scenario = sim_scenario_parse(text, length, options->scenario, &error);
    if (scenario == NULL)
        return usage(error->message, "");
    return run_scenario(options, scenario);
}

static int
dispatch(const Options *options)
{
    guint first = 0;
    guint last = 0;
    guint64 seed = 0;

    if (options->format != NULL && g_strcmp0(options->format, "json") != 0 &&
        g_strcmp0(options->format, "table") != 0)
        return usage("-o is table or json, not ", options->format);
    if ((options->seeds != NULL) + (options->seed != NULL) + (options->scenario != NULL) != 1)
        return usage("one of --seeds, --seed and --scenario is needed", "");
    if (options->scenario != NULL)
        return run_file(options);
    if (options->seed != NULL) {
        if (!parse_number(options->seed, G_MAXUINT32 - 1, &seed))
            return usage("--seed is a number from 0 to 4294967294, not ", options->seed);
        return run_scenario(options, sim_scenario_draw((guint32)seed));
    }
    if (!parse_range(options->seeds, &first, &last))
        return usage("--seeds is FIRST..LAST, not ", options->seeds);
    return run_many(options, first, last);
}

int
main(int argc, char **argv)
{
    Options o = {.jobs = (int)g_get_num_processors()};
    const GOptionEntry entries[] = {
        {"seeds", 0, 0, G_OPTION_ARG_STRING, &o.seeds, "run every seed of a range", "FIRST..LAST"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &o.seed, "run one seed", "N"},
        {"scenario", 0, 0, G_OPTION_ARG_FILENAME, &o.scenario, "run what a file says", "FILE"},
        {"jobs", 0, 0, G_OPTION_ARG_INT, &o.jobs, "so many runs at a time (all processors)", "N"},
        {"trace", 0, 0, G_OPTION_ARG_NONE, &o.trace, "print all that happens", NULL},
        {"shrink", 0, 0, G_OPTION_ARG_NONE, &o.shrink, "print a small scenario that still fails",
         NULL},
        {"format", 'o', 0, G_OPTION_ARG_STRING, &o.format, "table or json", "FORMAT"},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &o.version, "print the version", NULL},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    int status = 0;

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(
        context, "Rolls simulated fleets with the real planner and engine while everything fails, "
                 "and judges each run\nby the world's truth. Exit status: 0 no rule was breached, "
                 "1 one was, 2 bad usage or input.");
    if (!g_option_context_parse(context, &argc, &argv, &error))
        status = usage(error->message, "");
    else if (o.version)
        (void)printf("virt-roll-sim %s\n", VR_VERSION);
    else if (argc > 1)
        status = usage("unexpected argument ", argv[1]);
    else
        status = dispatch(&o);
    g_free(o.seeds);
    g_free(o.seed);
    g_free(o.scenario);
    g_free(o.format);
    return status;
}
