/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a stage ended: was that good, and what is said of it. */
#include <string.h>

#include "rollout/decide.h"

char *
vr_stage_end_describe(const VrStepState *step, VrStage stage, const VrStageResult *result)
{
    g_autofree char *output = g_strchomp(g_strdup(result->output != NULL ? result->output : ""));
    const char *newline = strrchr(output, '\n');
    const char *last_line = newline != NULL ? newline + 1 : output;
    const char *quote = *last_line != '\0' ? "; it said: " : "";
    const char *host = step->plan->host;
    const char *word = vr_stage_to_string(stage);

    switch (result->end) {
    case VR_STAGE_END_EXITED:
        return g_strdup_printf("%s: stage %s failed with exit status %d%s%s", host, word,
                               result->exit_status, quote, last_line);
    case VR_STAGE_END_TIMED_OUT:
        return g_strdup_printf("%s: stage %s did not end in its time and was killed%s%s", host,
                               word, quote, last_line);
    case VR_STAGE_END_SIGNALLED:
        return g_strdup_printf("%s: stage %s was killed by signal %d%s%s", host, word,
                               result->exit_status, quote, last_line);
    case VR_STAGE_END_LOST:
        return g_strdup_printf("%s: stage %s was cut off and nobody knows how it ended%s%s", host,
                               word, quote, last_line);
    case VR_STAGE_END_EXPIRED:
        return g_strdup_printf("%s: stage %s was not begun: its proof had become old", host, word);
    case VR_STAGE_END_NOT_RUN:
        return g_strdup_printf("%s: stage %s could not be started%s%s", host, word, quote,
                               last_line);
    }
    g_assert_not_reached();
}

gboolean
vr_stage_end_is_good(const VrStageResult *result)
{
    return result->end == VR_STAGE_END_EXITED &&
           (result->exit_status == 0 || result->exit_status == VR_STAGE_NOTHING_TO_DO);
}
