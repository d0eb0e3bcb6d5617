/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back of the VMs that came to a host in alert. Each goes to its own source if that is not
 * updated and up (a refuge is kept for just that), else to another such host with room; once per
 * rollout. Never onto an updated host: whether the update is to blame is not known yet.
 */
#pragma once

#include <virt-roll/rollout.h>

G_BEGIN_DECLS

typedef struct {
    VrPlan *plan;       /* that of the rollout, with the way back at its end … */
    guint from;         /* … from this index on */
    GPtrArray *staying; /* (element-type utf8) UUIDs of the VMs that can go nowhere */
    GString *reasons;   /* why, for people */
} VrWayBack;

/*
 * A quarantine of the host, if it is in none, and steps for the VMs that are there and have none
 * yet that takes them off it, but for those that are `staying` (nullable; element-type utf8)
 * already. NULL: nothing is left to do, or a refuge is just being closed and one has to wait for
 * that.
 */
VrWayBack *vr_way_back_compose(const VrRollout *rollout, const char *host, const GPtrArray *staying,
                               gint64 now_us);

/* The one step that opens a quarantined host again. */
VrWayBack *vr_way_back_reopen(const VrRollout *rollout, const char *host, gint64 now_us);

void vr_way_back_free(VrWayBack *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrWayBack, vr_way_back_free)

G_END_DECLS
