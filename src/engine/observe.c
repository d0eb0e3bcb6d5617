/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/observe.h"

#include <string.h>

typedef struct {
    VrHypervisor hypervisor;
    VrExecutor executor;
    char *vm_uuid;
    char *source;
    char *target;
    char **elsewhere;
    gboolean with_definition;
    VrObserveDone done;
    gpointer data;

    guint round;
    guint elsewhere_pending;
    VrReading source_first;
    VrObservation observation;
} Observing;

/* One reading on its way from the port's thread to the engine's. */
typedef struct {
    Observing *observing;
    void (*take)(Observing *self, const char *host, VrReading *reading);
    const char *host;
    VrReading reading;
} Arrival;

static void start_round(Observing *self);

static void
observing_free(Observing *self)
{
    vr_reading_clear(&self->source_first);
    vr_observation_clear(&self->observation);
    g_strfreev(self->elsewhere);
    g_free(self->vm_uuid);
    g_free(self->source);
    g_free(self->target);
    g_free(self);
}

static void
deliver_arrival(gpointer data)
{
    Arrival *arrival = data;

    arrival->take(arrival->observing, arrival->host, &arrival->reading);
    vr_reading_clear(&arrival->reading);
    g_free(arrival);
}

static void
reading_arrived(const VrReading *reading, gpointer data)
{
    Arrival *arrival = data;
    VrExecutor executor = arrival->observing->executor;

    vr_reading_copy(reading, &arrival->reading);
    executor.post(executor.context, deliver_arrival, arrival);
}

static void
read_side(Observing *self, const char *host, VrRole role, gboolean with_definition,
          void (*take)(Observing *self, const char *host, VrReading *reading))
{
    Arrival *arrival = g_new0(Arrival, 1);

    arrival->observing = self;
    arrival->take = take;
    arrival->host = host;
    self->hypervisor.vtable->read(self->hypervisor.context, host, self->vm_uuid, role,
                                  with_definition, reading_arrived, arrival);
}

static void
move_reading(VrReading *from, VrReading *to)
{
    vr_reading_clear(to);
    *to = *from;
    from->definition = NULL;
    from->detail = NULL;
}

static gboolean
is_same_reading(const VrReading *first, const VrReading *second)
{
    return first->side == second->side && first->libvirt_id == second->libvirt_id &&
           first->persistent == second->persistent && first->generation == second->generation;
}

static void
note_running(Observing *self, const VrReading *source)
{
    self->observation.source_ran |= source->side == VR_SIDE_RUNNING;
}

static void
take_source_again(Observing *self, const char *host, VrReading *reading)
{
    gboolean same = is_same_reading(&self->source_first, reading);
    (void)host;

    note_running(self, reading);
    move_reading(reading, &self->observation.source);
    if (!same && ++self->round < VR_OBSERVE_ROUNDS_MAX) {
        start_round(self);
        return;
    }
    self->observation.torn = !same;
    self->done(&self->observation, self->data);
    observing_free(self);
}

static void
read_source_again(Observing *self)
{
    read_side(self, self->source, VR_ROLE_SOURCE, self->with_definition, take_source_again);
}

/* A sighting counts more than a host that could not be read; of two such the same one always. */
static gboolean
is_better(const VrObservation *observation, VrElsewhere seen, const char *host)
{
    if (seen == VR_ELSEWHERE_NO || observation->elsewhere == VR_ELSEWHERE_YES)
        return FALSE;
    return seen == VR_ELSEWHERE_YES || observation->elsewhere_host == NULL ||
           strcmp(host, observation->elsewhere_host) < 0;
}

static void
take_elsewhere(Observing *self, const char *host, VrReading *reading)
{
    VrObservation *observation = &self->observation;
    VrElsewhere seen = reading->side == VR_SIDE_ABSENT    ? VR_ELSEWHERE_NO
                       : reading->side == VR_SIDE_UNKNOWN ? VR_ELSEWHERE_UNKNOWN
                                                          : VR_ELSEWHERE_YES;

    if (is_better(observation, seen, host)) {
        observation->elsewhere = seen;
        g_free(observation->elsewhere_host);
        g_free(observation->elsewhere_detail);
        observation->elsewhere_host = g_strdup(host);
        observation->elsewhere_failure = reading->failure;
        observation->elsewhere_detail = g_strdup_printf(
            "%s%s%s", vr_side_to_string(reading->side), reading->detail != NULL ? ", " : "",
            reading->detail != NULL ? reading->detail : "");
    }
    if (--self->elsewhere_pending == 0)
        read_source_again(self);
}

/* After the target: a copy can move from there to elsewhere, not the other way unseen. */
static void
read_elsewhere(Observing *self)
{
    self->elsewhere_pending = g_strv_length(self->elsewhere);
    if (self->elsewhere_pending == 0) {
        read_source_again(self);
        return;
    }
    for (guint i = 0; self->elsewhere[i] != NULL; i++)
        read_side(self, self->elsewhere[i], VR_ROLE_OTHER, FALSE, take_elsewhere);
}

static void
take_target(Observing *self, const char *host, VrReading *reading)
{
    (void)host;
    move_reading(reading, &self->observation.target);
    read_elsewhere(self);
}

static void
take_source(Observing *self, const char *host, VrReading *reading)
{
    (void)host;
    note_running(self, reading);
    move_reading(reading, &self->source_first);
    read_side(self, self->target, VR_ROLE_TARGET, FALSE, take_target);
}

/* Source first: only its job can bring a copy into being on the target. */
static void
start_round(Observing *self)
{
    self->observation.elsewhere = VR_ELSEWHERE_NO;
    self->observation.elsewhere_failure = VR_FAILURE_NONE;
    g_clear_pointer(&self->observation.elsewhere_host, g_free);
    g_clear_pointer(&self->observation.elsewhere_detail, g_free);
    read_side(self, self->source, VR_ROLE_SOURCE, FALSE, take_source);
}

void
vr_observe(const VrHypervisor *hypervisor, const VrExecutor *executor,
           const VrObserveRequest *request, VrObserveDone done, gpointer data)
{
    Observing *self = g_new0(Observing, 1);

    self->hypervisor = *hypervisor;
    self->executor = *executor;
    self->vm_uuid = g_strdup(request->vm_uuid);
    self->source = g_strdup(request->source);
    self->target = g_strdup(request->target);
    self->elsewhere = g_strdupv(request->elsewhere);
    self->with_definition = request->with_definition;
    self->done = done;
    self->data = data;
    start_round(self);
}
