/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine needs of the world: (context, vtable) pairs with two implementations each, a real
 * and a simulated one, held to one contract suite (tests/contract).
 *
 * Every call only starts something and cannot fail at the call: success and failure both come back
 * through `done`, exactly once, from any thread, even before the call returns. What is passed to
 * a call or to `done` is borrowed and valid only during it.
 */
#pragma once

#include <virt-roll/error.h>
#include <virt-roll/fleet.h>
#include <virt-roll/health.h>
#include <virt-roll/inventory.h>
#include <virt-roll/recovery.h>

G_BEGIN_DECLS

/* -------------------------------------------------------------------------- hypervisor */

typedef struct {
    char *uuid;
    char *name;
    VrSide side;     /* without the job columns: running, user, migration, off, … */
    gboolean active; /* an incoming migration is active too */
    gboolean autostart;
    gboolean persistent;
    gint64 memory_mib;
} VrListedVm;

/* All domains of a host, active and inactive. */
typedef struct {
    gboolean reachable; /* FALSE: nothing else but `failure` and `detail` means anything */
    char *host_uuid;    /* (nullable) unknown */
    GPtrArray *vms;     /* (element-type VrListedVm) */
    VrFailure failure;  /* why it could not be read, as the table of failures has it; NONE */
    char *detail;       /* (nullable) the same in words */
} VrListing;

VrListing *vr_listing_new(void);
VrListedVm *vr_listing_add(VrListing *self, const char *uuid, const char *name);
void vr_listing_free(VrListing *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrListing, vr_listing_free)

/* What one guest has used, and waited for, since its process began. */
typedef struct {
    char *uuid;
    gboolean crashed;      /* or its QEMU has failed: it is off */
    gboolean io_error;     /* paused by one */
    VrHealthSample sample; /* without at_ms, which whoever asked sets; vcpus 0: nothing is known */
} VrSampledVm;

/* All guests of a host at about one instant. */
typedef struct {
    gboolean reachable; /* FALSE: nothing else but `detail` means anything */
    char *detail;       /* (nullable) why it could not be read */
    gint64 cpus;        /* of the host, threads counted; 0: not known */
    GPtrArray *vms;     /* (element-type VrSampledVm) */
} VrSampling;

VrSampling *vr_sampling_new(void);
VrSampledVm *vr_sampling_add(VrSampling *self, const char *uuid);
VrSampling *vr_sampling_copy(const VrSampling *self);
void vr_sampling_free(VrSampling *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrSampling, vr_sampling_free)

typedef struct {
    const char *vm_uuid;
    const char *source;
    const char *target;
    gint64 bandwidth_mib_per_s; /* at least 1 */
    gboolean tls;
} VrMigrationRequest;

/* A running migration, as its source tells. -1: not known. */
typedef struct {
    gint64 elapsed_ms;
    gint64 data_total_mib;
    gint64 data_processed_mib;
    gint64 data_remaining_mib;
    gint64 rate_mib_per_s;
    gint64 dirty_mib_per_s;
    gint64 downtime_ms; /* expected */
    gint64 iteration;
} VrMigrationProgress;

/*
 * Changes to a guest's copies that only a row of the recovery table may ask for (autostart apart).
 * There is no action that shuts down, resets, creates or starts a guest, and none that destroys a
 * target.
 */
#define VR_ACTIONS(X)                                                                              \
    X(VR_ACTION_ABORT, "abort")                     /* source: row J, never in post-copy */        \
    X(VR_ACTION_RESUME_SOURCE, "resume-source")     /* row E */                                    \
    X(VR_ACTION_DESTROY_SOURCE, "destroy-source")   /* row G */                                    \
    X(VR_ACTION_UNDEFINE_SOURCE, "undefine-source") /* row O; keeps NVRAM and TPM state */         \
    X(VR_ACTION_UNDEFINE_TARGET, "undefine-target") /* row B; keeps NVRAM and TPM state */         \
    X(VR_ACTION_DEFINE_TARGET, "define-target")     /* rows H, N */                                \
    X(VR_ACTION_SET_AUTOSTART, "set-autostart")     /* target, as it was on the source */
VR_DECLARE_ENUM(VrAction, vr_action, VR_ACTIONS);

typedef struct {
    VrAction action;
    const char *host; /* where it acts */
    const char *vm_uuid;
    VrRow row;       /* that asks for it */
    VrSide expected; /* class of the acted side; the adapter reads again and refuses if not */
    gint64 valid_us; /* from now; nothing is asked of the daemon later. 0: no limit */
    const char *definition; /* define-target only: the journaled inactive XML */
} VrActionRequest;

/* How a call came back. `error` is NULL on success; domain and code say what kind of failure. */
typedef void (*VrCallDone)(const GError *error, gpointer data);
typedef void (*VrReadDone)(const VrReading *reading, gpointer data);
typedef void (*VrListDone)(const VrListing *listing, gpointer data);
typedef void (*VrSampleDone)(const VrSampling *sampling, gpointer data);
typedef void (*VrProgressSeen)(const VrMigrationProgress *progress, gpointer data);
/* Something may have happened to a domain; truth is read. `uuid` NULL: to the connection. */
typedef void (*VrHintSeen)(const char *host, const char *uuid, const char *what, gpointer data);

typedef struct {
    /* One read of one side; failure is a reading of class unknown. */
    void (*read)(gpointer context, const char *host, const char *vm_uuid, VrRole role,
                 gboolean with_definition, VrReadDone done, gpointer data);
    void (*list)(gpointer context, const char *host, VrListDone done, gpointer data);
    /* In one call per host: it is asked for every few seconds. */
    void (*sample)(gpointer context, const char *host, VrSampleDone done, gpointer data);
    /*
     * Begins a live, peer-to-peer migration that leaves a persistent definition on the target and
     * none on the source. `done` is a hint only; its error's domain is VR_FAILURE, or VR_ERROR
     * where no more is known (vr_failure_of). CUT_OFF there: the daemon may still be working on
     * it. `progress` may be called any number of times before `done`.
     */
    void (*migrate)(gpointer context, const VrMigrationRequest *request, VrProgressSeen progress,
                    VrCallDone done, gpointer data);
    void (*act)(gpointer context, const VrActionRequest *request, VrCallDone done, gpointer data);
    /* Who gets the hints from now on; NULL: nobody. */
    void (*watch)(gpointer context, VrHintSeen seen, gpointer data);
} VrHypervisorVTable;

typedef struct {
    gpointer context;
    const VrHypervisorVTable *vtable;
} VrHypervisor;

/* -------------------------------------------------------------------------- host update */

typedef struct {
    const char *rollout;
    const char *host;
    VrStage stage;
    guint step;
    guint attempt; /* (rollout, step, attempt) is never run twice, whoever asks how often */
    const char *level;
    gboolean attach_only; /* do not begin it: if it has not begun, make sure that it never does and
                           * end with not-run. Asked after a restart, when the proof that the host
                           * is empty is old. */
} VrStageRequest;

/* Exit status of a stage that had nothing to do; also the end of one that the operator has not. */
#define VR_STAGE_NOTHING_TO_DO 70

#define VR_STAGE_ENDS(X)                                                                           \
    X(VR_STAGE_END_EXITED, "exited")       /* exit_status is its own */                            \
    X(VR_STAGE_END_TIMED_OUT, "timed-out") /* killed after its timeout */                          \
    X(VR_STAGE_END_SIGNALLED, "signalled") /* exit_status is the signal */                         \
    X(VR_STAGE_END_LOST, "lost")           /* it began and nobody knows how it ended */            \
    X(VR_STAGE_END_NOT_RUN, "not-run")     /* could not be started; `output` says why */           \
    X(VR_STAGE_END_EXPIRED, "expired")     /* not begun: its proof was old (of the engine only) */
VR_DECLARE_ENUM(VrStageEnd, vr_stage_end, VR_STAGE_ENDS);

typedef struct {
    VrStageEnd end;
    int exit_status;
    const char *output; /* stdout and stderr, valid UTF-8, its last VR_STAGE_OUTPUT_MAX bytes */
} VrStageResult;

#define VR_STAGE_OUTPUT_MAX 65536

typedef void (*VrStageDone)(const VrStageResult *result, gpointer data);

typedef struct {
    /*
     * Runs the stage's command for this attempt, or, if it runs already or has ended, attaches to
     * it. It survives the death of this process.
     */
    void (*run)(gpointer context, const VrStageRequest *request, VrStageDone done, gpointer data);
} VrHostUpdateVTable;

typedef struct {
    gpointer context;
    const VrHostUpdateVTable *vtable;
} VrHostUpdate;

/* -------------------------------------------------------------------------- journal */

typedef struct {
    guint64 sequence; /* 1.. without gaps */
    gint64 at_us;
    const char *rollout;
    const char *kind;
    guint version;    /* of the body's format */
    const char *body; /* canonical JSON */
} VrRecord;

#define VR_APPENDS(X)                                                                              \
    X(VR_APPEND_DURABLE, "durable") /* on stable storage, whole */                                 \
    X(VR_APPEND_REFUSED, "refused") /* nothing of it is there: sequence taken, lease lost */       \
    X(VR_APPEND_UNKNOWN, "unknown") /* may be there: issue nothing until it is read again */
VR_DECLARE_ENUM(VrAppend, vr_append, VR_APPENDS);

typedef void (*VrAppendDone)(VrAppend outcome, const char *detail, gpointer data);
/* FALSE ends the reading early. */
typedef gboolean (*VrRecordSeen)(const VrRecord *record, gpointer data);

typedef struct {
    /* All records or none; the first must carry the sequence after the last one stored. */
    void (*append)(gpointer context, const VrRecord *records, guint count, VrAppendDone done,
                   gpointer data);
    /* Synchronous, in order, from a sequence on; checks the hash chain (VR_ERROR_CORRUPT). */
    gboolean (*read)(gpointer context, guint64 from_sequence, VrRecordSeen seen, gpointer data,
                     GError **error);
} VrJournalVTable;

typedef struct {
    gpointer context;
    const VrJournalVTable *vtable;
} VrJournal;

/* -------------------------------------------------------------------------- clock */

typedef struct {
    /* Wall clock at start plus monotonic time since; never goes back. Callable from any thread. */
    gint64 (*now_us)(gpointer context);
} VrClockVTable;

typedef struct {
    gpointer context;
    const VrClockVTable *vtable;
} VrClock;

G_END_DECLS
