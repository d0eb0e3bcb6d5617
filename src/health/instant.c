/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health/instant.h"

#define RUNNABLE_MIN_PERMILLE 10
#define SEVERE_TIMES 16 /* over the baseline, beside the absolute limit */
#define STALL_TIMES 6

static void
add_steal(VrInstant *self, const VrInterval *interval)
{
    VrSums sums = {0};

    vr_sums_add(&sums, interval);
    if (vr_sums_runnable(&sums, RUNNABLE_MIN_PERMILLE))
        self->steal_wall_permille[self->steal_vms++] = sums.delay_ticks * VR_TICK_US / sums.vcpu_ms;
}

static void
add_io(VrInstant *self, const VrInterval *interval, const VrBaseline *baseline,
       const VrHealthLimits *limits)
{
    if (interval->requests == 0 || baseline->latency_us <= 0)
        return;
    const gint64 latency_us = (gint64)interval->io_ticks * VR_TICK_US / interval->requests;
    const gint64 times = latency_us / baseline->latency_us;
    self->io_vms++;
    self->io_severe += latency_us >= limits->severe_io_us && times >= SEVERE_TIMES;
    self->io_stalled += times >= STALL_TIMES;
}

void
vr_instant_add(VrInstant *self, const VrInterval *interval, const VrBaseline *baseline,
               const VrHealthLimits *limits)
{
    if (interval->vcpu_ms == 0)
        return;
    add_steal(self, interval);
    add_io(self, interval, baseline, limits);
    if (baseline->active) {
        self->active_vms++;
        self->active_stopped += interval->requests == 0;
    }
}

gint64
vr_permille(guint count, guint all)
{
    return all > 0 ? (gint64)count * 1000 / all : 0;
}
