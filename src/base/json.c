/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <string.h>

#include "base/json-scan.h"
#include "base/sha256.h"
#include "base/text.h"

static JsonNode *read_value(VrJsonScan *scan);

static JsonNode *
read_array(VrJsonScan *scan)
{
    JsonArray *array = json_array_new();
    vr_json_scan_enter(scan);
    while (vr_json_scan_element(scan))
        json_array_add_element(array, read_value(scan));
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    return node;
}

static JsonNode *
read_object(VrJsonScan *scan)
{
    JsonObject *object = json_object_new();
    vr_json_scan_enter(scan);
    for (const char *name; (name = vr_json_scan_member(scan)) != NULL;) {
        /* The scan's name lives only until the value's first member. */
        g_autofree char *kept = g_strdup(name);
        json_object_set_member(object, kept, read_value(scan));
    }
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

/* Recursion is bounded by the scan's depth. After an error the tree is valid and to be dropped. */
static JsonNode *
read_value(VrJsonScan *scan)
{
    JsonNode *node = NULL;
    switch (vr_json_scan_kind(scan)) {
    case VR_JSON_BROKEN:
        return json_node_new(JSON_NODE_NULL);
    case VR_JSON_NULL:
        vr_json_scan_null(scan);
        return json_node_new(JSON_NODE_NULL);
    case VR_JSON_BOOLEAN:
        node = json_node_new(JSON_NODE_VALUE);
        json_node_set_boolean(node, vr_json_scan_boolean(scan));
        return node;
    case VR_JSON_INTEGER:
        node = json_node_new(JSON_NODE_VALUE);
        json_node_set_int(node, vr_json_scan_integer(scan));
        return node;
    case VR_JSON_STRING:
        node = json_node_new(JSON_NODE_VALUE);
        json_node_set_string(node, vr_json_scan_string(scan));
        return node;
    case VR_JSON_ARRAY:
        return read_array(scan);
    case VR_JSON_OBJECT:
        return read_object(scan);
    }
    g_assert_not_reached();
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(a, b);
}

static void append_value(GString *out, JsonNode *node);

static void
append_object(GString *out, JsonObject *object)
{
    g_autoptr(GList) names = g_list_sort(json_object_get_members(object), compare_names);
    g_string_append_c(out, '{');
    for (GList *link = names; link != NULL; link = link->next) {
        if (link != names)
            g_string_append_c(out, ',');
        vr_json_append_string(out, link->data);
        g_string_append_c(out, ':');
        append_value(out, json_object_get_member(object, link->data));
    }
    g_string_append_c(out, '}');
}

static void
append_array(GString *out, JsonArray *array)
{
    g_string_append_c(out, '[');
    for (guint i = 0; i < json_array_get_length(array); i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_value(out, json_array_get_element(array, i));
    }
    g_string_append_c(out, ']');
}

static void
append_scalar(GString *out, JsonNode *node)
{
    GType type = json_node_get_value_type(node);
    if (type == G_TYPE_STRING)
        vr_json_append_string(out, json_node_get_string(node));
    else if (type == G_TYPE_BOOLEAN)
        g_string_append(out, json_node_get_boolean(node) ? "true" : "false");
    else if (type == G_TYPE_INT64)
        vr_json_append_integer(out, json_node_get_int(node));
    else
        g_assert_not_reached(); /* a floating-point number: none of ours */
}

static void
append_value(GString *out, JsonNode *node)
{
    switch (json_node_get_node_type(node)) {
    case JSON_NODE_OBJECT:
        append_object(out, json_node_get_object(node));
        return;
    case JSON_NODE_ARRAY:
        append_array(out, json_node_get_array(node));
        return;
    case JSON_NODE_VALUE:
        append_scalar(out, node);
        return;
    case JSON_NODE_NULL:
        g_string_append(out, "null");
        return;
    }
    g_assert_not_reached();
}

JsonNode *
vr_json_parse(const char *text, gsize length, const char *source, GError **error)
{
    g_autoptr(VrJsonScan) scan = vr_json_scan_new(text, length, source);
    g_autoptr(JsonNode) root = read_value(scan);
    if (!vr_json_scan_finish(scan, error))
        return NULL;
    return g_steal_pointer(&root);
}

static void
append_escape(GString *out, guchar character)
{
    static const char letters[] = "btnvfr"; /* of 0x08 to 0x0d; JSON has no \v */

    if (character == '"' || character == '\\')
        g_string_append_printf(out, "\\%c", character);
    else if (character >= 0x08 && character <= 0x0d && character != 0x0b)
        g_string_append_printf(out, "\\%c", letters[character - 0x08]);
    else
        g_string_append_printf(out, "\\u%04x", character);
}

/* How many characters need no escape: eight bytes at a time, then the one that does. */
static gsize
count_plain(const char *text, gsize length)
{
    const guint64 ones = G_GUINT64_CONSTANT(0x0101010101010101), highs = ones << 7;
    gsize at = 0;

    for (guint64 eight; at + sizeof eight <= length; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        guint64 quote = eight ^ ones * '"', slash = eight ^ ones * '\\';
        /* A high bit where a byte was 0, or below 0x20; UTF-8 has its high bits in `eight`. */
        if ((((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
             ((eight - ones * 0x20) & ~eight)) &
            highs)
            break;
    }
    while (at < length && (guchar)text[at] >= 0x20 && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

void
vr_json_append_string(GString *out, const char *text)
{
    gsize length = strlen(text);

    vr_text_append(out, "\"", 1);
    for (;;) {
        gsize plain = count_plain(text, length);
        vr_text_append(out, text, plain);
        if (plain == length)
            break;
        append_escape(out, (guchar)text[plain]);
        text += plain + 1;
        length -= plain + 1;
    }
    vr_text_append(out, "\"", 1);
}

void
vr_json_append_integer(GString *out, gint64 value)
{
    char digits[21];
    guint at = sizeof digits;
    guint64 rest = value < 0 ? -(guint64)value : (guint64)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        digits[--at] = '-';
    vr_text_append(out, digits + at, sizeof digits - at);
}

char *
vr_json_canonical(JsonNode *node)
{
    GString *out = g_string_new(NULL);
    append_value(out, node);
    return g_string_free(out, FALSE);
}

char *
vr_json_sha256(const char *text)
{
    VrSha256 *sha256 = vr_sha256_new();

    vr_sha256_update(sha256, text, strlen(text));
    g_autofree char *sum = vr_sha256_finish(sha256);
    return g_strconcat("sha256:", sum, NULL);
}
