/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning anew what is left of a rollout: what diff, replan, skip and run share. */
#pragma once

#include <virt-roll/fleet.h>
#include <virt-roll/revision.h>

#include "adapters/libvirt/hypervisor.h"

G_BEGIN_DECLS

/*
 * Scans the fleet, the hosts that are lost apart, and plans anew. `skip` (nullable): a host of the
 * fleet to leave out for `reason`. Errors of the scan and of vr_revision_new.
 */
VrRevision *vr_replanning_compute(const VrFleet *fleet, VrLibvirt *libvirt,
                                  const VrRollout *rollout, const char *skip, const char *reason,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
