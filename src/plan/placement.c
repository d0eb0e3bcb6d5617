/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/placement.h"

/* Targets with room that are compared for one block, and hosts that are looked at for them. */
#define CANDIDATES_MAX 12
#define EMPTIEST_MAX 16
#define VISITS_MAX 512
#define WHOLE_TRIES_MAX 16

/* A queue at a target holds a source up if it is longer than this share of the source's drain. */
#define PATIENCE_PERMILLE 500

/* One search of a target for one block. */
typedef struct {
    const VrBelt *belt;
    guint source;
    const VrBlock *block;
    gint64 patience_ms; /* a queue of so long at the target does not hold up the source */
    gboolean roomy;     /* all that is left fits: spread rather than fill up */
    guint candidates;   /* of this pass over a shelf */
    guint compared;     /* of all */
    guint best;         /* VR_NONE */
    gint64 best_room, best_wait_ms, best_cpu;
} Search;

typedef struct {
    VrBelt *belt;
    guint source;
    const GArray *blocks;
    gint64 patience_ms;
    gboolean roomy;
    GArray *places;
} Packing;

/* Until the host has taken what is promised to it. */
static gint64
wait_ms(const VrBelt *belt, guint host)
{
    const VrBeltHost *at = &belt->hosts[host];
    gint64 link = belt->problem->hosts[host].link_mib_per_s;

    return MAX(at->ready_ms - belt->now_ms, 0) + at->inbound_link_mib * 1000 / link;
}

/* Permille of the host's CPU in use; 0 where that does not count. */
static gint64
cpu_used(const VrBelt *belt, guint host)
{
    const VrProblemHost *own = &belt->problem->hosts[host];
    gint64 max = belt->limits->target_cpu_permille_max;

    if (max == 0 || own->room.of[VR_RESOURCE_CPU] <= 0)
        return 0;
    return max -
           belt->capacity->frees[host].of[VR_RESOURCE_CPU] * max / own->room.of[VR_RESOURCE_CPU];
}

static gboolean
is_better(const Search *self, guint host, gint64 room, gint64 wait, gint64 cpu)
{
    if (self->best == VR_NONE)
        return TRUE;
    gboolean in_time = wait <= self->patience_ms;
    gboolean best_in_time = self->best_wait_ms <= self->patience_ms;
    if (in_time != best_in_time)
        return in_time;
    if (self->roomy && in_time && cpu != self->best_cpu)
        return cpu < self->best_cpu;
    if ((self->roomy || !in_time) && wait != self->best_wait_ms)
        return wait < self->best_wait_ms;
    if (room != self->best_room)
        return room < self->best_room;
    return host < self->best;
}

static void
consider(Search *self, guint host)
{
    const VrBelt *belt = self->belt;

    if (host == self->source || !vr_capacity_has_room(belt->capacity, self->block, host))
        return;
    gint64 room = belt->capacity->frees[host].of[vr_problem_binding(belt->problem, host)];
    gint64 wait = wait_ms(belt, host), cpu = cpu_used(belt, host);
    self->candidates++;
    self->compared++;
    /* Rules are asked last: they take longest. */
    if (!is_better(self, host, room, wait, cpu) ||
        vr_capacity_fit(belt->capacity, self->block, host) != VR_FIT_YES)
        return;
    self->best = host;
    self->best_room = room;
    self->best_wait_ms = wait;
    self->best_cpu = cpu;
}

/*
 * Nothing that comes later on the shelf is better than what was found: hosts of one bucket are as
 * good as equally full.
 */
static gboolean
is_settled(const Search *self)
{
    return self->best != VR_NONE && !self->roomy && self->best_wait_ms <= self->patience_ms;
}

static void
search_fullest(Search *self, const VrFreeIndex *index, gint64 size)
{
    guint visits = 0;

    self->candidates = 0;
    for (guint host = vr_free_index_first(index, size);
         host != VR_NONE && self->candidates < CANDIDATES_MAX && visits < VISITS_MAX &&
         !is_settled(self);
         host = vr_free_index_next(index, host), visits++)
        consider(self, host);
}

static void
search_emptiest(Search *self, const VrFreeIndex *index)
{
    guint visits = 0;

    self->candidates = 0;
    for (guint host = vr_free_index_last(index);
         host != VR_NONE && self->candidates < EMPTIEST_MAX && visits < VISITS_MAX;
         host = vr_free_index_previous(index, host), visits++)
        consider(self, host);
}

/* Fill up the fullest host as long as room is short; otherwise hurry. */
static void
search_shelf(Search *self, VrShelf shelf)
{
    const VrProblem *problem = self->belt->problem;
    guint pool = problem->hosts[self->source].pool;
    const VrFreeIndex *index = self->belt->pools[pool].shelves[shelf];
    gint64 size = self->block->size.of[problem->pools[pool].binding];

    if (self->roomy)
        search_emptiest(self, index);
    if (!self->roomy || self->best == VR_NONE)
        search_fullest(self, index, size);
    if (!self->roomy && self->candidates == CANDIDATES_MAX &&
        self->best_wait_ms > self->patience_ms)
        search_emptiest(self, index);
}

static void
add_place(Packing *self, guint block, const Search *found, gboolean extra)
{
    VrBelt *belt = self->belt;
    VrPlace place = {block, found->best, extra, VR_CHOICE_FULLEST, 0};

    if (found->compared > 1 && found->best_wait_ms > found->patience_ms)
        place.choice = VR_CHOICE_SOONEST;
    else if (found->compared > 1 && found->roomy)
        place.choice =
            belt->limits->target_cpu_permille_max > 0 ? VR_CHOICE_LIGHTEST : VR_CHOICE_SOONEST;
    vr_belt_promise(belt, found->block, place.target);
    place.left_mib = belt->capacity->frees[place.target].of[VR_RESOURCE_MEMORY];
    g_array_append_val(self->places, place);
}

static gboolean
place(Packing *self, guint index, gboolean extra)
{
    Search search = {.belt = self->belt,
                     .source = self->source,
                     .block = &g_array_index(self->blocks, VrBlock, index),
                     .patience_ms = extra ? G_MAXINT64 : self->patience_ms,
                     .roomy = self->roomy && !extra,
                     .best = VR_NONE};

    if (extra) {
        search_shelf(&search, VR_SHELF_OPEN);
    } else {
        search_shelf(&search, VR_SHELF_READY);
        if (search.best == VR_NONE || search.best_wait_ms > search.patience_ms)
            search_shelf(&search, VR_SHELF_AHEAD);
    }
    if (search.best == VR_NONE)
        return FALSE;
    add_place(self, index, &search, extra);
    return TRUE;
}

/* Onto updated hosts as many as possible; what is left over, largest first, elsewhere. */
static gboolean
pack_fewest(Packing *self)
{
    g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = self->blocks->len; i-- > 0;) {
        if (!place(self, i, FALSE))
            g_array_append_val(left, i);
    }
    for (guint i = left->len; i-- > 0;) {
        if (!place(self, g_array_index(left, guint, i), TRUE))
            return FALSE;
    }
    return TRUE;
}

static gboolean
pack_in_order(Packing *self, gboolean forward, gboolean extra)
{
    for (guint i = 0; i < self->blocks->len; i++) {
        if (!(forward && place(self, i, FALSE)) && !(extra && place(self, i, TRUE)))
            return FALSE;
    }
    return TRUE;
}

/*
 * The budget counts VMs, room counts MiB: a large VM that steps aside, onto a host whose turn comes
 * late, leaves room on updated hosts for many small ones.
 */
static gboolean
pack_aside(Packing *self)
{
    const VrBelt *belt = self->belt;
    guint pool = belt->problem->hosts[self->source].pool;
    gint64 left = belt->extra_budget - belt->schedule->extra_count;

    for (guint i = 0; i < self->blocks->len; i++) {
        const VrBlock *block = &g_array_index(self->blocks, VrBlock, i);
        gboolean large =
            block->size.of[belt->problem->pools[pool].binding] >= belt->pools[pool].aside_min;
        if (large && block->count <= left && place(self, i, TRUE))
            left -= block->count;
        else if (!place(self, i, FALSE))
            return FALSE;
    }
    return TRUE;
}

static gboolean
pack(Packing *self, VrPacking packing)
{
    switch (packing) {
    case VR_PACK_FORWARD:
        return pack_in_order(self, TRUE, FALSE);
    case VR_PACK_FEWEST:
        return pack_fewest(self);
    case VR_PACK_LARGEST:
        return pack_in_order(self, TRUE, TRUE);
    case VR_PACK_OPEN:
        return pack_in_order(self, FALSE, TRUE);
    case VR_PACK_ASIDE:
        return pack_aside(self);
    }
    g_assert_not_reached();
}

static Packing
packing_for(VrBelt *belt, guint source, GArray *places)
{
    const VrProblemHost *own = &belt->problem->hosts[source];
    Packing self = {belt, source, vr_belt_blocks(belt, source), 0, FALSE, places};
    gint64 link_mib = 0;

    for (guint i = 0; i < self.blocks->len; i++)
        link_mib += g_array_index(self.blocks, VrBlock, i).link_mib;
    self.patience_ms = link_mib * PATIENCE_PERMILLE / own->link_mib_per_s;
    self.roomy = vr_belt_all_fit(belt, own->pool);
    return self;
}

gboolean
vr_placement_pack(VrBelt *belt, guint source, VrPacking packing, GArray *out_places)
{
    Packing self = packing_for(belt, source, out_places);

    g_assert(out_places->len == 0 && belt->hosts[source].state == VR_HOST_OPEN);
    if (pack(&self, packing))
        return TRUE;
    vr_placement_undo(belt, source, out_places);
    return FALSE;
}

/* On one host that has room for the sum, rules may still forbid it. */
static gboolean
pack_onto(Packing *self, guint target)
{
    for (guint i = 0; i < self->blocks->len; i++) {
        Search found = {.block = &g_array_index(self->blocks, VrBlock, i), .best = target};
        if (vr_capacity_fit(self->belt->capacity, found.block, target) != VR_FIT_YES)
            return FALSE;
        add_place(self, i, &found, FALSE);
    }
    return TRUE;
}

gboolean
vr_placement_pack_whole(VrBelt *belt, guint source, GArray *out_places)
{
    Packing self = packing_for(belt, source, out_places);
    const VrFreeIndex *index =
        belt->pools[belt->problem->hosts[source].pool].shelves[VR_SHELF_READY];
    guint host = vr_free_index_first(index, vr_belt_load(belt, source));

    self.roomy = FALSE;
    for (guint i = 0; i < WHOLE_TRIES_MAX && host != VR_NONE; i++) {
        guint next = vr_free_index_next(index, host); /* the try moves the host */
        if (pack_onto(&self, host))
            return TRUE;
        vr_placement_undo(belt, source, out_places);
        host = next;
    }
    return FALSE;
}

void
vr_placement_undo(VrBelt *belt, guint source, GArray *places)
{
    const GArray *blocks = vr_belt_blocks(belt, source);

    for (guint i = places->len; i-- > 0;) {
        const VrPlace *place = &g_array_index(places, VrPlace, i);
        vr_belt_withdraw(belt, &g_array_index(blocks, VrBlock, place->block), place->target);
    }
    g_array_set_size(places, 0);
}

static gint64
find_missing(const VrBelt *belt, const VrBlock *block, guint host, VrFit fit)
{
    static const VrResource of_fit[] = {
        [VR_FIT_MEMORY] = VR_RESOURCE_MEMORY,
        [VR_FIT_VCPUS] = VR_RESOURCE_VCPUS,
        [VR_FIT_CPU] = VR_RESOURCE_CPU,
    };

    if (fit != VR_FIT_MEMORY && fit != VR_FIT_VCPUS && fit != VR_FIT_CPU)
        return 0;
    return block->size.of[of_fit[fit]] - belt->capacity->frees[host].of[of_fit[fit]];
}

/* Nearest is the target that has most memory, lacking or held back by something other than it. */
static VrNoPlace
find_nearest(const VrBelt *belt, guint source, const VrBlock *block)
{
    VrNoPlace found = {block->vms[0], block->size, -1, VR_FIT_YES, 0};
    const GArray *hosts = belt->problem->pools[belt->problem->hosts[source].pool].hosts;
    gint64 best = G_MININT64;

    for (guint i = 0; i < hosts->len; i++) {
        guint host = g_array_index(hosts, guint, i);
        gint64 room = belt->capacity->frees[host].of[VR_RESOURCE_MEMORY];
        VrHostState state = belt->hosts[host].state;
        if (host == source || (state != VR_HOST_UPDATED && state != VR_HOST_OPEN) ||
            (found.nearest >= 0 && room <= best))
            continue;
        best = room;
        found.nearest = (gint)host;
        found.fit = vr_capacity_fit(belt->capacity, block, host);
        found.missing = find_missing(belt, block, host, found.fit);
    }
    return found;
}

VrNoPlace
vr_placement_explain(VrBelt *belt, guint source)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(VrPlace));
    Packing self = packing_for(belt, source, places);
    gboolean packed = pack_in_order(&self, TRUE, TRUE);
    guint misfit = MIN(places->len, self.blocks->len - 1);
    VrNoPlace found = find_nearest(belt, source, &g_array_index(self.blocks, VrBlock, misfit));

    g_assert(!packed);
    vr_placement_undo(belt, source, places);
    return found;
}
