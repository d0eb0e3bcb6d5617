/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict JSON, one value after the other, without building a tree: what vr_json_parse is made of,
 * and what reads a big inventory in little memory. Accepts exactly what json.h says.
 *
 *     vr_json_scan_enter(scan);
 *     while ((name = vr_json_scan_member(scan)) != NULL) {
 *         if (strcmp(name, "memory_mib") == 0 && vr_json_scan_kind(scan) == VR_JSON_INTEGER)
 *             memory_mib = vr_json_scan_integer(scan);
 *         else
 *             vr_json_scan_skip(scan);
 *     }
 *     if (!vr_json_scan_finish(scan, error)) …
 *
 * The first error sticks: from then on loops end, the kind is VR_JSON_BROKEN, and values are empty.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    VR_JSON_BROKEN,
    VR_JSON_NULL,
    VR_JSON_BOOLEAN,
    VR_JSON_INTEGER,
    VR_JSON_STRING,
    VR_JSON_ARRAY,
    VR_JSON_OBJECT,
} VrJsonKind;

typedef struct VrJsonScan VrJsonScan;

/* The text must outlive the scan. */
VrJsonScan *vr_json_scan_new(const char *text, gsize length, const char *source);
void vr_json_scan_free(VrJsonScan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrJsonScan, vr_json_scan_free)

/* What comes next, at a place where a value must stand. */
VrJsonKind vr_json_scan_kind(VrJsonScan *self);

/* Take the value that comes next; it must be of the kind. The string is ours until the next one. */
void vr_json_scan_null(VrJsonScan *self);
gboolean vr_json_scan_boolean(VrJsonScan *self);
gint64 vr_json_scan_integer(VrJsonScan *self);
const char *vr_json_scan_string(VrJsonScan *self);
/* Checks it like all else, whatever it is. */
void vr_json_scan_skip(VrJsonScan *self);

/* Into an array or object; then call element or member until FALSE or NULL, which leaves it. */
void vr_json_scan_enter(VrJsonScan *self);
gboolean vr_json_scan_element(VrJsonScan *self);
/* The name is ours until the next call of this function. */
const char *vr_json_scan_member(VrJsonScan *self);

/* Nothing but space may follow. Gives the first error, VR_ERROR_INVALID. */
gboolean vr_json_scan_finish(VrJsonScan *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
