/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gates as values, so that the judgement can be measured apart from everything else: read from the
 * exchange format `virt-roll-health-trace/1` (docs/reference/health.md) or made by a generator.
 */
#pragma once

#include <virt-roll/health.h>

G_BEGIN_DECLS

#define VRT_BASELINE_SAMPLES 60
#define VRT_SAMPLES_MAX 4096 /* of a VM after its migration */

typedef struct {
    char id[VR_HEALTH_VM_BYTES];
    guint host;        /* of a control: its number */
    GArray *baseline;  /* (element-type VrHealthSample) before; vcpus 0: missing */
    GArray *samples;   /* (element-type VrHealthSample) after, warm-up included; likewise */
    GArray *rollups;   /* (element-type VrHealthRollup) of earlier days */
    gint64 wall_share; /* rollups have steal of wall time: 1; of the time it wanted a CPU: 0 */
} VrtTraceVm;

typedef struct {
    guint sample; /* warm-up included */
    guint vm;
    VrHealthEvent event;
} VrtTraceEvent;

typedef struct {
    char *gate;
    guint settled;          /* samples of warm-up */
    GPtrArray *vms;         /* (element-type VrtTraceVm) */
    GPtrArray *controls;    /* (element-type VrtTraceVm) */
    GArray *cpu;            /* (element-type gint64) of the host per sample; -1: missing */
    GArray *source_cpu;     /* of the source while the baselines were taken */
    GPtrArray *control_cpu; /* (element-type GArray) per control host, baseline and samples */
    GArray *events;         /* (element-type VrtTraceEvent) */
} VrtTrace;

VrtTrace *vrt_trace_new(const char *gate);
VrtTraceVm *vrt_trace_add_vm(GPtrArray *vms, const char *id); /* borrowed */
guint vrt_trace_add_control_host(VrtTrace *self);
void vrt_trace_free(VrtTrace *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrtTrace, vrt_trace_free)

/* One line of the format. NULL: VR_ERROR_INVALID with the place. */
VrtTrace *vrt_trace_parse(const char *text, gsize length, const char *source,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
    gint64 alert_sample;     /* since settling, 0 the first after warm-up; -1: no alert */
    VrHealthFinding finding; /* the alert's, or else the first finding that moves nobody */
    VrHealthVerdict verdict; /* that it was made with */
} VrtTraceResult;

VrtTraceResult vrt_trace_judge(const VrtTrace *self, const VrHealthLimits *limits);

/* The line that the format has for it. (transfer full) */
char *vrt_trace_result_format(const VrtTrace *self, const VrtTraceResult *result);

G_END_DECLS
