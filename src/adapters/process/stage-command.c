/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/process/stage-command.h"

#include <string.h>

/* Ours, not the controller's: a stage does the same whoever started the controller. */
#define SEARCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct {
    const char *what;
    gsize length_max;
    const char *marks; /* allowed beside letters and digits */
} NameRule;

static const NameRule rollout_rule = {"rollout", 64, "-._"};
static const NameRule host_rule = {"host", 253, "-._"};
static const NameRule level_rule = {"update level", 128, "-._:+~"};

static char *
check_name(const NameRule *rule, const char *name)
{
    gsize length = strlen(name);
    gboolean valid = length > 0 && length <= rule->length_max && g_ascii_isalnum(name[0]);
    for (gsize i = 0; valid && i < length; i++)
        valid = g_ascii_isalnum(name[i]) || strchr(rule->marks, name[i]) != NULL;
    if (valid)
        return NULL;
    g_autofree char *shown = g_strescape(name, NULL);
    return g_strdup_printf("%s \"%.80s\": is not a name of letters, digits and %s, at most %u long",
                           rule->what, shown, rule->marks, (guint)rule->length_max);
}

char *
vr_stage_command_check(const VrStageRequest *request)
{
    char *problem = check_name(&host_rule, request->host);
    if (problem == NULL && request->rollout != NULL)
        problem = check_name(&rollout_rule, request->rollout);
    if (problem == NULL && request->level != NULL)
        problem = check_name(&level_rule, request->level);
    return problem;
}

char **
vr_stage_command_environment(const VrStageRequest *request, const char *state)
{
    char **environment = g_environ_setenv(NULL, "PATH", SEARCH_PATH, TRUE);
    environment = g_environ_setenv(environment, "VIRT_ROLL_HOST", request->host, TRUE);
    environment =
        g_environ_setenv(environment, "VIRT_ROLL_STAGE", vr_stage_to_string(request->stage), TRUE);
    environment = g_environ_setenv(environment, "VIRT_ROLL_LEVEL",
                                   request->level != NULL ? request->level : "", TRUE);
    if (state == NULL)
        return environment;
    g_autofree char *attempt = g_strdup_printf("%u", request->attempt);
    environment = g_environ_setenv(environment, "VIRT_ROLL_ROLLOUT", request->rollout, TRUE);
    environment = g_environ_setenv(environment, "VIRT_ROLL_ATTEMPT", attempt, TRUE);
    return g_environ_setenv(environment, "VIRT_ROLL_STATE", state, TRUE);
}

char *
vr_stage_command_output(const char *bytes, gsize count)
{
    if (count > VR_STAGE_OUTPUT_MAX) {
        bytes += count - VR_STAGE_OUTPUT_MAX;
        count = VR_STAGE_OUTPUT_MAX;
    }
    /* Repaired bytes take more room than they had. */
    g_autofree char *text = g_utf8_make_valid(bytes, (gssize)count);
    gsize length = strlen(text);
    const char *start = text + (length > VR_STAGE_OUTPUT_MAX ? length - VR_STAGE_OUTPUT_MAX : 0);
    while ((*start & 0xc0) == 0x80)
        start++;
    return g_strdup(start);
}
