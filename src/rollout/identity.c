/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which machine, and which boot of it, a rollout knows a host to be. */
#include "rollout/decide.h"

const char *
vr_identity_machine(const VrRollout *rollout, const VrStepState *step)
{
    const VrInventory *inventory = rollout->basis->inventory;
    gint index = vr_inventory_find_host(inventory, step->plan->host);

    return index >= 0 ? vr_inventory_host(inventory, (guint)index)->uuid : NULL;
}

char *
vr_identity_boot(const VrRollout *rollout, const VrStepState *step)
{
    if (step->target_update < 0)
        return NULL;
    const VrStepState *update = vr_rollout_step(rollout, (guint)step->target_update);
    return vr_facts_get(update->facts_after != NULL ? update->facts_after : update->facts_before,
                        "boot_id");
}

gboolean
vr_identity_is_accepted_boot(const VrRollout *rollout, const VrStepState *step, const char *boot_id)
{
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *gate = vr_rollout_step(rollout, i);
        g_autofree char *told = vr_facts_get(gate->facts_before, "boot_id");
        if (gate->plan->kind == VR_STEP_GATE &&
            g_strcmp0(gate->plan->host, step->plan->host) == 0 && told != NULL &&
            g_strcmp0(told, boot_id) == 0 && (gate == step || gate->phase == VR_PHASE_PASSED))
            return TRUE;
    }
    return FALSE;
}
