/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conveyor at one instant of its forecast: where every host and VM is, what is on its way, what
 * is promised to whom. Changed by placement.c (promises), drain.c (hosts) and traffic.c (VMs).
 */
#pragma once

#include "plan/agenda.h"
#include "plan/capacity.h"
#include "plan/free-index.h"
#include "plan/manner.h"
#include "plan/schedule.h"

G_BEGIN_DECLS

#define VR_NONE G_MAXUINT

typedef enum {
    VR_HOST_LEFT,     /* skipped: neither source nor target */
    VR_HOST_OPEN,     /* to be emptied later; may take extras meanwhile */
    VR_HOST_SPARE,    /* empty, kept so */
    VR_HOST_DRAINING, /* closed; each of its VMs has a place */
    VR_HOST_GATED,    /* empty; held back by gates */
    VR_HOST_WAITING,  /* empty; for its turn to be updated */
    VR_HOST_UPDATING,
    VR_HOST_RETURNING, /* the same, and soon updated */
    VR_HOST_UPDATED,
} VrHostState;

/* Targets by how soon they can take VMs. */
typedef enum {
    VR_SHELF_READY, /* updated */
    VR_SHELF_AHEAD, /* on the way to be: a place there may be promised */
    VR_SHELF_OPEN,  /* for extras */
    VR_SHELVES,
} VrShelf;

typedef struct {
    VrHostState state;
    guint vm_count;          /* on it now, those that leave included */
    guint inbound_count;     /* promised to it and not there yet */
    gint64 inbound_link_mib; /* what of its link their migrations will take */
    gint64 cycle_ms;         /* from its first departure until it is updated, undisturbed */
    guint out_count, in_count;
    gint64 out_rate, in_rate;
    guint out_first, out_last; /* VMs that wait to leave it, longest first */
    guint in_first, in_last;   /* flows that wait to come, in the order of their promises */
    guint first_flow;
    gint64 ready_ms; /* when it can take VMs, as far as one can tell; 0: now */
    gint64 gates_end_ms;
    guint update_id;   /* of its update step; 0: not begun */
    guint after;       /* what most migrations onto it come after, once that is known; 0 */
    guint relieved_by; /* id of the update of the host that is spare in its place; 0: none */
    guint tried;       /* the pool's stamp when no place was found for its VMs */
    GArray *guests;    /* (nullable) (element-type guint): its VMs, once extras have come */
    GArray *blocks;    /* (nullable) of `guests` */
    GArray *arrivals;  /* (nullable) (element-type guint): ids of extras onto it */
} VrBeltHost;

typedef struct {
    guint host;
    guint flow;                     /* that it belongs to; VR_NONE: it stays */
    guint out_next, out_previous;   /* that wait to leave the host */
    guint flow_next, flow_previous; /* those of them of the same flow */
    gint64 rate_mib_per_s;          /* while in flight */
    gint64 left_mib;                /* for its step */
    VrChoice choice;
} VrBeltVm;

/* The VMs that go from one source to one target. */
typedef struct {
    guint source, target;
    gboolean extra;
    guint left_count;           /* that have not arrived */
    guint after;                /* of each of its migrations; 0: not known yet */
    guint last_id;              /* of its latest migration; 0: none yet */
    guint gate;                 /* id of its gate; 0: has none, or none yet */
    guint next;                 /* flow of the same source; VR_NONE */
    guint first, last;          /* its VMs that wait, longest first */
    guint in_next, in_previous; /* flows with waiting VMs to the same target */
} VrFlow;

typedef struct {
    guint open_count;       /* hosts that have yet to be drained */
    guint active_count;     /* hosts between the two, extras on their way included */
    guint stamp;            /* changes when there is more room to promise */
    guint spares_missing;   /* that the policy asks for and that no empty host could be */
    guint spares_to_update; /* spare hosts that are to be relieved and updated */
    gint64 drain_ms;        /* mean over its hosts, by their links alone */
    gint64 aside_min;       /* VMs of that size step aside; of the binding resource */
    /* Sums over open hosts; room and load of the binding resource. */
    gint64 open_room, open_load, open_cycle_ms, open_update_ms;
    /* The same over hosts that are on their way to be updated, but on no shelf. */
    gint64 coming_room, coming_update_ms;
    VrFreeIndex *shelves[VR_SHELVES];
    VrAmount frees[VR_SHELVES]; /* sums over the hosts of a shelf */
} VrBeltPool;

typedef struct {
    const VrProblem *problem;
    const VrLimits *limits;
    const VrManner *manner;
    VrCapacity *capacity;
    VrAgenda *agenda;
    VrSchedule *schedule;
    VrBeltHost *hosts;
    VrBeltVm *vms;
    VrBeltPool *pools;
    VrFreeLink *links;
    GArray *flows;   /* (element-type VrFlow) */
    GArray *waiting; /* (element-type guint) hosts to be updated, in order of arrival */
    GArray *sources; /* (element-type guint) hosts that drain, in order of their promises */
    guint *domain_down;
    gint64 now_ms;
    gint64 gate_ms, canary_ms;
    gint64 hosts_down_max, down_count, in_flight_count;
    gint64 extra_budget;  /* voluntary */
    guint pipeline_count; /* hosts that drain, are gated, wait or are down */
    guint canary;         /* VR_NONE: not chosen */
    guint canary_source;
    guint canary_gate; /* id; 0: has not begun */
    gboolean canary_passed;
} VrBelt;

VrBelt *vr_belt_new(const VrProblem *problem, const VrManner *manner);

/* The host's VMs as blocks, largest first. Borrowed until its guests change. */
const GArray *vr_belt_blocks(VrBelt *self, guint host);

void vr_belt_set_state(VrBelt *self, guint host, VrHostState state);

/* A place for the block on the host; and the opposite. */
void vr_belt_promise(VrBelt *self, const VrBlock *block, guint host);
void vr_belt_withdraw(VrBelt *self, const VrBlock *block, guint host);

/* VMs come to an open host: its blocks change. */
void vr_belt_add_guest(VrBelt *self, guint host, guint vm);

/* Appends the ids of the flow's migrations so far. */
void vr_belt_append_ids(const VrBelt *self, const VrFlow *flow, GArray *ids);

/* Adds an open host to the sums of its pool, or takes it out with -1. */
void vr_belt_count_open(VrBelt *self, guint host, gint sign);

/* What the host's VMs use, as long as it is open. */
gint64 vr_belt_load(const VrBelt *self, guint host);

/* Is there room ahead for the VMs of all hosts of the pool that are still to be drained? */
gboolean vr_belt_all_fit(const VrBelt *self, guint pool);

/* May updated hosts other than the canary take VMs? */
gboolean vr_belt_is_past_canary(const VrBelt *self);

static inline VrFlow *
vr_belt_flow(const VrBelt *self, guint index)
{
    return &g_array_index(self->flows, VrFlow, index);
}

void vr_belt_free(VrBelt *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrBelt, vr_belt_free)

G_END_DECLS
