/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health/sample.h"

#include "health/arithmetic.h"

/*
 * A vCPU cannot wait and run for longer than the time that passed. Counters and clock are not read
 * at one instant, so a second and a quarter are allowed on top.
 */
#define SLACK_MS 1000

static gboolean
is_sane(const VrHealthSample *sample)
{
    return sample->delay_us >= 0 && sample->run_us >= 0 && sample->requests >= 0 &&
           sample->io_us >= 0 && sample->vcpus >= 1 && sample->vcpus <= G_MAXUINT16 &&
           sample->at_ms >= 0;
}

static gboolean
went_back(const VrHealthSample *from, const VrHealthSample *to)
{
    return to->delay_us < from->delay_us || to->run_us < from->run_us ||
           to->requests < from->requests || to->io_us < from->io_us;
}

static gboolean
stood_still(const VrHealthSample *from, const VrHealthSample *to)
{
    return to->delay_us == from->delay_us && to->run_us == from->run_us &&
           to->requests == from->requests && to->io_us == from->io_us;
}

static guint32
saturate(gint64 value)
{
    return (guint32)MIN(value, (gint64)G_MAXUINT32);
}

static gint64
ticks(gint64 from_us, gint64 to_us)
{
    return to_us / VR_TICK_US - from_us / VR_TICK_US;
}

/* Further than time allows. */
static gboolean
jumped(const VrHealthSample *from, const VrHealthSample *to)
{
    const gint64 passed_ms = to->at_ms - from->at_ms;
    const gint64 delay_us = to->delay_us - from->delay_us, run_us = to->run_us - from->run_us;
    const gint64 vcpus = MAX(from->vcpus, to->vcpus);

    if (passed_ms > G_MAXINT32) /* 24 days: no interval of a watch */
        return TRUE;
    const gint64 most_us = (passed_ms * 5 / 4 + SLACK_MS) * 1000 * vcpus;
    return delay_us > most_us || run_us > most_us - delay_us;
}

VrInterval
vr_reading_take(VrReading *self, const VrHealthSample *sample)
{
    const VrInterval unknown = {0};
    const VrHealthSample from = self->last;

    if (sample == NULL || !is_sane(sample) || (self->anchored && sample->at_ms <= from.at_ms)) {
        self->missed_row = (guint16)MIN(self->missed_row + 1, G_MAXUINT16);
        return unknown;
    }
    const gboolean usable = self->anchored && self->missed_row <= VR_MISSED_ROW_MAX &&
                            !went_back(&from, sample) && !jumped(&from, sample) &&
                            !stood_still(&from, sample);
    self->last = *sample;
    self->anchored = TRUE;
    self->missed_row = 0;
    if (!usable)
        return unknown;
    return (VrInterval){
        .delay_ticks = saturate(ticks(from.delay_us, sample->delay_us)),
        .run_ticks = saturate(ticks(from.run_us, sample->run_us)),
        .io_ticks = saturate(ticks(from.io_us, sample->io_us)),
        .requests = saturate(sample->requests - from.requests),
        .vcpu_ms = saturate((sample->at_ms - from.at_ms) * sample->vcpus),
    };
}

void
vr_sums_add(VrSums *self, const VrInterval *interval)
{
    self->delay_ticks += interval->delay_ticks;
    self->run_ticks += interval->run_ticks;
    self->io_ticks += interval->io_ticks;
    self->requests += interval->requests;
    self->vcpu_ms += interval->vcpu_ms;
    self->present += interval->vcpu_ms > 0;
}

VrSums
vr_ring_sum(const VrRing *self, guint64 newest, guint window)
{
    VrSums sums = {0};

    g_assert(window <= VR_RING_SAMPLES && window <= newest + 1);
    for (guint i = 0; i < window; i++)
        vr_sums_add(&sums, &self->intervals[(newest - i) % VR_RING_SAMPLES]);
    return sums;
}

gboolean
vr_sums_runnable(const VrSums *self, gint64 permille)
{
    /* ticks * 16 us >= permille of vcpu_ms, which is vcpu_ms * permille in us */
    return self->vcpu_ms > 0 &&
           (self->delay_ticks + self->run_ticks) * VR_TICK_US >= self->vcpu_ms * permille;
}

gint64
vr_sums_runnable_ppm(const VrSums *self)
{
    return vr_ppm((self->delay_ticks + self->run_ticks) * VR_TICK_US / 1000, self->vcpu_ms);
}

gint64
vr_sums_latency_us(const VrSums *self, gint64 requests_min)
{
    if (self->requests < requests_min || self->requests == 0)
        return 0;
    return MAX(self->io_ticks * VR_TICK_US / self->requests, 1);
}
