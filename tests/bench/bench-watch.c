/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What watching a large fleet costs: every host sampled and every VM's sample taken in once per
 * interval, over a port that answers at once. Processor time of this process against the interval,
 * and its memory. What judging costs beside it: bench-health cost.
 */
#include <malloc.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <virt-roll/rollout.h>

#include "engine/watch.h"
#include "rollout/document.h"
#include "synthetic-fleet.h"

#define INTERVALS 80
#define BEGIN_US (1795000000 * G_GINT64_CONSTANT(1000000))

typedef struct {
    const VrInventory *inventory;
    GPtrArray **vms; /* (element-type VrVm) by host */
    gint64 now_us;
    GQueue posts;
    guint64 samples;
} Fleet;

typedef struct {
    void (*run)(gpointer data);
    gpointer data;
} Post;

static gint64
fleet_now_us(gpointer context)
{
    return ((const Fleet *)context)->now_us;
}

static void
fleet_post(gpointer context, void (*run)(gpointer data), gpointer data)
{
    Post *post = g_new(Post, 1);

    *post = (Post){run, data};
    g_queue_push_tail(&((Fleet *)context)->posts, post);
}

static void
fleet_sample(gpointer context, const char *host, VrSampleDone done, gpointer data)
{
    Fleet *self = context;
    const GPtrArray *vms = self->vms[vr_inventory_find_host(self->inventory, host)];
    gint64 age_us = self->now_us - BEGIN_US;
    g_autoptr(VrSampling) sampling = vr_sampling_new();

    sampling->reachable = TRUE;
    sampling->cpus = 128;
    for (guint i = 0; i < vms->len; i++) {
        const VrVm *vm = g_ptr_array_index(vms, i);
        VrSampledVm *sampled = vr_sampling_add(sampling, vm->uuid);
        sampled->sample = (VrHealthSample){
            .vcpus = vm->vcpus,
            .run_us = age_us / 8,
            .delay_us = age_us / 2000,
            .requests = age_us / 50000,
            .io_us = age_us / 60,
        };
        self->samples++;
    }
    done(sampling, data);
}

static void
drop(gpointer data, VrInputBox *input)
{
    (void)data;
    vr_input_box_free(input);
}

static double
processor_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* What is resident now; 0: /proc does not say. */
static long
memory_mib(void)
{
    g_autofree char *text = NULL;
    long total_pages = 0;
    long pages = 0;

    (void)malloc_trim(0);
    if (!g_file_get_contents("/proc/self/statm", &text, NULL, NULL) ||
        sscanf(text, "%ld %ld", &total_pages, &pages) != 2)
        return 0;
    return pages * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

static VrRollout *
new_rollout(const VrInventory *inventory)
{
    g_autoptr(VrPolicy) policy = vr_policy_new();
    VrPlanRequest request = {.update_level = "level-2"};
    g_autoptr(VrEvent) created = vr_event_new(VR_EVENT_CREATED, BEGIN_US);
    g_autoptr(VrEvent) runs = vr_event_new(VR_EVENT_ROLLOUT_PHASE, BEGIN_US);
    VrRollout *rollout = vr_rollout_new();

    policy->partial = policy->health.watch = TRUE;
    policy->limits.gate_s = 600;
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, NULL);
    created->rollout = g_strdup("bench");
    created->text = vr_document_write(plan, policy, inventory);
    runs->rollout_phase = VR_ROLLOUT_RUNNING;
    gboolean applied =
        vr_rollout_apply(rollout, created, NULL) && vr_rollout_apply(rollout, runs, NULL);
    g_assert(applied);
    return rollout;
}

static void
run_posts(Fleet *self)
{
    Post *post = NULL;

    while ((post = g_queue_pop_head(&self->posts)) != NULL) {
        post->run(post->data);
        g_free(post);
    }
}

static Fleet *
fleet_new(const VrInventory *inventory)
{
    Fleet *self = g_new0(Fleet, 1);

    self->inventory = inventory;
    self->now_us = BEGIN_US;
    self->vms = g_new0(GPtrArray *, inventory->hosts->len);
    g_queue_init(&self->posts);
    for (guint h = 0; h < inventory->hosts->len; h++)
        self->vms[h] = g_ptr_array_new();
    for (guint v = 0; v < inventory->vms->len; v++) {
        const VrVm *vm = vr_inventory_vm(inventory, v);
        g_ptr_array_add(self->vms[vm->host_index], (gpointer)(guintptr)vm);
    }
    return self;
}

int
main(void)
{
    static const VrHypervisorVTable hypervisor = {.sample = fleet_sample};
    static const VrClockVTable clock_vtable = {fleet_now_us};
    SyntheticWish wish = SYNTHETIC_WISH;

    wish.host_count = 1000;
    g_autoptr(VrInventory) inventory = synthetic_fleet_generate(&wish);
    g_autoptr(VrRollout) rollout = new_rollout(inventory);
    Fleet *fleet = fleet_new(inventory);
    VrEnginePorts ports = {
        .hypervisor = {fleet, &hypervisor},
        .clock = {fleet, &clock_vtable},
        .executor = {fleet, fleet_post},
    };
    VrWatch *watch = vr_watch_new(&ports, drop, NULL);
    long before_mib = memory_mib();
    double begin_s = processor_s();

    for (guint i = 0; i < INTERVALS * 2; i++) {
        fleet->now_us = i == 0 ? BEGIN_US : vr_watch_next_us(watch, rollout);
        vr_watch_tick(watch, rollout, fleet->now_us);
        run_posts(fleet);
    }
    double interval_s = (processor_s() - begin_s) / INTERVALS;
    printf("%u hosts, %u VMs, %u intervals of 10 s, %" G_GUINT64_FORMAT " samples\n",
           inventory->hosts->len, inventory->vms->len, INTERVALS, fleet->samples);
    printf("%.1f ms of processor an interval: %.2f %% of a core\n", interval_s * 1000,
           interval_s * 10);
    printf("%ld MiB resident, %ld MiB before the first sample (plan, inventory)\n", memory_mib(),
           before_mib);
    vr_watch_release(watch);
    return 0;
}
