/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One read of one side. */
#pragma once

#include "adapters/libvirt/libvirt-private.h"

G_BEGIN_DECLS

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VrReading, vr_reading_clear)

/* Nothing known yet: class unknown. */
void vr_read_init(VrReading *out_reading);

/* A definition to bring the VM back with: inactive, secrets included. (transfer full) nullable */
char *vr_read_definition(virDomainPtr domain);

/*
 * Reads over this one connection, job before state. Blocks. Failure is a reading of class unknown
 * whose detail says why. `generation` is the connection's.
 */
void vr_read_side(virConnectPtr connection, const VrLibvirtHost *host, const char *vm_uuid,
                  VrRole role, guint64 generation, VrReading *out_reading);

G_END_DECLS
