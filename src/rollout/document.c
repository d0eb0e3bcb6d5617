/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <virt-roll/error.h>

#include "base/json.h"
#include "plan/build.h"
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

/* ------------------------------------------------------------------ a revision */

static void
append_ids(GString *out, const char *name, const GArray *ids)
{
    g_string_append_printf(out, ",\"%s\":[", name);
    for (guint i = 0; i < ids->len; i++)
        g_string_append_printf(out, "%s%u", i > 0 ? "," : "", g_array_index(ids, guint, i));
    g_string_append_c(out, ']');
}

char *
vr_document_write_revised(const VrRevisedDocument *revised)
{
    g_autofree char *plan_text = g_strchomp(vr_plan_format(revised->plan));
    g_autofree char *inventory_text = g_strchomp(vr_inventory_format(revised->inventory));
    GString *out = g_string_new(NULL);

    g_string_append_printf(out, "{\"automatic\":%s,\"inventory\":%s,\"plan\":%s",
                           revised->automatic ? "true" : "false", inventory_text, plan_text);
    append_ids(out, "set_aside", revised->set_aside);
    append_ids(out, "superseded", revised->superseded);
    g_string_append_c(out, '}');
    return g_string_free(out, FALSE);
}

static gboolean
corrupt(GError **error, const char *name)
{
    g_set_error(error, VR_ERROR, VR_ERROR_CORRUPT,
                "journal: plan-revised: %s is missing or is none", name);
    return FALSE;
}

/* Ascending ids of steps. */
static gboolean
read_ids(JsonObject *object, const char *name, GArray *out_ids, GError **error)
{
    JsonNode *node = json_object_get_member(object, name);
    JsonArray *array =
        node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    guint last = 0;

    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        JsonNode *element = json_array_get_element(array, i);
        gboolean is_integer =
            JSON_NODE_HOLDS_VALUE(element) && json_node_get_value_type(element) == G_TYPE_INT64;
        gint64 id = is_integer ? json_node_get_int(element) : 0;
        if (id <= last || id > G_MAXINT32)
            return corrupt(error, name);
        last = (guint)id;
        g_array_append_val(out_ids, last);
    }
    return array != NULL || corrupt(error, name);
}

static gboolean
read_automatic(JsonObject *object, gboolean *out_automatic, GError **error)
{
    JsonNode *node = json_object_get_member(object, "automatic");

    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_BOOLEAN)
        return corrupt(error, "automatic");
    *out_automatic = json_node_get_boolean(node);
    return TRUE;
}

gboolean
vr_document_read_revised(const char *text, VrRevisedDocument *out_revised, GError **error)
{
    g_autoptr(JsonNode) root = vr_json_parse(text, strlen(text), "journal: plan-revised", error);
    if (root == NULL)
        return FALSE;

    g_auto(VrRevisedDocument) revised = {
        .superseded = g_array_new(FALSE, FALSE, sizeof(guint)),
        .set_aside = g_array_new(FALSE, FALSE, sizeof(guint)),
    };
    g_autofree char *plan_text = member_text(root, "plan");
    g_autofree char *inventory_text = member_text(root, "inventory");
    if (plan_text == NULL || inventory_text == NULL)
        return corrupt(error, "plan or inventory");
    JsonObject *object = json_node_get_object(root);
    if (!read_automatic(object, &revised.automatic, error) ||
        !read_ids(object, "superseded", revised.superseded, error) ||
        !read_ids(object, "set_aside", revised.set_aside, error))
        return FALSE;
    revised.plan = vr_plan_parse(plan_text, strlen(plan_text), "journal: plan", error);
    if (revised.plan == NULL)
        return FALSE;
    revised.inventory =
        vr_inventory_parse(inventory_text, strlen(inventory_text), "journal: inventory", error);
    if (revised.inventory == NULL)
        return FALSE;
    *out_revised = revised;
    revised = (VrRevisedDocument){0};
    return TRUE;
}

void
vr_document_clear_revised(VrRevisedDocument *revised)
{
    g_clear_pointer(&revised->plan, vr_plan_free);
    g_clear_pointer(&revised->inventory, vr_inventory_free);
    g_clear_pointer(&revised->superseded, g_array_unref);
    g_clear_pointer(&revised->set_aside, g_array_unref);
}

/* ------------------------------------------------------------------ a way back */

char *
vr_document_write_added(const VrPlan *plan, guint from, const GPtrArray *staying)
{
    VrJsonWriter out = vr_json_writer_text();

    vr_json_writer_begin(&out, '{');
    vr_json_writer_name(&out, "stay");
    vr_json_writer_begin(&out, '[');
    for (guint i = 0; i < staying->len; i++)
        vr_json_writer_string(&out, g_ptr_array_index(staying, i));
    vr_json_writer_end(&out, ']');
    vr_plan_write_steps(&out, plan, from);
    vr_json_writer_end(&out, '}');
    return vr_json_writer_finish(&out);
}

gboolean
vr_document_read_added(const char *text, VrPlan *plan, GPtrArray *staying, GError **error)
{
    static const char source[] = "journal: steps-added";
    JsonNode *root = vr_json_parse(text, strlen(text), source, error);

    if (root == NULL)
        return FALSE;
    g_autoptr(VrDocument) document = vr_document_new(root, source, FALSE);
    g_autoptr(VrReader) reader = vr_reader_new(document);
    g_auto(GStrv) vms = vr_reader_strings(reader, "stay");

    for (guint i = 0; vms != NULL && vms[i] != NULL; i++)
        g_ptr_array_add(staying, g_strdup(vms[i]));
    vr_plan_read_steps(reader, root, plan);
    return vr_reader_finish(reader, error);
}
