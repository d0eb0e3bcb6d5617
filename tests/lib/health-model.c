/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "health-model.h"

#include <math.h>

#define BEFORE VRT_BASELINE_SAMPLES
#define WARM_UP 12
#define INTERVAL_MS 10000.0
#define ONSET_MAX 24 /* four minutes */
#define HISTORY 21

typedef struct {
    guint64 state;
} Chance;

static double
uniform(Chance *self)
{
    guint64 z = self->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static double
between(Chance *self, double low, double high)
{
    return low + (high - low) * uniform(self);
}

static double
normal(Chance *self)
{
    return sqrt(-2 * log(1 - uniform(self))) * cos(2 * G_PI * uniform(self));
}

static double
lognormal(Chance *self, double median, double sd)
{
    return median * exp(sd * normal(self));
}

/* A first-order process around 0 with this standard deviation. */
typedef struct {
    double value, keep, sd;
} Wander;

static Wander
wander_begin(Chance *chance, double keep, double sd)
{
    return (Wander){sd * normal(chance), keep, sd};
}

static double
wander_step(Wander *self, Chance *chance)
{
    self->value =
        self->keep * self->value + self->sd * sqrt(1 - self->keep * self->keep) * normal(chance);
    return self->value;
}

/* What is common to VMs of one host. */
typedef struct {
    double cpus, steal_factor;
    Wander steal_noise, path_noise;
    double path; /* its way to the storage, this moment */
    double wanted, steal_per_run, squeeze;
} Host;

typedef struct {
    VrtTraceVm *trace;
    guint vcpus;
    double busy_mean, steal_factor, latency_us, rate; /* requests per sample */
    Wander slow, fast, steal_noise, latency_noise, rate_noise;
    guint burst_left;
    double burst;
    gboolean backup;
    double busy; /* this moment, of its vCPUs */
    double delay_us, run_us, requests, io_us;
} Vm;

typedef struct {
    Chance chance;
    const HealthSituation *situation;
    VrtTrace *trace;
    double c, p, r, latency_us;
    Wander storage_noise;
    double storage, load; /* of everybody, this moment */
    double load_end, io_end, daily_phase;
    guint change_at, onset, stall_every;
    guint samples; /* in all */
    gboolean strong;
} Fleet;

static double
times(double value)
{
    return value > 0 ? value : 1;
}

static void
vm_begin(Vm *self, Fleet *fleet, VrtTraceVm *trace)
{
    static const guint vcpus[] = {1, 1, 2, 2, 2, 4, 4, 8};
    Chance *chance = &fleet->chance;
    const gboolean idle = uniform(chance) < fleet->situation->idle_share;

    self->trace = trace;
    self->vcpus = vcpus[(guint)(uniform(chance) * G_N_ELEMENTS(vcpus))];
    self->busy_mean = MIN(lognormal(chance, idle ? 0.002 : 0.067, idle ? 0.5 : 1.09), 0.85);
    self->steal_factor = lognormal(chance, 1, 0.3);
    self->latency_us = lognormal(chance, fleet->latency_us, 0.5);
    self->rate = idle || uniform(chance) < 0.3 ? between(chance, 0.02, 1)
                                               : MIN(lognormal(chance, 60, 1.6), 20000);
    self->slow =
        wander_begin(chance, exp(-1 / between(chance, 90, 360)), lognormal(chance, 0.4, 0.4));
    self->fast = wander_begin(chance, 0.7, 0.3);
    self->steal_noise = wander_begin(chance, 0.7, 0.3);
    self->latency_noise = wander_begin(chance, 0.98, 0.2);
    self->rate_noise = wander_begin(chance, 0.95, 0.5);
    self->backup = uniform(chance) < fleet->situation->backup_share;
}

/* How much it wants to run, before anybody else does. */
static void
vm_want(Vm *self, Fleet *fleet, guint at)
{
    Chance *chance = &fleet->chance;
    const double slow = wander_step(&self->slow, chance), fast = wander_step(&self->fast, chance);

    if (self->burst_left > 0)
        self->burst_left--;
    else if (uniform(chance) < 0.003 * times(fleet->situation->burst_times)) {
        self->burst_left = (guint)between(chance, 3, 25);
        self->burst = MIN(pow(1 - uniform(chance), -1 / 1.5), 20);
    }
    double busy = self->busy_mean * exp(slow + fast - self->slow.sd * self->slow.sd / 2);
    busy *= (self->burst_left > 0 ? self->burst : 1) * fleet->load;
    if (self->backup && at >= fleet->change_at)
        busy += 0.3;
    self->busy = CLAMP(busy, 0.0005, 0.97);
}

static void
host_begin(Host *self, Fleet *fleet)
{
    Chance *chance = &fleet->chance;

    *self = (Host){
        .steal_factor = between(chance, 0.7, 1.3),
        .steal_noise = wander_begin(chance, 0.9, 0.15),
        .path_noise = wander_begin(chance, 0.95, 0.06 * times(fleet->situation->path_times)),
    };
}

/* From what its VMs want: what share of it they get, and how long they wait for it. */
static double
host_step(Host *self, Fleet *fleet)
{
    const double room = self->cpus * 0.98;
    const double u = MIN(self->wanted / self->cpus, 0.98);

    self->squeeze = self->wanted > room ? room / self->wanted : 1;
    self->path = exp(wander_step(&self->path_noise, &fleet->chance));
    self->steal_per_run = fleet->c * pow(u, fleet->p) / pow(1 - MIN(u, 0.97), fleet->r) *
                          self->steal_factor * exp(wander_step(&self->steal_noise, &fleet->chance));
    return u;
}

/* 0 before the onset of a fault, 1 with it, between while it comes up. */
static double
fault_part(const Fleet *fleet, guint at, gboolean on_target)
{
    const guint begin = BEFORE + WARM_UP + fleet->onset;

    if (!on_target || at < begin)
        return 0;
    return fleet->situation->drifts ? MIN((at - begin + 1) / 60.0, 1) : 1;
}

static void
vm_run(Vm *self, const Host *host, Fleet *fleet, guint at, double fault)
{
    const HealthSituation *situation = fleet->situation;
    Chance *chance = &fleet->chance;
    const double wall_us = INTERVAL_MS * 1000 * self->vcpus;
    double run = self->busy * host->squeeze;
    double noise = exp(wander_step(&self->steal_noise, chance)) * self->steal_factor;

    if (uniform(chance) < 0.005)
        noise *= between(chance, 3, 10);
    double delay = run * host->steal_per_run * noise;
    delay += fault * situation->steal_points * MIN(self->busy / 0.1, 1);
    const double contention = fault * situation->contention;
    delay += contention / (1 - contention) * run;
    if (at >= BEFORE && at < BEFORE + 6)
        delay += 0.03 * run;
    if (run + delay > 1) {
        delay = MIN(delay, 0.95);
        run = 1 - delay;
    }
    self->delay_us += delay * wall_us;
    self->run_us += run * wall_us;
}

static gboolean
stalls_now(Fleet *fleet, double fault)
{
    return fault > 0 && fleet->situation->stalls &&
           uniform(&fleet->chance) < 1.0 / fleet->stall_every;
}

static void
vm_io(Vm *self, Fleet *fleet, guint at, double fault, double way)
{
    const HealthSituation *situation = fleet->situation;
    Chance *chance = &fleet->chance;
    const gboolean copies = self->backup && at >= fleet->change_at;
    double rate = self->rate * exp(wander_step(&self->rate_noise, chance)) * (copies ? 50 : 1);
    const double own = exp(wander_step(&self->latency_noise, chance));
    double count = rate < 30 ? 0 : MAX(floor(rate + sqrt(rate) * normal(chance)), 0);

    if (rate < 30) { /* Poisson, by its gaps */
        for (double left = rate; (left += log(1 - uniform(chance))) > 0;)
            count++;
    }
    if (fault > 0 && situation->dead_disk)
        count = 0;
    if (count == 0)
        return;
    double latency = self->latency_us * own * fleet->storage * way * (copies ? 3 : 1);
    const double variance = log(1 + 2.35 / count); /* of a mean of requests of log sd 1.1 */
    latency *= exp(0.605 + sqrt(variance) * normal(chance) - variance / 2);
    latency *= 1 + fault * (times(situation->io_times) - 1);
    latency += fault * situation->io_added_us;
    if (at >= BEFORE && at < BEFORE + 6)
        latency *= between(chance, 1, 2.5);
    self->requests += count;
    self->io_us += count * latency;
}

static void
vm_sample(Vm *self, Fleet *fleet, guint at, GArray *out)
{
    const double missing = fleet->situation->missing_share;
    VrHealthSample sample = {0};

    if (uniform(&fleet->chance) >= (missing > 0 ? missing : 0.005)) {
        sample = (VrHealthSample){.at_ms = (gint64)((at + 1) * INTERVAL_MS),
                                  .delay_us = (gint64)self->delay_us,
                                  .run_us = (gint64)self->run_us,
                                  .requests = (gint64)self->requests,
                                  .io_us = (gint64)self->io_us,
                                  .vcpus = self->vcpus};
    }
    g_array_append_val(out, sample);
}

static void
fleet_begin(Fleet *self)
{
    Chance *chance = &self->chance;
    const HealthSituation *situation = self->situation;

    self->p = between(chance, 1.5, 4);
    self->r = between(chance, 0.6, 1.3);
    self->c = lognormal(chance, 0.008, 0.7) * times(situation->steal_times) /
              (pow(0.5, self->p) / pow(0.5, self->r));
    self->latency_us = lognormal(chance, 800, 0.4);
    self->storage_noise = wander_begin(chance, 0.97, 0.12);
    self->load_end = between(chance, 1 + (times(situation->fleet_load_times) - 1) / 2,
                             times(situation->fleet_load_times));
    self->io_end = between(chance, 1 + (times(situation->fleet_io_times) - 1) / 3,
                           times(situation->fleet_io_times));
    self->change_at = BEFORE + (guint)between(chance, 0, 36);
    self->daily_phase = uniform(chance) < 0.5 ? -1 : 1;
    self->onset = uniform(chance) < 0.3 ? (guint)between(chance, 1, ONSET_MAX + 1) : 0;
    self->stall_every = (guint)between(chance, 4, 9);
    self->strong = !situation->weak && uniform(chance) < 0.5;
}

static void
fleet_step(Fleet *self, guint at)
{
    const HealthSituation *situation = self->situation;
    const double ramp = at < self->change_at ? 0 : MIN((at - self->change_at + 1) / 6.0, 1);
    const double daily = situation->daily > 0 ? situation->daily : 0.05;

    self->load = (1 + (self->load_end - 1) * ramp) *
                 (1 + self->daily_phase * daily * ((double)at / self->samples - 0.25));
    self->storage = exp(wander_step(&self->storage_noise, &self->chance));
    self->storage *= 1 + (self->io_end - 1) * ramp;
    if (situation->backup_share > 0)
        self->storage *= 1 + 0.3 * ramp;
    if (at >= BEFORE && uniform(&self->chance) < situation->stalls_shared)
        self->storage *= between(&self->chance, 5, 40);
}

/* Seven days, three rollups each: what it is like at this time of day. */
static void
add_history(Vm *self, Fleet *fleet, double steal_share)
{
    Chance *chance = &fleet->chance;
    const gboolean usual = self->backup && uniform(chance) < 0.5;

    for (guint i = 0; i < HISTORY && fleet->strong; i++) {
        const VrHealthRollup rollup = {
            .steal_ppm = (gint64)(1e6 * MIN(steal_share * lognormal(chance, 1, 0.4), 0.5)),
            .latency_us = (gint64)(self->latency_us * exp(0.605) * (usual ? 3 : 1) *
                                   lognormal(chance, 1, 0.2)),
            .requests = (gint64)(self->rate * 60),
        };
        g_array_append_val(self->trace->rollups, rollup);
    }
}

/* A host and its VMs on it; they may change it. */
typedef struct {
    Host host;
    Vm *vms;
    guint count;
    GArray *cpu;
} Place;

static void
size_host(Place *self, double u)
{
    double wanted = 0;

    for (guint i = 0; i < self->count; i++)
        wanted += self->vms[i].busy_mean * self->vms[i].vcpus;
    self->host.cpus = wanted / u;
}

static void
place_step(Place *self, Fleet *fleet, guint at, gboolean on_target)
{
    const double fault = fault_part(fleet, at, on_target);
    const double stall = stalls_now(fleet, fault) ? between(&fleet->chance, 8, 40) : 1;

    self->host.wanted = 0;
    for (guint i = 0; i < self->count; i++) {
        Vm *vm = &self->vms[i];
        vm_want(vm, fleet, at);
        if (on_target && fleet->situation->noisy && i == 0 && at >= fleet->change_at)
            vm->busy = 0.95;
        self->host.wanted += vm->busy * vm->vcpus;
    }
    const gint64 permille = (gint64)(1000 * host_step(&self->host, fleet));
    g_array_append_val(self->cpu, permille);
    for (guint i = 0; i < self->count; i++) {
        Vm *vm = &self->vms[i];
        vm_run(vm, &self->host, fleet, at, fault);
        vm_io(vm, fleet, at, fault, self->host.path * stall);
        vm_sample(vm, fleet, at, at < BEFORE ? vm->trace->baseline : vm->trace->samples);
    }
}

static void
place_begin(Place *self, Fleet *fleet, GPtrArray *vms, guint count, char kind)
{
    self->count = count;
    self->vms = g_new0(Vm, count);
    host_begin(&self->host, fleet);
    for (guint i = 0; i < count; i++) {
        g_autofree char *id = g_strdup_printf("%c%u", kind, vms->len);
        vm_begin(&self->vms[i], fleet, vrt_trace_add_vm(vms, id));
    }
}

/* The VMs arrive with counters at zero, on a host of its own kind. */
static void
migrate(Place *self, Fleet *fleet)
{
    const HealthSituation *situation = fleet->situation;
    const double cpus = self->host.cpus;

    host_begin(&self->host, fleet);
    self->host.cpus = cpus * between(&fleet->chance, 0.9, 1.1);
    if (situation->crowded)
        size_host(self, between(&fleet->chance, 0.8, 0.97));
    for (guint i = 0; i < self->count; i++)
        self->vms[i].delay_us = self->vms[i].run_us = self->vms[i].requests = self->vms[i].io_us =
            0;
}

static void
add_events(const Fleet *fleet, guint count)
{
    const HealthSituation *situation = fleet->situation;
    VrtTraceEvent event = {.sample = WARM_UP + fleet->onset, .vm = count / 2};

    if (situation->dead_guest) {
        event.event = VR_HEALTH_EVENT_CRASHED;
        g_array_append_val(fleet->trace->events, event);
    }
    event.event = VR_HEALTH_EVENT_PROBE_LOST;
    for (guint i = 0; situation->lost_probe && i < 60; i++, event.sample++)
        g_array_append_val(fleet->trace->events, event);
}

/* The source with its VMs, which go to the target. */
static void
begin_own(Place *self, Fleet *fleet, guint count)
{
    const HealthSituation *situation = fleet->situation;
    const double u = between(&fleet->chance, 0.25, 0.65);
    const double steal = fleet->c * pow(u, fleet->p) / pow(1 - u, fleet->r);

    self->cpu = fleet->trace->source_cpu;
    place_begin(self, fleet, fleet->trace->vms, count, 'v');
    size_host(self, u);
    if (situation->noisy)
        self->vms[0].vcpus = 8;
    if (situation->backup_share < 0)
        self->vms[0].backup = TRUE;
    for (guint i = 0; i < count; i++)
        add_history(&self->vms[i], fleet, steal * self->vms[i].steal_factor);
}

static void
begin_control(Place *self, Fleet *fleet, guint count)
{
    GPtrArray *vms = fleet->trace->controls;
    const guint first = vms->len, host = vrt_trace_add_control_host(fleet->trace);

    self->cpu = g_ptr_array_index(fleet->trace->control_cpu, host);
    place_begin(self, fleet, vms, count, 'c');
    size_host(self, between(&fleet->chance, 0.25, 0.65));
    for (guint i = first; i < vms->len; i++)
        ((VrtTraceVm *)g_ptr_array_index(vms, i))->host = host;
}

VrtTrace *
health_model_gate(const HealthSituation *situation, const HealthSize *size, guint64 seed,
                  guint *out_onset)
{
    g_autofree char *name = g_strdup_printf("g%06" G_GUINT64_FORMAT, seed % 1000000);
    g_autofree Place *controls = g_new0(Place, size->control_hosts + 1);
    Fleet fleet = {.chance = {seed * 0x2545f4914f6cdd1du}, .situation = situation};
    Place own = {0};

    fleet.trace = vrt_trace_new(name);
    fleet.samples = BEFORE + WARM_UP + size->samples;
    fleet_begin(&fleet);
    begin_own(&own, &fleet, size->vms);
    for (guint i = 0; i < size->control_hosts; i++)
        begin_control(&controls[i], &fleet, size->controls_per_host);
    for (guint at = 0; at < fleet.samples; at++) {
        fleet_step(&fleet, at);
        if (at == BEFORE) {
            migrate(&own, &fleet);
            own.cpu = fleet.trace->cpu;
        }
        place_step(&own, &fleet, at, at >= BEFORE);
        for (guint i = 0; i < size->control_hosts; i++)
            place_step(&controls[i], &fleet, at, FALSE);
    }
    add_events(&fleet, own.count);
    g_free(own.vms);
    for (guint i = 0; i < size->control_hosts; i++)
        g_free(controls[i].vms);
    *out_onset = fleet.onset;
    return fleet.trace;
}
