/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypervisor port over libvirt. Blocking calls run in bounded pools: one for short calls, one
 * sized to the migrations, so that long migrations cannot starve reads. One control connection per
 * host, one of its own per running migration. Needs the default GMainContext to be iterated
 * (keepalive, events) from vr_libvirt_new until vr_libvirt_free.
 */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

typedef struct VrLibvirt VrLibvirt;

/* Connects to nothing yet. The fleet must outlive it. Once per process. */
VrLibvirt *vr_libvirt_new(const VrFleet *fleet);
VrHypervisor vr_libvirt_port(VrLibvirt *self);

/*
 * Connects to every host of the fleet at once and scans it: blocks, up to the connect deadline of
 * the slowest. Hosts in the fleet's order; `updated` is left not-assessed. Any host that cannot be
 * read: VR_ERROR_UNREACHABLE naming every such host, why, and what to try. Two hosts with one host
 * UUID, or one running VM UUID on two hosts: VR_ERROR_INVALID naming both.
 * With definitions: of every active VM, for the journal only. Hosts that `may_be_lost` (nullable)
 * names are left out if they cannot be read.
 * Not sealed: the caller adds update levels and groups. Must not run on the main context's thread
 * unless that context is iterated elsewhere.
 */
VrInventory *vr_libvirt_scan(VrLibvirt *self, gboolean with_definitions,
                             const char *const *may_be_lost,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The machines that the hosts were when this inventory was taken: another one that answers under
 * such a name is not read. Before the first call; what is not known there is learned at the first
 * connection.
 */
void vr_libvirt_expect(VrLibvirt *self, const VrInventory *inventory);

/* Stops watching, closes every connection; calls in flight end first or are cut off. */
void vr_libvirt_free(VrLibvirt *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrLibvirt, vr_libvirt_free)

G_END_DECLS
