/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/summary.h"

#include "base/json.h"

static void
failure_clear(gpointer data)
{
    SimFailure *failure = data;

    g_free(failure->breach);
}

void
sim_summary_init(SimSummary *self)
{
    *self = (SimSummary){0};
    self->failures = g_array_new(FALSE, FALSE, sizeof(SimFailure));
    g_array_set_clear_func(self->failures, failure_clear);
}

void
sim_summary_clear(SimSummary *self)
{
    g_array_unref(self->failures);
}

static gint
by_seed(gconstpointer a, gconstpointer b)
{
    const SimFailure *first = a;
    const SimFailure *second = b;

    return (first->seed > second->seed) - (first->seed < second->seed);
}

void
sim_summary_add(SimSummary *self, guint32 seed, const SimOutcome *outcome)
{
    self->seeds++;
    if (outcome->refusal != NULL) {
        self->refused++;
        return;
    }
    self->rollouts++;
    self->done += outcome->phase == VR_ROLLOUT_DONE;
    self->not_done += outcome->phase != VR_ROLLOUT_DONE;
    self->migrations += outcome->migrations;
    self->arrivals += outcome->arrivals;
    self->actions += outcome->actions;
    self->stages += outcome->stages;
    self->restarts += outcome->restarts;
    self->repairs += outcome->repairs;
    self->revisions += outcome->revisions;
    self->records += outcome->records;
    self->simulated_us += outcome->simulated_us;
    for (guint i = 0; i < SIM_FAULT_COUNT; i++)
        self->struck[i] += outcome->struck[i];
    for (guint i = 0; i < SIM_RULE_COUNT; i++)
        self->evaluations[i] += outcome->evaluations[i];
    if (outcome->breach != NULL) {
        SimFailure failure = {seed, g_strdup(outcome->breach)};
        g_array_append_val(self->failures, failure);
        g_array_sort(self->failures, by_seed);
    }
}

static const struct {
    const char *name;
    gsize offset;
} counts[] = {
    {"seeds", G_STRUCT_OFFSET(SimSummary, seeds)},
    {"refused_plans", G_STRUCT_OFFSET(SimSummary, refused)},
    {"rollouts", G_STRUCT_OFFSET(SimSummary, rollouts)},
    {"rollouts_done", G_STRUCT_OFFSET(SimSummary, done)},
    {"rollouts_not_done", G_STRUCT_OFFSET(SimSummary, not_done)},
    {"migrations", G_STRUCT_OFFSET(SimSummary, migrations)},
    {"arrivals", G_STRUCT_OFFSET(SimSummary, arrivals)},
    {"actions", G_STRUCT_OFFSET(SimSummary, actions)},
    {"stages", G_STRUCT_OFFSET(SimSummary, stages)},
    {"restarts", G_STRUCT_OFFSET(SimSummary, restarts)},
    {"repairs", G_STRUCT_OFFSET(SimSummary, repairs)},
    {"revisions", G_STRUCT_OFFSET(SimSummary, revisions)},
    {"journal_records", G_STRUCT_OFFSET(SimSummary, records)},
};

static guint64
count_at(const SimSummary *self, guint index)
{
    return G_STRUCT_MEMBER(guint64, self, counts[index].offset);
}

/* Names of kinds that did not occur, separated by spaces. */
static char *
never(const SimSummary *self)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < SIM_FAULT_COUNT; i++) {
        if (self->struck[i] == 0)
            g_string_append_printf(out, "%s ", sim_fault_to_string((SimFault)i));
    }
    for (guint i = 0; i < SIM_RULE_COUNT; i++) {
        if (self->evaluations[i] == 0)
            g_string_append_printf(out, "%s ", sim_rule_name((SimRule)i));
    }
    return g_strchomp(g_string_free(out, FALSE));
}

static double
per_second(guint64 count, gint64 elapsed_us)
{
    return elapsed_us > 0 ? (double)count * 1e6 / (double)elapsed_us : 0;
}

char *
sim_summary_text(const SimSummary *self)
{
    GString *out = g_string_new(NULL);
    g_autofree char *missing = never(self);

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        g_string_append_printf(out, "%-20s %12" G_GUINT64_FORMAT "\n", counts[i].name,
                               count_at(self, i));
    g_string_append_printf(out, "%-20s %12.1f\n%-20s %12.1f\n%-20s %12.1f\n", "seconds",
                           (double)self->elapsed_us / 1e6, "runs/s",
                           per_second(self->seeds, self->elapsed_us), "simulated hours/s",
                           per_second((guint64)self->simulated_us, self->elapsed_us) / 3.6e9);
    g_string_append(out, "\nfaults that happened\n");
    for (guint i = 0; i < SIM_FAULT_COUNT; i++)
        g_string_append_printf(out, "  %-22s %10" G_GUINT64_FORMAT "\n",
                               sim_fault_to_string((SimFault)i), self->struck[i]);
    g_string_append(out, "\nrules put to the test\n");
    for (guint i = 0; i < SIM_RULE_COUNT; i++)
        g_string_append_printf(out, "  %-4s %12" G_GUINT64_FORMAT "  %s\n",
                               sim_rule_name((SimRule)i), self->evaluations[i],
                               sim_rule_text((SimRule)i));
    if (missing[0] != '\0')
        g_string_append_printf(out, "\nnever happened: %s\n", missing);
    g_string_append_printf(out, "\n%u of %" G_GUINT64_FORMAT " runs breached a rule\n",
                           self->failures->len, self->rollouts);
    for (guint i = 0; i < self->failures->len; i++) {
        const SimFailure *failure = &g_array_index(self->failures, SimFailure, i);
        g_string_append_printf(out, "  seed %u  %s\n", failure->seed, failure->breach);
    }
    return g_string_free(out, FALSE);
}

static void
append_breaches(const SimSummary *self, GString *out)
{
    g_string_append(out, "],\"breaches\":[");
    for (guint i = 0; i < self->failures->len; i++) {
        const SimFailure *failure = &g_array_index(self->failures, SimFailure, i);
        g_string_append_printf(out, "%s{\"seed\":%u,\"breach\":", i > 0 ? "," : "", failure->seed);
        vr_json_append_string(out, failure->breach);
        g_string_append_c(out, '}');
    }
    g_string_append(out, "]}\n");
}

char *
sim_summary_json(const SimSummary *self)
{
    GString *out = g_string_new("{\"format\":\"virt-roll-simulation/1\"");
    g_autofree char *missing = never(self);
    g_auto(GStrv) words = g_strsplit(missing, " ", -1);

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        g_string_append_printf(out, ",\"%s\":%" G_GUINT64_FORMAT, counts[i].name,
                               count_at(self, i));
    g_string_append_printf(out,
                           ",\"simulated_s\":%" G_GINT64_FORMAT ",\"elapsed_ms\":%" G_GINT64_FORMAT,
                           self->simulated_us / SIM_S, self->elapsed_us / SIM_MS);
    g_string_append(out, ",\"faults\":{");
    for (guint i = 0; i < SIM_FAULT_COUNT; i++)
        g_string_append_printf(out, "%s\"%s\":%" G_GUINT64_FORMAT, i > 0 ? "," : "",
                               sim_fault_to_string((SimFault)i), self->struck[i]);
    g_string_append(out, "},\"evaluations\":{");
    for (guint i = 0; i < SIM_RULE_COUNT; i++)
        g_string_append_printf(out, "%s\"%s\":%" G_GUINT64_FORMAT, i > 0 ? "," : "",
                               sim_rule_name((SimRule)i), self->evaluations[i]);
    g_string_append(out, "},\"never_happened\":[");
    for (guint i = 0; words[i] != NULL && words[i][0] != '\0'; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        vr_json_append_string(out, words[i]);
    }
    append_breaches(self, out);
    return g_string_free(out, FALSE);
}
