/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate.h"

#include "health/arithmetic.h"

#define BEFORE 60 /* samples */

const GateWish GATE_WISH = {.vms = 30,
                            .control_hosts = 6,
                            .controls = 60,
                            .cpu_permille = GATE_CPU_PERMILLE,
                            .interval_ms = 10000,
                            .no_warm_up = TRUE,
                            .strong = TRUE};

static void
count_on(Gate *self, guint vm)
{
    const GateDoes *does = &self->does[vm];
    VrHealthSample *counters = &self->counters[vm];
    /* Rates hold whatever the interval is. */
    const gint64 parts = self->wish.interval_ms, whole = 10000;

    counters->at_ms = self->at_ms;
    counters->delay_us += does->delay_us * parts / whole;
    counters->run_us += (does->wanted_us - does->delay_us) * parts / whole;
    counters->requests += does->requests * parts / whole;
    counters->io_us += does->requests * does->latency_us * parts / whole;
}

static void
step_controls(Gate *self)
{
    for (guint i = 0; i < self->wish.control_hosts; i++)
        vr_control_group_host_cpu(self->group, i, self->wish.cpu_permille);
    for (guint i = 0; i < self->wish.controls; i++) {
        count_on(self, self->wish.vms + i);
        if (!self->does[self->wish.vms + i].missing)
            vr_control_group_sample(self->group, i, &self->counters[self->wish.vms + i]);
    }
    vr_control_group_advance(self->group);
}

static void
run_before(Gate *self)
{
    g_autoptr(VrBaselineCollector) collector = vr_baseline_collector_new();

    for (guint i = 0; i < BEFORE; i++) {
        self->at_ms += self->wish.interval_ms;
        step_controls(self);
        count_on(self, 0);
        vr_baseline_collector_add(collector, &self->counters[0], self->wish.cpu_permille);
    }
    self->baseline = vr_baseline_collector_make(collector);
    self->baseline.strong = self->wish.strong;
    self->epoch = vr_control_group_mark(self->group);
    self->counters[0] = (VrHealthSample){.vcpus = 2};
}

Gate *
gate_new(const GateWish *wish, const VrHealthLimits *limits)
{
    Gate *self = g_new0(Gate, 1);
    const guint all = wish->vms + wish->controls;

    self->wish = *wish;
    self->limits = limits != NULL ? *limits : vr_health_limits_default();
    if (wish->no_warm_up)
        self->limits.warm_up_samples = 1; /* the first reading, where counters begin */
    self->group = vr_control_group_new(&self->limits);
    self->judge = vr_host_judge_new(&self->limits, self->group);
    self->does = g_new0(GateDoes, all);
    self->counters = g_new0(VrHealthSample, all);
    self->slots = g_new0(guint, wish->vms);
    self->at_ms = wish->begin_ms;
    self->cpu_permille = wish->cpu_permille;
    for (guint i = 0; i < all; i++) {
        self->does[i] =
            (GateDoes){GATE_DELAY_US, GATE_WANTED_US, GATE_REQUESTS, GATE_LATENCY_US, FALSE};
        self->counters[i].vcpus = 2;
    }
    for (guint i = 0; i < wish->control_hosts; i++)
        vr_control_group_add_host(self->group);
    for (guint i = 0; i < wish->controls; i++)
        vr_control_group_add_vm(self->group, i * wish->control_hosts / wish->controls);
    run_before(self);
    for (guint i = 0; i < wish->vms; i++) {
        /* Not reversed only: that has the same VMs in the middle. */
        const guint vm = wish->shuffled ? (i * 7 + 3) % wish->vms : i;
        g_autofree char *id = g_strdup_printf("vm-%04u", vm);
        self->slots[vm] = vr_host_judge_add_vm(self->judge, id, &self->baseline, self->epoch);
    }
    (void)gate_step(self);
    self->intervals = 0;
    return self;
}

void
gate_free(Gate *self)
{
    if (self == NULL)
        return;
    vr_host_judge_free(self->judge);
    vr_control_group_free(self->group);
    g_free(self->does);
    g_free(self->counters);
    g_free(self->slots);
    g_free(self);
}

void
gate_set_delay(Gate *self, guint first, guint last, gint64 delay_us)
{
    for (guint i = first; i < last; i++) {
        self->does[i].delay_us = delay_us;
        self->does[i].wanted_us = MAX(GATE_WANTED_US, delay_us + GATE_WANTED_US / 2);
    }
}

void
gate_set_latency(Gate *self, guint first, guint last, gint64 latency_us)
{
    for (guint i = first; i < last; i++)
        self->does[i].latency_us = latency_us;
}

void
gate_set_requests(Gate *self, guint first, guint last, gint64 requests)
{
    for (guint i = first; i < last; i++)
        self->does[i].requests = requests;
}

void
gate_controls_follow(Gate *self)
{
    for (guint i = 0; i < self->wish.controls; i++)
        self->does[self->wish.vms + i] = self->does[0];
}

VrHealthRule
gate_step(Gate *self)
{
    self->at_ms += self->wish.interval_ms;
    step_controls(self);
    for (guint i = 0; i < self->wish.vms; i++) {
        count_on(self, i);
        if (!self->does[i].missing)
            vr_host_judge_sample(self->judge, self->slots[i], &self->counters[i]);
    }
    self->verdict = vr_host_judge_advance(self->judge, self->cpu_permille);
    self->intervals++;
    return self->verdict->finding.rule;
}

VrHealthRule
gate_steps(Gate *self, guint count)
{
    VrHealthRule rule = VR_HEALTH_RULE_NONE;

    for (guint i = 0; i < count; i++)
        rule = gate_step(self);
    return rule;
}

guint
gate_until(Gate *self, VrHealthRule rule, guint most)
{
    for (guint i = 0; i < most; i++) {
        if (gate_step(self) == rule)
            return self->intervals;
    }
    return 0;
}

gint64
gate_delay_at(gint64 permille)
{
    return GATE_WANTED_US / 1000 * permille;
}

gint64
gate_latency_at(gint64 shift_q8)
{
    const gint64 baseline = vr_log2_q8(GATE_LATENCY_US);
    gint64 latency_us = GATE_LATENCY_US;

    while (vr_log2_q8(latency_us) - baseline < shift_q8)
        latency_us++;
    return latency_us;
}
