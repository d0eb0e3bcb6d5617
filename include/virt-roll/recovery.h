/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the controller does with a VM when it does not know how its migration ended. There is no
 * other way to learn an outcome: a fresh migration and one found after a restart go through the
 * same table. The table, the read protocol, the fences and the proof: docs/internals/recovery.md.
 */
#pragma once

#include <virt-roll/failure.h>

G_BEGIN_DECLS

/* What one read of one host says of one VM. "No answer" in any form is unknown, never absent. */
#define VR_SIDES(X)                                                                                \
    X(VR_SIDE_UNKNOWN, "unknown")           /* every error that is not "no such domain" */         \
    X(VR_SIDE_ABSENT, "absent")             /* neither active nor defined */                       \
    X(VR_SIDE_OFF_BY_GUEST, "off-by-guest") /* inactive, reason shutdown */                        \
    X(VR_SIDE_OFF_FAILED, "off-failed")     /* inactive, reason failed; on a target only */        \
    X(VR_SIDE_OFF, "off")                   /* inactive, any other reason */                       \
    X(VR_SIDE_RUNNING, "running")                                                                  \
    X(VR_SIDE_RUNNING_JOB, "running-job")                                                          \
    X(VR_SIDE_MIGRATION, "migration") /* paused for migration; target: or starting up */           \
    X(VR_SIDE_MIGRATION_JOB, "migration-job")                                                      \
    X(VR_SIDE_USER, "user") /* paused by its user */                                               \
    X(VR_SIDE_USER_JOB, "user-job")                                                                \
    X(VR_SIDE_POSTCOPY, "postcopy") /* running or paused in post-copy, failed or not */            \
    X(VR_SIDE_ODD, "odd")           /* I/O error, watchdog, crashed, shutting down, … */
VR_DECLARE_ENUM(VrSide, vr_side, VR_SIDES);
#define VR_SIDE_COUNT (VR_SIDE_ODD + 1)

#define VR_ELSEWHERES(X)                                                                           \
    X(VR_ELSEWHERE_NO, "no")                                                                       \
    X(VR_ELSEWHERE_YES, "yes")         /* on a host that is neither source nor target */           \
    X(VR_ELSEWHERE_UNKNOWN, "unknown") /* at least one host could not be read */
VR_DECLARE_ENUM(VrElsewhere, vr_elsewhere, VR_ELSEWHERES);

/* Which end of its migration a read is for: "starting up" and "failed" mean more on a target. */
#define VR_ROLES(X)                                                                                \
    X(VR_ROLE_SOURCE, "source")                                                                    \
    X(VR_ROLE_TARGET, "target")                                                                    \
    X(VR_ROLE_OTHER, "other")
VR_DECLARE_ENUM(VrRole, vr_role, VR_ROLES);

/* Of a finished migration, from the target. VR_UNKNOWN (-1) where libvirt does not say. */
typedef struct {
    gint64 total_ms;
    gint64 downtime_ms; /* as libvirt reports it: until the target's daemon has resumed the guest */
    gint64 data_mib;
} VrMigrationStats;

/* One read of one side, in the order: connection, job, then state (recovery.md says why). */
typedef struct {
    VrSide side;
    guint64 generation; /* changes whenever the connection to the daemon is a new one */
    gint64 libvirt_id;  /* of an active domain; -1 */
    gint64 cpu_time_ns; /* of an active domain; -1 */
    gint64 memory_mib;  /* 0: not known */
    gboolean persistent;
    gboolean autostart;
    gboolean shutting_down; /* odd, but it ends by itself */
    VrMigrationStats stats; /* target only */
    char *definition;       /* (nullable) inactive XML, secrets included, if it was asked for */
    VrFailure failure;      /* why it is unknown, or a trouble that its state shows; NONE */
    char *detail;           /* (nullable) libvirt's words: state and reason, or the error */
} VrReading;

void vr_reading_clear(VrReading *self);
void vr_reading_copy(const VrReading *self, VrReading *out_copy); /* into uninitialised memory */

/* One round of reads: source, target, elsewhere, source again. */
typedef struct {
    VrReading source; /* the second read of the source */
    VrReading target;
    VrElsewhere elsewhere;
    char *elsewhere_host;        /* (nullable) which one has it, or could not be read */
    char *elsewhere_detail;      /* (nullable) of that one: class and libvirt's words */
    VrFailure elsewhere_failure; /* of that one's reading */
    gboolean torn;               /* both reads of the source never agreed */
    gboolean source_ran;         /* one of them, of whatever round: running, without a job */
} VrObservation;

void vr_observation_clear(VrObservation *self);

/* Rows of the table, in order: the first match decides. Letters are ids in docs and journal. */
#define VR_ROWS(X)                                                                                 \
    X(VR_ROW_Y, "Y")                                                                               \
    X(VR_ROW_Z, "Z")                                                                               \
    X(VR_ROW_X, "X")                                                                               \
    X(VR_ROW_U, "U")                                                                               \
    X(VR_ROW_J, "J")                                                                               \
    X(VR_ROW_K, "K")                                                                               \
    X(VR_ROW_W, "W")                                                                               \
    X(VR_ROW_A, "A")                                                                               \
    X(VR_ROW_A2, "A2")                                                                             \
    X(VR_ROW_B, "B")                                                                               \
    X(VR_ROW_C, "C")                                                                               \
    X(VR_ROW_D, "D")                                                                               \
    X(VR_ROW_E, "E")                                                                               \
    X(VR_ROW_F, "F")                                                                               \
    X(VR_ROW_G, "G")                                                                               \
    X(VR_ROW_H, "H")                                                                               \
    X(VR_ROW_I, "I")                                                                               \
    X(VR_ROW_L, "L")                                                                               \
    X(VR_ROW_M, "M")                                                                               \
    X(VR_ROW_N2, "N2")                                                                             \
    X(VR_ROW_N, "N")                                                                               \
    X(VR_ROW_O, "O")                                                                               \
    X(VR_ROW_P, "P")                                                                               \
    X(VR_ROW_Q, "Q")                                                                               \
    X(VR_ROW_R, "R")                                                                               \
    X(VR_ROW_T, "T")                                                                               \
    X(VR_ROW_V, "V")
VR_DECLARE_ENUM(VrRow, vr_row, VR_ROWS);

#define VR_DECISIONS(X)                                                                            \
    X(VR_DECISION_HOLD, "hold") /* no action; past the limit a person */                           \
    X(VR_DECISION_WAIT, "wait") /* it ends by itself; past the deadline abort */                   \
    X(VR_DECISION_OPERATOR, "needs-operator")                                                      \
    X(VR_DECISION_ROLLED_BACK, "rolled-back")                                                      \
    X(VR_DECISION_SETTLED, "settled")                                                              \
    X(VR_DECISION_STOPPED, "stopped-by-owner")                                                     \
    X(VR_DECISION_RESUME_SOURCE, "resume-source")                                                  \
    X(VR_DECISION_DESTROY_SOURCE, "destroy-source")                                                \
    X(VR_DECISION_UNDEFINE_SOURCE, "undefine-source")                                              \
    X(VR_DECISION_UNDEFINE_TARGET, "undefine-target")                                              \
    X(VR_DECISION_DEFINE_TARGET, "define-target")
VR_DECLARE_ENUM(VrDecision, vr_decision, VR_DECISIONS);

/* The columns of the table. */
typedef struct {
    VrElsewhere elsewhere;
    VrSide source;
    VrSide target;
    gboolean same_instance; /* the source's guest is the one that was there at begin */
    gboolean target_persistent;
    gboolean paused_before; /* the guest was paused by its user when the migration began */
} VrEvidence;

/* A row, as data. Masks have bit 1 << value set for each value that the row takes. */
typedef struct {
    VrRow row;
    guint elsewhere_mask;
    guint source_mask;
    guint target_mask;
    guint same_instance_mask;     /* 1: other instance, 2: the same, 3: any */
    guint target_persistent_mask; /* 1: transient, 2: persistent, 3: any */
    guint paused_before_mask;     /* 1: it ran at begin, 2: it was paused, 3: any */
    VrDecision decision;
    gboolean needs_fence; /* only once no earlier call or action can still begin */
    gboolean needs_twice; /* only when two rounds, agree_ms apart, give the same row */
    const char *meaning;  /* a sentence for people, without subject */
    const char *
        remedy; /* what a person does; NULL: nobody is asked, or D: VR_FAILURE_TWO_COPIES says it */
} VrRecoveryRow;

/* All rows in order. Static. */
const VrRecoveryRow *vr_recovery_rows(guint *out_count);

/* The first row that matches. Total: there is one for every evidence. */
const VrRecoveryRow *vr_recovery_match(const VrEvidence *evidence);

G_END_DECLS
