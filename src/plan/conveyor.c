/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/bounds.h"
#include "plan/conveyor.h"

/* How many hosts are tried for the cheapest to vacate, once one is known that works. */
#define VACATE_TRIES_MAX 400

typedef enum {
    PREFER_GROWTH, /* the host that returns most room for the room that it takes */
    PREFER_GIANTS, /* the host with the largest VM, while holes are large */
    PREFER_WHOLE,  /* as growth, all VMs of a host onto one if possible: leaves no splinters */
    PREFERENCES,
} Preference;

typedef struct {
    const VrProblem *problem;
    VrResource binding;
    Preference preference;
    VrCapacity *capacity;
    GArray *updated; /* (element-type guint) in order of their updates */
    GArray *pending; /* (element-type guint) ascending; their drains have not begun */
    gint64 *largest; /* per host: its largest block; -1: not known */
    gboolean has_forward;
    VrConveyor *result;
} Run;

typedef struct {
    guint host;
    gint64 load, growth, largest;
    guint vm_count, extra_min;
} Candidate;

static void
drain_free(gpointer data)
{
    VrDrain *drain = data;

    g_array_unref(drain->moves);
    g_free(drain);
}

static VrConveyor *
conveyor_new(void)
{
    VrConveyor *self = g_new0(VrConveyor, 1);

    self->drains = g_ptr_array_new_with_free_func(drain_free);
    self->stuck = vr_feasibility_obstacles_new();
    return self;
}

/* Room returned for room taken, the growth of planning by one recycled host, in 2^-20. */
static gint64
growth_of(gint64 room, gint64 load)
{
    __int128 growth = ((__int128)room << 20) / MAX(load, 1);

    return growth > G_MAXINT64 ? G_MAXINT64 : (gint64)growth;
}

static int
compare_candidates(gconstpointer a, gconstpointer b, gpointer data)
{
    const Candidate *x = a, *y = b;
    const Run *run = data;

    if (run->preference == PREFER_GIANTS && x->largest != y->largest)
        return x->largest > y->largest ? -1 : 1;
    if (x->growth != y->growth)
        return x->growth > y->growth ? -1 : 1;
    return x->host < y->host ? -1 : x->host > y->host;
}

static int
compare_vacating(gconstpointer a, gconstpointer b, gpointer data)
{
    const Candidate *x = a, *y = b;

    if (x->extra_min != y->extra_min)
        return x->extra_min < y->extra_min ? -1 : 1;
    if (x->vm_count != y->vm_count)
        return x->vm_count < y->vm_count ? -1 : 1;
    return compare_candidates(a, b, data);
}

static Candidate
describe(Run *self, guint host)
{
    const VrCapacity *capacity = self->capacity;
    gint64 load = capacity->loads[host].of[self->binding];
    gint64 room = self->problem->hosts[host].room.of[self->binding];

    if (self->largest[host] < 0)
        self->largest[host] = vr_placement_largest(capacity, host);
    return (Candidate){
        host, load, growth_of(room, load), self->largest[host], capacity->present[host]->len, 0};
}

static gint64
free_in_all(const Run *self, gint64 *out_largest)
{
    gint64 sum = 0;

    *out_largest = 0;
    for (guint i = 0; i < self->updated->len; i++) {
        guint host = g_array_index(self->updated, guint, i);
        gint64 room = MAX(vr_capacity_free(self->capacity, host, self->binding), 0);
        sum += room;
        *out_largest = MAX(*out_largest, room);
    }
    return sum;
}

static int
compare_moves(gconstpointer a, gconstpointer b, gpointer data)
{
    const VrMove *x = a, *y = b;
    const Run *run = data;
    gint64 size_x = run->problem->vms[x->vm].size.of[run->binding];
    gint64 size_y = run->problem->vms[y->vm].size.of[run->binding];

    if (size_x != size_y)
        return size_x > size_y ? -1 : 1;
    return x->vm < y->vm ? -1 : x->vm > y->vm;
}

/* The promises of `moves` are made. Takes the moves. */
static void
commit(Run *self, guint host, GArray *moves)
{
    VrDrain *drain = g_new0(VrDrain, 1);
    guint at = 0;

    drain->host = host;
    drain->moves = moves;
    drain->no_empty = self->updated->len == 0;
    g_array_sort_with_data(moves, compare_moves, self);
    for (guint i = 0; i < moves->len; i++) {
        const VrMove *move = &g_array_index(moves, VrMove, i);
        drain->extra_count += move->extra;
        self->largest[move->target] = -1;
        self->has_forward |= !move->extra;
    }
    self->result->extra_count += drain->extra_count;
    g_ptr_array_add(self->result->drains, drain);
    vr_capacity_commit_drain(self->capacity, host);
    while (g_array_index(self->pending, guint, at) != host)
        at++;
    g_array_remove_index(self->pending, at);
    g_array_append_val(self->updated, host);
}

static int
compare_empty(gconstpointer a, gconstpointer b, gpointer data)
{
    const Run *run = data;
    guint x = *(const guint *)a, y = *(const guint *)b;
    gint64 room_x = run->problem->hosts[x].room.of[run->binding];
    gint64 room_y = run->problem->hosts[y].room.of[run->binding];

    if (room_x != room_y)
        return room_x > room_y ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void
update_empty_hosts(Run *self)
{
    g_autoptr(GArray) empty = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < self->pending->len; i++) {
        guint host = g_array_index(self->pending, guint, i);
        if (self->capacity->present[host]->len == 0)
            g_array_append_val(empty, host);
    }
    g_array_sort_with_data(empty, compare_empty, self);
    for (guint i = 0; i < empty->len; i++)
        commit(self, g_array_index(empty, guint, i), g_array_new(FALSE, FALSE, sizeof(VrMove)));
}

/* Of the first drain with a gate, others than the canary may take VMs only after the gate. */
static gboolean
wants_one_target(const Run *self)
{
    const VrLimits *limits = &self->problem->policy->limits;

    if (self->preference == PREFER_WHOLE)
        return TRUE;
    return !self->has_forward && (limits->gate_s > 0 || limits->gate_canary_s > 0);
}

/* All onto the smallest host that takes all. */
static gboolean
pack_onto_one(Run *self, guint source, GArray *moves)
{
    gint64 load = self->capacity->loads[source].of[self->binding];
    g_autoptr(GArray) tried = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < self->updated->len; i++) {
        guint host = g_array_index(self->updated, guint, i);
        if (vr_capacity_free(self->capacity, host, self->binding) >= load)
            g_array_append_val(tried, host);
    }
    g_array_sort_with_data(tried, compare_empty, self);
    for (guint i = tried->len; i-- > 0;) {
        g_autoptr(GArray) one = g_array_new(FALSE, FALSE, sizeof(guint));
        g_array_append_val(one, g_array_index(tried, guint, i));
        VrTargets targets = {one, NULL};
        if (vr_placement_pack(self->capacity, source, &targets, VR_ORDER_LARGEST, moves, NULL))
            return TRUE;
    }
    return FALSE;
}

/* One host whose VMs all have room on updated hosts: one migration per VM. */
static gboolean
drain_one(Run *self)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    g_autoptr(GArray) moves = g_array_new(FALSE, FALSE, sizeof(VrMove));
    VrTargets targets = {self->updated, NULL};
    gint64 hole, room = free_in_all(self, &hole);

    for (guint i = 0; i < self->pending->len; i++) {
        Candidate candidate = describe(self, g_array_index(self->pending, guint, i));
        if (candidate.load <= room && candidate.largest <= hole)
            g_array_append_val(candidates, candidate);
    }
    g_array_sort_with_data(candidates, compare_candidates, self);
    for (guint i = 0; i < candidates->len; i++) {
        guint host = g_array_index(candidates, Candidate, i).host;
        if ((wants_one_target(self) && pack_onto_one(self, host, moves)) ||
            vr_placement_pack(self->capacity, host, &targets, VR_ORDER_LARGEST, moves, NULL)) {
            commit(self, host, g_steal_pointer(&moves));
            return TRUE;
        }
    }
    return FALSE;
}

static guint
count_extras(const GArray *moves)
{
    guint count = 0;

    for (guint i = 0; i < moves->len; i++)
        count += g_array_index(moves, VrMove, i).extra;
    return count;
}

/* Smallest first needs fewest extras, largest first may fit when that does not. Leaves the promises
 * made. NULL: no place. */
static GArray *
pack_mixed(Run *self, guint host)
{
    VrTargets targets = {self->updated, self->pending};
    g_autoptr(GArray) moves = g_array_new(FALSE, FALSE, sizeof(VrMove));

    if (vr_placement_pack(self->capacity, host, &targets, VR_ORDER_SMALLEST, moves, NULL) ||
        vr_placement_pack(self->capacity, host, &targets, VR_ORDER_LARGEST, moves, NULL))
        return g_steal_pointer(&moves);
    return NULL;
}

/* No host can be emptied onto updated hosts alone: empty the one that needs fewest extras. */
static gboolean
vacate_one(Run *self)
{
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    gint64 hole, room = free_in_all(self, &hole);
    guint best = 0, best_count = G_MAXUINT;

    for (guint i = 0; i < self->pending->len; i++) {
        Candidate candidate = describe(self, g_array_index(self->pending, guint, i));
        candidate.extra_min = vr_bounds_left_over(self->problem, self->binding, room,
                                                  self->capacity->present[candidate.host]);
        g_array_append_val(candidates, candidate);
    }
    g_array_sort_with_data(candidates, compare_vacating, self);
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *candidate = &g_array_index(candidates, Candidate, i);
        if (best_count < G_MAXUINT && (best_count <= candidate->extra_min || i >= VACATE_TRIES_MAX))
            break;
        g_autoptr(GArray) moves = pack_mixed(self, candidate->host);
        vr_capacity_undo(self->capacity, 0);
        if (moves != NULL && count_extras(moves) < best_count) {
            best = candidate->host;
            best_count = count_extras(moves);
        }
    }
    if (best_count == G_MAXUINT)
        return FALSE;
    commit(self, best, pack_mixed(self, best));
    return TRUE;
}

static void
report_stuck(Run *self)
{
    VrTargets targets = {self->updated, self->pending};

    for (guint i = 0; i < self->pending->len; i++) {
        guint host = g_array_index(self->pending, guint, i);
        g_autoptr(GArray) moves = g_array_new(FALSE, FALSE, sizeof(VrMove));
        VrNoPlace no_place = {0};
        gboolean packed =
            vr_placement_pack(self->capacity, host, &targets, VR_ORDER_LARGEST, moves, &no_place);
        g_assert(!packed);
        vr_feasibility_add(self->result->stuck, host,
                           vr_feasibility_explain(self->problem, &no_place));
    }
}

static VrConveyor *
run(const VrProblem *problem, guint pool, Preference preference)
{
    const GArray *hosts = problem->pools[pool].hosts;
    g_autoptr(VrCapacity) capacity = vr_capacity_new(problem, pool);
    g_autoptr(GArray) updated = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) pending = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree gint64 *largest = g_new(gint64, problem->host_count);
    VrConveyor *result = conveyor_new();
    Run self = {problem,    problem->pools[pool].binding,
                preference, capacity,
                updated,    pending,
                largest,    FALSE,
                result};

    for (guint i = 0; i < hosts->len; i++) {
        guint host = g_array_index(hosts, guint, i);
        largest[host] = -1;
        if (problem->hosts[host].role == VR_ROLE_UPDATED)
            g_array_append_val(updated, host);
        if (problem->hosts[host].role == VR_ROLE_UPDATE)
            g_array_append_val(pending, host);
    }
    update_empty_hosts(&self);
    while (pending->len > 0 && (drain_one(&self) || vacate_one(&self)))
        continue;
    report_stuck(&self);
    return result;
}

static gboolean
is_better(const VrConveyor *a, const VrConveyor *b)
{
    if (a->stuck->hosts->len != b->stuck->hosts->len)
        return a->stuck->hosts->len < b->stuck->hosts->len;
    return a->extra_count < b->extra_count;
}

VrConveyor *
vr_conveyor_compute(const VrProblem *problem, guint pool)
{
    gint64 least = vr_bounds_extra_migrations(problem, pool);
    g_autoptr(VrConveyor) best = run(problem, pool, (Preference)0);

    for (guint i = 1; i < PREFERENCES && (best->stuck->hosts->len > 0 || best->extra_count > least);
         i++) {
        g_autoptr(VrConveyor) other = run(problem, pool, (Preference)i);
        if (is_better(other, best)) {
            VrConveyor *worse = best;
            best = g_steal_pointer(&other);
            vr_conveyor_free(worse);
        }
    }
    return g_steal_pointer(&best);
}

void
vr_conveyor_free(VrConveyor *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->drains);
    vr_feasibility_obstacles_free(self->stuck);
    g_free(self);
}
