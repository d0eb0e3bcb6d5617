/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "exact-search.h"

#define STATES_MAX 150000

/*
 * Three bits for each unit's host; above them the updated hosts, and those that units have left:
 * a source is closed from its first migration until it is updated.
 */
#define PLACE_BITS 3
#define UPDATED_SHIFT (EXACT_UNITS_MAX * PLACE_BITS)
#define LEFT_SHIFT (UPDATED_SHIFT + 8)
#define HOSTS_MASK 0xff

static guint
allowed_hosts(const VrInventory *inventory, const VrGroup *group)
{
    guint listed = 0;

    for (guint i = 0; i < group->hosts->len; i++)
        listed |= 1u << vr_inventory_find_host(inventory, g_ptr_array_index(group->hosts, i));
    if (group->rule == VR_GROUP_ONLY_HOSTS)
        return listed;
    return group->rule == VR_GROUP_NEVER_HOSTS ? ~listed : ~0u;
}

/* The cost model at the full rate. */
static gint64
migration_ms(const VrLimits *limits, const VrVm *vm, gint64 link)
{
    gint64 rate = MIN(limits->stream_mib_per_s, link * limits->stream_link_permille / 1000);
    gint64 divisor = MAX(rate, 5 * (rate - vm->dirty_mib_per_s));

    return limits->migration_overhead_ms + (5000 * vm->resident_mib + divisor - 1) / divisor;
}

static void
add_vm(ExactWorld *self, const VrInventory *inventory, const VrPolicy *policy, const VrVm *vm)
{
    const VrGroup *group =
        vm->group_index >= 0 ? vr_inventory_group(inventory, (guint)vm->group_index) : NULL;
    gboolean is_affinity = group != NULL && group->rule == VR_GROUP_AFFINITY;
    guint at = self->unit_count;

    for (guint i = 0; is_affinity && i < self->unit_count; i++)
        at = self->units[i].group == -2 - vm->group_index ? i : at;
    ExactUnit *unit = &self->units[at];
    if (at == self->unit_count) {
        *unit = (ExactUnit){.host = vm->host_index, .group = -1};
        unit->hosts_mask = group != NULL ? allowed_hosts(inventory, group) : ~0u;
        if (is_affinity)
            unit->group = -2 - vm->group_index;
        else if (group != NULL && group->rule == VR_GROUP_ANTI_AFFINITY)
            unit->group = vm->group_index;
        self->unit_count++;
    }
    unit->memory_mib += vm->memory_mib;
    unit->vcpus += vm->vcpus;
    unit->vm_count++;
    unit->time_ms += migration_ms(&policy->limits, vm,
                                  vr_inventory_host(inventory, vm->host_index)->link_mib_per_s);
}

gboolean
exact_world_init(ExactWorld *self, const VrInventory *inventory, const VrPolicy *policy)
{
    *self = (ExactWorld){.host_count = inventory->hosts->len};
    if (inventory->hosts->len > EXACT_HOSTS_MAX || inventory->groups->len > EXACT_UNITS_MAX)
        return FALSE;
    for (guint i = 0; i < inventory->hosts->len; i++) {
        const VrHost *host = vr_inventory_host(inventory, i);
        self->room_mib[i] = host->memory_mib * (1000 - policy->limits.headroom_permille) / 1000;
        self->room_vcpus[i] = host->vcpus;
        self->update_ms[i] = host->update_s * 1000;
        if (host->updated == VR_UPDATED_YES)
            self->updated_mask |= 1u << i;
    }
    for (guint i = 0; i < inventory->groups->len; i++)
        self->group_max[i] = vr_inventory_group(inventory, i)->max_per_host;
    for (guint i = 0; i < inventory->vms->len; i++) {
        if (self->unit_count == EXACT_UNITS_MAX)
            return FALSE;
        add_vm(self, inventory, policy, vr_inventory_vm(inventory, i));
    }
    self->down_max = policy->limits.hosts_down_max;
    if (self->down_max == 0)
        self->down_max = MAX(1, self->host_count * policy->limits.hosts_down_max_permille / 1000);
    return TRUE;
}

gboolean
exact_world_fits(const ExactWorld *self, const guint8 *places, const guint8 *targets, guint unit,
                 guint host)
{
    const ExactUnit *own = &self->units[unit];
    gint64 room_mib = self->room_mib[host] - own->memory_mib;
    gint64 room_vcpus = self->room_vcpus[host] - own->vcpus, members = 1;

    if (!(own->hosts_mask >> host & 1))
        return FALSE;
    for (guint i = 0; i < self->unit_count; i++) {
        gboolean is_there = places[i] == host || (targets != NULL && targets[i] == host);
        if (i == unit || !is_there)
            continue;
        room_mib -= self->units[i].memory_mib;
        room_vcpus -= self->units[i].vcpus;
        members += own->group >= 0 && self->units[i].group == own->group;
    }
    return room_mib >= 0 && room_vcpus >= 0 &&
           (own->group < 0 || members <= self->group_max[own->group]);
}

/* States that have been looked at: a table of keys, 0 for nothing. */
typedef struct {
    guint64 *keys;
    guint count, mask;
} Seen;

/* Where the key is or would be. */
static guint
seen_find(const Seen *self, guint64 key)
{
    guint at = (guint)(((key + 1) * 0x9e3779b97f4a7c15u) >> 32) & self->mask;

    while (self->keys[at] != 0 && self->keys[at] != key + 1)
        at = (at + 1) & self->mask;
    return at;
}

/* FALSE: it was there. */
static gboolean
seen_add(Seen *self, guint64 key)
{
    guint at = seen_find(self, key);

    if (self->keys[at] != 0)
        return FALSE;
    self->keys[at] = key + 1;
    self->count++;
    return TRUE;
}

/* A queue for each number of extra migrations; two of them are far enough apart. */
typedef struct {
    const ExactWorld *world;
    Seen seen;
    GPtrArray *levels; /* (element-type GArray of guint64) */
} Search;

static GArray *
level_at(Search *self, guint level)
{
    while (self->levels->len <= level)
        g_ptr_array_add(self->levels, g_array_new(FALSE, FALSE, sizeof(guint64)));
    return g_ptr_array_index(self->levels, level);
}

/* What is where, in one state. */
typedef struct {
    guint64 key;
    guint updated, left;
    guint8 places[EXACT_UNITS_MAX];
    gint64 free_mib[EXACT_HOSTS_MAX], free_vcpus[EXACT_HOSTS_MAX];
    guint counts[EXACT_HOSTS_MAX]; /* of units */
} State;

static void
state_init(State *self, const ExactWorld *world, guint64 key)
{
    *self = (State){.key = key,
                    .updated = (guint)(key >> UPDATED_SHIFT) & HOSTS_MASK,
                    .left = (guint)(key >> LEFT_SHIFT) & HOSTS_MASK};
    for (guint h = 0; h < world->host_count; h++) {
        self->free_mib[h] = world->room_mib[h];
        self->free_vcpus[h] = world->room_vcpus[h];
    }
    for (guint i = 0; i < world->unit_count; i++) {
        guint8 place = key >> (i * PLACE_BITS) & ((1u << PLACE_BITS) - 1);
        self->places[i] = place;
        self->free_mib[place] -= world->units[i].memory_mib;
        self->free_vcpus[place] -= world->units[i].vcpus;
        self->counts[place]++;
    }
}

static gboolean
has_room(const ExactWorld *world, const State *state, guint unit, guint host)
{
    const ExactUnit *own = &world->units[unit];

    return state->free_mib[host] >= own->memory_mib && state->free_vcpus[host] >= own->vcpus &&
           own->hosts_mask >> host & 1 &&
           (own->group < 0 || exact_world_fits(world, state->places, NULL, unit, host));
}

/* An empty host is updated at once: that costs nothing, and closes no way. */
static guint64
key_after(const State *state, guint unit, guint host)
{
    guint8 from = state->places[unit];
    guint64 updated = state->updated | (state->counts[from] == 1 ? 1u << from : 0);
    guint64 left = (state->left | 1u << from) & ~updated;
    guint64 places = state->key & ((G_GUINT64_CONSTANT(1) << UPDATED_SHIFT) - 1);

    return (places ^ (guint64)(from ^ host) << (unit * PLACE_BITS)) | updated << UPDATED_SHIFT |
           left << LEFT_SHIFT;
}

static void
push_key(Search *self, guint64 key, guint level)
{
    if (self->seen.keys[seen_find(&self->seen, key)] == 0)
        g_array_append_val(level_at(self, level), key);
}

/*
 * What a migration off a host to be updated costs beyond the one that each of its VMs needs anyway:
 * nothing if it brings the VM onto an updated host, where it stays.
 */
static guint
extras_of(guint updated, guint to)
{
    return updated >> to & 1 ? 0 : 1;
}

static void
expand(Search *self, guint64 key, guint level)
{
    const ExactWorld *world = self->world;
    State state;

    state_init(&state, world, key);
    for (guint i = 0; i < world->unit_count; i++) {
        for (guint to = 0; to < world->host_count; to++) {
            if (to == state.places[i] ||
                ((state.updated >> state.places[i] | state.left >> to) & 1) != 0 ||
                !has_room(world, &state, i, to))
                continue;
            guint extras = extras_of(state.updated, to);
            push_key(self, key_after(&state, i, to), level + world->units[i].vm_count * extras);
        }
    }
}

/* With the empty hosts updated. */
static guint64
first_key(const ExactWorld *world)
{
    guint used = 0, all = (1u << world->host_count) - 1;
    guint64 key = 0;

    for (guint i = 0; i < world->unit_count; i++) {
        used |= 1u << world->units[i].host;
        key |= (guint64)world->units[i].host << (i * PLACE_BITS);
    }
    return key | (guint64)(world->updated_mask | (~used & all)) << UPDATED_SHIFT;
}

/* All that can be reached with `level` extra migrations; TRUE when every host is updated. */
static gboolean
search_level(Search *self, guint level)
{
    guint all = (1u << self->world->host_count) - 1;

    while (level_at(self, level)->len > 0 && self->seen.count < STATES_MAX) {
        GArray *queue = level_at(self, level);
        guint64 key = g_array_index(queue, guint64, queue->len - 1);
        g_array_set_size(queue, queue->len - 1);
        if ((key >> UPDATED_SHIFT & HOSTS_MASK) == all)
            return TRUE;
        if (seen_add(&self->seen, key))
            expand(self, key, level);
    }
    return FALSE;
}

ExactOutcome
exact_search_extras(const ExactWorld *world, guint *out_extras)
{
    Search self = {.world = world, .levels = g_ptr_array_new()};
    ExactOutcome outcome = EXACT_IMPOSSIBLE;

    self.seen.mask = (1u << 18) - 1;
    self.seen.keys = g_new0(guint64, self.seen.mask + 1);
    push_key(&self, first_key(world), 0);
    for (guint level = 0; level < self.levels->len && outcome == EXACT_IMPOSSIBLE; level++) {
        if (search_level(&self, level)) {
            outcome = EXACT_FOUND;
            *out_extras = level;
        }
    }
    if (outcome != EXACT_FOUND && self.seen.count >= STATES_MAX)
        outcome = EXACT_TOO_LARGE;
    for (guint i = 0; i < self.levels->len; i++)
        g_array_unref(g_ptr_array_index(self.levels, i));
    g_ptr_array_unref(self.levels);
    g_free(self.seen.keys);
    return outcome;
}
