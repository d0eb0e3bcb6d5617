/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/bounds.h"
#include "plan/cost.h"

/* Far above the logarithmic number of generations of any fleet that gets anywhere. */
#define GENERATIONS_MAX 100000

/* What the bounds of one pool are made of. Only hosts to be updated are in the arrays. */
typedef struct {
    const VrProblem *problem;
    const VrProblemPool *pool;
    GArray *updates;      /* (element-type guint) */
    GArray *loaded;       /* (element-type guint) those of them with VMs */
    VrAmount spare;       /* room of all that take part, less what the VMs use */
    VrAmount waiting;     /* free at once: updated hosts, and empty ones when they are updated */
    gboolean has_updated; /* some updated host can take VMs now */
    gint64 first_ms;      /* the first empty host updated; G_MAXINT64 if there is none */
    gint64 update_min_ms;
    gint64 link_max;
} Pool;

static gint64
update_ms(const VrProblem *problem, guint host)
{
    return vr_inventory_host(problem->inventory, host)->update_s * 1000;
}

/* A host over its own limits gives no negative room to a sum. */
static gint64
room_of(const VrProblemHost *host, VrResource resource)
{
    return MAX(host->room.of[resource], host->load.of[resource]);
}

static void
pool_clear(Pool *self)
{
    g_array_unref(self->updates);
    g_array_unref(self->loaded);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pool, pool_clear)

static void
pool_init(Pool *self, const VrProblem *problem, guint index)
{
    *self = (Pool){.problem = problem,
                   .pool = &problem->pools[index],
                   .updates = g_array_new(FALSE, FALSE, sizeof(guint)),
                   .loaded = g_array_new(FALSE, FALSE, sizeof(guint)),
                   .first_ms = G_MAXINT64,
                   .update_min_ms = G_MAXINT64};
    for (guint i = 0; i < self->pool->hosts->len; i++) {
        guint h = g_array_index(self->pool->hosts, guint, i);
        const VrProblemHost *host = &problem->hosts[h];
        gboolean empty = host->vms->len == 0;
        if (host->role == VR_ROLE_SKIPPED)
            continue;
        self->link_max =
            MAX(self->link_max, vr_inventory_host(problem->inventory, h)->link_mib_per_s);
        for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
            self->spare.of[r] += room_of(host, (VrResource)r) - host->load.of[r];
            if (host->role == VR_ROLE_UPDATED || empty)
                self->waiting.of[r] += room_of(host, (VrResource)r) - host->load.of[r];
        }
        if (host->role == VR_ROLE_UPDATED) {
            self->has_updated = TRUE;
            continue;
        }
        g_array_append_val(self->updates, h);
        self->update_min_ms = MIN(self->update_min_ms, update_ms(problem, h));
        if (empty)
            self->first_ms = MIN(self->first_ms, update_ms(problem, h));
        else
            g_array_append_val(self->loaded, h);
    }
}

static int
compare_descending(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return x > y ? -1 : x < y;
}

guint
vr_bounds_left_over(const VrProblem *problem, VrResource resource, gint64 room, const GArray *vms)
{
    g_autoptr(GArray) sizes = g_array_sized_new(FALSE, FALSE, sizeof(gint64), vms->len);
    gint64 load = 0;
    guint count = 0;

    for (guint i = 0; i < vms->len; i++) {
        gint64 size = problem->vms[g_array_index(vms, guint, i)].size.of[resource];
        g_array_append_val(sizes, size);
        load += size;
    }
    g_array_sort(sizes, compare_descending);
    while (count < sizes->len && load > room)
        load -= g_array_index(sizes, gint64, count++);
    return count;
}

/*
 * The first host that is emptied can put onto updated hosts no more than is free on them by then;
 * the VMs beyond that sit on hosts that are updated later, and migrate once more.
 */
gint64
vr_bounds_extra_migrations(const VrProblem *problem, guint pool)
{
    g_auto(Pool) self;
    guint least = G_MAXUINT;

    pool_init(&self, problem, pool);
    for (guint i = 0; i < self.loaded->len; i++) {
        const GArray *vms = problem->hosts[g_array_index(self.loaded, guint, i)].vms;
        guint count = 0;
        if (!self.has_updated && self.first_ms == G_MAXINT64)
            count = vms->len;
        for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++)
            count =
                MAX(count, vr_bounds_left_over(problem, (VrResource)r, self.waiting.of[r], vms));
        least = MIN(least, count);
    }
    return least == G_MAXUINT ? 0 : least;
}

/*
 * At each instant the hosts that are down, those held empty by a gate (if a plan has one for each
 * of them), and a second place for each VM in flight all come out of the spare room.
 */
static gint64
bound_area(const Pool *self, gint64 gate_ms)
{
    const VrProblem *problem = self->problem;
    const VrLimits *limits = &problem->policy->limits;
    gint64 rate = vr_cost_full_rate(limits, self->link_max, self->link_max), bound = 0;

    for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
        __int128 area = 0;
        if (self->spare.of[r] <= 0)
            continue;
        for (guint i = 0; i < self->updates->len; i++) {
            guint h = g_array_index(self->updates, guint, i);
            const VrProblemHost *host = &problem->hosts[h];
            gint64 closed_ms = update_ms(problem, h) + (host->vms->len > 0 ? gate_ms : 0);
            area += (__int128)room_of(host, (VrResource)r) * closed_ms;
            for (guint j = 0; j < host->vms->len; j++) {
                guint v = g_array_index(host->vms, guint, j);
                area += (__int128)problem->vms[v].size.of[r] *
                        vr_cost_migration_ms(limits, vr_inventory_vm(problem->inventory, v), rate);
            }
        }
        bound = MAX(bound, (gint64)(area / self->spare.of[r]));
    }
    return bound;
}

/* A host's memory leaves through its own link, and then it is updated. */
static gint64
bound_path(const Pool *self, gint64 gate_ms)
{
    const VrInventory *inventory = self->problem->inventory;
    const VrLimits *limits = &self->problem->policy->limits;
    gint64 bound = 0;

    for (guint i = 0; i < self->loaded->len; i++) {
        guint h = g_array_index(self->loaded, guint, i);
        const GArray *vms = self->problem->hosts[h].vms;
        gint64 link = vr_inventory_host(inventory, h)->link_mib_per_s, resident = 0;
        gint64 full = vr_cost_full_rate(limits, link, self->link_max);
        gint64 streams = MAX(limits->migrations_out_per_host, 1);
        gint64 rate = full > link / streams ? MAX(link, full) : full * streams;
        for (guint j = 0; j < vms->len; j++)
            resident += vr_inventory_vm(inventory, g_array_index(vms, guint, j))->resident_mib;
        bound = MAX(bound, (gint64)((__int128)resident * 1000 / rate) + gate_ms +
                               update_ms(self->problem, h));
    }
    return bound;
}

typedef struct {
    gint64 room, load;
} Recycled;

static int
compare_growth(gconstpointer a, gconstpointer b)
{
    const Recycled *x = a, *y = b;
    __int128 left = (__int128)x->room * y->load, right = (__int128)y->room * x->load;

    return left > right ? -1 : left < right;
}

/* The most room that draining `load` can return: best hosts first, the last one in part. */
static gint64
room_returned(const GArray *hosts, gint64 load)
{
    gint64 room = 0;

    for (guint i = 0; i < hosts->len; i++) {
        const Recycled *host = &g_array_index(hosts, Recycled, i);
        if (host->load > load)
            return room + (gint64)((__int128)host->room * load / host->load) + 1;
        room += host->room;
        load -= host->load;
    }
    return room;
}

/*
 * Generations: VMs leave only for room on updated hosts; what they free counts only after its gate
 * and update; so room grows at most by the best ratio of room to load in each such time.
 */
static gint64
bound_generations(const Pool *self, gint64 start_ms, gint64 gate_ms)
{
    gint64 bound = 0, step_ms = self->update_min_ms + gate_ms;

    for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
        g_autoptr(GArray) hosts = g_array_new(FALSE, FALSE, sizeof(Recycled));
        gint64 load = 0, room = self->waiting.of[r], count = 0;
        for (guint i = 0; i < self->loaded->len; i++) {
            const VrProblemHost *host =
                &self->problem->hosts[g_array_index(self->loaded, guint, i)];
            Recycled own = {room_of(host, (VrResource)r), host->load.of[r]};
            g_array_append_val(hosts, own);
            load += own.load;
        }
        g_array_sort(hosts, compare_growth);
        while (room < load && count < GENERATIONS_MAX) {
            gint64 next = self->waiting.of[r] + room_returned(hosts, room);
            if (next <= room)
                break;
            room = next;
            count++;
        }
        bound = MAX(bound, start_ms + (count + 1) * step_ms);
    }
    return bound;
}

/* Updates of the whole fleet, at most so many at once. */
static gint64
bound_count(const VrProblem *problem)
{
    gint64 down_max = vr_policy_hosts_down_max(problem->policy, problem->host_count);
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
    gint64 sum = 0, bound = 0;

    for (guint h = 0; h < problem->host_count; h++) {
        gint64 time_ms = update_ms(problem, h);
        if (problem->hosts[h].role != VR_ROLE_UPDATE)
            continue;
        g_array_append_val(times, time_ms);
        sum += time_ms;
    }
    g_array_sort(times, compare_descending);
    /* Of the j × down_max + 1 longest, some j + 1 come one after the other. */
    for (gint64 j = 0; j * down_max < times->len; j++)
        bound = MAX(bound, (j + 1) * g_array_index(times, gint64, (guint)(j * down_max)));
    return MAX(bound, (sum + down_max - 1) / down_max);
}

VrBounds
vr_bounds_compute(const VrProblem *problem)
{
    const VrLimits *limits = &problem->policy->limits;
    gint64 gate_ms = limits->gate_s * 1000;
    gint64 canary_ms = MAX(limits->gate_s, limits->gate_canary_s) * 1000;
    gint64 first_ms = G_MAXINT64, update_min_ms = G_MAXINT64, one_ms = 0;
    VrBounds bounds = {0, bound_count(problem), 0};

    for (guint p = 0; p < problem->pool_count; p++) {
        g_auto(Pool) pool;
        pool_init(&pool, problem, p);
        if (pool.updates->len == 0)
            continue;
        bounds.migrations += vr_bounds_extra_migrations(problem, p);
        for (guint i = 0; i < pool.loaded->len; i++)
            bounds.migrations += problem->hosts[g_array_index(pool.loaded, guint, i)].vms->len;
        bounds.makespan_ms = MAX(bounds.makespan_ms, bound_area(&pool, 0));
        bounds.makespan_ms = MAX(bounds.makespan_ms, bound_path(&pool, 0));
        update_min_ms = MIN(update_min_ms, pool.update_min_ms);
        if (pool.loaded->len == 0)
            continue;
        first_ms = MIN(first_ms, pool.has_updated ? 0 : pool.update_min_ms);
        if (!pool.has_updated && pool.first_ms == G_MAXINT64)
            continue;
        gint64 start_ms = pool.has_updated ? 0 : pool.first_ms;
        one_ms = MAX(one_ms, bound_area(&pool, gate_ms));
        one_ms = MAX(one_ms, start_ms + bound_path(&pool, gate_ms));
        one_ms = MAX(one_ms, bound_generations(&pool, start_ms, gate_ms));
    }
    /* The first host that gives VMs to an updated one waits for the canary's gate. */
    if (first_ms < G_MAXINT64)
        bounds.makespan_ms = MAX(bounds.makespan_ms, first_ms + canary_ms + update_min_ms);
    bounds.makespan_one_migration_ms = MAX(one_ms, bounds.makespan_ms);
    return bounds;
}
