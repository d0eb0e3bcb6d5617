/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmicrohttpd on one listening socket, run by our main context. */
#pragma once

#include "api/request.h"

G_BEGIN_DECLS

/* Takes the socket. NULL: libmicrohttpd refuses. `is_unix`: its peers are known by their user. */
VrApiListener *vr_api_listener_new(const VrApiOptions *options, int fd, gboolean is_unix);
void vr_api_listener_free(VrApiListener *self);

/* Its answer is there: go on with it. */
void vr_api_listener_wake(VrApiRequest *request);

G_END_DECLS
