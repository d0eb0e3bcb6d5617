/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inventory of a fleet: what libvirt tells, and the update level that the facts stage tells. */
#pragma once

#include <virt-roll/fleet.h>
#include <virt-roll/inventory.h>

#include "adapters/libvirt/hypervisor.h"

G_BEGIN_DECLS

/*
 * Scans every host; sealed. `level` (nullable): hosts at it are `updated`, others are not; hosts
 * without a facts stage stay not-assessed. With definitions, may be lost: as vr_libvirt_scan;
 * those that may be lost are not asked for facts. Errors as of
 * vr_libvirt_scan, and VR_ERROR_FAILED when a facts stage fails (which host, its last line). Call
 * on the main thread: it iterates the default main context while the scan runs.
 */
VrInventory *vr_scan_fleet(const VrFleet *fleet, VrLibvirt *libvirt, const char *level,
                           gboolean with_definitions, const char *const *may_be_lost,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
