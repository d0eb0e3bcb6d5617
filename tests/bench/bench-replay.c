/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast a journal is replayed: events a second, for fleets of several sizes. Each one is made
 * by a whole simulated rollout without faults. The baseline is parsing alone, in the same run. In
 * time of this process, which other work on the machine does not lengthen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim/controller.h"
#include "simulate/scenario.h"

#define REPEATS 7

static const guint sizes[][2] = {{4, 6}, {16, 20}, {64, 30}};

/* Rolls the fleet to its end; the journal stays in the world. */
static void
roll(SimWorld *world, const VrInventory *inventory, const VrPolicy *policy, const VrPlan *plan)
{
    SimController *controller = sim_controller_new(world);
    VrEnginePorts ports = sim_controller_ports(controller);
    VrEngineListener listener = {0};
    VrEngine *engine = vr_engine_new(&ports, &listener);
    gboolean replayed = vr_engine_replay(engine, NULL);

    g_assert(replayed);
    vr_engine_create(engine, "bench", plan, policy, inventory);
    vr_engine_ask(engine, VR_INPUT_START, NULL, NULL);
    for (;;) {
        while (sim_controller_run_posts(controller))
            continue;
        if (vr_engine_is_idle(engine) && vr_rollout_is_over(vr_engine_rollout(engine)->phase))
            break;
        gint64 deadline_us = vr_engine_next_deadline(engine);
        if (!sim_world_step(world, deadline_us)) {
            g_assert(deadline_us != G_MAXINT64);
            world->now_us = MAX(world->now_us, deadline_us);
            vr_engine_tick(engine);
        }
    }
    g_assert(vr_engine_rollout(engine)->phase == VR_ROLLOUT_DONE);
    vr_engine_free(engine);
    sim_controller_free(controller);
}

static gboolean
parse_only(const VrRecord *record, gpointer data)
{
    g_autoptr(VrEvent) event = vr_event_parse(record, NULL);
    (void)data;

    return event != NULL;
}

static gint
by_time(gconstpointer a, gconstpointer b)
{
    gint64 first = *(const gint64 *)a;
    gint64 second = *(const gint64 *)b;

    return (first > second) - (first < second);
}

static gint64
cpu_time_us(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* Median of several runs, in microseconds. */
static gint64
measure(const VrJournal *journal, gboolean applies)
{
    gint64 times_us[REPEATS];

    for (guint i = 0; i < REPEATS; i++) {
        gint64 begun_us = cpu_time_us();
        if (applies) {
            guint64 sequence = 0;
            g_autoptr(VrRollout) rollout = vr_replay(journal, &sequence, NULL);
            g_assert(rollout != NULL);
        } else {
            (void)journal->vtable->read(journal->context, 1, parse_only, NULL, NULL);
        }
        times_us[i] = cpu_time_us() - begun_us;
    }
    qsort(times_us, REPEATS, sizeof times_us[0], by_time);
    return MAX(times_us[REPEATS / 2], 1);
}

static void
bench(guint hosts, guint vms_per_host)
{
    g_autoptr(SimScenario) scenario = sim_scenario_draw(5);
    VrPlanRequest request = {.update_level = "level-2"};
    g_autoptr(GError) error = NULL;

    scenario->hosts = hosts;
    scenario->vms_per_host = vms_per_host;
    g_autoptr(VrInventory) inventory = sim_scenario_inventory(scenario);
    g_autoptr(VrPolicy) policy = sim_scenario_policy(scenario);
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    g_assert_no_error(error);
    SimWorld *world = sim_world_new(inventory, request.update_level, 5);
    world->faults.healed = TRUE;
    roll(world, inventory, policy, plan);

    SimController *reader = sim_controller_new(world);
    VrJournal journal = sim_controller_ports(reader).journal;
    gint64 parse_us = measure(&journal, FALSE);
    gint64 replay_us = measure(&journal, TRUE);
    guint events = world->records->len;
    printf("%3u hosts %5u VMs %7u events: replay %8.0f events/s, %4.2f x parsing alone\n", hosts,
           inventory->vms->len, events, events * 1e6 / (double)replay_us,
           (double)replay_us / (double)parse_us);
    sim_controller_free(reader);
    sim_world_free(world);
}

int
main(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++)
        bench(sizes[i][0], sizes[i][1]);
    return 0;
}
