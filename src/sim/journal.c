/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal port in memory. What is in SimWorld.records is durable, whoever has heard of it. */
#include "sim/private.h"

typedef struct {
    SimWait wait;
    GPtrArray *records; /* (element-type SimRecord) */
    guint64 first_sequence;
    gboolean has_gap;
    const char *detail; /* (nullable) */
    VrAppend outcome;
    VrAppendDone done;
    gpointer data;
} Append;

void
sim_record_free(gpointer data)
{
    SimRecord *record = data;

    g_free(record->rollout);
    g_free(record->kind);
    g_free(record->body);
    g_free(record);
}

static VrRecord
view(const SimRecord *stored, guint64 sequence)
{
    return (VrRecord){sequence,     stored->at_us,   stored->rollout,
                      stored->kind, stored->version, stored->body};
}

static void
tell(const Append *self, SimFactKind kind)
{
    const SimController *controller = self->wait.controller;
    g_autofree VrRecord *views = g_new(VrRecord, MAX(self->records->len, 1));
    SimFact fact = sim_fact(kind);

    for (guint i = 0; i < self->records->len; i++)
        views[i] = view(g_ptr_array_index(self->records, i), self->first_sequence + i);
    fact.controller = controller->number;
    fact.records = views;
    fact.count = self->records->len;
    sim_world_tell(controller->world, fact);
}

/* Another process may have written in between. */
static void
store(Append *self)
{
    SimWorld *world = self->wait.controller->world;

    if (self->has_gap || self->first_sequence != world->records->len + 1) {
        self->outcome = VR_APPEND_REFUSED;
        self->detail = "simulated: its sequence does not follow the last one";
        return;
    }
    for (guint i = 0; i < self->records->len; i++) {
        SimRecord *record = g_ptr_array_index(self->records, i);
        sim_world_trace(world, "journal %" G_GUINT64_FORMAT " %s %s", self->first_sequence + i,
                        record->kind, record->body);
    }
    tell(self, SIM_FACT_APPENDED);
    g_ptr_array_extend_and_steal(world->records, g_steal_pointer(&self->records));
    self->records = g_ptr_array_new_with_free_func(sim_record_free);
}

static void
finish(SimWait *wait, gboolean dead)
{
    Append *self = (Append *)wait;
    SimWorld *world = wait->controller->world;
    /* Cut off in the middle: it is there, or it is not. */
    gboolean stores = self->outcome == VR_APPEND_DURABLE
                          ? !dead || sim_world_draw(world, 0, 1) == 0
                          : self->outcome == VR_APPEND_UNKNOWN && sim_world_draw(world, 0, 1) == 0;

    if (stores)
        store(self);
    if (!dead && self->outcome != VR_APPEND_DURABLE) {
        /* A wrong sequence harms nobody else. */
        wait->controller->journal_dead = wait->controller->journal_dead || self->detail == NULL;
        tell(self, SIM_FACT_APPEND_FAILED);
    }
    if (!dead)
        sim_controller_dies_by_lot(wait->controller);
    if (self->outcome != VR_APPEND_DURABLE && self->detail == NULL)
        self->detail = "simulated";
    self->done(self->outcome, self->detail, self->data);
    g_ptr_array_unref(self->records);
    g_free(self);
}

typedef struct {
    guint controller;
    Append *append;
} Due;

/* The controller may be gone, and the append with it. */
static void
come_due(SimWorld *world, gpointer data)
{
    Due *due = data;

    for (guint i = 0; i < world->controllers->len; i++) {
        const SimController *controller = g_ptr_array_index(world->controllers, i);
        if (controller->number == due->controller &&
            g_ptr_array_find(controller->waits, due->append, NULL))
            sim_wait_finish(&due->append->wait);
    }
    g_free(due);
}

static Append *
append_new(const VrRecord *records, guint count, VrAppendDone done, gpointer data)
{
    Append *self = g_new0(Append, 1);

    self->wait.finish = finish;
    self->records = g_ptr_array_new_with_free_func(sim_record_free);
    self->first_sequence = count > 0 ? records[0].sequence : 0;
    self->done = done;
    self->data = data;
    for (guint i = 0; i < count; i++) {
        SimRecord *record = g_new(SimRecord, 1);
        *record =
            (SimRecord){records[i].at_us, g_strdup(records[i].rollout), g_strdup(records[i].kind),
                        records[i].version, g_strdup(records[i].body)};
        g_ptr_array_add(self->records, record);
        if (records[i].sequence != self->first_sequence + i)
            self->has_gap = TRUE;
    }
    return self;
}

static void
append(gpointer context, const VrRecord *records, guint count, VrAppendDone done, gpointer data)
{
    SimController *controller = context;
    SimWorld *world = controller->world;
    Append *self = append_new(records, count, done, data);
    gint64 delay_us = sim_world_draw(world, 500, 5000);
    Due *due = NULL;

    sim_wait_add(controller, &self->wait);
    if (controller->killed) {
        self->outcome = VR_APPEND_REFUSED;
        return;
    }
    tell(self, SIM_FACT_APPEND_ISSUED);
    if (sim_controller_falters(controller)) {
        self->outcome = VR_APPEND_REFUSED; /* it never reached the disk */
        return;
    }
    if (controller->journal_dead || sim_world_strikes(world, SIM_FAULT_JOURNAL_REFUSES))
        self->outcome = VR_APPEND_REFUSED;
    else if (sim_world_strikes(world, SIM_FAULT_JOURNAL_UNKNOWN))
        self->outcome = VR_APPEND_UNKNOWN;
    if (sim_world_strikes(world, SIM_FAULT_JOURNAL_SLOW))
        delay_us += sim_faults_extent(&world->faults, SIM_FAULT_JOURNAL_SLOW, 100, 30000) * SIM_MS;
    due = g_new(Due, 1);
    *due = (Due){controller->number, self};
    controller->journal_due_us = MAX(controller->journal_due_us, world->now_us + delay_us);
    sim_world_after(world, controller->journal_due_us - world->now_us, come_due, due, g_free);
}

static gboolean
read_records(gpointer context, guint64 from_sequence, VrRecordSeen seen, gpointer data,
             GError **error)
{
    const SimController *controller = context;
    const GPtrArray *records = controller->world->records;
    (void)error;

    for (guint64 i = MAX(from_sequence, 1); i <= records->len; i++) {
        VrRecord record = view(g_ptr_array_index(records, i - 1), i);
        if (!seen(&record, data))
            break;
    }
    return TRUE;
}

const VrJournalVTable sim_journal = {append, read_records};
