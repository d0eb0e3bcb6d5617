/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/process/host-update.h"

#include <string.h>

#include "adapters/process/child.h"
#include "adapters/process/stage-command.h"
#include "adapters/process/tail.h"

static void
add_output(const char *bytes, gsize count, gpointer data)
{
    (void)vr_tail_add(data, bytes, count);
}

/* (transfer full) the last line with something in it, for messages. */
static char *
last_line(const char *output)
{
    g_autofree char *text = g_strchomp(g_strdup(output));
    const char *newline = strrchr(text, '\n');
    return g_strescape(newline != NULL ? newline + 1 : text, "\"\\");
}

static gboolean
check_result(const VrFleetHost *host, VrStage stage, VrChildResult result, const char *output,
             gboolean any_status, GError **error)
{
    const VrStageCommand *command = &host->update.stages[stage];
    const char *name = vr_stage_to_string(stage);
    g_autofree char *line = last_line(output);
    switch (result.end) {
    case VR_CHILD_EXITED:
        if (result.code == 0 || any_status)
            return TRUE;
        g_set_error(error, VR_ERROR, VR_ERROR_FAILED, "%s: stage %s: exit status %d: %s",
                    host->name, name, result.code, line[0] != '\0' ? line : "no output");
        return FALSE;
    case VR_CHILD_SIGNALLED:
        g_set_error(error, VR_ERROR, VR_ERROR_FAILED, "%s: stage %s: killed by signal %d: %s",
                    host->name, name, result.code, line[0] != '\0' ? line : "no output");
        return FALSE;
    case VR_CHILD_TIMED_OUT:
        g_set_error(error, VR_ERROR, VR_ERROR_TIMEOUT,
                    "%s: stage %s: killed after its %" G_GINT64_FORMAT " s", host->name, name,
                    command->timeout_s);
        return FALSE;
    case VR_CHILD_NOT_RUN:
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "%s: stage %s: cannot run %s: %s",
                    host->name, name, command->argv[0], g_strerror(result.code));
        return FALSE;
    }
    g_assert_not_reached();
}

char *
vr_process_run_stage(const VrFleetHost *host, VrStage stage, const char *level,
                     int *out_exit_status, GError **error)
{
    const VrStageCommand *command = &host->update.stages[stage];
    VrStageRequest request = {.host = host->name, .stage = stage, .level = level};
    g_autofree char *problem = vr_stage_command_check(&request);
    if (problem != NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID, "%s", problem);
        return NULL;
    }
    if (command->argv == NULL || command->argv[0] == NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND, "%s: has no stage %s", host->name,
                    vr_stage_to_string(stage));
        return NULL;
    }
    g_auto(GStrv) environment = vr_stage_command_environment(&request, NULL);
    g_autofree VrTail *tail = g_new0(VrTail, 1);
    VrChildCommand child = {.argv = command->argv,
                            .environment = environment,
                            .timeout_s = command->timeout_s,
                            .output = add_output,
                            .data = tail};
    VrChildResult result = vr_child_run(&child);
    g_autofree char *output = vr_stage_command_output(tail->bytes, tail->count);
    if (!check_result(host, stage, result, output, out_exit_status != NULL, error))
        return NULL;
    if (out_exit_status != NULL)
        *out_exit_status = result.code;
    return g_steal_pointer(&output);
}
