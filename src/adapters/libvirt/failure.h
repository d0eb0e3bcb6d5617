/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's last error of this thread as ours: code, and a message that names host, what was tried,
 * why it failed and what to try next.
 */
#pragma once

#include "adapters/libvirt/libvirt-private.h"

#include <virt-roll/failure.h>

G_BEGIN_DECLS

/* Of a connection that could not be opened. */
void vr_failure_set_connect(GError **error, const char *host, const char *uri);

/* Of a call on `connection`; one that has broken meanwhile is the reason, whatever libvirt says. */
void vr_failure_set_call(GError **error, const char *host, virConnectPtr connection,
                         const char *tried_format, ...) G_GNUC_PRINTF(4, 5);

/* Of a migration: in the domain VR_FAILURE; cut-off: the daemon may still be working on it. */
void vr_failure_set_migration(GError **error, const VrLibvirtHost *source,
                              const VrLibvirtHost *target, const char *vm_uuid,
                              virConnectPtr connection);

/* Of an error of a connection or of a read: what it says of the host. */
VrFailure vr_failure_of_host(const GError *error);

/* libvirt's code of the last error; VIR_ERR_OK if there is none. */
int vr_failure_libvirt_code(void);

G_END_DECLS
