/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An answer of Prometheus: read or refused, and never healthy without a value. */
#include <math.h>
#include <string.h>

#include "adapters/curl/prometheus-json.h"
#include "fuzz.h"

static char name[] = "rule", query[] = "q", present[] = "p";

static void
check_judge(const GPtrArray *found)
{
    static const VrHealthyWhen whens[] = {VR_HEALTHY_WHEN_EMPTY, VR_HEALTHY_WHEN_AT_LEAST,
                                          VR_HEALTHY_WHEN_AT_MOST};
    for (guint i = 0; i < G_N_ELEMENTS(whens); i++) {
        VrQueryRule rule = {name, query, present, whens[i], 1};
        for (guint with_present = 0; with_present < 2; with_present++) {
            g_autofree char *detail = NULL;
            VrQueryAnswer answer =
                vr_prometheus_judge(&rule, with_present ? found : NULL, found, &detail);
            g_assert_true(g_str_has_prefix(detail, "rule: "));
            vr_fuzz_check_utf8(detail);
            if (found->len == 0)
                g_assert_true(answer == VR_QUERY_ANSWER_UNKNOWN);
            if (whens[i] == VR_HEALTHY_WHEN_EMPTY && !with_present)
                g_assert_true(answer == VR_QUERY_ANSWER_UNKNOWN);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = vr_prometheus_parse((const char *)data, size, &error);
    if (found == NULL) {
        vr_fuzz_check_error(error, "Prometheus");
        return 0;
    }
    for (guint i = 0; i < found->len; i++) {
        const VrFoundValue *value = g_ptr_array_index(found, i);
        vr_fuzz_check_utf8(value->text);
    }
    check_judge(found);
    return 0;
}
