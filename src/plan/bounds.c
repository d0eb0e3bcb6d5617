/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/bounds.h"
#include "plan/growth.h"
#include "plan/spare.h"

/* What the bounds of one pool are made of. Only hosts to be updated are in the arrays. */
typedef struct {
    const VrProblem *problem;
    const VrProblemPool *pool;
    GArray *updates;      /* (element-type guint) */
    GArray *loaded;       /* (element-type guint) those of them with VMs */
    VrAmount spare;       /* room of all that take part, less what the VMs use */
    VrAmount waiting;     /* free at once: updated hosts, and empty ones when they are updated */
    gboolean has_empty;   /* some empty host can take VMs once it is updated */
    gboolean has_updated; /* some updated host can take VMs now */
    gint64 first_ms;      /* the first empty host updated; G_MAXINT64 if there is none */
    gint64 update_min_ms;
    gint64 link_max, link_min;
    /* Of the VMs that must migrate: */
    gint64 migration_min_ms;
    __int128 migrations_ms;             /* sum */
    __int128 flight_area[VR_RESOURCES]; /* sums of size times time */
    gint64 drain_max_ms;                /* the longest drain with the update after it */
    gint64 size_max[VR_RESOURCES];      /* most size per link, as size and link of one VM */
    gint64 link_of_size_max[VR_RESOURCES];
} Pool;

/* A host over its own limits gives no negative room to a sum. */
static gint64
room_of(const VrProblemHost *host, VrResource resource)
{
    return MAX(host->room.of[resource], host->load.of[resource]);
}

/* Of times that may be "never". */
static gint64
add_ms(gint64 a, gint64 b)
{
    return a > G_MAXINT64 - b ? G_MAXINT64 : a + b;
}

static int
compare_descending(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return x > y ? -1 : x < y;
}

static void
pool_clear(Pool *self)
{
    g_array_unref(self->updates);
    g_array_unref(self->loaded);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pool, pool_clear)

static void
add_host(Pool *self, guint index)
{
    const VrProblemHost *host = &self->problem->hosts[index];
    gboolean empty = host->vms->len == 0;

    if (host->role == VR_ROLE_SKIPPED)
        return;
    self->link_max = MAX(self->link_max, host->link_mib_per_s);
    self->link_min = MIN(self->link_min, host->link_mib_per_s);
    for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
        self->spare.of[r] += room_of(host, (VrResource)r) - host->load.of[r];
        if (host->role == VR_ROLE_UPDATED || empty)
            self->waiting.of[r] += room_of(host, (VrResource)r) - host->load.of[r];
    }
    if (host->role == VR_ROLE_UPDATED) {
        self->has_updated = TRUE;
        return;
    }
    g_array_append_val(self->updates, index);
    self->update_min_ms = MIN(self->update_min_ms, host->update_ms);
    if (empty)
        self->first_ms = MIN(self->first_ms, host->update_ms);
    else
        g_array_append_val(self->loaded, index);
}

/* Spare hosts take no VMs: the smallest, so that no plan can have more room at the start. */
static void
keep_spares(Pool *self, guint count)
{
    guint empty_count = 0;

    for (guint r = 0; r <= VR_RESOURCE_VCPUS && count > 0; r++) {
        g_autoptr(GArray) rooms = g_array_new(FALSE, FALSE, sizeof(gint64));
        for (guint i = 0; i < self->pool->hosts->len; i++) {
            const VrProblemHost *host =
                &self->problem->hosts[g_array_index(self->pool->hosts, guint, i)];
            gint64 room = room_of(host, (VrResource)r);
            if (host->vms->len == 0 && host->role != VR_ROLE_SKIPPED)
                g_array_append_val(rooms, room);
        }
        g_array_sort(rooms, compare_descending);
        empty_count = rooms->len;
        for (guint i = 0; i < MIN(count, empty_count); i++)
            self->waiting.of[r] -= g_array_index(rooms, gint64, empty_count - 1 - i);
    }
    self->has_empty = empty_count > count || (count == 0 && self->first_ms < G_MAXINT64);
}

static void
pool_init(Pool *self, const VrProblem *problem, guint index)
{
    *self = (Pool){.problem = problem,
                   .pool = &problem->pools[index],
                   .updates = g_array_new(FALSE, FALSE, sizeof(guint)),
                   .loaded = g_array_new(FALSE, FALSE, sizeof(guint)),
                   .first_ms = G_MAXINT64,
                   .update_min_ms = G_MAXINT64,
                   .link_min = G_MAXINT64};
    for (guint i = 0; i < self->pool->hosts->len; i++)
        add_host(self, g_array_index(self->pool->hosts, guint, i));
    keep_spares(self, vr_spare_needed(problem, index));
}

/* At any rate that a migration can have, it takes at least so much of each of its links. */
static gint64
least_link_mib(const VrLimits *limits, const VrCargo *cargo, gint64 rate_min, gint64 rate_max)
{
    gint64 effective = MAX(rate_max, 5 * (rate_max - cargo->dirty_mib_per_s));

    return rate_min * limits->migration_overhead_ms / 1000 +
           (gint64)((__int128)5 * cargo->resident_mib * rate_max / effective);
}

static void
measure_drain(Pool *self, guint index)
{
    const VrProblem *problem = self->problem;
    const VrLimits *limits = &problem->policy->limits;
    const VrProblemHost *host = &problem->hosts[index];
    gint64 rate_max = vr_cost_full_rate(limits, host->link_mib_per_s, self->link_max);
    gint64 rate_min =
        vr_cost_least_rate(vr_cost_full_rate(limits, host->link_mib_per_s, self->link_min));
    gint64 link_mib = 0, sum_ms = 0, longest_ms = 0;

    for (guint i = 0; i < host->vms->len; i++) {
        guint v = g_array_index(host->vms, guint, i);
        const VrCargo *cargo = &problem->vms[v].cargo;
        const VrAmount *size = &problem->vms[v].size;
        gint64 own_ms = vr_cost_migration_ms(limits, cargo, rate_max);
        gint64 own_mib = least_link_mib(limits, cargo, rate_min, rate_max);
        link_mib += own_mib;
        sum_ms += own_ms;
        longest_ms = MAX(longest_ms, own_ms);
        self->migration_min_ms = MIN(self->migration_min_ms, own_ms);
        for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
            self->flight_area[r] += (__int128)size->of[r] * own_ms;
            if ((__int128)size->of[r] * self->link_of_size_max[r] >=
                (__int128)self->size_max[r] * own_mib) {
                self->size_max[r] = size->of[r];
                self->link_of_size_max[r] = own_mib;
            }
        }
    }
    gint64 drain_ms = MAX(link_mib * 1000 / host->link_mib_per_s,
                          sum_ms / MAX(limits->migrations_out_per_host, 1));
    self->migrations_ms += sum_ms;
    self->drain_max_ms = MAX(self->drain_max_ms, MAX(drain_ms, longest_ms) + host->update_ms);
}

static void
measure_drains(Pool *self)
{
    self->migration_min_ms = G_MAXINT64;
    for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++)
        self->link_of_size_max[r] = 1;
    for (guint i = 0; i < self->loaded->len; i++)
        measure_drain(self, g_array_index(self->loaded, guint, i));
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
    if (load <= room)
        return 0;
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
    for (guint i = 0; i < self.loaded->len && least > 0; i++) {
        const GArray *vms = problem->hosts[g_array_index(self.loaded, guint, i)].vms;
        guint count = 0;
        if (!self.has_updated && !self.has_empty)
            count = vms->len;
        for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++)
            count =
                MAX(count, vr_bounds_left_over(problem, (VrResource)r, self.waiting.of[r], vms));
        least = MIN(least, count);
    }
    return least == G_MAXUINT ? 0 : least;
}

/*
 * At each instant the hosts that are down, those held empty by a gate, and a second place for each
 * VM in flight all come out of the spare room. In any plan gates hold hosts that have at least the
 * room of all VMs that must migrate; with one migration per VM, they hold every host with VMs.
 */
static gint64
bound_area(const Pool *self, gint64 gate_ms, gboolean one_migration)
{
    gint64 bound = 0;

    for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
        __int128 area = self->flight_area[r];
        if (self->spare.of[r] <= 0)
            continue;
        for (guint i = 0; i < self->updates->len; i++) {
            const VrProblemHost *host =
                &self->problem->hosts[g_array_index(self->updates, guint, i)];
            gint64 room = room_of(host, (VrResource)r), load = host->load.of[r];
            area += (__int128)room * host->update_ms;
            if (host->vms->len > 0)
                area += (__int128)(one_migration ? room : load) * gate_ms;
        }
        bound = MAX(bound, (gint64)(area / self->spare.of[r]));
    }
    return bound;
}

/* Hosts of the pool that can be down at once: while they are, all VMs run on the others. */
static gint64
count_down_max(const Pool *self)
{
    gint64 most = self->updates->len;

    for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
        g_autoptr(GArray) rooms = g_array_new(FALSE, FALSE, sizeof(gint64));
        gint64 spare = self->spare.of[r];
        for (guint i = 0; i < self->updates->len; i++) {
            gint64 room = room_of(&self->problem->hosts[g_array_index(self->updates, guint, i)],
                                  (VrResource)r);
            g_array_append_val(rooms, room);
        }
        g_array_sort(rooms, compare_descending);
        gint64 count = 0;
        for (guint i = rooms->len; i-- > 0 && spare >= g_array_index(rooms, gint64, i); count++)
            spare -= g_array_index(rooms, gint64, i);
        most = MIN(most, count);
    }
    return MAX(most, 1);
}

/* Updates that take so long, at most `down_max` at once. Sorts them. */
static gint64
bound_count(GArray *times, gint64 down_max)
{
    gint64 sum = 0, bound = 0;

    g_array_sort(times, compare_descending);
    for (guint i = 0; i < times->len; i++)
        sum += g_array_index(times, gint64, i);
    /* Of the j × down_max + 1 longest, some j + 1 come one after the other. */
    for (gint64 j = 0; j * down_max < times->len; j++)
        bound = MAX(bound, (j + 1) * g_array_index(times, gint64, (guint)(j * down_max)));
    return MAX(bound, (sum + down_max - 1) / down_max);
}

/* `domain` -1: whatever the failure domain. */
static void
append_times(const VrProblem *problem, const GArray *hosts, gint domain, GArray *times)
{
    for (guint i = 0; i < hosts->len; i++) {
        const VrProblemHost *host = &problem->hosts[g_array_index(hosts, guint, i)];
        if (domain < 0 || host->domain == domain)
            g_array_append_val(times, host->update_ms);
    }
}

/* No host is filled sooner than its own link lets the load in. */
static gint64
least_fill_ms(const Pool *self, VrResource resource)
{
    gint64 least = G_MAXINT64;

    for (guint i = 0; i < self->pool->hosts->len; i++) {
        const VrProblemHost *host =
            &self->problem->hosts[g_array_index(self->pool->hosts, guint, i)];
        if (host->role == VR_ROLE_SKIPPED || self->size_max[resource] == 0)
            continue;
        __int128 link_mib = (__int128)room_of(host, resource) * self->link_of_size_max[resource] /
                            self->size_max[resource];
        least = MIN(least, (gint64)(link_mib * 1000 / host->link_mib_per_s));
    }
    return least == G_MAXINT64 ? 0 : least;
}

/* Room of updated hosts that is there at the start, and of empty ones when they are updated. */
static void
list_rooms(const Pool *self, VrResource resource, VrGrowth *growth)
{
    for (guint i = 0; i < self->pool->hosts->len; i++) {
        const VrProblemHost *host =
            &self->problem->hosts[g_array_index(self->pool->hosts, guint, i)];
        gboolean empty = host->vms->len == 0;
        VrGrowthRoom room = {room_of(host, resource) - host->load.of[resource],
                             host->role == VR_ROLE_UPDATED ? 0 : host->update_ms};
        if (host->role == VR_ROLE_SKIPPED || (host->role == VR_ROLE_UPDATE && !empty))
            continue;
        g_array_append_val(growth->rooms, room);
        growth->canary_room = MAX(growth->canary_room, room.room);
    }
}

/* What its VMs take, none of them more than `size_max`. */
static gint64
load_of(const Pool *self, const VrProblemHost *host, VrResource resource, gint64 size_max)
{
    gint64 load = 0;

    if (size_max == G_MAXINT64)
        return host->load.of[resource];
    for (guint i = 0; i < host->vms->len; i++) {
        guint vm = g_array_index(host->vms, guint, i);
        load += MIN(self->problem->vms[vm].size.of[resource], size_max);
    }
    return load;
}

/* VMs of more than `size_max` count as that, and `extra_max` of them need no updated host. */
static gint64
bound_growth(const Pool *self, const VrGrowth *terms, VrResource resource, gint64 size_max,
             gint64 extra_max)
{
    g_autoptr(GArray) hosts = g_array_new(FALSE, FALSE, sizeof(VrGrowthHost));
    g_autoptr(GArray) rooms = g_array_new(FALSE, FALSE, sizeof(VrGrowthRoom));
    VrGrowth growth = *terms;

    growth.hosts = hosts;
    growth.rooms = rooms;
    growth.fill_ms = least_fill_ms(self, resource);
    growth.aside = extra_max > 0 ? size_max * extra_max : 0;
    for (guint i = 0; i < self->loaded->len; i++) {
        const VrProblemHost *host = &self->problem->hosts[g_array_index(self->loaded, guint, i)];
        VrGrowthHost own = {room_of(host, resource), load_of(self, host, resource, size_max),
                            host->update_ms};
        g_array_append_val(hosts, own);
        /* With extras it may have been emptied and be the canary. */
        if (extra_max > 0)
            growth.canary_room = MAX(growth.canary_room, own.room);
    }
    list_rooms(self, resource, &growth);
    return vr_growth_bound_ms(&growth);
}

static gint64
bound_growth_one_migration(const Pool *self, const VrGrowth *terms)
{
    return MAX(bound_growth(self, terms, VR_RESOURCE_MEMORY, G_MAXINT64, 0),
               bound_growth(self, terms, VR_RESOURCE_VCPUS, G_MAXINT64, 0));
}

static gint64
mean_size(const Pool *self, VrResource resource)
{
    gint64 load = 0, vm_count = 0;

    for (guint i = 0; i < self->loaded->len; i++) {
        const VrProblemHost *host = &self->problem->hosts[g_array_index(self->loaded, guint, i)];
        load += host->load.of[resource];
        vm_count += host->vms->len;
    }
    return load / MAX(vm_count, 1);
}

/* It holds for any size: small ones make extras of few hosts' VMs, large ones of much load. */
static gint64
bound_growth_within_budget(const Pool *self, const VrGrowth *terms, gint64 extra_max)
{
    static const gint64 divisors[] = {1, 4};
    gint64 bound = 0;

    for (guint r = 0; r <= VR_RESOURCE_VCPUS; r++) {
        gint64 mean = mean_size(self, (VrResource)r);
        for (guint i = 0; i < G_N_ELEMENTS(divisors); i++) {
            gint64 size_max = MAX(mean / divisors[i], 1);
            bound = MAX(bound, bound_growth(self, terms, (VrResource)r, size_max, extra_max));
        }
    }
    return bound;
}

/* Of the whole fleet. */
typedef struct {
    VrBounds bounds;
    gint64 down_max;       /* hosts down at once, as far as pools can have them */
    gint64 canary_from_ms; /* when the first VMs can have settled on the canary */
    gint64 update_min_ms;
    gint64 migrations_ms;
} Fleet;

static void
bound_pool(Fleet *self, Pool *pool, GArray *times)
{
    VrBounds *bounds = &self->bounds;
    g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(gint64));
    gint64 down_max = count_down_max(pool);
    gint64 gate_ms = pool->problem->policy->limits.gate_s * 1000;

    measure_drains(pool);
    append_times(pool->problem, pool->updates, -1, own);
    append_times(pool->problem, pool->updates, -1, times);
    self->down_max += down_max;
    self->update_min_ms = MIN(self->update_min_ms, pool->update_min_ms);
    bounds->makespan_ms = MAX(bounds->makespan_ms, bound_count(own, down_max));
    bounds->makespan_ms = MAX(bounds->makespan_ms, bound_area(pool, gate_ms, FALSE));
    bounds->makespan_ms = MAX(bounds->makespan_ms, pool->drain_max_ms);
    if (pool->loaded->len == 0)
        return;
    for (guint i = 0; i < pool->loaded->len; i++)
        bounds->migrations += pool->problem->hosts[g_array_index(pool->loaded, guint, i)].vms->len;
    self->migrations_ms += (gint64)pool->migrations_ms;
    self->canary_from_ms =
        MIN(self->canary_from_ms,
            add_ms(pool->has_updated ? 0 : pool->update_min_ms, pool->migration_min_ms));
}

static VrGrowth
growth_terms(const Fleet *self, const Pool *pool, gint64 canary_ms)
{
    const VrPolicy *policy = pool->problem->policy;

    return (VrGrowth){
        .gate_ms = policy->limits.gate_s * 1000,
        .canary_until_ms = canary_ms > 0 ? add_ms(self->canary_from_ms, canary_ms) : 0,
        .down_max =
            MIN(vr_policy_hosts_down_max(policy, pool->problem->host_count), count_down_max(pool))};
}

/* In a plan without extras; what it takes is not there if no host is updated or empty. */
static void
bound_pool_one_migration(Fleet *self, const Pool *pool, gint64 canary_ms)
{
    VrBounds *bounds = &self->bounds;
    VrGrowth terms = growth_terms(self, pool, canary_ms);
    gint64 start_ms = pool->has_updated ? 0 : pool->first_ms;

    if (pool->loaded->len == 0 || start_ms == G_MAXINT64)
        return;
    gint64 path_ms = add_ms(start_ms, add_ms(pool->drain_max_ms, terms.gate_ms));
    bounds->makespan_one_migration_ms =
        MAX(bounds->makespan_one_migration_ms,
            MAX(MAX(bound_growth_one_migration(pool, &terms), path_ms),
                bound_area(pool, terms.gate_ms, TRUE)));
}

static void
bound_pool_within_budget(Fleet *self, const Pool *pool, gint64 canary_ms, gint64 extra_max)
{
    VrBounds *bounds = &self->bounds;
    VrGrowth terms = growth_terms(self, pool, canary_ms);

    if (pool->loaded->len == 0 || extra_max == 0)
        return;
    bounds->makespan_within_budget_ms =
        MAX(bounds->makespan_within_budget_ms, bound_growth_within_budget(pool, &terms, extra_max));
}

static void
bound_domains(const VrProblem *problem, VrBounds *bounds)
{
    gint64 max = problem->policy->limits.hosts_down_per_domain_max;
    g_autoptr(GArray) hosts = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint h = 0; h < problem->host_count; h++) {
        if (problem->hosts[h].role == VR_ROLE_UPDATE)
            g_array_append_val(hosts, h);
    }
    for (guint d = 0; max > 0 && d < problem->domain_count; d++) {
        g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
        append_times(problem, hosts, (gint)d, times);
        bounds->makespan_ms = MAX(bounds->makespan_ms, bound_count(times, max));
    }
}

VrBounds
vr_bounds_compute(const VrProblem *problem, gint64 extra_max)
{
    const VrLimits *limits = &problem->policy->limits;
    gint64 canary_ms = MAX(limits->gate_s, limits->gate_canary_s) * 1000;
    g_autofree Pool *pools = g_new0(Pool, problem->pool_count);
    g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(gint64));
    Fleet self = {.canary_from_ms = G_MAXINT64, .update_min_ms = G_MAXINT64};
    VrBounds *bounds = &self.bounds;

    for (guint p = 0; p < problem->pool_count; p++) {
        pool_init(&pools[p], problem, p);
        if (pools[p].updates->len == 0)
            continue;
        bounds->migrations += vr_bounds_extra_migrations(problem, p);
        bound_pool(&self, &pools[p], times);
    }
    gint64 down_max =
        MIN(vr_policy_hosts_down_max(problem->policy, problem->host_count), MAX(self.down_max, 1));
    bounds->makespan_ms = MAX(bounds->makespan_ms, bound_count(times, down_max));
    bound_domains(problem, bounds);
    if (limits->migrations_max > 0)
        bounds->makespan_ms = MAX(bounds->makespan_ms, self.migrations_ms / limits->migrations_max);
    /* The first host that gives VMs to an updated one waits for the canary's gate. */
    if (self.canary_from_ms < G_MAXINT64)
        bounds->makespan_ms =
            MAX(bounds->makespan_ms, self.canary_from_ms + canary_ms + self.update_min_ms);
    for (guint p = 0; p < problem->pool_count; p++) {
        bound_pool_one_migration(&self, &pools[p], canary_ms);
        bound_pool_within_budget(&self, &pools[p], canary_ms, extra_max);
        pool_clear(&pools[p]);
    }
    if (extra_max == 0)
        bounds->makespan_within_budget_ms = bounds->makespan_one_migration_ms;
    bounds->makespan_within_budget_ms = MAX(bounds->makespan_within_budget_ms, bounds->makespan_ms);
    bounds->makespan_one_migration_ms =
        MAX(bounds->makespan_one_migration_ms, bounds->makespan_within_budget_ms);
    return self.bounds;
}
