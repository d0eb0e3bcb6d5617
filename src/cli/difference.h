/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a revision changes against the present plan, as a value: what diff, replan and run show. */
#pragma once

#include <virt-roll/revision.h>

G_BEGIN_DECLS

/* A VM that one of both plans migrates, or both; strings borrowed from the rollout or revision. */
typedef struct {
    const char *vm;
    const char *vm_uuid;
    const char *source; /* where the new plan fetches it; else where the present one would */
    const char *before; /* last target by the present plan; NULL: it is not to migrate */
    const char *after;  /* by the new plan; NULL */
    gboolean is_there;  /* the scan has it */
} VrMovedVm;

typedef struct {
    const char *host;
    const VrPlanSkip *skip; /* (nullable) why it is left out; NULL: it is set aside */
    const char *reason;     /* (nullable) of one that is set aside */
} VrLeftHost;

typedef struct {
    GArray *vms; /* (element-type VrMovedVm) those with another target, or in one plan only */
    GArray *left_hosts;                  /* (element-type VrLeftHost) no longer to be updated */
    guint migrations_before, migrations; /* that are left to do */
    guint extras_before, extras;         /* of them */
    guint updates_before, updates;       /* that are left to do */
    guint gates;                         /* renewed, or watching and kept */
    gint64 end_before_us, end_us;        /* forecast */
} VrDifference;

VrDifference *vr_difference_new(const VrRollout *rollout, const VrRevision *revision,
                                gint64 now_us);
/* Nothing else is done than before, or in another order. */
gboolean vr_difference_is_none(const VrDifference *self);
void vr_difference_free(VrDifference *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrDifference, vr_difference_free)

G_END_DECLS
