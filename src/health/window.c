/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host in a window: medians over its VMs. VMs of one host share its CPUs and its way to the
 * storage, so they are no independent witnesses: no p-values are computed over them, only how far
 * their median has moved.
 */
#include "health/arithmetic.h"
#include "health/instant.h"
#include "health/judged.h"

#define REQUESTS_MIN 30       /* in a window */
#define REQUESTS_MIN_SHORT 10 /* in one of less than 12 samples */
#define VMS_FULL 8            /* from here on a limit is as it stands */
#define VMS_MIN 5             /* below: only critical, and strictly */
#define VMS_CRITICAL_MIN 2
#define CONTROL_VMS_MIN 5 /* below: unknown */
#define CONTROL_VMS_FULL 10
#define CONTROL_HOSTS_FULL 3
#define FLEET_LOAD_Q8 64 /* x1.19 */
#define FLEET_SHIFT_Q8 64
#define FLEET_SLOW_PERMILLE 100
#define CALIBRATED_MS (24 * 3600 * 1000LL) /* of aftercare, then limits are tighter */

guint64
vr_judged_age(const VrJudged *self, const VrJudgedVm *vm)
{
    return vm->removed || self->newest < vm->ready ? 0 : self->newest - vm->ready;
}

gboolean
vr_judged_baseline_holds(const VrJudged *self, const VrJudgedVm *vm)
{
    return self->passed_ms < 0 || vm->baseline.strong ||
           self->now_ms - vm->baseline.at_ms <= self->limits.weak_baseline_max_s * 1000;
}

static const VrControlShift *
control_shift(const VrJudged *self, gint64 epoch, VrSpan span)
{
    static const VrControlShift none = {0};
    const VrControlShift *shift =
        self->controls != NULL ? vr_control_group_shift(self->controls, epoch, span) : NULL;

    return shift != NULL ? shift : &none;
}

VrControlShift
vr_judged_controls(const VrJudged *self, VrSpan span)
{
    VrControlShift worst = {0};
    gboolean first = TRUE;

    for (guint i = 0; i < self->vms->len; i++) {
        const VrJudgedVm *vm = vr_judged_vm(self, i);
        if (vr_judged_age(self, vm) == 0)
            continue;
        const VrControlShift *shift = control_shift(self, vm->epoch, span);
        if (first)
            worst = *shift;
        first = FALSE;
        worst.vms = MIN(worst.vms, shift->vms);
        worst.hosts = MIN(worst.hosts, shift->hosts);
        worst.excess_permille = MAX(worst.excess_permille, shift->excess_permille);
        worst.shift_q8 = MAX(worst.shift_q8, shift->shift_q8);
        worst.load_q8 = MAX(worst.load_q8, shift->load_q8);
        worst.slow_permille = MAX(worst.slow_permille, shift->slow_permille);
    }
    return worst;
}

gboolean
vr_controls_suffice(const VrControlShift *controls)
{
    return controls->vms >= CONTROL_VMS_MIN;
}

gboolean
vr_controls_moved(const VrControlShift *controls)
{
    return controls->load_q8 >= FLEET_LOAD_Q8 || controls->shift_q8 >= FLEET_SHIFT_Q8 ||
           controls->slow_permille >= FLEET_SLOW_PERMILLE;
}

gint64
vr_window_limit(const VrJudged *self, gint64 base, gint64 vms, const VrControlShift *controls,
                gboolean critical)
{
    gint64 limit = base;

    if (vms < (critical ? VMS_CRITICAL_MIN : VMS_MIN))
        return -1;
    if (vms < VMS_MIN)
        limit = base * 2;
    else if (vms < VMS_FULL)
        limit = base * 3 / 2;
    if (controls->hosts < CONTROL_HOSTS_FULL || controls->vms < CONTROL_VMS_FULL ||
        vr_controls_moved(controls))
        limit = limit * 8 / 5;
    if (self->passed_ms >= 0 && self->now_ms - self->passed_ms >= CALIBRATED_MS)
        limit = limit * 3 / 4;
    return limit;
}

gboolean
vr_judged_testimony(const VrJudged *self, const VrJudgedVm *vm, VrSpan span, gint64 cpu_permille,
                    VrTestimony *out_testimony)
{
    const guint window = vr_span_samples(span);

    if (vr_judged_age(self, vm) < window || !vr_judged_baseline_holds(self, vm) ||
        vm->reading.missed_row >= VR_MISSED_ROW_MAX)
        return FALSE;
    const VrSums sums = vr_ring_sum(&vm->ring, self->newest, window);
    if (sums.present * 2 < window)
        return FALSE;
    const VrControlShift *controls = control_shift(self, vm->epoch, span);
    const VrSurroundings around = {
        .cpu_permille = cpu_permille,
        .crowding_q20 = self->controls != NULL
                            ? vr_control_group_crowding_q20(self->controls, vm->epoch)
                            : self->limits.crowding_q20,
        .doubled = TRUE,
    };
    *out_testimony = (VrTestimony){
        .sums = sums,
        .shift = vr_shift_compute(&sums, &vm->baseline, &around,
                                  span == VR_SPAN_DRIFT ? REQUESTS_MIN_SHORT : REQUESTS_MIN),
        .control_excess_permille = controls->excess_permille,
        .control_shift_q8 = controls->shift_q8,
    };
    return TRUE;
}

/* The columns of the scratch space; steal and I/O have a count each. */
typedef struct {
    gint64 *excess, *raw, *wall, *expected, *steal, *before; /* steal */
    gint64 *shift, *latency, *latency_before;                /* I/O */
    guint steal_vms, steal_over, io_vms, io_over;
    guint64 present, wanted; /* intervals, over all VMs that are old enough */
} Columns;

static Columns
columns_begin(VrJudged *self)
{
    gint64 *data = (gint64 *)(void *)self->scratch->data;
    const guint n = self->vms->len;

    return (Columns){.excess = data,
                     .raw = data + n,
                     .wall = data + 2 * n,
                     .expected = data + 3 * n,
                     .steal = data + 4 * n,
                     .before = data + 5 * n,
                     .shift = data + 6 * n,
                     .latency = data + 7 * n,
                     .latency_before = data + 8 * n};
}

static void
columns_add(Columns *self, const VrTestimony *testimony, const VrBaseline *baseline,
            const VrHealthLimits *limits)
{
    const VrShift *shift = &testimony->shift;

    if (shift->has_steal) {
        const guint i = self->steal_vms++;
        self->excess[i] = shift->excess_permille - testimony->control_excess_permille;
        self->raw[i] = (shift->steal_ppm - baseline->steal_ppm) / 1000;
        self->wall[i] = shift->excess_wall_permille;
        self->expected[i] = shift->expected_ppm;
        self->steal[i] = shift->steal_ppm;
        self->before[i] = baseline->steal_ppm;
        self->steal_over += self->excess[i] >= limits->steal_relative_permille / 2;
    }
    if (shift->has_io) {
        const guint i = self->io_vms++;
        self->shift[i] = shift->shift_q8 - testimony->control_shift_q8;
        self->latency[i] = shift->latency_us;
        self->latency_before[i] = baseline->latency_us;
        self->io_over += self->shift[i] >= limits->io_relative_q8 / 2;
    }
}

static void
collect(const VrJudged *self, Columns *columns, VrSpan span, gint64 cpu_permille)
{
    const guint window = vr_span_samples(span);

    for (guint i = 0; i < self->vms->len; i++) {
        const VrJudgedVm *vm = vr_judged_vm(self, i);
        VrTestimony testimony;
        if (vr_judged_age(self, vm) < window)
            continue;
        columns->wanted += window;
        if (!vr_judged_testimony(self, vm, span, cpu_permille, &testimony))
            continue;
        columns->present += testimony.sums.present;
        columns_add(columns, &testimony, &vm->baseline, &self->limits);
    }
}

static void
set_limits(const VrJudged *self, VrHealthWindow *window, const VrControlShift *controls,
           gboolean critical)
{
    const VrHealthLimits *limits = &self->limits;
    const gint64 expected_permille = MAX(window->expected_ppm, 0) / 1000;
    const gint64 steal = critical ? MAX(limits->steal_critical_permille, expected_permille)
                                  : MAX(limits->steal_relative_permille, expected_permille / 2);
    const gint64 io = critical ? limits->io_critical_q8 : limits->io_relative_q8;
    const gboolean controlled = vr_controls_suffice(controls);

    /* Load explains steal of a crowded host without controls, but nothing else explains I/O. */
    window->steal_limit_permille =
        critical || controlled ? vr_window_limit(self, steal, window->steal_vms, controls, critical)
                               : -1;
    window->io_limit_q8 =
        controlled ? vr_window_limit(self, io, window->io_vms, controls, critical) : -1;
}

VrHealthWindow
vr_window_compute(VrJudged *self, VrSpan span, gboolean critical)
{
    const VrCpuLoad cpu = vr_cpu_ring_load(&self->cpu, self->newest, vr_span_samples(span));
    const VrControlShift controls = vr_judged_controls(self, span);
    Columns columns = columns_begin(self);

    collect(self, &columns, span, cpu.felt_permille);
    const guint steals = columns.steal_vms, ios = columns.io_vms;
    VrHealthWindow window = {
        .before_ppm = vr_median(columns.before, steals, -1),
        .control_excess_permille = controls.excess_permille,
        .control_shift_q8 = controls.shift_q8,
        .cpu_felt_permille = cpu.felt_permille,
        .cpu_permille = cpu.mean_permille,
        .evaluated = columns.wanted > 0 && columns.present * 2 >= columns.wanted,
        .excess_permille = vr_median(columns.excess, steals, -1),
        .excess_raw_permille = vr_median(columns.raw, steals, -1),
        .excess_wall_permille = vr_median(columns.wall, steals, -1),
        .expected_ppm = vr_median(columns.expected, steals, -1),
        .io_over_permille = vr_permille(columns.io_over, ios),
        .io_vms = ios,
        .latency_before_us = vr_median(columns.latency_before, ios, -1),
        .latency_us = vr_median(columns.latency, ios, -1),
        .samples = vr_span_samples(span),
        .shift_q8 = vr_median(columns.shift, ios, -1),
        .steal_over_permille = vr_permille(columns.steal_over, steals),
        .steal_ppm = vr_median(columns.steal, steals, -1),
        .steal_vms = steals,
    };
    set_limits(self, &window, &controls, critical);
    return window;
}
