/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One execution of a plan, as a pure state machine:
 *
 *     VrInput    what happened or was asked, with its time     made by the shell
 *     VrEvent    what we decided: a fact, kept in the journal  made by decide
 *     VrCommand  what should be running now                    computed by derive, never stored
 *
 * The engine takes an input, decides, applies and appends the events, and once they are durable
 * derives the commands and starts those that do not run yet. Nothing here has a clock, does I/O or
 * keeps a secret: the same inputs give the same events, and replaying them gives the same state.
 */
#pragma once

#include <virt-roll/plan.h>
#include <virt-roll/ports.h>

G_BEGIN_DECLS

/* Every phase of every kind of step. X(member, word) */
#define VR_PHASES(X)                                                                               \
    X(VR_PHASE_PENDING, "pending") /* not begun */                                                 \
    /* update */                                                                                   \
    X(VR_PHASE_CLOSING, "closing")     /* stage close: no guest may start or come in */            \
    X(VR_PHASE_COMPARING, "comparing") /* is what runs there what the plan says? */                \
    X(VR_PHASE_CLOSED, "closed")       /* being drained, or kept as a refuge by a gate */          \
    X(VR_PHASE_FACTS_BEFORE, "facts-before")                                                       \
    X(VR_PHASE_ASSESSING, "assessing")                                                             \
    X(VR_PHASE_PREPARING, "preparing")   /* stage before */                                        \
    X(VR_PHASE_PROVING, "proving-empty") /* two lists, right before apply */                       \
    X(VR_PHASE_APPLYING, "applying")                                                               \
    X(VR_PHASE_FACTS_BEFORE_REBOOT, "facts-before-reboot") /* the boot id that must change */      \
    X(VR_PHASE_PROVING_AGAIN, "proving-empty-again") /* two lists, right before the reboot */      \
    X(VR_PHASE_REBOOTING, "rebooting")                                                             \
    X(VR_PHASE_RETURNING, "returning")     /* until its daemon answers */                          \
    X(VR_PHASE_FACTS_AFTER, "facts-after") /* until boot id and level are new */                   \
    X(VR_PHASE_VERIFYING, "verifying")                                                             \
    X(VR_PHASE_SWEEPING, "sweeping") /* list: has a stale definition come back? */                 \
    X(VR_PHASE_OPENING, "opening")                                                                 \
    X(VR_PHASE_UPDATED, "updated")                                                                 \
    /* migrate */                                                                                  \
    X(VR_PHASE_DEFERRED, "deferred")   /* waits for its next attempt, in nobody's way */           \
    X(VR_PHASE_CHECKING, "checking")   /* observe before anything is issued */                     \
    X(VR_PHASE_FITTING, "fitting")     /* list: has the target room? */                            \
    X(VR_PHASE_MIGRATING, "migrating") /* the call is out */                                       \
    X(VR_PHASE_ABORTING, "aborting")                                                               \
    X(VR_PHASE_OBSERVING, "observing") /* the recovery table decides what comes next */            \
    X(VR_PHASE_RESUMING_SOURCE, "resuming-source")                                                 \
    X(VR_PHASE_DESTROYING_SOURCE, "destroying-source")                                             \
    X(VR_PHASE_UNDEFINING_SOURCE, "undefining-source")                                             \
    X(VR_PHASE_UNDEFINING_TARGET, "undefining-target")                                             \
    X(VR_PHASE_DEFINING_TARGET, "defining-target")                                                 \
    X(VR_PHASE_SETTING_AUTOSTART, "setting-autostart")                                             \
    X(VR_PHASE_SETTLED, "settled")                                                                 \
    X(VR_PHASE_STOPPED, "stopped-by-owner") /* shut down, or left out by a person: stays */        \
    /* gate */                                                                                     \
    X(VR_PHASE_WATCHING, "watching")                                                               \
    X(VR_PHASE_LOOKING, "looking")             /* list: do the VMs that came still run? */         \
    X(VR_PHASE_CHECKING_BOOT, "checking-boot") /* stage facts: has it rebooted meanwhile? */       \
    X(VR_PHASE_PASSED, "passed")                                                                   \
    X(VR_PHASE_ALERTED, "alerted") /* its host is in alert: it passes no more */                   \
    /* quarantine, reopen */                                                                       \
    X(VR_PHASE_QUARANTINED, "quarantined") /* closed, until a person releases the host */          \
    X(VR_PHASE_REOPENED, "reopened")                                                               \
    /* any */                                                                                      \
    X(VR_PHASE_FAILED, "failed") /* tried as often as allowed; nobody is harmed */                 \
    X(VR_PHASE_NEEDS_OPERATOR, "needs-operator")                                                   \
    X(VR_PHASE_SUPERSEDED, "superseded") /* no longer of the plan, which was revised */
VR_DECLARE_ENUM(VrPhase, vr_phase, VR_PHASES);
#define VR_PHASE_COUNT (VR_PHASE_SUPERSEDED + 1)

#define VR_ROLLOUT_PHASES(X)                                                                       \
    X(VR_ROLLOUT_NONE, "none") /* before its first event */                                        \
    X(VR_ROLLOUT_RUNNING, "running")                                                               \
    X(VR_ROLLOUT_STOPPING, "stopping") /* finishes what is in flight, begins nothing */            \
    X(VR_ROLLOUT_STOPPED, "stopped")                                                               \
    X(VR_ROLLOUT_NEEDS_OPERATOR, "needs-operator")                                                 \
    X(VR_ROLLOUT_FAILED, "failed") /* nothing more can be done as planned */                       \
    X(VR_ROLLOUT_DONE, "done")                                                                     \
    X(VR_ROLLOUT_CLOSED, "closed") /* ended by a person; never goes on */
VR_DECLARE_ENUM(VrRolloutPhase, vr_rollout_phase, VR_ROLLOUT_PHASES);

/* ------------------------------------------------------------------------------ inputs */

#define VR_INPUTS(X)                                                                               \
    X(VR_INPUT_CREATE, "create")       /* plan, policy and inventory of a new rollout */           \
    X(VR_INPUT_RESTARTED, "restarted") /* first of every process, after replay */                  \
    X(VR_INPUT_TICK, "tick")                                                                       \
    X(VR_INPUT_START, "start")     /* begin, or go on after stopped, failed, needs-operator */     \
    X(VR_INPUT_STOP, "stop")       /* finish what is in flight, begin nothing */                   \
    X(VR_INPUT_RETRY, "retry")     /* of a host whose update waits for a person */                 \
    X(VR_INPUT_DEFER, "defer")     /* leave a VM that waits for a person as and where it is */     \
    X(VR_INPUT_CLOSE, "close")     /* never go on with this rollout */                             \
    X(VR_INPUT_REVISE, "revise")   /* go by a new plan from here on; only while it stands still */ \
    X(VR_INPUT_UNDO, "undo")       /* migrate back what came to a host: a person says so */        \
    X(VR_INPUT_RELEASE, "release") /* a host in alert is fine: a person says so */                 \
    X(VR_INPUT_MEASURED, "measured") /* what a VM was like before the migration of this step */    \
    X(VR_INPUT_JUDGED, "judged")     /* the judgement of a host has changed */                     \
    X(VR_INPUT_OBSERVED, "observed")                                                               \
    X(VR_INPUT_LISTED, "listed")                                                                   \
    X(VR_INPUT_CALL_RETURNED, "call-returned") /* of migrate or act */                             \
    X(VR_INPUT_STAGE_ENDED, "stage-ended")                                                         \
    X(VR_INPUT_STALLED, "stalled") /* a migration sends nothing any more; attempt: the call's */   \
    X(VR_INPUT_HINT, "hint")       /* a domain event on a host */
VR_DECLARE_ENUM(VrInputKind, vr_input_kind, VR_INPUTS);

/* Borrowed pointers, valid during decide. Which are set depends on the kind. */
typedef struct {
    VrInputKind kind;
    gint64 at_us;
    guint step;    /* id; completions only, with … */
    guint attempt; /* … the attempt of the command that they complete; stale ones are dropped */
    gint64 issued_us; /* … and when that was started: what it saw is not older */
    const VrObservation *observation;
    const VrListing *listing;
    const GError *error; /* call-returned: NULL is success */
    const VrStageResult *stage;
    const char *host;       /* retry, hint, undo, release */
    const char *vm_uuid;    /* hint, defer */
    const char *text;       /* hint: what; create: rollout id; asked by a person: the reason */
    const VrPlan *plan;     /* create; revise: of what is left */
    const VrPolicy *policy; /* create */
    const VrInventory *inventory;   /* create, revise: that the plan was made on */
    gboolean automatic;             /* revise: nobody was asked, so the policy must allow it */
    const VrBaseline *baseline;     /* measured */
    const VrHealthVerdict *verdict; /* judged; text: its sentence */
} VrInput;

/* ------------------------------------------------------------------------------ events */

/* X(member, word, version of the body) */
#define VR_EVENTS(X)                                                                               \
    X(VR_EVENT_CREATED, "rollout-created")     /* text: plan, policy, inventory as JSON */         \
    X(VR_EVENT_VM_DEFINED, "vm-defined")       /* first step of a VM in its plan; definition */    \
    X(VR_EVENT_ROLLOUT_PHASE, "rollout-phase") /* rollout_phase, reason */                         \
    X(VR_EVENT_CONTROLLER_STARTED, "controller-started")                                           \
    X(VR_EVENT_STEP_PHASE, "step-phase")       /* step, phase, attempt, reason, row, … */        \
    X(VR_EVENT_CALL_RETURNED, "call-returned") /* step, attempt; reason: the error */              \
    X(VR_EVENT_VM_RECORDED, "vm-recorded")     /* step; reading, definition if it is new */        \
    X(VR_EVENT_VM_SEEN_ON_TARGET, "vm-seen-on-target")                                             \
    X(VR_EVENT_VM_MEASURED, "vm-measured")       /* step; stats */                                 \
    X(VR_EVENT_HOST_FACTS, "host-facts")         /* step, phase (which), text: name=value … */   \
    X(VR_EVENT_HOST_DISTURBED, "host-disturbed") /* step, reason: what was seen */                 \
    X(VR_EVENT_REVISED, "plan-revised")          /* reason, text: plan, inventory, … as JSON */  \
    X(VR_EVENT_BASELINE, "vm-baseline")          /* step; baseline */                              \
    X(VR_EVENT_HOST_JUDGED, "host-judged")       /* host, finding, reason, text: evidence */       \
    X(VR_EVENT_HOST_ALERTED, "host-alerted")     /* host, reason, way_back */                      \
    X(VR_EVENT_HOST_RELEASED, "host-released")   /* host, reason */                                \
    X(VR_EVENT_STEPS_ADDED, "steps-added")       /* host in alert, text: steps as JSON */
VR_DECLARE_ENUM(VrEventKind, vr_event_kind, VR_EVENTS);

/* Flat; strings owned, NULL where unused. */
typedef struct {
    VrEventKind kind;
    gint64 at_us;
    guint step;
    guint attempt;
    VrPhase phase;
    VrRolloutPhase rollout_phase;
    gint64 not_before_us; /* step-phase: its command waits until then; 0 */
    gint64 deadline_us;   /* step-phase: it gives up then; 0 */
    gint row;             /* step-phase: the VrRow that decided; -1 */
    gint side;            /* step-phase of an action: VrSide of what it acts on; -1 */
    guint round;          /* step-phase: lists that already proved the host empty */
    gint64 libvirt_id;    /* vm-recorded, and the next three */
    gint64 cpu_time_ns;   /* step-phase observing: of the target, for "does it advance?" */
    gboolean autostart;
    gboolean paused;
    gboolean ran_on;   /* step-phase observing: seen running on its source, its migration over */
    gboolean counted;  /* step-phase deferred: it counts as a deferral, not as an attempt */
    gboolean way_back; /* host-alerted: its VMs migrate back */
    gboolean intake_closed; /* host-judged, and the next two */
    gboolean clock_stands;  /* it cannot be read: its gates' time does not count */
    VrHealthFinding finding;
    VrBaseline baseline; /* vm-baseline */
    VrFailure failure;   /* call-returned, step-phase: what went wrong; NONE */
    VrMigrationStats stats;
    char *rollout; /* created: the id */
    char *silent;  /* step-phase: the host that could not be read */
    char *host;    /* host-alerted, host-released, steps-added */
    char *reason;
    char *text;
    char *definition; /* a GRefString, long: inactive XML, secrets included */
} VrEvent;

VrEvent *vr_event_new(VrEventKind kind, gint64 at_us);
VrEvent *vr_event_copy(const VrEvent *self);
void vr_event_free(VrEvent *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrEvent, vr_event_free)

/* Body of a journal record; the kind and time stand beside it. */
/*
 * 1: without silent and vm-defined; 2: without row N2, ran_on; 3: without plan-revised; 4: without
 * host-alerted, host-released, steps-added, host-judged, vm-baseline
 */
#define VR_EVENT_VERSION 5
char *vr_event_format(const VrEvent *self);
VrEvent *vr_event_parse(const VrRecord *record, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* ------------------------------------------------------------------------------ state */

/* One step of the plan and how far it is. */
typedef struct {
    const VrPlanStep *plan;
    guint unmet;        /* steps of plan->after that are not satisfied */
    gint source_update; /* migrate, gate: index of the update of its source; -1 */
    gint target_update; /* migrate, gate: the same of the target; -1 */
    VrPhase phase;
    VrPhase resume_phase; /* needs-operator: where it was */
    guint attempt;        /* of the present phase's command; grows with every phase change */
    gint64 since_us;      /* entered the present phase */
    gint64 begun_us;      /* left pending first; 0 */
    gint64 ended_us;      /* reached a last phase; 0 */
    gint64 not_before_us;
    gint64 deadline_us;
    char *reason;      /* (nullable) why it is where it is, for people */
    VrFailure trouble; /* the same as a row of the table of failures; NONE */
    char *silent;      /* (nullable) the host that could not be read, for which it waits or asks */
    gint64 silent_since_us; /* first of the readings of it that failed in a row */

    /* migrate */
    guint tries;             /* migrations issued */
    guint actions;           /* actions of the recovery table issued since the last migration */
    guint call_attempt;      /* attempt of the migration that has not returned; 0 */
    gint64 fence_until_us;   /* a call that was issued may begin until then */
    gint64 waiting_since_us; /* first of the observations without a decision; 0 */
    guint polls;             /* observations since then */
    gint row;                /* of the last observation; -1 */
    gint side;               /* an action's phase: class of the copy that it acts on; -1 */
    gint64 row_since_us;     /* first of the consecutive rounds that gave it */
    gboolean recorded;       /* the next five are known */
    gboolean autostart;
    gboolean paused;
    gint64 libvirt_id;
    gint64 source_cpu_time_ns;
    char *definition;          /* a GRefString: inactive XML, secrets included */
    gboolean vouched;          /* taken up after a person was asked: another instance is fine */
    gboolean seen_on_target;   /* latch: then "absent" no longer proves "never ran" */
    gboolean ran_on;           /* latch: a copy on its target is a second one */
    gboolean left_out;         /* stopped because a person said so, not because it is shut off */
    gint64 target_cpu_time_ns; /* at the first observation that could settle; -1 */
    VrMigrationStats stats;
    gint64 call_us;        /* when the last migration was issued; 0 */
    char *last_error;      /* (nullable) of the last migration that came back with one */
    VrFailure failure;     /* of the last migration */
    VrBaseline baseline;   /* before its last migration … */
    gboolean has_baseline; /* … if it was watched then */
    guint deferrals;       /* migrations of `tries` that its VM was too busy for */

    /* update */
    gint64 expired_since_us; /* its proofs become old before their time: since then; 0 */
    guint rounds;      /* lists that proved the host empty in a row; closing: its stage failed */
    gboolean reattach; /* a stage of an earlier process: find out how it ended, do not begin it */
    gboolean was_down; /* apply has begun */
    gboolean
        set_aside; /* its host is lost: a person is asked, the others go on; until it is retried */
    gboolean rebooted;         /* since then: its boot id must become a new one */
    char *facts_before;        /* also of a gate: of the boot that a person was asked about */
    char *facts_before_reboot; /* its boot id must change */
    char *facts_after;
} VrStepState;

/*
 * What a rollout stands on; never changed, only exchanged as a whole by a revision. Shared by its
 * copies on all threads.
 */
typedef struct {
    VrPlan *plan; /* every plan that it has had, one after the other, as one */
    VrPolicy *policy;
    VrInventory *inventory; /* that it was planned on last, sealed */
    guint extras_approved;  /* extra migrations of the plan that a person approved last */
    GPtrArray *dependents;  /* (element-type GArray of guint) per step index: who waits for it */
} VrBasis;

/*
 * An updated host that is not to be trusted: nothing more comes onto it, and nothing else of the
 * plan begins until a person has released it or the plan was revised without it.
 */
typedef struct {
    char *host;
    char *reason;          /* why, for people */
    gint64 since_us;       /* when it was alerted */
    gboolean way_back;     /* the VMs that came to it migrate back */
    gboolean has_returned; /* some of them have, or are to: the plan no longer fits the fleet */
    gboolean released;     /* by a person */
    gboolean answered;     /* the plan was revised since */
    GPtrArray *staying;    /* (element-type utf8) UUIDs of VMs for which there is no way back */
} VrHostAlert;

/* What was said last of an updated host whose VMs are watched. */
typedef struct {
    char *host;
    VrHealthFinding finding;
    char *sentence;
    char *evidence;               /* as JSON */
    gboolean intake_closed;       /* too full: it takes no more VMs for now */
    gint64 clock_stands_since_us; /* it cannot be read since then; 0: it can */
    gint64 since_us;
} VrHostHealth;

typedef struct {
    char *id;
    VrRolloutPhase phase;
    char *reason;         /* (nullable) of the phase */
    const VrBasis *basis; /* NULL before the first event */
    GPtrArray *steps;     /* (element-type VrStepState) in the plan's order: id = index + 1 */
    GPtrArray *alerts;    /* (element-type VrHostAlert) in the order in which they came */
    GPtrArray *healths;   /* (element-type VrHostHealth) in the order of their first judgement */
    gint64 created_us;
    gint64 started_us;
    gint64 ended_us; /* 0 while it goes on */
    gint64 now_us;   /* time of the last event */
    guint64 event_count;
    guint restarts;
    guint revisions;         /* of its plan */
    guint revisions_in_vain; /* automatic ones in a row without a step that ended well between */
    guint satisfied_count;   /* steps that had ended well when its plan was revised last */
} VrRollout;

VrRollout *vr_rollout_new(void);
void vr_rollout_free(VrRollout *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrRollout, vr_rollout_free)

/* A copy for readers on other threads; shares the basis. */
VrRollout *vr_rollout_copy(const VrRollout *self);

static inline VrStepState *
vr_rollout_step(const VrRollout *self, guint index)
{
    return (VrStepState *)g_ptr_array_index(self->steps, index);
}

/*
 * Index into steps of the update of a host; -1: it has none. Of several the one that is not
 * superseded, of which there is one at most.
 */
gint vr_rollout_find_update(const VrRollout *self, const char *host);

static inline VrHostAlert *
vr_rollout_alert(const VrRollout *self, guint index)
{
    return (VrHostAlert *)g_ptr_array_index(self->alerts, index);
}

static inline VrHostHealth *
vr_rollout_health(const VrRollout *self, guint index)
{
    return (VrHostHealth *)g_ptr_array_index(self->healths, index);
}

/* NULL: it has not been judged. */
const VrHostHealth *vr_rollout_find_health(const VrRollout *self, const char *host);

/* The alert of a host that nobody has released; NULL: it is in none. */
const VrHostAlert *vr_rollout_find_alert(const VrRollout *self, const char *host);
/* Is it closed because it was in alert, or about to be, and not opened since? It counts as down. */
gboolean vr_rollout_is_quarantined(const VrRollout *self, const char *host);
/* Is there an alert for which everything else of the plan waits? The first one; NULL: no. */
const VrHostAlert *vr_rollout_blocking_alert(const VrRollout *self);
/* That one, or else one whose host the others have gone on without: closed, for a person. */
const VrHostAlert *vr_rollout_unsettled_alert(const VrRollout *self);

/*
 * Why a person may not have the VMs of a host migrated back (VR_INPUT_UNDO), or release it
 * (VR_INPUT_RELEASE), for people; NULL: he may. (transfer full)
 */
char *vr_rollout_find_undo_obstacle(const VrRollout *self, const char *host);
char *vr_rollout_find_release_obstacle(const VrRollout *self, const char *host);
/* What has become of an alert, for people. (transfer full) */
char *vr_rollout_describe_alert(const VrRollout *self, const VrHostAlert *alert);

gboolean vr_phase_is_last(VrPhase phase);          /* nothing more happens to the step by itself */
gboolean vr_phase_is_satisfied(VrPhase phase);     /* what comes `after` it may begin */
gboolean vr_phase_is_host_down(VrPhase phase);     /* from apply until verified */
gboolean vr_rollout_is_over(VrRolloutPhase phase); /* no command until somebody asks */
/*
 * Is a person asked about this migration step's VM, for itself or at the gate that watches it? Then
 * the VM may be left out (VR_INPUT_DEFER).
 */
gboolean vr_rollout_is_asked_about(const VrRollout *self, const VrStepState *step);
/* There is one, and it is neither done nor closed: it goes on before another begins. */
gboolean vr_rollout_is_unfinished(const VrRollout *self);

/* Of "name=value" lines; NULL if there is none. (transfer full) */
char *vr_facts_get(const char *facts, const char *name);

/* ------------------------------------------------------------------------------ functions */

/*
 * What to make of an input. Appends owned events to out_events (element-type VrEvent); none if the
 * input is stale or changes nothing. Never fails: refusals are events or nothing.
 */
void vr_rollout_decide(const VrRollout *self, const VrInput *input, GPtrArray *out_events);

/*
 * What follows from the state by itself: steps that may begin, a rollout that is over. The engine
 * calls it after every applied input, applies what it gives, and again until it gives nothing.
 */
void vr_rollout_advance(const VrRollout *self, gint64 now_us, GPtrArray *out_events);

/*
 * The only mutator. VR_ERROR_CORRUPT (state untouched) for an event that cannot follow, as from a
 * broken journal.
 */
gboolean vr_rollout_apply(VrRollout *self, const VrEvent *event,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

#define VR_COMMANDS(X)                                                                             \
    X(VR_COMMAND_OBSERVE, "observe")                                                               \
    X(VR_COMMAND_LIST, "list")                                                                     \
    X(VR_COMMAND_MIGRATE, "migrate")                                                               \
    X(VR_COMMAND_ACT, "act")                                                                       \
    X(VR_COMMAND_STAGE, "stage")
VR_DECLARE_ENUM(VrCommandKind, vr_command_kind, VR_COMMANDS);

/*
 * So long may what was read be acted on, counted from the moment at which it was asked for; then it
 * is read again. For what no fence and no guard covers: people (recovery.md, "Age").
 */
#define VR_PROOF_AGE_MAX_US (G_GINT64_CONSTANT(10) * G_USEC_PER_SEC)

/* Identity: (kind, step, attempt). Pointers are borrowed from the rollout. */
typedef struct {
    VrCommandKind kind;
    guint step;
    guint attempt;
    gint64 not_after_us;        /* not started later: what it rests on has become old then; 0 */
    const char *host;           /* list, act, stage */
    const char *vm_uuid;        /* observe, migrate, act */
    const char *source;         /* observe, migrate */
    const char *target;         /* observe, migrate */
    gboolean with_definition;   /* observe */
    gint64 bandwidth_mib_per_s; /* migrate */
    VrStage stage;
    gboolean attach_only; /* stage */
    VrAction action;
    VrRow row;              /* act */
    VrSide expected;        /* act */
    const char *definition; /* act: define-target */
} VrCommand;

/* Appends to out_commands (element-type VrCommand) what should be running at now_us. */
void vr_rollout_commands(const VrRollout *self, gint64 now_us, GArray *out_commands);

/* The first time after `since_us` at which a tick may change something; G_MAXINT64: never. */
gint64 vr_rollout_next_deadline(const VrRollout *self, gint64 since_us);

G_END_DECLS
