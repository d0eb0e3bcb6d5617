/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/reverse.h"

#include <virt-roll/error.h>

static gboolean
check_rollout(const VrRollout *rollout, const char *id, GError **error)
{
    if (rollout->basis == NULL || g_strcmp0(rollout->id, id) != 0) {
        vr_error_set(error, VR_ERROR_NOT_FOUND,
                     "--reverse %s: only the last rollout can be reversed, and that is %s", id,
                     rollout->basis != NULL ? rollout->id : "none: there has been no rollout yet");
        return FALSE;
    }
    if (!vr_rollout_is_unfinished(rollout))
        return TRUE;
    vr_error_set(error, VR_ERROR_REFUSED,
                 "--reverse %s: it is not finished (%s); end it first with: virt-roll rollout "
                 "close --reason TEXT",
                 id, vr_rollout_phase_to_string(rollout->phase));
    return FALSE;
}

/* The level that the host of an update told before it. NULL with an error if it told none. */
static char *
find_former_level(const VrStepState *step, GError **error)
{
    char *level = vr_facts_get(step->facts_before, "update_level");

    if (level == NULL || *level == '\0') {
        vr_error_set(error, VR_ERROR_REFUSED,
                     "%s: its stage facts told no update_level before the update; say which level "
                     "to go back to with --update LEVEL",
                     step->plan->host);
        g_clear_pointer(&level, g_free);
    }
    return level;
}

static gboolean
note_level(const VrStepState *step, const char *first_host, char **level, GError **error)
{
    g_autofree char *former = find_former_level(step, error);

    if (former == NULL)
        return FALSE;
    if (*level == NULL)
        *level = g_steal_pointer(&former);
    if (former == NULL || g_strcmp0(*level, former) == 0)
        return TRUE;
    vr_error_set(error, VR_ERROR_REFUSED,
                 "the hosts had different levels before (%s: %s, %s: %s); say which one to go back "
                 "to with --update LEVEL",
                 first_host, *level, step->plan->host, former);
    return FALSE;
}

gboolean
vr_reverse_find(const VrRollout *rollout, const char *id, const char *level, VrReverse *out_reverse,
                GError **error)
{
    g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *former = g_strdup(level);

    if (!check_rollout(rollout, id, error))
        return FALSE;
    for (guint i = 0; i < rollout->steps->len; i++) {
        const VrStepState *step = vr_rollout_step(rollout, i);
        if (step->plan->kind != VR_STEP_UPDATE || step->phase != VR_PHASE_UPDATED)
            continue;
        g_ptr_array_add(hosts, g_strdup(step->plan->host));
        if (level == NULL && !note_level(step, g_ptr_array_index(hosts, 0), &former, error))
            return FALSE;
    }
    if (hosts->len == 0) {
        vr_error_set(error, VR_ERROR_NOT_FOUND, "--reverse %s: it has updated no host", id);
        return FALSE;
    }
    g_ptr_array_add(hosts, NULL);
    out_reverse->hosts = (char **)g_ptr_array_steal(hosts, NULL);
    out_reverse->level = g_steal_pointer(&former);
    return TRUE;
}
