/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/growth.h"

/*
 * Time goes in steps. What is asked about a time between two of them is answered for the later one,
 * and what happens in a step counts from its beginning: both only ever make the bound smaller.
 */
#define STEPS_PER_CYCLE 64
#define STEPS_MAX 20000

/* Classes of hosts by update time, and in each of those by room returned for load. */
#define TIME_CLASSES 8
#define RATIO_CLASSES 16

/* Hosts of like update time and ratio. The best ratio stands for all, up to their whole room. */
typedef struct {
    guint time_class;
    gint64 room, load;
    gint64 best_room, best_load; /* of the host with the best ratio */
} Cell;

typedef struct {
    const VrGrowth *input;
    gint64 step_ms, update_min_ms;
    gint64 class_ms[TIME_CLASSES]; /* the least update time of a class */
    guint class_count;
    GArray *cells;        /* (element-type Cell) best ratio first */
    gint64 *loads;        /* ascending */
    gint64 *rooms;        /* sums of the i largest */
    guint next_room;      /* of the input's: the first that is not there yet */
    gint64 room_at_start; /* of those before it */
    __int128 usable_sum;  /* of the last steps, as many as fill a host */
    GArray *usable;       /* (element-type gint64) per step: room that can take VMs */
    GArray *settled;      /* per step: the most load that can have arrived */
    GArray *started;      /* per step: the most hosts whose update can have begun */
} Growth;

static int
compare_times(gconstpointer a, gconstpointer b)
{
    const VrGrowthHost *x = a, *y = b;

    return x->update_ms < y->update_ms ? -1 : x->update_ms > y->update_ms;
}

static int
compare_ratios(gconstpointer a, gconstpointer b)
{
    const VrGrowthHost *x = a, *y = b;
    __int128 left = (__int128)x->room * y->load, right = (__int128)y->room * x->load;

    return left > right ? -1 : left < right;
}

static int
compare_cells(gconstpointer a, gconstpointer b)
{
    const Cell *x = a, *y = b;
    __int128 left = (__int128)x->best_room * y->best_load;
    __int128 right = (__int128)y->best_room * x->best_load;

    return left > right ? -1 : left < right;
}

static int
compare_rooms(gconstpointer a, gconstpointer b)
{
    const VrGrowthRoom *x = a, *y = b;

    return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static int
compare_numbers(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return x < y ? -1 : x > y;
}

/* The hosts from `first` on, sorted by time, become cells. */
static void
add_cells(Growth *self, guint time_class, guint first, guint count)
{
    g_autoptr(GArray) hosts = g_array_new(FALSE, FALSE, sizeof(VrGrowthHost));
    guint per_cell = count / RATIO_CLASSES + 1;

    g_array_append_vals(hosts, &g_array_index(self->input->hosts, VrGrowthHost, first), count);
    g_array_sort(hosts, compare_ratios);
    for (guint i = 0; i < count; i++) {
        const VrGrowthHost *host = &g_array_index(hosts, VrGrowthHost, i);
        if (i % per_cell == 0) {
            Cell cell = {time_class, 0, 0, host->room, host->load};
            g_array_append_val(self->cells, cell);
        }
        Cell *last = &g_array_index(self->cells, Cell, self->cells->len - 1);
        last->room += host->room;
        last->load += host->load;
    }
}

static void
classify(Growth *self)
{
    const GArray *hosts = self->input->hosts;
    guint per_class = hosts->len / TIME_CLASSES + 1;

    g_array_sort(self->input->hosts, compare_times);
    for (guint first = 0; first < hosts->len;) {
        guint next = MIN(first + per_class, hosts->len);
        gint64 last_ms = g_array_index(hosts, VrGrowthHost, next - 1).update_ms;
        while (next < hosts->len && g_array_index(hosts, VrGrowthHost, next).update_ms == last_ms)
            next++;
        self->class_ms[self->class_count] = g_array_index(hosts, VrGrowthHost, first).update_ms;
        add_cells(self, self->class_count++, first, next - first);
        first = next;
    }
    g_array_sort(self->cells, compare_cells);
}

static void
sort_sizes(Growth *self)
{
    const GArray *hosts = self->input->hosts;
    g_autoptr(GArray) loads = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GArray) rooms = g_array_new(FALSE, FALSE, sizeof(gint64));

    for (guint i = 0; i < hosts->len; i++) {
        const VrGrowthHost *host = &g_array_index(hosts, VrGrowthHost, i);
        g_array_append_val(loads, host->load);
        g_array_append_val(rooms, host->room);
    }
    g_array_sort(loads, compare_numbers);
    g_array_sort(rooms, compare_numbers);
    self->loads = g_new(gint64, hosts->len + 1);
    self->rooms = g_new0(gint64, hosts->len + 1);
    for (guint i = 0; i < hosts->len; i++) {
        self->loads[i] = g_array_index(loads, gint64, i);
        self->rooms[i + 1] = self->rooms[i] + g_array_index(rooms, gint64, hosts->len - 1 - i);
    }
}

/* The value of a series so long before the step; 0 before the beginning. */
static gint64
value_before(const Growth *self, const GArray *series, guint step, gint64 before_ms)
{
    gint64 at = (gint64)step - before_ms / self->step_ms;

    if (at < 0 || series->len == 0)
        return 0;
    return g_array_index(series, gint64, MIN((guint)at, series->len - 1));
}

/* The most load that can have left so long before; what went to updated hosts, through a gate. */
static gint64
load_left(const Growth *self, guint step, gint64 before_ms)
{
    gint64 aside = before_ms <= (step + 1) * self->step_ms ? self->input->aside : 0;

    return aside + value_before(self, self->settled, step, before_ms + self->input->gate_ms);
}

/*
 * The most room that drains can have given back by now. Hosts of a class can be updated by now only
 * if their load had arrived a gate and the update time of the class before; best ratios first.
 */
static gint64
room_returned(const Growth *self, guint step)
{
    gint64 left[TIME_CLASSES], room = 0;

    for (guint c = 0; c < self->class_count; c++)
        left[c] = load_left(self, step, self->class_ms[c]);
    for (guint i = 0; i < self->cells->len; i++) {
        const Cell *cell = &g_array_index(self->cells, Cell, i);
        gint64 load = cell->load;
        for (guint c = 0; c <= cell->time_class; c++)
            load = MIN(load, left[c]);
        if (load <= 0)
            continue;
        for (guint c = 0; c <= cell->time_class; c++)
            left[c] -= load;
        gint64 part = (gint64)((__int128)load * cell->best_room / MAX(cell->best_load, 1)) + 1;
        room += MIN(part, cell->room);
    }
    gint64 count = value_before(self, self->started, step, self->update_min_ms);
    return MIN(room, self->rooms[count]);
}

static void
add_rooms(Growth *self, gint64 now_ms)
{
    const GArray *rooms = self->input->rooms;

    for (; self->next_room < rooms->len; self->next_room++) {
        const VrGrowthRoom *room = &g_array_index(rooms, VrGrowthRoom, self->next_room);
        if (room->at_ms > now_ms)
            return;
        self->room_at_start += room->room;
    }
}

/* Load arrives over a link: room that appears now is filled after fill_ms at the earliest. */
static gint64
load_settled(Growth *self, guint step)
{
    guint window = (guint)CLAMP(self->input->fill_ms / self->step_ms, 1, STEPS_MAX);

    self->usable_sum += g_array_index(self->usable, gint64, step);
    if (step >= window)
        self->usable_sum -= g_array_index(self->usable, gint64, step - window);
    return (gint64)(self->usable_sum / window);
}

/* One step: the series grow by one value. Returns the hosts whose update can have begun. */
static gint64
take_step(Growth *self, guint step, gint64 *inout_count, gint64 *inout_load)
{
    const VrGrowth *input = self->input;
    gint64 now_ms = (step + 1) * self->step_ms; /* all of this step */

    add_rooms(self, now_ms);
    gint64 room = self->room_at_start + room_returned(self, step);
    if (now_ms <= input->canary_until_ms)
        room = MIN(room, input->canary_room);
    g_array_append_val(self->usable, room);
    gint64 settled = load_settled(self, step);
    g_array_append_val(self->settled, settled);
    gint64 drained = load_left(self, step, 0);
    while (*inout_count < input->hosts->len && *inout_load + self->loads[*inout_count] <= drained) {
        *inout_load += self->loads[*inout_count];
        (*inout_count)++;
    }
    gint64 limit = input->down_max + value_before(self, self->started, step, self->update_min_ms);
    gint64 started = MIN(*inout_count, limit);
    g_array_append_val(self->started, started);
    return started;
}

/* Steps until all updates can have begun, and until so many at once can have done their work. */
static gint64
run(Growth *self)
{
    const VrGrowth *input = self->input;
    gint64 count = 0, load = 0, begun_ms = -1, work_ms = 0, done_ms = 0;
    guint stalled = 0, cycle_steps = 0;

    for (guint i = 0; i < input->hosts->len; i++)
        work_ms += g_array_index(input->hosts, VrGrowthHost, i).update_ms;
    cycle_steps = (guint)((self->class_ms[self->class_count - 1] + input->gate_ms + input->fill_ms +
                           input->canary_until_ms) /
                          self->step_ms) +
                  8;
    for (guint step = 0; step < STEPS_MAX; step++) {
        gint64 before = self->started->len > 0
                            ? g_array_index(self->started, gint64, self->started->len - 1)
                            : 0;
        gint64 started = take_step(self, step, &count, &load);
        if (begun_ms < 0 && started >= input->hosts->len)
            begun_ms = step * self->step_ms;
        done_ms += MIN(started, input->down_max) * self->step_ms;
        if (begun_ms >= 0 && done_ms >= work_ms)
            return MAX(begun_ms + self->update_min_ms, step * self->step_ms);
        stalled = started > before ? 0 : stalled + 1;
        if (begun_ms < 0 && self->next_room == input->rooms->len && stalled > cycle_steps)
            return step * self->step_ms; /* room grows no more: no such plan ends at all */
    }
    return STEPS_MAX * self->step_ms;
}

gint64
vr_growth_bound_ms(const VrGrowth *input)
{
    g_autoptr(GArray) cells = g_array_new(FALSE, FALSE, sizeof(Cell));
    g_autoptr(GArray) usable = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GArray) settled = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(GArray) started = g_array_new(FALSE, FALSE, sizeof(gint64));
    Growth self = {
        .input = input, .cells = cells, .usable = usable, .settled = settled, .started = started};

    if (input->hosts->len == 0)
        return 0;
    classify(&self);
    self.update_min_ms = self.class_ms[0];
    if (self.update_min_ms == 0)
        return 0;
    sort_sizes(&self);
    g_array_sort(input->rooms, compare_rooms);
    /* No longer than an update: what follows from a step must not fall into the same one. */
    self.step_ms = MIN((self.update_min_ms + input->gate_ms + input->fill_ms) / STEPS_PER_CYCLE,
                       self.update_min_ms);
    self.step_ms = MAX(self.step_ms, 1);
    gint64 bound_ms = run(&self);
    g_free(self.loads);
    g_free(self.rooms);
    return bound_ms;
}
