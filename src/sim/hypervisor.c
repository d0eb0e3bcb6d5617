/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hypervisor port into the simulated world: reads, lists, migrations. Actions: action.c. */
#include "sim/private.h"

#define PROGRESS_INTERVAL_US (10 * SIM_S)
/* How long libvirt lets a call wait for a domain's job before it gives up. */
#define JOB_WAIT_US (30 * SIM_S)

/* Controllers expect the machines that the rollout was planned on, as vr_libvirt_expect does. */
static gboolean
is_known_machine(const SimCall *call)
{
    const SimHost *machine = sim_host(call->world, call->host);

    return g_strcmp0(machine->own_uuid, machine->uuid) == 0;
}

static SimCall *
call_new(gsize size, SimController *controller, const char *host)
{
    SimCall *call = g_malloc0(size);

    call->host = sim_world_find_host(controller->world, host);
    g_assert(call->host != SIM_NOWHERE);
    return call;
}

static void
tell_call(const SimCall *call, SimFactKind kind, guint vm, VrSide side, gboolean reachable,
          gint64 at_us)
{
    SimFact fact = sim_fact(kind);

    fact.controller = call->controller_number;
    fact.vm = vm;
    fact.host = call->host;
    fact.side = side;
    fact.reachable = reachable;
    fact.at_us = at_us;
    sim_world_tell(call->world, fact);
}

static void
send_read(SimController *controller, SimCall *call)
{
    if (controller->killed)
        sim_call_hold(controller->world, controller, call);
    else
        sim_call_send(controller->world, controller, call);
}

/* ------------------------------------------------------------------ read */

typedef struct {
    SimCall call;
    guint vm; /* SIM_NOWHERE: nobody has ever heard of it */
    VrRole role;
    gboolean with_definition;
    VrReading reading;
    gint64 taken_us;
    VrReadDone done;
    gpointer data;
} ReadCall;

char *
sim_definition_of(const SimVm *vm)
{
    return g_strdup_printf("<domain type='kvm'><name>%s</name><uuid>%s</uuid></domain>", vm->name,
                           vm->uuid);
}

/* "Failed" means more on a target than elsewhere. */
static VrSide
side_for(VrSide side, VrRole role)
{
    return side == VR_SIDE_OFF_FAILED && role != VR_ROLE_TARGET ? VR_SIDE_OFF : side;
}

static void
read_copy(const SimWorld *world, guint vm, guint host, VrRole role, VrReading *reading)
{
    const SimCopy *copy = sim_copy(world, vm, host);

    reading->side = side_for(sim_copy_side(world, vm, host), role);
    if (reading->side == VR_SIDE_ABSENT)
        return;
    reading->persistent = copy->defined;
    reading->autostart = copy->autostart;
    reading->memory_mib = sim_vm(world, vm)->memory_mib;
    reading->shutting_down = copy->qemu == SIM_QEMU_SHUTTING_DOWN;
    if (sim_copy_is_active(copy)) {
        reading->libvirt_id = copy->libvirt_id;
        reading->cpu_time_ns = sim_copy_cpu_time_ns(world, copy);
        if (role == VR_ROLE_TARGET &&
            (reading->side == VR_SIDE_RUNNING || reading->side == VR_SIDE_USER))
            reading->stats = copy->stats;
    }
}

static gboolean
read_execute(SimWorld *world, SimCall *call)
{
    ReadCall *self = (ReadCall *)call;
    const SimHost *machine = sim_host(world, call->host);

    self->taken_us = world->now_us;
    self->reading.generation = (guint64)machine->daemon_starts * 1000 + machine->cuts;
    if (!is_known_machine(call)) {
        self->reading.failure = VR_FAILURE_WRONG_MACHINE;
        self->reading.detail = g_strdup("another machine answers under its name");
        return TRUE;
    }
    self->reading.side = VR_SIDE_ABSENT;
    if (self->vm == SIM_NOWHERE)
        return TRUE;
    read_copy(world, self->vm, call->host, self->role, &self->reading);
    if (self->with_definition && self->reading.side != VR_SIDE_ABSENT)
        self->reading.definition = sim_definition_of(sim_vm(world, self->vm));
    tell_call(call, SIM_FACT_READ_TAKEN, self->vm, self->reading.side, TRUE, 0);
    return TRUE;
}

static void
read_answer(SimCall *call, const GError *error)
{
    ReadCall *self = (ReadCall *)call;

    if (error != NULL) {
        self->reading.side = VR_SIDE_UNKNOWN;
        self->reading.failure = VR_FAILURE_NONE;
        g_free(self->reading.detail);
        self->reading.detail = g_strdup(error->message);
    }
    if (!g_error_matches(error, VR_ERROR, VR_ERROR_CANCELLED))
        tell_call(call, SIM_FACT_READ_SEEN, self->vm, self->reading.side,
                  self->reading.side != VR_SIDE_UNKNOWN, self->taken_us);
    self->done(&self->reading, self->data);
}

static void
read_clear(SimCall *call)
{
    vr_reading_clear(&((ReadCall *)call)->reading);
}

static void
sim_read(gpointer context, const char *host, const char *vm_uuid, VrRole role,
         gboolean with_definition, VrReadDone done, gpointer data)
{
    SimController *controller = context;
    ReadCall *self = (ReadCall *)call_new(sizeof(ReadCall), controller, host);

    self->call.is_read = TRUE;
    self->call.execute = read_execute;
    self->call.answer = read_answer;
    self->call.clear = read_clear;
    self->vm = sim_world_find_vm(controller->world, vm_uuid);
    self->role = role;
    self->with_definition = with_definition;
    self->reading = (VrReading){
        .side = VR_SIDE_UNKNOWN,
        .libvirt_id = -1,
        .cpu_time_ns = -1,
        .stats = SIM_NO_STATS,
    };
    self->done = done;
    self->data = data;
    send_read(controller, &self->call);
}

/* ------------------------------------------------------------------ list */

typedef struct {
    SimCall call;
    VrListing *listing;
    gint64 taken_us;
    VrListDone done;
    gpointer data;
} ListCall;

static void
list_copy(const SimWorld *world, guint vm, guint host, VrListing *listing)
{
    const SimCopy *copy = sim_copy(world, vm, host);
    VrListedVm *listed = NULL;

    if (!copy->defined && !sim_copy_is_active(copy))
        return;
    listed = vr_listing_add(listing, sim_vm(world, vm)->uuid, sim_vm(world, vm)->name);
    listed->active = sim_copy_is_active(copy);
    listed->persistent = copy->defined;
    listed->autostart = copy->autostart;
    listed->memory_mib = sim_vm(world, vm)->memory_mib;
    /* A list tells no jobs. */
    SimJob job = copy->job;
    sim_copy(world, vm, host)->job = SIM_JOB_NONE;
    listed->side = side_for(sim_copy_side(world, vm, host), VR_ROLE_OTHER);
    sim_copy(world, vm, host)->job = job;
}

static gboolean
list_execute(SimWorld *world, SimCall *call)
{
    ListCall *self = (ListCall *)call;
    SimHost *machine = sim_host(world, call->host);

    self->taken_us = world->now_us;
    if (sim_world_strikes(world, SIM_FAULT_LIST_UNREADABLE))
        machine->unlisted_until_us =
            world->now_us +
            sim_faults_extent(&world->faults, SIM_FAULT_LIST_UNREADABLE, 1, 120) * SIM_S;
    if (machine->unlisted_until_us > world->now_us) {
        self->listing->detail = g_strdup("a domain could not be read while it was listed");
        return TRUE;
    }
    if (!is_known_machine(call)) {
        self->listing->failure = VR_FAILURE_WRONG_MACHINE;
        self->listing->detail = g_strdup("another machine answers under its name");
        return TRUE;
    }
    self->listing->reachable = TRUE;
    self->listing->host_uuid = g_strdup(machine->uuid);
    for (guint v = 0; v < world->vms->len; v++)
        list_copy(world, v, call->host, self->listing);
    return TRUE;
}

static void
list_answer(SimCall *call, const GError *error)
{
    ListCall *self = (ListCall *)call;

    if (error != NULL) {
        vr_listing_free(self->listing);
        self->listing = vr_listing_new();
        self->listing->detail = g_strdup(error->message);
    }
    if (!g_error_matches(error, VR_ERROR, VR_ERROR_CANCELLED))
        tell_call(call, SIM_FACT_LIST_SEEN, SIM_NOWHERE, VR_SIDE_UNKNOWN, self->listing->reachable,
                  self->taken_us);
    self->done(self->listing, self->data);
}

static void
list_clear(SimCall *call)
{
    vr_listing_free(((ListCall *)call)->listing);
}

static void
sim_list(gpointer context, const char *host, VrListDone done, gpointer data)
{
    SimController *controller = context;
    ListCall *self = (ListCall *)call_new(sizeof(ListCall), controller, host);

    self->call.is_read = TRUE;
    self->call.execute = list_execute;
    self->call.answer = list_answer;
    self->call.clear = list_clear;
    self->listing = vr_listing_new();
    self->done = done;
    self->data = data;
    send_read(controller, &self->call);
}

/* ------------------------------------------------------------------ sample */

/* Of a guest that is well: what it waits for, and how often it asks a disk, by its CPU time. */
#define BUSY_SHARE 5 /* so much of the time it wants a CPU */
#define RUN_PER_DELAY 500
#define RUN_US_PER_REQUEST 5000
#define REQUEST_US 800
#define HOST_CPUS 64

typedef struct {
    SimCall call;
    VrSampling *sampling;
    VrSampleDone done;
    gpointer data;
} SampleCall;

/* For how long in all its guests have had to wait. */
static gint64
sick_us(const SimWorld *world, SimHost *host)
{
    if (host->sick_since_us == 0)
        return host->sick_us;
    gint64 until_us = MIN(world->now_us, host->sick_until_us);
    gint64 sick_us = host->sick_us + MAX(until_us - host->sick_since_us, 0);
    if (until_us == host->sick_until_us) {
        host->sick_us = sick_us;
        host->sick_since_us = 0;
    }
    return sick_us;
}

static void
sample_copy(const SimWorld *world, guint vm, guint host, VrSampling *sampling)
{
    const SimCopy *copy = sim_copy(world, vm, host);
    VrSampledVm *sampled = NULL;

    if (!copy->defined && !sim_copy_is_active(copy))
        return;
    sampled = vr_sampling_add(sampling, sim_vm(world, vm)->uuid);
    sampled->crashed = !sim_copy_is_active(copy) && copy->off == SIM_OFF_FAILED;
    sampled->io_error = copy->qemu == SIM_QEMU_PAUSED_IO_ERROR;
    if (!sim_copy_is_active(copy))
        return;
    sampled->sample.vcpus = 1;
    sampled->sample.run_us = sim_copy_cpu_time_ns(world, copy) / 1000 / BUSY_SHARE;
    sampled->sample.delay_us =
        sampled->sample.run_us / RUN_PER_DELAY + sick_us(world, sim_host(world, host)) / 2;
    sampled->sample.requests = sampled->sample.run_us / RUN_US_PER_REQUEST;
    sampled->sample.io_us = sampled->sample.requests * REQUEST_US;
}

static gboolean
sample_execute(SimWorld *world, SimCall *call)
{
    SampleCall *self = (SampleCall *)call;

    if (!is_known_machine(call)) {
        self->sampling->detail = g_strdup("another machine answers under its name");
        return TRUE;
    }
    self->sampling->reachable = TRUE;
    self->sampling->cpus = HOST_CPUS;
    for (guint v = 0; v < world->vms->len; v++)
        sample_copy(world, v, call->host, self->sampling);
    return TRUE;
}

static void
sample_answer(SimCall *call, const GError *error)
{
    SampleCall *self = (SampleCall *)call;

    if (error != NULL) {
        vr_sampling_free(self->sampling);
        self->sampling = vr_sampling_new();
        self->sampling->detail = g_strdup(error->message);
    }
    self->done(self->sampling, self->data);
}

static void
sample_clear(SimCall *call)
{
    vr_sampling_free(((SampleCall *)call)->sampling);
}

static void
sim_sample(gpointer context, const char *host, VrSampleDone done, gpointer data)
{
    SimController *controller = context;
    SampleCall *self = (SampleCall *)call_new(sizeof(SampleCall), controller, host);

    self->call.is_read = TRUE;
    self->call.execute = sample_execute;
    self->call.answer = sample_answer;
    self->call.clear = sample_clear;
    self->sampling = vr_sampling_new();
    self->done = done;
    self->data = data;
    send_read(controller, &self->call);
}

/* ------------------------------------------------------------------ migrate */

typedef struct {
    SimCall call;
    guint vm;
    guint target;
    gint64 bandwidth_mib_per_s;
    gint64 waiting_since_us; /* for the domain's job; 0 */
    VrProgressSeen progress;
    VrCallDone done;
    gpointer data;
} MigrateCall;

static void try_to_begin(SimWorld *world, MigrateCall *self);

static void
report_progress(SimWorld *world, gpointer data)
{
    MigrateCall *self = data;
    VrMigrationProgress progress = {0};

    if (self->call.controller == NULL)
        return;
    if (sim_migration_progress(world, self->vm, &progress))
        self->progress(&progress, self->data);
    sim_call_after(world, PROGRESS_INTERVAL_US, report_progress, &self->call);
}

static void
give_up(SimWorld *world, MigrateCall *self, VrFailure failure, const char *why)
{
    self->call.error =
        g_error_new(VR_FAILURE, (gint)failure, "%s: %s: %s", sim_host(world, self->call.host)->name,
                    sim_vm(world, self->vm)->name, why);
    sim_call_reply(world, &self->call);
}

static void
try_again(SimWorld *world, gpointer data)
{
    MigrateCall *self = data;

    if (sim_host_answers(world, self->call.host) &&
        sim_host(world, self->call.host)->daemon_starts == self->call.daemon_starts)
        try_to_begin(world, self);
    else
        sim_call_abandon(&self->call);
}

static void
wait_for_job(SimWorld *world, MigrateCall *self)
{
    if (self->waiting_since_us == 0)
        self->waiting_since_us = world->now_us;
    if (world->now_us - self->waiting_since_us >= JOB_WAIT_US)
        give_up(world, self, VR_FAILURE_VM_BUSY, "cannot acquire state change lock");
    else
        sim_call_after(world, SIM_S, try_again, &self->call);
}

static void
try_to_begin(SimWorld *world, MigrateCall *self)
{
    switch (sim_migration_begin(world, self->vm, self->call.host, self->target,
                                self->bandwidth_mib_per_s, &self->call, FALSE)) {
    case SIM_BEGUN:
        sim_call_after(world, PROGRESS_INTERVAL_US, report_progress, &self->call);
        return;
    case SIM_BUSY:
        wait_for_job(world, self);
        return;
    case SIM_MIGRATES:
        give_up(world, self, VR_FAILURE_VM_BUSY, "another migration job is already running");
        return;
    case SIM_NOT_RUNNING:
        if (sim_copy_side(world, self->vm, self->call.host) == VR_SIDE_ABSENT)
            give_up(world, self, VR_FAILURE_OTHER, "it was not begun: domain not found");
        else
            give_up(world, self, VR_FAILURE_NOT_RUNNING, "domain is not running");
        return;
    }
}

static gboolean
migrate_execute(SimWorld *world, SimCall *call)
{
    MigrateCall *self = (MigrateCall *)call;

    if (sim_world_strikes(world, SIM_FAULT_REFUSED))
        give_up(world, self, VR_FAILURE_DISK_MISSING, "cannot access its disk on the target");
    else
        try_to_begin(world, self);
    return FALSE;
}

static void
migrate_answer(SimCall *call, const GError *error)
{
    MigrateCall *self = (MigrateCall *)call;

    self->done(error, self->data);
}

static void
sim_migrate(gpointer context, const VrMigrationRequest *request, VrProgressSeen progress,
            VrCallDone done, gpointer data)
{
    SimController *controller = context;
    SimWorld *world = controller->world;
    MigrateCall *self = (MigrateCall *)call_new(sizeof(MigrateCall), controller, request->source);
    SimFact fact = sim_fact(SIM_FACT_MIGRATE_ISSUED);

    self->call.execute = migrate_execute;
    self->call.answer = migrate_answer;
    self->vm = sim_world_find_vm(world, request->vm_uuid);
    self->target = sim_world_find_host(world, request->target);
    self->bandwidth_mib_per_s = request->bandwidth_mib_per_s;
    self->progress = progress;
    self->done = done;
    self->data = data;
    g_assert(self->vm != SIM_NOWHERE && self->target != SIM_NOWHERE);
    if (controller->killed) {
        sim_call_hold(world, controller, &self->call);
        return;
    }
    sim_world_trace(world, "call migrate %s %s>%s", sim_vm(world, self->vm)->name, request->source,
                    request->target);
    fact.controller = controller->number;
    fact.vm = self->vm;
    fact.host = self->call.host;
    fact.other = self->target;
    sim_world_tell(world, fact);
    if (sim_controller_falters(controller)) {
        sim_call_hold(world, controller, &self->call);
    } else {
        sim_call_send(world, controller, &self->call);
        sim_controller_dies_by_lot(controller);
    }
}

static void
sim_watch(gpointer context, VrHintSeen seen, gpointer data)
{
    SimController *controller = context;

    controller->hint = seen;
    controller->hint_data = data;
}

const VrHypervisorVTable sim_hypervisor = {sim_read,    sim_list, sim_sample,
                                           sim_migrate, sim_act,  sim_watch};
