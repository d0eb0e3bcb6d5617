/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/reader.h"

#include <string.h>

#include <virt-roll/error.h>

/* Longer words are not compared: nobody's typing error. */
#define WORD_LENGTH_MAX 48

/* Where a frame or a value stands in its parent. */
typedef struct {
    const char *name; /* NULL: an element */
    guint index;
} Step;

typedef struct {
    JsonNode *node;   /* an object or an array; NULL: the root is neither */
    char *name;       /* how we got here from the frame below: a member … */
    guint index;      /* … or, without name, an element */
    GPtrArray *known; /* (element-type utf8) members that were asked for, in that order */
} Frame;

struct VrReader {
    const VrDocument *document;
    GArray *frames; /* never empty until vr_reader_finish */
    GError *error;
};

static void
frame_clear(gpointer data)
{
    Frame *frame = data;
    g_free(frame->name);
    g_ptr_array_unref(frame->known);
}

static Frame *
present(const VrReader *self)
{
    g_assert(self->frames->len > 0);
    return &g_array_index(self->frames, Frame, self->frames->len - 1);
}

static void
push(VrReader *self, JsonNode *node, const char *name, guint index)
{
    Frame frame = {node, g_strdup(name), index, g_ptr_array_new_with_free_func(g_free)};
    g_array_append_val(self->frames, frame);
}

/* The present object; NULL if the root is none, which was an error already. */
static JsonObject *
present_object(const VrReader *self)
{
    JsonNode *node = present(self)->node;
    if (node == NULL)
        return NULL;
    g_assert(JSON_NODE_HOLDS_OBJECT(node));
    return json_node_get_object(node);
}

static void
append_pointer_step(GString *pointer, const char *name, guint index)
{
    g_string_append_c(pointer, '/');
    if (name == NULL) {
        g_string_append_printf(pointer, "%u", index);
        return;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '~')
            g_string_append(pointer, "~0");
        else if (*c == '/')
            g_string_append(pointer, "~1");
        else
            g_string_append_c(pointer, *c);
    }
}

/* JSON pointer (RFC 6901) of the first `count` frames and, if given, one step more. */
static char *
make_pointer(const VrReader *self, guint count, const Step *step)
{
    GString *pointer = g_string_new(NULL);
    for (guint i = 1; i < count; i++) {
        const Frame *frame = &g_array_index(self->frames, Frame, i);
        append_pointer_step(pointer, frame->name, frame->index);
    }
    if (step != NULL)
        append_pointer_step(pointer, step->name, step->index);
    return g_string_free(pointer, FALSE);
}

static void
append_path_step(GString *path, const char *name, guint index)
{
    if (name == NULL)
        g_string_append_printf(path, "[%u]", index);
    else
        g_string_append_printf(path, "%s%s", path->len == 0 ? "" : ".", name);
}

/* For people: hosts[3].uri */
static char *
make_path(const VrReader *self, const Step *step)
{
    GString *path = g_string_new(NULL);
    for (guint i = 1; i < self->frames->len; i++) {
        const Frame *frame = &g_array_index(self->frames, Frame, i);
        append_path_step(path, frame->name, frame->index);
    }
    if (step != NULL)
        append_path_step(path, step->name, step->index);
    return g_string_free(path, FALSE);
}

static const char *
find_place(const VrReader *self, guint count, const Step *step)
{
    if (self->document->places == NULL)
        return NULL;
    g_autofree char *pointer = make_pointer(self, count, step);
    return g_hash_table_lookup(self->document->places, pointer);
}

/* Of the step, or of what it would stand in. */
static const char *
find_nearest_place(const VrReader *self, const Step *step)
{
    const char *place = step == NULL ? NULL : find_place(self, self->frames->len, step);
    for (guint count = self->frames->len; place == NULL && count > 0; count--)
        place = find_place(self, count, NULL);
    return place;
}

static void
fail_at(VrReader *self, const Step *step, const char *problem)
{
    if (self->error != NULL)
        return;
    const char *place = find_nearest_place(self, step);
    g_autofree char *path = make_path(self, step);
    self->error = vr_error_new(VR_ERROR_INVALID, "%s%s%s: %s%s%s", self->document->source,
                               place == NULL ? "" : ":", place == NULL ? "" : place, path,
                               path[0] == '\0' ? "" : ": ", problem);
}

/* What stands there instead, for messages. (transfer full) */
static char *
describe(JsonNode *node)
{
    switch (json_node_get_node_type(node)) {
    case JSON_NODE_OBJECT:
        return g_strdup("a mapping");
    case JSON_NODE_ARRAY:
        return g_strdup("a list");
    case JSON_NODE_NULL:
        return g_strdup("null");
    case JSON_NODE_VALUE:
        break;
    }
    GType type = json_node_get_value_type(node);
    if (type == G_TYPE_STRING)
        return g_strdup_printf("\"%s\"", json_node_get_string(node));
    if (type == G_TYPE_BOOLEAN)
        return g_strdup(json_node_get_boolean(node) ? "true" : "false");
    return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
}

static void
fail_type(VrReader *self, const Step *step, JsonNode *node, const char *wanted)
{
    g_autofree char *found = describe(node);
    gboolean is_quotable = g_str_has_prefix(wanted, "text") && JSON_NODE_HOLDS_VALUE(node);
    g_autofree char *problem = g_strdup_printf("must be %s, not %s%s", wanted, found,
                                               is_quotable ? "; put it into quotes" : "");
    fail_at(self, step, problem);
}

static void
mark_known(VrReader *self, const char *name)
{
    GPtrArray *known = present(self)->known;
    for (guint i = 0; i < known->len; i++) {
        if (strcmp(g_ptr_array_index(known, i), name) == 0)
            return;
    }
    g_ptr_array_add(known, g_strdup(name));
}

/* The member if it is there and not null. */
static JsonNode *
find_member(VrReader *self, const char *name)
{
    JsonObject *object = present_object(self);
    if (self->document->strict)
        mark_known(self, name);
    JsonNode *node = object == NULL ? NULL : json_object_get_member(object, name);
    return node == NULL || JSON_NODE_HOLDS_NULL(node) ? NULL : node;
}

static gboolean
holds(JsonNode *node, GType type)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

/* (transfer full) */
static char *
join_words(const char *const *words)
{
    GString *all = g_string_new(NULL);
    for (guint i = 0; words[i] != NULL; i++)
        g_string_append_printf(all, "%s%s", i == 0 ? "" : ", ", words[i]);
    return g_string_free(all, FALSE);
}

static void
fail_missing(VrReader *self, const char *name)
{
    Step step = {name, 0};
    fail_at(self, &step, "is missing");
}

static void
check_unknown(VrReader *self)
{
    const Frame *frame = present(self);
    if (self->error != NULL || !self->document->strict || !JSON_NODE_HOLDS_OBJECT(frame->node))
        return;

    /* NULL-terminated for the search, and only meanwhile: more may be asked after a look back. */
    g_ptr_array_add(frame->known, NULL);
    const char *const *known = (const char *const *)frame->known->pdata;
    g_autoptr(GList) names = json_object_get_members(json_node_get_object(frame->node));
    for (GList *link = names; link != NULL && self->error == NULL; link = link->next) {
        const char *name = link->data;
        if (g_strv_contains(known, name))
            continue;
        const char *nearest = vr_nearest_word(name, known);
        Step step = {name, 0};
        g_autofree char *problem =
            nearest == NULL ? g_strdup("there is no such field")
                            : g_strdup_printf("there is no such field; did you mean %s?", nearest);
        fail_at(self, &step, problem);
    }
    g_ptr_array_set_size(frame->known, (gint)frame->known->len - 1);
}

static guint
min3(guint a, guint b, guint c)
{
    return MIN(MIN(a, b), c);
}

/* Letters added, left out, changed, or swapped with their neighbour. */
static guint
edit_distance(const char *a, const char *b)
{
    guint a_length = (guint)strlen(a);
    guint b_length = (guint)strlen(b);
    guint rows[3][WORD_LENGTH_MAX + 1];
    for (guint j = 0; j <= b_length; j++)
        rows[0][j] = j;

    for (guint i = 1; i <= a_length; i++) {
        const guint *before = rows[(i + 1) % 3]; /* of i - 2 */
        const guint *above = rows[(i + 2) % 3];
        guint *row = rows[i % 3];
        row[0] = i;
        for (guint j = 1; j <= b_length; j++) {
            guint change = a[i - 1] == b[j - 1] ? 0 : 1;
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

VrDocument *
vr_document_new(JsonNode *root, const char *source, gboolean strict)
{
    g_assert(root != NULL && source != NULL);
    VrDocument *self = g_new0(VrDocument, 1);
    self->root = root;
    self->source = g_strdup(source);
    self->strict = strict;
    return self;
}

void
vr_document_free(VrDocument *self)
{
    if (self == NULL)
        return;
    json_node_unref(self->root);
    g_free(self->source);
    g_clear_pointer(&self->places, g_hash_table_unref);
    g_free(self);
}

VrReader *
vr_reader_new(const VrDocument *document)
{
    VrReader *self = g_new0(VrReader, 1);
    self->document = document;
    self->frames = g_array_new(FALSE, FALSE, sizeof(Frame));
    g_array_set_clear_func(self->frames, frame_clear);

    gboolean is_object = JSON_NODE_HOLDS_OBJECT(document->root);
    push(self, is_object ? document->root : NULL, NULL, 0);
    if (!is_object)
        fail_type(self, NULL, document->root, "a mapping");
    return self;
}

void
vr_reader_free(VrReader *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->frames);
    g_clear_error(&self->error);
    g_free(self);
}

gboolean
vr_reader_has(VrReader *self, const char *name)
{
    return find_member(self, name) != NULL;
}

gboolean
vr_reader_is_null(VrReader *self, const char *name)
{
    JsonObject *object = present_object(self);
    if (object == NULL || find_member(self, name) != NULL)
        return FALSE;
    return json_object_has_member(object, name);
}

gboolean
vr_reader_is_array(VrReader *self, const char *name)
{
    JsonNode *node = find_member(self, name);
    return node != NULL && JSON_NODE_HOLDS_ARRAY(node);
}

gboolean
vr_reader_is_string(VrReader *self, const char *name)
{
    JsonNode *node = find_member(self, name);
    return node != NULL && holds(node, G_TYPE_STRING);
}

gint64
vr_reader_integer(VrReader *self, const char *name, gint64 min, gint64 max, gint64 fallback)
{
    g_assert(min <= max);
    JsonNode *node = find_member(self, name);
    if (node == NULL)
        return fallback;
    if (holds(node, G_TYPE_INT64)) {
        gint64 value = json_node_get_int(node);
        if (value >= min && value <= max)
            return value;
    }
    g_autofree char *wanted =
        g_strdup_printf("an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
    Step step = {name, 0};
    fail_type(self, &step, node, wanted);
    return fallback;
}

gint64
vr_reader_required_integer(VrReader *self, const char *name, gint64 min, gint64 max)
{
    if (!vr_reader_has(self, name))
        fail_missing(self, name);
    return vr_reader_integer(self, name, min, max, min);
}

gboolean
vr_reader_boolean(VrReader *self, const char *name, gboolean fallback)
{
    JsonNode *node = find_member(self, name);
    if (node == NULL)
        return fallback;
    if (holds(node, G_TYPE_BOOLEAN))
        return json_node_get_boolean(node);
    Step step = {name, 0};
    fail_type(self, &step, node, "true or false");
    return fallback;
}

const char *
vr_reader_string(VrReader *self, const char *name, const char *fallback)
{
    JsonNode *node = find_member(self, name);
    if (node == NULL)
        return fallback;
    if (holds(node, G_TYPE_STRING))
        return json_node_get_string(node);
    Step step = {name, 0};
    fail_type(self, &step, node, "text");
    return fallback;
}

const char *
vr_reader_required_string(VrReader *self, const char *name)
{
    if (!vr_reader_has(self, name))
        fail_missing(self, name);
    return vr_reader_string(self, name, "");
}

guint
vr_reader_word(VrReader *self, const char *name, const char *const *words, guint fallback)
{
    JsonNode *node = find_member(self, name);
    if (node == NULL)
        return fallback;
    const char *word = holds(node, G_TYPE_STRING) ? json_node_get_string(node) : "";
    for (guint i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0)
            return i;
    }
    const char *nearest = vr_nearest_word(word, words);
    g_autofree char *all = join_words(words);
    g_autofree char *found = describe(node);
    vr_reader_fail(self, name, "must be one of %s, not %s%s%s%s", all, found,
                   nearest == NULL ? "" : "; did you mean ", nearest == NULL ? "" : nearest,
                   nearest == NULL ? "" : "?");
    return fallback;
}

char **
vr_reader_strings(VrReader *self, const char *name)
{
    guint length = 0;
    if (!vr_reader_enter_array(self, name, &length))
        return NULL;

    g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
    JsonArray *array = json_node_get_array(present(self)->node);
    for (guint i = 0; i < length; i++) {
        JsonNode *node = json_array_get_element(array, i);
        Step step = {NULL, i};
        if (holds(node, G_TYPE_STRING))
            g_ptr_array_add(strings, g_strdup(json_node_get_string(node)));
        else
            fail_type(self, &step, node, "text");
    }
    vr_reader_leave(self);
    g_ptr_array_add(strings, NULL);
    return (char **)g_ptr_array_steal(strings, NULL);
}

gboolean
vr_reader_enter(VrReader *self, const char *name)
{
    JsonNode *node = find_member(self, name);
    if (node == NULL)
        return FALSE;
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        Step step = {name, 0};
        fail_type(self, &step, node, "a mapping");
        return FALSE;
    }
    push(self, node, name, 0);
    return TRUE;
}

gboolean
vr_reader_enter_array(VrReader *self, const char *name, guint *out_length)
{
    JsonNode *node = find_member(self, name);
    if (node == NULL)
        return FALSE;
    if (!JSON_NODE_HOLDS_ARRAY(node)) {
        Step step = {name, 0};
        fail_type(self, &step, node, "a list");
        return FALSE;
    }
    push(self, node, name, 0);
    *out_length = json_array_get_length(json_node_get_array(node));
    return TRUE;
}

gboolean
vr_reader_enter_element(VrReader *self, guint index)
{
    g_assert(JSON_NODE_HOLDS_ARRAY(present(self)->node));
    JsonNode *node = json_array_get_element(json_node_get_array(present(self)->node), index);
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        Step step = {NULL, index};
        fail_type(self, &step, node, "a mapping");
        return FALSE;
    }
    push(self, node, NULL, index);
    return TRUE;
}

GList *
vr_reader_members(VrReader *self)
{
    JsonObject *object = present_object(self);
    return object == NULL ? NULL : json_object_get_members(object);
}

void
vr_reader_leave(VrReader *self)
{
    g_assert(self->frames->len > 1);
    check_unknown(self);
    g_array_set_size(self->frames, self->frames->len - 1);
}

void
vr_reader_fail(VrReader *self, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    Step step = {name, 0};
    fail_at(self, name == NULL ? NULL : &step, problem);
}

gboolean
vr_reader_failed(const VrReader *self)
{
    return self->error != NULL;
}

const char *
vr_reader_place(const VrReader *self, const char *name)
{
    Step step = {name, 0};
    return find_place(self, self->frames->len, name == NULL ? NULL : &step);
}

gboolean
vr_reader_finish(VrReader *self, GError **error)
{
    g_assert(self->frames->len == 1);
    if (present(self)->node != NULL)
        check_unknown(self);
    if (self->error == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&self->error));
    return FALSE;
}

const char *
vr_nearest_word(const char *word, const char *const *words)
{
    gsize length = strlen(word);
    if (length == 0 || length > WORD_LENGTH_MAX)
        return NULL;

    const char *nearest = NULL;
    /* A third of the letters may be wrong; of equals the first in the list wins. */
    guint best = (guint)MAX(length / 3, 1) + 1;
    for (guint i = 0; words[i] != NULL; i++) {
        if (strlen(words[i]) > WORD_LENGTH_MAX)
            continue;
        guint distance = edit_distance(word, words[i]);
        if (distance < best) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
