/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/yaml/document.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libfyaml.h>

#include <virt-roll/error.h>

#include "base/json.h"

typedef struct fy_parser FyParser;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FyParser, fy_parser_destroy)
typedef struct fy_token_iter FyTokenIter;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FyTokenIter, fy_token_iter_destroy)
typedef struct fy_diag FyDiag;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FyDiag, fy_diag_unref)
typedef FILE VrYamlFile;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrYamlFile, fclose)

typedef struct {
    FyParser *parser;
    FyDiag *diag; /* keeps the parser's errors */
    const char *source;
    GHashTable *places;
    GString *pointer; /* of the node that is being read */
    guint depth;
    GError *error;
} Load;

/* An event that gives itself back to its parser. */
typedef struct {
    FyParser *parser;
    struct fy_event *event; /* NULL: the end, or an error */
} Event;

static void
event_clear(Event *self)
{
    if (self->event != NULL)
        fy_parser_event_free(self->parser, self->event);
    self->event = NULL;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Event, event_clear)

static void G_GNUC_PRINTF(3, 4)
    fail(Load *self, const struct fy_mark *mark, const char *format, ...)
{
    if (self->error != NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    if (mark == NULL)
        self->error = vr_error_new(VR_ERROR_INVALID, "%s: %s", self->source, problem);
    else
        self->error = vr_error_new(VR_ERROR_INVALID, "%s:%d:%d: %s", self->source, mark->line + 1,
                                   mark->column + 1, problem);
}

/* The parser's own first error, which is a syntax error. */
static void
fail_syntax(Load *self)
{
    void *position = NULL;
    const struct fy_diag_error *found = fy_diag_errors_iterate(self->diag, &position);
    if (found == NULL) {
        fail(self, NULL, "is no YAML");
        return;
    }
    /* Lines and columns of its errors begin with 1, those of its marks with 0. */
    struct fy_mark mark = {.line = found->line - 1, .column = found->column - 1};
    fail(self, &mark, "%s", found->msg);
}

static Event
next_event(Load *self)
{
    if (self->error != NULL)
        return (Event){self->parser, NULL};
    Event event = {self->parser, fy_parser_parse(self->parser)};
    if (event.event == NULL)
        fail_syntax(self);
    return event;
}

/* Where its text begins to the eye; FALSE: it has no text of its own. */
static gboolean
find_mark(struct fy_event *event, struct fy_mark *out_mark)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    if (mark == NULL)
        return FALSE;
    *out_mark = *mark;
    if (event->type != FYET_SCALAR)
        return TRUE;
    /* The library's mark of a quoted text is behind the quote. */
    enum fy_scalar_style style = fy_token_scalar_style(fy_event_get_token(event));
    if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
        out_mark->column--;
    return TRUE;
}

static void G_GNUC_PRINTF(3, 4)
    fail_at_event(Load *self, struct fy_event *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    struct fy_mark mark;
    fail(self, find_mark(event, &mark) ? &mark : NULL, "%s", problem);
}

/* Takes an event that must be of the type; FALSE: it is not there, or an error. */
static gboolean
take_event(Load *self, enum fy_event_type type)
{
    g_auto(Event) event = next_event(self);
    return event.event != NULL && event.event->type == type;
}

static void
keep_place(Load *self, struct fy_event *event)
{
    struct fy_mark mark;
    if (find_mark(event, &mark))
        g_hash_table_insert(self->places, g_strdup(self->pointer->str),
                            g_strdup_printf("%d:%d", mark.line + 1, mark.column + 1));
}

static void
push_name(Load *self, const char *name)
{
    g_string_append_c(self->pointer, '/');
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '~')
            g_string_append(self->pointer, "~0");
        else if (*c == '/')
            g_string_append(self->pointer, "~1");
        else
            g_string_append_c(self->pointer, *c);
    }
}

static gboolean
is_one_of(const char *text, const char *const *words)
{
    return g_strv_contains(words, text);
}

/* Number of characters of `text` from `at` on that are in the set. */
static gsize
span_of(const char *text, gsize at, const char *set)
{
    return strspn(text + at, set);
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? of the core schema. */
static gboolean
is_float(const char *text)
{
    static const char *const words[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
                                        "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
                                        ".NaN",  ".NAN",  NULL};
    static const char digits[] = "0123456789";
    if (is_one_of(text, words))
        return TRUE;

    gsize at = *text == '-' || *text == '+' ? 1 : 0;
    gsize whole = span_of(text, at, digits);
    at += whole;
    gsize fraction = 0;
    if (text[at] == '.') {
        at++;
        fraction = span_of(text, at, digits);
        at += fraction;
    }
    if (whole + fraction == 0)
        return FALSE;
    if (text[at] == 'e' || text[at] == 'E') {
        at++;
        if (text[at] == '-' || text[at] == '+')
            at++;
        gsize exponent = span_of(text, at, digits);
        if (exponent == 0)
            return FALSE;
        at += exponent;
    }
    return text[at] == '\0';
}

/* Of an integer of the core schema; 0: it is none. out_digits: where its digits begin. */
static guint
integer_base(const char *text, const char **out_digits)
{
    static const char *const sets[] = {"01234567", "0123456789", "0123456789abcdefABCDEF"};
    static const guint bases[] = {8, 10, 16};
    const char *digits[] = {text, text, text};
    gboolean may_be[] = {g_str_has_prefix(text, "0o"), TRUE, g_str_has_prefix(text, "0x")};
    digits[0] += 2 * may_be[0];
    digits[1] += *text == '-' || *text == '+' ? 1 : 0;
    digits[2] += 2 * may_be[2];

    for (guint i = 0; i < G_N_ELEMENTS(bases); i++) {
        gsize length = span_of(digits[i], 0, sets[i]);
        if (may_be[i] && length > 0 && digits[i][length] == '\0') {
            *out_digits = digits[i];
            return bases[i];
        }
    }
    return 0;
}

static gboolean
parse_integer(const char *digits, guint base, gboolean is_negative, gint64 *out_value)
{
    gint64 value = 0;
    for (const char *c = digits; *c != '\0'; c++) {
        gint64 digit = g_ascii_xdigit_value(*c);
        if (__builtin_mul_overflow(value, (gint64)base, &value) ||
            __builtin_sub_overflow(value, digit, &value))
            return FALSE;
    }
    return is_negative ? (*out_value = value, TRUE) : !__builtin_sub_overflow(0, value, out_value);
}

/* A plain scalar means what YAML's core schema says. */
static JsonNode *
resolve_plain(Load *self, const char *text, struct fy_event *event)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};

    if (is_one_of(text, nulls))
        return json_node_new(JSON_NODE_NULL);

    JsonNode *node = json_node_new(JSON_NODE_VALUE);
    const char *digits = NULL;
    guint base = integer_base(text, &digits);
    gint64 value = 0;
    if (is_one_of(text, trues)) {
        json_node_set_boolean(node, TRUE);
    } else if (is_one_of(text, falses)) {
        json_node_set_boolean(node, FALSE);
    } else if (base != 0) {
        if (!parse_integer(digits, base, *text == '-', &value))
            fail_at_event(self, event,
                          "%s does not fit into 64 bits; if it is text, put it into quotes", text);
        json_node_set_int(node, value);
    } else {
        if (is_float(text))
            fail_at_event(
                self, event,
                "%s is a number with a fraction or exponent, and only integers are accepted; if "
                "it is text, put it into quotes",
                text);
        json_node_set_string(node, text);
    }
    return node;
}

/*
 * (transfer full) The text of a scalar event; NULL with an error set. Piece by piece, because the
 * library's own fy_token_get_text (0.7.12) leaks when a text has many escapes.
 */
static char *
dup_text(Load *self, struct fy_event *event)
{
    struct fy_token *token = fy_event_get_token(event);
    if (token == NULL)
        return g_strdup(""); /* `key:` without a value */
    g_autoptr(FyTokenIter) iter = fy_token_iter_create(token);
    g_assert(iter != NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    const struct fy_iter_chunk *chunk = NULL;
    int failure = 0;
    while ((chunk = fy_token_iter_chunk_next(iter, chunk, &failure)) != NULL)
        g_string_append_len(text, chunk->str, (gssize)chunk->len);
    if (failure != 0) {
        fail_at_event(self, event, "text that cannot be read");
        return NULL;
    }
    if (memchr(text->str, '\0', text->len) != NULL) {
        fail_at_event(self, event, "NUL character in text");
        return NULL;
    }
    return g_strdup(text->str);
}

/* What we do not take part in: it would make a value differ from what the eye sees. */
static gboolean
check_plain_node(Load *self, struct fy_event *event)
{
    if (event->type == FYET_ALIAS)
        fail_at_event(self, event, "aliases (*name) are not accepted; write the value out");
    else if (fy_event_get_anchor_token(event) != NULL)
        fail_at_event(self, event, "anchors (&name) are not accepted");
    else if (fy_event_get_tag_token(event) != NULL)
        fail_at_event(self, event, "tags (!name) are not accepted");
    return self->error == NULL;
}

static JsonNode *read_node(Load *self, struct fy_event *event);

static JsonNode *
read_scalar(Load *self, struct fy_event *event)
{
    g_autofree char *text = dup_text(self, event);
    if (text == NULL)
        return json_node_new(JSON_NODE_NULL);
    struct fy_token *token = fy_event_get_token(event);
    if (token == NULL || fy_token_scalar_style(token) == FYSS_PLAIN)
        return resolve_plain(self, text, event);
    JsonNode *node = json_node_new(JSON_NODE_VALUE);
    json_node_set_string(node, text);
    return node;
}

static JsonNode *
read_sequence(Load *self)
{
    JsonArray *array = json_array_new();
    gsize pointer_length = self->pointer->len;
    while (self->error == NULL) {
        g_auto(Event) element = next_event(self);
        if (element.event == NULL || element.event->type == FYET_SEQUENCE_END)
            break;
        g_string_append_printf(self->pointer, "/%u", json_array_get_length(array));
        keep_place(self, element.event);
        json_array_add_element(array, read_node(self, element.event));
        g_string_truncate(self->pointer, pointer_length);
    }
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    return node;
}

/* One `key: value`. */
static void
read_member(Load *self, struct fy_event *key, JsonObject *object)
{
    if (key->type != FYET_SCALAR) {
        fail_at_event(self, key, "a key must be text");
        return;
    }
    g_autofree char *name = check_plain_node(self, key) ? dup_text(self, key) : NULL;
    if (name == NULL)
        return;
    if (json_object_has_member(object, name)) {
        fail_at_event(self, key, "\"%s\" is there twice", name);
        return;
    }
    push_name(self, name);
    keep_place(self, key);
    g_auto(Event) value = next_event(self);
    if (value.event != NULL)
        json_object_set_member(object, name, read_node(self, value.event));
}

static JsonNode *
read_mapping(Load *self)
{
    JsonObject *object = json_object_new();
    gsize pointer_length = self->pointer->len;
    while (self->error == NULL) {
        g_auto(Event) key = next_event(self);
        if (key.event == NULL || key.event->type == FYET_MAPPING_END)
            break;
        read_member(self, key.event, object);
        g_string_truncate(self->pointer, pointer_length);
    }
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

/* The node that the event begins. After an error it is valid and to be dropped. */
static JsonNode *
read_node(Load *self, struct fy_event *event)
{
    if (!check_plain_node(self, event))
        return json_node_new(JSON_NODE_NULL);
    if (event->type == FYET_SCALAR)
        return read_scalar(self, event);

    g_assert(event->type == FYET_MAPPING_START || event->type == FYET_SEQUENCE_START);
    if (self->depth == VR_JSON_DEPTH_MAX) {
        fail_at_event(self, event, "nested more than %d deep", VR_JSON_DEPTH_MAX);
        return json_node_new(JSON_NODE_NULL);
    }
    self->depth++;
    JsonNode *node = event->type == FYET_MAPPING_START ? read_mapping(self) : read_sequence(self);
    self->depth--;
    return node;
}

static JsonNode *
read_root(Load *self)
{
    g_auto(Event) event = next_event(self);
    if (event.event == NULL)
        return json_node_new(JSON_NODE_NULL);
    keep_place(self, event.event);
    return read_node(self, event.event);
}

/* The one document of the stream. */
static JsonNode *
read_stream(Load *self)
{
    if (!take_event(self, FYET_STREAM_START) || !take_event(self, FYET_DOCUMENT_START)) {
        fail(self, NULL, "is empty");
        return NULL;
    }
    g_autoptr(JsonNode) root = read_root(self);
    if (!take_event(self, FYET_DOCUMENT_END))
        return NULL; /* only after an error */

    g_auto(Event) end = next_event(self);
    if (end.event != NULL && end.event->type != FYET_STREAM_END)
        fail_at_event(self, end.event, "a second document begins; only one is read");
    return self->error == NULL ? g_steal_pointer(&root) : NULL;
}

/* The library takes bytes as they come, so they are looked at first. */
static gboolean
check_bytes(Load *self, const char *text, gsize length)
{
    if (length > VR_YAML_BYTES_MAX) {
        fail(self, NULL, "is larger than %d MiB", VR_YAML_BYTES_MAX >> 20);
        return FALSE;
    }
    const char *bad = NULL;
    if (g_utf8_validate_len(text, length, &bad))
        return TRUE;
    struct fy_mark mark = {0};
    for (const char *c = text; c < bad; c++) {
        mark.column = *c == '\n' ? 0 : mark.column + (((guchar)*c & 0xc0) != 0x80);
        mark.line += *c == '\n';
    }
    fail(self, &mark, *bad == '\0' ? "NUL character" : "invalid UTF-8");
    return FALSE;
}

/* What the library cannot collect it would print. */
static void
discard(struct fy_diag *diag, void *user, const char *text, size_t length)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)length;
}

/* Its own flags for quiet and collected errors hold only when it builds the document. */
static FyDiag *
new_silent_diag(void)
{
    struct fy_diag_cfg config;
    fy_diag_cfg_default(&config);
    config.fp = NULL;
    config.output_fn = discard;
    FyDiag *diag = fy_diag_create(&config);
    g_assert(diag != NULL);
    fy_diag_set_collect_errors(diag, TRUE);
    return diag;
}

VrDocument *
vr_yaml_parse(const char *text, gsize length, const char *source, GError **error)
{
    g_autoptr(FyDiag) diag = new_silent_diag();
    const struct fy_parse_cfg config = {
        .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
        .diag = diag,
    };
    g_autoptr(FyParser) parser = fy_parser_create(&config);
    g_assert(parser != NULL);
    g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GString) pointer = g_string_new(NULL);
    Load load = {parser, diag, source, places, pointer, 0, NULL};

    g_autoptr(JsonNode) root = NULL;
    if (check_bytes(&load, text, length)) {
        if (fy_parser_set_string(parser, text, length) == 0)
            root = read_stream(&load);
        else
            fail(&load, NULL, "is empty");
    }
    /* Frees what was collected; dropping the diag would leak it. */
    fy_diag_set_collect_errors(diag, FALSE);
    if (load.error != NULL) {
        g_propagate_error(error, load.error);
        return NULL;
    }
    VrDocument *document = vr_document_new(g_steal_pointer(&root), source, TRUE);
    document->places = g_steal_pointer(&places);
    return document;
}

VrDocument *
vr_yaml_load(const char *path, GError **error)
{
    g_autoptr(VrYamlFile) file = fopen(path, "re");
    if (file == NULL) {
        int reason = errno;
        g_set_error(error, VR_ERROR, reason == ENOENT ? VR_ERROR_NOT_FOUND : VR_ERROR_IO,
                    "%s: cannot be opened: %s", path, g_strerror(reason));
        return NULL;
    }
    g_autoptr(GString) text = g_string_new(NULL);
    char block[1 << 14];
    size_t got = 0;
    /* One byte too many is enough for vr_yaml_parse to refuse it. */
    while (text->len <= VR_YAML_BYTES_MAX && (got = fread(block, 1, sizeof block, file)) > 0)
        g_string_append_len(text, block, (gssize)got);
    if (ferror(file)) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot be read: %s", path,
                    g_strerror(errno));
        return NULL;
    }
    return vr_yaml_parse(text->str, text->len, path, error);
}
