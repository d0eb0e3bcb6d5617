/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections to the daemons. Opening one may block in the system for minutes, so it happens in a
 * thread of its own that is left to itself once the deadline has passed.
 */
#pragma once

#include "adapters/libvirt/libvirt-private.h"

G_BEGIN_DECLS

/* Once per process, before the first connection. */
void vr_connection_prepare_process(void);

/*
 * The host's control connection, opened if there is none that lives. Blocks up to the connect
 * deadline; shortly after a failure it fails again without trying. `out_generation` may be NULL.
 */
virConnectPtr vr_connection_acquire(VrLibvirtHost *host, guint64 *out_generation, GError **error);

/* A further connection to the host, for the caller alone; to the same machine. */
virConnectPtr vr_connection_open_own(VrLibvirtHost *host, GError **error);

/* The host's UUID as its control connection knows it; NULL: not known. (transfer full) */
char *vr_connection_dup_uuid(VrLibvirtHost *host);

/* Closes all control connections, each in a worker; waits for that no longer than until then. */
void vr_connection_close_all(VrLibvirt *self, gint64 deadline_us);

G_END_DECLS
