/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/inventory.h>

#include "base/json-writer.h"
#include "base/time.h"
#include "model/inventory-fields.h"

static void
write_texts(VrJsonWriter *out, const GPtrArray *texts)
{
    vr_json_writer_begin(out, '[');
    for (guint i = 0; i < texts->len; i++)
        vr_json_writer_string(out, g_ptr_array_index(texts, i));
    vr_json_writer_end(out, ']');
}

static void
write_updated(VrJsonWriter *out, VrUpdated updated)
{
    switch (updated) {
    case VR_UPDATED_NO:
        vr_json_writer_boolean(out, FALSE);
        return;
    case VR_UPDATED_YES:
        vr_json_writer_boolean(out, TRUE);
        return;
    case VR_UPDATED_NOT_ASSESSED:
        vr_json_writer_null(out);
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
    case VR_FIELD_HOST:
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
write_field(VrJsonWriter *out, const VrField *field, gconstpointer place)
{
    switch (field->kind) {
    case VR_FIELD_TEXT:
    case VR_FIELD_HOST:
    case VR_FIELD_UUID:
        vr_json_writer_string(out, *(const char *const *)place);
        return;
    case VR_FIELD_INTEGER:
        vr_json_writer_integer(out, *(const gint64 *)place);
        return;
    case VR_FIELD_BOOLEAN:
        vr_json_writer_boolean(out, *(const gboolean *)place);
        return;
    case VR_FIELD_STATE:
        vr_json_writer_string(out, vr_vm_state_to_string(*(const VrVmState *)place));
        return;
    case VR_FIELD_UPDATED:
        write_updated(out, *(const VrUpdated *)place);
        return;
    case VR_FIELD_RULE:
        vr_json_writer_string(out, vr_group_rule_to_string(*(const VrGroupRule *)place));
        return;
    case VR_FIELD_TEXTS:
        write_texts(out, *(const GPtrArray *const *)place);
        return;
    }
    g_assert_not_reached();
}

static void
write_item(VrJsonWriter *out, const VrInventoryKind *kind, gconstpointer item)
{
    vr_json_writer_begin(out, '{');
    for (guint i = 0; i < kind->field_count; i++) {
        const VrField *field = &kind->fields[i];
        gconstpointer place = (const char *)item + field->offset;
        if (!is_written(field, place))
            continue;
        vr_json_writer_name(out, field->name);
        write_field(out, field, place);
    }
    vr_json_writer_end(out, '}');
}

static void
write_items(VrJsonWriter *out, const VrInventoryKind *kind, const GPtrArray *items)
{
    vr_json_writer_name(out, kind->name);
    vr_json_writer_begin(out, '[');
    for (guint i = 0; i < items->len; i++)
        write_item(out, kind, g_ptr_array_index(items, i));
    vr_json_writer_end(out, ']');
}

static void
write_inventory(VrJsonWriter *out, const VrInventory *self, gboolean with_taken_at)
{
    vr_json_writer_begin(out, '{');
    vr_json_writer_name(out, "format");
    vr_json_writer_string(out, VR_INVENTORY_FORMAT);
    write_items(out, &vr_inventory_group_kind, self->groups);
    write_items(out, &vr_inventory_host_kind, self->hosts);
    if (with_taken_at && self->taken_at_us != 0) {
        g_autofree char *taken_at = vr_time_format_utc(self->taken_at_us);
        vr_json_writer_name(out, "taken_at");
        vr_json_writer_string(out, taken_at);
    }
    write_items(out, &vr_inventory_vm_kind, self->vms);
    vr_json_writer_end(out, '}');
}

char *
vr_inventory_digest(const VrInventory *self)
{
    VrJsonWriter out = vr_json_writer_digest();

    write_inventory(&out, self, FALSE);
    return vr_json_writer_finish(&out);
}

char *
vr_inventory_format(const VrInventory *self)
{
    VrJsonWriter out = vr_json_writer_text();

    write_inventory(&out, self, TRUE);
    g_string_append_c(out.text, '\n');
    return vr_json_writer_finish(&out);
}
