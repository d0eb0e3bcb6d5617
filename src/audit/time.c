/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of time: a guest that a migration left paused (L2), a controller that starts (L4). */
#include "audit/books.h"

#define GRACE_US (60 * SIM_S)
#define ACTIONS_MAX 8 /* for one VM, before a person is asked */
#define LOOK_EVERY_US SIM_S

/* ------------------------------------------------------------------ L2 */

static gint64
limbo_max_us(const SimAuditor *self)
{
    const VrRecoveryPolicy *recovery = &self->policy->recovery;

    return MAX(recovery->hold_ms, recovery->hold_unknown_ms) * SIM_MS +
           ACTIONS_MAX * (recovery->fence_ms * SIM_MS + GRACE_US);
}

/* Nothing of it runs, a migration of ours has paused it, and none is in flight any more. */
gboolean
audit_is_in_limbo(const SimAuditor *self, guint vm)
{
    gboolean paused = FALSE;

    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, vm, i);
        if (sim_copy_is_active(copy) && copy->qemu != SIM_QEMU_PAUSED_MIGRATION)
            return FALSE;
        paused |= copy->qemu == SIM_QEMU_PAUSED_MIGRATION;
    }
    return paused && audit_migration(self, vm) == NULL && !audit_vm_strange(self, vm) &&
           !audit_vm_repaired(self, vm);
}

void
audit_limbo(SimAuditor *self, guint vm)
{
    AuditVm *known = audit_vm(self, vm);

    if (!audit_is_in_limbo(self, vm)) {
        known->limbo_us = AUDIT_NEVER;
        return;
    }
    if (known->limbo_us != AUDIT_NEVER)
        return;
    known->limbo_us = self->world->now_us;
    self->look_us = self->world->now_us;
    for (guint i = 0; i < self->in_limbo->len; i++) {
        if (g_array_index(self->in_limbo, guint, i) == vm)
            return;
    }
    g_array_append_val(self->in_limbo, vm);
}

gboolean
audit_somebody_was_asked(const SimAuditor *self, guint vm)
{
    return audit_find_step(self, vm, SIM_NOWHERE, SIM_NOWHERE, VR_PHASE_NEEDS_OPERATOR) != 0;
}

static void
look_at_limbo(SimAuditor *self, guint vm)
{
    AuditVm *known = audit_vm(self, vm);
    gint64 since_us = MAX(known->limbo_us, self->started_us);

    audit_count(self, SIM_RULE_L2);
    if (self->world->now_us - since_us > limbo_max_us(self) && !audit_somebody_was_asked(self, vm))
        audit_breach(self, SIM_RULE_L2,
                     "%s: only a migration has kept it paused since %" G_GINT64_FORMAT
                     " s, and nobody is asked",
                     audit_vm_name(self, vm), known->limbo_us / SIM_S);
}

static void
look_at_all_in_limbo(SimAuditor *self)
{
    for (guint i = self->in_limbo->len; i > 0; i--) {
        guint vm = g_array_index(self->in_limbo, guint, i - 1);

        audit_limbo(self, vm); /* a migration that began or ended changes no copy */
        if (audit_vm(self, vm)->limbo_us == AUDIT_NEVER)
            g_array_remove_index_fast(self->in_limbo, i - 1);
        else
            look_at_limbo(self, vm);
    }
}

/* ------------------------------------------------------------------ L4 */

static gboolean
is_everything_up(const SimAuditor *self)
{
    gint64 now_us = self->world->now_us;

    for (guint i = 0; i < self->host_count; i++) {
        const SimHost *host = sim_host(self->world, i);
        if (!host->up || host->daemon != SIM_DAEMON_UP || host->hung_until_us > now_us ||
            host->slow_until_us > now_us || host->cut_until_us > now_us ||
            host->unlisted_until_us > now_us)
            return FALSE;
    }
    return TRUE;
}

/* Something that ends by itself, for which the engine has to wait. */
static gboolean
is_to_be_waited_for(const SimAuditor *self, guint vm)
{
    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, vm, i);
        if (copy->job != SIM_JOB_NONE || copy->qemu == SIM_QEMU_SHUTTING_DOWN ||
            copy->qemu == SIM_QEMU_POSTCOPY)
            return TRUE;
    }
    return audit_migration(self, vm) != NULL;
}

static void
look_at_unsure_steps(SimAuditor *self)
{
    gint64 bound_us = self->policy->recovery.fence_ms * SIM_MS + GRACE_US;

    if (!is_everything_up(self))
        self->calm_us = self->world->now_us;
    gboolean is_calm = self->world->now_us - self->calm_us > bound_us &&
                       self->world->now_us - self->heard_us <= AUDIT_SILENT_US;
    for (guint i = 1; i <= self->step_count; i++) {
        AuditStep *step = &self->steps[i];
        if (step->plan->kind != VR_STEP_MIGRATE || !step->unsure)
            continue;
        gboolean in_hand =
            step->phase == VR_PHASE_OBSERVING || step->phase == VR_PHASE_MIGRATING ||
            (step->phase >= VR_PHASE_RESUMING_SOURCE && step->phase <= VR_PHASE_SETTING_AUTOSTART);
        if (!in_hand) {
            step->unsure = FALSE;
            continue;
        }
        audit_count(self, SIM_RULE_L4);
        if (is_to_be_waited_for(self, step->vm))
            step->waited_us = self->world->now_us;
        else if (is_calm && self->world->now_us - step->waited_us > bound_us)
            audit_breach(self, SIM_RULE_L4,
                         "%s: its step is still %s, %" G_GINT64_FORMAT
                         " s after the controller started and all was well",
                         audit_vm_name(self, step->vm), vr_phase_to_string(step->phase),
                         (self->world->now_us - self->calm_us) / SIM_S);
    }
}

static guint
strikes(const SimAuditor *self)
{
    return self->world->faults.happened == NULL ? 0 : self->world->faults.happened->len;
}

/* Nothing is done until somebody asks. */
static gboolean
is_at_rest(VrRolloutPhase phase)
{
    return phase != VR_ROLLOUT_RUNNING && phase != VR_ROLLOUT_STOPPING;
}

void
audit_time_look(SimAuditor *self)
{
    self->look_us = self->world->now_us + LOOK_EVERY_US;
    if (self->controller == 0 || is_at_rest(self->phase))
        return;
    if (strikes(self) != self->strikes) {
        self->strikes = strikes(self);
        self->calm_us = self->world->now_us;
    }
    look_at_all_in_limbo(self);
    look_at_unsure_steps(self);
}
