/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/inventory.h>

#include <string.h>

#include <virt-roll/error.h>

#include "base/json-scan.h"
#include "base/time.h"
#include "model/inventory-fields.h"

typedef struct {
    VrJsonScan *scan;
    VrInventory *inventory;
    const char *source;
    GError *error; /* of ours; the scan has its own */

    /* Where we are, for messages; kind NULL: at the top. */
    const VrInventoryKind *kind;
    guint index;
} Load;

/* field NULL: the element itself. */
static void
fail(Load *self, const char *field, const char *problem)
{
    if (self->error != NULL)
        return;
    g_autofree char *place = self->kind == NULL
                                 ? g_strdup("")
                                 : g_strdup_printf("%s[%u]", self->kind->name, self->index);
    const char *separator = field == NULL || self->kind == NULL ? "" : ".";
    self->error = vr_error_new(VR_ERROR_INVALID, "%s: %s%s%s: %s", self->source, place, separator,
                               field == NULL ? "" : field, problem);
}

static void
fail_word(Load *self, const char *field, const char *word, const char *const *words)
{
    GString *problem = g_string_new("must be one of");
    for (guint i = 0; words[i] != NULL; i++)
        g_string_append_printf(problem, "%s %s", i == 0 ? "" : ",", words[i]);
    g_string_append_printf(problem, ", not \"%s\"", word);
    fail(self, field, problem->str);
    g_string_free(problem, TRUE);
}

/* FALSE: a value of another type, which is an error. */
static gboolean
check_kind(Load *self, const char *field, VrJsonKind wanted)
{
    static const char *const words[] = {
        [VR_JSON_BROKEN] = "",
        [VR_JSON_NULL] = "null",
        [VR_JSON_BOOLEAN] = "true or false",
        [VR_JSON_INTEGER] = "an integer",
        [VR_JSON_STRING] = "a string",
        [VR_JSON_ARRAY] = "an array",
        [VR_JSON_OBJECT] = "an object",
    };
    VrJsonKind found = vr_json_scan_kind(self->scan);
    if (found == wanted)
        return TRUE;
    if (found != VR_JSON_BROKEN) {
        g_autofree char *problem =
            g_strdup_printf("must be %s, not %s", words[wanted], words[found]);
        fail(self, field, problem);
    }
    return FALSE;
}

/* UUIDs come with and without hyphens, in both cases. What is none stays as it is. */
static char *
canonical_uuid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    char canonical[sizeof shape];
    gsize at = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '-')
            continue;
        if (shape[at] == '-')
            canonical[at++] = '-';
        if (shape[at] == '\0' || !g_ascii_isxdigit(*c))
            return g_strdup(text);
        canonical[at++] = g_ascii_tolower(*c);
    }
    canonical[at] = '\0';
    return g_strdup(shape[at] == '\0' ? canonical : text);
}

static void
replace_text(gpointer place, char *text)
{
    char **member = place;
    g_free(*member);
    *member = text;
}

static void
read_text(Load *self, const VrField *field, gpointer place)
{
    if (!check_kind(self, field->name, VR_JSON_STRING))
        return;
    const char *text = vr_json_scan_string(self->scan);
    gboolean is_none = field->kind == VR_FIELD_UUID && !field->required &&
                       (text[0] == '\0' || strcmp(text, "none") == 0);
    if (is_none)
        replace_text(place, NULL);
    else
        replace_text(place, field->kind == VR_FIELD_UUID ? canonical_uuid(text) : g_strdup(text));
}

static void
read_host(Load *self, const VrField *field, char **place)
{
    if (!check_kind(self, field->name, VR_JSON_STRING))
        return;
    char *name = vr_inventory_share_host(self->inventory, vr_json_scan_string(self->scan));
    g_clear_pointer(place, g_ref_string_release);
    *place = name;
}

static void
read_integer(Load *self, const VrField *field, gint64 *place)
{
    if (!check_kind(self, field->name, VR_JSON_INTEGER))
        return;
    *place = vr_json_scan_integer(self->scan);
    if (*place < 0)
        fail(self, field->name, "must not be negative");
}

static void
read_boolean(Load *self, const VrField *field, gboolean *place)
{
    if (check_kind(self, field->name, VR_JSON_BOOLEAN))
        *place = vr_json_scan_boolean(self->scan);
}

static void
read_state(Load *self, const VrField *field, VrVmState *place)
{
    if (!check_kind(self, field->name, VR_JSON_STRING))
        return;
    const char *word = vr_json_scan_string(self->scan);
    if (!vr_vm_state_from_string(word, place))
        fail_word(self, field->name, word, vr_vm_state_words());
}

static void
read_rule(Load *self, const VrField *field, VrGroupRule *place)
{
    if (!check_kind(self, field->name, VR_JSON_STRING))
        return;
    const char *word = vr_json_scan_string(self->scan);
    if (!vr_group_rule_from_string(word, place))
        fail_word(self, field->name, word, vr_group_rule_words());
}

static void
read_updated(Load *self, const VrField *field, VrUpdated *place)
{
    if (check_kind(self, field->name, VR_JSON_BOOLEAN))
        *place = vr_json_scan_boolean(self->scan) ? VR_UPDATED_YES : VR_UPDATED_NO;
}

static void
read_texts(Load *self, const VrField *field, GPtrArray *place)
{
    if (!check_kind(self, field->name, VR_JSON_ARRAY))
        return;
    vr_json_scan_enter(self->scan);
    while (self->error == NULL && vr_json_scan_element(self->scan)) {
        if (check_kind(self, field->name, VR_JSON_STRING))
            g_ptr_array_add(place, g_strdup(vr_json_scan_string(self->scan)));
    }
}

static void
read_field(Load *self, const VrField *field, gpointer item)
{
    /* Null is as good as absent; for `updated` both mean that nobody has assessed it. */
    if (!field->required && vr_json_scan_kind(self->scan) == VR_JSON_NULL) {
        vr_json_scan_null(self->scan);
        return;
    }
    gpointer place = G_STRUCT_MEMBER_P(item, field->offset);
    switch (field->kind) {
    case VR_FIELD_TEXT:
    case VR_FIELD_UUID:
        read_text(self, field, place);
        return;
    case VR_FIELD_HOST:
        read_host(self, field, place);
        return;
    case VR_FIELD_INTEGER:
        read_integer(self, field, place);
        return;
    case VR_FIELD_BOOLEAN:
        read_boolean(self, field, place);
        return;
    case VR_FIELD_STATE:
        read_state(self, field, place);
        return;
    case VR_FIELD_UPDATED:
        read_updated(self, field, place);
        return;
    case VR_FIELD_RULE:
        read_rule(self, field, place);
        return;
    case VR_FIELD_TEXTS:
        read_texts(self, field, *(GPtrArray **)place);
        return;
    }
    g_assert_not_reached();
}

/* Index of the field; -1: unknown to us. */
static gint
find_field(const VrInventoryKind *kind, const char *name)
{
    guint low = 0;
    guint high = kind->field_count;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        int order = strcmp(kind->fields[middle].name, name);
        if (order == 0)
            return (gint)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static void
read_item(Load *self)
{
    const VrInventoryKind *kind = self->kind;
    if (!check_kind(self, NULL, VR_JSON_OBJECT))
        return;
    gpointer item = kind->add(self->inventory);
    guint seen = 0; /* a bit per field */
    vr_json_scan_enter(self->scan);
    for (const char *name;
         self->error == NULL && (name = vr_json_scan_member(self->scan)) != NULL;) {
        gint index = find_field(kind, name);
        if (index < 0) {
            vr_json_scan_skip(self->scan);
            continue;
        }
        seen |= 1u << index;
        read_field(self, &kind->fields[index], item);
    }
    for (guint i = 0; i < kind->field_count; i++) {
        if (kind->fields[i].required && (seen & 1u << i) == 0)
            fail(self, kind->fields[i].name, "is missing");
    }
}

static void
read_items(Load *self, const VrInventoryKind *kind)
{
    if (!check_kind(self, kind->name, VR_JSON_ARRAY))
        return;
    vr_json_scan_enter(self->scan);
    self->kind = kind;
    for (self->index = 0; self->error == NULL && vr_json_scan_element(self->scan); self->index++)
        read_item(self);
    self->kind = NULL;
}

static void
read_format(Load *self)
{
    if (check_kind(self, "format", VR_JSON_STRING) &&
        strcmp(vr_json_scan_string(self->scan), VR_INVENTORY_FORMAT) != 0)
        fail(self, "format", "must be \"" VR_INVENTORY_FORMAT "\"");
}

static void
read_taken_at(Load *self)
{
    if (check_kind(self, "taken_at", VR_JSON_STRING) &&
        !vr_time_parse_utc(vr_json_scan_string(self->scan), &self->inventory->taken_at_us))
        fail(self, "taken_at", "must be a time in UTC such as \"2026-11-22T03:00:00Z\"");
}

static void
read_member(Load *self, const char *name)
{
    if (strcmp(name, "format") == 0)
        read_format(self);
    else if (vr_json_scan_kind(self->scan) == VR_JSON_NULL)
        vr_json_scan_null(self->scan);
    else if (strcmp(name, "taken_at") == 0)
        read_taken_at(self);
    else if (strcmp(name, vr_inventory_host_kind.name) == 0)
        read_items(self, &vr_inventory_host_kind);
    else if (strcmp(name, vr_inventory_group_kind.name) == 0)
        read_items(self, &vr_inventory_group_kind);
    else if (strcmp(name, vr_inventory_vm_kind.name) == 0)
        read_items(self, &vr_inventory_vm_kind);
    else
        vr_json_scan_skip(self->scan);
}

/* Members may come in any order; only seal looks at how they hang together. */
static gboolean
read_inventory(Load *self, GError **error)
{
    gboolean has_format = FALSE;
    VrJsonKind kind = vr_json_scan_kind(self->scan);
    if (kind == VR_JSON_OBJECT)
        vr_json_scan_enter(self->scan);
    else if (kind != VR_JSON_BROKEN)
        fail(self, "", "an inventory must be an object");
    for (const char *name; kind == VR_JSON_OBJECT && self->error == NULL &&
                           (name = vr_json_scan_member(self->scan)) != NULL;) {
        has_format = has_format || strcmp(name, "format") == 0;
        read_member(self, name);
    }
    if (self->error == NULL && !vr_json_scan_finish(self->scan, error))
        return FALSE;
    if (!has_format)
        fail(self, "format", "is missing; must be \"" VR_INVENTORY_FORMAT "\"");
    if (self->error == NULL)
        return TRUE;
    g_propagate_error(error, self->error);
    return FALSE;
}

VrInventory *
vr_inventory_parse(const char *text, gsize length, const char *source, GError **error)
{
    g_autoptr(VrJsonScan) scan = vr_json_scan_new(text, length, source);
    g_autoptr(VrInventory) inventory = vr_inventory_new();
    Load load = {.scan = scan, .inventory = inventory, .source = source};
    if (!read_inventory(&load, error))
        return NULL;
    g_autoptr(GError) problem = NULL;
    if (!vr_inventory_seal(inventory, &problem)) {
        vr_error_set(error, VR_ERROR_INVALID, "%s: %s", source, problem->message);
        return NULL;
    }
    return g_steal_pointer(&inventory);
}
