/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/replanning.h"

#include <virt-roll/error.h>

#include "controller/scan.h"

/* (transfer container) NULL-terminated; the strings are the fleet's. */
static const char **
find_lost(const VrFleet *fleet, const VrRollout *rollout)
{
    const char **lost = g_new0(const char *, fleet->hosts->len + 1);
    guint count = 0;

    for (guint i = 0; i < fleet->hosts->len; i++) {
        const char *host = vr_fleet_host(fleet, i)->name;
        if (vr_revision_is_set_aside(rollout, host))
            lost[count++] = host;
    }
    return lost;
}

/* A host may be called by any of its names. */
static const char *
find_name(const VrFleet *fleet, const char *host)
{
    gint index = host != NULL ? vr_fleet_find_host(fleet, host) : -1;

    return index >= 0 ? vr_fleet_host(fleet, (guint)index)->name : host;
}

VrRevision *
vr_replanning_compute(const VrFleet *fleet, VrLibvirt *libvirt, const VrRollout *rollout,
                      const char *skip, const char *reason, GError **error)
{
    /* Before hosts are asked: what forbids it is known here. */
    g_autofree char *obstacle = vr_revision_find_obstacle(rollout);
    if (obstacle != NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED, "the plan cannot be revised now: %s",
                    obstacle);
        return NULL;
    }

    g_autofree const char **lost = find_lost(fleet, rollout);
    g_autoptr(VrInventory) scan =
        vr_scan_fleet(fleet, libvirt, rollout->basis->plan->update_level, TRUE, lost, error);
    if (scan == NULL)
        return NULL;
    return vr_revision_new(rollout, scan, find_name(fleet, skip), reason, g_get_real_time(), error);
}
