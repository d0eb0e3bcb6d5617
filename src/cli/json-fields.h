/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of a JSON object in the making; what is not known is null, never left out. */
#pragma once

#include <virt-roll/failure.h>

#include "base/json.h"

G_BEGIN_DECLS

void vr_json_fields_string(JsonBuilder *builder, const char *name, const char *value);
void vr_json_fields_integer(JsonBuilder *builder, const char *name, gint64 value);
/* null if it is VR_UNKNOWN */
void vr_json_fields_optional(JsonBuilder *builder, const char *name, gint64 value);
void vr_json_fields_boolean(JsonBuilder *builder, const char *name, gboolean value);
/* UTC; null if it is 0 */
void vr_json_fields_time(JsonBuilder *builder, const char *name, gint64 at_us);
/* In ms; null unless both are known. */
void vr_json_fields_span(JsonBuilder *builder, const char *name, gint64 from_us, gint64 to_us);

/* Members "failure" and "failure_class"; both null for NONE. */
void vr_json_fields_failure(JsonBuilder *builder, VrFailure failure);

/* Canonical, one line, with its newline. (transfer full) */
char *vr_json_fields_finish(JsonBuilder *builder);

G_END_DECLS
