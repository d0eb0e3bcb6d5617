/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A new plan in mid-rollout, when the old one no longer fits the fleet: a VM came or went, there is
 * no room, a host is lost. Pure, like the rollout; the caller scans. Only while nothing is in
 * flight. The steps that have ended well stay as they are, the others become `superseded`, and the
 * new plan's steps come after them. What was promised still holds: gates, the canary, one migration
 * per VM. docs/design/0006-a-plan-is-revised-at-rest.md.
 */
#pragma once

#include <virt-roll/rollout.h>

G_BEGIN_DECLS

/* Automatic revisions in a row that may bring nothing forward; then a person is asked. */
#define VR_REVISIONS_IN_VAIN_MAX 3

/* The reason of a VrPlanSkip: a person has left the host out in mid-rollout. */
#define VR_SKIP_REASON_SKIPPED "skipped"

/* Why the plan may not be revised now, for people; NULL: it may. (transfer full) */
char *vr_revision_find_obstacle(const VrRollout *rollout);

/*
 * Is the host out of reach of a revision: lost or interrupted in its update, closed and empty as
 * far as the journal proves? It need not be readable, and no VM goes there.
 */
gboolean vr_revision_is_set_aside(const VrRollout *rollout, const char *host);

typedef struct {
    VrPlan *planned;        /* the planner's, of what is left; input of VR_INPUT_REVISE … */
    VrInventory *scope;     /* … and what it was made on */
    VrPlan *plan;           /* what the rollout would stand on: old steps, then new ones … */
    VrInventory *inventory; /* … and this */
    guint old_step_count;
    GArray *superseded; /* (element-type guint) ids of old steps */
    GArray *set_aside;  /* (element-type guint) ids of updates whose hosts the others go without */
} VrRevision;

/*
 * Plans anew what is left of a rollout. `scan` (sealed) has all hosts but, perhaps, those set
 * aside. `skip` (nullable) leaves that host out, for `reason`. Errors: VR_ERROR_REFUSED (a revision
 * is not possible now, or would break what was promised), VR_ERROR_NOT_FOUND (skip), and those of
 * vr_planner_compute.
 */
VrRevision *vr_revision_new(const VrRollout *rollout, const VrInventory *scan, const char *skip,
                            const char *reason, gint64 now_us,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same from a plan that was made already: what VR_INPUT_REVISE does. */
VrRevision *vr_revision_compose(const VrRollout *rollout, const VrPlan *planned,
                                const VrInventory *scope, gint64 now_us,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Why a person must be asked about it, for people; NULL: the policy allows it. (transfer full) */
char *vr_revision_find_doubt(const VrRollout *rollout, const VrRevision *revision);

void vr_revision_free(VrRevision *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrRevision, vr_revision_free)

G_END_DECLS
