/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fail-disk - an LD_PRELOAD library for tests: the disk under the journal's log fails. FAIL_DISK is
 * "sync" (fsync says EIO), "write" (EIO) or "full" (ENOSPC). DIE_AT=N: the process dies instead of
 * the N-th time that it gives, changes or takes away the name of a file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
count_name(void)
{
    static atomic_int names;
    const char *last = getenv("DIE_AT");

    if (last != NULL && atomic_fetch_add(&names, 1) + 1 == atoi(last))
        _exit(99);
}

int
link(const char *from, const char *to)
{
    count_name();
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
rename(const char *from, const char *to)
{
    count_name();
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
unlink(const char *path)
{
    count_name();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int
mkdir(const char *path, mode_t mode)
{
    count_name();
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

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
