/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* At rest: done is true (END), and what is not done has a reason that is true (L1, L2). */
#include "audit/books.h"

static guint
active_on(const SimAuditor *self, guint vm)
{
    for (guint i = 0; i < self->host_count; i++) {
        if (sim_copy_is_active(sim_copy(self->world, vm, i)))
            return i;
    }
    return SIM_NOWHERE;
}

static guint
defined_on(const SimAuditor *self, guint vm)
{
    for (guint i = 0; i < self->host_count; i++) {
        if (sim_copy(self->world, vm, i)->on_disk)
            return i;
    }
    return SIM_NOWHERE;
}

/* ------------------------------------------------------------------ done */

static void
check_host_done(SimAuditor *self, guint index)
{
    const SimHost *host = sim_host(self->world, index);
    const AuditHost *known = &self->hosts[index];
    const AuditStep *step = &self->steps[known->update];

    if (known->update == 0)
        return;
    audit_count(self, SIM_RULE_END);
    if (!host->updated)
        audit_breach(self, SIM_RULE_END, "%s: is not updated, and the rollout is done", host->name);
    if (host->closed)
        audit_breach(self, SIM_RULE_END, "%s: is still closed, and the rollout is done",
                     host->name);
    if (!host->up && known->failed_us < step->at_us)
        audit_breach(self, SIM_RULE_END, "%s: is down, and the rollout is done", host->name);
}

/* The last step of a VM that has ended well; NULL. */
static const AuditStep *
last_settled(const SimAuditor *self, guint vm)
{
    const GArray *steps = audit_vm(self, vm)->steps;

    for (guint i = steps == NULL ? 0 : steps->len; i > 0; i--) {
        const AuditStep *step = &self->steps[g_array_index(steps, guint, i - 1)];
        if (step->phase == VR_PHASE_SETTLED)
            return step;
    }
    return NULL;
}

/* A second copy that came only after the controller had last looked for one is not its fault. */
static void
check_nowhere_else(SimAuditor *self, guint vm, guint where, gint64 settled_us)
{
    for (guint i = 0; i < self->host_count; i++) {
        const SimCopy *copy = sim_copy(self->world, vm, i);
        const AuditHost *host = &self->hosts[i];
        gint64 looked_us = host->update != 0 ? self->steps[host->update].at_us : settled_us;

        if (i == where || !(sim_copy_is_active(copy) || copy->defined) ||
            audit_vm(self, vm)->at[i].changed_us > looked_us)
            continue;
        audit_breach(self, SIM_RULE_END, "%s: has arrived on %s and is still on %s",
                     audit_vm_name(self, vm), audit_host_name(self, where),
                     sim_host(self->world, i)->name);
    }
}

/*
 * What somebody else did after the look on which it settled is excused, although it became durable
 * later: nobody looks again at a VM that has settled.
 */
static void
check_vm_is_right(SimAuditor *self, guint vm, const AuditStep *step)
{
    const char *name = audit_vm_name(self, vm);
    guint where = step->target;
    const char *wrong = NULL;

    if (audit_vm_disturbed_since(self, vm, step->looked_us))
        return;
    wrong = audit_wrong_definition(self, vm, where);
    if (wrong == NULL)
        wrong = audit_wrong_state(self, vm, where);
    if (wrong != NULL)
        audit_breach(self, SIM_RULE_END, "%s: the rollout is done, but on %s %s", name,
                     audit_host_name(self, where), wrong);
    check_nowhere_else(self, vm, where, step->at_us);
}

/*
 * The last change of a VM that is nowhere is what lost it. Others did it, and the controller has
 * not read that host since; what libvirt does in a migration of ours is the controller's doing.
 */
static gboolean
was_lost_unseen_by_others(const SimAuditor *self, guint vm)
{
    const AuditCopy *last = &audit_vm(self, vm)->at[0];

    for (guint i = 1; i < self->host_count; i++) {
        const AuditCopy *copy = &audit_vm(self, vm)->at[i];
        if (copy->changed_us > last->changed_us)
            last = copy;
    }
    return audit_changed_unseen(last) && last->changed_by != SIM_BY_CONTROLLER &&
           last->changed_by != SIM_BY_LIBVIRT;
}

static gboolean
is_nowhere(const SimAuditor *self, guint vm)
{
    return active_on(self, vm) == SIM_NOWHERE && defined_on(self, vm) == SIM_NOWHERE;
}

static void
check_vm_done(SimAuditor *self, guint vm)
{
    const AuditVm *known = audit_vm(self, vm);
    const AuditStep *step = last_settled(self, vm);

    audit_count(self, SIM_RULE_END);
    audit_count(self, SIM_RULE_I2);
    if (is_nowhere(self, vm) && !was_lost_unseen_by_others(self, vm) && !known->given_up)
        audit_breach(self, SIM_RULE_I2, "%s: is on no host any more", audit_vm_name(self, vm));
    if (audit_vm_strange(self, vm))
        return;
    audit_count(self, SIM_RULE_I1);
    if (known->split_us != AUDIT_NEVER && known->split_unasked)
        audit_breach(self, SIM_RULE_I1,
                     "%s: ran on two hosts since %" G_GINT64_FORMAT
                     " s, and the rollout is done without asking anybody",
                     audit_vm_name(self, vm), known->split_us / SIM_S);
    if (step != NULL)
        check_vm_is_right(self, vm, step);
}

static void
check_affinity(SimAuditor *self, guint group)
{
    guint first = SIM_NOWHERE;
    const VrVm *first_known = NULL;

    if (vr_inventory_group(self->inventory, group)->rule != VR_GROUP_AFFINITY)
        return;
    audit_count(self, SIM_RULE_I10);
    for (guint i = 0; i < self->vms->len; i++) {
        gint known = vr_inventory_find_vm(self->inventory, sim_vm(self->world, i)->uuid);
        if (audit_vm(self, i)->group != (gint)group || known < 0)
            continue;
        const VrVm *member = vr_inventory_vm(self->inventory, (guint)known);
        if (active_on(self, i) == SIM_NOWHERE || audit_vm_disturbed_since(self, i, 0) ||
            (first_known != NULL && member->host_index != first_known->host_index))
            return;
        if (first_known == NULL) {
            first_known = member;
            first = i;
        } else if (active_on(self, i) != active_on(self, first)) {
            audit_breach(self, SIM_RULE_I10, "%s: is no longer together with %s",
                         audit_vm_name(self, i), audit_vm_name(self, first));
        }
    }
}

static void
check_done(SimAuditor *self)
{
    for (guint i = 0; i < self->host_count; i++)
        check_host_done(self, i);
    for (guint i = 0; i < self->vms->len; i++) {
        if (sim_vm(self->world, i)->planned)
            check_vm_done(self, i);
    }
    for (guint i = 0; i < self->inventory->groups->len; i++)
        check_affinity(self, i);
}

/* ------------------------------------------------------------------ not done */

static const char *
trouble_of_host(const SimAuditor *self, guint index)
{
    const SimHost *host = sim_host(self->world, index);

    if (!host->up || host->daemon != SIM_DAEMON_UP)
        return "is down";
    if (g_strcmp0(self->hosts[index].uuid, host->uuid) != 0)
        return "is another machine";
    return NULL;
}

/*
 * Where one of its steps begins or ends, so that the plan can still go on with it. A step that is
 * over, settled or because its VM was off, never takes it away when somebody has brought it back.
 */
static gboolean
is_in_its_plan(const SimAuditor *self, guint vm, guint host)
{
    const GArray *steps = audit_vm(self, vm)->steps;
    gboolean has_steps = FALSE;
    /* The plan that it was left out of was a revised one, which found it off or did not find it. */
    gboolean is_left_behind = steps != NULL && self->hosts[host].update != 0;

    for (guint i = 0; steps != NULL && i < steps->len; i++) {
        const AuditStep *step = &self->steps[g_array_index(steps, guint, i)];
        if (step->phase == VR_PHASE_SUPERSEDED)
            continue;
        has_steps = TRUE;
        if ((step->source == host && step->phase != VR_PHASE_STOPPED &&
             step->phase != VR_PHASE_SETTLED) ||
            (step->target == host && sim_host(self->world, host)->updated))
            return TRUE;
    }
    if (has_steps || is_left_behind)
        return FALSE;
    /* One that the plan leaves where it is: it runs there, as it did when the plan was made. */
    gint known = vr_inventory_find_vm(self->inventory, sim_vm(self->world, vm)->uuid);
    const VrVm *planned = known < 0 ? NULL : vr_inventory_vm(self->inventory, (guint)known);
    return planned != NULL && vr_vm_is_active(planned) &&
           g_strcmp0(planned->host, audit_host_name(self, host)) == 0;
}

static const char *
trouble_of_vm(const SimAuditor *self, guint vm)
{
    guint where = active_on(self, vm);

    if (sim_vm(self->world, vm)->died)
        return "has died";
    if (audit_active_copies(self, vm) > 1)
        return "is active on two hosts";
    if (where == SIM_NOWHERE) {
        where = defined_on(self, vm);
        if (where != SIM_NOWHERE && sim_copy(self->world, vm, where)->autostart)
            return "is shut off, with autostart";
        if (where != SIM_NOWHERE && audit_vm(self, vm)->steps != NULL &&
            !is_in_its_plan(self, vm, where))
            return "was moved to a host that its plan does not know, and shut off";
        return where == SIM_NOWHERE ? "is nowhere" : NULL;
    }
    if (!is_in_its_plan(self, vm, where))
        return "was moved to a host that its plan does not know";
    return audit_wrong_state(self, vm, where);
}

/* Somebody else's guests take the room that a VM of the plan needs on its target. */
static gboolean
has_no_room(const SimAuditor *self, const AuditStep *step)
{
    gint64 used_mib = sim_vm(self->world, step->vm)->memory_mib;
    gboolean strangers = FALSE;

    for (guint i = 0; i < self->vms->len; i++) {
        if (i == step->vm || !sim_copy_is_active(sim_copy(self->world, i, step->target)))
            continue;
        used_mib += sim_vm(self->world, i)->memory_mib;
        strangers |= !sim_vm(self->world, i)->planned || audit_vm_strange(self, i);
    }
    return strangers &&
           used_mib >
               vr_policy_usable_mib(self->policy, sim_host(self->world, step->target)->memory_mib);
}

/* What in truth keeps the rollout from being done; NULL: nothing. (transfer full) */
static char *
find_trouble(const SimAuditor *self)
{
    for (guint i = 0; i < self->host_count; i++) {
        const char *trouble = trouble_of_host(self, i);
        if (trouble != NULL)
            return g_strdup_printf("%s %s", audit_host_name(self, i), trouble);
    }
    for (guint i = 0; i < self->host_count; i++) {
        if (self->hosts[i].alerted)
            return g_strdup_printf("%s is in alert", audit_host_name(self, i));
    }
    for (guint i = 1; i <= self->step_count; i++) {
        const AuditStep *step = &self->steps[i];
        if (step->plan->kind == VR_STEP_MIGRATE && step->phase != VR_PHASE_SETTLED &&
            step->phase != VR_PHASE_SUPERSEDED && has_no_room(self, step))
            return g_strdup_printf("%s has no room for %s", audit_host_name(self, step->target),
                                   audit_vm_name(self, step->vm));
    }
    for (guint i = 0; i < self->vms->len; i++) {
        const char *trouble = sim_vm(self->world, i)->planned ? trouble_of_vm(self, i) : NULL;
        if (trouble != NULL)
            return g_strdup_printf("%s %s", audit_vm_name(self, i), trouble);
    }
    return NULL;
}

void
audit_end(SimAuditor *self, VrRolloutPhase phase, gboolean final)
{
    audit_count(self, SIM_RULE_L2);
    for (guint i = 0; i < self->vms->len; i++) {
        if (audit_is_in_limbo(self, i) && !audit_somebody_was_asked(self, i))
            audit_breach(self, SIM_RULE_L2,
                         "%s: the rollout is %s, a migration has left it paused, and nobody is "
                         "asked",
                         audit_vm_name(self, i), vr_rollout_phase_to_string(phase));
    }
    if (phase == VR_ROLLOUT_DONE) {
        check_done(self);
        return;
    }
    if (!final)
        return;
    g_autofree char *trouble = find_trouble(self);
    audit_count(self, SIM_RULE_L1);
    if (trouble == NULL)
        audit_breach(self, SIM_RULE_L1, "the rollout stays %s, and nothing is wrong any more",
                     vr_rollout_phase_to_string(phase));
}
