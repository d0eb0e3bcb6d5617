/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated world: hosts with libvirt daemons, guests that migrate with libvirt's phases,
 * links, people; in virtual time and on one thread. It is the truth that the auditor judges by. The
 * ports of a controller into it are made by sim/controller.h.
 *
 * What libvirt does, and does alone after a failure, is that of docs/internals/recovery.md, its
 * model's state by state. Fields may be read by everybody and are written by src/sim only,
 * but for the stand that holds it to the contract of the real ports (tests/contract).
 */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/ports.h>

#include "sim/fault.h"

G_BEGIN_DECLS

#define SIM_MS G_GINT64_CONSTANT(1000)
#define SIM_S G_GINT64_CONSTANT(1000000)
#define SIM_NOWHERE G_MAXUINT

typedef struct SimWorld SimWorld;

/* Who changed something. */
typedef enum {
    SIM_BY_CONTROLLER, /* an action of the controller */
    SIM_BY_LIBVIRT,    /* in the course of a migration, or while it recovers from a fault */
    SIM_BY_FAULT,      /* a process or a host died */
    SIM_BY_OWNER,      /* of the guest, or the guest itself */
    SIM_BY_STRANGER,   /* somebody else with access to libvirt */
    SIM_BY_OPERATOR    /* the person who was asked */
} SimCause;

typedef enum {
    SIM_QEMU_NONE,
    SIM_QEMU_RUNNING,
    SIM_QEMU_PAUSED_MIGRATION, /* on a target: incoming */
    SIM_QEMU_PAUSED_USER,
    SIM_QEMU_PAUSED_IO_ERROR,
    SIM_QEMU_SHUTTING_DOWN,
    SIM_QEMU_POSTCOPY
} SimQemu;

typedef enum {
    SIM_JOB_NONE,
    SIM_JOB_OUT_BEGIN,
    SIM_JOB_OUT_PERFORM,
    SIM_JOB_OUT_PERFORMED, /* all is sent, Finish is asked for */
    SIM_JOB_OUT_CONFIRM,
    SIM_JOB_OUT_UNDEFINE, /* killed, definition still there */
    SIM_JOB_OUT_CANCEL,
    SIM_JOB_IN_PREPARE,
    SIM_JOB_IN_FINISH,
    SIM_JOB_IN_DEFINED, /* definition saved, CPUs not started */
    SIM_JOB_IN_STARTED, /* CPUs started or left paused, job still there */
    SIM_JOB_OTHER       /* a backup */
} SimJob;

typedef enum { SIM_OFF_UNKNOWN, SIM_OFF_SHUTDOWN, SIM_OFF_FAILED } SimOff;

/* One VM on one host: what its QEMU does, what its daemon knows, what is on the host's disk. */
typedef struct {
    SimQemu qemu;
    SimJob job;
    SimOff off;             /* why it is not active, while the daemon lives */
    gboolean defined;       /* as the daemon lists it */
    gboolean on_disk;       /* the file, which a daemon or host that starts reads again */
    gboolean autostart;     /* the link on disk */
    gint64 libvirt_id;      /* of an active one */
    gint64 cpu_base_us;     /* CPU time before cpu_since_us */
    gint64 cpu_since_us;    /* running since; 0 */
    guint64 memory;         /* SimVm.memory when this copy last had it */
    VrMigrationStats stats; /* of the migration that brought it, while its daemon remembers */
} SimCopy;

typedef enum { SIM_WISH_RUNNING, SIM_WISH_PAUSED, SIM_WISH_OFF } SimWish;

typedef struct {
    char *uuid;
    char *name;
    gint64 memory_mib;
    gint64 resident_mib;
    gint64 dirty_mib_per_s;
    gboolean autostart;      /* as its owner wants it */
    gboolean autostart_lost; /* by a stranger: who sets it again puts it right */
    SimWish wish;            /* of its owner, at last */
    SimCopy *at;             /* [host_count] */
    guint64 memory; /* grows whenever CPUs start on a copy that came from elsewhere: copies with
                         * an older number have old memory and must never run again */
    gboolean died;  /* its newest memory is lost: killed with its QEMU or host, by no one's will */
    gboolean split; /* two copies have run at the same time */
    gboolean planned; /* was there when the world began */
    gboolean touched; /* a stranger or a fault has interfered since the world began */
    gint migration;   /* index of the one in flight; -1 */
} SimVm;

typedef enum { SIM_DAEMON_UP, SIM_DAEMON_DOWN, SIM_DAEMON_RECOVERING } SimDaemon;

typedef struct {
    char *name;
    char *uuid; /* what the machine says; another after SIM_FAULT_OTHER_MACHINE */
    char *own_uuid;
    gint64 memory_mib;
    gint64 link_mib_per_s;
    gint64 update_s;
    gboolean up;
    gboolean stays_off; /* until healed or a person switches it on */
    guint boots;
    SimDaemon daemon;
    guint daemon_starts;
    gint64 hung_until_us;
    gint64 slow_until_us;
    guint slow_factor;
    gint64 cut_until_us; /* controller - host */
    guint cuts;
    gint64 unlisted_until_us;
    gint64 sick_since_us; /* its guests wait as long as they run and more; 0: it is well … */
    gint64 sick_until_us;
    gint64 sick_us;        /* … how long it has been so before */
    gboolean closed;       /* the flag on disk that libvirt's hook honours */
    gboolean staged;       /* applied, not booted into */
    gboolean staged_badly; /* the next boot will still have the old level */
    gboolean updated;
    gboolean in_update;    /* from apply until it is opened */
    gboolean mended;       /* by the operator, since its last stage */
    guint reboots_pending; /* asked for and still shutting down */
    gint64 next_libvirt_id;
} SimHost;

/* A migration that libvirt has in hand; phases are the jobs of the two copies. */
typedef struct {
    guint vm;
    guint source;
    guint target;
    gboolean live; /* FALSE: over, the slot is free */
    gboolean was_paused;
    gboolean foreign;          /* a stranger's */
    gboolean source_connected; /* the daemons' connection as either end sees it */
    gboolean target_connected;
    enum { SIM_FINISH_OPEN, SIM_FINISH_WELL, SIM_FINISH_FAILED } finish; /* its reply */
    gboolean peer_link;    /* between these two hosts */
    gboolean peer_doubted; /* the target's daemon hangs, and its keepalive runs */
    gboolean never_converges;
    gboolean abort_asked;
    gint64 rate_mib_per_s;
    gint64 sent_until_us;
    gint64 begun_us;
    gpointer call; /* (nullable) SimCall that waits for its end */
    GError *error; /* what the call will say */
    guint64 number;
    guint moment; /* jobs and state at the last opportunity for a fault */
    guint64 wake; /* of its next step; earlier ones are void */
} SimMigration;

/* ------------------------------------------------------------------ facts for the auditor */

/* What has just happened, or is about to: the fields in brackets are set. */
#define SIM_FACTS(X)                                                                               \
    X(SIM_FACT_MIGRATE_ISSUED)    /* by the engine [controller vm host=source other=target] */     \
    X(SIM_FACT_MIGRATE_BEGINS)    /* about to, at the daemon [controller vm host other] */         \
    X(SIM_FACT_MIGRATE_OVER)      /* libvirt has ended it [vm host other] */                       \
    X(SIM_FACT_ACT_ISSUED)        /* by the engine [controller vm host action row] */              \
    X(SIM_FACT_ACT_BEGINS)        /* about to change the copy, the same fields */                  \
    X(SIM_FACT_STAGE_ISSUED)      /* by the engine [controller host stage step attempt attach] */  \
    X(SIM_FACT_STAGE_BEGINS)      /* about to change the host [host stage step attempt] */         \
    X(SIM_FACT_READ_TAKEN)        /* one side's truth was read [controller vm host] */             \
    X(SIM_FACT_READ_SEEN)         /* … and has arrived, unknown or not [… side] */             \
    X(SIM_FACT_LIST_SEEN)         /* a list has arrived [controller host at_us=taken reachable] */ \
    X(SIM_FACT_COPY_CHANGED)      /* [vm host cause] */                                            \
    X(SIM_FACT_HOST_CHANGED)      /* up, down, closed, opened, updated [host cause] */             \
    X(SIM_FACT_APPEND_ISSUED)     /* [controller records count] */                                 \
    X(SIM_FACT_APPENDED)          /* durable now [controller records count] */                     \
    X(SIM_FACT_APPEND_FAILED)     /* refused or unknown [controller] */                            \
    X(SIM_FACT_CONTROLLER_STARTS) /* [controller] */                                               \
    X(SIM_FACT_CONTROLLER_ENDS)   /* killed or closed [controller] */                              \
    X(SIM_FACT_ASKED)             /* start, stop, retry, close [controller input host] */          \
    X(SIM_FACT_HEALED)            /* no further fault */
#define SIM_FACT_MEMBER(member) member,
typedef enum { SIM_FACTS(SIM_FACT_MEMBER) } SimFactKind;
#undef SIM_FACT_MEMBER

typedef struct {
    SimFactKind kind;
    gint64 at_us;
    guint controller; /* number of the process, from 1; 0: none */
    guint vm;         /* SIM_NOWHERE if none */
    guint host;       /* SIM_NOWHERE if none */
    guint other;
    SimCause cause;
    VrAction action;
    VrRow row;
    VrSide side;
    VrStage stage;
    guint step;
    guint attempt;
    gboolean attach_only;
    gboolean reachable;
    int input; /* VrInputKind */
    const VrRecord *records;
    guint count;
} SimFact;

typedef void (*SimFactSeen)(const SimFact *fact, gpointer data);
/* One line without its end, at a time; never NULL text. */
typedef void (*SimTraced)(const SimWorld *world, const char *line, gpointer data);

/* ------------------------------------------------------------------ the world */

typedef struct {
    gint64 at_us;
    guint64 order;
    void (*run)(SimWorld *world, gpointer data);
    gpointer data;
    GDestroyNotify drop; /* for timers that never run; NULL: nothing to free */
} SimTimer;

struct SimWorld {
    gint64 now_us;
    GPtrArray *hosts;   /* (element-type SimHost) */
    GPtrArray *vms;     /* (element-type SimVm) */
    GArray *migrations; /* (element-type SimMigration) slots; those not live are reused */
    char **host_names;  /* NULL-terminated */
    SimFaults faults;
    GRand *random;         /* latencies and other things that are no fault */
    gboolean storage_lock; /* CPUs start only where no other copy runs */
    char *level;           /* the update level that stages bring */
    GArray *timers;        /* (element-type SimTimer) a heap by (at_us, order) */
    guint64 timer_order;
    guint64 migration_number;
    GPtrArray *controllers; /* (element-type SimController) alive or stalled */
    guint controllers_started;
    GHashTable *stages; /* key -> SimStage; lookup only */
    GPtrArray *records; /* (element-type SimRecord) the journal, durable */
    guint strangers;    /* VMs created by strangers */
    gboolean troubled;  /* people and hardware have their chances now and then */

    SimFactSeen seen;
    gpointer seen_data;
    SimTraced traced;
    gpointer traced_data;
};

/* A sealed inventory made real: what runs there runs, with its own seed for all that is random. */
SimWorld *sim_world_new(const VrInventory *inventory, const char *level, guint32 seed);
void sim_world_free(SimWorld *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimWorld, sim_world_free)

static inline SimHost *
sim_host(const SimWorld *self, guint index)
{
    return (SimHost *)g_ptr_array_index(self->hosts, index);
}

static inline SimVm *
sim_vm(const SimWorld *self, guint index)
{
    return (SimVm *)g_ptr_array_index(self->vms, index);
}

static inline SimCopy *
sim_copy(const SimWorld *self, guint vm, guint host)
{
    return &sim_vm(self, vm)->at[host];
}

/* A VM that the inventory did not have. */
guint sim_world_add_vm(SimWorld *self, const char *uuid, const char *name, guint host,
                       gint64 memory_mib, SimWish wish);

guint sim_world_find_host(const SimWorld *self, const char *name); /* SIM_NOWHERE */
guint sim_world_find_vm(const SimWorld *self, const char *uuid);   /* SIM_NOWHERE */

static inline gboolean
sim_copy_is_active(const SimCopy *self)
{
    return self->qemu != SIM_QEMU_NONE;
}

/* Executes guest code, so it may write to its disks. */
static inline gboolean
sim_copy_runs(const SimCopy *self)
{
    return self->qemu == SIM_QEMU_RUNNING || self->qemu == SIM_QEMU_SHUTTING_DOWN ||
           self->qemu == SIM_QEMU_POSTCOPY;
}

/* Runs the first timer, moving the clock on. FALSE: there is none before until_us. */
gboolean sim_world_step(SimWorld *self, gint64 until_us);

/* Calls later; data stays the caller's, drop (nullable) frees it if the world ends first. */
void sim_world_after(SimWorld *self, gint64 delay_us, void (*run)(SimWorld *world, gpointer data),
                     gpointer data, GDestroyNotify drop);

/* A latency between the two, drawn from the world's own random numbers. */
gint64 sim_world_draw(SimWorld *self, gint64 min, gint64 max);

gboolean sim_world_strikes(SimWorld *self, SimFault fault); /* sim_faults_strike, and a trace */

void sim_world_trace(SimWorld *self, const char *format, ...) G_GNUC_PRINTF(2, 3);
void sim_world_tell(SimWorld *self, SimFact fact); /* fills in at_us unless set */
SimFact sim_fact(SimFactKind kind);                /* with nothing in it */

/* ------------------------------------------------------------------ guests (guest.c) */

/* The class that a read of one copy gives, as src/adapters/libvirt tells it. */
VrSide sim_copy_side(const SimWorld *self, guint vm, guint host);

/* The only ways in which a copy's process changes. */
void sim_guest_set(SimWorld *self, guint vm, guint host, SimQemu qemu, SimCause cause);
/* Starts CPUs; FALSE: the storage lock refuses. handed_over: its memory is the newest now. */
gboolean sim_guest_run(SimWorld *self, guint vm, guint host, gboolean handed_over, SimCause cause);
void sim_guest_kill(SimWorld *self, guint vm, guint host, SimOff off, SimCause cause);
void sim_guest_hint(SimWorld *self, guint vm, guint host, const char *what);

/* ------------------------------------------------------------------ libvirt (migration.c) */

/* Busy: another job, which the call may wait for. */
typedef enum { SIM_BEGUN, SIM_BUSY, SIM_MIGRATES, SIM_NOT_RUNNING } SimBegin;

/* The migrate call has reached the source's daemon. `call` as in SimMigration. */
SimBegin sim_migration_begin(SimWorld *self, guint vm, guint source, guint target,
                             gint64 rate_mib_per_s, gpointer call, gboolean foreign);
/* The first half of it is paid for: aborted before the switch-over, or too late. */
gboolean sim_migration_abort(SimWorld *self, guint vm);
/* Progress as the source tells. FALSE: nothing is sent. */
gboolean sim_migration_progress(const SimWorld *self, guint vm, VrMigrationProgress *out_progress);

/* ------------------------------------------------------------------ machines (machine.c) */

void sim_daemon_kill(SimWorld *self, guint host); /* it starts again by itself */
/* Controller - host; connections over it are lost, which both ends notice by keepalive. */
void sim_link_cut(SimWorld *self, guint host, gint64 lasts_us);
void sim_host_crash(SimWorld *self, guint host, gboolean stays_off);
void sim_host_reboot(SimWorld *self, guint host); /* in a while */
void sim_host_power_on(SimWorld *self, guint host);
gboolean sim_host_answers(const SimWorld *self, guint host); /* its daemon, apart from the links */

/* ------------------------------------------------------------------ people (people.c) */

/* Lets owners, strangers and the hardware act; called now and then by the world itself. */
void sim_people_begin(SimWorld *self);
/* Everything broken is mended: daemons, links, hosts that stay off. Nothing strikes any more. */
void sim_world_heal(SimWorld *self);
/*
 * The person who was asked, with all the time of the world: whatever state a VM or host was left
 * in, one running copy of each VM is left, where its newest memory is, and dead guests are started
 * again; what strangers brought onto a host in work goes away. Only after sim_world_heal.
 */
void sim_people_repair(SimWorld *self);

G_END_DECLS
