/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can go wrong in the simulated world. Wherever a fault could happen the world asks
 * sim_faults_strike: the n-th question of a kind has the same answer in every run of a scenario,
 * whatever other faults happen. So a failing run can be shrunk to the few strikes that matter.
 */
#pragma once

#include <virt-roll/enum.h>

G_BEGIN_DECLS

/* X(member, word, permille of opportunities when the kind is drawn for a run) */
#define SIM_FAULTS(X)                                                                              \
    /* calls between controller and daemon */                                                      \
    X(SIM_FAULT_CALL_LOST, "call-lost", 30)   /* never arrives */                                  \
    X(SIM_FAULT_REPLY_LOST, "reply-lost", 30) /* executed, the answer is lost */                   \
    X(SIM_FAULT_CALL_LATE, "call-late", 30)   /* given up by its caller, executed later */         \
    X(SIM_FAULT_READ_STALE, "read-stale", 60) /* true when read, old when it arrives */            \
    X(SIM_FAULT_HINT_LOST, "hint-lost", 300)                                                       \
    X(SIM_FAULT_HINT_TWICE, "hint-twice", 200)                                                     \
    X(SIM_FAULT_HINT_LATE, "hint-late", 200)   /* and so out of order */                           \
    X(SIM_FAULT_CONTROL_CUT, "control-cut", 8) /* controller - host, both ways */                  \
    /* daemons */                                                                                  \
    X(SIM_FAULT_DAEMON_RESTART, "daemon-restart", 8)                                               \
    X(SIM_FAULT_DAEMON_HANG, "daemon-hang", 5) /* answers nothing for a while */                   \
    X(SIM_FAULT_HOST_SLOW, "host-slow", 6)     /* answers 10 to 1000 times later */                \
    X(SIM_FAULT_LIST_UNREADABLE, "list-unreadable", 10)                                            \
    /* at each step of a migration */                                                              \
    X(SIM_FAULT_SOURCE_DAEMON, "source-daemon-killed", 15)                                         \
    X(SIM_FAULT_TARGET_HANGS, "target-daemon-hangs", 10)                                           \
    X(SIM_FAULT_TARGET_DAEMON, "target-daemon-killed", 15)                                         \
    X(SIM_FAULT_SOURCE_QEMU, "source-qemu-killed", 6)                                              \
    X(SIM_FAULT_TARGET_QEMU, "target-qemu-killed", 10)                                             \
    X(SIM_FAULT_PEER_LINK, "peer-link-cut", 12) /* between the two daemons */                      \
    X(SIM_FAULT_PREPARE_FAILS, "prepare-fails", 20)                                                \
    X(SIM_FAULT_FINISH_FAILS, "finish-fails", 15) /* saving the definition, starting the CPUs */   \
    X(SIM_FAULT_CONFIRM_FAILS, "confirm-fails", 5)                                                 \
    X(SIM_FAULT_UNDEFINE_FAILS, "undefine-fails", 20)         /* silently: it comes back later */  \
    X(SIM_FAULT_DEFINITION_REMOVED, "definition-removed", 15) /* by a stranger, on arrival */      \
    X(SIM_FAULT_NO_PROGRESS, "no-progress", 15)               /* dirties as fast as it is sent */  \
    X(SIM_FAULT_REFUSED, "migration-refused", 5)              /* as for a missing disk */          \
    /* hosts */                                                                                    \
    X(SIM_FAULT_HOST_CRASH, "host-crash", 3)                                                       \
    X(SIM_FAULT_HOST_DEAD, "host-dead", 2)          /* crashes, and stays off until healed */      \
    X(SIM_FAULT_NEVER_RETURNS, "never-returns", 10) /* from its reboot, until healed */            \
    X(SIM_FAULT_OTHER_MACHINE, "other-machine", 5)  /* another UUID after the reboot */            \
    X(SIM_FAULT_OLD_LEVEL, "old-level", 15)         /* the update did not take */                  \
    X(SIM_FAULT_REBOOT_IGNORED, "reboot-ignored", 15)                                              \
    X(SIM_FAULT_REBOOT_SLOW, "reboot-slow", 50)                                                    \
    X(SIM_FAULT_STAGE_FAILS, "stage-fails", 20) /* without having done anything */                 \
    X(SIM_FAULT_STAGE_LIES, "stage-lies", 10)   /* done, and says that it failed */                \
    X(SIM_FAULT_STAGE_HANGS, "stage-hangs", 10) /* until its timeout */                            \
    X(SIM_FAULT_STAGE_LOST, "stage-lost", 10)   /* nobody knows how it ended */                    \
    /* guests and people */                                                                        \
    X(SIM_FAULT_OWNER_STOPS, "owner-stops", 6)                                                     \
    X(SIM_FAULT_OWNER_PAUSES, "owner-pauses", 6)                                                   \
    X(SIM_FAULT_OWNER_STARTS, "owner-starts", 30) /* one that was shut off, where it is */         \
    X(SIM_FAULT_STRANGER_MIGRATES, "stranger-migrates", 4)                                         \
    X(SIM_FAULT_STRANGER_POSTCOPY, "stranger-postcopy", 2)                                         \
    X(SIM_FAULT_STRANGER_BACKUP, "stranger-backup", 10)  /* a job of its own on the guest */       \
    X(SIM_FAULT_STRANGER_CREATES, "stranger-creates", 3) /* a new VM on some host */               \
    X(SIM_FAULT_IO_ERROR, "io-error", 3)                 /* the guest pauses itself */             \
    /* the controller */                                                                           \
    X(SIM_FAULT_CONTROLLER_KILLED, "controller-killed", 2)   /* before its next deed */            \
    X(SIM_FAULT_KILLED_AFTERWARDS, "killed-afterwards", 2)   /* right after it */                  \
    X(SIM_FAULT_CONTROLLER_STALLED, "controller-stalled", 2) /* stopped for minutes, goes on */    \
    X(SIM_FAULT_CLOCK_JUMP, "clock-jump", 300)               /* with a restart */                  \
    X(SIM_FAULT_JOURNAL_SLOW, "journal-slow", 20)                                                  \
    X(SIM_FAULT_JOURNAL_REFUSES, "journal-refuses", 3) /* disk full */                             \
    X(SIM_FAULT_JOURNAL_UNKNOWN, "journal-unknown", 3) /* fsync failed; may be there or not */     \
    X(SIM_FAULT_ROLLOUT_STOPPED, "rollout-stopped", 4) /* asked for, and started again later */    \
    X(SIM_FAULT_HOST_UNDONE, "host-undone", 6)         /* asked for, and released later */         \
    X(SIM_FAULT_HOST_SICK, "host-sick", 30)            /* its guests wait for their CPUs */
typedef enum {
#define SIM_FAULT_MEMBER(member, word, permille) member,
    SIM_FAULTS(SIM_FAULT_MEMBER)
#undef SIM_FAULT_MEMBER
} SimFault;
#define SIM_FAULT_COUNT (SIM_FAULT_HOST_SICK + 1)

const char *sim_fault_to_string(SimFault fault);
gboolean sim_fault_from_string(const char *word, SimFault *out_fault);

/* The n-th opportunity of a kind, n from 1. */
typedef struct {
    SimFault fault;
    guint opportunity;
} SimStrike;

typedef struct {
    guint32 seed;
    guint permille[SIM_FAULT_COUNT]; /* 0: not in this run */
    gboolean explicit_only; /* strike at `strikes` and nowhere else; permille is not looked at */
    const GArray *strikes;  /* (element-type SimStrike) borrowed */
    gboolean healed;        /* nothing strikes any more */
    guint asked[SIM_FAULT_COUNT];
    guint struck[SIM_FAULT_COUNT];
    GArray *happened; /* (element-type SimStrike) owned, in the order in which they struck */
} SimFaults;

/* Draws which kinds exist in the run, and how often they strike (swarm testing). */
void sim_faults_draw(SimFaults *self, guint32 seed);
void sim_faults_clear(SimFaults *self);

/* Does it happen here? */
gboolean sim_faults_strike(SimFaults *self, SimFault fault);

/* A number from min to max (inclusive) for the last strike of a kind: its length, its victim. */
gint64 sim_faults_extent(const SimFaults *self, SimFault fault, gint64 min, gint64 max);

G_END_DECLS
