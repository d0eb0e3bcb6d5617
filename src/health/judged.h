/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judge's memory of its host and of each VM, and what is computed from it. */
#pragma once

#include "health/controls.h"

G_BEGIN_DECLS

/* About 780 bytes, 600 of them samples. */
typedef struct {
    char id[VR_HEALTH_VM_BYTES];
    VrBaseline baseline;
    gint64 epoch;
    VrReading reading;
    VrRing ring;
    guint64 ready; /* intervals with a greater index count */
    guint64 given; /* index of the last interval that a sample was given for */
    guint16 probe_lost_row;
    gboolean probe_lost; /* in this interval */
    gboolean guest_lost; /* crashed, or paused by an I/O error */
    gboolean removed;
} VrJudgedVm;

typedef struct {
    VrHealthLimits limits;
    VrControlGroup *controls; /* borrowed, nullable */
    GPtrArray *vms;           /* (element-type VrJudgedVm) by slot */
    VrCpuRing cpu;
    guint64 newest;       /* index of the newest interval in the rings */
    gint64 now_ms;        /* of the newest sample */
    gint64 passed_ms;     /* its gate has; -1: not yet */
    gboolean peer_passed; /* see VrHealthEvidence */
    GArray *scratch;      /* (element-type gint64) VR_WINDOW_COLUMNS for each VM */
} VrJudged;

#define VR_WINDOW_COLUMNS 9

static inline VrJudgedVm *
vr_judged_vm(const VrJudged *self, guint vm)
{
    return g_ptr_array_index(self->vms, vm);
}

/* Counted intervals of a VM since it was ready, read or not; 0: none yet, or it is removed. */
guint64 vr_judged_age(const VrJudged *self, const VrJudgedVm *vm);

/* The worst that any VM's epoch says of the controls in a span: in favour of the host. */
VrControlShift vr_judged_controls(const VrJudged *self, VrSpan span);

/* A VM's baseline holds; a weak one does not for ever in aftercare. */
gboolean vr_judged_baseline_holds(const VrJudged *self, const VrJudgedVm *vm);

/* A VM in a window that it is old enough for and of which half was read; FALSE: it is silent. */
typedef struct {
    VrSums sums;
    VrShift shift;
    gint64 control_excess_permille, control_shift_q8;
} VrTestimony;
gboolean vr_judged_testimony(const VrJudged *self, const VrJudgedVm *vm, VrSpan span,
                             gint64 cpu_permille, VrTestimony *out_testimony);

/* critical: the stricter of the two kinds of limits. */
VrHealthWindow vr_window_compute(VrJudged *self, VrSpan span, gboolean critical);

/* A base limit for n VMs; -1: too few to be judged by it. */
gint64 vr_window_limit(const VrJudged *self, gint64 base, gint64 vms,
                       const VrControlShift *controls, gboolean critical);

/* There are enough controls to blame anything but steal on the host. */
gboolean vr_controls_suffice(const VrControlShift *controls);

/* The controls move too. */
gboolean vr_controls_moved(const VrControlShift *controls);

/* Fills in what the findings that move nobody need. */
void vr_findings_fill(const VrJudged *self, VrHealthEvidence *evidence);

/* No VM was ever delayed on a busy host, although that was so before: the host does not say. */
gboolean vr_steal_is_unavailable(const VrJudged *self, const VrHealthWindow *window);

/* The rows of samples that the severe rules and stalls count, and what they know of the moment. */
typedef struct {
    gint64 severe_steal_row, severe_crowding_row, severe_io_row, io_stopped_row, probe_lost_row;
    guint32 stalls; /* a bit per sample, the newest is the lowest */
    gint64 cpu_sum_permille, cpu_count;
    gint64 missed;
} VrRows;

void vr_rows_advance(VrRows *self, VrJudged *judged, gint64 cpu_permille);

/* The five worst VMs and the median one, by what the rule is about. */
void vr_witnesses_fill(const VrJudged *self, VrHealthRule rule, VrHealthEvidence *evidence);

G_END_DECLS
