/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An attempt is run once, whoever dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "host-update-fixture.h"

static void
start_attempt(StageWorld *world, guint attempt)
{
    VrStageRequest request = stage_request(attempt);
    stage_start(world, &request);
}

/* -------------------------------------------------------------------------- once */

static void
test_host_update_attempt_is_run_once(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo x >>$F/count; echo 1 >$F/began; read -r x <$F/go; echo y; exit 5",
                     60);
    for (guint i = 0; i < 20; i++)
        start_attempt(world, 1);
    stage_wait_until_began(world);
    for (guint i = 0; i < 20; i++)
        start_attempt(world, 1);
    assert_int_equal(world->answer.count, 0);
    stage_let_go(world);
    for (guint count = 1; count <= 40; count++)
        stage_assert_answer(world, count, VR_STAGE_END_EXITED, 5);
    stage_run(world, VR_STAGE_END_EXITED, 5);
    assert_string_equal(world->answer.output, "y\n");
    stage_assert_file(world, "count", "x\n");
}

static void
test_host_update_attempts_are_apart(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo $VIRT_ROLL_ATTEMPT >>$F/count; exit $VIRT_ROLL_ATTEMPT", 60);
    for (guint attempt = 1; attempt <= 3; attempt++) {
        start_attempt(world, attempt);
        stage_assert_answer(world, attempt, VR_STAGE_END_EXITED, (int)attempt);
    }
    stage_assert_file(world, "count", "1\n2\n3\n");
}

/* The fleet file was edited while the stage ran: it still runs. */
static void
test_host_update_removed_stage_is_attached_to(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo 1 >$F/began; read -r x <$F/go; exit 5", 60);
    start_attempt(world, 1);
    stage_wait_until_began(world);
    world->host.update.stages[VR_STAGE_APPLY].argv = NULL;
    start_attempt(world, 1);
    stage_let_go(world);
    stage_assert_answer(world, 1, VR_STAGE_END_EXITED, 5);
    stage_assert_answer(world, 2, VR_STAGE_END_EXITED, 5);
}

/* After a restart the proof that the host is empty is old: what had not begun never begins. */
static void
test_host_update_attach_only_withholds_what_has_not_begun(void **state)
{
    StageWorld *world = *state;
    VrStageRequest request = stage_request(1);
    stage_set_script(world, "echo x >>$F/count; exit 5", 60);
    request.attach_only = TRUE;
    stage_start(world, &request);
    stage_assert_answer(world, 1, VR_STAGE_END_NOT_RUN, 0);
    start_attempt(world, 1);
    stage_assert_answer(world, 2, VR_STAGE_END_NOT_RUN, 0);
    assert_null(stage_read_file(world, "count"));
}

static void
test_host_update_attach_only_finds_what_has_begun(void **state)
{
    StageWorld *world = *state;
    VrStageRequest request = stage_request(1);
    stage_set_script(world, "echo 1 >$F/began; read -r x <$F/go; exit 5", 60);
    start_attempt(world, 1);
    stage_wait_until_began(world);
    request.attach_only = TRUE;
    stage_start(world, &request);
    stage_let_go(world);
    stage_assert_answer(world, 1, VR_STAGE_END_EXITED, 5);
    stage_assert_answer(world, 2, VR_STAGE_END_EXITED, 5);
}

/* As a restored journal has it: its attempts are not to be had, and may have run. */
static void
test_host_update_attempt_given_up_is_lost_and_never_runs(void **state)
{
    StageWorld *world = *state;
    VrStageRequest request = stage_request(1);
    g_autoptr(GError) error = NULL;
    stage_set_script(world, "echo x >>$F/count; exit 5", 60);
    assert_true(vr_process_lose_attempt(world->attempts, &request, "look there", &error));
    request.attach_only = TRUE;
    stage_start(world, &request);
    stage_assert_answer(world, 1, VR_STAGE_END_LOST, 0);
    assert_string_equal(world->answer.output, "look there");
    start_attempt(world, 1);
    stage_assert_answer(world, 2, VR_STAGE_END_LOST, 0);
    assert_null(stage_read_file(world, "count"));
    request.rollout = "../r-1";
    assert_false(vr_process_lose_attempt(world->attempts, &request, "", &error));
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_INVALID));
}

static void
test_host_update_free_leaves_attempts_running(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo 1 >$F/began; read -r x <$F/go; exit 5", 60);
    start_attempt(world, 1);
    stage_wait_until_began(world);
    stage_restart(world, VR_STAGE_HELPER);
    start_attempt(world, 1);
    stage_let_go(world);
    stage_assert_answer(world, 1, VR_STAGE_END_EXITED, 5);
    stage_run(world, VR_STAGE_END_EXITED, 5);
    /* The first adapter's answer went nowhere. */
    assert_int_equal(world->answer.count, 2);
}

/* In the child of test_host_update_killed_controller…: a controller that starts attempt 1. */
static int
be_controller(char **arguments)
{
    VrFleet fleet;
    VrFleetHost host;
    StageAnswer answer;
    VrStageRequest request = stage_request(1);
    stage_fleet_init(&fleet, &host, arguments + 1, STAGE_DEADLINE_S);
    stage_answer_init(&answer);
    VrHostUpdate port = vr_process_host_update_port(
        vr_process_host_update_new(&fleet, arguments[0], VR_STAGE_HELPER));
    port.vtable->run(port.context, &request, stage_answer_done, &answer);
    return stage_answer_wait(&answer, 1) ? 0 : 1;
}

static pid_t
start_controller(StageWorld *world)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setpgid(0, 0);
        (void)execl("/proc/self/exe", "controller", "--controller", world->attempts, world->argv[0],
                    world->argv[1], world->argv[2], NULL);
        _exit(127);
    }
    return child;
}

static void
test_host_update_killed_controller_finds_its_attempt(void **state)
{
    StageWorld *world = *state;
    int status = 0;
    stage_set_script(world, "echo x >>$F/count; echo 1 >$F/began; read -r x <$F/go; echo y; exit 5",
                     60);
    pid_t controller = start_controller(world);
    stage_wait_until_began(world);
    /* With its whole group: neither the helper nor the stage may be in it. */
    assert_int_equal(kill(-controller, SIGKILL), 0);
    assert_int_equal(waitpid(controller, &status, 0), controller);
    assert_true(WIFSIGNALED(status));
    start_attempt(world, 1);
    stage_let_go(world);
    stage_assert_answer(world, 1, VR_STAGE_END_EXITED, 5);
    assert_string_equal(world->answer.output, "y\n");
    stage_assert_file(world, "count", "x\n");
}

static void
test_host_update_killed_helper_is_lost_and_not_repeated(void **state)
{
    StageWorld *world = *state;
    /* More than the pipe holds: when the stage is past it, the helper has kept some of it. */
    stage_set_script(world,
                     "exec 3>$F/held; echo x >>$F/count; head -c 300000 /dev/zero | tr '\\0' z;"
                     " echo 1 >$F/began; read -r x <$F/go",
                     60);
    start_attempt(world, 1);
    stage_wait_until_began(world);
    g_autofree char *helper = stage_read_file(world, STAGE_ATTEMPT_1 "started");
    assert_int_equal(kill(atoi(helper), SIGKILL), 0);
    stage_assert_answer(world, 1, VR_STAGE_END_LOST, 0);
    stage_let_go(world);
    stage_wait_until_released(world);
    stage_run(world, VR_STAGE_END_LOST, 0);
    assert_true(g_str_has_prefix(world->answer.output, "zzz"));
    stage_assert_file(world, "count", "x\n");
}

/* As after a crash of the machine between the two files. */
static void
test_host_update_begun_without_end_is_lost(void **state)
{
    StageWorld *world = *state;
    g_autofree char *status = g_build_filename(world->folder, STAGE_ATTEMPT_1 "status", NULL);
    stage_set_script(world, "echo x >>$F/count", 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    assert_true(g_file_set_contents(status, "exited 0x", -1, NULL));
    stage_run(world, VR_STAGE_END_LOST, 0);
    assert_int_equal(g_unlink(status), 0);
    stage_run(world, VR_STAGE_END_LOST, 0);
    stage_assert_file(world, "count", "x\n");
}

#define STAGE_TEST(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_host_update_attempt_is_run_once),
        STAGE_TEST(test_host_update_attempts_are_apart),
        STAGE_TEST(test_host_update_removed_stage_is_attached_to),
        STAGE_TEST(test_host_update_attach_only_withholds_what_has_not_begun),
        STAGE_TEST(test_host_update_attach_only_finds_what_has_begun),
        STAGE_TEST(test_host_update_attempt_given_up_is_lost_and_never_runs),
        STAGE_TEST(test_host_update_free_leaves_attempts_running),
        STAGE_TEST(test_host_update_killed_controller_finds_its_attempt),
        STAGE_TEST(test_host_update_killed_helper_is_lost_and_not_repeated),
        STAGE_TEST(test_host_update_begun_without_end_is_lost),
    };
    if (argc > 3 && strcmp(argv[1], "--controller") == 0)
        return be_controller(argv + 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
