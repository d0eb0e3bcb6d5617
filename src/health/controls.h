/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What judges ask of the control group; computed once per interval and epoch, for all of them. */
#pragma once

#include "health/shift.h"

G_BEGIN_DECLS

/* Over a window. Zero where too few controls testify. */
typedef struct {
    guint vms, hosts;       /* that were read and have a baseline */
    gint64 excess_permille; /* of steal, median, at least 0 */
    gint64 shift_q8;        /* of latency, median, at least 0 */
    gint64 load_q8;         /* of runnable time, median */
    gint64 slow_permille;   /* of ten or more: with latency x2.25 and more */
} VrControlShift;

/* In the last interval. */
typedef struct {
    gint64 steal_wall_permille; /* median; 0: none testifies */
    gint64 severe_io_permille;  /* of those with requests */
    gint64 stalled_permille;    /* likewise */
    gint64 stopped_permille;    /* of the active ones: without a request */
} VrControlInstant;

/* Borrowed until the next interval; NULL: no such epoch (any more). */
const VrControlShift *vr_control_group_shift(VrControlGroup *self, gint64 epoch, VrSpan span);
const VrControlInstant *vr_control_group_instant(VrControlGroup *self, gint64 epoch);
/* How steal rises with load, from the controls' baselines; 0: unknown. */
gint64 vr_control_group_crowding_q20(const VrControlGroup *self, gint64 epoch);

G_END_DECLS
