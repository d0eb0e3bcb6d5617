/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the auditor keeps: its own mirror of what is durable in the journal, and for each host, VM
 * and copy when it changed, by whom, and when the controller last looked. Private to src/audit.
 */
#pragma once

#include "audit/auditor.h"

G_BEGIN_DECLS

#define AUDIT_NEVER G_GINT64_CONSTANT(-1)
#define AUDIT_FRESH_US (10 * SIM_S) /* a proof is used within this time, or taken anew */
#define AUDIT_CAUSES (SIM_BY_OPERATOR + 1)

/* One VM on one host: as it was after its last change, and as it was last read. */
typedef struct {
    SimQemu qemu;
    gboolean defined;
    gboolean on_disk;
    gboolean autostart;
    gint64 changed_us;
    SimCause changed_by;
    guint reader;       /* controller of the last read that came back; 0: none */
    gint64 taken_us;    /* when the truth of the last read was taken, … */
    gint64 read_us;     /* … and that of the last one that came back */
    VrSide side;        /* what that said … */
    VrSide side_before; /* … and the one before it of this controller; UNKNOWN: there is none */
} AuditCopy;

/* A migrate call that was issued and has not begun. */
typedef struct {
    guint controller;
    guint step;
    guint attempt;
    guint source;
    guint target;
    gint64 issued_us;
    gboolean orphaned; /* its controller has ended */
    gboolean returned; /* durably, with an answer: it is over, or will never be */
} AuditCall;

typedef struct {
    AuditCopy *at;                   /* [host_count] */
    gint64 touched_us[AUDIT_CAUSES]; /* last change of any copy, by cause */
    GArray *calls;                   /* (element-type AuditCall) nullable */
    gint group;                      /* in the inventory; -1: none */
    GArray *steps;                   /* (element-type guint) ids of its migrate steps; nullable */
    gint64 split_us;                 /* since when two copies run that nobody was asked about */
    gboolean split_unasked;          /* nobody has been asked since split_us */
    guint step;                      /* of the controller's migration in flight; 0: none */
    gboolean paused_at_begin;        /* by its owner, when that migration began */
    guint arrived_by;                /* step of the last of, … */
    gint64 arrived_us;               /* and when that was over, … */
    guint arrivals;                  /* by migrations of the controller */
    guint extras;                    /* declared */
    gboolean given_up;               /* nowhere, and a person went on without it */
    gint64 limbo_us;                 /* since when only a migration keeps it paused */
    gint64 acting_us;                /* when the last action of ours was issued */
} AuditVm;

typedef struct {
    guint update;             /* id of its update step; 0: none */
    char *uuid;               /* of the machine that was there when the world began */
    gboolean updated_before;  /* in the inventory, which was approved */
    gint64 lists_us[2];       /* when the last two lists were taken, the younger first … */
    guint lister;             /* … both by this controller */
    gint64 busy_us;           /* last time that a guest or an autostart definition was there */
    gint64 crowded_us;        /* last change of its guests by somebody else */
    gint64 closed_us;         /* since when; AUDIT_NEVER: open */
    gint64 failed_us;         /* last change by a fault */
    gint64 memory_before_mib; /* of the guests that were there when a plan was made, at most */
    gint64 stage_us;          /* last apply or reboot that began */
    gboolean applied;         /* apply has begun and the update has not been verified */
    gboolean alerted;         /* durably in alert, and not released */
    gboolean reopened;        /* for VMs that come back; until it is closed once more */
    gboolean set_aside;       /* by a revision: closed and empty then, and not verified since */
} AuditHost;

/* A step of the plan, as far as the journal has it. */
typedef struct {
    const VrPlanStep *plan;
    guint vm, source, target; /* migrate; gate: host is the target */
    guint host;               /* update */
    VrPhase phase;
    guint attempt;
    gint64 at_us;        /* durable since */
    gboolean asked;      /* a person, since its last migration was announced */
    gint64 libvirt_id;   /* of the guest whose migration began; -1: none since it was announced */
    gint64 settled_us;   /* durably settled for the first time; AUDIT_NEVER */
    gint64 looked_us;    /* when it last settled: the controller's last look at both ends */
    gint64 passed_us;    /* gate: durably passed; AUDIT_NEVER */
    guint called;        /* attempt whose call was issued; 0 */
    guint stage_attempt; /* attempt whose stage has begun; 0 */
    gint64 issued_us;    /* last stage that was issued, not only attached to, … */
    guint issuer;        /* … by this controller */
    gboolean began_before_stop;
    gboolean unsure;  /* a controller has started, and nothing was decided since */
    gint64 waited_us; /* last time that there was something to wait for */
} AuditStep;

struct SimAuditor {
    const SimWorld *world;
    GPtrArray *plans; /* (element-type VrPlan) of revisions, the last one the longest; owned */
    const VrPolicy *policy;
    const VrInventory *inventory;
    GPtrArray *vms;   /* (element-type AuditVm) by index of the world */
    AuditHost *hosts; /* [host_count] */
    AuditStep *steps; /* [step count + 1], by id */
    guint host_count;
    guint step_count;
    guint *gates_open; /* [host_count] gates that hold a refuge back and have not passed */
    guint *left;       /* [host_count] VMs that have durably left it */
    VrRolloutPhase phase;
    guint controller;       /* the newest; 0: none lives */
    gint64 started_us;      /* it */
    gint64 ended_us;        /* the last one; AUDIT_NEVER */
    gint64 heard_us;        /* last sign of life of it */
    gint64 calm_us;         /* last fault, heal or start */
    guint strikes;          /* then */
    gint64 look_us;         /* rules of time need no look before */
    GArray *in_limbo;       /* (element-type guint) VMs with limbo_us */
    GArray *failed_appends; /* (element-type guint) controllers */
    guint64 evaluations[SIM_RULE_COUNT];
    char *breach;
    SimRule breached;
};

/* Counts one evaluation of a rule. */
void audit_count(SimAuditor *self, SimRule rule);
/* The rule is broken; only the first breach is kept. */
void audit_breach(SimAuditor *self, SimRule rule, const char *format, ...) G_GNUC_PRINTF(3, 4);

static inline AuditVm *
audit_vm(const SimAuditor *self, guint vm)
{
    return (AuditVm *)g_ptr_array_index(self->vms, vm);
}

static inline const char *
audit_vm_name(const SimAuditor *self, guint vm)
{
    return sim_vm(self->world, vm)->name;
}

static inline const char *
audit_host_name(const SimAuditor *self, guint host)
{
    return sim_host(self->world, host)->name;
}

/* Index in the world; SIM_NOWHERE. */
guint audit_find_host(const SimAuditor *self, const char *name);

/* Somebody or something else than the controller and libvirt changed a copy since then. */
gboolean audit_vm_disturbed_since(const SimAuditor *self, guint vm, gint64 since_us);
/* Somebody with access to libvirt did so, ever. */
gboolean audit_vm_strange(const SimAuditor *self, guint vm);
/* The person who was asked did so, ever. */
gboolean audit_vm_repaired(const SimAuditor *self, guint vm);
gboolean audit_is_incoming(const SimCopy *copy); /* a migration's job, to its very end */
/* It changed after the last read of it that came back was taken. */
gboolean audit_changed_unseen(const AuditCopy *copy);
/* Number of the newest memory that any copy of it has. */
guint64 audit_newest_memory(const SimAuditor *self, guint vm);
guint audit_running_copies(const SimAuditor *self, guint vm);
guint audit_active_copies(const SimAuditor *self, guint vm);
/* The live migration of a VM; NULL. */
const SimMigration *audit_migration(const SimAuditor *self, guint vm);
/* A migrate step of the VM with these ends, in that phase; 0. Ends: SIM_NOWHERE is any. */
guint audit_find_step(const SimAuditor *self, guint vm, guint source, guint target, VrPhase phase);

/* A controller that gives no sign of life for longer is stalled, or hangs. */
#define AUDIT_SILENT_US (30 * SIM_S)

/* journal.c: what is durable */
void audit_journal_appended(SimAuditor *self, const SimFact *fact);

/* revision.c: the plan is another one from now on */
/* A host came into alert, was released, or steps of a way back were added (R5). */
void audit_host_alert(SimAuditor *self, const VrEvent *event);
/* The VM of that settled migration has left its target again. */
gboolean audit_has_left_again(const SimAuditor *self, guint id);
/* New steps of the plan, which is taken. */
void audit_take_steps(SimAuditor *self, VrPlan *plan);
void audit_revised(SimAuditor *self, const VrEvent *event);
/* auditor.c: its books, of a step that has none yet */
void audit_step_init(SimAuditor *self, const VrPlanStep *plan);

/* issue.c: may this controller issue anything, and is it announced */
void audit_issue_migration(SimAuditor *self, const SimFact *fact);
void audit_issue_action(SimAuditor *self, const SimFact *fact);
void audit_issue_stage(SimAuditor *self, const SimFact *fact);

/* migrations.c */
void audit_migration_issued(SimAuditor *self, const SimFact *fact, guint step);
void audit_migration_begins(SimAuditor *self, const SimFact *fact);
void audit_migration_over(SimAuditor *self, const SimFact *fact);
void audit_call_returned(SimAuditor *self, const VrEvent *event);
gboolean audit_call_may_begin(const SimAuditor *self, guint vm);
void audit_calls_orphaned(SimAuditor *self, guint controller); /* it has ended */

/* placement.c: is there room, do the group rules allow it */
void audit_placement(SimAuditor *self, const SimFact *fact);

/* actions.c */
void audit_action_issued(SimAuditor *self, const SimFact *fact, guint step);
void audit_action_begins(SimAuditor *self, const SimFact *fact);
/* Acts on a VM of which two copies run, knowing it or not. */
void audit_split(SimAuditor *self, const SimFact *fact);

/* copies.c */
void audit_copies_init(SimAuditor *self, guint vm);
void audit_copy_changed(SimAuditor *self, const SimFact *fact);
/* Notices what has become of definitions, as of then. */
void audit_copy_sync(SimAuditor *self, guint vm, guint host, gint64 at_us);
void audit_copies_sync(SimAuditor *self, guint host);
void audit_person_asked(SimAuditor *self, guint vm);

/* hosts.c */
void audit_stage_begins(SimAuditor *self, const SimFact *fact);
void audit_host_changed(SimAuditor *self, const SimFact *fact);
void audit_list_seen(SimAuditor *self, const SimFact *fact);
/* VMs have left it and the gate of one of their targets has not passed. */
gboolean audit_is_refuge(const SimAuditor *self, guint host);
void audit_refuge(SimAuditor *self, guint host, const char *when);
/* A gate has durably passed. */
void audit_gate_passed(SimAuditor *self, guint step);

/* arrival.c: what a VM must be like once its step has durably settled */
void audit_settled(SimAuditor *self, guint step);
/* What is wrong with it on that host, as a sentence; NULL: nothing. */
const char *audit_wrong_definition(const SimAuditor *self, guint vm, guint host);
const char *audit_wrong_state(const SimAuditor *self, guint vm, guint host);

/* time.c */
void audit_time_look(SimAuditor *self);
void audit_limbo(SimAuditor *self, guint vm);
gboolean audit_is_in_limbo(const SimAuditor *self, guint vm);
gboolean audit_somebody_was_asked(const SimAuditor *self, guint vm);

/* end.c */
void audit_end(SimAuditor *self, VrRolloutPhase phase, gboolean final);

G_END_DECLS
