/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a run of the conveyor decided and forecast, as numbers: steps in the order of their start,
 * so that whatever a step comes after has a smaller id. The chosen one becomes a VrPlan (steps.h).
 */
#pragma once

#include "plan/feasibility.h"

G_BEGIN_DECLS

/* Why a host's turn had come. */
typedef enum {
    VR_TURN_EMPTY,    /* it had no VMs */
    VR_TURN_GROWTH,   /* returns most room in the least time */
    VR_TURN_LONGEST,  /* takes longest, and all that is left fits */
    VR_TURN_ORDER,    /* the request says so */
    VR_TURN_EARLY,    /* emptied by extra migrations within the budget, to have more empty hosts */
    VR_TURN_NO_EMPTY, /* no host was updated or empty: needs the fewest extras */
    VR_TURN_NO_FIT,   /* no host's VMs all fitted on updated ones: needs the fewest extras */
    VR_TURN_SEQUENCE, /* on the way with the fewest extras of all (puzzle.h) */
} VrTurn;

/* Why a VM goes where it goes. */
typedef enum {
    VR_CHOICE_FULLEST,  /* has the least room that is enough */
    VR_CHOICE_SOONEST,  /* has the shortest queue on its link */
    VR_CHOICE_LIGHTEST, /* has the least CPU in use */
    VR_CHOICE_SEQUENCE, /* on the way with the fewest extras of all */
} VrChoice;

typedef struct {
    VrStepKind kind;
    guint vm;     /* migrate only */
    guint host;   /* update: the host; migrate and gate: the target */
    guint source; /* migrate and gate */
    guint after;  /* a list of ids; see vr_schedule_add_list */
    guint before; /* migrate: the id of the last one between the same hosts; 0: the first */
    gboolean extra;
    gint64 start_ms, end_ms;
    gint64 rate_mib_per_s;
    gint64 left_mib; /* migrate: free on the target once all promised to it are there */
    VrChoice choice; /* migrate */
} VrEntry;

/* How one host was emptied. */
typedef struct {
    VrTurn turn;
    guint vm_count, target_count, extra_count;
    guint first_target;
} VrDrainNote;

typedef struct {
    guint first, count;
} VrIdList;

typedef struct {
    GArray *entries;    /* (element-type VrEntry); the id of a step is its index + 1 */
    GArray *lists;      /* (element-type VrIdList); the first is empty */
    GArray *ids;        /* (element-type guint) of all lists */
    VrDrainNote *notes; /* per host */
    VrObstacles *stuck; /* hosts that could not be emptied */
    guint extra_count, host_count;
    gint64 makespan_ms, exposure_vm_ms;
} VrSchedule;

VrSchedule *vr_schedule_new(guint host_count);

/* Returns the id. */
guint vr_schedule_append(VrSchedule *self, const VrEntry *entry);

/* For VrEntry.after: the ids are sorted, doubles are left out. */
guint vr_schedule_add_list(VrSchedule *self, GArray *ids);

/* Most steps of a kind at one time; one that ends when another starts is over by then. */
guint vr_schedule_peak(const VrSchedule *self, VrStepKind kind);

void vr_schedule_free(VrSchedule *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrSchedule, vr_schedule_free)

G_END_DECLS
