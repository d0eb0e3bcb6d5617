/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the last interval says, and for how many in a row it has said so. */
#include "health/arithmetic.h"
#include "health/instant.h"
#include "health/judged.h"

#define STEAL_VMS_MIN 2
#define SEVERE_IO_VMS_MIN 2
#define STALL_VMS_MIN 4
#define STOPPED_VMS_MIN 2
#define STOPPED_PERMILLE 800
#define CONTROLS_PERMILLE 250 /* so many controls with the same excuse the host */
#define STALL_MASK ((1u << 30) - 1)

static void
count(gint64 *row, gboolean holds)
{
    *row = holds ? *row + 1 : 0;
}

/* The worst of the epochs of the host's VMs. */
static VrControlInstant
controls_now(const VrJudged *judged)
{
    VrControlInstant worst = {0};

    for (guint i = 0; i < judged->vms->len && judged->controls != NULL; i++) {
        const VrJudgedVm *vm = vr_judged_vm(judged, i);
        const VrControlInstant *now = vr_judged_age(judged, vm) > 0
                                          ? vr_control_group_instant(judged->controls, vm->epoch)
                                          : NULL;
        if (now == NULL)
            continue;
        worst.steal_wall_permille = MAX(worst.steal_wall_permille, now->steal_wall_permille);
        worst.severe_io_permille = MAX(worst.severe_io_permille, now->severe_io_permille);
        worst.stalled_permille = MAX(worst.stalled_permille, now->stalled_permille);
        worst.stopped_permille = MAX(worst.stopped_permille, now->stopped_permille);
    }
    return worst;
}

static VrInstant
look(VrRows *self, const VrJudged *judged)
{
    VrInstant now = {.steal_wall_permille = (gint64 *)(void *)judged->scratch->data};

    for (guint i = 0; i < judged->vms->len; i++) {
        VrJudgedVm *vm = vr_judged_vm(judged, i);
        if (vr_judged_age(judged, vm) == 0)
            continue;
        const VrInterval *interval = &vm->ring.intervals[judged->newest % VR_RING_SAMPLES];
        self->missed += interval->vcpu_ms == 0;
        vr_instant_add(&now, interval, &vm->baseline, &judged->limits);
    }
    return now;
}

static void
advance_steal(VrRows *self, const VrJudged *judged, VrInstant *now,
              const VrControlInstant *controls, gint64 cpu_permille)
{
    const gint64 steal = vr_median(now->steal_wall_permille, now->steal_vms, 0);
    const gint64 cpu_max = judged->limits.cpu_severe_max_permille;
    const gboolean severe = now->steal_vms >= STEAL_VMS_MIN && cpu_permille >= 0 &&
                            steal >= judged->limits.severe_steal_permille &&
                            controls->steal_wall_permille * 2 < steal;

    if (cpu_permille >= 0) {
        self->cpu_sum_permille += cpu_permille;
        self->cpu_count++;
    }
    const gboolean roomy = cpu_permille < cpu_max && self->cpu_count > 0 &&
                           self->cpu_sum_permille < cpu_max * self->cpu_count;
    count(&self->severe_steal_row, severe && roomy);
    count(&self->severe_crowding_row, severe && !roomy);
}

static void
advance_probes(VrRows *self, VrJudged *judged)
{
    self->probe_lost_row = 0;
    for (guint i = 0; i < judged->vms->len; i++) {
        VrJudgedVm *vm = vr_judged_vm(judged, i);
        const gboolean counts = vm->probe_lost && vr_judged_age(judged, vm) > 0;
        vm->probe_lost_row = counts ? (guint16)MIN(vm->probe_lost_row + 1, G_MAXINT16) : 0;
        vm->probe_lost = FALSE;
        self->probe_lost_row = MAX(self->probe_lost_row, vm->probe_lost_row);
    }
}

void
vr_rows_advance(VrRows *self, VrJudged *judged, gint64 cpu_permille)
{
    const VrControlInstant controls = controls_now(judged);
    VrInstant now = look(self, judged);

    advance_steal(self, judged, &now, &controls, cpu_permille);
    count(&self->severe_io_row, now.io_vms >= SEVERE_IO_VMS_MIN &&
                                    now.io_severe * 2 >= now.io_vms &&
                                    controls.severe_io_permille <= CONTROLS_PERMILLE);
    count(&self->io_stopped_row,
          now.active_vms >= STOPPED_VMS_MIN &&
              vr_permille(now.active_stopped, now.active_vms) >= STOPPED_PERMILLE &&
              controls.stopped_permille <= CONTROLS_PERMILLE);
    const gboolean stall = now.io_vms >= STALL_VMS_MIN && now.io_stalled * 2 >= now.io_vms &&
                           controls.stalled_permille <= CONTROLS_PERMILLE;
    self->stalls = ((self->stalls << 1) | (guint)stall) & STALL_MASK;
    advance_probes(self, judged);
}
