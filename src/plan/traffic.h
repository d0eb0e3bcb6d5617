/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations of the forecast: who waits for whom, who starts, at which rate. */
#pragma once

#include "plan/belt.h"

G_BEGIN_DECLS

/* The VM belongs to a flow: from now on it starts as soon as slots, links and its target let it. */
void vr_traffic_queue(VrBelt *belt, guint vm);

/* Starts what waits to leave the host, or to come to it, as far as it can. */
void vr_traffic_wake_source(VrBelt *belt, guint host);
void vr_traffic_wake_target(VrBelt *belt, guint host);

/* The VM has arrived: its links and slots are free again, and what waited for them starts. */
void vr_traffic_end(VrBelt *belt, guint vm);

G_END_DECLS
