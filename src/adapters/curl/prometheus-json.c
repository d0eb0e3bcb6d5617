/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/curl/prometheus-json.h"

#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "base/json.h"
#include "base/text.h"

#define SOURCE "Prometheus"
#define TEXT_LENGTH_MAX 200 /* of one found value; bytes */

static void
free_value(gpointer value)
{
    VrFoundValue *self = value;
    g_free(self->text);
    g_free(self);
}

/* End of a string that begins at `at`, after its last quote; `end` if it has none. */
static const char *
skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
    }
    return at < end ? at + 1 : end;
}

/*
 * Our JSON has integers only; Prometheus writes its timestamps, which nobody needs here, with
 * fractions. Values are strings, so that nothing that counts is cut. (transfer full)
 */
static GString *
cut_fractions(const char *text, gsize length)
{
    GString *out = g_string_sized_new(length);
    const char *end = text + length;
    while (text < end) {
        const char *next = text + 1;
        if (*text == '"')
            next = skip_string(text, end);
        gboolean is_fraction = out->len > 0 && g_ascii_isdigit(out->str[out->len - 1]) &&
                               (*text == '.' || *text == 'e' || *text == 'E');
        if (!is_fraction) {
            g_string_append_len(out, text, next - text);
        } else {
            while (next < end && (g_ascii_isdigit(*next) || strchr("+-eE", *next) != NULL))
                next++;
        }
        text = next;
    }
    return out;
}

/* (nullable) */
static JsonNode *
member(JsonNode *node, const char *name, JsonNodeType type)
{
    if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
        return NULL;
    JsonNode *found = json_object_get_member(json_node_get_object(node), name);
    return found != NULL && json_node_get_node_type(found) == type ? found : NULL;
}

/* "" if there is no such text. */
static const char *
text_member(JsonNode *node, const char *name)
{
    JsonNode *found = member(node, name, JSON_NODE_VALUE);
    return found != NULL && json_node_get_value_type(found) == G_TYPE_STRING
               ? json_node_get_string(found)
               : "";
}

/* name{label="value",…}, by label. (transfer full) */
static char *
format_metric(JsonNode *metric)
{
    GString *text = g_string_new(text_member(metric, "__name__"));
    JsonObject *labels = metric == NULL ? NULL : json_node_get_object(metric);
    g_autoptr(GList) names = labels == NULL ? NULL : json_object_get_members(labels);
    names = g_list_sort(names, (GCompareFunc)strcmp);
    g_string_append_c(text, '{');
    for (GList *link = names; link != NULL; link = link->next) {
        if (strcmp(link->data, "__name__") != 0)
            g_string_append_printf(text, "%s%s=\"%s\"", text->str[text->len - 1] == '{' ? "" : ",",
                                   (const char *)link->data, text_member(metric, link->data));
    }
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

/* [timestamp, "value"] */
static gboolean
add_value(GPtrArray *values, JsonNode *pair, JsonNode *metric)
{
    JsonArray *array = pair == NULL ? NULL : json_node_get_array(pair);
    if (array == NULL || json_array_get_length(array) != 2)
        return FALSE;
    JsonNode *node = json_array_get_element(array, 1);
    if (!JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
        return FALSE;
    const char *text = json_node_get_string(node);
    char *end = NULL;
    double value = g_ascii_strtod(text, &end);
    if (end == text || *end != '\0')
        return FALSE;
    g_autofree char *name = format_metric(metric);
    g_autofree char *raw = g_strdup_printf("%.*s %s", TEXT_LENGTH_MAX, name, text);
    VrFoundValue *found = g_new0(VrFoundValue, 1);
    found->value = value;
    found->text = vr_text_clean(raw);
    g_ptr_array_add(values, found);
    return TRUE;
}

static gboolean
add_vector(GPtrArray *values, JsonNode *result)
{
    JsonArray *array = json_node_get_array(result);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *sample = json_array_get_element(array, i);
        if (!add_value(values, member(sample, "value", JSON_NODE_ARRAY),
                       member(sample, "metric", JSON_NODE_OBJECT)))
            return FALSE;
    }
    return TRUE;
}

/* FALSE: it is no answer with data. */
static gboolean
check_status(JsonNode *root, GError **error)
{
    JsonNode *warnings = member(root, "warnings", JSON_NODE_ARRAY);
    if (strcmp(text_member(root, "status"), "success") != 0) {
        const char *message = text_member(root, "error");
        vr_error_set(error, VR_ERROR_INVALID, SOURCE " refuses the query: %s",
                     message[0] != '\0' ? message : "it does not say why");
        return FALSE;
    }
    if (warnings != NULL && json_array_get_length(json_node_get_array(warnings)) > 0) {
        JsonNode *first = json_array_get_element(json_node_get_array(warnings), 0);
        const char *text =
            JSON_NODE_HOLDS_VALUE(first) && json_node_get_value_type(first) == G_TYPE_STRING
                ? json_node_get_string(first)
                : "it does not say why";
        vr_error_set(error, VR_ERROR_INVALID, SOURCE " warns that its answer may not be whole: %s",
                     text);
        return FALSE;
    }
    return TRUE;
}

GPtrArray *
vr_prometheus_parse(const char *text, gsize length, GError **error)
{
    GString *whole = cut_fractions(text, length);
    g_autoptr(JsonNode) root = vr_json_parse(whole->str, whole->len, SOURCE, error);
    (void)g_string_free(whole, TRUE);
    if (root == NULL || !check_status(root, error))
        return NULL;

    JsonNode *data = member(root, "data", JSON_NODE_OBJECT);
    JsonNode *result = member(data, "result", JSON_NODE_ARRAY);
    const char *type = text_member(data, "resultType");
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(free_value);
    gboolean is_read = FALSE;
    if (result != NULL && strcmp(type, "vector") == 0)
        is_read = add_vector(values, result);
    else if (result != NULL && strcmp(type, "scalar") == 0)
        is_read = add_value(values, result, NULL);
    if (is_read)
        return g_steal_pointer(&values);
    vr_error_set(error, VR_ERROR_INVALID,
                 SOURCE " answers with \"%s\" that cannot be read: the query must give an instant "
                        "vector or a scalar",
                 type);
    return NULL;
}

static gboolean
is_within(const VrQueryRule *rule, double value)
{
    switch (rule->healthy) {
    case VR_HEALTHY_WHEN_EMPTY:
        return FALSE;
    case VR_HEALTHY_WHEN_AT_LEAST:
        return value >= (double)rule->limit;
    case VR_HEALTHY_WHEN_AT_MOST:
        return value <= (double)rule->limit;
    }
    g_assert_not_reached();
}

static VrQueryAnswer
say(VrQueryAnswer answer, const VrQueryRule *rule, const char *what, char **out_detail)
{
    g_autofree char *text = g_strdup_printf("%s: %s", rule->name, what);
    *out_detail = vr_text_clean(text);
    return answer;
}

static VrQueryAnswer
judge_empty(const VrQueryRule *rule, const GPtrArray *present, const GPtrArray *found,
            char **out_detail)
{
    if (present == NULL || present->len == 0)
        return say(VR_QUERY_ANSWER_UNKNOWN, rule,
                   "no data: what must be present is not, so that nothing found proves nothing",
                   out_detail);
    if (found->len == 0)
        return say(VR_QUERY_ANSWER_HEALTHY, rule, "nothing found, and the data are there",
                   out_detail);
    const VrFoundValue *first = g_ptr_array_index(found, 0);
    g_autofree char *what = g_strdup_printf("%u found, the first: %s", found->len, first->text);
    return say(VR_QUERY_ANSWER_UNHEALTHY, rule, what, out_detail);
}

VrQueryAnswer
vr_prometheus_judge(const VrQueryRule *rule, const GPtrArray *present, const GPtrArray *found,
                    char **out_detail)
{
    if (rule->healthy == VR_HEALTHY_WHEN_EMPTY)
        return judge_empty(rule, present, found, out_detail);
    if (found->len == 0)
        return say(VR_QUERY_ANSWER_UNKNOWN, rule, "no data", out_detail);

    gboolean is_number = TRUE;
    for (guint i = 0; i < found->len; i++) {
        const VrFoundValue *value = g_ptr_array_index(found, i);
        is_number = is_number && !isnan(value->value);
        if (isnan(value->value) || is_within(rule, value->value))
            continue;
        g_autofree char *what = g_strdup_printf(
            "%s, %s %" G_GINT64_FORMAT, value->text,
            rule->healthy == VR_HEALTHY_WHEN_AT_MOST ? "more than" : "less than", rule->limit);
        return say(VR_QUERY_ANSWER_UNHEALTHY, rule, what, out_detail);
    }
    if (!is_number)
        return say(VR_QUERY_ANSWER_UNKNOWN, rule, "a value is no number", out_detail);
    const VrFoundValue *first = g_ptr_array_index(found, 0);
    return say(VR_QUERY_ANSWER_HEALTHY, rule, first->text, out_detail);
}
