/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far one VM has moved from its baseline in a window: the same for judged VMs and controls. */
#pragma once

#include "health/sample.h"

G_BEGIN_DECLS

/* The windows that are looked at, in samples. */
typedef enum { VR_SPAN_DRIFT, VR_SPAN_CRITICAL, VR_SPAN_RELATIVE, VR_SPANS } VrSpan;

guint vr_span_samples(VrSpan span);

/* CPU of a host by its VMs over the last samples; -1 where it was not read. */
typedef struct {
    gint16 permille[VR_RING_SAMPLES];
} VrCpuRing;

void vr_cpu_ring_put(VrCpuRing *self, guint64 index, gint64 cpu_permille);
/* -1: never read in that window. */
typedef struct {
    gint64 mean_permille;
    gint64 felt_permille; /* the steady load that crowds as much as this one did */
} VrCpuLoad;
VrCpuLoad vr_cpu_ring_load(const VrCpuRing *self, guint64 newest, guint window);

/* What holds for all VMs of a host in a window. */
typedef struct {
    gint64 cpu_permille; /* as it was felt; -1: unknown */
    gint64 crowding_q20; /* ppm of steal per kappa x 2^20; 0: not predicted from load alone */
    gboolean doubled;    /* what crowding explains counts twice, in favour of the host */
} VrSurroundings;

typedef struct {
    gboolean has_steal; /* it wanted a CPU for 1 % of the time, then and now for 0.5 % */
    gint64 steal_ppm, expected_ppm;
    gint64 excess_permille;      /* over the expected, of the time it wants a CPU */
    gint64 excess_wall_permille; /* the same of all time */
    gboolean has_io;
    gint64 latency_us;
    gint64 shift_q8; /* of latency over the baseline */
} VrShift;

VrShift vr_shift_compute(const VrSums *sums, const VrBaseline *baseline,
                         const VrSurroundings *around, gint64 requests_min);

/* Runnable time now over that of the baseline, 1/256 octave; TRUE if both are known. */
gboolean vr_shift_load(const VrSums *sums, const VrBaseline *baseline, gint64 *out_load_q8);

G_END_DECLS
