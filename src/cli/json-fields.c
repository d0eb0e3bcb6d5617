/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/json-fields.h"

#include <virt-roll/inventory.h>

#include "base/time.h"

void
vr_json_fields_string(JsonBuilder *builder, const char *name, const char *value)
{
    json_builder_set_member_name(builder, name);
    if (value != NULL)
        json_builder_add_string_value(builder, value);
    else
        json_builder_add_null_value(builder);
}

void
vr_json_fields_integer(JsonBuilder *builder, const char *name, gint64 value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, value);
}

void
vr_json_fields_optional(JsonBuilder *builder, const char *name, gint64 value)
{
    if (value == VR_UNKNOWN)
        vr_json_fields_string(builder, name, NULL);
    else
        vr_json_fields_integer(builder, name, value);
}

void
vr_json_fields_boolean(JsonBuilder *builder, const char *name, gboolean value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}

void
vr_json_fields_time(JsonBuilder *builder, const char *name, gint64 at_us)
{
    g_autofree char *text = at_us != 0 ? vr_time_format_utc(at_us) : NULL;

    vr_json_fields_string(builder, name, text);
}

void
vr_json_fields_span(JsonBuilder *builder, const char *name, gint64 from_us, gint64 to_us)
{
    gboolean known = from_us != 0 && to_us != 0;

    vr_json_fields_optional(builder, name, known ? MAX(to_us - from_us, 0) / VR_MS_US : VR_UNKNOWN);
}

void
vr_json_fields_failure(JsonBuilder *builder, VrFailure failure)
{
    const VrFailureInfo *info = failure != VR_FAILURE_NONE ? vr_failure_info(failure) : NULL;

    vr_json_fields_string(builder, "failure", info != NULL ? info->word : NULL);
    vr_json_fields_string(builder, "failure_class",
                          info != NULL ? vr_failure_class_to_string(info->class) : NULL);
}

char *
vr_json_fields_finish(JsonBuilder *builder)
{
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *canonical = vr_json_canonical(root);

    return g_strconcat(canonical, "\n", NULL);
}
