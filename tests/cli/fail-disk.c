/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fail-disk - an LD_PRELOAD library for tests: the disk under the journal's log fails. FAIL_DISK is
 * "sync" (fsync says EIO), "write" (EIO) or "full" (ENOSPC).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
fails(const char *way, int fd)
{
    const char *wanted = getenv("FAIL_DISK");
    char link[64], path[4096] = "";

    if (wanted == NULL || strcmp(wanted, way) != 0)
        return false;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, path, sizeof path - 1) > 0 && strstr(path, "journal.db-wal") != NULL;
}

static int
sync_file(long number, int fd)
{
    if (!fails("sync", fd))
        return (int)syscall(number, fd);
    errno = EIO;
    return -1;
}

int
fsync(int fd)
{
    return sync_file(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    if (fails("write", fd))
        errno = EIO;
    else if (fails("full", fd))
        errno = ENOSPC;
    else
        return syscall(SYS_pwrite64, fd, bytes, count, at);
    return -1;
}
