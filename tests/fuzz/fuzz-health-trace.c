/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A gate with any numbers in its samples: judged without harm, and its evidence gives it again. */
#include <string.h>

#include "fuzz.h"
#include "health-trace.h"

#define SOURCE "trace"
#define VMS_MAX 100 /* more only take longer */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrtTrace) trace = vrt_trace_parse((const char *)data, size, SOURCE, &error);

    if (trace == NULL) {
        vr_fuzz_check_error(error, SOURCE ":");
        return 0;
    }
    if (trace->vms->len > VMS_MAX || trace->controls->len > VMS_MAX)
        return 0;
    const VrHealthLimits limits = vr_health_limits_default();
    const VrtTraceResult result = vrt_trace_judge(trace, &limits);
    g_autofree char *line = vrt_trace_result_format(trace, &result);
    vr_fuzz_check_utf8(line);
    g_assert_true((result.alert_sample >= 0) == vr_health_is_alert(&result.finding) ||
                  result.alert_sample < 0);
    const VrHealthVerdict *verdict = &result.verdict;
    g_autofree char *text = vr_evidence_format(&verdict->evidence);
    VrHealthEvidence back;
    if (verdict->finding.tier > VR_HEALTH_TIER_NONE) {
        g_assert_true(vr_evidence_parse(text, strlen(text), SOURCE, &back, &error));
        g_assert_cmpint(vr_evidence_replay(&back).rule, ==, verdict->finding.rule);
    }
    return 0;
}
