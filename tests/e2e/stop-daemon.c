/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stop-daemon - an LD_PRELOAD library for a lab host's libvirtd: stops the daemon (SIGSTOP) at a
 * named point of a migration, so that a test can look at the world of that very moment, and kill or
 * freeze whatever it wants before the daemon goes on.
 *
 * The test orders a stop by a file next to this library, which the daemon removes when it stops:
 *
 *   stop.HOST.qmp-NAME   the daemon is about to give its QEMU the command NAME
 *   hold.HOST.qmp-NAME   the daemon has given its QEMU the command NAME, and sees no answer before
 *                        the file is gone; the rest of the daemon goes on. It says that it waits by
 *                        held.HOST.qmp-NAME
 *   stop.HOST.reply-N    the daemon is about to answer remote procedure N
 *   spoil.HOST           the source cannot read the daemon's answer to Finish
 *
 * While the file keep.HOST is there, the daemon cannot delete definitions.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFINITIONS "/etc/libvirt/qemu/"

/* Of libvirt's remote protocol: the header's words and what they hold. */
#define PROGRAM_REMOTE 0x20008086u
#define TYPE_REPLY 1u
#define HOLD_POLL_US 5000
#define FINISH 306u
#define COOKIE "<qemu-migration"
enum { WORD_LENGTH, WORD_PROGRAM, WORD_VERSION, WORD_PROCEDURE, WORD_TYPE, WORD_COUNT };

static char directory[PATH_MAX];
static char host[HOST_NAME_MAX + 1];

/* libvirt hands LD_PRELOAD on to what it starts; those must be left alone. */
__attribute__((constructor)) static void
find_orders(void)
{
    Dl_info self;

    if (strcmp(program_invocation_short_name, "libvirtd") != 0 ||
        gethostname(host, sizeof(host)) != 0 || dladdr((void *)find_orders, &self) == 0)
        return;
    (void)snprintf(directory, sizeof(directory), "%s", self.dli_fname);
    char *end = strrchr(directory, '/');
    if (end != NULL)
        *end = '\0';
}

static void
order_path(char *path, size_t size, const char *verb, const char *point)
{
    if (snprintf(path, size, "%s/%s.%s%s", directory, verb, host, point) >= (int)size)
        abort();
}

static void
stop_at(const char *point)
{
    char path[PATH_MAX];

    order_path(path, sizeof(path), "stop", point);
    if (syscall(SYS_unlink, path) == 0)
        (void)raise(SIGSTOP);
}

/* The thread is that of one guest's monitor. */
static void
hold_at(const char *point)
{
    char path[PATH_MAX];
    char held[PATH_MAX];

    order_path(path, sizeof(path), "hold", point);
    if (access(path, F_OK) != 0)
        return;
    order_path(held, sizeof(held), "held", point);
    int fd = open(held, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
    while (access(path, F_OK) == 0)
        usleep(HOLD_POLL_US);
}

/* The point of a command to QEMU; else "". */
static void
find_command(const char *text, size_t count, char *point, size_t size)
{
    static const char begin[] = "{\"execute\":\"";
    const size_t length = sizeof(begin) - 1;

    point[0] = '\0';
    if (count <= length || memcmp(text, begin, length) != 0)
        return;
    const char *end = memchr(text + length, '"', count - length);
    if (end != NULL)
        (void)snprintf(point, size, ".qmp-%.*s", (int)(end - text) - (int)length, text + length);
}

/* The message is libvirt's own, on its way out: nobody reads it again. */
static void
spoil_cookie(const void *bytes, size_t count)
{
    char path[PATH_MAX];
    char *cookie = memmem(bytes, count, COOKIE, strlen(COOKIE));

    order_path(path, sizeof(path), "spoil", "");
    if (cookie != NULL && syscall(SYS_unlink, path) == 0)
        *cookie = '!';
}

static void
handle_message(const void *bytes, size_t count)
{
    uint32_t words[WORD_COUNT];
    char point[80];

    if (count < sizeof(words))
        return;
    memcpy(words, bytes, sizeof(words));
    if (ntohl(words[WORD_PROGRAM]) != PROGRAM_REMOTE || ntohl(words[WORD_TYPE]) != TYPE_REPLY)
        return;
    if (ntohl(words[WORD_PROCEDURE]) == FINISH)
        spoil_cookie(bytes, count);
    (void)snprintf(point, sizeof(point), ".reply-%u", ntohl(words[WORD_PROCEDURE]));
    stop_at(point);
}

/* libvirt writes to monitors and sockets by this. */
ssize_t
write(int fd, const void *bytes, size_t count)
{
    char command[80] = "";

    if (directory[0] != '\0') {
        find_command(bytes, count, command, sizeof(command));
        if (command[0] != '\0')
            stop_at(command);
        handle_message(bytes, count);
    }
    ssize_t written = syscall(SYS_write, fd, bytes, count);
    int error = errno;
    if (command[0] != '\0')
        hold_at(command);
    errno = error;
    return written;
}

int
unlink(const char *path)
{
    char order[PATH_MAX];

    order_path(order, sizeof(order), "keep", "");
    if (directory[0] != '\0' && strncmp(path, DEFINITIONS, strlen(DEFINITIONS)) == 0 &&
        access(order, F_OK) == 0) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_unlink, path);
}
