/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way of one host: its VMs leave, gates hold it back, its turn comes, it is updated. */
#pragma once

#include "plan/placement.h"

G_BEGIN_DECLS

/* The host is closed, and its VMs leave for `places`, which are promised. Consumes the places. */
void vr_drain_begin(VrBelt *belt, guint host, VrTurn turn, GArray *places);

/* Of the flow's VMs one has arrived. */
void vr_drain_arrived(VrBelt *belt, guint flow);

/* The host is empty: its gates hold it, and then it waits for its turn to be updated. */
void vr_drain_hold(VrBelt *belt, guint host);

/* All gates that held the host back have passed. */
void vr_drain_released(VrBelt *belt, guint host);

/* The gate of the canary has passed. */
void vr_drain_canary_passed(VrBelt *belt);

/* Starts as many updates of waiting hosts as limits let. */
void vr_drain_start_updates(VrBelt *belt);

void vr_drain_updated(VrBelt *belt, guint host);

G_END_DECLS
