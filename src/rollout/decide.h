/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the rollout layer: what the deciding files share. */
#pragma once

#include "base/time.h"
#include "rollout/state.h"

G_BEGIN_DECLS

/* One decision in the making. */
typedef struct {
    const VrRollout *rollout;
    const VrInput *input;
    gint64 at_us;
    GPtrArray *events;
} VrDeciding;

/* Appends an event of this moment for a step; the caller fills in the rest. Borrowed. */
VrEvent *vr_deciding_add(VrDeciding *self, VrEventKind kind, const VrStepState *step);

/* Appends a change of a step's phase, at most one per step; `reason` (nullable) is taken. */
VrEvent *vr_deciding_enter(VrDeciding *self, const VrStepState *step, VrPhase phase, char *reason);

/* Has what the input has seen become too old to act on? */
gboolean vr_deciding_is_old(const VrDeciding *self);
/* Until when that may be acted on. */
gint64 vr_deciding_proof_until_us(const VrDeciding *self);

/* Appends a change of the rollout's phase. */
void vr_deciding_enter_rollout(VrDeciding *self, VrRolloutPhase phase, const char *reason);

/* A person is needed; after what is fatal, by the whole rollout. `reason` is taken. */
VrEvent *vr_deciding_need_operator(VrDeciding *self, const VrStepState *step, VrFailure failure,
                                   char *reason);

/* A migration step was observed, or one of its calls came back. */
void vr_migration_observed(VrDeciding *self, const VrStepState *step);
/* Of the VM, as planned; and how long its migration may take before it is aborted. */
gint64 vr_migration_memory_mib(const VrDeciding *self, const VrStepState *step);
gint64 vr_migration_limit_us(const VrDeciding *self, const VrStepState *step);
void vr_migration_fitted(VrDeciding *self, const VrStepState *step);
void vr_migration_call_returned(VrDeciding *self, const VrStepState *step);
/* Its deadline has passed while the call is out. */
void vr_migration_overdue(VrDeciding *self, const VrStepState *step);
/* Its VM runs on its source as before, by that row: what its last failure's class asks for. */
void vr_migration_rolled_back(VrDeciding *self, const VrStepState *step, VrRow row);
/* Its call is out and nothing is sent any more. */
void vr_migration_stalled(VrDeciding *self, const VrStepState *step);

/* Its target is in alert: it is aborted, if that is still possible. */
void vr_migration_recalled(VrDeciding *self, const VrStepState *step);

/* What the watch has found out about a VM before its migration, or about a host. */
void vr_health_measured(VrDeciding *self);
void vr_health_judged(VrDeciding *self);
/* May a gate's time come to its end: is its host watched, and can it be read? */
gboolean vr_health_lets_pass(const VrRollout *rollout, const VrStepState *gate);
/* A gate waits for its host to be readable until then; G_MAXINT64: it does not wait. */
gint64 vr_health_waits_until_us(const VrRollout *rollout, const VrStepState *gate);
/* It has waited too long: a person is asked. */
void vr_health_ask(VrDeciding *self, const VrStepState *gate);
/* A host that takes no more VMs because it is crowded; NULL: none. */
const VrHostHealth *vr_health_find_crowded(const VrRollout *rollout);
/* So long a rollout waits for room there, then a person is asked; G_MAXINT64: nobody waits. */
gint64 vr_health_waits_for_room_until_us(const VrRollout *rollout);
/* A person takes the rollout up: what was crowded is tried once more. */
void vr_health_taken_up(VrDeciding *self);
void vr_health_apply(VrRollout *rollout, const VrEvent *event);
/* A person has released it: what was said of it counts no more, and it has to be judged anew. */
void vr_health_forget(VrRollout *rollout, const VrEvent *event);

/* A person says that what came to a host goes back, or that a host in alert is fine. */
void vr_alert_undo(VrDeciding *self);
void vr_alert_release(VrDeciding *self);
/* What hosts in alert bring about by themselves. TRUE if an event was added. */
gboolean vr_alert_advance(VrDeciding *self);
/* An event about a host in alert onto the state. */
gboolean vr_alert_apply(VrRollout *rollout, const VrEvent *event,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Exit status 0, or that there was nothing to do. */
gboolean vr_stage_end_is_good(const VrStageResult *result);
/* What a stage's end means, in a sentence that begins with its host. (transfer full) */
char *vr_stage_end_describe(const VrStepState *step, VrStage stage, const VrStageResult *result);

/* An update step's stage ended, or a step's host was listed. */
void vr_host_stage_ended(VrDeciding *self, const VrStepState *step);
void vr_host_listed(VrDeciding *self, const VrStepState *step);
/* An update step takes up its work again after a person has looked. */
void vr_host_retried(VrDeciding *self, const VrStepState *step);

/* The UUID of a host step's machine when the plan was made; NULL: never known. Borrowed. */
const char *vr_identity_machine(const VrRollout *rollout, const VrStepState *step);
/*
 * The boot id of a gate's target right after its update; if there was nothing to update, from
 * before that. (transfer full) NULL: it was never asked for in this rollout.
 */
char *vr_identity_boot(const VrRollout *rollout, const VrStepState *step);
/* A boot that a person was told of, at this gate or at one that has passed since, and went on. */
gboolean vr_identity_is_accepted_boot(const VrRollout *rollout, const VrStepState *step,
                                      const char *boot_id);

/* From an observation and what the journal knows of the step. */
VrEvidence vr_evidence(const VrStepState *step, const VrObservation *observation);

G_END_DECLS
