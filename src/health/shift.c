/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health/shift.h"

#include "health/arithmetic.h"

#define RUNNABLE_MIN_PERMILLE 10 /* an idle VM's steal says nothing */
#define EXPECTED_MAX_PPM 950000

guint
vr_span_samples(VrSpan span)
{
    static const guint samples[] = {
        [VR_SPAN_DRIFT] = 6, [VR_SPAN_CRITICAL] = 12, [VR_SPAN_RELATIVE] = 30};

    g_assert(span < VR_SPANS);
    return samples[span];
}

void
vr_cpu_ring_put(VrCpuRing *self, guint64 index, gint64 cpu_permille)
{
    self->permille[index % VR_RING_SAMPLES] = (gint16)CLAMP(cpu_permille, -1, 1000);
}

VrCpuLoad
vr_cpu_ring_load(const VrCpuRing *self, guint64 newest, guint window)
{
    gint64 sum = 0, kappa_sum = 0, count = 0;

    for (guint i = 0; i < window; i++) {
        const gint64 permille = self->permille[(newest - i) % VR_RING_SAMPLES];
        if (permille >= 0) {
            sum += permille;
            kappa_sum += vr_crowding_kappa(permille);
            count++;
        }
    }
    if (count == 0)
        return (VrCpuLoad){-1, -1};
    return (VrCpuLoad){sum / count, vr_crowding_load(kappa_sum / count)};
}

/* Steal that is no surprise: the baseline, grown as load has grown, or what load alone explains. */
static gint64
expected_ppm(const VrBaseline *baseline, const VrSurroundings *around)
{
    const gint64 before = baseline->steal_ppm;

    if (around->cpu_permille < 0)
        return before;
    const gint64 kappa = vr_crowding_kappa(around->cpu_permille);
    gint64 growth_q10 = 1024;
    if (baseline->source_cpu_permille >= 0)
        growth_q10 = 1024 * kappa / vr_crowding_kappa(baseline->source_cpu_permille);
    gint64 expected = before * MAX(growth_q10, 1024) / 1024;
    expected = MAX(expected, (around->crowding_q20 * kappa) >> 20);
    if (around->doubled && expected > before)
        expected += expected - before;
    return MIN(expected, EXPECTED_MAX_PPM);
}

static void
compute_steal(VrShift *self, const VrSums *sums, const VrBaseline *baseline,
              const VrSurroundings *around)
{
    self->has_steal = baseline->steal_ppm >= 0 && vr_sums_runnable(sums, RUNNABLE_MIN_PERMILLE);
    if (!self->has_steal)
        return;
    const gint64 wanted = sums->delay_ticks + sums->run_ticks;
    self->steal_ppm = vr_ppm(sums->delay_ticks, wanted);
    self->expected_ppm = expected_ppm(baseline, around);
    self->excess_permille = (self->steal_ppm - self->expected_ppm) / 1000;
    const gint64 excess_ticks = sums->delay_ticks - self->expected_ppm / 1000 * wanted / 1000;
    self->excess_wall_permille = excess_ticks * VR_TICK_US / sums->vcpu_ms;
}

VrShift
vr_shift_compute(const VrSums *sums, const VrBaseline *baseline, const VrSurroundings *around,
                 gint64 requests_min)
{
    VrShift self = {0};

    compute_steal(&self, sums, baseline, around);
    self.latency_us = baseline->latency_us > 0 ? vr_sums_latency_us(sums, requests_min) : 0;
    self.has_io = self.latency_us > 0;
    if (self.has_io)
        self.shift_q8 = vr_log2_q8(self.latency_us) - vr_log2_q8(baseline->latency_us);
    return self;
}

gboolean
vr_shift_load(const VrSums *sums, const VrBaseline *baseline, gint64 *out_load_q8)
{
    if (baseline->runnable_ppm < RUNNABLE_MIN_PERMILLE * 1000 || sums->vcpu_ms == 0)
        return FALSE;
    const gint64 now_ppm = vr_sums_runnable_ppm(sums);
    *out_load_q8 = vr_log2_q8(MAX(now_ppm, 1)) - vr_log2_q8(baseline->runnable_ppm);
    return TRUE;
}
