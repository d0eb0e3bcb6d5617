/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Synthetic gates: 60 samples of VMs on their sources, then 12 and those of the gate on an updated
 * host, beside controls. The model and what of it is measured, what assumed:
 * docs/reference/health.md. Seeded; floating point is fine here, the judge has none.
 */
#pragma once

#include "health-trace.h"

G_BEGIN_DECLS

/* What happens in a gate, beside the ordinary. 0: nothing of the kind; times: 0 means 1. */
typedef struct {
    const char *name;
    VrHealthCause right; /* what it should be called */
    /* Healthy ones. */
    gboolean weak;           /* no history */
    double burst_times;      /* as often */
    double daily;            /* load changes by this share within the gate */
    double fleet_load_times; /* most, of everybody's CPU use */
    double fleet_io_times;   /* most, of everybody's latency */
    double backup_share;     /* of all VMs; less than 0: one VM of the host */
    gboolean noisy;          /* one VM takes 8 CPUs */
    gboolean crowded;        /* the target at 80 to 97 % */
    double steal_times;      /* overcommitted fleet */
    double idle_share;       /* of the VMs */
    double stalls_shared;    /* chance per sample, of all storage */
    double missing_share;    /* of the samples; 0: 0.5 % */
    double path_times;       /* noise of the hosts' own ways to the storage */
    /* Faults of the updated host. */
    double steal_points; /* share of wall time, of VMs that use 10 % of their vCPUs and more */
    double contention;   /* share of the time that a VM wants a CPU */
    double io_times;
    double io_added_us;
    gboolean drifts; /* these come up within ten minutes */
    gboolean stalls; /* one sample in 4 to 8 */
    gboolean dead_guest, lost_probe, dead_disk;
} HealthSituation;

typedef struct {
    guint vms, control_hosts, controls_per_host;
    guint samples; /* of the gate, after warm-up; 60: ten minutes */
} HealthSize;

/* Each ends with one without a name. */
extern const HealthSituation health_model_healthy[];
extern const HealthSituation health_model_noisy[]; /* hosts' ways to the storage differ more */
extern const HealthSituation health_model_faults[];

/* onset: samples after warm-up; where a fault begins. (transfer full) */
VrtTrace *health_model_gate(const HealthSituation *situation, const HealthSize *size, guint64 seed,
                            guint *out_onset);

G_END_DECLS
