/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/flight.h"
#include "engine/stall.h"
#include "engine/watch.h"

/* Steps that may follow from one input before something is badly wrong. */
#define ADVANCES_MAX 1000000

struct VrEngine {
    VrEnginePorts ports;
    VrEngineListener listener;
    VrRollout *rollout;
    VrFlights *flights;
    VrWatch *watch;
    GHashTable *stalls;      /* step id -> VrStall, of migrations that have told their progress */
    GQueue inputs;           /* (element-type VrInputBox) */
    gint64 offset_us;        /* our time is the clock's plus this: never before the journal's */
    gboolean awaits_restart; /* a replayed rollout goes on only after vr_engine_restart */
    gint64 decided_us;       /* time of the last input */
    guint64 sequence;        /* of the last record that is durable or being appended */
    GPtrArray *appending;    /* (element-type VrEvent) NULL: nothing is being appended */
    gboolean halted;
    gboolean closed; /* freed by its owner, memory still held by an append */
};

/* An append's outcome on its way to the engine's thread. */
typedef struct {
    VrEngine *engine;
    VrAppend outcome;
    char *detail;
} Appended;

static void process(VrEngine *self);

static void
engine_clear(gpointer data)
{
    VrEngine *self = data;

    g_queue_clear_full(&self->inputs, (GDestroyNotify)vr_input_box_free);
    g_clear_pointer(&self->appending, g_ptr_array_unref);
    g_hash_table_unref(self->stalls);
    vr_rollout_free(self->rollout);
}

static void
engine_unref(VrEngine *self)
{
    g_atomic_rc_box_release_full(self, engine_clear);
}

static gint64
now_us(const VrEngine *self)
{
    return self->ports.clock.vtable->now_us(self->ports.clock.context) + self->offset_us;
}

static void
halt(VrEngine *self, const char *reason)
{
    self->halted = TRUE;
    if (self->listener.halted != NULL)
        self->listener.halted(self->listener.data, reason);
}

/* ------------------------------------------------------------------ after durable */

/*
 * Starts what should be running. Only when every input is decided: a completion that still waits in
 * the queue is no longer on its way, and its command would be started a second time.
 */
static void
dispatch(VrEngine *self)
{
    g_autoptr(GArray) commands = g_array_new(FALSE, FALSE, sizeof(VrCommand));

    if (self->rollout->basis == NULL)
        return;
    vr_rollout_commands(self->rollout, now_us(self), commands);
    vr_flights_want(self->flights, self->rollout, commands, now_us(self));
}

static void
publish(VrEngine *self, const GPtrArray *events)
{
    if (self->listener.happened == NULL)
        return;
    for (guint i = 0; i < events->len; i++)
        self->listener.happened(self->listener.data, self->rollout, g_ptr_array_index(events, i));
}

static void
finish_append(gpointer data)
{
    Appended *appended = data;
    VrEngine *self = appended->engine;
    g_autoptr(GPtrArray) events = g_steal_pointer(&self->appending);

    if (self->closed) {
        /* its owner no longer listens */
    } else if (appended->outcome == VR_APPEND_DURABLE) {
        publish(self, events);
        process(self);
    } else {
        g_autofree char *reason =
            g_strdup_printf("the journal did not take an event (%s): %s. Nothing more is issued; "
                            "what runs goes on. Mend its storage, then run again",
                            vr_append_to_string(appended->outcome),
                            appended->detail != NULL ? appended->detail : "no reason given");
        halt(self, reason);
    }
    g_free(appended->detail);
    g_free(appended);
    engine_unref(self);
}

static void
append_done(VrAppend outcome, const char *detail, gpointer data)
{
    Appended *appended = data;
    VrExecutor executor = appended->engine->ports.executor;

    appended->outcome = outcome;
    appended->detail = g_strdup(detail);
    executor.post(executor.context, finish_append, appended);
}

static void
free_text(gpointer data)
{
    g_free(data);
}

static void
append(VrEngine *self, GPtrArray *events)
{
    g_autoptr(GArray) records = g_array_new(FALSE, TRUE, sizeof(VrRecord));
    g_autoptr(GPtrArray) bodies = g_ptr_array_new_with_free_func(free_text);
    Appended *appended = g_new0(Appended, 1);

    for (guint i = 0; i < events->len; i++) {
        const VrEvent *event = g_ptr_array_index(events, i);
        char *body = vr_event_format(event);
        VrRecord record = {
            .sequence = ++self->sequence,
            .at_us = event->at_us,
            .rollout = self->rollout->id,
            .kind = vr_event_kind_to_string(event->kind),
            .version = VR_EVENT_VERSION,
            .body = body,
        };
        g_ptr_array_add(bodies, body);
        g_array_append_val(records, record);
    }
    self->appending = g_ptr_array_ref(events);
    appended->engine = g_atomic_rc_box_acquire(self);
    self->ports.journal.vtable->append(self->ports.journal.context,
                                       (const VrRecord *)(gconstpointer)records->data, records->len,
                                       append_done, appended);
}

/* ------------------------------------------------------------------ input -> events */

static void
free_event(gpointer data)
{
    vr_event_free(data);
}

/* Applies the events from index `from` on. FALSE: halted, an event could not follow. */
static gboolean
apply_from(VrEngine *self, const GPtrArray *events, guint from)
{
    for (guint i = from; i < events->len; i++) {
        g_autoptr(GError) error = NULL;
        if (!vr_rollout_apply(self->rollout, g_ptr_array_index(events, i), &error)) {
            halt(self, error->message);
            return FALSE;
        }
    }
    return TRUE;
}

/* What the input brings about, and everything that follows from it. FALSE: halted. */
static gboolean
decide_all(VrEngine *self, const VrInput *input, GPtrArray *events)
{
    guint applied = 0;

    self->decided_us = input->at_us;
    vr_rollout_decide(self->rollout, input, events);
    for (guint i = 0; i < ADVANCES_MAX; i++) {
        if (!apply_from(self, events, applied))
            return FALSE;
        applied = events->len;
        vr_rollout_advance(self->rollout, input->at_us, events);
        if (events->len == applied)
            return TRUE;
    }
    halt(self, "internal error: the rollout does not come to rest");
    return FALSE;
}

static GHashTable *
new_stalls(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

/* A new rollout starts from nothing; the earlier one stays in the journal. */
static void
make_way(VrEngine *self)
{
    if (self->rollout->basis == NULL || vr_rollout_is_unfinished(self->rollout))
        return;
    vr_rollout_free(self->rollout);
    self->rollout = vr_rollout_new();
    g_hash_table_unref(self->stalls);
    self->stalls = new_stalls();
}

/* Takes inputs one by one until one has to be made durable; when none is left, dispatches. */
static void
process(VrEngine *self)
{
    while (!self->halted && !self->closed && !self->awaits_restart && self->appending == NULL) {
        g_autoptr(VrInputBox) box = g_queue_pop_head(&self->inputs);
        g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(free_event);
        if (box == NULL) {
            dispatch(self);
            return;
        }
        box->input.at_us = now_us(self);
        if (!decide_all(self, &box->input, events))
            return;
        if (events->len > 0)
            append(self, events);
    }
}

static void
receive(VrEngine *self, VrInputBox *box)
{
    g_queue_push_tail(&self->inputs, box);
    process(self);
}

static void
flight_completed(gpointer data, VrInputBox *input)
{
    receive(data, input);
}

static void
watch_for_stall(VrEngine *self, guint step, guint attempt, const VrMigrationProgress *progress)
{
    gint64 limit_us = self->rollout->basis->policy->migration.stall_s * G_USEC_PER_SEC;
    VrStall *stall = g_hash_table_lookup(self->stalls, GUINT_TO_POINTER(step));

    if (stall == NULL) {
        stall = g_new0(VrStall, 1);
        g_hash_table_insert(self->stalls, GUINT_TO_POINTER(step), stall);
    }
    if (vr_stall_note(stall, attempt, progress, now_us(self), limit_us)) {
        VrInputBox *box = vr_input_box_new(VR_INPUT_STALLED);
        box->input.step = step;
        box->input.attempt = attempt;
        receive(self, box);
    }
}

static void
flight_progressed(gpointer data, guint step, guint attempt, const VrMigrationProgress *progress)
{
    VrEngine *self = data;

    watch_for_stall(self, step, attempt, progress);
    if (self->listener.progressed != NULL)
        self->listener.progressed(self->listener.data, step, progress);
}

/* Decided on together, once all hosts are judged. */
static void
watch_told(gpointer data, VrInputBox *input)
{
    VrEngine *self = data;

    g_queue_push_tail(&self->inputs, input);
}

static void
watch(VrEngine *self)
{
    if (self->halted || self->awaits_restart || self->rollout->basis == NULL)
        return;
    vr_watch_tick(self->watch, self->rollout, now_us(self));
    process(self);
}

/* ------------------------------------------------------------------ public face */

static void
receive_posted(gpointer data)
{
    gpointer *pair = data;
    VrEngine *self = pair[0];

    if (self->closed)
        vr_input_box_free(pair[1]);
    else
        receive(self, pair[1]);
    engine_unref(self);
    g_free(pair);
}

static void
hint_seen(const char *host, const char *uuid, const char *what, gpointer data)
{
    VrEngine *self = data;
    gpointer *pair = g_new(gpointer, 2);
    VrInputBox *box = vr_input_box_new(VR_INPUT_HINT);

    vr_input_box_set_texts(box, host, uuid, what);
    pair[0] = g_atomic_rc_box_acquire(self);
    pair[1] = box;
    self->ports.executor.post(self->ports.executor.context, receive_posted, pair);
}

VrEngine *
vr_engine_new(const VrEnginePorts *ports, const VrEngineListener *listener)
{
    VrEngine *self = g_atomic_rc_box_new0(VrEngine);
    VrFlightsOwner owner = {self, flight_completed, flight_progressed};

    self->ports = *ports;
    self->listener = *listener;
    self->rollout = vr_rollout_new();
    self->stalls = new_stalls();
    self->flights = vr_flights_new(ports, &owner);
    self->watch = vr_watch_new(ports, watch_told, self);
    g_queue_init(&self->inputs);
    return self;
}

void
vr_engine_free(VrEngine *self)
{
    if (self == NULL)
        return;
    self->ports.hypervisor.vtable->watch(self->ports.hypervisor.context, NULL, NULL);
    self->closed = TRUE;
    vr_flights_release(self->flights);
    vr_watch_release(self->watch);
    engine_unref(self);
}

gboolean
vr_engine_replay(VrEngine *self, GError **error)
{
    VrRollout *rollout = vr_replay(&self->ports.journal, &self->sequence, error);

    if (rollout == NULL)
        return FALSE;
    vr_rollout_free(self->rollout);
    self->rollout = rollout;
    self->offset_us = MAX(0, rollout->now_us - now_us(self));
    self->awaits_restart = vr_rollout_is_unfinished(rollout);
    self->ports.hypervisor.vtable->watch(self->ports.hypervisor.context, hint_seen, self);
    return TRUE;
}

void
vr_engine_restart(VrEngine *self)
{
    self->awaits_restart = FALSE;
    g_queue_push_head(&self->inputs, vr_input_box_new(VR_INPUT_RESTARTED));
    process(self);
}

void
vr_engine_create(VrEngine *self, const char *id, const VrPlan *plan, const VrPolicy *policy,
                 const VrInventory *inventory)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(free_event);
    VrInput input = {
        .kind = VR_INPUT_CREATE,
        .at_us = now_us(self),
        .text = id,
        .plan = plan,
        .policy = policy,
        .inventory = inventory,
    };

    g_assert(self->appending == NULL);
    make_way(self);
    if (decide_all(self, &input, events) && events->len > 0)
        append(self, events);
}

void
vr_engine_ask(VrEngine *self, VrInputKind kind, const char *subject, const char *text)
{
    VrInputBox *box = vr_input_box_new(kind);
    gboolean of_vm = kind == VR_INPUT_DEFER;

    vr_input_box_set_texts(box, of_vm ? NULL : subject, of_vm ? subject : NULL, text);
    receive(self, box);
}

void
vr_engine_revise(VrEngine *self, VrRevision *revision, const char *reason, gboolean automatic)
{
    VrInputBox *box = vr_input_box_new(VR_INPUT_REVISE);

    vr_input_box_take_plan(box, g_steal_pointer(&revision->planned),
                           g_steal_pointer(&revision->scope));
    vr_input_box_set_texts(box, NULL, NULL, reason);
    box->input.automatic = automatic;
    vr_revision_free(revision);
    receive(self, box);
}

void
vr_engine_tick(VrEngine *self)
{
    receive(self, vr_input_box_new(VR_INPUT_TICK));
    watch(self);
}

gint64
vr_engine_next_deadline(const VrEngine *self)
{
    if (self->halted || self->awaits_restart || self->rollout->basis == NULL)
        return G_MAXINT64;
    /* Not from now: what has come due since the last input has not been looked at yet. */
    gint64 next_us = self->appending != NULL
                         ? G_MAXINT64
                         : vr_rollout_next_deadline(self->rollout, self->decided_us);
    next_us = MIN(next_us, vr_watch_next_us(self->watch, self->rollout));
    return next_us == G_MAXINT64 ? next_us : next_us - self->offset_us;
}

const VrRollout *
vr_engine_rollout(const VrEngine *self)
{
    return self->rollout;
}

gboolean
vr_engine_is_idle(const VrEngine *self)
{
    return self->appending == NULL && g_queue_is_empty((GQueue *)(guintptr)&self->inputs) &&
           vr_flights_count(self->flights) == 0;
}
