/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Host names with ranges, as in a fleet file. */
#include <string.h>

#include <virt-roll/fleet.h>
#include <virt-roll/inventory.h>

#include "fuzz.h"
#include "model/host-name.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *pattern = vr_fuzz_text(data, size);
    g_auto(GStrv) names = vr_host_range_expand(pattern, &error);

    if (names == NULL) {
        vr_fuzz_check_error(error, "\"");
        return 0;
    }
    guint count = g_strv_length(names);
    g_assert_true(count >= 1 && count <= VR_HOSTS_MAX);
    for (guint i = 0; i < count; i++)
        g_assert_true(vr_host_name_is_valid(names[i]));
    if (strchr(pattern, '[') == NULL) {
        g_assert_cmpuint(count, ==, 1);
        g_assert_cmpstr(names[0], ==, pattern);
    }
    return 0;
}
