/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/inventory.h>

#include "base/json.h"
#include "base/time.h"
#include "model/inventory-fields.h"

static void
append_texts(GString *out, const GPtrArray *texts)
{
    g_string_append_c(out, '[');
    for (guint i = 0; i < texts->len; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        vr_json_append_string(out, g_ptr_array_index(texts, i));
    }
    g_string_append_c(out, ']');
}

static void
append_updated(GString *out, VrUpdated updated)
{
    switch (updated) {
    case VR_UPDATED_NO:
        g_string_append(out, "false");
        return;
    case VR_UPDATED_YES:
        g_string_append(out, "true");
        return;
    case VR_UPDATED_NOT_ASSESSED:
        g_string_append(out, "null");
        return;
    }
    g_assert_not_reached();
}

/* Unknown numbers, texts that are not there and empty lists are left out. */
static gboolean
is_written(const VrField *field, gconstpointer place)
{
    switch (field->kind) {
    case VR_FIELD_TEXT:
    case VR_FIELD_UUID:
        return *(const char *const *)place != NULL;
    case VR_FIELD_INTEGER:
        return *(const gint64 *)place != VR_UNKNOWN;
    case VR_FIELD_TEXTS:
        return (*(const GPtrArray *const *)place)->len > 0;
    case VR_FIELD_BOOLEAN:
    case VR_FIELD_STATE:
    case VR_FIELD_UPDATED:
    case VR_FIELD_RULE:
        return TRUE;
    }
    g_assert_not_reached();
}

static void
append_field(GString *out, const VrField *field, gconstpointer place)
{
    switch (field->kind) {
    case VR_FIELD_TEXT:
    case VR_FIELD_UUID:
        vr_json_append_string(out, *(const char *const *)place);
        return;
    case VR_FIELD_INTEGER:
        vr_json_append_integer(out, *(const gint64 *)place);
        return;
    case VR_FIELD_BOOLEAN:
        g_string_append(out, *(const gboolean *)place ? "true" : "false");
        return;
    case VR_FIELD_STATE:
        vr_json_append_string(out, vr_vm_state_to_string(*(const VrVmState *)place));
        return;
    case VR_FIELD_UPDATED:
        append_updated(out, *(const VrUpdated *)place);
        return;
    case VR_FIELD_RULE:
        vr_json_append_string(out, vr_group_rule_to_string(*(const VrGroupRule *)place));
        return;
    case VR_FIELD_TEXTS:
        append_texts(out, *(const GPtrArray *const *)place);
        return;
    }
    g_assert_not_reached();
}

static void
append_item(GString *out, const VrInventoryKind *kind, gconstpointer item)
{
    gboolean is_first = TRUE;
    g_string_append_c(out, '{');
    for (guint i = 0; i < kind->field_count; i++) {
        const VrField *field = &kind->fields[i];
        gconstpointer place = (const char *)item + field->offset;
        if (!is_written(field, place))
            continue;
        if (!is_first)
            g_string_append_c(out, ',');
        is_first = FALSE;
        g_string_append_c(out, '"');
        g_string_append(out, field->name);
        g_string_append(out, "\":");
        append_field(out, field, place);
    }
    g_string_append_c(out, '}');
}

static void
append_items(GString *out, const VrInventoryKind *kind, const GPtrArray *items, VrJsonSum *sum)
{
    g_string_append_printf(out, ",\"%s\":[", kind->name);
    for (guint i = 0; i < items->len; i++) {
        if (i > 0)
            g_string_append_c(out, ',');
        append_item(out, kind, g_ptr_array_index(items, i));
        if (sum != NULL)
            vr_json_sum_flush(sum);
    }
    g_string_append_c(out, ']');
}

/* `sum` (nullable) is what `out` belongs to. */
static void
append_canonical(GString *out, const VrInventory *self, gboolean with_taken_at, VrJsonSum *sum)
{
    g_string_append(out, "{\"format\":\"" VR_INVENTORY_FORMAT "\"");
    append_items(out, &vr_inventory_group_kind, self->groups, sum);
    append_items(out, &vr_inventory_host_kind, self->hosts, sum);
    if (with_taken_at && self->taken_at_us != 0) {
        g_autofree char *taken_at = vr_time_format_utc(self->taken_at_us);
        g_string_append_printf(out, ",\"taken_at\":\"%s\"", taken_at);
    }
    append_items(out, &vr_inventory_vm_kind, self->vms, sum);
    g_string_append_c(out, '}');
}

char *
vr_inventory_digest(const VrInventory *self)
{
    g_autoptr(VrJsonSum) sum = vr_json_sum_new();

    append_canonical(sum->text, self, FALSE, sum);
    return vr_json_sum_finish(sum);
}

char *
vr_inventory_format(const VrInventory *self)
{
    GString *text = g_string_new(NULL);

    append_canonical(text, self, TRUE, NULL);
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}
