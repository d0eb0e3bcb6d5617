/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a stage prints, and the names that it is called with. */
#include <string.h>

#include <virt-roll/rollout.h>

#include "adapters/process/stage-command.h"
#include "fuzz.h"

/* Whoever reads the facts reads one line, without the space around it. */
static void
check_facts(const char *output)
{
    static const char *const names[] = {"boot_id", "level", "kernel", "a"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *value = vr_facts_get(output, names[i]);
        if (value == NULL)
            continue;
        g_autofree char *stripped = g_strstrip(g_strdup(value));
        g_autofree char *assignment = g_strconcat(names[i], "=", NULL);
        vr_fuzz_check_utf8(value);
        g_assert_cmpstr(value, ==, stripped);
        g_assert_null(strchr(value, '\n'));
        g_assert_nonnull(strstr(output, assignment));
        g_assert_nonnull(strstr(output, value));
    }
}

/* A name that passes stands in its variable as it is; the other ones are told on one line. */
static void
check_request(const char *name)
{
    const VrStageRequest request = {.host = name, .rollout = name, .level = name, .attempt = 1};
    g_autofree char *problem = vr_stage_command_check(&request);

    if (problem != NULL) {
        vr_fuzz_check_utf8(problem);
        g_assert_null(strchr(problem, '\n'));
        g_assert_cmpuint(strlen(problem), <=, VR_ERROR_MESSAGE_MAX);
        return;
    }
    g_auto(GStrv) environment = vr_stage_command_environment(&request, "/state");
    g_assert_cmpstr(g_environ_getenv(environment, "VIRT_ROLL_HOST"), ==, name);
    g_assert_cmpstr(g_environ_getenv(environment, "VIRT_ROLL_ROLLOUT"), ==, name);
    g_assert_cmpstr(g_environ_getenv(environment, "VIRT_ROLL_STATE"), ==, "/state");
    g_assert_true(g_ascii_isalnum(name[0]) && strchr(name, '/') == NULL && strlen(name) <= 64);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *output = vr_stage_command_output((const char *)data, size);
    g_autofree char *again = vr_stage_command_output(output, strlen(output));
    g_autofree char *text = vr_fuzz_text(data, size);

    vr_fuzz_check_utf8(output);
    g_assert_cmpuint(strlen(output), <=, VR_STAGE_OUTPUT_MAX);
    g_assert_cmpstr(again, ==, output);
    check_facts(output);
    check_request(text);
    return 0;
}
