/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of the fleet a new plan is about, and the planner's answer. */
#include <string.h>

#include <virt-roll/error.h>

#include "plan/build.h"
#include "rollout/revision.h"
#include "rollout/state.h"

static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error != NULL)
        *error = vr_error_new_valist(VR_ERROR_REFUSED, format, arguments);
    va_end(arguments);
    return FALSE;
}

/* ------------------------------------------------------------------ is the scan whole */

static gboolean
check_host(const VrRollout *rollout, const VrHost *known, const VrInventory *scan, GError **error)
{
    gint index = vr_inventory_find_host(scan, known->name);

    if (vr_revision_is_set_aside(rollout, known->name))
        return TRUE;
    if (index < 0)
        return refuse(error, "%s was not looked at, and nothing proves that it is empty and closed",
                      known->name);
    const VrHost *seen = vr_inventory_host(scan, (guint)index);
    if (known->uuid != NULL && seen->uuid != NULL && strcmp(known->uuid, seen->uuid) != 0)
        return refuse(error, "%s answers with host UUID %s, it was %s: another machine",
                      known->name, seen->uuid, known->uuid);
    return TRUE;
}

/* Whatever runs on a host that is set aside must be taken off it first. */
static gboolean
check_vm(const VrRollout *rollout, const VrVm *vm, GError **error)
{
    if (!vr_vm_is_active(vm) || !vr_revision_is_set_aside(rollout, vm->host))
        return TRUE;
    return refuse(error, "%s was closed and empty in its update, and %s (%s) is there now",
                  vm->host, vm->name, vm->uuid);
}

static gboolean
check_scan(const VrRollout *rollout, const VrInventory *scan, GError **error)
{
    const VrInventory *known = rollout->basis->inventory;

    for (guint i = 0; i < known->hosts->len; i++) {
        if (!check_host(rollout, vr_inventory_host(known, i), scan, error))
            return FALSE;
    }
    for (guint i = 0; i < scan->vms->len; i++) {
        if (!check_vm(rollout, vr_inventory_vm(scan, i), error))
            return FALSE;
    }
    return TRUE;
}

/* ------------------------------------------------------------------ the planner's inventory */

/* (element-type utf8 VrStepState) UUIDs of the VMs that a person has left out. */
static GHashTable *
find_left_out(const VrRollout *rollout)
{
    GHashTable *vms = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < rollout->steps->len; i++) {
        VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_MIGRATE && step->phase == VR_PHASE_STOPPED &&
            step->left_out)
            g_hash_table_insert(vms, step->plan->vm_uuid, step);
    }
    return vms;
}

static void
copy_vms(VrInventory *scope, const VrRollout *rollout, const VrInventory *scan)
{
    g_autoptr(GHashTable) left_out = find_left_out(rollout);

    for (guint i = 0; i < scan->vms->len; i++) {
        const VrVm *vm = vr_inventory_vm(scan, i);
        const VrStepState *step = g_hash_table_lookup(left_out, vm->uuid);
        if (vr_revision_is_set_aside(rollout, vm->host))
            continue;
        VrVm *copy = vr_inventory_copy_vm(scope, vm);
        if (step == NULL)
            continue;
        copy->movable = FALSE;
        g_free(copy->unmovable_reason);
        copy->unmovable_reason = g_strdup(step->reason);
    }
}

/* Rules may name a host that the planner does not hear of. */
static void
copy_groups(VrInventory *scope, const VrRollout *rollout, const VrInventory *scan)
{
    for (guint i = 0; i < scan->groups->len; i++) {
        VrGroup *copy = vr_inventory_copy_group(scope, vr_inventory_group(scan, i));
        for (guint k = copy->hosts->len; k > 0; k--) {
            if (vr_revision_is_set_aside(rollout, g_ptr_array_index(copy->hosts, k - 1)))
                g_ptr_array_remove_index(copy->hosts, k - 1);
        }
    }
}

/* Without the hosts that are set aside: the planner must send nothing there. */
static VrInventory *
make_scope(const VrRollout *rollout, const VrInventory *scan, GError **error)
{
    g_autoptr(VrInventory) scope = vr_inventory_new();

    scope->taken_at_us = scan->taken_at_us;
    for (guint i = 0; i < scan->hosts->len; i++) {
        const VrHost *host = vr_inventory_host(scan, i);
        if (!vr_revision_is_set_aside(rollout, host->name))
            vr_inventory_copy_host(scope, host);
    }
    copy_vms(scope, rollout, scan);
    copy_groups(scope, rollout, scan);
    return vr_inventory_seal(scope, error) ? g_steal_pointer(&scope) : NULL;
}

/* ------------------------------------------------------------------ the planner's request */

static gboolean
was_skipped(const VrRollout *rollout, const char *host)
{
    const GPtrArray *skipped = rollout->basis->plan->skipped;

    for (guint i = 0; i < skipped->len; i++) {
        const VrPlanSkip *skip = g_ptr_array_index(skipped, i);
        if (strcmp(skip->host, host) == 0)
            return strcmp(skip->reason, VR_SKIP_REASON_SKIPPED) == 0;
    }
    return FALSE;
}

/* Still to be updated: in some plan of this rollout, and neither done nor given up. */
static gboolean
is_left(const VrRollout *rollout, const char *host)
{
    gint index = vr_rollout_find_update(rollout, host);

    return index >= 0 && vr_rollout_step(rollout, (guint)index)->phase != VR_PHASE_UPDATED &&
           !vr_revision_is_set_aside(rollout, host) && !was_skipped(rollout, host);
}

/* (transfer container) NULL-terminated; the strings are the inventory's. */
static const char **
find_hosts(const VrRollout *rollout, const VrInventory *scope, const char *skip)
{
    const char **hosts = g_new0(const char *, scope->hosts->len + 1);
    guint count = 0;

    for (guint i = 0; i < scope->hosts->len; i++) {
        const char *host = vr_inventory_host(scope, i)->name;
        if (g_strcmp0(host, skip) != 0 && is_left(rollout, host))
            hosts[count++] = host;
    }
    return hosts;
}

static void
note_skipped(VrPlan *plan, const char *host, const char *reason)
{
    for (guint i = 0; i < plan->skipped->len; i++) {
        VrPlanSkip *skip = g_ptr_array_index(plan->skipped, i);
        if (strcmp(skip->host, host) != 0)
            continue;
        g_free(skip->reason);
        g_free(skip->detail);
        skip->reason = g_strdup(VR_SKIP_REASON_SKIPPED);
        skip->detail = g_strdup_printf("a person left it out: %s", reason);
    }
}

static gboolean
check_skip(const VrRollout *rollout, const char *skip, GError **error)
{
    if (skip == NULL || is_left(rollout, skip))
        return TRUE;
    if (vr_rollout_find_update(rollout, skip) < 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND,
                    "%s: rollout %s does not update such a host", skip, rollout->id);
        return FALSE;
    }
    return refuse(error, "%s: its update has ended, or it is set aside or left out already", skip);
}

/* Voluntary extra migrations were for the plan as it was; a repair takes what it needs. */
static VrPlan *
compute(const VrRollout *rollout, const VrInventory *scope, const char *skip, GError **error)
{
    g_autoptr(VrPolicy) policy = vr_policy_copy(rollout->basis->policy);
    g_autofree const char **hosts = find_hosts(rollout, scope, skip);
    VrPlanRequest request = {.update_level = rollout->basis->plan->update_level, .hosts = hosts};

    policy->limits.extra_migrations_permille = 0;
    return vr_planner_compute(scope, policy, &request, error);
}

VrRevision *
vr_revision_new(const VrRollout *rollout, const VrInventory *scan, const char *skip,
                const char *reason, gint64 now_us, GError **error)
{
    g_autofree char *obstacle = vr_revision_find_obstacle(rollout);

    if (obstacle != NULL) {
        (void)refuse(error, "%s", obstacle);
        return NULL;
    }
    if (!check_skip(rollout, skip, error) || !check_scan(rollout, scan, error))
        return NULL;
    g_autoptr(VrInventory) scope = make_scope(rollout, scan, error);
    g_autoptr(VrPlan) planned = scope != NULL ? compute(rollout, scope, skip, error) : NULL;
    if (planned == NULL)
        return NULL;
    if (skip != NULL)
        note_skipped(planned, skip, reason);
    VrRevision *revision = vr_revision_compose(rollout, planned, scope, now_us, error);
    if (revision == NULL)
        return NULL;
    revision->planned = g_steal_pointer(&planned);
    revision->scope = g_steal_pointer(&scope);
    return revision;
}
