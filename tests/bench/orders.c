/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "order-pack.h"
#include "orders-private.h"
#include "orders.h"

#define PASSES_MAX 3
#define RETURN_PASSES_MAX 50
#define WAVE_FAILURES_MAX 40

const char *
order_to_string(Order order)
{
    static const char *const names[] = {
        "host by host, and back (Xen Orchestra)", "host by host (oVirt, CloudStack)",
        "waves, and back (hroller)", "waves", "pipeline, one migration per VM"};

    return names[order];
}

/* Reserves places for all VMs of the host, anywhere. */
static gboolean
begin_drain(World *world, guint host)
{
    guint extras = 0;

    world_begin_try(world, host);
    if (pack_host(world, host, PACK_ANY, &extras))
        return TRUE;
    world_end_try(world, host, HOST_WAITS);
    return FALSE;
}

static void
run_host_by_host(World *world)
{
    guint left = 1;

    for (guint pass = 0; pass < PASSES_MAX && left > 0; pass++) {
        left = 0;
        for (guint host = 0; host < world->host_count; host++) {
            if (world->hosts[host].state != HOST_WAITS)
                continue;
            if (!begin_drain(world, host)) {
                left++;
                continue;
            }
            pack_launch(world, host);
            world_run(world);
            world_start_update(world, host);
            world_run(world);
        }
    }
}

/* One VM at a time; TRUE if one went home. `out_away`: found no room there. */
static gboolean
return_some(World *world, GArray **homes, guint *out_away)
{
    gboolean any = FALSE;

    *out_away = 0;
    for (guint host = world->host_count; host-- > 0;) {
        for (guint i = 0; world->hosts[host].state == HOST_UPDATED && i < homes[host]->len; i++) {
            guint vm = g_array_index(homes[host], guint, i);
            if (world->vms[vm].host == (gint)host)
                continue;
            if (!world_fits(world, vm, host)) {
                ++*out_away;
                continue;
            }
            world_reserve(world, vm, host);
            world_queue(world, vm);
            world_run(world);
            any = TRUE;
        }
    }
    return any;
}

static GArray **
list_homes(const World *world)
{
    GArray **homes = g_new(GArray *, world->host_count + 1);

    for (guint host = 0; host < world->host_count; host++)
        homes[host] = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint vm = 0; vm < world->vm_count; vm++)
        g_array_append_val(homes[world->vms[vm].start_host], vm);
    return homes;
}

static void
free_homes(const World *world, GArray **homes)
{
    for (guint host = 0; host < world->host_count; host++)
        g_array_unref(homes[host]);
    g_free(homes);
}

static void
return_all(World *world)
{
    GArray **homes = list_homes(world);
    guint away = 1;

    for (guint pass = 0; pass < RETURN_PASSES_MAX && away > 0; pass++) {
        if (!return_some(world, homes, &away))
            break;
    }
    free_homes(world, homes);
}

static void
mark_targets(World *world, guint host)
{
    gint vm = world->hosts[host].heads[LIST_RESIDENT];

    for (; vm >= 0; vm = world->vms[vm].next[LIST_RESIDENT]) {
        if (world->vms[vm].target >= 0)
            world->hosts[world->vms[vm].target].is_target = TRUE;
    }
}

/* Hosts whose VMs all have a place outside the wave. (element-type guint) */
static GArray *
make_wave(World *world)
{
    GArray *wave = g_array_new(FALSE, FALSE, sizeof(guint));
    guint failures = 0;

    for (guint host = 0; host < world->host_count && wave->len < world->down_max; host++) {
        if (world->hosts[host].state != HOST_WAITS || world->hosts[host].is_target)
            continue;
        if (begin_drain(world, host)) {
            g_array_append_val(wave, host);
            mark_targets(world, host);
        } else if (++failures > WAVE_FAILURES_MAX) {
            break;
        }
    }
    for (guint host = 0; host < world->host_count; host++)
        world->hosts[host].is_target = FALSE;
    return wave;
}

static void
return_wave(World *world, GArray **homes, const GArray *wave)
{
    for (guint i = 0; i < wave->len; i++) {
        guint host = g_array_index(wave, guint, i);
        for (guint j = 0; j < homes[host]->len; j++) {
            guint vm = g_array_index(homes[host], guint, j);
            if (world->vms[vm].host == (gint)host || !world_fits(world, vm, host))
                continue;
            world_reserve(world, vm, host);
            world_queue(world, vm);
        }
    }
    world_run(world);
}

static void
run_waves(World *world, gboolean back)
{
    GArray **homes = list_homes(world);

    for (;;) {
        g_autoptr(GArray) wave = make_wave(world);
        if (wave->len == 0)
            break;
        for (guint i = 0; i < wave->len; i++)
            pack_launch(world, g_array_index(wave, guint, i));
        world_run(world);
        for (guint i = 0; i < wave->len; i++)
            world_start_update(world, g_array_index(wave, guint, i));
        world_run(world);
        if (back)
            return_wave(world, homes, wave);
    }
    free_homes(world, homes);
}

static void
run(Order order, World *world)
{
    switch (order) {
    case ORDER_HOST_BY_HOST_AND_BACK:
        run_host_by_host(world);
        return_all(world);
        break;
    case ORDER_HOST_BY_HOST:
        run_host_by_host(world);
        break;
    case ORDER_WAVES_AND_BACK:
        run_waves(world, TRUE);
        break;
    case ORDER_WAVES:
        run_waves(world, FALSE);
        break;
    case ORDER_PIPELINE:
        order_pipeline_run(world);
        break;
    case ORDERS:
        g_assert_not_reached();
    }
}

static gint64
cpu_time_us(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

OrderResult
order_run(Order order, const VrInventory *inventory, const VrPolicy *policy)
{
    gint64 begun_us = cpu_time_us();
    World *world = world_new(inventory, policy);
    OrderResult result = {0};

    run(order, world);
    result.plan_us = cpu_time_us() - begun_us;
    result.migrations = world->migrations;
    result.makespan_ms = world->now_ms;
    result.exposure_vm_ms = world->exposure_vm_ms;
    result.migrations_in_flight_peak = world->in_flight_peak;
    result.hosts_down_peak = world->down_peak;
    for (guint host = 0; host < world->host_count; host++) {
        HostState state = world->hosts[host].state;
        result.hosts_left += state != HOST_UPDATED && state != HOST_LEFT_OUT;
    }
    world_free(world);
    return result;
}
