/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plan. No chance finds a digest, so each input is also read with the digest that the reference
 * (docs/reference/plan.md) gives it, computed here apart from the code under test.
 */
#include <string.h>

#include <virt-roll/plan.h>

#include "base/json.h"
#include "fuzz.h"

#define SOURCE "plan.json"
#define DIGEST_PROBLEM SOURCE ": digest: does not match"

static void
copy_members(JsonObject *from, JsonObject *to, const char *const *names)
{
    for (guint i = 0; names[i] != NULL; i++) {
        JsonNode *node = json_object_get_member(from, names[i]);
        if (node != NULL && !JSON_NODE_HOLDS_NULL(node))
            json_object_set_member(to, names[i], json_node_copy(node));
    }
}

static JsonObject *
digested_step(JsonObject *step)
{
    static const char *const always[] = {"kind", "after", NULL};
    static const char *const update[] = {"host", NULL};
    static const char *const migrate[] = {"vm_uuid", "source", "target", "extra", NULL};
    static const char *const gate[] = {"host", "source", NULL};
    const char *kind = json_object_get_string_member_with_default(step, "kind", "");
    JsonObject *digested = json_object_new();

    copy_members(step, digested, always);
    if (strcmp(kind, "migrate") == 0) {
        json_object_set_boolean_member(digested, "extra", FALSE); /* its default */
        copy_members(step, digested, migrate);
    } else {
        copy_members(step, digested, strcmp(kind, "gate") == 0 ? gate : update);
    }
    return digested;
}

static JsonNode *
member(JsonObject *object, const char *name, JsonNodeType type)
{
    JsonNode *node = json_object_get_member(object, name);

    return node != NULL && JSON_NODE_TYPE(node) == type ? node : NULL;
}

/* Sets the digest that the plan should have; FALSE: it has no plan's shape. */
static gboolean
set_digest(JsonObject *plan)
{
    static const char *const head[] = {"policy_digest", NULL};
    static const char *const update_members[] = {"level", "class", NULL};
    JsonNode *update = member(plan, "update", JSON_NODE_OBJECT);
    JsonNode *steps = member(plan, "steps", JSON_NODE_ARRAY);
    if (update == NULL || steps == NULL)
        return FALSE;

    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *digested = json_object_new();
    JsonObject *digested_update = json_object_new();
    JsonArray *digested_steps = json_array_new();
    json_node_take_object(node, digested);
    copy_members(plan, digested, head);
    copy_members(json_node_get_object(update), digested_update, update_members);
    json_object_set_object_member(digested, "update", digested_update);
    json_object_set_array_member(digested, "steps", digested_steps);
    JsonArray *array = json_node_get_array(steps);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *step = json_array_get_element(array, i);
        if (!JSON_NODE_HOLDS_OBJECT(step))
            return FALSE;
        json_array_add_object_element(digested_steps, digested_step(json_node_get_object(step)));
    }
    g_autofree char *canonical = vr_json_canonical(node);
    g_autofree char *digest = vr_json_sha256(canonical);
    json_object_set_string_member(plan, "digest", digest);
    return TRUE;
}

static void
check_steps(const VrPlan *plan)
{
    for (guint i = 0; i < plan->steps->len; i++) {
        const VrPlanStep *step = vr_plan_step(plan, i);
        g_assert_cmpuint(step->id, ==, i + 1);
        g_assert_true((step->kind == VR_STEP_MIGRATE) == (step->host == NULL));
        g_assert_true((step->kind == VR_STEP_MIGRATE) == (step->vm_uuid != NULL));
        g_assert_true((step->kind == VR_STEP_UPDATE) == (step->source == NULL));
        g_assert_cmpint(step->start_ms, <=, step->end_ms);
        for (guint j = 0; j < step->after->len; j++)
            g_assert_cmpuint(g_array_index(step->after, guint, j), <, step->id);
    }
}

/* digested: whatever else is wrong with it, its digest is not. */
static void
check_text(const char *text, gsize length, gboolean digested)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPlan) plan = vr_plan_parse(text, length, SOURCE, &error);

    if (plan == NULL) {
        vr_fuzz_check_error(error, SOURCE ":");
        g_assert_false(digested && g_str_has_prefix(error->message, DIGEST_PROBLEM));
        return;
    }
    check_steps(plan);
    g_autofree char *digest = vr_plan_compute_digest(plan);
    g_assert_cmpstr(digest, ==, plan->digest);
    g_autofree char *formatted = vr_plan_format(plan);
    g_autoptr(VrPlan) back = vr_plan_parse(formatted, strlen(formatted), SOURCE, &error);
    g_assert_no_error(error);
    g_autofree char *again = vr_plan_format(back);
    g_assert_cmpstr(again, ==, formatted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_text((const char *)data, size, FALSE);

    g_autoptr(JsonNode) root = vr_json_parse((const char *)data, size, SOURCE, NULL);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root) || !set_digest(json_node_get_object(root)))
        return 0;
    g_autofree char *text = vr_json_canonical(root);
    check_text(text, strlen(text), TRUE);
    return 0;
}
