/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's XML as a host sends it. */
#include "adapters/libvirt/xml.h"
#include "fuzz.h"

static void
check_facts(const VrDomainFacts *facts)
{
    const char *const texts[] = {facts->uuid,    facts->title,    facts->disks,
                                 facts->devices, facts->metadata, facts->host_device};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        vr_fuzz_check_utf8(texts[i]);
        g_assert_true(texts[i] == NULL || texts[i][0] != '\0');
    }
    if (facts->uuid != NULL) {
        g_autofree char *lower = g_ascii_strdown(facts->uuid, -1);
        g_assert_true(g_uuid_string_is_valid(facts->uuid));
        g_assert_cmpstr(facts->uuid, ==, lower);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = vr_fuzz_text(data, size);
    g_auto(VrDomainFacts) facts = {0};

    vr_xml_prepare_process();
    if (vr_xml_parse_domain(text, &facts, &error)) {
        check_facts(&facts);
        return 0;
    }
    vr_fuzz_check_error(error, "XML of libvirt: ");
    g_assert_true(facts.uuid == NULL && facts.disks == NULL && facts.metadata == NULL);
    return 0;
}
