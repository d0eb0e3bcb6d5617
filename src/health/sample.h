/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From cumulative counters to what happened in an interval, and a ring of that. Here it is told
 * apart whether counters restarted, jumped, stood still or were not read.
 */
#pragma once

#include <virt-roll/health.h>

G_BEGIN_DECLS

/*
 * Ring and sums count time in units of 16 us, so that an interval fits in 32 bits: 2^32 of them are
 * 68,000 s of vCPU or request time. Units are cut from the cumulative counters, not from the
 * intervals: over a window the rounding does not add up.
 */
#define VR_TICK_US 16

/* What happened between two readings. vcpu_ms 0: nothing is known. */
typedef struct {
    guint32 delay_ticks;
    guint32 run_ticks;
    guint32 io_ticks;
    guint32 requests;
    guint32 vcpu_ms; /* time between the readings times vCPUs */
} VrInterval;

/* The last reading of a VM. */
typedef struct {
    VrHealthSample last;
    guint16 missed_row; /* samples since `last`, saturating */
    gboolean anchored;  /* there is a `last` */
} VrReading;

/* A gap of more samples than this says nothing about the present any more. */
#define VR_MISSED_ROW_MAX 3

/*
 * Takes a sample (NULL: not read) and gives the interval that ends with it. Unknown, all zero, for
 * the first one, one that was missed or nonsense, the first after a restart, a jump or a long gap,
 * and for counters that all stand still: then they are stale, or the guest is paused.
 */
VrInterval vr_reading_take(VrReading *self, const VrHealthSample *sample);

#define VR_RING_SAMPLES 30

/* 600 bytes. */
typedef struct {
    VrInterval intervals[VR_RING_SAMPLES];
} VrRing;

/* Sums over a window. All < 2^37 for as many as 30 intervals. */
typedef struct {
    gint64 delay_ticks, run_ticks, io_ticks, requests, vcpu_ms;
    guint present; /* intervals that are known */
} VrSums;

static inline void
vr_ring_put(VrRing *self, guint64 index, VrInterval interval)
{
    self->intervals[index % VR_RING_SAMPLES] = interval;
}

/* The last `window` intervals, of which the newest has that index. */
VrSums vr_ring_sum(const VrRing *self, guint64 newest, guint window);

void vr_sums_add(VrSums *self, const VrInterval *interval);

/* The VM wanted a CPU, permille of wall time per vCPU or more. */
gboolean vr_sums_runnable(const VrSums *self, gint64 permille);

/* How much it wanted one, of wall time per vCPU; 0: unknown. */
gint64 vr_sums_runnable_ppm(const VrSums *self);

/* Per request; 0: there were fewer requests than that. */
gint64 vr_sums_latency_us(const VrSums *self, gint64 requests_min);

G_END_DECLS
