/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast the room of updated hosts can grow at best, if every VM migrates once: what a host's VMs
 * take must be there before they leave, and what they leave counts only after gate and update.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A host with VMs, in one resource. */
typedef struct {
    gint64 room, load, update_ms;
} VrGrowthHost;

/* Room that appears without any drain: an empty host, at the end of its update. */
typedef struct {
    gint64 room, at_ms;
} VrGrowthRoom;

typedef struct {
    GArray *hosts; /* (element-type VrGrowthHost) sorted in place */
    GArray *rooms; /* (element-type VrGrowthRoom) sorted in place */
    gint64 gate_ms;
    gint64 canary_until_ms; /* until then no more than canary_room takes VMs; 0: no canary */
    gint64 canary_room;
    gint64 fill_ms;  /* no host is filled sooner: its link */
    gint64 down_max; /* hosts down at once */
    gint64 aside;    /* load that need not go to updated hosts, nor through a gate: extras */
} VrGrowth;

/*
 * No plan with one migration per VM ends sooner, or none with so much load aside:
 * docs/reference/plan.md has the proof.
 */
gint64 vr_growth_bound_ms(const VrGrowth *self);

G_END_DECLS
