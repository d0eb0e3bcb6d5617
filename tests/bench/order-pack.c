/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "order-pack.h"

#define TRIES_MAX 4096

gint
pack_find(const World *world, const RoomIndex *index, guint vm)
{
    guint tries = 0;
    gint step = room_index_up(index, room_index_step_of(world->vms[vm].memory_mib));

    for (; step >= 0; step = room_index_up(index, step + 1)) {
        gint host = room_index_first(index, step);
        for (; host >= 0; host = room_index_next(index, (guint)host)) {
            if (world_fits(world, vm, (guint)host))
                return host;
            if (++tries > TRIES_MAX)
                return -1;
        }
    }
    return -1;
}

static gint
find_roomiest(const World *world, const RoomIndex *index, guint vm)
{
    gint least = room_index_step_of(world->vms[vm].memory_mib);
    guint tries = 0;

    for (gint step = room_index_top(index); step >= least;
         step = room_index_down(index, step - 1)) {
        gint host = room_index_first(index, step);
        for (; host >= 0; host = room_index_next(index, (guint)host)) {
            if (world_fits(world, vm, (guint)host))
                return host;
            if (++tries > TRIES_MAX)
                return -1;
        }
    }
    return -1;
}

static int
compare_vms(gconstpointer a, gconstpointer b, gpointer data)
{
    guint x = *(const guint *)a, y = *(const guint *)b;
    const World *world = data;
    const WorldVm *first = &world->vms[x], *second = &world->vms[y];

    if (first->memory_mib != second->memory_mib)
        return first->memory_mib > second->memory_mib ? -1 : 1;
    if ((first->group >= 0) != (second->group >= 0))
        return first->group >= 0 ? -1 : 1;
    return x < y ? -1 : x > y;
}

GArray *
pack_list(const World *world, guint host)
{
    GArray *vms = g_array_sized_new(FALSE, FALSE, sizeof(guint), world->hosts[host].vm_count);
    gint vm = world->hosts[host].heads[LIST_RESIDENT];

    for (; vm >= 0; vm = world->vms[vm].next[LIST_RESIDENT]) {
        if (world->vms[vm].state == VM_RESTS)
            g_array_append_val(vms, vm);
    }
    g_array_sort_with_data(vms, compare_vms, (gpointer)(guintptr)world);
    return vms;
}

static gint
find_place(const World *world, guint vm, PackFlags flags, guint *extras)
{
    gint host = flags & PACK_UPDATED ? pack_find(world, world->updated, vm) : -1;

    if (host < 0 && flags & PACK_UPDATING)
        host = pack_find(world, world->updating, vm);
    if (host >= 0 || !(flags & PACK_ANY))
        return host;
    host = find_roomiest(world, world->any, vm);
    *extras += host >= 0 && world->hosts[host].state != HOST_UPDATED;
    return host;
}

gboolean
pack_host(World *world, guint host, PackFlags flags, guint *out_extras)
{
    g_autoptr(GArray) vms = pack_list(world, host);
    guint extras = 0;

    for (guint i = 0; i < vms->len; i++) {
        guint at = flags & PACK_SMALLEST_FIRST ? vms->len - 1 - i : i;
        guint vm = g_array_index(vms, guint, at);
        gint target = find_place(world, vm, flags, &extras);
        if (target >= 0) {
            world_reserve(world, vm, (guint)target);
            continue;
        }
        for (guint j = 0; j < i; j++) {
            at = flags & PACK_SMALLEST_FIRST ? vms->len - 1 - j : j;
            world_unreserve(world, g_array_index(vms, guint, at));
        }
        return FALSE;
    }
    *out_extras = extras;
    return TRUE;
}

void
pack_undo(World *world, guint host)
{
    gint vm = world->hosts[host].heads[LIST_RESIDENT];

    for (; vm >= 0; vm = world->vms[vm].next[LIST_RESIDENT]) {
        if (world->vms[vm].target >= 0 && world->vms[vm].state == VM_RESTS)
            world_unreserve(world, (guint)vm);
    }
}

void
pack_launch(World *world, guint host)
{
    g_autoptr(GArray) vms = pack_list(world, host);

    for (guint i = 0; i < vms->len; i++) {
        if (world->vms[g_array_index(vms, guint, i)].target >= 0)
            world_queue(world, g_array_index(vms, guint, i));
    }
}
