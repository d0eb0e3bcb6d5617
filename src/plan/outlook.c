/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/outlook.h"

/* Rounds of drain, gate and update after which nothing is urgent yet. */
#define CYCLES_MAX 30

/* In each round the room of updated hosts takes as much load, and gives back that load's room. */
static gint64
count_cycles(const VrBelt *belt, guint index)
{
    const VrBeltPool *pool = &belt->pools[index];
    VrResource binding = belt->problem->pools[index].binding;
    gint64 room = pool->frees[VR_SHELF_READY].of[binding] +
                  pool->frees[VR_SHELF_AHEAD].of[binding] + pool->coming_room;
    gint64 load = pool->open_load, cycles = 1;

    for (; room < load && cycles < CYCLES_MAX; cycles++) {
        load -= room;
        room = (gint64)((__int128)room * pool->open_room / pool->open_load);
    }
    return cycles;
}

static gint64
mean_cycle_ms(const VrBeltPool *pool)
{
    return pool->open_cycle_ms / MAX(pool->open_count, 1);
}

gint64
vr_outlook_remaining_ms(const VrBelt *belt, guint index)
{
    const VrBeltPool *pool = &belt->pools[index];
    gint64 update_ms = pool->open_update_ms / MAX(pool->open_count, 1);
    gint64 cycle_ms = mean_cycle_ms(pool);
    /* Hosts that are down now have half of their updates behind them. */
    gint64 updates_ms =
        pool->open_update_ms + pool->coming_update_ms + belt->down_count * update_ms / 2;

    return MAX(count_cycles(belt, index) * cycle_ms,
               updates_ms / belt->hosts_down_max + cycle_ms - update_ms);
}

gint64
vr_outlook_urgent_ms(const VrBelt *belt, guint index)
{
    return vr_outlook_remaining_ms(belt, index) -
           mean_cycle_ms(&belt->pools[index]) * belt->manner->slack_permille / 1000;
}
