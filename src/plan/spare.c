/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/drain.h"
#include "plan/spare.h"

guint
vr_spare_needed(const VrProblem *problem, guint pool)
{
    const GArray *hosts = problem->pools[pool].hosts;
    gint64 needed = problem->policy->limits.spare_hosts_min;
    gboolean any = FALSE;

    for (guint i = 0; i < hosts->len; i++) {
        const VrProblemHost *host = &problem->hosts[g_array_index(hosts, guint, i)];
        needed -= host->role == VR_ROLE_SKIPPED && host->vms->len == 0;
        any |= host->role == VR_ROLE_UPDATE && host->vms->len > 0;
    }
    return any && needed > 0 ? (guint)MIN(needed, (gint64)hosts->len) : 0;
}

static gint64
room_of(const VrBelt *belt, guint host)
{
    return belt->problem->hosts[host].room.of[vr_problem_binding(belt->problem, host)];
}

static gboolean
is_idle(const VrBelt *belt, guint host)
{
    const VrBeltHost *at = &belt->hosts[host];

    return (at->state == VR_HOST_UPDATED || at->state == VR_HOST_OPEN) && at->vm_count == 0 &&
           at->inbound_count == 0;
}

/* An updated one need not be relieved; of others the smallest that could stand in for any host. */
static gboolean
is_better_spare(const VrBelt *belt, guint host, guint other, gint64 load_max)
{
    gboolean updated = belt->hosts[host].state == VR_HOST_UPDATED;
    gint64 room = room_of(belt, host), other_room = room_of(belt, other);
    gboolean enough = room >= load_max, other_enough = other_room >= load_max;

    if (updated != (belt->hosts[other].state == VR_HOST_UPDATED))
        return updated;
    if (enough != other_enough)
        return enough;
    if (room != other_room)
        return enough ? room < other_room : room > other_room;
    return host < other;
}

static guint
find_spare(const VrBelt *belt, guint pool)
{
    const GArray *hosts = belt->problem->pools[pool].hosts;
    gint64 load_max = 0;
    guint best = VR_NONE;

    for (guint i = 0; i < hosts->len; i++)
        load_max = MAX(load_max, vr_belt_load(belt, g_array_index(hosts, guint, i)));
    for (guint i = 0; i < hosts->len; i++) {
        guint host = g_array_index(hosts, guint, i);
        if (is_idle(belt, host) && (best == VR_NONE || is_better_spare(belt, host, best, load_max)))
            best = host;
    }
    return best;
}

void
vr_spare_choose(VrBelt *belt)
{
    for (guint p = 0; p < belt->problem->pool_count; p++) {
        VrBeltPool *pool = &belt->pools[p];
        for (pool->spares_missing = vr_spare_needed(belt->problem, p); pool->spares_missing > 0;
             pool->spares_missing--) {
            guint host = find_spare(belt, p);
            if (host == VR_NONE)
                break;
            if (belt->hosts[host].state == VR_HOST_OPEN) {
                vr_belt_count_open(belt, host, -1);
                pool->spares_to_update++;
            }
            vr_belt_set_state(belt, host, VR_HOST_SPARE);
        }
    }
}

gboolean
vr_spare_take(VrBelt *belt, guint host)
{
    VrBeltPool *pool = &belt->pools[belt->problem->hosts[host].pool];

    if (pool->spares_missing == 0)
        return FALSE;
    pool->spares_missing--;
    pool->spares_to_update++;
    pool->active_count--;
    belt->pipeline_count--;
    vr_belt_set_state(belt, host, VR_HOST_SPARE);
    pool->stamp++; /* from now on others may be drained */
    return TRUE;
}

static guint
find_to_update(const VrBelt *belt, guint pool)
{
    const GArray *hosts = belt->problem->pools[pool].hosts;

    for (guint i = 0; i < hosts->len; i++) {
        guint host = g_array_index(hosts, guint, i);
        if (belt->hosts[host].state == VR_HOST_SPARE &&
            belt->problem->hosts[host].role == VR_ROLE_UPDATE && belt->hosts[host].update_id == 0)
            return host;
    }
    return VR_NONE;
}

static guint
find_reliever(const VrBelt *belt, guint pool)
{
    const GArray *hosts = belt->problem->pools[pool].hosts;

    for (guint i = 0; i < hosts->len; i++) {
        guint host = g_array_index(hosts, guint, i);
        if (belt->hosts[host].state == VR_HOST_UPDATED && is_idle(belt, host))
            return host;
    }
    return VR_NONE;
}

void
vr_spare_relieve(VrBelt *belt)
{
    for (guint p = 0; p < belt->problem->pool_count; p++) {
        VrBeltPool *pool = &belt->pools[p];
        while (pool->spares_to_update > 0 && pool->open_count == 0) {
            guint reliever = find_reliever(belt, p), host = find_to_update(belt, p);
            if (reliever == VR_NONE)
                break;
            vr_belt_set_state(belt, reliever, VR_HOST_SPARE);
            belt->hosts[host].relieved_by = belt->hosts[reliever].update_id;
            pool->spares_to_update--;
            pool->active_count++;
            belt->pipeline_count++;
            vr_drain_hold(belt, host);
        }
    }
}
