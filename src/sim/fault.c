/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/fault.h"

/* A kind that exists in a run strikes at this many times its usual rate, by lot. */
static const guint rates_percent[] = {10, 30, 100, 300};

/* Of 8 runs one has no fault at all and one has every kind; in the others a kind exists with a
 * probability of 1/8, 1/4 or 1/2, by lot. */
#define RUNS 8

static const struct {
    const char *word;
    guint permille;
} kinds[] = {
#define SIM_FAULT_ROW(member, word, permille) {word, permille},
    SIM_FAULTS(SIM_FAULT_ROW)
#undef SIM_FAULT_ROW
};

const char *
sim_fault_to_string(SimFault fault)
{
    return kinds[fault].word;
}

gboolean
sim_fault_from_string(const char *word, SimFault *out_fault)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_strcmp0(kinds[i].word, word) == 0) {
            *out_fault = (SimFault)i;
            return TRUE;
        }
    }
    return FALSE;
}

/* splitmix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static guint64
mix(guint64 value)
{
    value = (value ^ (value >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* The same number for the same question, whatever was asked in between. */
static guint64
lot(guint32 seed, guint fault, guint opportunity, guint purpose)
{
    return mix(mix(((guint64)seed << 32) + opportunity) + fault * G_GUINT64_CONSTANT(0x9e3779b9) +
               purpose * G_GUINT64_CONSTANT(0x1000003));
}

void
sim_faults_draw(SimFaults *self, guint32 seed)
{
    guint run = (guint)(lot(seed, 0, 0, 1) % RUNS);
    guint64 one_in = G_GUINT64_CONSTANT(2) << (lot(seed, 0, 0, 6) % 3);

    *self = (SimFaults){.seed = seed};
    self->happened = g_array_new(FALSE, FALSE, sizeof(SimStrike));
    for (guint fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        gboolean exists = run == 1 || (run != 0 && lot(seed, fault, 0, 2) % one_in == 0);
        guint rate = rates_percent[lot(seed, fault, 0, 3) % G_N_ELEMENTS(rates_percent)];
        if (exists)
            self->permille[fault] = MIN(kinds[fault].permille * rate / 100, 700);
    }
}

void
sim_faults_clear(SimFaults *self)
{
    g_clear_pointer(&self->happened, g_array_unref);
}

static gboolean
is_listed(const SimFaults *self, SimFault fault, guint opportunity)
{
    for (guint i = 0; i < self->strikes->len; i++) {
        const SimStrike *strike = &g_array_index(self->strikes, SimStrike, i);
        if (strike->fault == fault && strike->opportunity == opportunity)
            return TRUE;
    }
    return FALSE;
}

gboolean
sim_faults_strike(SimFaults *self, SimFault fault)
{
    SimStrike strike = {fault, 0};
    gboolean strikes = FALSE;

    if (self->healed)
        return FALSE;
    strike.opportunity = ++self->asked[fault];
    if (self->explicit_only)
        strikes = is_listed(self, fault, strike.opportunity);
    else
        strikes = lot(self->seed, fault, strike.opportunity, 4) % 1000 < self->permille[fault];
    if (strikes) {
        self->struck[fault]++;
        g_array_append_val(self->happened, strike);
    }
    return strikes;
}

gint64
sim_faults_extent(const SimFaults *self, SimFault fault, gint64 min, gint64 max)
{
    guint64 number = lot(self->seed, fault, self->asked[fault], 5);

    return min + (gint64)(number % (guint64)(max - min + 1));
}
