/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan: what will be done, in which order, with forecast times and reasons. A person approves its
 * digest. Format `virt-roll-plan/1`: docs/reference/plan.md. The planner is a pure function.
 */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

G_BEGIN_DECLS

#define VR_STEP_KINDS(X)                                                                           \
    X(VR_STEP_UPDATE, "update")                                                                    \
    X(VR_STEP_MIGRATE, "migrate")                                                                  \
    X(VR_STEP_GATE, "gate")                                                                        \
    /* of a way back only, never planned */                                                        \
    X(VR_STEP_QUARANTINE, "quarantine") /* closes an updated host: nothing comes onto it */        \
    X(VR_STEP_REOPEN, "reopen")         /* opens a host that was closed for its update */
VR_DECLARE_ENUM(VrStepKind, vr_step_kind, VR_STEP_KINDS);

/* Its strings belong to the plan; steps may share one `after`. */
typedef struct {
    guint id; /* 1.. in the order of `steps`; unique */
    VrStepKind kind;
    char *host;    /* of all but migrate; gate: the updated host that took VMs */
    char *vm_uuid; /* migrate only */
    char *vm;      /* migrate only: its name */
    char *source;  /* migrate: from; gate: the refuge that it holds back */
    char *target;  /* migrate only */
    gint64 start_ms;
    gint64 end_ms;
    gint64 rate_mib_per_s; /* migrate only: the bandwidth given to libvirt */
    gboolean extra;        /* migrate only: beyond the one onto an updated host */
    gboolean back;         /* migrate only: off a host in alert; never planned */
    GArray *after;         /* (element-type guint) ids, ascending, each smaller than `id` */
    char *why;             /* nullable */
} VrPlanStep;

typedef struct {
    char *host;
    char *reason; /* a word: unmovable-vm, offline-autostart-vm, no-room, excluded, not-selected */
    char *detail; /* a sentence with the remedy */
    GPtrArray *vms; /* (element-type utf8) uuids concerned; may be empty */
} VrPlanSkip;

typedef struct {
    gint64 hosts, hosts_to_update, hosts_skipped, vms;
    gint64 migrations, migrations_lower_bound, extra_migrations;
    gint64 makespan_ms, makespan_lower_bound_ms;
    gint64 makespan_lower_bound_one_migration_ms, makespan_lower_bound_within_budget_ms;
    gint64 migrations_in_flight_peak, hosts_down_peak, exposure_vm_ms;
} VrPlanSummary;

typedef struct {
    char *digest; /* "sha256:…" of what will be done; without times, rates and reasons */
    char *policy_digest;
    char *inventory_digest;
    char *update_level;
    char *update_class; /* nullable */
    VrPlanSummary summary;
    GPtrArray *steps;    /* (element-type VrPlanStep) in the order of their start */
    GPtrArray *skipped;  /* (element-type VrPlanSkip) by host */
    GPtrArray *blocks;   /* private: where the steps lie, */
    guint block_left;    /* and for how many more the last one has room */
    GStringChunk *texts; /* the strings of the steps */
} VrPlan;

/* What of the inventory is to be updated, and how. */
typedef struct {
    const char *update_level;
    const char *const *hosts;   /* only these; NULL: all */
    const char *const *exclude; /* these not; NULL: none. They may still take no VMs. */
    const char *const *order; /* of those with VMs, per pool, these are emptied first; NULL: ours */
} VrPlanRequest;

/*
 * Plans the rollout of a sealed inventory. Deterministic: the same values give the same bytes.
 * Refuses with VR_ERROR_CAPACITY (no room: how much is missing and where) or VR_ERROR_REFUSED (a
 * rule: which), VR_ERROR_NOT_FOUND (a host of the request), or VR_ERROR_INVALID (no hosts, or no
 * level in the request). A fleet that is wholly updated gives a plan without steps.
 */
VrPlan *vr_planner_compute(const VrInventory *inventory, const VrPolicy *policy,
                           const VrPlanRequest *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;

static inline const VrPlanStep *
vr_plan_step(const VrPlan *self, guint index)
{
    return (const VrPlanStep *)g_ptr_array_index(self->steps, index);
}

/* Text <-> value; parse checks ids, `after` (complete, acyclic) and the digest. */
char *vr_plan_format(const VrPlan *self);
VrPlan *vr_plan_parse(const char *text, gsize length, const char *source,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Recomputed from the contents; compare with `digest`. (transfer full) */
char *vr_plan_compute_digest(const VrPlan *self);

void vr_plan_free(VrPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrPlan, vr_plan_free)

G_END_DECLS
