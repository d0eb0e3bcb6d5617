/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* pipe2, close_range, F_GETPIPE_SZ */
#include "adapters/process/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 10000
#define READ_MAX 65536
#define NEVER INT64_MAX

typedef struct {
    const VrChildCommand *command;
    pid_t pid;     /* and its group's and session's id */
    int ended_fd;  /* a pidfd; -1 once the child has ended */
    int output_fd; /* -1 once nobody holds its other end */
    int64_t deadline_ms;
    bool terminated; /* SIGTERM was sent */
    bool killed;
} Child;

static int64_t
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
close_and_forget(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* -------------------------------------------------------------------------- start */

/* Between fork and exec of a process with threads: async-signal-safe calls only. */
static void
become_command(const VrChildCommand *command, int output_fd, int error_fd)
{
    sigset_t none;
    int input_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)setsid();
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)umask(022);
    if (input_fd >= 0 && dup2(input_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0 &&
        dup2(output_fd, STDERR_FILENO) >= 0 && chdir("/") == 0 &&
        close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0)
        (void)execve(command->argv[0], command->argv, command->environment);
    int code = errno;
    ssize_t written = write(error_fd, &code, sizeof code);
    _exit(written == sizeof code ? 126 : 127);
}

/* With signals blocked, so that no handler of ours runs in the child. */
static pid_t
fork_command(const VrChildCommand *command, int output_fd, int error_fd)
{
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    int code = errno;
    if (pid == 0)
        become_command(command, output_fd, error_fd);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return pid;
}

/* 0, or the errno of the child's exec; from then on its group is there to be killed. */
static int
read_exec_error(int error_fd)
{
    int code = 0;
    ssize_t count;
    do
        count = read(error_fd, &code, sizeof code);
    while (count < 0 && errno == EINTR);
    return count == sizeof code ? code : 0;
}

/* 0, or the errno of why it does not run. */
static int
child_start(Child *self)
{
    int output[2] = {-1, -1}, errors[2] = {-1, -1};
    int code = 0;
    if (pipe2(output, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0)
        code = errno;
    if (code == 0) {
        self->pid = fork_command(self->command, output[1], errors[1]);
        code = self->pid < 0 ? errno : 0;
    }
    close_and_forget(&output[1]);
    close_and_forget(&errors[1]);
    if (code == 0) {
        code = read_exec_error(errors[0]);
        if (code != 0)
            (void)waitpid(self->pid, NULL, 0);
    }
    close_and_forget(&errors[0]);
    if (code == 0)
        self->output_fd = output[0];
    else
        close_and_forget(&output[0]);
    return code;
}

/* -------------------------------------------------------------------------- watch */

/* How many bytes were there; 0: none at the moment, or never again. */
static size_t
child_read(Child *self)
{
    char bytes[READ_MAX];
    ssize_t count = read(self->output_fd, bytes, sizeof bytes);
    if (count > 0) {
        self->command->output(bytes, (size_t)count, self->command->data);
        return (size_t)count;
    }
    if (count == 0 || (errno != EAGAIN && errno != EINTR))
        close_and_forget(&self->output_fd);
    return 0;
}

static void
child_pass_deadline(Child *self)
{
    (void)kill(-self->pid, self->terminated ? SIGKILL : SIGTERM);
    self->killed = self->terminated;
    self->deadline_ms = self->terminated ? NEVER : now_ms() + GRACE_MS;
    self->terminated = true;
}

/* After its timeout those of its group that still hold the output have the same time to end. */
static bool
child_is_over(const Child *self)
{
    return self->ended_fd < 0 && (!self->terminated || self->killed || self->output_fd < 0);
}

static void
child_watch(Child *self)
{
    while (!child_is_over(self)) {
        struct pollfd waits[] = {{.fd = self->ended_fd, .events = POLLIN},
                                 {.fd = self->output_fd, .events = POLLIN}};
        int64_t left = self->deadline_ms - now_ms();
        left = left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
        if (poll(waits, 2, (int)left) < 0)
            continue;
        if (waits[1].revents != 0)
            (void)child_read(self);
        if (waits[0].revents != 0)
            close_and_forget(&self->ended_fd);
        else if (now_ms() >= self->deadline_ms)
            child_pass_deadline(self);
    }
}

/*
 * What the child itself wrote is in the pipe now. No more than the pipe holds is read: somebody in
 * the background may go on writing for ever.
 */
static void
child_drain(Child *self)
{
    int left = self->output_fd >= 0 ? fcntl(self->output_fd, F_GETPIPE_SZ) : 0;
    while (left > 0 && self->output_fd >= 0) {
        size_t count = child_read(self);
        if (count == 0)
            break;
        left -= (int)count;
    }
    close_and_forget(&self->output_fd);
}

static VrChildResult
child_finish(Child *self)
{
    int status = 0;
    /* Not reaped yet, the child keeps its id, so the group cannot be somebody else's. */
    if (self->terminated)
        (void)kill(-self->pid, SIGKILL);
    child_drain(self);
    pid_t reaped;
    do
        reaped = waitpid(self->pid, &status, 0);
    while (reaped < 0 && errno == EINTR);
    if (self->terminated)
        return (VrChildResult){VR_CHILD_TIMED_OUT, 0};
    /* Where SIGCHLD is ignored the kernel has thrown the status away: that is no success. */
    if (reaped < 0)
        return (VrChildResult){VR_CHILD_SIGNALLED, 0};
    if (WIFSIGNALED(status))
        return (VrChildResult){VR_CHILD_SIGNALLED, WTERMSIG(status)};
    return (VrChildResult){VR_CHILD_EXITED, WEXITSTATUS(status)};
}

VrChildResult
vr_child_run(const VrChildCommand *command)
{
    assert(command->argv[0] != NULL && command->timeout_s >= 0);
    Child child = {.command = command, .ended_fd = -1, .output_fd = -1};
    int code = child_start(&child);
    if (code != 0)
        return (VrChildResult){VR_CHILD_NOT_RUN, code};
    (void)fcntl(child.output_fd, F_SETFL, O_NONBLOCK);
    int64_t now = now_ms();
    child.deadline_ms =
        command->timeout_s < (NEVER - now) / 1000 ? now + command->timeout_s * 1000 : NEVER;
    child.ended_fd = pidfd_open(child.pid, 0);
    /* Out of descriptors, its end and its output cannot be watched together: told as it is. */
    if (child.ended_fd >= 0)
        child_watch(&child);
    else
        (void)kill(-child.pid, SIGKILL);
    return child_finish(&child);
}
