/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simulate/replan.h"

/* In per cent: so often a host that waits for a person is left out, if there is one. */
#define SKIPS 30

/* ------------------------------------------------------------------ a scan */

static void
add_hosts(VrInventory *scan, const SimWorld *world, const VrInventory *planned)
{
    for (guint h = 0; h < world->hosts->len; h++) {
        const SimHost *host = sim_host(world, h);
        gint known = vr_inventory_find_host(planned, host->name);
        if (!sim_host_answers(world, h))
            continue;
        VrHost *added =
            vr_inventory_copy_host(scan, vr_inventory_host(planned, (guint)MAX(known, 0)));
        g_free(added->uuid);
        added->uuid = g_strdup(host->uuid);
        added->updated = host->updated ? VR_UPDATED_YES : VR_UPDATED_NO;
    }
}

static VrVmState
state_of(const SimCopy *copy)
{
    switch (copy->qemu) {
    case SIM_QEMU_NONE:
        return VR_VM_SHUT_OFF;
    case SIM_QEMU_RUNNING:
    case SIM_QEMU_POSTCOPY:
        return VR_VM_RUNNING;
    case SIM_QEMU_PAUSED_MIGRATION:
    case SIM_QEMU_PAUSED_USER:
        return VR_VM_PAUSED;
    case SIM_QEMU_PAUSED_IO_ERROR:
    case SIM_QEMU_SHUTTING_DOWN:
        return VR_VM_UNKNOWN;
    }
    g_assert_not_reached();
}

static void
add_copy(VrInventory *scan, const SimWorld *world, const VrInventory *planned, guint vm, guint host)
{
    const SimVm *guest = sim_vm(world, vm);
    const SimCopy *copy = sim_copy(world, vm, host);
    gint known = vr_inventory_find_vm(planned, guest->uuid);
    VrVm *added = known >= 0 ? vr_inventory_copy_vm(scan, vr_inventory_vm(planned, (guint)known))
                             : vr_inventory_add_vm(scan, guest->uuid, guest->name, "");

    g_ref_string_release(added->host);
    added->host = g_ref_string_new(sim_host(world, host)->name);
    added->memory_mib = guest->memory_mib;
    added->vcpus = 1;
    added->state = state_of(copy);
    added->autostart = copy->autostart;
    added->persistent = copy->defined;
}

/* The active copies count; without one, the first definition. */
static void
add_vm(VrInventory *scan, const SimWorld *world, const VrInventory *planned, guint vm)
{
    guint defined = SIM_NOWHERE;
    gboolean is_active = FALSE;

    for (guint h = 0; h < world->hosts->len; h++) {
        const SimCopy *copy = sim_copy(world, vm, h);
        if (!sim_host_answers(world, h))
            continue;
        if (sim_copy_is_active(copy)) {
            add_copy(scan, world, planned, vm, h);
            is_active = TRUE;
        } else if (copy->defined && defined == SIM_NOWHERE) {
            defined = h;
        }
    }
    if (!is_active && defined != SIM_NOWHERE)
        add_copy(scan, world, planned, vm, defined);
}

/* NULL: what is found contradicts itself, as a VM that is active twice. */
static VrInventory *
scan_world(const SimWorld *world, const VrInventory *planned, GError **error)
{
    g_autoptr(VrInventory) scan = vr_inventory_new();

    add_hosts(scan, world, planned);
    for (guint g = 0; g < planned->groups->len; g++)
        vr_inventory_copy_group(scan, vr_inventory_group(planned, g));
    for (guint v = 0; v < world->vms->len; v++)
        add_vm(scan, world, planned, v);
    return vr_inventory_seal(scan, error) ? g_steal_pointer(&scan) : NULL;
}

/* ------------------------------------------------------------------ a new plan */

/* A host whose update waits for a person; now and then, else NULL. */
static const char *
choose_skip(const VrRollout *rollout, GRand *whims)
{
    if (g_rand_int_range(whims, 0, 100) >= SKIPS)
        return NULL;
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind == VR_STEP_UPDATE && step->phase == VR_PHASE_NEEDS_OPERATOR &&
            !vr_revision_is_set_aside(rollout, step->plan->host))
            return step->plan->host;
    }
    return NULL;
}

VrRevision *
sim_replan(SimWorld *world, const VrRollout *rollout, const VrInventory *planned, GRand *whims)
{
    g_autoptr(GError) error = NULL;
    const char *skip = choose_skip(rollout, whims);
    g_autoptr(VrInventory) scan = scan_world(world, planned, &error);
    VrRevision *revision =
        scan != NULL ? vr_revision_new(rollout, scan, skip, "simulated", world->now_us, &error)
                     : NULL;

    if (revision == NULL)
        sim_world_trace(world, "no revision: %s", error->message);
    return revision;
}

void
sim_replan_adopt(SimWorld *world, const VrRevision *revision)
{
    for (guint i = 0; i < revision->planned->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(revision->planned, i);
        if (step->kind == VR_STEP_MIGRATE)
            sim_vm(world, sim_world_find_vm(world, step->vm_uuid))->planned = TRUE;
    }
}
