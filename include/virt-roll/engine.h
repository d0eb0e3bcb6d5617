/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The loop around the pure rollout: input -> decide -> apply -> append -> (durable) -> derive ->
 * start commands. The only place where order matters. It does no I/O of its own and belongs to one
 * thread; the same engine runs live and in simulation.
 */
#pragma once

#include <virt-roll/ports.h>
#include <virt-roll/revision.h>

G_BEGIN_DECLS

/* Runs `run(data)` later on the engine's thread, in the order of the calls. Any thread may post. */
typedef struct {
    gpointer context;
    void (*post)(gpointer context, void (*run)(gpointer data), gpointer data);
} VrExecutor;

typedef struct {
    VrHypervisor hypervisor;
    VrHostUpdate host_update;
    VrJournal journal;
    VrClock clock;
    VrExecutor executor;
    char **hosts; /* names of all hosts of the fleet; must outlive the engine */
} VrEnginePorts;

/* Told on the engine's thread; must not call the engine. Any may be NULL. */
typedef struct {
    gpointer data;
    /* An event has become durable and is applied. */
    void (*happened)(gpointer data, const VrRollout *rollout, const VrEvent *event);
    /* A migration in flight goes on; never journaled. */
    void (*progressed)(gpointer data, guint step, const VrMigrationProgress *progress);
    /* The journal could not take an event: nothing more is issued by this process. */
    void (*halted)(gpointer data, const char *reason);
} VrEngineListener;

typedef struct VrEngine VrEngine;

VrEngine *vr_engine_new(const VrEnginePorts *ports, const VrEngineListener *listener);

/*
 * Reads the journal and brings the latest rollout to where it was. Must be called once, before all
 * else. If the rollout can go on, nothing is taken in and nothing is issued until
 * vr_engine_restart; what is asked before waits. VR_ERROR_CORRUPT: the journal is not ours, or
 * broken.
 */
gboolean vr_engine_replay(VrEngine *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The latest rollout in a journal, for the engine and for readers beside it. (transfer full) never
 * NULL on success; basis NULL if the journal holds none. out_sequence: of the last record; 0.
 */
VrRollout *vr_replay(const VrJournal *journal, guint64 *out_sequence,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Learns how everything that an earlier process had in hand ended; then what was asked before. */
void vr_engine_restart(VrEngine *self);

/* Begins a new rollout, stopped; only when there is none that could go on. Values are copied. */
void vr_engine_create(VrEngine *self, const char *id, const VrPlan *plan, const VrPolicy *policy,
                      const VrInventory *inventory);

/*
 * start, stop, retry, undo, release (of the host `subject`), defer (of the VM with the UUID
 * `subject`) or close; text is the reason, NULL where none is needed.
 */
void vr_engine_ask(VrEngine *self, VrInputKind kind, const char *subject, const char *text);

/*
 * The plan is revised, if it still may be; taken, and made by vr_revision_new. The rollout stays
 * where it is until it is started. Automatic: nobody was asked, so the policy must allow it.
 */
void vr_engine_revise(VrEngine *self, VrRevision *revision, const char *reason, gboolean automatic);

/* Time has passed. Call at or after vr_engine_next_deadline, and after anything else. */
void vr_engine_tick(VrEngine *self);
/* In the clock's time; G_MAXINT64: nothing waits for time. */
gint64 vr_engine_next_deadline(const VrEngine *self);

/* The present state; NULL basis if there is no rollout. Borrowed until the next call. */
const VrRollout *vr_engine_rollout(const VrEngine *self);

/* Nothing runs, waits in the queue or is being appended. */
gboolean vr_engine_is_idle(const VrEngine *self);

/* Forgets what is in flight: late completions are dropped. */
void vr_engine_free(VrEngine *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrEngine, vr_engine_free)

G_END_DECLS
