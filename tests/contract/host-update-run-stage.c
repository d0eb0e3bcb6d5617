/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vr_process_run_stage: a stage outside any rollout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "host-update-fixture.h"

static void
assert_run_fails(StageWorld *world, VrErrorCode code, const char *message)
{
    g_autoptr(GError) error = NULL;
    assert_null(vr_process_run_stage(&world->host, VR_STAGE_APPLY, NULL, NULL, &error));
    assert_string_equal(error->message, message);
    assert_true(g_error_matches(error, VR_ERROR, (int)code));
}

static void
test_run_stage_gives_output_and_status(void **state)
{
    StageWorld *world = *state;
    int exit_status = -1;
    stage_set_script(world, "echo $VIRT_ROLL_HOST $VIRT_ROLL_STAGE $VIRT_ROLL_LEVEL; exit 71", 60);
    g_autofree char *output =
        vr_process_run_stage(&world->host, VR_STAGE_APPLY, "l1", &exit_status, NULL);
    assert_string_equal(output, "h1 apply l1\n");
    assert_int_equal(exit_status, 71);
    stage_set_script(world, "sleep 1000 & echo left behind $!", 60);
    g_autofree char *left = vr_process_run_stage(&world->host, VR_STAGE_APPLY, NULL, NULL, NULL);
    assert_true(g_str_has_prefix(left, "left behind "));
    assert_int_equal(kill(atoi(left + strlen("left behind ")), SIGKILL), 0);
    assert_false(g_file_test(world->attempts, G_FILE_TEST_EXISTS));
}

static void
test_run_stage_tells_failures(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo a; echo 'no \"route\"' >&2; exit 3", 60);
    assert_run_fails(world, VR_ERROR_FAILED, "h1: stage apply: exit status 3: no \"route\"");
    stage_set_script(world, "kill -15 $$", 60);
    assert_run_fails(world, VR_ERROR_FAILED, "h1: stage apply: killed by signal 15: no output");
    stage_set_script(world, "exec 3>$F/held; sleep 1000 & sleep 1000", 1);
    assert_run_fails(world, VR_ERROR_TIMEOUT, "h1: stage apply: killed after its 1 s");
    stage_wait_until_released(world);
    stage_set_argv(world, (const char *const[]){"/nonexistent/apply", NULL}, 60);
    assert_run_fails(world, VR_ERROR_NOT_FOUND,
                     "h1: stage apply: cannot run /nonexistent/apply: No such file or directory");
    world->host.update.stages[VR_STAGE_APPLY].argv = NULL;
    assert_run_fails(world, VR_ERROR_NOT_FOUND, "h1: has no stage apply");
}

#define STAGE_TEST(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_run_stage_gives_output_and_status),
        STAGE_TEST(test_run_stage_tells_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
