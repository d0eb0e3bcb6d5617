/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VM was like before its migration. One VM's "before" says little about its "after" (its own
 * load changes), so a baseline is only ever used in a median over VMs.
 */
#include "health/arithmetic.h"
#include "health/sample.h"

#define BLOCK_SAMPLES 10
#define BLOCKS 7 /* six whole ones and the one that fills */

#define RUNNABLE_MIN_PERMILLE 5 /* below this a VM cannot testify about steal */
#define REQUESTS_MIN 30         /* latency of fewer is chance */
#define SAMPLES_MIN 30          /* that were read; fewer are no baseline */
#define ACTIVE_PERMILLE 950     /* of the samples have requests … */
#define ACTIVE_REQUESTS 5       /* … this many on average */
#define HISTORY_ROLLUPS_MIN 5

/* In microseconds: sums of a block do not overflow, see sample.h. */
typedef struct {
    VrSums sums;
    guint with_requests; /* intervals */
    gint64 kappa_sum;
    guint cpu_count;
    guint samples; /* read or not */
} Block;

struct VrBaselineCollector {
    VrReading reading;
    Block blocks[BLOCKS];
    guint newest;
};

VrBaselineCollector *
vr_baseline_collector_new(void)
{
    return g_new0(VrBaselineCollector, 1);
}

void
vr_baseline_collector_add(VrBaselineCollector *self, const VrHealthSample *sample,
                          gint64 cpu_permille)
{
    const VrInterval interval = vr_reading_take(&self->reading, sample);

    if (self->blocks[self->newest].samples == BLOCK_SAMPLES) {
        self->newest = (self->newest + 1) % BLOCKS;
        self->blocks[self->newest] = (Block){0};
    }
    Block *block = &self->blocks[self->newest];
    vr_sums_add(&block->sums, &interval);
    block->with_requests += interval.requests > 0;
    block->samples++;
    if (cpu_permille >= 0) {
        block->kappa_sum += vr_crowding_kappa(cpu_permille);
        block->cpu_count++;
    }
}

static void
add_block(Block *total, const Block *block)
{
    total->sums.delay_ticks += block->sums.delay_ticks;
    total->sums.run_ticks += block->sums.run_ticks;
    total->sums.io_ticks += block->sums.io_ticks;
    total->sums.requests += block->sums.requests;
    total->sums.vcpu_ms += block->sums.vcpu_ms;
    total->sums.present += block->sums.present;
    total->with_requests += block->with_requests;
    total->kappa_sum += block->kappa_sum;
    total->cpu_count += block->cpu_count;
}

static gboolean
is_active(const Block *total)
{
    return total->with_requests * 1000 >= total->sums.present * ACTIVE_PERMILLE &&
           total->sums.requests >= (gint64)total->sums.present * ACTIVE_REQUESTS;
}

VrBaseline
vr_baseline_collector_make(const VrBaselineCollector *self)
{
    Block total = {0};

    for (guint i = 0; i < BLOCKS; i++)
        add_block(&total, &self->blocks[i]);
    const VrSums *sums = &total.sums;
    const gint64 wanted = sums->delay_ticks + sums->run_ticks;
    VrBaseline baseline = {.at_ms = self->reading.last.at_ms,
                           .runnable_ppm = -1,
                           .source_cpu_permille = -1,
                           .steal_ppm = -1};

    if (total.cpu_count > 0)
        baseline.source_cpu_permille = vr_crowding_load(total.kappa_sum / total.cpu_count);
    if (sums->present < SAMPLES_MIN)
        return baseline;
    baseline.active = is_active(&total);
    baseline.latency_us = vr_sums_latency_us(sums, REQUESTS_MIN);
    baseline.runnable_ppm = vr_sums_runnable_ppm(sums);
    if (vr_sums_runnable(sums, RUNNABLE_MIN_PERMILLE))
        baseline.steal_ppm = vr_ppm(sums->delay_ticks, wanted);
    return baseline;
}

void
vr_baseline_collector_free(VrBaselineCollector *self)
{
    g_free(self);
}

void
vr_baseline_strengthen(VrBaseline *self, const VrHealthRollup *rollups, guint count)
{
    gint64 steal[VR_HEALTH_ROLLUPS_MAX], latency[VR_HEALTH_ROLLUPS_MAX];
    guint steals = 0, latencies = 0;

    for (guint i = 0; i < MIN(count, VR_HEALTH_ROLLUPS_MAX); i++) {
        if (rollups[i].steal_ppm >= 0)
            steal[steals++] = rollups[i].steal_ppm;
        if (rollups[i].requests >= REQUESTS_MIN && rollups[i].latency_us > 0)
            latency[latencies++] = rollups[i].latency_us;
    }
    if (self->steal_ppm >= 0 && steals >= HISTORY_ROLLUPS_MIN) {
        const gint64 usual = vr_median(steal, steals, 0);
        self->steal_ppm = CLAMP(usual, self->steal_ppm, 2 * self->steal_ppm + 5000);
        self->strong = 1;
    }
    if (self->latency_us > 0 && latencies >= HISTORY_ROLLUPS_MIN) {
        const gint64 usual = vr_median(latency, latencies, 0);
        self->latency_us = CLAMP(usual, self->latency_us, 4 * self->latency_us);
        self->strong = 1;
    }
}
