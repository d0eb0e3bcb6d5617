/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small world in memory and virtual time behind every port, for tests of the engine: hosts that
 * update and reboot, VMs that migrate with libvirt's phases, a journal. It keeps the truth itself
 * and notes every breach of what must never happen. One thread; nothing in it is random.
 */
#pragma once

#include <virt-roll/engine.h>

typedef struct {
    char *name;
    char *uuid;
    guint boots;
    guint reboots_pending; /* asked for and not done: it is still shutting down */
    gboolean closed;
    gboolean staged; /* applied, not rebooted */
    gboolean updated;
    gboolean reachable;
    VrFailure trouble; /* what its readings say while it is not reachable */
    guint applied;     /* how often apply has run */
    guint rebooted;
    gboolean is_doomed;    /* does not come back from its reboot */
    gint64 applied_at_us;  /* the last time */
    gint64 sick_since_us;  /* its guests wait for their CPUs since then; 0: it is well */
    gboolean is_unsampled; /* asked for samples it gives none, and answers everything else */
} FakeHost;

typedef struct {
    char *uuid;
    char *name;
    gint64 memory_mib;
    VrSide at[8]; /* class per host index, jobs included */
    gboolean persistent[8];
    gboolean autostart[8];
    gint64 id[8];
    guint migrations; /* that have begun */
    guint completed;
    guint target; /* of the one in flight */
    guint source;
    gint64 begun_us; /* when the last one began */
    guint flight;    /* number of the one in flight; 0 */
    gboolean apart;  /* of the group of which no host may have two */
} FakeVm;

typedef struct FakeWorld FakeWorld;

/* What the next migrations do instead of succeeding. */
typedef enum {
    FAKE_MIGRATION_SUCCEEDS,
    FAKE_MIGRATION_IS_REFUSED,                /* rolled back, and the call says refused */
    FAKE_MIGRATION_STALLS,                    /* sends nothing until it is aborted */
    FAKE_MIGRATION_NEVER_CONVERGES,           /* sends for ever, until it is aborted */
    FAKE_MIGRATION_FAILS,                     /* rolled back by libvirt, call returns an error */
    FAKE_MIGRATION_LEAVES_BOTH_PAUSED_SOURCE, /* source daemon died after the target ran: row G */
    FAKE_MIGRATION_LEAVES_PAUSED,             /* source paused without job, target absent: row E */
    FAKE_MIGRATION_LOSES_DEFINITION,          /* target transient: row N */
    FAKE_MIGRATION_KEEPS_DEFINITION,          /* source off but defined: row O */
    FAKE_MIGRATION_KILLS,                     /* nowhere any more: row V */
    FAKE_MIGRATION_IS_SHUT_DOWN               /* the owner shuts it down on the target: row R */
} FakeMigration;

struct FakeWorld {
    gint64 now_us;
    FakeHost hosts[8];
    guint host_count;
    FakeVm vms[32];
    guint vm_count;
    VrEngine *engine;
    char *host_names[9];
    GPtrArray *breaches; /* (element-type utf8) what must never happen and did */

    FakeMigration next_migration;
    gint64 migrations_max;                /* of the policy; 0: none */
    void (*set_policy)(VrPolicy *policy); /* (nullable) changes it before the rollout begins */
    guint next_migration_count;           /* how many behave so */
    VrFailure next_failure;  /* how a call fails that is rolled back; NONE: in VR_ERROR */
    const char *next_vm;     /* (nullable) only this one's migrations behave so */
    gint64 abort_lost_us;    /* aborts are lost for so long after a migration's begin */
    VrAppend append_outcome; /* of all appends from now on; nothing is stored but durably */
    guint crash_at;          /* the controller dies at this port call or append; 0: never */
    guint calls;             /* port calls and appends so far */
    gboolean crashed;
    guint migrations_issued;
    const char *fail_stage; /* "host stage" that exits 1 */
    const char *lie_stage;  /* "host stage" that does its work and exits 1 */
    gboolean needs_power;   /* stages fail on a host that cannot be reached */
    gint64 shutdown_us;     /* from a reboot's stage until the host is really down */
    gint64 clock_back_us;   /* the controller's clock is so much behind */
    gint64 append_us;       /* how long the journal takes to say that it has taken something */
    gboolean late_calls; /* a migration whose caller dies with it is still begun, seconds later */
    guint pause_at_migrations; /* fake_world_run returns once so many are issued; 0: never */
    void (*before_list)(FakeWorld *self, guint host); /* a third party acts in between */

    GPtrArray *timers; /* (element-type FakeTimer) by time, then order */
    GQueue posts;
    GPtrArray *records; /* (element-type FakeRecord) the journal */
    GHashTable *stages; /* attempt -> what it printed; lookup only */
    guint flights;
    VrHintSeen hint;
    gpointer hint_data;
};

/* h1…hN; `vms_per_host` VMs of 1024 MiB with autostart on each but the last, which is empty. */
FakeWorld *fake_world_new(guint host_count, guint vms_per_host);
/* The same with VMs on the last host too: no host is empty. */
FakeWorld *fake_world_new_full(guint host_count, guint vms_per_host);
void fake_world_free(FakeWorld *self);

/* One more VM, running there. Borrowed. */
FakeVm *fake_world_add_vm(FakeWorld *self, guint host);

/* As a scan would find it, of the hosts that can be reached. (transfer full) */
VrInventory *fake_world_scan(const FakeWorld *self);

/* A controller that has read the journal and has not been told to go on. */
void fake_world_open(FakeWorld *self);

/* A controller that goes on, with a new rollout if the journal has none. */
void fake_world_start(FakeWorld *self);

/* Lets that much time pass, with whatever controller there is. */
void fake_world_pass(FakeWorld *self, gint64 time_us);

/* The controller dies as by kill -9; the world goes on. */
void fake_world_kill(FakeWorld *self);

/* Lets time pass until the rollout is over or the controller has crashed. FALSE: it never ends. */
gboolean fake_world_run(FakeWorld *self);

/* The same, with a new controller after every crash. */
gboolean fake_world_run_to_end(FakeWorld *self);

FakeVm *fake_world_vm(FakeWorld *self, const char *name);
guint fake_world_host(const FakeWorld *self, const char *name);

/* NULL if every VM is where the finished rollout must have left it; else what is wrong. */
char *fake_world_check_end(const FakeWorld *self);
