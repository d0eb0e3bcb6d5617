/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host's capabilities as it sends them. */
#include <string.h>

#include "adapters/libvirt/xml.h"
#include "fuzz.h"

static void
check_capabilities(const VrCapabilities *capabilities)
{
    const char *uuid = capabilities->host_uuid;

    vr_fuzz_check_utf8(capabilities->cpu_model);
    g_assert_true(capabilities->cpu_model == NULL || capabilities->cpu_model[0] != '\0');
    if (uuid != NULL) {
        g_autofree char *lower = g_ascii_strdown(uuid, -1);
        g_assert_true(g_uuid_string_is_valid(uuid));
        g_assert_cmpstr(uuid, ==, lower);
        g_assert_cmpuint(strspn(uuid, "0-"), <, strlen(uuid));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = vr_fuzz_text(data, size);
    g_auto(VrCapabilities) capabilities = {0};

    vr_xml_prepare_process();
    if (vr_xml_parse_capabilities(text, &capabilities, &error)) {
        check_capabilities(&capabilities);
        return 0;
    }
    vr_fuzz_check_error(error, "XML of libvirt: ");
    g_assert_true(capabilities.host_uuid == NULL && capabilities.cpu_model == NULL);
    return 0;
}
