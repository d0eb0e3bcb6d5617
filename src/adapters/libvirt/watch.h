/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hints: lifecycle events of domains, connections that come and go. */
#pragma once

#include "adapters/libvirt/libvirt-private.h"

G_BEGIN_DECLS

/* Has libvirt report to us about this connection. The id for vr_watch_detach; -1: no events. */
int vr_watch_attach(virConnectPtr connection, VrLibvirtHost *host);
void vr_watch_detach(virConnectPtr connection, int event_id);

/* Tells whoever watches. `uuid` NULL: the connection. */
void vr_watch_tell(VrLibvirtHost *host, const char *uuid, const char *what);

G_END_DECLS
