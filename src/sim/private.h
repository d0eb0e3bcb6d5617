/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of src/sim know of each other and nobody else. */
#pragma once

#include "sim/controller.h"
#include "sim/world.h"

G_BEGIN_DECLS

/* What libvirt says of a guest that has not been migrated, or that its daemon has forgotten. */
#define SIM_NO_STATS ((VrMigrationStats){VR_UNKNOWN, VR_UNKNOWN, VR_UNKNOWN})

/* journal.c */
typedef struct {
    gint64 at_us;
    char *rollout;
    char *kind;
    guint version;
    char *body;
} SimRecord;
void sim_record_free(gpointer data);
extern const VrJournalVTable sim_journal;

/* hypervisor.c, host-update.c */
extern const VrHypervisorVTable sim_hypervisor;
/* What is kept of a VM's inactive XML: enough to see that it is the right one. (transfer full) */
char *sim_definition_of(const SimVm *vm);
void sim_act(gpointer context, const VrActionRequest *request, VrCallDone done, gpointer data);
extern const VrHostUpdateVTable sim_host_update;
void sim_stage_free(gpointer data);

/* ------------------------------------------------------------------ calls (call.c) */

/* After so long without an answer a controller holds its connection to be dead. */
#define SIM_KEEPALIVE_US (30 * SIM_S)

/*
 * One call of a controller on its way to a daemon and back. It owns its request. `answer` is called
 * exactly once, with an error or NULL, then the call is freed; `execute` may run before that,
 * after it (a late call), or never.
 */
typedef struct SimCall SimCall;

struct SimCall {
    SimWorld *world;
    SimController *controller; /* NULL once answered, or its process is dead */
    guint controller_number;
    guint host;
    guint references;
    gboolean is_read;    /* changes nothing: never executed late */
    gboolean executed;   /* at the daemon */
    guint daemon_starts; /* of the daemon that has it in hand; 0: on its way */
    guint cuts;          /* of the link when it was sent */
    /* At the daemon. FALSE: its answer comes later, by sim_call_reply. */
    gboolean (*execute)(SimWorld *world, SimCall *call);
    void (*answer)(SimCall *call, const GError *error);
    void (*clear)(SimCall *call);
    GError *error; /* what execute found */
};

/* Sends a call that was allocated zeroed with its first part filled in. */
void sim_call_send(SimWorld *world, SimController *controller, SimCall *call);
/* From a process that is dead already: it is answered when that is freed. */
void sim_call_hold(SimWorld *world, SimController *controller, SimCall *call);
void sim_calls_orphan(SimController *controller);
/* Runs something for a call later, while keeping it in memory. */
void sim_call_after(SimWorld *world, gint64 delay_us, void (*run)(SimWorld *world, gpointer call),
                    SimCall *call);
/* The daemon's answer is ready: call->error. */
void sim_call_reply(SimWorld *world, SimCall *call);
/* The daemon will never answer it: its process, or the world, has ended. NULL is fine. */
void sim_call_abandon(SimCall *call);
/* The daemon that has them in hand is gone, or its link was cut since: nobody answers them. */
void sim_calls_break(SimWorld *world, guint host, const char *why);

/* controller.c */
struct SimController {
    SimWorld *world;
    guint number;
    GQueue posts;     /* (element-type SimPost) */
    GPtrArray *calls; /* (element-type SimCall) not answered yet */
    GPtrArray *waits; /* (element-type SimWait) stages and appends not answered yet */
    gboolean killed;
    gint64 stalled_until_us;
    gint64 clock_offset_us;
    gint64 journal_due_us; /* of the last append: they are written in the order of the calls */
    gboolean journal_dead; /* an append ended as unknown: nothing is written any more */
    VrHintSeen hint;
    gpointer hint_data;
};

/* A completion that is owed to a controller: run with dead TRUE if it died before. */
typedef struct SimWait SimWait;
struct SimWait {
    SimController *controller;
    void (*finish)(SimWait *wait, gboolean dead);
};
void sim_wait_add(SimController *self, SimWait *wait);
void sim_wait_finish(SimWait *wait); /* removes it, then finish(wait, FALSE) */

/* An opportunity for the controller to die or to be stopped; TRUE if it is dead now. */
gboolean sim_controller_falters(SimController *self);
/* The same right after it has done something, and before it hears of that. */
void sim_controller_dies_by_lot(SimController *self);
void sim_controllers_hint(SimWorld *world, guint host, const char *uuid, const char *what);

/* machine.c */
void sim_machine_restart_daemon(SimWorld *self, guint host);

/* migration.c */
void sim_migration_daemon_killed(SimWorld *self, guint host);
void sim_migration_daemon_recovers(SimWorld *self, guint host);
void sim_migration_qemu_gone(SimWorld *self, guint vm, guint host);
void sim_migration_link_cut(SimWorld *self, SimMigration *migration);

/* guest.c */
gboolean sim_guest_start(SimWorld *self, guint vm, guint host, SimCause cause);
void sim_guest_hand_over_paused(SimWorld *self, guint vm, guint host);
/* libvirt does not take it along, and a stranger does not care. */
void sim_guest_lose_autostart(SimWorld *self, guint vm);
void sim_guest_undefine(SimWorld *self, guint vm, guint host, SimCause cause);
gint64 sim_copy_cpu_time_ns(const SimWorld *self, const SimCopy *copy);

G_END_DECLS
