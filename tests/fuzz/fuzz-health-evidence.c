/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recorded evidence: comes back the same, gives a verdict whatever its numbers, and can be said. */
#include <string.h>

#include <virt-roll/health.h>

#include "fuzz.h"

#define SOURCE "evidence"

static void
check_sentences(const VrHealthEvidence *evidence)
{
    for (guint rule = 0; vr_health_rule_words()[rule] != NULL; rule++) {
        const VrHealthFinding finding = {VR_HEALTH_TIER_FINDING, VR_HEALTH_CAUSE_HOST,
                                         (VrHealthRule)rule};
        g_autofree char *sentence = vr_health_sentence(&finding, evidence, "h1", NULL);
        vr_fuzz_check_utf8(sentence);
        g_assert_true(g_str_has_suffix(sentence, "."));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    VrHealthEvidence evidence, back;

    if (!vr_evidence_parse((const char *)data, size, SOURCE, &evidence, &error)) {
        vr_fuzz_check_error(error, SOURCE ":");
        return 0;
    }
    g_autofree char *text = vr_evidence_format(&evidence);
    g_assert_true(vr_evidence_parse(text, strlen(text), SOURCE, &back, &error));
    g_autofree char *again = vr_evidence_format(&back);
    g_assert_cmpstr(again, ==, text);
    const VrHealthFinding first = vr_evidence_replay(&evidence), second = vr_evidence_replay(&back);
    g_assert_cmpint(first.rule, ==, second.rule);
    g_assert_cmpint(first.cause, ==, second.cause);
    g_assert_true(vr_health_is_alert(&first) || first.tier < VR_HEALTH_TIER_RELATIVE ||
                  first.cause == VR_HEALTH_CAUSE_CROWDING);
    check_sentences(&evidence);
    return 0;
}
