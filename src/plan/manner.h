/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One way to run the conveyor. None is best for every fleet, so several are tried, and the best
 * result is the plan (search.c).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    VR_PREFER_GROWTH, /* hosts that return most room in the least time */
    VR_PREFER_ROOM,   /* most room, whatever the time */
    VR_PREFER_GIANTS, /* hosts with the largest VM, while holes are large */
} VrPreference;

/* From which state on a place on a host that is not yet updated is promised. */
typedef enum {
    VR_AHEAD_NONE,
    VR_AHEAD_RETURNING,
    VR_AHEAD_UPDATING,
    VR_AHEAD_WAITING,
    VR_AHEAD_GATED,
} VrAhead;

typedef struct {
    VrPreference preference;
    VrAhead ahead;
    gboolean hurry;       /* hosts that take long go first as soon as the end comes near */
    gboolean serial;      /* nothing is promised while anything is under way */
    gboolean whole;       /* all VMs of a host onto one host if that is possible */
    guint near_permille;  /* a host returns so long before it is updated: of a mean drain */
    guint slack_permille; /* who takes long is urgent so long before its last chance: of a cycle */
    guint early_permille; /* of the budget for extras, to empty hosts at the very start */
    guint aside_permille; /* from this size on VMs step aside within the budget: of a mean VM */
    guint shuffle;        /* 0, or a number that shifts the order of hosts by a little, */
    guint shuffle_permille; /* at most so much of a host's key */
} VrManner;

G_END_DECLS
