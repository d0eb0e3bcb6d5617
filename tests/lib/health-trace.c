/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health-trace.h"

#include <string.h>

static void
trace_vm_free(gpointer data)
{
    VrtTraceVm *vm = data;

    g_array_unref(vm->baseline);
    g_array_unref(vm->samples);
    g_array_unref(vm->rollups);
    g_free(vm);
}

VrtTrace *
vrt_trace_new(const char *gate)
{
    VrtTrace *self = g_new0(VrtTrace, 1);

    self->gate = g_strdup(gate);
    self->settled = 12;
    self->vms = g_ptr_array_new_with_free_func(trace_vm_free);
    self->controls = g_ptr_array_new_with_free_func(trace_vm_free);
    self->cpu = g_array_new(FALSE, FALSE, sizeof(gint64));
    self->source_cpu = g_array_new(FALSE, FALSE, sizeof(gint64));
    self->control_cpu = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    self->events = g_array_new(FALSE, FALSE, sizeof(VrtTraceEvent));
    return self;
}

VrtTraceVm *
vrt_trace_add_vm(GPtrArray *vms, const char *id)
{
    VrtTraceVm *vm = g_new0(VrtTraceVm, 1);

    g_strlcpy(vm->id, id, VR_HEALTH_VM_BYTES);
    vm->baseline = g_array_new(FALSE, FALSE, sizeof(VrHealthSample));
    vm->samples = g_array_new(FALSE, FALSE, sizeof(VrHealthSample));
    vm->rollups = g_array_new(FALSE, FALSE, sizeof(VrHealthRollup));
    g_ptr_array_add(vms, vm);
    return vm;
}

guint
vrt_trace_add_control_host(VrtTrace *self)
{
    g_ptr_array_add(self->control_cpu, g_array_new(FALSE, FALSE, sizeof(gint64)));
    return self->control_cpu->len - 1;
}

void
vrt_trace_free(VrtTrace *self)
{
    if (self == NULL)
        return;
    g_free(self->gate);
    g_ptr_array_unref(self->vms);
    g_ptr_array_unref(self->controls);
    g_array_unref(self->cpu);
    g_array_unref(self->source_cpu);
    g_ptr_array_unref(self->control_cpu);
    g_array_unref(self->events);
    g_free(self);
}

/* NULL: missing, or past the end. */
static const VrHealthSample *
sample_at(const GArray *samples, guint index)
{
    const VrHealthSample *sample =
        index < samples->len ? &g_array_index(samples, VrHealthSample, index) : NULL;

    return sample != NULL && sample->vcpus > 0 ? sample : NULL;
}

static gint64
integer_at(const GArray *values, guint index)
{
    return index < values->len ? g_array_index(values, gint64, index) : -1;
}

static VrBaseline
make_baseline(const VrtTrace *self, const VrtTraceVm *vm)
{
    g_autoptr(VrBaselineCollector) collector = vr_baseline_collector_new();

    for (guint i = 0; i < VRT_BASELINE_SAMPLES; i++)
        vr_baseline_collector_add(collector, sample_at(vm->baseline, i),
                                  integer_at(self->source_cpu, i));
    VrBaseline baseline = vr_baseline_collector_make(collector);
    if (vm->rollups->len == 0)
        return baseline;
    g_autoptr(GArray) rollups = g_array_new(FALSE, FALSE, sizeof(VrHealthRollup));
    for (guint i = 0; i < MIN(vm->rollups->len, VR_HEALTH_ROLLUPS_MAX); i++) {
        VrHealthRollup rollup = g_array_index(vm->rollups, VrHealthRollup, i);
        /* How busy it was on those days is not recorded: as busy as now. */
        if (vm->wall_share && rollup.steal_ppm >= 0)
            rollup.steal_ppm = baseline.runnable_ppm > 0
                                   ? MIN(rollup.steal_ppm * 1000000 / baseline.runnable_ppm, 950000)
                                   : -1;
        g_array_append_val(rollups, rollup);
    }
    vr_baseline_strengthen(&baseline, (const VrHealthRollup *)(void *)rollups->data, rollups->len);
    return baseline;
}

/* index: baseline and samples, one after the other. */
static void
advance_controls(const VrtTrace *self, VrControlGroup *group, guint index)
{
    for (guint i = 0; i < self->control_cpu->len; i++)
        vr_control_group_host_cpu(group, i,
                                  integer_at(g_ptr_array_index(self->control_cpu, i), index));
    for (guint i = 0; i < self->controls->len; i++) {
        const VrtTraceVm *vm = g_ptr_array_index(self->controls, i);
        const VrHealthSample *sample = index < VRT_BASELINE_SAMPLES
                                           ? sample_at(vm->baseline, index)
                                           : sample_at(vm->samples, index - VRT_BASELINE_SAMPLES);
        if (sample != NULL)
            vr_control_group_sample(group, i, sample);
    }
    vr_control_group_advance(group);
}

static VrControlGroup *
make_controls(const VrtTrace *self, const VrHealthLimits *limits)
{
    VrControlGroup *group = vr_control_group_new(limits);

    for (guint i = 0; i < self->control_cpu->len; i++)
        vr_control_group_add_host(group);
    for (guint i = 0; i < self->controls->len; i++) {
        const VrtTraceVm *vm = g_ptr_array_index(self->controls, i);
        vr_control_group_add_vm(group, vm->host);
    }
    for (guint i = 0; i < VRT_BASELINE_SAMPLES; i++)
        advance_controls(self, group, i);
    return group;
}

static const VrHealthVerdict *
advance_host(const VrtTrace *self, VrHostJudge *judge, guint index)
{
    for (guint i = 0; i < self->vms->len; i++) {
        const VrtTraceVm *vm = g_ptr_array_index(self->vms, i);
        const VrHealthSample *sample = sample_at(vm->samples, index);
        if (sample != NULL)
            vr_host_judge_sample(judge, i, sample);
    }
    for (guint i = 0; i < self->events->len; i++) {
        const VrtTraceEvent *event = &g_array_index(self->events, VrtTraceEvent, i);
        if (event->sample == index)
            vr_host_judge_event(judge, event->vm, event->event);
    }
    return vr_host_judge_advance(judge, integer_at(self->cpu, index));
}

VrtTraceResult
vrt_trace_judge(const VrtTrace *self, const VrHealthLimits *limits)
{
    VrHealthLimits own = *limits;
    VrtTraceResult result = {.alert_sample = -1};
    guint samples = 0;

    own.warm_up_samples = self->settled;
    g_autoptr(VrControlGroup) group = make_controls(self, &own);
    g_autoptr(VrHostJudge) judge = vr_host_judge_new(&own, group);
    const gint64 epoch = vr_control_group_mark(group);
    for (guint i = 0; i < self->vms->len; i++) {
        const VrtTraceVm *vm = g_ptr_array_index(self->vms, i);
        const VrBaseline baseline = make_baseline(self, vm);
        vr_host_judge_add_vm(judge, vm->id, &baseline, epoch);
        samples = MAX(samples, vm->samples->len);
    }
    for (guint i = 0; i < samples; i++) {
        advance_controls(self, group, VRT_BASELINE_SAMPLES + i);
        const VrHealthVerdict *verdict = advance_host(self, judge, i);
        if (vr_health_is_alert(&verdict->finding)) {
            result = (VrtTraceResult){(gint64)i - self->settled, verdict->finding, *verdict};
            break;
        }
        if (verdict->finding.tier > result.finding.tier)
            result = (VrtTraceResult){-1, verdict->finding, *verdict};
        else if (result.finding.tier == VR_HEALTH_TIER_NONE)
            result.finding = verdict->finding; /* unknown, or none again */
    }
    return result;
}

static const char *
tier_word(const VrtTraceResult *result)
{
    if (result->alert_sample < 0 && result->finding.tier < VR_HEALTH_TIER_SEVERE)
        return "null";
    if (result->finding.tier == VR_HEALTH_TIER_SEVERE)
        return "\"severe\"";
    return result->finding.tier == VR_HEALTH_TIER_CRITICAL ? "\"critical\"" : "\"relative\"";
}

char *
vrt_trace_result_format(const VrtTrace *self, const VrtTraceResult *result)
{
    g_autofree char *sample = result->alert_sample < 0
                                  ? g_strdup("null")
                                  : g_strdup_printf("%" G_GINT64_FORMAT, result->alert_sample);

    return g_strdup_printf("{\"gate\":\"%s\",\"alert_sample\":%s,\"tier\":%s,\"cause\":\"%s\","
                           "\"rule\":\"%s\"}",
                           self->gate, sample, tier_word(result),
                           vr_health_cause_to_string(result->finding.cause),
                           vr_health_rule_to_string(result->finding.rule));
}
