/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judge of a host: takes samples in, counts what holds, and remembers what was found. */
#include <string.h>

#include "health/arithmetic.h"
#include "health/judged.h"
#include "health/rules.h"

#define DRIFT_SAMPLES 6 /* a step of the sums */
#define DRIFT_VMS_MIN 3
#define DRIFT_STEAL_MAX_PERMILLE 100 /* that one minute adds at most */
#define DRIFT_IO_MAX_Q8 512
#define FINDINGS_SAMPLES 15    /* between looks … */
#define FINDINGS_SAMPLE_MIN 30 /* … from here on */
#define CLEAR_SAMPLES 30       /* a finding is gone for so long: forget it */
#define ROOMY_SAMPLES 60
#define ROOMY_CPU_PERMILLE 700
#define ROOMY_STEAL_PERMILLE 20

/* Sums of what goes over an allowance in each minute. */
typedef struct {
    gint64 steal_permille, io_q8;
    gint64 steal_limit_permille, io_limit_q8; /* -1: too few VMs or controls */
} Drift;

struct VrHostJudge {
    VrJudged judged;
    guint64 first_ready; /* of any VM; 0: none yet */
    gboolean read;       /* a sample was given in this interval */
    gint64 unread_row;
    VrRows rows;
    gint64 held_critical_steal, held_critical_io, held_relative_steal, held_relative_io;
    Drift drift;
    VrHealthVerdict *alert;   /* (nullable) latched */
    VrHealthVerdict *finding; /* (nullable) */
    guint64 finding_seen;     /* interval in which it was last at least half there */
    gboolean intake_closed;
    guint roomy_row;
    VrHealthVerdict verdict;
};

VrHostJudge *
vr_host_judge_new(const VrHealthLimits *limits, VrControlGroup *controls)
{
    VrHostJudge *self = g_new0(VrHostJudge, 1);

    self->judged.limits = *limits;
    self->judged.controls = controls;
    self->judged.vms = g_ptr_array_new_with_free_func(g_free);
    self->judged.scratch = g_array_new(FALSE, FALSE, sizeof(gint64));
    self->judged.newest = VR_RING_SAMPLES;
    self->judged.passed_ms = -1;
    self->drift = (Drift){.steal_limit_permille = -1, .io_limit_q8 = -1};
    for (guint i = 0; i < VR_RING_SAMPLES; i++)
        vr_cpu_ring_put(&self->judged.cpu, i, -1);
    return self;
}

guint
vr_host_judge_add_vm(VrHostJudge *self, const char *vm, const VrBaseline *baseline, gint64 epoch)
{
    VrJudged *judged = &self->judged;
    VrJudgedVm *added = g_new0(VrJudgedVm, 1);

    memcpy(added->id, vm, MIN(strlen(vm), VR_HEALTH_VM_BYTES - 1));
    added->baseline = *baseline;
    added->epoch = epoch;
    added->ready = judged->newest + (guint64)judged->limits.warm_up_samples;
    g_ptr_array_add(judged->vms, added);
    g_array_set_size(judged->scratch, VR_WINDOW_COLUMNS * judged->vms->len);
    if (self->first_ready == 0)
        self->first_ready = added->ready;
    return judged->vms->len - 1;
}

void
vr_host_judge_remove_vm(VrHostJudge *self, guint vm)
{
    g_assert(vm < self->judged.vms->len);
    vr_judged_vm(&self->judged, vm)->removed = TRUE;
}

void
vr_host_judge_sample(VrHostJudge *self, guint slot, const VrHealthSample *sample)
{
    g_assert(slot < self->judged.vms->len);
    VrJudgedVm *vm = vr_judged_vm(&self->judged, slot);
    const guint64 index = self->judged.newest + 1;

    if (vm->given == index) /* the second one of an interval */
        return;
    vr_ring_put(&vm->ring, index, vr_reading_take(&vm->reading, sample));
    vm->given = index;
    self->judged.now_ms = MAX(self->judged.now_ms, vm->reading.last.at_ms);
    self->read = self->read || vm->reading.missed_row == 0;
}

void
vr_host_judge_event(VrHostJudge *self, guint slot, VrHealthEvent event)
{
    g_assert(slot < self->judged.vms->len);
    VrJudgedVm *vm = vr_judged_vm(&self->judged, slot);

    if (event == VR_HEALTH_EVENT_PROBE_LOST)
        vm->probe_lost = TRUE;
    else
        vm->guest_lost = TRUE;
}

void
vr_host_judge_peer_passed(VrHostJudge *self)
{
    self->judged.peer_passed = TRUE;
}

void
vr_host_judge_gate_passed(VrHostJudge *self, gint64 at_ms)
{
    self->judged.passed_ms = MAX(at_ms, 0);
    self->drift = (Drift){.steal_limit_permille = -1, .io_limit_q8 = -1};
}

/* Counters of VMs that were not read go on; the rings move only if the host was. */
static void
close_interval(VrHostJudge *self, gint64 cpu_permille)
{
    VrJudged *judged = &self->judged;
    const guint64 index = judged->newest + 1;

    for (guint i = 0; i < judged->vms->len; i++) {
        VrJudgedVm *vm = vr_judged_vm(judged, i);
        if (vm->given != index)
            vr_ring_put(&vm->ring, index, vr_reading_take(&vm->reading, NULL));
        vm->given = 0;
    }
    if (!self->read) {
        self->unread_row++;
        return;
    }
    self->read = FALSE;
    self->unread_row = 0;
    vr_cpu_ring_put(&judged->cpu, index, cpu_permille);
    judged->newest = index;
}

static guint64
sample_number(const VrHostJudge *self)
{
    const guint64 newest = self->judged.newest;

    return self->first_ready == 0 || newest < self->first_ready ? 0 : newest - self->first_ready;
}

static void
advance_drift(VrHostJudge *self)
{
    VrJudged *judged = &self->judged;
    const VrHealthLimits *limits = &judged->limits;
    const VrHealthWindow window = vr_window_compute(judged, VR_SPAN_DRIFT, FALSE);

    if (!window.evaluated)
        return;
    const gboolean steal_counts = window.steal_vms >= DRIFT_VMS_MIN && window.cpu_permille >= 0 &&
                                  window.cpu_permille < limits->cpu_max_permille;
    const gint64 steal = steal_counts ? MIN(window.excess_permille, DRIFT_STEAL_MAX_PERMILLE) : 0;
    const gint64 io = window.io_vms >= DRIFT_VMS_MIN ? MIN(window.shift_q8, DRIFT_IO_MAX_Q8) : 0;
    const VrControlShift controls = vr_judged_controls(judged, VR_SPAN_DRIFT);
    Drift *drift = &self->drift;
    drift->steal_permille =
        MAX(0, drift->steal_permille + steal - limits->drift_steal_allowance_permille);
    drift->io_q8 = MAX(0, drift->io_q8 + io - limits->drift_io_allowance_q8);
    const gboolean controlled = vr_controls_suffice(&controls);
    drift->steal_limit_permille = controlled
                                      ? vr_window_limit(judged, limits->drift_steal_limit_permille,
                                                        window.steal_vms, &controls, FALSE)
                                      : -1;
    drift->io_limit_q8 = controlled ? vr_window_limit(judged, limits->drift_io_limit_q8,
                                                      window.io_vms, &controls, FALSE)
                                    : -1;
}

static void
hold(gint64 *held, gboolean evaluated, gboolean holds)
{
    if (evaluated)
        *held = holds ? *held + 1 : 0;
}

static void
advance_windows(VrHostJudge *self, VrHealthEvidence *evidence)
{
    const gboolean aftercare = self->judged.passed_ms >= 0;
    const VrSpan span = aftercare ? VR_SPAN_RELATIVE : VR_SPAN_CRITICAL;
    const gint64 wall_min = evidence->limits.steal_critical_wall_permille;

    evidence->critical = vr_window_compute(&self->judged, span, TRUE);
    evidence->relative = vr_window_compute(&self->judged, VR_SPAN_RELATIVE, FALSE);
    const VrHealthWindow *critical = &evidence->critical, *relative = &evidence->relative;
    hold(&self->held_critical_steal, critical->evaluated != 0,
         vr_rule_steal_holds(evidence, critical, wall_min));
    hold(&self->held_critical_io, critical->evaluated != 0, vr_rule_io_holds(evidence, critical));
    hold(&self->held_relative_steal, relative->evaluated != 0,
         vr_rule_steal_holds(evidence, relative, G_MININT64));
    hold(&self->held_relative_io, relative->evaluated != 0, vr_rule_io_holds(evidence, relative));
    if (!aftercare && sample_number(self) % DRIFT_SAMPLES == 0)
        advance_drift(self);
}

/* Of the longer window as soon as there is one. */
static void
fill_controls(const VrHostJudge *self, VrHealthEvidence *evidence)
{
    const VrSpan span = evidence->relative.evaluated ? VR_SPAN_RELATIVE : VR_SPAN_CRITICAL;
    const VrControlShift controls = vr_judged_controls(&self->judged, span);

    evidence->control_hosts = controls.hosts;
    evidence->control_vms = controls.vms;
    evidence->control_load_q8 = controls.load_q8;
    evidence->control_shift_q8 = controls.shift_q8;
    evidence->control_slow_permille = controls.slow_permille;
    evidence->fleet = vr_controls_moved(&controls);
}

static void
fill_vms(const VrHostJudge *self, VrHealthEvidence *evidence)
{
    const VrJudged *judged = &self->judged;
    gint64 *before = (gint64 *)(void *)judged->scratch->data;
    guint strong = 0, known = 0;

    for (guint i = 0; i < judged->vms->len; i++) {
        const VrJudgedVm *vm = vr_judged_vm(judged, i);
        if (vm->removed)
            continue;
        evidence->vms++;
        evidence->guests_lost += vm->guest_lost;
        strong += vm->baseline.strong != 0;
        if (vm->baseline.source_cpu_permille >= 0)
            before[known++] = vm->baseline.source_cpu_permille;
        if (judged->controls != NULL)
            evidence->crowding_q20 = MAX(
                evidence->crowding_q20, vr_control_group_crowding_q20(judged->controls, vm->epoch));
    }
    evidence->cpu_before_permille = vr_median(before, known, -1);
    evidence->weak = strong * 2 < evidence->vms;
}

static void
fill_counts(const VrHostJudge *self, gint64 cpu_permille, VrHealthEvidence *evidence)
{
    const VrRows *rows = &self->rows;

    evidence->aftercare = self->judged.passed_ms >= 0;
    evidence->cpu_mean_permille =
        rows->cpu_count > 0 ? rows->cpu_sum_permille / rows->cpu_count : -1;
    evidence->cpu_permille = cpu_permille;
    evidence->drift_io_limit_q8 = self->drift.io_limit_q8;
    evidence->drift_io_q8 = self->drift.io_q8;
    evidence->drift_steal_limit_permille = self->drift.steal_limit_permille;
    evidence->drift_steal_permille = self->drift.steal_permille;
    evidence->held_critical_io = self->held_critical_io;
    evidence->held_critical_steal = self->held_critical_steal;
    evidence->held_relative_io = self->held_relative_io;
    evidence->held_relative_steal = self->held_relative_steal;
    evidence->io_stopped_row = rows->io_stopped_row;
    evidence->missed = rows->missed;
    evidence->peer_passed = self->judged.peer_passed;
    evidence->probe_lost_row = rows->probe_lost_row;
    evidence->sample = (gint64)sample_number(self);
    evidence->severe_crowding_row = rows->severe_crowding_row;
    evidence->severe_io_row = rows->severe_io_row;
    evidence->severe_steal_row = rows->severe_steal_row;
    evidence->stalls = __builtin_popcount(rows->stalls);
    evidence->unread_row = self->unread_row;
}

/* Everything that the rules ask for. */
static void
examine(VrHostJudge *self, gint64 cpu_permille, VrHealthEvidence *evidence)
{
    const guint64 sample = sample_number(self);

    *evidence = (VrHealthEvidence){.limits = self->judged.limits};
    if (self->unread_row == 0 && sample > 0) {
        vr_rows_advance(&self->rows, &self->judged, cpu_permille);
        advance_windows(self, evidence);
        evidence->steal_unavailable = vr_steal_is_unavailable(&self->judged, &evidence->critical);
        evidence->look_at_findings =
            sample >= FINDINGS_SAMPLE_MIN && sample % FINDINGS_SAMPLES == 0;
        if (evidence->look_at_findings)
            vr_findings_fill(&self->judged, evidence);
    }
    fill_controls(self, evidence);
    fill_vms(self, evidence);
    fill_counts(self, cpu_permille, evidence);
}

static void
remember(VrHealthVerdict **memory, const VrHealthVerdict *verdict)
{
    if (*memory == NULL)
        *memory = g_new(VrHealthVerdict, 1);
    **memory = *verdict;
}

/* Findings come at looks only, and go when they have been less than half there for long. */
static void
advance_finding(VrHostJudge *self, const VrHealthVerdict *now)
{
    const VrHealthEvidence *evidence = &now->evidence;
    const guint64 newest = self->judged.newest;

    if (now->finding.tier == VR_HEALTH_TIER_FINDING ||
        now->finding.rule == VR_HEALTH_RULE_SEVERE_CROWDING) {
        remember(&self->finding, now);
        self->finding_seen = newest;
    } else if (self->finding != NULL && evidence->look_at_findings) {
        if (vr_rule_lingers(evidence, self->finding->finding.rule))
            self->finding_seen = newest;
        else if (newest - self->finding_seen >= CLEAR_SAMPLES)
            g_clear_pointer(&self->finding, g_free);
    }
}

static void
advance_intake(VrHostJudge *self, const VrHealthVerdict *now)
{
    const VrHealthWindow *window = &now->evidence.critical;
    const gint64 cpu_permille = now->evidence.cpu_permille;

    if (now->finding.cause == VR_HEALTH_CAUSE_CROWDING) {
        self->intake_closed = TRUE;
        self->roomy_row = 0;
    } else if (self->intake_closed && self->unread_row == 0) {
        const gboolean roomy = cpu_permille >= 0 && cpu_permille < ROOMY_CPU_PERMILLE &&
                               window->excess_raw_permille < ROOMY_STEAL_PERMILLE;
        self->roomy_row = roomy ? self->roomy_row + 1 : 0;
        self->intake_closed = self->roomy_row < ROOMY_SAMPLES;
    }
}

/* An alert stays; a worse one replaces it. */
static VrHealthVerdict *
choose(VrHostJudge *self)
{
    VrHealthVerdict *now = &self->verdict;

    if (vr_health_is_alert(&now->finding) &&
        (self->alert == NULL || now->finding.tier > self->alert->finding.tier))
        remember(&self->alert, now);
    if (self->alert != NULL)
        return self->alert;
    if (now->finding.tier == VR_HEALTH_TIER_NONE && self->finding != NULL &&
        now->finding.rule != VR_HEALTH_RULE_HOST_UNREAD)
        return self->finding;
    return now;
}

const VrHealthVerdict *
vr_host_judge_advance(VrHostJudge *self, gint64 cpu_permille)
{
    VrHealthVerdict *now = &self->verdict;

    close_interval(self, cpu_permille);
    examine(self, cpu_permille, &now->evidence);
    now->finding = vr_rules_find(&now->evidence);
    if (now->finding.tier > VR_HEALTH_TIER_NONE)
        vr_witnesses_fill(&self->judged, now->finding.rule, &now->evidence);
    advance_finding(self, now);
    advance_intake(self, now);
    now->intake_closed = self->intake_closed;
    now->clock_runs = self->unread_row == 0;
    VrHealthVerdict *chosen = choose(self);
    chosen->intake_closed = now->intake_closed;
    chosen->clock_runs = now->clock_runs;
    return chosen;
}

void
vr_host_judge_free(VrHostJudge *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->judged.vms);
    g_array_unref(self->judged.scratch);
    g_free(self->alert);
    g_free(self->finding);
    g_free(self);
}
