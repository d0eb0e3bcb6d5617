/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is an updated host bad, crowded, or is it something else? Pure: samples in, verdicts out; no
 * clock (every sample brings its time), no files, integers only. What is judged is the host: the
 * median over its VMs of each VM's own shift against its own baseline, less the shift of VMs on
 * untouched hosts at the same time. Time is counted in samples (one interval of the watch, 10 s as
 * shipped). Limits, their sources and what they cannot do: docs/reference/health.md.
 *
 *     before      vr_baseline_collector_add … per VM of the source and per interval
 *     migrating   vr_baseline_collector_make → VrBaseline, into the journal
 *     settled     vr_host_judge_add_vm(judge, uuid, &baseline, epoch)
 *     interval    vr_control_group_sample …, vr_control_group_advance, then per host
 *                 vr_host_judge_sample …, vr_host_judge_advance → VrHealthVerdict
 *
 * A VM or host for which nothing is given in an interval was not read. Unknown never blames and
 * never counts as healthy.
 */
#pragma once

#include <virt-roll/enum.h>

G_BEGIN_DECLS

/* In rising order of how much it matters. Drift and stalls act as relative does. */
#define VR_HEALTH_TIERS(X)                                                                         \
    X(VR_HEALTH_TIER_NONE, "none")                                                                 \
    X(VR_HEALTH_TIER_FINDING, "finding") /* told, moves nobody by itself */                        \
    X(VR_HEALTH_TIER_RELATIVE, "relative")                                                         \
    X(VR_HEALTH_TIER_DRIFT, "drift")                                                               \
    X(VR_HEALTH_TIER_STALLS, "stalls")                                                             \
    X(VR_HEALTH_TIER_CRITICAL, "critical")                                                         \
    X(VR_HEALTH_TIER_SEVERE, "severe")
VR_DECLARE_ENUM(VrHealthTier, vr_health_tier, VR_HEALTH_TIERS);

#define VR_HEALTH_CAUSES(X)                                                                        \
    X(VR_HEALTH_CAUSE_NONE, "none")                                                                \
    X(VR_HEALTH_CAUSE_UPDATE, "update")     /* as far as one gate can tell it from the host */     \
    X(VR_HEALTH_CAUSE_HOST, "host")         /* hosts with the same update are well */              \
    X(VR_HEALTH_CAUSE_CROWDING, "crowding") /* too full: close intake, thin out */                 \
    X(VR_HEALTH_CAUSE_VM, "vm")             /* one VM's own doing or misfortune */                 \
    X(VR_HEALTH_CAUSE_FLEET, "fleet")       /* untouched hosts have it too */                      \
    X(VR_HEALTH_CAUSE_UNKNOWN, "unknown")   /* cannot be judged */
VR_DECLARE_ENUM(VrHealthCause, vr_health_cause, VR_HEALTH_CAUSES);

/* What fired; the first of an alert's rules that fits, in this order. */
#define VR_HEALTH_RULES(X)                                                                         \
    X(VR_HEALTH_RULE_NONE, "none")                                                                 \
    X(VR_HEALTH_RULE_GUEST_LOST, "guest-lost")                                                     \
    X(VR_HEALTH_RULE_PROBE_LOST, "probe-lost")                                                     \
    X(VR_HEALTH_RULE_SEVERE_STEAL, "severe-steal")                                                 \
    X(VR_HEALTH_RULE_SEVERE_IO, "severe-io")                                                       \
    X(VR_HEALTH_RULE_IO_STOPPED, "io-stopped")                                                     \
    X(VR_HEALTH_RULE_CRITICAL_STEAL, "critical-steal")                                             \
    X(VR_HEALTH_RULE_CRITICAL_IO, "critical-io")                                                   \
    X(VR_HEALTH_RULE_DRIFT_STEAL, "drift-steal")                                                   \
    X(VR_HEALTH_RULE_DRIFT_IO, "drift-io")                                                         \
    X(VR_HEALTH_RULE_STALLS, "stalls")                                                             \
    X(VR_HEALTH_RULE_RELATIVE_STEAL, "relative-steal")                                             \
    X(VR_HEALTH_RULE_RELATIVE_IO, "relative-io")                                                   \
    X(VR_HEALTH_RULE_SEVERE_CROWDING, "severe-crowding")                                           \
    X(VR_HEALTH_RULE_HOST_UNREAD, "host-unread")                                                   \
    X(VR_HEALTH_RULE_STEAL_UNAVAILABLE, "steal-unavailable")                                       \
    X(VR_HEALTH_RULE_NO_CONTROLS, "no-controls")                                                   \
    X(VR_HEALTH_RULE_FLEET_WIDE, "fleet-wide")                                                     \
    X(VR_HEALTH_RULE_VM_LOAD, "vm-load")                                                           \
    X(VR_HEALTH_RULE_CROWDED, "crowded")                                                           \
    X(VR_HEALTH_RULE_VM_IO, "vm-io")                                                               \
    X(VR_HEALTH_RULE_TOO_FULL, "too-full-to-blame")                                                \
    X(VR_HEALTH_RULE_TOO_FEW, "too-few-busy")
VR_DECLARE_ENUM(VrHealthRule, vr_health_rule, VR_HEALTH_RULES);

#define VR_HEALTH_EVENTS(X)                                                                        \
    X(VR_HEALTH_EVENT_CRASHED, "crashed")                                                          \
    X(VR_HEALTH_EVENT_IO_ERROR, "io-error") /* paused by it */                                     \
    X(VR_HEALTH_EVENT_PROBE_LOST, "probe-lost")
VR_DECLARE_ENUM(VrHealthEvent, vr_health_event, VR_HEALTH_EVENTS);

/*
 * The limits, each by name: X(member, default, least, most), in the order of their names. Permille
 * of steal are of the time in which a VM wants a CPU, "wall" ones of all time; _q8 is 1/256 octave:
 * 0 unchanged, 150 x1.5, 256 x2, 340 x2.5, 512 x4. I/O limits belong to a storage: these are wide
 * ones, to be tightened from the fleet's own history.
 */
#define VR_HEALTH_LIMITS(X)                                                                        \
    X(cpu_max_permille, 800, 100, 980)        /* of a host by its VMs; above: steal is crowding */ \
    X(cpu_severe_max_permille, 770, 100, 980) /* the same for severe-steal */                      \
    X(crowding_q20, 0, 0, 1 << 30) /* ppm of steal per kappa x 2^20; for lack of controls */       \
    X(drift_io_allowance_q8, 220, 1, 2048)                                                         \
    X(drift_io_limit_q8, 500, 1, 8192)                                                             \
    X(drift_steal_allowance_permille, 30, 1, 1000)                                                 \
    X(drift_steal_limit_permille, 300, 1, 10000)                                                   \
    X(hold_samples, 6, 1, 30) /* without a break, before critical and relative fire */             \
    X(io_critical_q8, 340, 1, 4096)                                                                \
    X(io_floor_us, 400, 0, 1000000) /* below this median latency nobody is hurt */                 \
    X(io_relative_q8, 260, 1, 4096)                                                                \
    X(severe_io_us, 200000, 1000, 60000000) /* per sample, and 16 times the baseline */            \
    X(severe_steal_permille, 300, 1, 1000)  /* per sample, of wall time */                         \
    X(stall_samples, 3, 1, 30)              /* of the last 30 */                                   \
    X(steal_critical_permille, 100, 1, 1000)                                                       \
    X(steal_critical_wall_permille, 10, 0, 1000)                                                   \
    X(steal_relative_permille, 40, 1, 1000)                                                        \
    X(vms_over_permille, 600, 1, 1000)        /* of the VMs must show it */                        \
    X(warm_up_samples, 12, 0, 360)            /* after a VM has settled; not used */               \
    X(weak_baseline_max_s, 7200, 60, 2592000) /* in aftercare, where no history backs it */

#define VR_HEALTH_INTEGER(member, ...) gint64 member;
typedef struct {
    VR_HEALTH_LIMITS(VR_HEALTH_INTEGER)
} VrHealthLimits;

VrHealthLimits vr_health_limits_default(void);
/* Ranges, and limits that contradict each other: VR_ERROR_INVALID names both and says why. */
gboolean vr_health_limits_check(const VrHealthLimits *self,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * One VM at one instant: counters as the host gives them, cumulative since the guest's process
 * began. Negative counters, no vCPUs and a time that does not advance make it a missed sample;
 * counters that went back, jumped further than time allows, or all stand still are found here.
 */
typedef struct {
    gint64 at_ms;    /* any origin, monotone per VM */
    gint64 delay_us; /* sum over its vCPUs: wanted to run, did not */
    gint64 run_us;   /* sum over its vCPUs: ran */
    gint64 requests; /* completed, sum over devices, reads, writes and flushes */
    gint64 io_us;    /* their time, likewise */
    gint64 vcpus;    /* 1.. */
} VrHealthSample;

/* What a VM was like before its migration; goes into the journal. */
#define VR_BASELINE_FIELDS(X)                                                                      \
    X(active)              /* 1: so many requests that none for half a minute says something */    \
    X(at_ms)               /* of its last sample; by the clock of those that follow */             \
    X(latency_us)          /* per request; 0: unknown, too few requests */                         \
    X(runnable_ppm)        /* of wall time per vCPU; -1: unknown */                                \
    X(source_cpu_permille) /* of the source by its VMs; -1: unknown */                             \
    X(steal_ppm)           /* of the time it wanted a CPU; -1: unknown, it hardly wanted one */    \
    X(strong)              /* 1: backed by the same hours of earlier days */
typedef struct {
    VR_BASELINE_FIELDS(VR_HEALTH_INTEGER)
} VrBaseline;

/* Ten minutes of an earlier day around the same time of day. */
typedef struct {
    gint64 steal_ppm;  /* of the time it wanted a CPU; -1: unknown */
    gint64 latency_us; /* per request */
    gint64 requests;
} VrHealthRollup;

#define VR_HEALTH_ROLLUPS_MAX 64

/* The last 60 to 69 samples of a VM, in blocks of ten. */
typedef struct VrBaselineCollector VrBaselineCollector;
VrBaselineCollector *vr_baseline_collector_new(void);
/* sample NULL: not read in this interval. cpu_permille: of its host by VMs; -1: not read. */
void vr_baseline_collector_add(VrBaselineCollector *self, const VrHealthSample *sample,
                               gint64 cpu_permille);
VrBaseline vr_baseline_collector_make(const VrBaselineCollector *self);
void vr_baseline_collector_free(VrBaselineCollector *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrBaselineCollector, vr_baseline_collector_free)

/*
 * Backs a baseline with history, at most VR_HEALTH_ROLLUPS_MAX rollups of it. History only excuses:
 * steal at most to twice the baseline and half a point, latency at most to four times.
 */
void vr_baseline_strengthen(VrBaseline *self, const VrHealthRollup *rollups, guint count);

/*
 * VMs on untouched hosts, or on updated ones that have long passed: the same instants, shared by
 * all judges. Best 60 VMs, 10 each on 6 hosts; under 10 VMs or 3 hosts limits widen, under 5 VMs
 * most verdicts become unknown. Their baselines are taken in epochs, so that they span the same
 * time as those of the VMs that are compared with them.
 */
typedef struct VrControlGroup VrControlGroup;
VrControlGroup *vr_control_group_new(const VrHealthLimits *limits);
guint vr_control_group_add_host(VrControlGroup *self);
/* The VM's slot for vr_control_group_sample. It counts in epochs that begin 60 samples later. */
guint vr_control_group_add_vm(VrControlGroup *self, guint host);
/* It is touched, gone or ill: it counts no more, in no epoch. */
void vr_control_group_remove_vm(VrControlGroup *self, guint vm);
/* Between two calls of advance: what was read. A host's CPU by its VMs, of all its CPUs. */
void vr_control_group_sample(VrControlGroup *self, guint vm, const VrHealthSample *sample);
void vr_control_group_host_cpu(VrControlGroup *self, guint host, gint64 cpu_permille);
void vr_control_group_advance(VrControlGroup *self);
/* Baselines of now, for VMs that are about to migrate. Marks within 30 samples share an epoch. */
gint64 vr_control_group_mark(VrControlGroup *self);
/* An epoch's baselines by slot, for the journal; NULL: no such epoch (any more). Borrowed. */
const VrBaseline *vr_control_group_baselines(const VrControlGroup *self, gint64 epoch,
                                             guint *out_count);
/* After a restart: the same back, with the same hosts and VMs in the same slots. A new epoch. */
gint64 vr_control_group_restore(VrControlGroup *self, const VrBaseline *baselines, guint count);
void vr_control_group_free(VrControlGroup *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrControlGroup, vr_control_group_free)

/*
 * One window of the last `samples` samples. X(member), by name. -1 where nothing testifies, and in
 * limits: none applies. Medians are over VMs.
 */
#define VR_HEALTH_WINDOW_FIELDS(X)                                                                 \
    X(before_ppm)              /* steal before, median */                                          \
    X(control_excess_permille) /* what untouched VMs have too; taken off */                        \
    X(control_shift_q8)                                                                            \
    X(cpu_felt_permille)   /* the steady load that crowds as much as this window did */            \
    X(cpu_permille)        /* of the host by its VMs, mean */                                      \
    X(evaluated)           /* 0: less than half of the samples are there */                        \
    X(excess_permille)     /* steal over the expected, less controls, median */                    \
    X(excess_raw_permille) /* steal over the baseline alone, median */                             \
    X(excess_wall_permille)                                                                        \
    X(expected_ppm) /* steal, median */                                                            \
    X(io_limit_q8)                                                                                 \
    X(io_over_permille) /* of the VMs, at half of the relative limit or more */                    \
    X(io_vms)                                                                                      \
    X(latency_before_us)                                                                           \
    X(latency_us)                                                                                  \
    X(samples)                                                                                     \
    X(shift_q8) /* latency over the baseline, less controls, median */                             \
    X(steal_limit_permille)                                                                        \
    X(steal_over_permille)                                                                         \
    X(steal_ppm) /* median */                                                                      \
    X(steal_vms)
typedef struct {
    VR_HEALTH_WINDOW_FIELDS(VR_HEALTH_INTEGER)
} VrHealthWindow;

/* What a verdict was made from, beside its windows. X(member), by name; counts of samples. */
#define VR_HEALTH_FACT_FIELDS(X)                                                                   \
    X(aftercare) /* 1: the gate has passed */                                                      \
    X(control_hosts)                                                                               \
    X(control_load_q8)  /* runnable time of untouched VMs over their baseline */                   \
    X(control_shift_q8) /* their latency, longer window */                                         \
    X(control_slow_permille)                                                                       \
    X(control_vms)                                                                                 \
    X(cpu_before_permille) /* of the sources; -1: unknown */                                       \
    X(cpu_mean_permille)   /* since settling */                                                    \
    X(cpu_permille)        /* now */                                                               \
    X(crowding_q20)        /* how steal rises with load, from the controls */                      \
    X(drift_io_limit_q8)                                                                           \
    X(drift_io_q8)                                                                                 \
    X(drift_steal_limit_permille)                                                                  \
    X(drift_steal_permille)                                                                        \
    X(fleet)       /* 1: controls move too; limits are wider */                                    \
    X(guests_lost) /* crashed, or paused by an I/O error */                                        \
    X(held_critical_io)                                                                            \
    X(held_critical_steal)                                                                         \
    X(held_relative_io)                                                                            \
    X(held_relative_steal)                                                                         \
    X(io_stopped_row)   /* samples in a row: most active VMs without a request */                  \
    X(look_at_findings) /* 1: findings are looked for at this sample */                            \
    X(missed)           /* samples of VMs, since settling */                                       \
    X(peer_passed)      /* 1: a host of the same level and hardware passed its gate */             \
    X(probe_lost_row)                                                                              \
    X(rise_all_mvcpu) /* of runnable time, all VMs that rose; 1000 = one vCPU */                   \
    X(rise_vm_mvcpu)  /* the largest */                                                            \
    X(sample)         /* since the first VM was ready */                                           \
    X(severe_crowding_row)                                                                         \
    X(severe_io_row)                                                                               \
    X(severe_steal_row)                                                                            \
    X(stalls)            /* of the last 30 */                                                      \
    X(steal_unavailable) /* 1: delay is zero everywhere on a busy host */                          \
    X(unread_row)        /* times the host was not read, in a row */                               \
    X(vms)                                                                                         \
    X(vms_slow) /* with much slower I/O of their own */                                            \
    X(weak)     /* 1: less than half of the baselines are backed by history */

#define VR_HEALTH_VM_BYTES 40 /* of an id with its NUL: a UUID, or another of up to 39 bytes */

#define VR_HEALTH_WITNESS_FIELDS(X)                                                                \
    X(before_ppm)                                                                                  \
    X(excess_permille)                                                                             \
    X(expected_ppm)                                                                                \
    X(latency_before_us)                                                                           \
    X(latency_us)                                                                                  \
    X(requests)                                                                                    \
    X(shift_q8)                                                                                    \
    X(steal_ppm)
typedef struct {
    char vm[VR_HEALTH_VM_BYTES];
    VR_HEALTH_WITNESS_FIELDS(VR_HEALTH_INTEGER)
} VrHealthWitness;

#define VR_HEALTH_WITNESSES_MAX 6 /* the five worst and the median one, which is the last */

/* Self-contained: the verdict follows from it, with the limits of that day. */
typedef struct {
    VR_HEALTH_FACT_FIELDS(VR_HEALTH_INTEGER)
    VrHealthLimits limits;
    VrHealthWindow critical; /* 12 samples; 30 in aftercare */
    VrHealthWindow relative; /* 30 samples */
    guint witness_count;
    VrHealthWitness witnesses[VR_HEALTH_WITNESSES_MAX];
} VrHealthEvidence;

typedef struct {
    VrHealthTier tier;
    VrHealthCause cause;
    VrHealthRule rule;
} VrHealthFinding;

/* Evidence is that of the sample at which the finding was made, else of this one. */
typedef struct {
    VrHealthFinding finding;
    gboolean intake_closed; /* take no more VMs: crowded, until it has been roomy for 60 samples */
    gboolean clock_runs;    /* FALSE: the host was not read; time of the gate does not count */
    VrHealthEvidence evidence;
} VrHealthVerdict;

/* Would migrate VMs back: relative or worse, by the update or the host. */
gboolean vr_health_is_alert(const VrHealthFinding *self);

/*
 * The judge of one updated host. The group must outlive it; several judges share one. An alert
 * latches until the judge is freed (a person, or the host is empty); a worse one replaces it.
 */
typedef struct VrHostJudge VrHostJudge;
VrHostJudge *vr_host_judge_new(const VrHealthLimits *limits, VrControlGroup *controls);
/* A VM has settled here. Its slot; `vm` is copied, cut to its 39 bytes. epoch: see mark. */
guint vr_host_judge_add_vm(VrHostJudge *self, const char *vm, const VrBaseline *baseline,
                           gint64 epoch);
void vr_host_judge_remove_vm(VrHostJudge *self, guint vm);
/* Between two calls of advance: what was read, what was heard. */
void vr_host_judge_sample(VrHostJudge *self, guint vm, const VrHealthSample *sample);
void vr_host_judge_event(VrHostJudge *self, guint vm, VrHealthEvent event);
/* A host of the same level and hardware class has passed its gate: not the update's fault. */
void vr_host_judge_peer_passed(VrHostJudge *self);
/* Its own gate has passed at this time of the samples: aftercare from now on. */
void vr_host_judge_gate_passed(VrHostJudge *self, gint64 at_ms);
/*
 * Ends the interval and judges. The controls' interval must have been ended before.
 * cpu_permille: CPU time of its VMs, of all its CPUs; -1: not read. Not the machine's own counter:
 * what an update brought along would pass for crowding there. Borrowed, until the next call.
 */
const VrHealthVerdict *vr_host_judge_advance(VrHostJudge *self, gint64 cpu_permille);
void vr_host_judge_free(VrHostJudge *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrHostJudge, vr_host_judge_free)

/* The same judgement from recorded evidence, without latches. Total: any numbers will do. */
VrHealthFinding vr_evidence_replay(const VrHealthEvidence *self);

/* Canonical JSON, `virt-roll-health-evidence/1`. Parse: VR_ERROR_INVALID with the place. */
char *vr_evidence_format(const VrHealthEvidence *self);
gboolean vr_evidence_parse(const char *text, gsize length, const char *source,
                           VrHealthEvidence *out_evidence,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* One sentence for people. vm: the name of the first witness for findings about a VM; nullable. */
char *vr_health_sentence(const VrHealthFinding *finding, const VrHealthEvidence *evidence,
                         const char *host, const char *vm);

G_END_DECLS
