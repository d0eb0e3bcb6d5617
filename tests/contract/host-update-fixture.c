/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib/gstdio.h>

#include "host-update-fixture.h"

/* -------------------------------------------------------------------------- fleet */

void
stage_fleet_init(VrFleet *fleet, VrFleetHost *host, char **argv, gint64 timeout_s)
{
    static char host_name[] = "h1", fleet_name[] = "test";
    *host = (VrFleetHost){.name = host_name};
    host->update.stages[VR_STAGE_APPLY] = (VrStageCommand){.argv = argv, .timeout_s = timeout_s};
    *fleet = (VrFleet){.name = fleet_name, .hosts = g_ptr_array_new()};
    g_ptr_array_add(fleet->hosts, host);
}

/* -------------------------------------------------------------------------- answers */

void
stage_answer_done(const VrStageResult *result, gpointer data)
{
    StageAnswer *self = data;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    self->end = result->end;
    self->exit_status = result->exit_status;
    g_free(self->output);
    self->output = g_strdup(result->output);
    self->count++;
    g_cond_broadcast(&self->changed);
}

gboolean
stage_answer_wait(StageAnswer *self, guint count)
{
    gint64 deadline = g_get_monotonic_time() + STAGE_DEADLINE_S * G_USEC_PER_SEC;
    gboolean answered = TRUE;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&self->mutex);
    while (answered && self->count < count)
        answered = g_cond_wait_until(&self->changed, &self->mutex, deadline);
    return answered;
}

void
stage_answer_clear(StageAnswer *self)
{
    g_mutex_clear(&self->mutex);
    g_cond_clear(&self->changed);
    g_free(self->output);
}

void
stage_answer_init(StageAnswer *self)
{
    *self = (StageAnswer){0};
    g_mutex_init(&self->mutex);
    g_cond_init(&self->changed);
}

/* -------------------------------------------------------------------------- world */

/* Opened for both directions: opening does not wait, and no end of file before its time. */
static int
make_fifo(StageWorld *world, const char *name, int flags)
{
    g_autofree char *path = g_build_filename(world->folder, name, NULL);
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
    assert_true(fd >= 0);
    return fd;
}

int
stage_setup(void **state)
{
    StageWorld *world = g_new0(StageWorld, 1);
    world->folder = g_dir_make_tmp("virt-roll-stage-XXXXXX", NULL);
    world->attempts = g_build_filename(world->folder, "attempts", NULL);
    world->began_fd = make_fifo(world, "began", O_RDWR);
    world->go_fd = make_fifo(world, "go", O_RDWR);
    world->held_fd = make_fifo(world, "held", O_RDONLY);
    stage_fleet_init(&world->fleet, &world->host, NULL, STAGE_DEADLINE_S);
    stage_answer_init(&world->answer);
    world->adapter = vr_process_host_update_new(&world->fleet, world->attempts, VR_STAGE_HELPER);
    *state = world;
    return 0;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name = NULL;
    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    (void)g_remove(path);
}

int
stage_teardown(void **state)
{
    StageWorld *world = *state;
    vr_process_host_update_free(world->adapter);
    (void)close(world->began_fd);
    (void)close(world->go_fd);
    (void)close(world->held_fd);
    stage_answer_clear(&world->answer);
    g_ptr_array_unref(world->fleet.hosts);
    remove_tree(world->folder);
    g_strfreev(world->argv);
    g_free(world->folder);
    g_free(world->attempts);
    g_free(world);
    return 0;
}

void
stage_restart(StageWorld *world, const char *helper_path)
{
    vr_process_host_update_free(world->adapter);
    world->adapter = vr_process_host_update_new(&world->fleet, world->attempts, helper_path);
}

void
stage_set_argv(StageWorld *world, const char *const *argv, gint64 timeout_s)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (guint i = 0; argv[i] != NULL; i++)
        g_strv_builder_add(builder, argv[i]);
    g_strfreev(world->argv);
    world->argv = g_strv_builder_end(builder);
    world->host.update.stages[VR_STAGE_APPLY].argv = world->argv;
    world->host.update.stages[VR_STAGE_APPLY].timeout_s = timeout_s;
}

void
stage_set_script(StageWorld *world, const char *script, gint64 timeout_s)
{
    g_autofree char *text = g_strdup_printf("F='%s'; %s", world->folder, script);
    stage_set_argv(world, (const char *const[]){"/bin/sh", "-c", text, NULL}, timeout_s);
}

VrStageRequest
stage_request(guint attempt)
{
    return (VrStageRequest){.rollout = "r-1",
                            .host = "h1",
                            .stage = VR_STAGE_APPLY,
                            .step = 7,
                            .attempt = attempt,
                            .level = "2026Q4-1"};
}

void
stage_start(StageWorld *world, const VrStageRequest *request)
{
    VrHostUpdate port = vr_process_host_update_port(world->adapter);
    port.vtable->run(port.context, request, stage_answer_done, &world->answer);
}

void
stage_assert_answer(StageWorld *world, guint count, VrStageEnd end, int exit_status)
{
    StageAnswer *answer = &world->answer;
    assert_true(stage_answer_wait(answer, count));
    if (answer->end != end || answer->exit_status != exit_status)
        print_error("%s %d: %s\n", vr_stage_end_to_string(answer->end), answer->exit_status,
                    answer->output);
    assert_int_equal(answer->end, end);
    assert_int_equal(answer->exit_status, exit_status);
}

void
stage_run(StageWorld *world, VrStageEnd end, int exit_status)
{
    VrStageRequest request = stage_request(1);
    guint before = world->answer.count;
    stage_start(world, &request);
    stage_assert_answer(world, before + 1, end, exit_status);
}

static void
assert_event(int fd, short event)
{
    struct pollfd wait = {.fd = fd, .events = event};
    assert_int_equal(poll(&wait, 1, STAGE_DEADLINE_S * 1000), 1);
    assert_true((wait.revents & event) != 0);
}

void
stage_wait_until_began(StageWorld *world)
{
    char line[64];
    assert_event(world->began_fd, POLLIN);
    assert_true(read(world->began_fd, line, sizeof line) > 0);
}

void
stage_let_go(StageWorld *world)
{
    assert_int_equal(write(world->go_fd, "\n", 1), 1);
}

void
stage_wait_until_released(StageWorld *world)
{
    assert_event(world->held_fd, POLLHUP);
}

char *
stage_read_file(StageWorld *world, const char *name)
{
    g_autofree char *path = g_build_filename(world->folder, name, NULL);
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

void
stage_assert_file(StageWorld *world, const char *name, const char *expected)
{
    g_autofree char *text = stage_read_file(world, name);
    assert_non_null(text);
    assert_string_equal(text, expected);
}
