/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What single VMs contribute: to findings that move nobody, and to the evidence of a verdict. */
#include <string.h>

#include "health/judged.h"

#define SLOW_Q8 384        /* x2.83 in the longer window, with … */
#define SLOW_REQUESTS 100  /* … so many requests, and … */
#define SLOW_RECENT_Q8 320 /* … x2.38 in the shorter one */
#define STEAL_CPU_MIN_PERMILLE 300

gboolean
vr_steal_is_unavailable(const VrJudged *self, const VrHealthWindow *window)
{
    if (!window->evaluated || window->steal_vms < 2 || window->steal_ppm != 0 ||
        window->before_ppm <= 0 || window->cpu_permille < STEAL_CPU_MIN_PERMILLE)
        return FALSE;
    for (guint i = 0; i < self->vms->len; i++) {
        const VrJudgedVm *vm = vr_judged_vm(self, i);
        if (vr_judged_age(self, vm) >= (guint64)window->samples &&
            vr_ring_sum(&vm->ring, self->newest, (guint)window->samples).delay_ticks > 0)
            return FALSE;
    }
    return TRUE;
}

/* How many more vCPUs the VM wants than before; 1000 = one. */
static gint64
rise_mvcpu(const VrJudgedVm *vm, const VrSums *sums)
{
    if (vm->baseline.runnable_ppm < 0 || sums->present == 0)
        return 0;
    const gint64 rise_ppm = vr_sums_runnable_ppm(sums) - vm->baseline.runnable_ppm;
    return rise_ppm * vm->reading.last.vcpus / 1000;
}

static gboolean
is_slow(const VrJudged *self, const VrJudgedVm *vm, const VrTestimony *testimony)
{
    VrTestimony recent;

    return testimony->shift.has_io && testimony->shift.shift_q8 >= SLOW_Q8 &&
           testimony->sums.requests >= SLOW_REQUESTS &&
           vr_judged_testimony(self, vm, VR_SPAN_CRITICAL, -1, &recent) && recent.shift.has_io &&
           recent.shift.shift_q8 >= SLOW_RECENT_Q8;
}

void
vr_findings_fill(const VrJudged *self, VrHealthEvidence *evidence)
{
    for (guint i = 0; i < self->vms->len; i++) {
        const VrJudgedVm *vm = vr_judged_vm(self, i);
        VrTestimony testimony;
        if (!vr_judged_testimony(self, vm, VR_SPAN_RELATIVE, -1, &testimony))
            continue;
        const gint64 rise = rise_mvcpu(vm, &testimony.sums);
        evidence->rise_all_mvcpu += MAX(rise, 0);
        evidence->rise_vm_mvcpu = MAX(evidence->rise_vm_mvcpu, rise);
        evidence->vms_slow += is_slow(self, vm, &testimony);
    }
}

typedef struct {
    const VrJudgedVm *vm;
    VrTestimony testimony;
    gint64 score; /* the worse, the higher */
} Candidate;

/* By id where they are equally bad. */
static gint
compare_candidates(gconstpointer a, gconstpointer b)
{
    const Candidate *first = a, *second = b;

    if (first->score != second->score)
        return first->score > second->score ? -1 : 1;
    return strcmp(first->vm->id, second->vm->id);
}

/* What a rule's witnesses are ordered by. */
typedef enum { BY_LOSS, BY_STEAL, BY_IO, BY_STOPPED, BY_RISE } Order;

static Order
order_of(VrHealthRule rule)
{
    switch (rule) {
    case VR_HEALTH_RULE_GUEST_LOST:
    case VR_HEALTH_RULE_PROBE_LOST:
        return BY_LOSS;
    case VR_HEALTH_RULE_IO_STOPPED:
        return BY_STOPPED;
    case VR_HEALTH_RULE_SEVERE_IO:
    case VR_HEALTH_RULE_CRITICAL_IO:
    case VR_HEALTH_RULE_DRIFT_IO:
    case VR_HEALTH_RULE_STALLS:
    case VR_HEALTH_RULE_RELATIVE_IO:
    case VR_HEALTH_RULE_VM_IO:
        return BY_IO;
    case VR_HEALTH_RULE_VM_LOAD:
        return BY_RISE;
    case VR_HEALTH_RULE_NONE:
    case VR_HEALTH_RULE_SEVERE_STEAL:
    case VR_HEALTH_RULE_CRITICAL_STEAL:
    case VR_HEALTH_RULE_DRIFT_STEAL:
    case VR_HEALTH_RULE_RELATIVE_STEAL:
    case VR_HEALTH_RULE_SEVERE_CROWDING:
    case VR_HEALTH_RULE_HOST_UNREAD:
    case VR_HEALTH_RULE_STEAL_UNAVAILABLE:
    case VR_HEALTH_RULE_NO_CONTROLS:
    case VR_HEALTH_RULE_FLEET_WIDE:
    case VR_HEALTH_RULE_CROWDED:
    case VR_HEALTH_RULE_TOO_FULL:
    case VR_HEALTH_RULE_TOO_FEW:
        break;
    }
    return BY_STEAL;
}

/* FALSE: it has nothing to say in this matter. */
static gboolean
set_score(Candidate *self, Order order)
{
    const VrJudgedVm *vm = self->vm;
    const VrShift *shift = &self->testimony.shift;

    if (order == BY_LOSS)
        self->score = vm->guest_lost ? G_MAXINT32 : vm->probe_lost_row;
    else if (order == BY_STOPPED)
        self->score = vm->baseline.active;
    else if (order == BY_RISE)
        self->score = rise_mvcpu(vm, &self->testimony.sums);
    else
        self->score = order == BY_IO ? shift->shift_q8 : shift->excess_permille;
    if (order == BY_IO)
        return shift->has_io;
    return order == BY_STEAL ? shift->has_steal : self->score > 0;
}

static void
add_witness(VrHealthEvidence *evidence, const Candidate *candidate)
{
    VrHealthWitness *witness = &evidence->witnesses[evidence->witness_count++];
    const VrShift *shift = &candidate->testimony.shift;

    *witness = (VrHealthWitness){
        .before_ppm = candidate->vm->baseline.steal_ppm,
        .excess_permille = shift->excess_permille,
        .expected_ppm = shift->has_steal ? shift->expected_ppm : -1,
        .latency_before_us = candidate->vm->baseline.latency_us,
        .latency_us = shift->latency_us,
        .requests = candidate->testimony.sums.requests,
        .shift_q8 = shift->shift_q8,
        .steal_ppm = shift->has_steal ? shift->steal_ppm : -1,
    };
    memcpy(witness->vm, candidate->vm->id, VR_HEALTH_VM_BYTES);
}

void
vr_witnesses_fill(const VrJudged *self, VrHealthRule rule, VrHealthEvidence *evidence)
{
    const Order order = order_of(rule);
    g_autoptr(GArray) candidates = g_array_new(FALSE, TRUE, sizeof(Candidate));

    for (guint i = 0; i < self->vms->len; i++) {
        Candidate candidate = {.vm = vr_judged_vm(self, i)};
        if (candidate.vm->removed)
            continue;
        const gboolean silent =
            !vr_judged_testimony(self, candidate.vm, VR_SPAN_RELATIVE,
                                 evidence->relative.cpu_felt_permille, &candidate.testimony) &&
            !vr_judged_testimony(self, candidate.vm, VR_SPAN_CRITICAL,
                                 evidence->critical.cpu_felt_permille, &candidate.testimony);
        if (silent)
            candidate.testimony = (VrTestimony){0};
        if (set_score(&candidate, order))
            g_array_append_val(candidates, candidate);
    }
    g_array_sort(candidates, compare_candidates);
    const guint worst = MIN(candidates->len, VR_HEALTH_WITNESSES_MAX - 1);
    for (guint i = 0; i < worst; i++)
        add_witness(evidence, &g_array_index(candidates, Candidate, i));
    if (candidates->len > 0)
        add_witness(evidence, &g_array_index(candidates, Candidate, candidates->len / 2));
}
