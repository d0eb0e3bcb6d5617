/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/capacity.h"
#include "plan/puzzle.h"

#define HOSTS_MAX 8
#define BLOCKS_MAX 16
#define PLACE_BITS 3
#define STATES_MAX 200000 /* about a second at worst */
#define ROOT G_MAXUINT

/* Where every block is, and what has become of the hosts: bits by their index in Puzzle. */
typedef struct {
    guint8 places[BLOCKS_MAX];
    guint8 updated;
    guint8 leaving; /* a VM has left it: it is closed until it is updated */
} Board;

/* One placement and the cheapest way to it that is known. */
typedef struct {
    guint64 key;
    guint parent; /* index of the placement before it */
    guint cost;   /* extra migrations so far */
    guint8 block, target;
} State;

typedef struct {
    const VrProblem *problem;
    VrCapacity *capacity; /* as on `board` */
    guint hosts[HOSTS_MAX];
    const VrBlock *blocks[BLOCKS_MAX];
    guint host_count, block_count;
    guint8 anchored; /* hosts with VMs that are in no block: they are never empty */
    Board board;
    GArray *states;    /* (element-type State) of fixed capacity: `known` points into it */
    GHashTable *known; /* key -> State */
    GPtrArray *levels; /* (element-type GArray of guint) by cost: states to go on from */
} Puzzle;

static guint64
pack_board(const Puzzle *self, const Board *board)
{
    guint64 key = (guint64)board->updated << 48 | (guint64)board->leaving << 56;

    for (guint b = 0; b < self->block_count; b++)
        key |= (guint64)board->places[b] << (b * PLACE_BITS);
    return key;
}

/* Moves the ledger of capacity along. */
static void
set_board(Puzzle *self, guint64 key)
{
    self->board.updated = (guint8)(key >> 48);
    self->board.leaving = (guint8)(key >> 56);
    for (guint b = 0; b < self->block_count; b++) {
        guint8 place = key >> (b * PLACE_BITS) & ((1u << PLACE_BITS) - 1);
        if (place == self->board.places[b])
            continue;
        vr_capacity_give(self->capacity, self->blocks[b], self->hosts[self->board.places[b]]);
        vr_capacity_take(self->capacity, self->blocks[b], self->hosts[place]);
        self->board.places[b] = place;
    }
}

/* FALSE: too many. Blocks with a VM that cannot migrate stay where they are. */
static gboolean
add_blocks(Puzzle *self, guint8 local)
{
    const VrProblemHost *host = &self->problem->hosts[self->hosts[local]];

    for (guint i = 0; i < host->blocks->len; i++) {
        const VrBlock *block = &g_array_index(host->blocks, VrBlock, i);
        gboolean movable = TRUE;
        for (guint v = 0; v < block->count; v++)
            movable &= vr_inventory_vm(self->problem->inventory, block->vms[v])->movable;
        if (!movable) {
            self->anchored |= (guint8)(1u << local);
            continue;
        }
        if (self->block_count == BLOCKS_MAX)
            return FALSE;
        self->blocks[self->block_count] = block;
        self->board.places[self->block_count++] = local;
    }
    return TRUE;
}

static gboolean
add_hosts(Puzzle *self)
{
    const VrProblem *problem = self->problem;

    for (guint h = 0; h < problem->host_count; h++) {
        if (problem->hosts[h].role == VR_ROLE_SKIPPED)
            continue;
        if (self->host_count == HOSTS_MAX || problem->hosts[h].rank != G_MAXUINT)
            return FALSE;
        if (problem->hosts[h].role == VR_ROLE_UPDATED)
            self->board.updated |= (guint8)(1u << self->host_count);
        self->hosts[self->host_count] = h;
        if (!add_blocks(self, (guint8)self->host_count++))
            return FALSE;
    }
    return TRUE;
}

/* An empty host is updated at once: that costs nothing, and closes no way. */
static void
update_empty(const Puzzle *self, Board *board)
{
    guint used = self->anchored;

    for (guint b = 0; b < self->block_count; b++)
        used |= 1u << board->places[b];
    board->updated |= (guint8)(~used & ((1u << self->host_count) - 1));
    board->leaving &= (guint8)~board->updated;
}

static void
push(Puzzle *self, State state)
{
    State *known = g_hash_table_lookup(self->known, &state.key);

    if (known != NULL && known->cost <= state.cost)
        return;
    if (known == NULL) {
        if (self->states->len == STATES_MAX)
            return;
        g_array_append_val(self->states, state);
        known = &g_array_index(self->states, State, self->states->len - 1);
        g_hash_table_add(self->known, known);
    } else {
        *known = state;
    }
    guint index = (guint)(known - (const State *)(gpointer)self->states->data);
    while (self->levels->len <= state.cost)
        g_ptr_array_add(self->levels, g_array_new(FALSE, FALSE, sizeof(guint)));
    g_array_append_val((GArray *)g_ptr_array_index(self->levels, state.cost), index);
}

static void
try_hop(Puzzle *self, const State *from, guint index, guint8 block, guint8 target)
{
    Board board = self->board;
    guint8 source = board.places[block];
    gboolean forward = (board.updated >> target & 1) != 0;

    if (source == target || (board.updated >> source & 1) != 0 ||
        (board.leaving >> target & 1) != 0 ||
        vr_capacity_fit(self->capacity, self->blocks[block], self->hosts[target]) != VR_FIT_YES)
        return;
    board.places[block] = target;
    board.leaving |= (guint8)(1u << source);
    update_empty(self, &board);
    push(self, (State){.key = pack_board(self, &board),
                       .parent = index,
                       .cost = from->cost + (forward ? 0 : self->blocks[block]->count),
                       .block = block,
                       .target = target});
}

/* The state with every host updated; ROOT: none. */
static guint
search(Puzzle *self)
{
    guint8 all = (guint8)((1u << self->host_count) - 1);

    for (guint level = 0; level < self->levels->len;) {
        GArray *open = g_ptr_array_index(self->levels, level);
        if (open->len == 0) {
            level++;
            continue;
        }
        guint index = g_array_index(open, guint, open->len - 1);
        g_array_set_size(open, open->len - 1);
        const State *state = &g_array_index(self->states, State, index);
        if (state->cost != level) /* a cheaper way to it was gone already */
            continue;
        set_board(self, state->key);
        if (self->board.updated == all)
            return index;
        for (guint8 b = 0; b < self->block_count; b++) {
            for (guint8 h = 0; h < self->host_count; h++)
                try_hop(self, state, index, b, h);
        }
    }
    return ROOT;
}

static GArray *
trace_back(Puzzle *self, guint end)
{
    GArray *hops = g_array_new(FALSE, FALSE, sizeof(VrHop));

    for (guint at = end;; at = g_array_index(self->states, State, at).parent) {
        const State *state = &g_array_index(self->states, State, at);
        if (state->parent == ROOT)
            break;
        const State *before = &g_array_index(self->states, State, state->parent);
        guint8 source = before->key >> (state->block * PLACE_BITS) & ((1u << PLACE_BITS) - 1);
        VrHop hop = {self->blocks[state->block], self->hosts[source], self->hosts[state->target],
                     state->cost > before->cost};
        g_array_prepend_val(hops, hop);
    }
    return hops;
}

GArray *
vr_puzzle_solve(const VrProblem *problem)
{
    Puzzle self = {.problem = problem, .levels = g_ptr_array_new()};
    GArray *hops = NULL;

    self.capacity = vr_capacity_new(problem, FALSE);
    self.states = g_array_sized_new(FALSE, FALSE, sizeof(State), STATES_MAX);
    self.known = g_hash_table_new(g_int64_hash, g_int64_equal);
    if (problem->pool_count == 1 && problem->policy->limits.spare_hosts_min == 0 &&
        add_hosts(&self)) {
        update_empty(&self, &self.board);
        push(&self, (State){.key = pack_board(&self, &self.board), .parent = ROOT});
        guint end = search(&self);
        hops = end != ROOT ? trace_back(&self, end) : NULL;
    }
    for (guint i = 0; i < self.levels->len; i++)
        g_array_unref(g_ptr_array_index(self.levels, i));
    g_ptr_array_unref(self.levels);
    g_hash_table_unref(self.known);
    g_array_unref(self.states);
    vr_capacity_free(self.capacity);
    return hops;
}
