/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every hypervisor port must do: assertions over a stand, which is a small fleet that a maker
 * can put into the states that matter, by other ways than the port. There are two makers: the lab
 * with real libvirt, and the simulated world.
 */
#pragma once

#include "hypervisor-call.h"

/* Hosts are named where they matter; all else happens to the VM, where it is. */
#define STAND_CHANGES(X)                                                                           \
    X(STAND_PAUSE, "pause") /* by its owner */                                                     \
    X(STAND_RESUME, "resume")                                                                      \
    X(STAND_POWER_OFF, "power-off")       /* by the guest itself */                                \
    X(STAND_START, "start")               /* by its owner */                                       \
    X(STAND_STUMBLE, "stumble")           /* it stops, and nobody asked for that */                \
    X(STAND_RECOVER, "recover")           /* from that */                                          \
    X(STAND_BACKUP_BEGIN, "backup-begin") /* a job that is not a migration */                      \
    X(STAND_BACKUP_END, "backup-end")                                                              \
    X(STAND_DAEMON_STOP, "daemon-stop") /* of that host; guests run on */                          \
    X(STAND_DAEMON_START, "daemon-start")                                                          \
    X(STAND_CUT, "cut") /* the controller's link to home */                                        \
    X(STAND_MEND, "mend")                                                                          \
    X(STAND_CLOSE, "close") /* that host refuses guests */                                         \
    X(STAND_OPEN, "open")                                                                          \
    X(STAND_NAMESAKE, "namesake")           /* another VM of its name is defined there */          \
    X(STAND_DOUBLE, "double")               /* it is there as well, active but paused */           \
    X(STAND_FAILED_START, "failed-start")   /* it is defined there, and failed to start */         \
    X(STAND_FOREIGN, "foreign-migration")   /* a slow one from home to there, not the port's */    \
    X(STAND_MOVED, "moved-transient")       /* somebody moved it there and left a definition at  \
                                               * home but made none there */ \
    X(STAND_STUCK, "stuck-at-switch-over")  /* the source's daemon died when all was sent; the   \
                                               * target has gone */ \
    X(STAND_ARRIVED, "arrived-unconfirmed") /* … once the target ran */
VR_DECLARE_ENUM(StandChange, stand_change, STAND_CHANGES);

typedef struct Stand Stand;

struct Stand {
    const char *name; /* of the implementation */
    const CallGround *ground;
    /*
     * After reset, and only then for sure: a port that has just been opened; the VM runs at home
     * (persistent, autostart); another VM runs on `other`; `empty` has none; nothing is closed,
     * stopped or cut.
     */
    VrHypervisor port;
    const char *home;
    const char *other;
    const char *empty;
    char *vm; /* UUID */
    char *vm_name;
    gint64 memory_mib;

    void (*reset)(Stand *self);
    /* NULL: done, and the truth shows it. Else why it cannot be made here. Fails the test if it
     * should be possible and is not. */
    const char *(*make)(Stand *self, StandChange change, const char *host);
    /* (transfer full) "absent", else "STATE persistent|transient[ autostart]" with STATE one of
     * running, paused, off; past the port. */
    char *(*truth)(Stand *self, const char *host);
    void (*free_port)(Stand *self);
    void (*open_port)(Stand *self);
};

/* Before its port is opened for the first time. */
void stand_begin(Stand *stand);

/* Runs all of it; the number of failed tests. What could not be made is printed and counted. */
int hypervisor_contract_run(Stand *stand);

/* ------------------------------------------------------------------ for the parts of the suite */

/* FALSE: it cannot be made on this stand, which has been printed. */
gboolean stand_make(Stand *self, StandChange change, const char *host);
/* For what every stand can make. */
void stand_must(Stand *self, StandChange change, const char *host);
void stand_assert_truth(Stand *self, const char *host, const char *truth);
void stand_assert_side(Stand *self, const char *host, VrRole role, VrSide side);
void stand_wait_side(Stand *self, const char *host, VrRole role, VrSide side);

/* MiB/s at which a migration takes long enough to be watched, and those that shall end. */
#define STAND_SLOW 1
#define STAND_FAST 40
#define STAND_DEADLINE_S 90

void stand_migrate(Stand *self, const char *source, const char *target, gint64 bandwidth_mib_per_s,
                   Call *call);
/* Waits for it; fails the test unless it succeeded. */
void stand_assert_migrated(Call *call);
void stand_assert_failed(Call *call, VrFailure failure);

VrActionRequest stand_action(Stand *self, VrAction action, const char *host, VrRow row,
                             VrSide expected);
void stand_assert_done(Stand *self, const VrActionRequest *request);
void stand_assert_refused(Stand *self, const VrActionRequest *request, VrErrorCode code);

/* Hints of the open port since the last call of this; uuid NULL: of the connection. */
guint stand_take_hints(const char *host, const char *uuid);
void stand_hint_seen(const char *host, const char *uuid, const char *what, gpointer data);

void hypervisor_read_tests(GArray *tests);
void hypervisor_migrate_tests(GArray *tests);
void hypervisor_act_tests(GArray *tests);
void hypervisor_add_test(GArray *tests, const char *name, CMUnitTestFunction run);
