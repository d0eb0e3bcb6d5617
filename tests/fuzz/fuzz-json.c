/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strict JSON: the tree and the scan accept the same texts, and what they accept comes back. */
#include <string.h>

#include "base/json-scan.h"
#include "base/json.h"
#include "fuzz.h"

#define SOURCE "input.json"

/* Every value once more, by the call for its kind. */
static void
take_value(VrJsonScan *scan)
{
    switch (vr_json_scan_kind(scan)) {
    case VR_JSON_BROKEN:
        return;
    case VR_JSON_NULL:
        vr_json_scan_null(scan);
        return;
    case VR_JSON_BOOLEAN:
        (void)vr_json_scan_boolean(scan);
        return;
    case VR_JSON_INTEGER:
        (void)vr_json_scan_integer(scan);
        return;
    case VR_JSON_STRING:
        vr_fuzz_check_utf8(vr_json_scan_string(scan));
        return;
    case VR_JSON_ARRAY:
        vr_json_scan_enter(scan);
        while (vr_json_scan_element(scan))
            take_value(scan);
        return;
    case VR_JSON_OBJECT:
        vr_json_scan_enter(scan);
        for (const char *name; (name = vr_json_scan_member(scan)) != NULL;) {
            vr_fuzz_check_utf8(name);
            take_value(scan);
        }
        return;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) scan_error = NULL;
    g_autoptr(JsonNode) root = vr_json_parse(text, size, SOURCE, &error);
    g_autoptr(VrJsonScan) scan = vr_json_scan_new(text, size, SOURCE);

    take_value(scan);
    g_assert_cmpint(vr_json_scan_finish(scan, &scan_error), ==, root != NULL);
    if (root == NULL) {
        vr_fuzz_check_error(error, SOURCE ":");
        g_assert_cmpstr(error->message, ==, scan_error->message);
        return 0;
    }

    g_autofree char *canonical = vr_json_canonical(root);
    g_autoptr(JsonNode) back = vr_json_parse(canonical, strlen(canonical), SOURCE, &error);
    g_assert_no_error(error);
    g_assert_true(json_node_equal(root, back));
    g_autofree char *again = vr_json_canonical(back);
    g_assert_cmpstr(again, ==, canonical);
    return 0;
}
