/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A policy file: what is accepted is written out in full and read back the same. */
#include <string.h>

#include <virt-roll/inventory.h>

#include "adapters/yaml/document.h"
#include "fuzz.h"
#include "model/document.h"

#define SOURCE "policy.yaml"

static void
check_policy(const VrPolicy *policy)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = vr_policy_format(policy);
    g_autoptr(VrPolicy) back = vr_policy_parse(text, strlen(text), SOURCE, &error);

    g_assert_no_error(error);
    g_autofree char *again = vr_policy_format(back);
    g_assert_cmpstr(again, ==, text);

    gint64 down_max = vr_policy_hosts_down_max(policy, VR_HOSTS_MAX);
    gint64 usable_mib = vr_policy_usable_mib(policy, VR_MEMORY_MIB_MAX);
    g_assert_cmpint(down_max, >=, 1);
    g_assert_true(usable_mib >= 0 && usable_mib <= VR_MEMORY_MIB_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) json_error = NULL;
    g_autoptr(VrDocument) document = vr_yaml_parse((const char *)data, size, SOURCE, &error);
    g_autoptr(VrPolicy) policy = document != NULL ? vr_policy_read(document, &error) : NULL;
    g_autoptr(VrPolicy) strict = vr_policy_parse((const char *)data, size, SOURCE, &json_error);

    if (policy == NULL)
        vr_fuzz_check_error(error, SOURCE ":");
    else
        check_policy(policy);
    if (strict == NULL)
        vr_fuzz_check_error(json_error, SOURCE ":");
    else
        check_policy(strict);
    return 0;
}
