/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virt-roll-stage DIRECTORY TIMEOUT_S -- ARGV…: runs one attempt of a stage, once, on its own feet.
 * Returns as soon as the attempt has begun or is found begun; the rest happens in a process that
 * outlives its caller. Without ARGV it sees to it that the attempt never begins, if it has not.
 * The files in DIRECTORY: docs/internals/stages.md.
 */
#define _GNU_SOURCE /* close_range, pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/process/child.h"
#include "adapters/process/tail.h"

#define MESSAGE_MAX 1024
#define TIMEOUT_MAX_S (INT64_C(366) * 24 * 3600)

extern char **environ;

typedef struct {
    const char *path;
    int directory_fd;
    int output_fd;
    VrTail tail;
} Attempt;

typedef enum { BEGIN_OURS, BEGIN_TAKEN, BEGIN_FAILED } Begin;

/* -------------------------------------------------------------------------- files */

static bool
write_whole(int fd, const char *text)
{
    size_t size = strlen(text);
    return write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
}

/* Whole and durable under its name, or not there. */
static bool
write_file(const Attempt *self, const char *name, const char *text)
{
    char fresh[64];
    (void)snprintf(fresh, sizeof fresh, "%s.new", name);
    int fd = openat(self->directory_fd, fresh,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool written = write_whole(fd, text);
    (void)close(fd);
    return written && renameat(self->directory_fd, fresh, self->directory_fd, name) == 0 &&
           fsync(self->directory_fd) == 0;
}

/* What cannot be written is lost: a full disk here must not stop an update in the middle. */
static void
add_output(const char *bytes, size_t count, void *data)
{
    Attempt *self = data;
    ssize_t written = 0;
    if (vr_tail_add(&self->tail, bytes, count)) {
        written = pwrite(self->output_fd, self->tail.bytes, self->tail.count, 0);
        if (ftruncate(self->output_fd, (off_t)self->tail.count) != 0)
            written = -1;
    } else {
        written = pwrite(self->output_fd, bytes, count, (off_t)(self->tail.count - count));
    }
    (void)written;
}

/* -------------------------------------------------------------------------- attempt */

/*
 * The lock tells that somebody runs the attempt, `started` that somebody ever did. The lock stays
 * held until this process ends; the command does not inherit it.
 */
static Begin
attempt_begin(Attempt *self)
{
    char text[32];
    int lock_fd =
        openat(self->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_fd < 0)
        return BEGIN_FAILED;
    if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? BEGIN_TAKEN : BEGIN_FAILED;
    if (faccessat(self->directory_fd, "started", F_OK, 0) == 0)
        return BEGIN_TAKEN;
    if (errno != ENOENT)
        return BEGIN_FAILED;
    self->output_fd = openat(self->directory_fd, "output",
                             O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->output_fd < 0)
        return BEGIN_FAILED;
    (void)snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return write_file(self, "started", text) ? BEGIN_OURS : BEGIN_FAILED;
}

static void
attempt_run(Attempt *self, char **argv, int64_t timeout_s)
{
    char status[PATH_MAX + 256];
    VrChildCommand command = {.argv = argv,
                              .environment = environ,
                              .timeout_s = timeout_s,
                              .output = add_output,
                              .data = self};
    VrChildResult result = vr_child_run(&command);
    switch (result.end) {
    case VR_CHILD_EXITED:
        (void)snprintf(status, sizeof status, "exited %d\n", result.code);
        break;
    case VR_CHILD_SIGNALLED:
        (void)snprintf(status, sizeof status, "signalled %d\n", result.code);
        break;
    case VR_CHILD_TIMED_OUT:
        (void)snprintf(status, sizeof status, "timed-out\n");
        break;
    case VR_CHILD_NOT_RUN:
        (void)snprintf(status, sizeof status, "not-run %s: %s\n", argv[0], strerror(result.code));
        break;
    }
    (void)fsync(self->output_fd);
    /* Without it the attempt counts as lost, which is what it is then. */
    (void)write_file(self, "status", status);
}

/* -------------------------------------------------------------------------- process */

static void
let_go_of_caller(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM};
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && null_fd >= 0; fd++)
        (void)dup2(null_fd, fd);
    if (null_fd > STDERR_FILENO)
        (void)close(null_fd);
    /* Who wants to end an attempt ends its command; then the end gets recorded. */
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL); /* or no exit status */
}

/* Tells the caller: "+" for begun or taken, or else what went wrong. */
static void
run_detached(Attempt *self, int told_fd, char **argv, int64_t timeout_s)
{
    char text[MESSAGE_MAX] = "+";
    let_go_of_caller();
    Begin begin = attempt_begin(self);
    if (begin == BEGIN_FAILED)
        (void)snprintf(text, sizeof text, "%s: cannot begin the attempt: %s", self->path,
                       strerror(errno));
    ssize_t written = write(told_fd, text, strlen(text));
    (void)written; /* the caller may be gone: that is what we are for */
    (void)close(told_fd);
    if (begin == BEGIN_OURS && argv[0] == NULL)
        (void)write_file(self, "status", "withheld\n");
    else if (begin == BEGIN_OURS)
        attempt_run(self, argv, timeout_s);
}

/* In the caller's child: the exit status of the whole. */
static int
wait_until_told(int told_fd)
{
    char text[MESSAGE_MAX] = "";
    size_t size = 0;
    while (size + 1 < sizeof text) {
        ssize_t count = read(told_fd, text + size, sizeof text - 1 - size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        size += (size_t)count;
    }
    text[size] = '\0';
    if (strcmp(text, "+") == 0)
        return EXIT_SUCCESS;
    (void)fprintf(stderr, "%s\n", size > 0 ? text : "the helper ended before the attempt began");
    return EXIT_FAILURE;
}

/* Twice, so that nothing is left to be reaped by the caller and no terminal can be acquired. */
static int
detach_and_run(Attempt *self, char **argv, int64_t timeout_s)
{
    int told[2];
    if (pipe2(told, O_CLOEXEC) != 0) {
        perror("virt-roll-stage: pipe");
        return EXIT_FAILURE;
    }
    pid_t first = fork();
    if (first < 0) {
        perror("virt-roll-stage: fork");
        return EXIT_FAILURE;
    }
    if (first == 0) {
        (void)setsid();
        if (fork() != 0)
            _exit(EXIT_SUCCESS);
        (void)close(told[0]);
        run_detached(self, told[1], argv, timeout_s);
        _exit(EXIT_SUCCESS);
    }
    (void)close(told[1]);
    (void)waitpid(first, NULL, 0);
    return wait_until_told(told[0]);
}

static bool
parse_timeout(const char *text, int64_t *out_timeout_s)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > TIMEOUT_MAX_S)
        return false;
    *out_timeout_s = value;
    return true;
}

int
main(int argc, char **argv)
{
    static Attempt attempt;
    int64_t timeout_s = 0;
    if (argc < 4 || !parse_timeout(argv[2], &timeout_s) || strcmp(argv[3], "--") != 0 ||
        (argc > 4 && argv[4][0] != '/')) {
        (void)fprintf(stderr, "usage: virt-roll-stage DIRECTORY TIMEOUT_S -- [/PROGRAM ARGUMENT…]\n"
                              "Run by virt-roll; not meant for people.\n");
        return 2;
    }
    (void)close_range(STDERR_FILENO + 1, UINT_MAX, 0);
    attempt.path = argv[1];
    attempt.directory_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (attempt.directory_fd < 0) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    return detach_and_run(&attempt, argv + 4, timeout_s);
}
