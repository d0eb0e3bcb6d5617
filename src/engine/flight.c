/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/flight.h"

#include "engine/observe.h"

struct VrFlights {
    VrEnginePorts ports;
    VrFlightsOwner owner;
    GPtrArray *running; /* (element-type Flight) few: bounded by the limits of the policy */
    gboolean released;
};

/* One command on its way. Holds a reference on the flights. */
typedef struct {
    VrFlights *flights;
    VrCommandKind kind;
    guint step;
    guint attempt;
    gint64 issued_us;
    VrInputBox *input; /* what it completed with */
} Flight;

/* A progress report between threads. */
typedef struct {
    VrFlights *flights;
    guint step;
    guint attempt;
    VrMigrationProgress progress;
} Report;

static void
flights_clear(gpointer data)
{
    VrFlights *self = data;

    g_ptr_array_unref(self->running);
}

static void
flights_unref(VrFlights *self)
{
    g_atomic_rc_box_release_full(self, flights_clear);
}

VrFlights *
vr_flights_new(const VrEnginePorts *ports, const VrFlightsOwner *owner)
{
    VrFlights *self = g_atomic_rc_box_new0(VrFlights);

    self->ports = *ports;
    self->owner = *owner;
    self->running = g_ptr_array_new();
    return self;
}

void
vr_flights_release(VrFlights *self)
{
    self->released = TRUE;
    flights_unref(self);
}

guint
vr_flights_count(const VrFlights *self)
{
    return self->running->len;
}

/* On the engine's thread. */
static void
land(gpointer data)
{
    Flight *flight = data;
    VrFlights *flights = flight->flights;
    VrInputBox *input = flight->input;

    g_ptr_array_remove_fast(flights->running, flight);
    input->input.step = flight->step;
    input->input.attempt = flight->attempt;
    input->input.issued_us = flight->issued_us;
    if (flights->released)
        vr_input_box_free(input);
    else
        flights->owner.completed(flights->owner.data, input);
    g_free(flight);
    flights_unref(flights);
}

static void
complete(Flight *flight, VrInputBox *input)
{
    VrExecutor executor = flight->flights->ports.executor;

    flight->input = input;
    executor.post(executor.context, land, flight);
}

static void
observed(VrObservation *observation, gpointer data)
{
    VrInputBox *input = vr_input_box_new(VR_INPUT_OBSERVED);

    vr_input_box_take_observation(input, observation);
    complete(data, input);
}

static void
listed(const VrListing *listing, gpointer data)
{
    VrInputBox *input = vr_input_box_new(VR_INPUT_LISTED);

    vr_input_box_set_listing(input, listing);
    complete(data, input);
}

static void
call_returned(const GError *error, gpointer data)
{
    VrInputBox *input = vr_input_box_new(VR_INPUT_CALL_RETURNED);

    vr_input_box_set_error(input, error);
    complete(data, input);
}

static void
stage_ended(const VrStageResult *result, gpointer data)
{
    VrInputBox *input = vr_input_box_new(VR_INPUT_STAGE_ENDED);

    vr_input_box_set_stage(input, result);
    complete(data, input);
}

static void
report_progress(gpointer data)
{
    Report *report = data;
    VrFlights *flights = report->flights;

    if (!flights->released)
        flights->owner.progressed(flights->owner.data, report->step, report->attempt,
                                  &report->progress);
    flights_unref(flights);
    g_free(report);
}

static void
progressed(const VrMigrationProgress *progress, gpointer data)
{
    const Flight *flight = data;
    Report *report = g_new0(Report, 1);

    report->flights = g_atomic_rc_box_acquire(flight->flights);
    report->step = flight->step;
    report->attempt = flight->attempt;
    report->progress = *progress;
    flight->flights->ports.executor.post(flight->flights->ports.executor.context, report_progress,
                                         report);
}

/* In its update, or lost in it: proven empty and closed, and swept before it opens. */
static gboolean
is_down(const VrStepState *update)
{
    VrPhase phase = update->set_aside && update->phase == VR_PHASE_NEEDS_OPERATOR
                        ? update->resume_phase
                        : update->phase;

    return vr_phase_is_host_down(phase);
}

/*
 * Where else a VM could be. Not on a host that is down for its update; waiting for its reboot would
 * hold up every other migration.
 */
static char **
hosts_elsewhere(const VrFlights *self, const VrRollout *rollout, const VrCommand *command)
{
    GStrvBuilder *builder = g_strv_builder_new();
    char **hosts = NULL;

    for (guint i = 0; self->ports.hosts[i] != NULL; i++) {
        const char *host = self->ports.hosts[i];
        gint update = vr_rollout_find_update(rollout, host);
        if (g_strcmp0(host, command->source) != 0 && g_strcmp0(host, command->target) != 0 &&
            (update < 0 || !is_down(vr_rollout_step(rollout, (guint)update))))
            g_strv_builder_add(builder, host);
    }
    hosts = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return hosts;
}

static void
start_observe(VrFlights *self, Flight *flight, const VrRollout *rollout, const VrCommand *command)
{
    g_auto(GStrv) elsewhere = hosts_elsewhere(self, rollout, command);
    VrObserveRequest request = {
        .vm_uuid = command->vm_uuid,
        .source = command->source,
        .target = command->target,
        .elsewhere = elsewhere,
        .with_definition = command->with_definition,
    };

    vr_observe(&self->ports.hypervisor, &self->ports.executor, &request, observed, flight);
}

static void
start_migrate(VrFlights *self, Flight *flight, const VrRollout *rollout, const VrCommand *command)
{
    VrMigrationRequest request = {
        .vm_uuid = command->vm_uuid,
        .source = command->source,
        .target = command->target,
        .bandwidth_mib_per_s = command->bandwidth_mib_per_s,
        .tls = rollout->basis->policy->migration.tls,
    };

    self->ports.hypervisor.vtable->migrate(self->ports.hypervisor.context, &request, progressed,
                                           call_returned, flight);
}

static void
start_act(VrFlights *self, Flight *flight, const VrCommand *command)
{
    gint64 not_after_us = command->not_after_us;
    VrActionRequest request = {
        .action = command->action,
        .host = command->host,
        .vm_uuid = command->vm_uuid,
        .row = command->row,
        .expected = command->expected,
        .valid_us = not_after_us == 0 ? 0 : MAX(not_after_us - flight->issued_us, 1),
        .definition = command->definition,
    };

    self->ports.hypervisor.vtable->act(self->ports.hypervisor.context, &request, call_returned,
                                       flight);
}

static void
start_stage(VrFlights *self, Flight *flight, const VrRollout *rollout, const VrCommand *command)
{
    VrStageRequest request = {
        .rollout = rollout->id,
        .host = command->host,
        .stage = command->stage,
        .step = command->step,
        .attempt = command->attempt,
        .level = rollout->basis->plan->update_level,
        .attach_only = command->attach_only,
    };

    self->ports.host_update.vtable->run(self->ports.host_update.context, &request, stage_ended,
                                        flight);
}

/* The journal or this process was slow: what the command rests on has to be read again. */
static void
expire(Flight *flight)
{
    if (flight->kind == VR_COMMAND_STAGE) {
        VrStageResult expired = {VR_STAGE_END_EXPIRED, 0, ""};
        stage_ended(&expired, flight);
    } else {
        g_autoptr(GError) expired = g_error_new_literal(
            VR_ERROR, VR_ERROR_CONFLICT, "not begun: what it acts on was read too long ago");
        call_returned(expired, flight);
    }
}

static gboolean
is_running(const VrFlights *self, const VrCommand *command)
{
    for (guint i = 0; i < self->running->len; i++) {
        const Flight *flight = g_ptr_array_index(self->running, i);
        if (flight->kind == command->kind && flight->step == command->step &&
            flight->attempt == command->attempt)
            return TRUE;
    }
    return FALSE;
}

static void
start_command(VrFlights *self, const VrRollout *rollout, const VrCommand *command, gint64 now_us)
{
    Flight *flight = g_new0(Flight, 1);

    flight->flights = g_atomic_rc_box_acquire(self);
    flight->kind = command->kind;
    flight->step = command->step;
    flight->attempt = command->attempt;
    flight->issued_us = now_us;
    g_ptr_array_add(self->running, flight);
    if (command->not_after_us != 0 && now_us > command->not_after_us) {
        expire(flight);
        return;
    }
    switch (command->kind) {
    case VR_COMMAND_OBSERVE:
        start_observe(self, flight, rollout, command);
        return;
    case VR_COMMAND_LIST:
        self->ports.hypervisor.vtable->list(self->ports.hypervisor.context, command->host, listed,
                                            flight);
        return;
    case VR_COMMAND_MIGRATE:
        start_migrate(self, flight, rollout, command);
        return;
    case VR_COMMAND_ACT:
        start_act(self, flight, command);
        return;
    case VR_COMMAND_STAGE:
        start_stage(self, flight, rollout, command);
        return;
    }
    g_assert_not_reached();
}

void
vr_flights_want(VrFlights *self, const VrRollout *rollout, const GArray *commands, gint64 now_us)
{
    for (guint i = 0; i < commands->len; i++) {
        const VrCommand *command = &g_array_index(commands, VrCommand, i);
        if (!is_running(self, command))
            start_command(self, rollout, command, now_us);
    }
}
