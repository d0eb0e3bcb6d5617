/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMs migrate only onto updated hosts or hosts about to be; several drains run at once; a host is
 * drained when all its VMs have a place. When nothing goes on, the host that needs fewest VMs to
 * step aside is emptied, and failing that, room is made by a few small VMs that move over.
 */
#include <math.h>

#include "order-pack.h"
#include "orders-private.h"

#define DRAIN_TRIES_MAX 48
#define ASIDE_TRIES_MAX 400
#define HOLE_CANDIDATES 8
#define HOLE_HOSTS_MAX 96
#define HOLE_VMS_MAX 64
#define HOLE_ORDERS 3

/* Hosts that wait, in an order that is fixed at the start; taking one out costs nothing. */
typedef struct {
    gint *next, *previous;
    gint head;
} Row;

typedef struct {
    World *world;
    Row by_growth, by_length, by_name;
    guint *tried; /* per host: the stamp of its last try that failed */
    guint stamp;
    GArray *empty; /* (element-type guint) that wait for their update */
    gint64 load_left_mib;
    gint64 drains, awaited;
    double drain_share; /* time of all drains against time of all updates */
    gint sticky;        /* the host that room is being made for; -1 */
    guint hole_order;
} Pipeline;

static int
compare_keys(gconstpointer a, gconstpointer b, gpointer data)
{
    guint x = *(const guint *)a, y = *(const guint *)b;
    const double *keys = data;

    if (keys[x] < keys[y] || keys[x] > keys[y])
        return keys[x] > keys[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The largest key first. */
static void
row_init(Row *self, const GArray *hosts, guint host_count, double *keys)
{
    g_autoptr(GArray) order = g_array_sized_new(FALSE, FALSE, sizeof(guint), hosts->len);

    g_array_append_vals(order, hosts->data, hosts->len);
    g_array_sort_with_data(order, compare_keys, keys);
    self->next = g_new(gint, host_count + 1);
    self->previous = g_new(gint, host_count + 1);
    self->head = order->len > 0 ? (gint)g_array_index(order, guint, 0) : -1;
    for (guint i = 0; i < order->len; i++) {
        guint host = g_array_index(order, guint, i);
        self->previous[host] = i > 0 ? (gint)g_array_index(order, guint, i - 1) : -1;
        self->next[host] = i + 1 < order->len ? (gint)g_array_index(order, guint, i + 1) : -1;
    }
}

static void
row_remove(Row *self, guint host)
{
    gint before = self->previous[host], after = self->next[host];

    *(before >= 0 ? &self->next[before] : &self->head) = after;
    if (after >= 0)
        self->previous[after] = before;
}

static void
row_clear(Row *self)
{
    g_free(self->next);
    g_free(self->previous);
}

static void
remove_waiting(Pipeline *self, guint host)
{
    row_remove(&self->by_growth, host);
    row_remove(&self->by_length, host);
    row_remove(&self->by_name, host);
}

/* Of the empty hosts that with the longest update first. */
static void
start_updates(Pipeline *self)
{
    World *world = self->world;

    while (self->empty->len > 0 && world->down_count < world->down_max) {
        guint best = 0;
        for (guint i = 1; i < self->empty->len; i++) {
            guint a = g_array_index(self->empty, guint, i);
            guint b = g_array_index(self->empty, guint, best);
            gint64 longer = world->hosts[a].update_ms - world->hosts[b].update_ms;
            if (longer > 0 || (longer == 0 && a < b))
                best = i;
        }
        guint host = g_array_index(self->empty, guint, best);
        g_array_remove_index_fast(self->empty, best);
        self->awaited--;
        world_start_update(world, host);
    }
}

static void
end_drain(Pipeline *self, guint host)
{
    self->drains--;
    self->awaited++;
    world_set_state(self->world, host, HOST_EMPTY);
    g_array_append_val(self->empty, host);
    start_updates(self);
}

/* The places are reserved. */
static void
begin_drain(Pipeline *self, guint host)
{
    self->drains++;
    pack_launch(self->world, host);
}

static gboolean
drain(Pipeline *self, guint host)
{
    World *world = self->world;
    gint64 load_mib = world->hosts[host].used_mib;
    guint extras = 0;

    if (!pack_host(world, host, PACK_UPDATED | PACK_UPDATING, &extras)) {
        self->tried[host] = self->stamp;
        return FALSE;
    }
    self->load_left_mib -= load_mib;
    remove_waiting(self, host);
    world_set_state(world, host, HOST_DRAINS);
    begin_drain(self, host);
    if (world->hosts[host].vm_count == 0)
        end_drain(self, host);
    return TRUE;
}

static gboolean
drain_one(Pipeline *self)
{
    const World *world = self->world;
    gint64 free_mib = world->free_updated_mib + world->free_updating_mib;
    const Row *row = free_mib >= self->load_left_mib ? &self->by_length : &self->by_growth;
    guint tries = 0;

    for (gint host = row->head; host >= 0 && tries < DRAIN_TRIES_MAX; host = row->next[host]) {
        const WorldHost *own = &world->hosts[host];
        if (own->incoming_mib > 0 || self->tried[host] == self->stamp || own->used_mib > free_mib)
            continue;
        tries++;
        if (drain(self, (guint)host))
            return TRUE;
    }
    return FALSE;
}

static void
drain_all(Pipeline *self)
{
    const World *world = self->world;
    gint64 most = (gint64)ceil((double)world->down_max * (1 + self->drain_share)) + 1;

    while (self->drains + self->awaited + world->down_count < most && drain_one(self))
        continue;
}

/* With VMs aside, the smallest first, or else the largest first. */
static gboolean
pack_aside(World *world, guint host, gboolean smallest_first, guint *out_extras)
{
    PackFlags flags = PACK_UPDATED | PACK_UPDATING | PACK_ANY;

    return pack_host(world, host, flags | (smallest_first ? PACK_SMALLEST_FIRST : 0), out_extras);
}

static void
drain_aside(Pipeline *self, guint host, gboolean smallest_first)
{
    World *world = self->world;
    guint extras = 0;

    self->load_left_mib -= world->hosts[host].used_mib;
    remove_waiting(self, host);
    world_set_state(world, host, HOST_DRAINS);
    (void)pack_aside(world, host, smallest_first, &extras);
    gint vm = world->hosts[host].heads[LIST_RESIDENT];
    for (; vm >= 0; vm = world->vms[vm].next[LIST_RESIDENT]) {
        gint target = world->vms[vm].target;
        if (target >= 0 && world->hosts[target].state == HOST_WAITS)
            self->load_left_mib += world->vms[vm].memory_mib;
    }
    begin_drain(self, host);
    self->stamp++;
}

static GArray *
list_by_vm_count(const Pipeline *self)
{
    GArray *hosts = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree double *keys = g_new0(double, self->world->host_count + 1);

    for (gint host = self->by_name.head; host >= 0; host = self->by_name.next[host]) {
        keys[host] = -(double)self->world->hosts[host].vm_count;
        g_array_append_val(hosts, host);
    }
    g_array_sort_with_data(hosts, compare_keys, keys);
    return hosts;
}

/* The host that needs fewest second migrations. */
static gboolean
step_aside(Pipeline *self)
{
    World *world = self->world;
    g_autoptr(GArray) hosts = list_by_vm_count(self);
    guint best = 0, least = G_MAXUINT, tries = 0;
    gboolean best_smallest = TRUE;

    for (guint i = 0; i < hosts->len && tries < ASIDE_TRIES_MAX; i++) {
        guint host = g_array_index(hosts, guint, i), extras = 0;
        gboolean smallest = TRUE;
        if (world->hosts[host].incoming_mib > 0)
            continue;
        tries++;
        world_begin_try(world, host);
        gboolean packed = pack_aside(world, host, smallest, &extras);
        if (!packed) {
            smallest = FALSE;
            packed = pack_aside(world, host, smallest, &extras);
        }
        if (packed)
            pack_undo(world, host);
        world_end_try(world, host, HOST_WAITS);
        if (packed && extras < least) {
            least = extras;
            best = host;
            best_smallest = smallest;
        }
        if (world->free_updated_mib == 0 && world->free_updating_mib == 0 && least < G_MAXUINT)
            break;
    }
    if (least == G_MAXUINT)
        return FALSE;
    drain_aside(self, best, best_smallest);
    return TRUE;
}

/* The smallest VMs of a host that must go for `needed_mib`; NULL if that does not help. */
static GArray *
choose_evicted(const World *world, guint host, gint64 needed_mib)
{
    g_autoptr(GArray) vms = pack_list(world, host);
    g_autoptr(GArray) chosen = g_array_new(FALSE, FALSE, sizeof(guint));
    gint64 free_mib = world_free_mib(world, host);

    for (guint i = vms->len; i-- > 0 && free_mib < needed_mib && chosen->len < HOLE_VMS_MAX;) {
        guint vm = g_array_index(vms, guint, i);
        if (world->vms[vm].target >= 0 || !world->vms[vm].movable)
            continue;
        free_mib += world->vms[vm].memory_mib;
        g_array_append_val(chosen, vm);
    }
    if (free_mib < needed_mib || chosen->len == 0)
        return NULL;
    return g_steal_pointer(&chosen);
}

/* Places for all of them, the largest first, or none. */
static gboolean
place_evicted(World *world, const RoomIndex *index, guint host, const GArray *vms,
              gint64 needed_mib)
{
    gboolean placed = TRUE;
    guint at = vms->len;

    world_hide(world, host);
    for (guint i = vms->len; i-- > 0 && placed;) {
        guint vm = g_array_index(vms, guint, i);
        gint target = world->vms[vm].memory_mib < needed_mib ? pack_find(world, index, vm) : -1;
        placed = target >= 0;
        if (placed) {
            world_reserve(world, vm, (guint)target);
            at = i;
        }
    }
    world_show(world, host);
    for (guint i = vms->len; !placed && i-- > at;)
        world_unreserve(world, g_array_index(vms, guint, i));
    return placed;
}

/* Lets the smallest VMs of one roomy host move over, so that the VM fits there. */
static gboolean
make_hole(World *world, const RoomIndex *index, guint vm, guint avoid)
{
    gint64 needed_mib = world->vms[vm].memory_mib;
    guint count = 0;

    for (gint step = room_index_top(index); step >= 0; step = room_index_down(index, step - 1)) {
        gint next = 0;
        gint host = room_index_first(index, step);
        for (; host >= 0 && room_index_has(index, (guint)host); host = next) {
            next = room_index_next(index, (guint)host);
            if (count++ >= HOLE_HOSTS_MAX)
                return FALSE;
            if ((guint)host == avoid || world->hosts[host].vm_count == 0 ||
                !world_is_apart(world, vm, (guint)host))
                continue;
            g_autoptr(GArray) vms = choose_evicted(world, (guint)host, needed_mib);
            if (vms == NULL || !place_evicted(world, index, (guint)host, vms, needed_mib))
                continue;
            for (guint i = 0; i < vms->len; i++)
                world_queue(world, g_array_index(vms, guint, i));
            return TRUE;
        }
    }
    return FALSE;
}

/* Room for the first VM of the host that fits nowhere. */
static gboolean
make_room(Pipeline *self, guint host)
{
    World *world = self->world;
    gboolean made = FALSE;

    world_begin_try(world, host);
    g_autoptr(GArray) vms = pack_list(world, host);
    for (guint i = 0; i < vms->len; i++) {
        guint vm = g_array_index(vms, guint, i);
        gint target = pack_find(world, world->updated, vm);
        if (target < 0)
            target = pack_find(world, world->any, vm);
        if (target < 0) {
            made = make_hole(world, world->updated, vm, host) ||
                   make_hole(world, world->any, vm, host);
            break;
        }
        world_reserve(world, vm, (guint)target);
    }
    for (guint i = 0; i < vms->len; i++) {
        const WorldVm *vm = &world->vms[g_array_index(vms, guint, i)];
        if (vm->target >= 0 && vm->state == VM_RESTS)
            world_unreserve(world, g_array_index(vms, guint, i));
    }
    world_end_try(world, host, HOST_WAITS);
    return made;
}

/* Memory of the VMs that are larger than any hole; then all that is in use. */
static double
hole_key(const Pipeline *self, guint host, gint64 hole_mib)
{
    const World *world = self->world;
    double key = 0;

    if (self->hole_order & 1)
        return (double)world->hosts[host].used_mib;
    gint vm = world->hosts[host].heads[LIST_RESIDENT];
    for (; vm >= 0; vm = world->vms[vm].next[LIST_RESIDENT])
        key += world->vms[vm].memory_mib >= hole_mib ? (double)world->vms[vm].memory_mib : 0;
    return key + 1e-3 * (double)world->hosts[host].used_mib;
}

/* The hosts with the smallest keys, that of the last time before all. */
static guint
choose_candidates(const Pipeline *self, guint candidates[HOLE_CANDIDATES])
{
    const World *world = self->world;
    gint top = MAX(room_index_top(world->any), room_index_top(world->updated));
    gint64 hole_mib = (gint64)(top + 1) * 1024;
    double keys[HOLE_CANDIDATES];
    guint count = 0;

    if (self->sticky >= 0 && world->hosts[self->sticky].state == HOST_WAITS &&
        world->hosts[self->sticky].incoming_mib == 0) {
        candidates[count] = (guint)self->sticky;
        keys[count++] = -1;
    }
    for (gint host = self->by_name.head; host >= 0; host = self->by_name.next[host]) {
        if (world->hosts[host].incoming_mib > 0 ||
            (count > 0 && keys[0] < 0 && (gint)candidates[0] == host))
            continue;
        double key = hole_key(self, (guint)host, hole_mib);
        if (count == HOLE_CANDIDATES && key >= keys[HOLE_CANDIDATES - 1])
            continue;
        guint at = count < HOLE_CANDIDATES ? count++ : HOLE_CANDIDATES - 1;
        for (; at > 0 && key < keys[at - 1]; at--) {
            keys[at] = keys[at - 1];
            candidates[at] = candidates[at - 1];
        }
        keys[at] = key;
        candidates[at] = (guint)host;
    }
    return count;
}

static gboolean
make_some_room(Pipeline *self)
{
    for (;; self->hole_order++) {
        guint candidates[HOLE_CANDIDATES];
        guint count = choose_candidates(self, candidates);
        for (guint i = 0; i < count; i++) {
            if (!make_room(self, candidates[i]))
                continue;
            self->stamp++;
            self->sticky = (gint)candidates[i];
            return TRUE;
        }
        self->sticky = -1;
        if (self->hole_order >= HOLE_ORDERS)
            return FALSE;
    }
}

/* Nothing is on its way. */
static gboolean
get_going(Pipeline *self, guint *holes)
{
    if (self->by_name.head < 0)
        return FALSE;
    self->stamp++;
    drain_all(self);
    if (self->world->events->len > 0 || step_aside(self))
        return TRUE;
    return (*holes)++ < 64 + self->world->host_count / 4 && make_some_room(self);
}

static void
play(Pipeline *self)
{
    World *world = self->world;
    guint host = 0, holes = 0;
    gint target = 0;

    start_updates(self);
    drain_all(self);
    for (;;) {
        if (!world_step(world, &host, &target)) {
            if (get_going(self, &holes))
                continue;
            return;
        }
        const WorldHost *own = &world->hosts[host];
        if (target < 0) {
            self->stamp++;
            start_updates(self);
            world_wake_target(world, host);
            drain_all(self);
        } else if (own->state == HOST_DRAINS && own->vm_count == 0 && own->in_count == 0) {
            end_drain(self, host);
            self->stamp++;
            drain_all(self);
        } else if (world->hosts[target].state == HOST_WAITS &&
                   world->hosts[target].incoming_mib == 0) {
            drain_all(self);
        }
    }
}

/* How fast room grows when the host is recycled, how long that takes, and the plain order. */
static void
make_rows(Pipeline *self)
{
    World *world = self->world;
    guint count = world->host_count;
    g_autoptr(GArray) hosts = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autofree double *growth = g_new0(double, count + 1), *length = g_new0(double, count + 1);
    g_autofree double *plain = g_new0(double, count + 1);
    double drains_s = 0, updates_s = 0;

    for (guint host = 0; host < count; host++) {
        const WorldHost *own = &world->hosts[host];
        gint64 resident_mib = 0;
        if (own->state != HOST_WAITS)
            continue;
        if (own->vm_count == 0) {
            g_array_append_val(self->empty, host);
            continue;
        }
        for (gint vm = own->heads[LIST_RESIDENT]; vm >= 0; vm = world->vms[vm].next[LIST_RESIDENT])
            resident_mib += world->vms[vm].resident_mib;
        double drain_s = (double)resident_mib / (double)own->link;
        double update_s = (double)own->update_ms / 1000.0;
        drains_s += drain_s;
        updates_s += update_s;
        self->load_left_mib += own->used_mib;
        length[host] = drain_s + update_s;
        growth[host] = log((double)own->room_mib / (double)own->used_mib) / length[host];
        g_array_append_val(hosts, host);
    }
    self->drain_share = updates_s > 0 ? drains_s / updates_s : 0;
    row_init(&self->by_growth, hosts, count, growth);
    row_init(&self->by_length, hosts, count, length);
    row_init(&self->by_name, hosts, count, plain);
    for (guint i = 0; i < self->empty->len; i++)
        world_set_state(world, g_array_index(self->empty, guint, i), HOST_EMPTY);
    self->awaited = self->empty->len;
}

void
order_pipeline_run(World *world)
{
    g_autofree guint *tried = g_new0(guint, world->host_count + 1);
    g_autoptr(GArray) empty = g_array_new(FALSE, FALSE, sizeof(guint));
    Pipeline self = {.world = world, .tried = tried, .stamp = 1, .empty = empty, .sticky = -1};

    make_rows(&self);
    play(&self);
    row_clear(&self.by_growth);
    row_clear(&self.by_length);
    row_clear(&self.by_name);
}
