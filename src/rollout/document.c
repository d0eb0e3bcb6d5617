/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <virt-roll/error.h>

#include "base/json.h"
#include "rollout/document.h"

char *
vr_document_write(const VrPlan *plan, const VrPolicy *policy, const VrInventory *inventory)
{
    g_autofree char *plan_text = g_strchomp(vr_plan_format(plan));
    g_autofree char *policy_text = g_strchomp(vr_policy_format(policy));
    g_autofree char *inventory_text = g_strchomp(vr_inventory_format(inventory));

    return g_strdup_printf("{\"inventory\":%s,\"plan\":%s,\"policy\":%s}", inventory_text,
                           plan_text, policy_text);
}

/* The text of one member, for the parser of its format. (transfer full) NULL: not there. */
static char *
member_text(JsonNode *root, const char *name)
{
    JsonNode *node = JSON_NODE_HOLDS_OBJECT(root)
                         ? json_object_get_member(json_node_get_object(root), name)
                         : NULL;

    return node != NULL ? vr_json_canonical(node) : NULL;
}

gboolean
vr_document_read(const char *text, VrPlan **out_plan, VrPolicy **out_policy,
                 VrInventory **out_inventory, GError **error)
{
    g_autoptr(JsonNode) root = vr_json_parse(text, strlen(text), "journal: rollout-created", error);
    if (root == NULL)
        return FALSE;

    g_autofree char *plan_text = member_text(root, "plan");
    g_autofree char *policy_text = member_text(root, "policy");
    g_autofree char *inventory_text = member_text(root, "inventory");
    if (plan_text == NULL || policy_text == NULL || inventory_text == NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                    "journal: rollout-created lacks its plan, policy or inventory");
        return FALSE;
    }

    g_autoptr(VrPlan) plan = vr_plan_parse(plan_text, strlen(plan_text), "journal: plan", error);
    if (plan == NULL)
        return FALSE;
    g_autoptr(VrPolicy) policy =
        vr_policy_parse(policy_text, strlen(policy_text), "journal: policy", error);
    if (policy == NULL)
        return FALSE;
    g_autoptr(VrInventory) inventory =
        vr_inventory_parse(inventory_text, strlen(inventory_text), "journal: inventory", error);
    if (inventory == NULL)
        return FALSE;
    *out_plan = g_steal_pointer(&plan);
    *out_policy = g_steal_pointer(&policy);
    *out_inventory = g_steal_pointer(&inventory);
    return TRUE;
}
