/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/watch.h"

#include <string.h>

/* More testify for nothing (docs/reference/health.md). */
#define CONTROL_HOSTS_MAX 12
#define CONTROL_VMS_PER_HOST_MAX 10
#define NONE G_MAXUINT
/* Of an interval: so much of it may pass until what was asked for is judged. */
#define ANSWER_SHARE 4

typedef struct {
    const char *uuid; /* of the inventory */
    VrBaselineCollector *collector;
    gint64 run_us, run_at_ms; /* of the last sample, for the CPU use of its host; -1: none */
    guint host;               /* where it was sampled last; NONE */
    guint control;            /* its slot among the controls; NONE */
    guint judged;             /* its slot with the judge of `judge_host`; NONE */
    guint judge_host;
    gint64 epoch;        /* of the controls, when it began to migrate … */
    VrBaseline baseline; /* … and what it was like then */
    guint measured_try;  /* step and try for which its baseline was told */
    guint measured_step;
    gboolean told_crashed, told_io_error;
} WatchedVm;

typedef struct {
    VrWatch *watch;
    guint index;
    guint generation; /* of the tables for which it was asked */
} Question;

typedef struct {
    VrSampling *sampling; /* (nullable) of this interval */
    gint64 at_ms;
    gboolean is_asked;
    gint64 cpu_permille;           /* by its VMs, in this interval; -1: not known */
    guint control;                 /* its slot among the controls; NONE */
    VrHostJudge *judge;            /* NULL: it is in no gate */
    guint releases;                /* how often it had been released when the judge began */
    gboolean has_passed, has_open; /* gates, as the rollout has them now */
    gboolean in_aftercare;         /* its judge was told that the gates have passed */
} WatchedHost;

struct VrWatch {
    VrEnginePorts ports;
    VrWatchTold told;
    gpointer told_data;
    char *rollout;          /* what the tables below are made for … */
    guint revisions;        /* … with so many revisions of its plan */
    VrInventory *inventory; /* a copy, for its indices */
    gboolean is_fresh;      /* nothing was asked since they were made */
    VrHealthLimits limits;
    VrControlGroup *controls;
    WatchedHost *hosts;
    WatchedVm *vms;
    guint host_count, vm_count, control_hosts;
    gint64 next_us;
    gboolean is_asking; /* for the samples of this interval */
    guint generation;   /* of the tables */
    gboolean released;
};

/* ------------------------------------------------------------------ tables */

static void
forget(VrWatch *self)
{
    for (guint h = 0; h < self->host_count; h++) {
        g_clear_pointer(&self->hosts[h].judge, vr_host_judge_free);
        g_clear_pointer(&self->hosts[h].sampling, vr_sampling_free);
    }
    for (guint v = 0; v < self->vm_count; v++)
        vr_baseline_collector_free(self->vms[v].collector);
    g_clear_pointer(&self->controls, vr_control_group_free);
    g_clear_pointer(&self->hosts, g_free);
    g_clear_pointer(&self->vms, g_free);
    self->host_count = self->vm_count = self->control_hosts = 0;
    g_clear_pointer(&self->inventory, vr_inventory_free);
    g_clear_pointer(&self->rollout, g_free);
    self->generation++; /* what was asked before answers for nobody */
}

static void
begin(VrWatch *self, const VrRollout *rollout)
{
    forget(self);
    self->rollout = g_strdup(rollout->id);
    self->revisions = rollout->revisions;
    self->is_fresh = TRUE;
    const VrInventory *inventory = self->inventory = vr_inventory_copy(rollout->basis->inventory);
    self->limits = rollout->basis->policy->health.limits;
    self->controls = vr_control_group_new(&self->limits);
    self->host_count = inventory->hosts->len;
    self->vm_count = inventory->vms->len;
    self->hosts = g_new0(WatchedHost, self->host_count);
    self->vms = g_new0(WatchedVm, self->vm_count);
    for (guint h = 0; h < self->host_count; h++)
        self->hosts[h].control = NONE;
    for (guint v = 0; v < self->vm_count; v++) {
        WatchedVm *vm = &self->vms[v];
        vm->uuid = vr_inventory_vm(inventory, v)->uuid;
        vm->collector = vr_baseline_collector_new();
        vm->host = vm->control = vm->judged = vm->judge_host = NONE;
        vm->run_at_ms = -1;
    }
}

static gint
host_index(const VrWatch *self, const char *host)
{
    return vr_inventory_find_host(self->inventory, host);
}

static WatchedVm *
find_vm(const VrWatch *self, const char *uuid)
{
    gint index = vr_inventory_find_vm(self->inventory, uuid);

    return index >= 0 ? &self->vms[index] : NULL;
}

/* ------------------------------------------------------------------ the controls */

/* Nobody has done anything to it, nor will soon. */
static gboolean
is_untouched(const VrRollout *rollout, const char *host)
{
    gint update = vr_rollout_find_update(rollout, host);

    if (update < 0)
        return TRUE;
    return vr_rollout_step(rollout, (guint)update)->phase == VR_PHASE_PENDING;
}

static void
release_control(VrWatch *self, guint host)
{
    for (guint v = 0; v < self->vm_count; v++) {
        WatchedVm *vm = &self->vms[v];
        if (vm->control == NONE || vm->host != host)
            continue;
        vr_control_group_remove_vm(self->controls, vm->control);
        vm->control = NONE;
    }
    self->hosts[host].control = NONE;
    self->control_hosts--;
}

static void
take_control(VrWatch *self, guint host)
{
    guint count = 0;

    self->hosts[host].control = vr_control_group_add_host(self->controls);
    self->control_hosts++;
    for (guint v = 0; v < self->vm_count && count < CONTROL_VMS_PER_HOST_MAX; v++) {
        WatchedVm *vm = &self->vms[v];
        const VrVm *known = vr_inventory_vm(self->inventory, v);
        if (known->host_index != host || known->state != VR_VM_RUNNING)
            continue;
        vm->host = host;
        vm->control = vr_control_group_add_vm(self->controls, self->hosts[host].control);
        count++;
    }
}

static void
choose_controls(VrWatch *self, const VrRollout *rollout)
{
    for (guint h = 0; h < self->host_count; h++) {
        const char *name = vr_inventory_host(self->inventory, h)->name;
        gboolean untouched = is_untouched(rollout, name) && self->hosts[h].judge == NULL;
        if (self->hosts[h].control != NONE && !untouched)
            release_control(self, h);
        else if (self->hosts[h].control == NONE && untouched && self->is_fresh &&
                 self->control_hosts < CONTROL_HOSTS_MAX)
            take_control(self, h);
    }
}

/* ------------------------------------------------------------------ what was read */

/* CPU time of the host's guests since their last samples, of all its CPUs. */
static gint64
host_cpu_permille(const VrWatch *self, const WatchedHost *host)
{
    gint64 permille_us = 0;
    gboolean any = FALSE;

    for (guint i = 0; i < host->sampling->vms->len; i++) {
        const VrSampledVm *sampled = g_ptr_array_index(host->sampling->vms, i);
        const WatchedVm *vm = find_vm(self, sampled->uuid);
        if (vm == NULL || vm->run_at_ms < 0 || sampled->sample.vcpus == 0 ||
            host->at_ms <= vm->run_at_ms || sampled->sample.run_us < vm->run_us)
            continue;
        permille_us += (sampled->sample.run_us - vm->run_us) / (host->at_ms - vm->run_at_ms);
        any = TRUE;
    }
    return any && host->sampling->cpus > 0 ? MIN(permille_us / host->sampling->cpus, 1000) : -1;
}

static void
note_trouble(const WatchedHost *host, WatchedVm *vm, const VrSampledVm *sampled)
{
    if (sampled->crashed && !vm->told_crashed)
        vr_host_judge_event(host->judge, vm->judged, VR_HEALTH_EVENT_CRASHED);
    if (sampled->io_error && !vm->told_io_error)
        vr_host_judge_event(host->judge, vm->judged, VR_HEALTH_EVENT_IO_ERROR);
    vm->told_crashed = sampled->crashed;
    vm->told_io_error = sampled->io_error;
}

static void
take_sample(VrWatch *self, guint h, const VrSampledVm *sampled)
{
    const WatchedHost *host = &self->hosts[h];
    WatchedVm *vm = find_vm(self, sampled->uuid);
    VrHealthSample sample = sampled->sample;

    if (vm == NULL)
        return;
    if (vm->judged != NONE && vm->judge_host == h)
        note_trouble(host, vm, sampled);
    if (sample.vcpus == 0)
        return;
    sample.at_ms = host->at_ms;
    vr_baseline_collector_add(vm->collector, &sample, host->cpu_permille);
    if (vm->judged != NONE && vm->judge_host == h)
        vr_host_judge_sample(host->judge, vm->judged, &sample);
    if (vm->control != NONE && vm->host == h)
        vr_control_group_sample(self->controls, vm->control, &sample);
    vm->run_us = sample.run_us;
    vm->run_at_ms = host->at_ms;
}

static void
take_samples(VrWatch *self)
{
    for (guint h = 0; h < self->host_count; h++) {
        WatchedHost *host = &self->hosts[h];
        host->cpu_permille = -1;
        if (host->sampling == NULL || !host->sampling->reachable)
            continue;
        host->cpu_permille = host_cpu_permille(self, host);
        if (host->control != NONE)
            vr_control_group_host_cpu(self->controls, host->control, host->cpu_permille);
        for (guint i = 0; i < host->sampling->vms->len; i++)
            take_sample(self, h, g_ptr_array_index(host->sampling->vms, i));
    }
    vr_control_group_advance(self->controls);
}

/* ------------------------------------------------------------------ judging */

static void
tell_verdict(VrWatch *self, guint h, const VrHealthVerdict *verdict)
{
    const char *host = vr_inventory_host(self->inventory, h)->name;
    const VrHealthEvidence *evidence = &verdict->evidence;
    gint vm = evidence->witness_count > 0
                  ? vr_inventory_find_vm(self->inventory, evidence->witnesses[0].vm)
                  : -1;
    const char *name = vm >= 0 ? vr_inventory_vm(self->inventory, (guint)vm)->name : NULL;
    g_autofree char *sentence = vr_health_sentence(&verdict->finding, evidence, host, name);
    VrInputBox *box = vr_input_box_new(VR_INPUT_JUDGED);

    vr_input_box_set_texts(box, host, NULL, sentence);
    vr_input_box_set_verdict(box, verdict);
    self->told(self->told_data, box);
}

static void
judge(VrWatch *self)
{
    for (guint h = 0; h < self->host_count; h++) {
        WatchedHost *host = &self->hosts[h];
        gboolean was_read = host->sampling != NULL && host->sampling->reachable;
        if (host->judge == NULL)
            continue;
        tell_verdict(
            self, h,
            vr_host_judge_advance(host->judge, was_read ? MAX(host->cpu_permille, 0) : -1));
    }
}

/* ------------------------------------------------------------------ what the rollout is at */

static void
measure(VrWatch *self, const VrStepState *step)
{
    WatchedVm *vm = find_vm(self, step->plan->vm_uuid);

    if (vm == NULL || (vm->measured_step == step->plan->id && vm->measured_try == step->tries))
        return;
    vm->baseline = vr_baseline_collector_make(vm->collector);
    VrInputBox *box = vr_input_box_new(VR_INPUT_MEASURED);
    vm->measured_step = step->plan->id;
    vm->measured_try = step->tries;
    vm->epoch = vr_control_group_mark(self->controls);
    box->input.step = step->plan->id;
    vr_input_box_set_baseline(box, &vm->baseline);
    self->told(self->told_data, box);
}

static guint
count_releases(const VrRollout *rollout, const char *host)
{
    guint count = 0;

    for (guint i = 0; i < rollout->alerts->len; i++) {
        const VrHostAlert *alert = vr_rollout_alert(rollout, i);
        count += alert->released && strcmp(alert->host, host) == 0;
    }
    return count;
}

/* What was said of it before a person has released it does not count any more. */
static void
hold_judge(VrWatch *self, const VrRollout *rollout, guint h)
{
    WatchedHost *host = &self->hosts[h];
    guint releases = count_releases(rollout, vr_inventory_host(self->inventory, h)->name);

    if (host->judge != NULL && host->releases == releases)
        return;
    for (guint v = 0; v < self->vm_count; v++) {
        if (self->vms[v].judge_host == h)
            self->vms[v].judged = self->vms[v].judge_host = NONE;
    }
    g_clear_pointer(&host->judge, vr_host_judge_free);
    host->judge = vr_host_judge_new(&self->limits, self->controls);
    host->releases = releases;
    host->in_aftercare = FALSE;
}

static void
join(VrWatch *self, const VrRollout *rollout, const VrStepState *arrival, guint h)
{
    WatchedVm *vm = find_vm(self, arrival->plan->vm_uuid);

    if (vm == NULL || vm->judge_host == h)
        return;
    hold_judge(self, rollout, h);
    if (!arrival->has_baseline) /* its migration took less than an interval */
        measure(self, arrival);
    else if (vm->measured_step != arrival->plan->id) /* measured by an earlier process */
        vm->epoch = vr_control_group_mark(self->controls);
    vm->judge_host = h;
    vm->judged =
        vr_host_judge_add_vm(self->hosts[h].judge, vm->uuid,
                             arrival->has_baseline ? &arrival->baseline : &vm->baseline, vm->epoch);
}

static void
leave(VrWatch *self, const VrStepState *step)
{
    WatchedVm *vm = find_vm(self, step->plan->vm_uuid);
    gint source = host_index(self, step->plan->source);

    if (vm == NULL || source < 0 || vm->judge_host != (guint)source)
        return;
    vr_host_judge_remove_vm(self->hosts[source].judge, vm->judged);
    vm->judged = vm->judge_host = NONE;
}

/* Hosts with a gate that has begun, or is to: there the VMs are watched as they settle. */
static void
follow_gate(VrWatch *self, const VrRollout *rollout, const VrStepState *gate)
{
    gint found = host_index(self, gate->plan->host);

    if (found < 0 || gate->phase == VR_PHASE_SUPERSEDED)
        return;
    guint h = (guint)found;
    self->hosts[h].has_passed |= gate->phase == VR_PHASE_PASSED;
    self->hosts[h].has_open |= gate->phase != VR_PHASE_PASSED;
    if (gate->phase == VR_PHASE_WATCHING || self->hosts[h].judge != NULL)
        hold_judge(self, rollout, h);
    for (guint i = 0; i < gate->plan->after->len; i++) {
        guint id = g_array_index(gate->plan->after, guint, i);
        const VrStepState *arrival = vr_rollout_step(rollout, id - 1);
        if (arrival->phase == VR_PHASE_SETTLED)
            join(self, rollout, arrival, h);
    }
}

/* Another host of the same hardware has the update, and all its gates have passed. */
static gboolean
has_peer(const VrWatch *self, guint h)
{
    const char *class = vr_inventory_host(self->inventory, h)->hardware_class;

    for (guint i = 0; i < self->host_count; i++) {
        if (i != h && self->hosts[i].has_passed && !self->hosts[i].has_open &&
            g_strcmp0(vr_inventory_host(self->inventory, i)->hardware_class, class) == 0)
            return TRUE;
    }
    return FALSE;
}

/* The judges' time is the clock's own, which stamps the samples; the engine's may be ahead. */
static gint64
clock_ms(const VrWatch *self)
{
    return self->ports.clock.vtable->now_us(self->ports.clock.context) / 1000;
}

/* What has passed tells the host's fault from the update's. */
static void
tell_passed(VrWatch *self)
{
    for (guint h = 0; h < self->host_count; h++) {
        WatchedHost *host = &self->hosts[h];
        if (host->judge == NULL)
            continue;
        if (has_peer(self, h))
            vr_host_judge_peer_passed(host->judge);
        if (host->has_passed && !host->has_open && !host->in_aftercare) {
            vr_host_judge_gate_passed(host->judge, clock_ms(self));
            host->in_aftercare = TRUE;
        }
    }
}

static void
follow(VrWatch *self, const VrRollout *rollout)
{
    for (guint h = 0; h < self->host_count; h++)
        self->hosts[h].has_passed = self->hosts[h].has_open = FALSE;
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_GATE)
            follow_gate(self, rollout, step);
        else if (step->plan->kind != VR_STEP_MIGRATE)
            continue;
        else if (step->phase == VR_PHASE_MIGRATING)
            measure(self, step);
        else if (step->phase == VR_PHASE_SETTLED && step->plan->back)
            leave(self, step);
    }
    tell_passed(self);
    choose_controls(self, rollout);
}

/* ------------------------------------------------------------------ asking */

typedef struct {
    Question *question;
    VrSampling *sampling;
} Answer;

static void watch_unref(VrWatch *self);

static void
land(gpointer data)
{
    Answer *answer = data;
    Question *question = answer->question;
    VrWatch *self = question->watch;

    if (!self->released && question->generation == self->generation) {
        WatchedHost *host = &self->hosts[question->index];
        vr_sampling_free(host->sampling);
        host->sampling = g_steal_pointer(&answer->sampling);
        host->at_ms = clock_ms(self);
        host->is_asked = FALSE;
    }
    vr_sampling_free(answer->sampling);
    watch_unref(self);
    g_free(question);
    g_free(answer);
}

static void
sampled(const VrSampling *sampling, gpointer data)
{
    Question *question = data;
    Answer *answer = g_new(Answer, 1);
    VrExecutor executor = question->watch->ports.executor;

    *answer = (Answer){question, vr_sampling_copy(sampling)};
    executor.post(executor.context, land, answer);
}

static void
ask_host(VrWatch *self, guint h)
{
    Question *question = g_new(Question, 1);
    const VrHypervisor *port = &self->ports.hypervisor;

    *question = (Question){g_atomic_rc_box_acquire(self), h, self->generation};
    self->hosts[h].is_asked = TRUE;
    port->vtable->sample(port->context, vr_inventory_host(self->inventory, h)->name, sampled,
                         question);
}

/* A host that reboots answers nothing, and nobody wants to know. */
static gboolean
is_up(const VrRollout *rollout, const char *host)
{
    gint update = vr_rollout_find_update(rollout, host);

    return update < 0 || !vr_phase_is_host_down(vr_rollout_step(rollout, (guint)update)->phase);
}

static void
ask_all(VrWatch *self, const VrRollout *rollout)
{
    for (guint h = 0; h < self->host_count; h++) {
        /* A slow answer counts in the interval in which it comes. */
        if (is_up(rollout, vr_inventory_host(self->inventory, h)->name) && !self->hosts[h].is_asked)
            ask_host(self, h);
    }
    self->is_fresh = FALSE;
}

void
vr_watch_tick(VrWatch *self, const VrRollout *rollout, gint64 now_us)
{
    gint64 interval_us = rollout->basis->policy->health.interval_ms * 1000;
    gboolean is_same =
        g_strcmp0(self->rollout, rollout->id) == 0 && self->revisions == rollout->revisions;

    if (now_us < vr_watch_next_us(self, rollout))
        return;
    if (!is_same || !self->is_asking) {
        self->next_us = now_us + interval_us / ANSWER_SHARE;
        if (!is_same)
            begin(self, rollout);
        follow(self, rollout);
        ask_all(self, rollout);
    } else {
        self->next_us = now_us + interval_us - interval_us / ANSWER_SHARE;
        take_samples(self);
        follow(self, rollout);
        judge(self);
        for (guint h = 0; h < self->host_count; h++)
            g_clear_pointer(&self->hosts[h].sampling, vr_sampling_free);
    }
    self->is_asking = !self->is_asking || !is_same;
}

gint64
vr_watch_next_us(const VrWatch *self, const VrRollout *rollout)
{
    if (rollout->basis == NULL || !rollout->basis->policy->health.watch ||
        vr_rollout_is_over(rollout->phase))
        return G_MAXINT64;
    return self->next_us;
}

/* ------------------------------------------------------------------ its life */

static void
watch_clear(gpointer data)
{
    forget(data);
}

static void
watch_unref(VrWatch *self)
{
    g_atomic_rc_box_release_full(self, watch_clear);
}

VrWatch *
vr_watch_new(const VrEnginePorts *ports, VrWatchTold told, gpointer data)
{
    VrWatch *self = g_atomic_rc_box_new0(VrWatch);

    self->ports = *ports;
    self->told = told;
    self->told_data = data;
    return self;
}

void
vr_watch_release(VrWatch *self)
{
    self->released = TRUE;
    watch_unref(self);
}
