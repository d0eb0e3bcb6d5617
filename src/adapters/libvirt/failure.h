/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt's last error of this thread as ours: code, and a message that names host, what was tried,
 * why it failed and what to try next.
 */
#pragma once

#include "adapters/libvirt/libvirt-private.h"

G_BEGIN_DECLS

/* Of a connection that could not be opened. */
void vr_failure_set_connect(GError **error, const char *host, const char *uri);

/* Of a call on `connection`; one that has broken meanwhile is the reason, whatever libvirt says. */
void vr_failure_set_call(GError **error, const char *host, virConnectPtr connection,
                         const char *tried_format, ...) G_GNUC_PRINTF(4, 5);

/* Of a migration: only unreachable, cancelled, refused or failed. */
void vr_failure_set_migration(GError **error, const VrLibvirtHost *source,
                              const VrLibvirtHost *target, const char *vm_uuid,
                              virConnectPtr connection);

/* libvirt's code of the last error; VIR_ERR_OK if there is none. */
int vr_failure_libvirt_code(void);

G_END_DECLS
