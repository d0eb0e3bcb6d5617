/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operator's rules, `virt-roll-policy/1`. A value; every field has the default that holds
 * without a policy file. Reference with every field: docs/reference/policy.md.
 */
#pragma once

#include <virt-roll/health.h>
#include <virt-roll/monitoring.h>

G_BEGIN_DECLS

#define VR_EXTRA_NEEDED(X)                                                                         \
    X(VR_EXTRA_NEEDED_ALLOW, "allow")                                                              \
    X(VR_EXTRA_NEEDED_REFUSE, "refuse")
VR_DECLARE_ENUM(VrExtraNeeded, vr_extra_needed, VR_EXTRA_NEEDED);

#define VR_OFFLINE_VMS(X)                                                                          \
    X(VR_OFFLINE_VMS_LEAVE, "leave")                                                               \
    X(VR_OFFLINE_VMS_BLOCK, "block")
VR_DECLARE_ENUM(VrOfflineVms, vr_offline_vms, VR_OFFLINE_VMS);

#define VR_REVISES(X)                                                                              \
    X(VR_REVISE_ASK, "ask")                                                                        \
    X(VR_REVISE_AUTOMATIC, "automatic")
VR_DECLARE_ENUM(VrRevise, vr_revise, VR_REVISES);

#define VR_WAYS_BACK(X)                                                                            \
    X(VR_WAY_BACK_ASK, "ask")             /* a person decides; nothing else begins meanwhile */    \
    X(VR_WAY_BACK_AUTOMATIC, "automatic") /* the VMs migrate back at once */                       \
    X(VR_WAY_BACK_OBSERVE, "observe")     /* it is told and nothing is done */
VR_DECLARE_ENUM(VrWayBackMode, vr_way_back_mode, VR_WAYS_BACK);

#define VR_GATE_S_MAX (30 * 86400) /* of gate_s and gate_canary_s */

/* Defaults in brackets; formulas that use them: docs/reference/policy.md, "cost model". */
typedef struct {
    gint64 migrations_out_per_host;        /* [4] */
    gint64 migrations_in_per_host;         /* [4] */
    gint64 migrations_max;                 /* [0: none] in flight in the whole fleet */
    gint64 stream_mib_per_s;               /* [1000] */
    gint64 stream_link_permille;           /* [500] share of a link that one migration may take */
    gint64 migration_overhead_ms;          /* [2000] */
    gint64 headroom_permille;              /* [20] of each host's memory, never given to VMs */
    gint64 hosts_down_max_permille;        /* [100] floored over all hosts, at least 1; or … */
    gint64 hosts_down_max;                 /* [0: use the permille] … this many */
    gint64 hosts_down_per_domain_max;      /* [0: none] */
    gint64 extra_migrations_permille;      /* [0] of the VMs that must migrate */
    VrExtraNeeded extra_migrations_needed; /* [allow] the proven minimum beyond the budget */
    gint64 gate_s;                         /* [0] */
    gint64 gate_canary_s;                  /* [0] gate of the first updated host that takes VMs */
    gint64 target_cpu_permille_max;        /* [0: none] */
    gint64 spare_hosts_min;                /* [0] */
    gint64 hosts_lost_max;                 /* [0] set aside without asking a person */
    gint64 repair_extra_migrations_max;    /* [0] beyond the approved ones, without asking */
} VrLimits;

/* How one migration is driven. */
typedef struct {
    gint64 attempts_max;  /* [3] per VM and rollout */
    gint64 backoff_s;     /* [300] before the second attempt, doubled for each further one */
    gint64 deferrals_max; /* [8] of a VM that is busy with its own affairs, then needs-operator */
    gint64 defer_s;       /* [900] between them */
    gint64 stall_s;       /* [60] without a byte sent, then the migration is aborted */
    gboolean tls;         /* [FALSE] libvirt's TLS for the memory stream */
} VrMigrationPolicy;

/* Waiting times of the recovery table (docs/internals/recovery.md). */
typedef struct {
    gint64 fence_ms;        /* [60000] until a call of an earlier controller can no longer begin */
    gint64 agree_ms;        /* [2000] between the two rounds that resume and destroy need */
    gint64 poll_ms;         /* [200] between reads while waiting, doubled up to … */
    gint64 poll_max_ms;     /* [5000] */
    gint64 hold_ms;         /* [600000] longest wait without a decision, then needs-operator */
    gint64 hold_unknown_ms; /* [1800000] the same while a host cannot be read */
    gint64 return_s;        /* [1200] from a reboot until the host answers with a new boot id */
} VrRecoveryPolicy;

/* Watching the VMs while hosts are in their gates (docs/reference/health.md). */
typedef struct {
    gboolean watch;         /* [FALSE] */
    gint64 interval_ms;     /* [10000] between samples: time in the limits is counted in these */
    VrHealthLimits limits;  /* as shipped */
    VrWayBackMode way_back; /* [ask] what an alert leads to */
} VrHealthPolicy;

typedef struct {
    char *name; /* nullable */
    VrLimits limits;
    VrMigrationPolicy migration;
    VrRecoveryPolicy recovery;
    VrHealthPolicy health;
    VrMonitoringPolicy monitoring;
    GPtrArray *alerts;        /* (element-type VrAlertRule) first match wins; never changed */
    GPtrArray *queries;       /* (element-type VrQueryRule) never changed */
    VrOfflineVms offline_vms; /* [leave] */
    VrRevise revise;          /* [ask] may a rollout revise its plan by itself? */
    gboolean partial;         /* [FALSE] do what can be done, leave the other hosts out */
} VrPolicy;

VrPolicy *vr_policy_new(void); /* all defaults */
VrPolicy *vr_policy_copy(const VrPolicy *self);

/* Hosts that may be down at once in a fleet of `host_count` (>= 1). At least 1. */
gint64 vr_policy_hosts_down_max(const VrPolicy *self, guint host_count);

/* What VMs may use of a host with memory_mib. */
gint64 vr_policy_usable_mib(const VrPolicy *self, gint64 memory_mib);

/* Canonical JSON in the policy format, every field written out; parse accepts it. */
char *vr_policy_format(const VrPolicy *self);
VrPolicy *vr_policy_parse(const char *text, gsize length, const char *source,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "sha256:…" of vr_policy_format. */
char *vr_policy_digest(const VrPolicy *self);

void vr_policy_free(VrPolicy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrPolicy, vr_policy_free)

G_END_DECLS
