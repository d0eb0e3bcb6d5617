/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json-scan.h"

#include <string.h>

#include <virt-roll/error.h>

#include "base/json.h"

/* From so many members on, names are found by hash instead of one by one. */
#define MEMBERS_MANY 32

typedef struct {
    gboolean is_object;
    gboolean is_empty; /* no element or member yet: no comma before the next */
    guint keys_start;  /* our part of self->keys */
    gsize names_start; /* and of self->names */
    GHashTable *many;  /* (nullable) a set of names instead */
} Level;

typedef struct {
    guint hash;
    gsize offset; /* into self->names */
} Key;

struct VrJsonScan {
    const char *at;
    const char *end;
    const char *begin;
    char *source;
    GString *string;
    GString *name;
    GArray *keys;   /* of all open objects */
    GString *names; /* their texts, each with its NUL */
    Level levels[VR_JSON_DEPTH_MAX];
    guint depth;
    GError *error;
};

static void
fail(VrJsonScan *self, const char *at, const char *problem)
{
    if (self->error != NULL)
        return;

    guint line = 1;
    guint column = 1;
    for (const char *c = self->begin; c < at; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if (((guchar)*c & 0xc0) != 0x80) { /* UTF-8 goes on: the same character */
            column++;
        }
    }
    self->error =
        vr_error_new(VR_ERROR_INVALID, "%s:%u:%u: %s", self->source, line, column, problem);
    self->at = self->end;
}

static void
fail_unexpected(VrJsonScan *self, const char *wanted)
{
    g_autofree char *problem = NULL;
    if (self->at == self->end) {
        problem = g_strdup_printf("the text ends where %s is expected", wanted);
    } else if ((guchar)*self->at < 0x20) {
        problem =
            g_strdup_printf("character 0x%02x where %s is expected", (guchar)*self->at, wanted);
    } else {
        const char *next = g_utf8_next_char(self->at);
        problem = g_strdup_printf("'%.*s' where %s is expected", (int)(next - self->at), self->at,
                                  wanted);
    }
    fail(self, self->at, problem);
}

static void
skip_space(VrJsonScan *self)
{
    while (self->at < self->end &&
           (*self->at == ' ' || *self->at == '\n' || *self->at == '\r' || *self->at == '\t'))
        self->at++;
}

/* Is it the next character? Then it is taken. */
static gboolean
take(VrJsonScan *self, char character)
{
    if (self->at == self->end || *self->at != character)
        return FALSE;
    self->at++;
    return TRUE;
}

/* The four digits of \uXXXX; -1 with an error set. */
static gint32
take_hex4(VrJsonScan *self)
{
    gint32 value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = self->at < self->end ? g_ascii_xdigit_value(*self->at) : -1;
        if (digit < 0) {
            fail(self, self->at, "\\u needs four hexadecimal digits");
            return -1;
        }
        value = value * 16 + digit;
        self->at++;
    }
    return value;
}

static void
take_unicode_escape(VrJsonScan *self, const char *escape, GString *out)
{
    gint32 character = take_hex4(self);
    if (character < 0)
        return;
    if (character == 0) {
        fail(self, escape, "NUL in a string");
        return;
    }
    if (character >= 0xd800 && character <= 0xdbff && take(self, '\\') && take(self, 'u')) {
        gint32 low = take_hex4(self);
        if (low >= 0xdc00 && low <= 0xdfff)
            character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
    }
    if (character >= 0xd800 && character <= 0xdfff) {
        fail(self, escape, "half of a surrogate pair");
        return;
    }
    g_string_append_unichar(out, (gunichar)character);
}

static void
take_escape(VrJsonScan *self, GString *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";

    const char *escape = self->at - 1;
    if (take(self, 'u')) {
        take_unicode_escape(self, escape, out);
        return;
    }
    const char *letter = self->at < self->end ? memchr(letters, *self->at, strlen(letters)) : NULL;
    if (letter == NULL) {
        fail(self, escape, "unknown escape in a string");
        return;
    }
    g_string_append_c(out, meanings[letter - letters]);
    self->at++;
}

static void
take_string(VrJsonScan *self, GString *out)
{
    g_string_truncate(out, 0);
    if (!take(self, '"')) {
        fail_unexpected(self, "a string");
        return;
    }
    while (self->error == NULL) {
        const char *start = self->at;
        while (self->at < self->end && *self->at != '"' && *self->at != '\\' &&
               (guchar)*self->at >= 0x20)
            self->at++;
        g_string_append_len(out, start, self->at - start);

        if (take(self, '"'))
            return;
        if (take(self, '\\'))
            take_escape(self, out);
        else if (self->at == self->end)
            fail(self, self->at, "the text ends inside a string");
        else
            fail(self, self->at, "control character in a string; write it as \\u00XX");
    }
}

static void
take_word(VrJsonScan *self, const char *word)
{
    gsize length = strlen(word);
    if ((gsize)(self->end - self->at) < length || memcmp(self->at, word, length) != 0) {
        fail_unexpected(self, "a value");
        return;
    }
    self->at += length;
}

static Level *
open_level(VrJsonScan *self, gboolean is_object)
{
    g_assert(self->depth > 0);
    Level *level = &self->levels[self->depth - 1];
    g_assert(level->is_object == is_object);
    return level;
}

static void
close_level(VrJsonScan *self, const Level *level)
{
    g_array_set_size(self->keys, level->keys_start);
    g_string_truncate(self->names, level->names_start);
    g_clear_pointer(&self->levels[self->depth - 1].many, g_hash_table_unref);
    self->depth--;
}

/*
 * The part that arrays and objects share: the comma or the end. FALSE: it ended, or an error.
 */
static gboolean
advance(VrJsonScan *self, Level *level, char closing)
{
    if (self->error != NULL)
        return FALSE;
    skip_space(self);
    if (take(self, closing)) {
        close_level(self, level);
        return FALSE;
    }
    if (!level->is_empty && !take(self, ',')) {
        fail_unexpected(self, level->is_object ? "',' or '}'" : "',' or ']'");
        return FALSE;
    }
    level->is_empty = FALSE;
    skip_space(self);
    return TRUE;
}

/* FALSE: the present object has this name already. */
static gboolean
remember_name(VrJsonScan *self, Level *level)
{
    if (level->many != NULL)
        return g_hash_table_add(level->many, g_strdup(self->name->str));

    guint hash = g_str_hash(self->name->str);
    for (guint i = level->keys_start; i < self->keys->len; i++) {
        const Key *key = &g_array_index(self->keys, Key, i);
        if (key->hash == hash && strcmp(self->names->str + key->offset, self->name->str) == 0)
            return FALSE;
    }
    if (self->keys->len - level->keys_start == MEMBERS_MANY) {
        level->many = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = level->keys_start; i < self->keys->len; i++) {
            const Key *key = &g_array_index(self->keys, Key, i);
            g_hash_table_add(level->many, g_strdup(self->names->str + key->offset));
        }
        return g_hash_table_add(level->many, g_strdup(self->name->str));
    }
    Key key = {hash, self->names->len};
    g_array_append_val(self->keys, key);
    g_string_append_len(self->names, self->name->str, (gssize)self->name->len + 1);
    return TRUE;
}

VrJsonScan *
vr_json_scan_new(const char *text, gsize length, const char *source)
{
    g_assert(source != NULL);
    VrJsonScan *self = g_new0(VrJsonScan, 1);
    self->begin = self->at = length == 0 ? "" : text;
    self->end = self->begin + length;
    self->source = g_strdup(source);
    self->string = g_string_new(NULL);
    self->name = g_string_new(NULL);
    self->keys = g_array_new(FALSE, FALSE, sizeof(Key));
    self->names = g_string_new(NULL);

    const char *bad = NULL;
    if (length > 0 && !g_utf8_validate_len(self->begin, length, &bad))
        fail(self, bad, *bad == '\0' ? "NUL character" : "invalid UTF-8");
    return self;
}

void
vr_json_scan_free(VrJsonScan *self)
{
    if (self == NULL)
        return;
    for (guint i = 0; i < self->depth; i++)
        g_clear_pointer(&self->levels[i].many, g_hash_table_unref);
    g_free(self->source);
    g_string_free(self->string, TRUE);
    g_string_free(self->name, TRUE);
    g_array_unref(self->keys);
    g_string_free(self->names, TRUE);
    g_clear_error(&self->error);
    g_free(self);
}

VrJsonKind
vr_json_scan_kind(VrJsonScan *self)
{
    if (self->error != NULL)
        return VR_JSON_BROKEN;
    skip_space(self);
    switch (self->at < self->end ? *self->at : '\0') {
    case 'n':
        return VR_JSON_NULL;
    case 't':
    case 'f':
        return VR_JSON_BOOLEAN;
    case '"':
        return VR_JSON_STRING;
    case '[':
        return VR_JSON_ARRAY;
    case '{':
        return VR_JSON_OBJECT;
    case '-':
        return VR_JSON_INTEGER;
    default:
        if (self->at < self->end && g_ascii_isdigit(*self->at))
            return VR_JSON_INTEGER;
        fail_unexpected(self, "a value");
        return VR_JSON_BROKEN;
    }
}

void
vr_json_scan_null(VrJsonScan *self)
{
    if (vr_json_scan_kind(self) != VR_JSON_BROKEN)
        take_word(self, "null");
}

gboolean
vr_json_scan_boolean(VrJsonScan *self)
{
    if (vr_json_scan_kind(self) == VR_JSON_BROKEN)
        return FALSE;
    gboolean value = *self->at == 't';
    take_word(self, value ? "true" : "false");
    return value && self->error == NULL;
}

gint64
vr_json_scan_integer(VrJsonScan *self)
{
    if (vr_json_scan_kind(self) == VR_JSON_BROKEN)
        return 0;

    const char *start = self->at;
    gboolean is_negative = take(self, '-');
    gboolean is_zero = self->at < self->end && *self->at == '0';
    const char *digits = self->at;
    gint64 value = 0;
    gboolean overflow = FALSE;
    /* Counted below zero, where there is room for the smallest number. */
    for (; self->at < self->end && g_ascii_isdigit(*self->at); self->at++)
        overflow = overflow || __builtin_mul_overflow(value, 10, &value) ||
                   __builtin_sub_overflow(value, *self->at - '0', &value);
    if (!is_negative)
        overflow = overflow || __builtin_sub_overflow(0, value, &value);

    if (self->at == digits)
        fail_unexpected(self, "a digit");
    else if (is_zero && self->at > digits + 1)
        fail(self, start, "a number begins with 0");
    else if (self->at < self->end && (*self->at == '.' || *self->at == 'e' || *self->at == 'E'))
        fail(self, start, "a number with a fraction or exponent; only integers are accepted");
    else if (overflow)
        fail(self, start, "a number that does not fit into 64 bits");
    return self->error == NULL ? value : 0;
}

const char *
vr_json_scan_string(VrJsonScan *self)
{
    if (vr_json_scan_kind(self) != VR_JSON_BROKEN)
        take_string(self, self->string);
    return self->error == NULL ? self->string->str : "";
}

void
vr_json_scan_skip(VrJsonScan *self)
{
    switch (vr_json_scan_kind(self)) {
    case VR_JSON_BROKEN:
        return;
    case VR_JSON_NULL:
        vr_json_scan_null(self);
        return;
    case VR_JSON_BOOLEAN:
        (void)vr_json_scan_boolean(self);
        return;
    case VR_JSON_INTEGER:
        (void)vr_json_scan_integer(self);
        return;
    case VR_JSON_STRING:
        (void)vr_json_scan_string(self);
        return;
    case VR_JSON_ARRAY:
        vr_json_scan_enter(self);
        while (vr_json_scan_element(self))
            vr_json_scan_skip(self);
        return;
    case VR_JSON_OBJECT:
        vr_json_scan_enter(self);
        while (vr_json_scan_member(self) != NULL)
            vr_json_scan_skip(self);
        return;
    }
    g_assert_not_reached();
}

void
vr_json_scan_enter(VrJsonScan *self)
{
    VrJsonKind kind = vr_json_scan_kind(self);
    if (kind == VR_JSON_BROKEN)
        return;
    g_assert(kind == VR_JSON_ARRAY || kind == VR_JSON_OBJECT);
    if (self->depth == VR_JSON_DEPTH_MAX) {
        fail(self, self->at, "nested more than " G_STRINGIFY(VR_JSON_DEPTH_MAX) " deep");
        return;
    }
    self->at++;
    self->levels[self->depth++] = (Level){
        .is_object = kind == VR_JSON_OBJECT,
        .is_empty = TRUE,
        .keys_start = self->keys->len,
        .names_start = self->names->len,
    };
}

gboolean
vr_json_scan_element(VrJsonScan *self)
{
    if (self->error != NULL)
        return FALSE;
    return advance(self, open_level(self, FALSE), ']');
}

const char *
vr_json_scan_member(VrJsonScan *self)
{
    if (self->error != NULL)
        return NULL;
    Level *level = open_level(self, TRUE);
    if (!advance(self, level, '}'))
        return NULL;

    const char *start = self->at;
    if (start == self->end || *start != '"')
        fail_unexpected(self, "a member's name");
    else
        take_string(self, self->name);
    if (self->error == NULL && !remember_name(self, level)) {
        g_autofree char *problem = g_strdup_printf("\"%s\" is there twice", self->name->str);
        fail(self, start, problem);
    }
    skip_space(self);
    if (self->error == NULL && !take(self, ':'))
        fail_unexpected(self, "':'");
    return self->error == NULL ? self->name->str : NULL;
}

gboolean
vr_json_scan_finish(VrJsonScan *self, GError **error)
{
    if (self->error == NULL) {
        g_assert(self->depth == 0);
        skip_space(self);
        if (self->at < self->end)
            fail_unexpected(self, "the end of the text");
    }
    if (self->error == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&self->error));
    return FALSE;
}
