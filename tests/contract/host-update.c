/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a stage is run and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
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

/* -------------------------------------------------------------------------- ends */

static void
test_host_update_exit_status_and_output_come_back(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo out; echo err >&2; exit 7", 60);
    stage_run(world, VR_STAGE_END_EXITED, 7);
    assert_string_equal(world->answer.output, "out\nerr\n");
    stage_set_script(world, "exit 0", 60);
    start_attempt(world, 2);
    stage_assert_answer(world, 2, VR_STAGE_END_EXITED, 0);
    assert_string_equal(world->answer.output, "");
}

static void
test_host_update_signal_is_told(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo before; kill -9 $$", 60);
    stage_run(world, VR_STAGE_END_SIGNALLED, SIGKILL);
    assert_string_equal(world->answer.output, "before\n");
}

static void
test_host_update_timeout_ends_the_group(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "exec 3>$F/held; echo begins; sleep 1000 & sleep 1000", 3);
    stage_run(world, VR_STAGE_END_TIMED_OUT, 0);
    assert_string_equal(world->answer.output, "begins\n");
    stage_wait_until_released(world);
}

static void
test_host_update_timeout_ends_who_ignores_it(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "trap '' TERM; exec 3>$F/held; sleep 1000 & wait; wait; sleep 1000", 3);
    gint64 begin = g_get_monotonic_time();
    stage_run(world, VR_STAGE_END_TIMED_OUT, 0);
    assert_true(g_get_monotonic_time() - begin > 10 * G_USEC_PER_SEC);
    stage_wait_until_released(world);
}

/* In the background, deaf, and without our output: not to be seen, but in the group. */
static void
test_host_update_timeout_ends_who_hides(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world,
                     "exec 3>$F/held; (trap '' TERM; exec >/dev/null 2>&1; echo 1 >$F/began;"
                     " sleep 1000; sleep 1000) & wait",
                     3);
    start_attempt(world, 1);
    stage_wait_until_began(world);
    stage_assert_answer(world, 1, VR_STAGE_END_TIMED_OUT, 0);
    stage_wait_until_released(world);
}

/* The first of the group ends at once; the rest has its time to clean up. */
static void
test_host_update_timeout_lets_the_group_clean_up(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world,
                     "(trap 'read -r x <$F/go; echo clean; exit' TERM; echo 1 >$F/began;"
                     " while :; do sleep 1000 & wait; done) & wait",
                     3);
    start_attempt(world, 1);
    stage_wait_until_began(world);
    stage_let_go(world);
    stage_assert_answer(world, 1, VR_STAGE_END_TIMED_OUT, 0);
    assert_string_equal(world->answer.output, "clean\n");
}

static void
test_host_update_missing_program_is_not_run(void **state)
{
    StageWorld *world = *state;
    stage_set_argv(world, (const char *const[]){"/nonexistent/apply", NULL}, 60);
    for (guint i = 0; i < 2; i++) {
        stage_run(world, VR_STAGE_END_NOT_RUN, 0);
        assert_string_equal(world->answer.output, "h1: stage apply: cannot run "
                                                  "/nonexistent/apply: No such file or directory");
    }
}

static void
test_host_update_missing_stage_is_nothing_to_do(void **state)
{
    StageWorld *world = *state;
    stage_run(world, VR_STAGE_END_EXITED, VR_STAGE_NOTHING_TO_DO);
    assert_false(g_file_test(world->attempts, G_FILE_TEST_EXISTS));
}

static void
test_host_update_missing_host_is_not_run(void **state)
{
    StageWorld *world = *state;
    VrStageRequest request = stage_request(1);
    stage_set_script(world, "echo x >>$F/count", 60);
    request.host = "h2";
    stage_start(world, &request);
    stage_assert_answer(world, 1, VR_STAGE_END_NOT_RUN, 0);
    assert_string_equal(world->answer.output, "h2: the fleet has no such host");
    assert_null(stage_read_file(world, "count"));
    assert_false(g_file_test(world->attempts, G_FILE_TEST_EXISTS));
}

static void
test_host_update_missing_helper_is_not_run(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "exit 0", 60);
    stage_restart(world, "/nonexistent/h");
    stage_run(world, VR_STAGE_END_NOT_RUN, 0);
    assert_non_null(strstr(world->answer.output, "cannot run /nonexistent/h: No such file"));
    /* The attempt was not used up by that. */
    stage_restart(world, VR_STAGE_HELPER);
    stage_run(world, VR_STAGE_END_EXITED, 0);
}

static void
test_host_update_unwritable_directory_is_not_run(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "echo x >>$F/count", 60);
    assert_true(g_file_set_contents(world->attempts, "not a folder", -1, NULL));
    stage_run(world, VR_STAGE_END_NOT_RUN, 0);
    assert_non_null(strstr(world->answer.output, "Not a directory"));
    assert_null(stage_read_file(world, "count"));
}

static void
test_host_update_odd_names_are_not_run(void **state)
{
    StageWorld *world = *state;
    g_autofree char *too_long = g_strnfill(65, 'r');
    const char *rollouts[] = {"", ".", "..", "../r", "r/1", "r 1", "r\n", "-r", "ä", too_long};
    const char *levels[] = {"", "a b", "a\nb", "$(x)", "../l"};
    stage_set_script(world, "echo x >>$F/count", 60);
    guint count = 0;
    for (guint i = 0; i < G_N_ELEMENTS(rollouts) + G_N_ELEMENTS(levels); i++) {
        VrStageRequest request = stage_request(1);
        if (i < G_N_ELEMENTS(rollouts))
            request.rollout = rollouts[i];
        else
            request.level = levels[i - G_N_ELEMENTS(rollouts)];
        stage_start(world, &request);
        stage_assert_answer(world, ++count, VR_STAGE_END_NOT_RUN, 0);
    }
    assert_null(stage_read_file(world, "count"));
    assert_false(g_file_test(world->attempts, G_FILE_TEST_EXISTS));
}

/* -------------------------------------------------------------------------- output */

static void
test_host_update_endless_output_keeps_its_end(void **state)
{
    StageWorld *world = *state;
    g_autofree char *path = g_build_filename(world->folder, STAGE_ATTEMPT_1 "output", NULL);
    struct stat status;
    stage_set_script(world, "head -c 200000000 /dev/zero; echo; echo the end", 60);
    gint64 begin = g_get_monotonic_time();
    stage_run(world, VR_STAGE_END_EXITED, 0);
    print_message("200 MB of output: %d ms\n", (int)((g_get_monotonic_time() - begin) / 1000));
    assert_true(strlen(world->answer.output) <= VR_STAGE_OUTPUT_MAX);
    assert_true(g_utf8_validate(world->answer.output, -1, NULL));
    assert_true(g_str_has_suffix(world->answer.output, "\nthe end\n"));
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size <= 2 * VR_STAGE_OUTPUT_MAX);
}

static void
test_host_update_output_is_cut_at_its_limit(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "for i in $(seq 10000 40000); do echo $i; done", 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    assert_int_equal(strlen(world->answer.output), VR_STAGE_OUTPUT_MAX);
    g_autoptr(GString) expected = g_string_new(NULL);
    for (guint i = 10000; i <= 40000; i++)
        g_string_append_printf(expected, "%u\n", i);
    assert_string_equal(world->answer.output, expected->str + expected->len - VR_STAGE_OUTPUT_MAX);
}

static void
test_host_update_odd_bytes_come_as_utf8(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "printf 'a\\377\\000b\\303\\244'", 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    assert_string_equal(world->answer.output, "a\xef\xbf\xbd\xef\xbf\xbd"
                                              "bä");
}

/* A daemon that a stage leaves behind keeps its output open, and neither us nor the lock. */
static void
test_host_update_daemon_left_behind_is_not_waited_for(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "exec 3>$F/held; sleep 1000 & echo $!; exit 4", 60);
    stage_run(world, VR_STAGE_END_EXITED, 4);
    pid_t daemon_pid = atoi(world->answer.output);
    assert_true(daemon_pid > 0);
    assert_int_equal(kill(daemon_pid, SIGKILL), 0);
    stage_wait_until_released(world);
}

static void
test_host_update_daemon_that_writes_for_ever_is_not_waited_for(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world, "exec 3>$F/held; yes & exit 0", 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    stage_wait_until_released(world);
}

/* -------------------------------------------------------------------------- surroundings */

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
test_host_update_environment_is_exact(void **state)
{
    StageWorld *world = *state;
    stage_set_argv(world, (const char *const[]){"/usr/bin/env", NULL}, 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(world->answer.output), "\n", -1);
    qsort(lines, g_strv_length(lines), sizeof lines[0], compare_lines);
    g_autofree char *text = g_strjoinv("\n", lines);
    g_autofree char *expected = g_strdup_printf(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        "VIRT_ROLL_ATTEMPT=1\nVIRT_ROLL_HOST=h1\nVIRT_ROLL_LEVEL=2026Q4-1\n"
        "VIRT_ROLL_ROLLOUT=r-1\nVIRT_ROLL_STAGE=apply\nVIRT_ROLL_STATE=%s/r-1/7-1-apply",
        world->attempts);
    assert_string_equal(text, expected);
}

static void
test_host_update_argv_is_passed_as_it_is(void **state)
{
    StageWorld *world = *state;
    static const char *const argv[] = {"/usr/bin/printf", "<%s>", "a b", "$(id)", "",
                                       "*;'\"",           "--",   NULL};
    stage_set_argv(world, argv, 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    assert_string_equal(world->answer.output, "<a b><$(id)><><*;'\"><-->");
}

static void
test_host_update_command_gets_no_descriptor_of_ours(void **state)
{
    StageWorld *world = *state;
    int inherited = open("/dev/null", O_RDONLY); /* on purpose without O_CLOEXEC */
    assert_true(inherited >= 0);
    stage_set_argv(world, (const char *const[]){"/bin/ls", "/proc/self/fd", NULL}, 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    (void)close(inherited);
    /* 3 is the folder that ls itself reads. */
    assert_string_equal(world->answer.output, "0\n1\n2\n3\n");
}

static void
test_host_update_command_starts_from_a_known_state(void **state)
{
    StageWorld *world = *state;
    stage_set_script(world,
                     "pwd; umask; readlink /proc/$$/fd/0;"
                     " exec grep -E '^Sig(Blk|Ign)' /proc/self/status",
                     60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    assert_string_equal(world->answer.output, "/\n0022\n/dev/null\nSigBlk:\t0000000000000000\n"
                                              "SigIgn:\t0000000000000000\n");
}

static void
test_host_update_attempts_are_private(void **state)
{
    StageWorld *world = *state;
    static const char *const names[] = {"attempts", "attempts/r-1", "attempts/r-1/7-1-apply"};
    stage_set_script(world, "exit 0", 60);
    stage_run(world, VR_STAGE_END_EXITED, 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(world->folder, names[i], NULL);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0700);
    }
}

#define STAGE_TEST(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_host_update_exit_status_and_output_come_back),
        STAGE_TEST(test_host_update_signal_is_told),
        STAGE_TEST(test_host_update_timeout_ends_the_group),
        STAGE_TEST(test_host_update_timeout_ends_who_ignores_it),
        STAGE_TEST(test_host_update_timeout_ends_who_hides),
        STAGE_TEST(test_host_update_timeout_lets_the_group_clean_up),
        STAGE_TEST(test_host_update_missing_program_is_not_run),
        STAGE_TEST(test_host_update_missing_stage_is_nothing_to_do),
        STAGE_TEST(test_host_update_missing_host_is_not_run),
        STAGE_TEST(test_host_update_missing_helper_is_not_run),
        STAGE_TEST(test_host_update_unwritable_directory_is_not_run),
        STAGE_TEST(test_host_update_odd_names_are_not_run),
        STAGE_TEST(test_host_update_endless_output_keeps_its_end),
        STAGE_TEST(test_host_update_output_is_cut_at_its_limit),
        STAGE_TEST(test_host_update_odd_bytes_come_as_utf8),
        STAGE_TEST(test_host_update_daemon_left_behind_is_not_waited_for),
        STAGE_TEST(test_host_update_daemon_that_writes_for_ever_is_not_waited_for),
        STAGE_TEST(test_host_update_environment_is_exact),
        STAGE_TEST(test_host_update_argv_is_passed_as_it_is),
        STAGE_TEST(test_host_update_command_gets_no_descriptor_of_ours),
        STAGE_TEST(test_host_update_command_starts_from_a_known_state),
        STAGE_TEST(test_host_update_attempts_are_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
