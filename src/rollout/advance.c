/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What follows from the state and the time alone: steps that may begin, rollouts that are over. */
#include "rollout/decide.h"

/* Steps at work, by what limits them. */
typedef struct {
    GPtrArray *migrations; /* (element-type VrStepState) busy ones: few, whatever the fleet */
    gint64 hosts_down;     /* from the facts before to open again */
    gboolean busy;
    gboolean waiting;          /* for a gate, or until something is tried again */
    const VrStepState *asking; /* first step that needs a person */
    const VrStepState *failed; /* first that failed */
    const VrStepState *aside;  /* first whose host is set aside */
    gboolean unfinished;
    gboolean returning; /* a VM waits for its next attempt to migrate back */
} VrWork;

/* Counts as down: from the facts before it until it is open again, a little more than it is. */
static gboolean
is_in_update(const VrStepState *step)
{
    return step->plan->kind == VR_STEP_UPDATE &&
           (step->was_down || (vr_step_is_busy(step) && step->phase >= VR_PHASE_FACTS_BEFORE));
}

/* (nullable) borrowed */
static const char *
failure_domain(const VrInventory *inventory, const char *host)
{
    gint index = vr_inventory_find_host(inventory, host);

    return index >= 0 ? vr_inventory_host(inventory, (guint)index)->failure_domain : NULL;
}

static VrWork
survey(const VrRollout *self)
{
    VrWork work = {.migrations = g_ptr_array_new()};

    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        gboolean busy = vr_step_is_busy(step);
        work.busy = work.busy || busy;
        work.waiting =
            work.waiting || step->phase == VR_PHASE_WATCHING || step->phase == VR_PHASE_DEFERRED;
        work.unfinished = work.unfinished || (!vr_phase_is_satisfied(step->phase) &&
                                              step->phase != VR_PHASE_SUPERSEDED);
        work.returning = work.returning || (step->phase == VR_PHASE_DEFERRED && step->plan->back);
        if (step->phase == VR_PHASE_NEEDS_OPERATOR && step->set_aside && work.aside == NULL)
            work.aside = step;
        if (step->phase == VR_PHASE_NEEDS_OPERATOR && !step->set_aside && work.asking == NULL)
            work.asking = step;
        if (step->phase == VR_PHASE_FAILED && work.failed == NULL)
            work.failed = step;
        if (step->plan->kind == VR_STEP_MIGRATE && busy)
            g_ptr_array_add(work.migrations, (gpointer)(guintptr)step);
        else if (step->plan->kind == VR_STEP_UPDATE)
            work.hosts_down += is_in_update(step);
    }
    for (guint i = 0; i < self->alerts->len; i++)
        work.hosts_down += vr_rollout_is_quarantined(self, vr_rollout_alert(self, i)->host);
    return work;
}

static gboolean
has_slot(const VrRollout *self, const VrWork *work, const VrPlanStep *plan)
{
    const VrLimits *limits = &self->basis->policy->limits;
    gint64 out = 0;
    gint64 in = 0;

    for (guint i = 0; i < work->migrations->len; i++) {
        const VrStepState *other = g_ptr_array_index(work->migrations, i);
        out += g_strcmp0(other->plan->source, plan->source) == 0;
        in += g_strcmp0(other->plan->target, plan->target) == 0;
    }
    return (limits->migrations_max == 0 || work->migrations->len < limits->migrations_max) &&
           out < limits->migrations_out_per_host && in < limits->migrations_in_per_host;
}

/* It is crowded, and takes no more for now. */
static gboolean
is_too_full(const VrRollout *rollout, const char *host)
{
    const VrHostHealth *health = vr_rollout_find_health(rollout, host);

    return health != NULL && health->intake_closed;
}

/*
 * A migration may begin once its source is closed; if that has not begun, it begins now. A host in
 * alert is closed by a step of its own.
 */
static gboolean
begin_migration(VrDeciding *self, const VrWork *work, const VrStepState *step)
{
    const VrRollout *rollout = self->rollout;
    const VrStepState *closing = step->source_update >= 0 && !step->plan->back
                                     ? vr_rollout_step(rollout, (guint)step->source_update)
                                     : NULL;

    if (closing != NULL && closing->phase == VR_PHASE_PENDING) {
        vr_deciding_enter(self, closing, VR_PHASE_CLOSING, NULL);
        return TRUE;
    }
    if ((closing != NULL && closing->phase != VR_PHASE_CLOSED) ||
        vr_rollout_find_alert(rollout, step->plan->target) != NULL ||
        is_too_full(rollout, step->plan->target) || !has_slot(rollout, work, step->plan))
        return FALSE;
    vr_deciding_enter(self, step, VR_PHASE_CHECKING, NULL);
    return TRUE;
}

/* Is another host of the same failure domain in its update, and is that one too many? */
static gboolean
is_domain_full(const VrRollout *rollout, const VrStepState *step)
{
    const VrInventory *inventory = rollout->basis->inventory;
    gint64 max = rollout->basis->policy->limits.hosts_down_per_domain_max;
    const char *domain = failure_domain(inventory, step->plan->host);
    gint64 count = 0;

    for (guint i = 0; i < rollout->steps->len && max != 0 && domain != NULL; i++) {
        const VrStepState *other = vr_rollout_step(rollout, i);
        count += other != step && is_in_update(other) &&
                 g_strcmp0(failure_domain(inventory, other->plan->host), domain) == 0;
    }
    return max != 0 && count >= max;
}

static gboolean
begin_update(VrDeciding *self, const VrWork *work, const VrStepState *step)
{
    const VrRollout *rollout = self->rollout;
    gint64 hosts_down_max =
        vr_policy_hosts_down_max(rollout->basis->policy, rollout->basis->inventory->hosts->len);
    /* One that was interrupted after its apply counts itself. */
    gint64 others_down = work->hosts_down - is_in_update(step);

    if (step->phase == VR_PHASE_PENDING) {
        vr_deciding_enter(self, step, VR_PHASE_CLOSING, NULL);
        return TRUE;
    }
    if (others_down >= hosts_down_max || is_domain_full(rollout, step))
        return FALSE;
    vr_deciding_enter(self, step, VR_PHASE_FACTS_BEFORE, NULL);
    return TRUE;
}

/* From the last arrival that it watches, for as long as the plan says. */
static void
begin_gate(VrDeciding *self, const VrStepState *step)
{
    const VrRollout *rollout = self->rollout;
    gint64 length_us = (step->plan->end_ms - step->plan->start_ms) * VR_MS_US;
    gint64 settled_us = 0;

    length_us = MAX(length_us, rollout->basis->policy->limits.gate_s * VR_S_US);
    for (guint i = 0; i < step->plan->after->len; i++) {
        guint before = g_array_index(step->plan->after, guint, i) - 1;
        settled_us = MAX(settled_us, vr_rollout_step(rollout, before)->ended_us);
    }
    settled_us = MAX(settled_us, step->since_us); /* its host was released */
    vr_deciding_enter(self, step, VR_PHASE_WATCHING, NULL)->not_before_us = settled_us + length_us;
}

/* TRUE if an event was added. */
static gboolean
begin(VrDeciding *self, const VrWork *work, const VrStepState *step)
{
    gboolean waits = step->phase == VR_PHASE_PENDING || step->phase == VR_PHASE_CLOSED ||
                     (step->phase == VR_PHASE_DEFERRED && self->at_us >= step->not_before_us);

    if (!waits || step->unmet > 0)
        return FALSE;
    switch (step->plan->kind) {
    case VR_STEP_UPDATE:
        return begin_update(self, work, step);
    case VR_STEP_MIGRATE:
        return begin_migration(self, work, step);
    case VR_STEP_GATE:
        begin_gate(self, step);
        return TRUE;
    case VR_STEP_QUARANTINE:
        vr_deciding_enter(self, step, VR_PHASE_CLOSING, NULL);
        return TRUE;
    case VR_STEP_REOPEN:
        vr_deciding_enter(self, step, VR_PHASE_OPENING, NULL);
        return TRUE;
    }
    g_assert_not_reached();
}

/* A step's own time has come, or it waits to begin something while nothing may begin. */
static gboolean
move_on(VrDeciding *self, const VrStepState *step, gboolean may_begin)
{
    if (step->phase == VR_PHASE_WATCHING && self->at_us >= step->not_before_us && may_begin &&
        vr_health_lets_pass(self->rollout, step)) {
        vr_deciding_enter(self, step, VR_PHASE_LOOKING, NULL);
        return TRUE;
    }
    if (step->phase == VR_PHASE_WATCHING && may_begin &&
        self->at_us >= vr_health_waits_until_us(self->rollout, step)) {
        vr_health_ask(self, step);
        return TRUE;
    }
    if (step->phase == VR_PHASE_MIGRATING && step->deadline_us != 0 &&
        self->at_us >= step->deadline_us) {
        vr_migration_overdue(self, step);
        return TRUE;
    }
    gboolean waits = step->phase == VR_PHASE_DEFERRED ||
                     (step->phase == VR_PHASE_CHECKING && step->not_before_us > self->at_us);
    if (waits && !may_begin) {
        vr_deciding_enter(self, step, VR_PHASE_PENDING, NULL);
        return TRUE;
    }
    return FALSE;
}

/* Nothing goes on by itself any more. */
static void
end_as_it_is(VrDeciding *self, const VrWork *work)
{
    const VrHostAlert *alert = vr_rollout_unsettled_alert(self->rollout);
    const VrHostHealth *crowded = vr_health_find_crowded(self->rollout);
    g_autofree char *reason =
        alert != NULL ? vr_rollout_describe_alert(self->rollout, alert) : NULL;

    if (alert != NULL)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_NEEDS_OPERATOR, reason);
    else if (crowded != NULL)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_NEEDS_OPERATOR, crowded->sentence);
    else if (work->failed != NULL)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_FAILED, work->failed->reason);
    else if (work->aside != NULL)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_NEEDS_OPERATOR, work->aside->reason);
    else
        vr_deciding_enter_rollout(self, VR_ROLLOUT_FAILED, "nothing more can be begun");
}

static gboolean
is_waiting_for_room(const VrDeciding *self)
{
    return vr_health_find_crowded(self->rollout) != NULL &&
           self->at_us < vr_health_waits_for_room_until_us(self->rollout);
}

static void
end_if_over(VrDeciding *self, const VrWork *work)
{
    const VrRollout *rollout = self->rollout;

    if (work->busy || (work->returning && rollout->phase == VR_ROLLOUT_RUNNING))
        return;
    if (!work->unfinished && vr_rollout_unsettled_alert(rollout) == NULL)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_DONE, NULL);
    else if (work->asking != NULL)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_NEEDS_OPERATOR, work->asking->reason);
    else if (rollout->phase == VR_ROLLOUT_STOPPING)
        vr_deciding_enter_rollout(self, VR_ROLLOUT_STOPPED, rollout->reason);
    else if (vr_rollout_blocking_alert(rollout) != NULL ||
             (!work->waiting && !is_waiting_for_room(self)))
        end_as_it_is(self, work);
}

void
vr_rollout_advance(const VrRollout *self, gint64 now_us, GPtrArray *out_events)
{
    VrDeciding deciding = {self, NULL, MAX(now_us, self->now_us), out_events};

    if (vr_rollout_is_over(self->phase))
        return;

    if (vr_alert_advance(&deciding))
        return;

    VrWork work = survey(self);
    g_autoptr(GPtrArray) migrations = work.migrations; /* freed at the end */
    gboolean may_begin_any = vr_rollout_may_begin(self);
    for (guint i = 0; i < self->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(self, i);
        gboolean may_begin =
            vr_step_is_way_back(step->plan) ? self->phase == VR_ROLLOUT_RUNNING : may_begin_any;
        if (move_on(&deciding, step, may_begin) || (may_begin && begin(&deciding, &work, step)))
            return; /* one at a time: the next call sees what this one changed */
    }
    end_if_over(&deciding, &work);
}
