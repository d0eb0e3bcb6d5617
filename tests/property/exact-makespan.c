/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shortest makespan, by A* over all schedules in which each step starts at the beginning or
 * when another one ends; a best one is among them.
 */
#include <string.h>

#include "exact-search.h"

#define NODES_MAX 400000
#define TABLE_SIZE (1u << 20)

/* Bytes are compared and hashed: no padding, unused parts 0. */
typedef struct {
    gint32 migration_left_ms[EXACT_UNITS_MAX]; /* 0: at rest */
    gint32 update_left_ms[EXACT_HOSTS_MAX + 2];
    guint8 places[EXACT_UNITS_MAX];
    guint8 targets[EXACT_UNITS_MAX];        /* the place, at rest */
    guint8 updated, updating, extras, last; /* last: action at this instant, from 1 */
} State;

typedef struct {
    State state;
    gint64 now_ms, bound_ms;
    gboolean closed;
} Node;

typedef struct {
    const ExactWorld *world;
    guint extras_max;
    GArray *nodes; /* (element-type Node) */
    GArray *open;  /* (element-type guint) a heap by bound */
    guint *table;  /* indices of nodes + 1, by state */
} Search;

static Node *
node_at(const Search *self, guint index)
{
    return &g_array_index(self->nodes, Node, index);
}

static guint
hash_of(const State *state)
{
    const guint32 *words = (const guint32 *)(gconstpointer)state;
    guint64 hash = 0;

    for (guint i = 0; i < sizeof *state / sizeof *words; i++)
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u + (hash >> 29);
    return (guint)(hash >> 40) & (TABLE_SIZE - 1);
}

/* No schedule from here is shorter: each host has its VMs to give, one by one, and its update. */
static gint64
left_at_least(const ExactWorld *world, const State *state)
{
    gint64 updates_ms = 0, bound_ms = 0;

    for (guint h = 0; h < world->host_count; h++) {
        gint64 left_ms = state->update_left_ms[h];
        if (!(state->updated >> h & 1) && left_ms == 0)
            left_ms = world->update_ms[h];
        updates_ms += state->updated >> h & 1 ? 0 : left_ms;
        for (guint i = 0; !(state->updated >> h & 1) && i < world->unit_count; i++) {
            gint64 flying_ms = state->migration_left_ms[i];
            if (state->places[i] == h)
                left_ms += flying_ms > 0 ? flying_ms : world->units[i].time_ms;
        }
        bound_ms = MAX(bound_ms, state->updated >> h & 1 ? 0 : left_ms);
    }
    for (guint i = 0; i < world->unit_count; i++)
        bound_ms = MAX(bound_ms, state->migration_left_ms[i]);
    return MAX(bound_ms, (updates_ms + world->down_max - 1) / world->down_max);
}

static gboolean
is_less(const Search *self, guint a, guint b)
{
    const Node *x = node_at(self, a), *y = node_at(self, b);

    /* Of equal bounds the one that has come farther. */
    return x->bound_ms != y->bound_ms ? x->bound_ms < y->bound_ms : x->now_ms > y->now_ms;
}

static void
push_open(Search *self, guint index)
{
    guint at = self->open->len;

    g_array_append_val(self->open, index);
    guint *heap = (guint *)(gpointer)self->open->data;
    for (; at > 0 && is_less(self, index, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = index;
}

static guint
pop_open(Search *self)
{
    guint *heap = (guint *)(gpointer)self->open->data, first = heap[0];
    guint count = self->open->len - 1, last = heap[count], at = 0;

    g_array_set_size(self->open, count);
    for (guint child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_less(self, heap[child + 1], heap[child]))
            child++;
        if (!is_less(self, heap[child], last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    if (count > 0)
        heap[at] = last;
    return first;
}

/* Remembers the state, unless it was reached as early before. */
static void
add_state(Search *self, const State *state, gint64 now_ms)
{
    guint at = hash_of(state);
    Node node = {*state, now_ms, now_ms + left_at_least(self->world, state), FALSE};

    for (; self->table[at] != 0; at = (at + 1) & (TABLE_SIZE - 1)) {
        Node *other = node_at(self, self->table[at] - 1);
        if (memcmp(&other->state, state, sizeof *state) != 0)
            continue;
        if (other->now_ms <= now_ms)
            return;
        other->closed = TRUE;
        break;
    }
    g_array_append_val(self->nodes, node);
    self->table[at] = self->nodes->len;
    push_open(self, self->nodes->len - 1);
}

/* On to the next end. FALSE: nothing runs. */
static gboolean
advance(const ExactWorld *world, State *state, gint64 *now_ms)
{
    gint32 next_ms = G_MAXINT32;

    for (guint i = 0; i < world->unit_count; i++)
        next_ms =
            state->migration_left_ms[i] > 0 ? MIN(next_ms, state->migration_left_ms[i]) : next_ms;
    for (guint h = 0; h < world->host_count; h++)
        next_ms = state->updating >> h & 1 ? MIN(next_ms, state->update_left_ms[h]) : next_ms;
    if (next_ms == G_MAXINT32)
        return FALSE;
    for (guint i = 0; i < world->unit_count; i++) {
        if (state->migration_left_ms[i] == 0)
            continue;
        state->migration_left_ms[i] -= next_ms;
        if (state->migration_left_ms[i] == 0)
            state->places[i] = state->targets[i];
    }
    for (guint h = 0; h < world->host_count; h++) {
        if (!(state->updating >> h & 1))
            continue;
        state->update_left_ms[h] -= next_ms;
        if (state->update_left_ms[h] > 0)
            continue;
        state->updating &= (guint8) ~(1u << h);
        state->updated |= (guint8)(1u << h);
    }
    state->last = 0;
    *now_ms += next_ms;
    return TRUE;
}

static gboolean
has_free_slots(const ExactWorld *world, const State *state, guint source, guint target)
{
    for (guint i = 0; i < world->unit_count; i++) {
        if (state->migration_left_ms[i] > 0 &&
            (state->places[i] == source || state->targets[i] == target))
            return FALSE;
    }
    return TRUE;
}

static gboolean
start_migration(const Search *self, State *state, guint unit, guint8 target)
{
    const ExactWorld *world = self->world;
    guint8 source = state->places[unit];
    gboolean was_done = state->updated >> source & 1, is_done = state->updated >> target & 1;
    guint extras =
        world->units[unit].vm_count * (1u + (was_done && !is_done) - (!was_done && is_done));

    if (target == source || state->migration_left_ms[unit] > 0 || state->updating >> target & 1 ||
        state->extras + extras > self->extras_max ||
        !has_free_slots(world, state, source, target) ||
        !exact_world_fits(world, state->places, state->targets, unit, target))
        return FALSE;
    state->targets[unit] = target;
    state->migration_left_ms[unit] = (gint32)world->units[unit].time_ms;
    state->extras += (guint8)extras;
    return TRUE;
}

static gboolean
start_update(const ExactWorld *world, State *state, guint host)
{
    if ((state->updated | state->updating) >> host & 1 ||
        __builtin_popcount(state->updating) >= world->down_max)
        return FALSE;
    for (guint i = 0; i < world->unit_count; i++) {
        if (state->places[i] == host || state->targets[i] == host)
            return FALSE;
    }
    state->updating |= (guint8)(1u << host);
    state->update_left_ms[host] = (gint32)world->update_ms[host];
    return TRUE;
}

/* What may happen next; steps that start together do so in one order only. */
static void
expand(Search *self, const Node *node)
{
    const ExactWorld *world = self->world;
    guint count = (world->unit_count + 1) * world->host_count;
    State state = node->state;
    gint64 now_ms = node->now_ms;

    for (guint action = node->state.last; action < count; action++) {
        State next = node->state;
        guint unit = action / world->host_count, host = action % world->host_count;
        gboolean started = unit < world->unit_count
                               ? start_migration(self, &next, unit, (guint8)host)
                               : start_update(world, &next, host);
        next.last = (guint8)(action + 1);
        if (started)
            add_state(self, &next, now_ms);
    }
    if (advance(world, &state, &now_ms))
        add_state(self, &state, now_ms);
}

static ExactOutcome
search(Search *self, gint64 *out_ms)
{
    guint all = (1u << self->world->host_count) - 1;

    while (self->open->len > 0 && self->nodes->len < NODES_MAX) {
        guint index = pop_open(self);
        Node node = *node_at(self, index);
        if (node.closed)
            continue;
        if (node.state.updated == all && node.bound_ms == node.now_ms) {
            *out_ms = node.now_ms;
            return EXACT_FOUND;
        }
        expand(self, &node);
    }
    return self->open->len > 0 ? EXACT_TOO_LARGE : EXACT_IMPOSSIBLE;
}

ExactOutcome
exact_search_makespan(const ExactWorld *world, guint extras_max, gint64 *out_ms)
{
    g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(Node));
    g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree guint *table = g_new0(guint, TABLE_SIZE);
    Search self = {world, extras_max, nodes, open, table};
    State start = {.updated = (guint8)world->updated_mask};

    for (guint i = 0; i < world->unit_count; i++)
        start.places[i] = start.targets[i] = (guint8)world->units[i].host;
    add_state(&self, &start, 0);
    return search(&self, out_ms);
}
