/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <virt-roll/error.h>

#define HOLDER_MAX 128

static void
set_io_error(GError **error, const char *path, const char *what)
{
    g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot %s: %s", path, what, g_strerror(errno));
}

gboolean
vr_sqlite_lock_sync_directory(const char *directory, GError **error)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        set_io_error(error, directory, "open the directory");
        return FALSE;
    }
    gboolean synced = fsync(fd) == 0;
    if (!synced)
        set_io_error(error, directory, "make the directory durable");
    (void)close(fd);
    return synced;
}

static gboolean
ensure_directory(const char *directory, GError **error)
{
    if (g_file_test(directory, G_FILE_TEST_IS_DIR))
        return TRUE;
    g_autofree char *parent = g_path_get_dirname(directory);
    if (!g_str_equal(parent, directory) && !ensure_directory(parent, error))
        return FALSE;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        set_io_error(error, directory, "make the directory");
        return FALSE;
    }
    return vr_sqlite_lock_sync_directory(parent, error);
}

static void
set_held_error(GError **error, const char *path, int fd)
{
    char holder[HOLDER_MAX + 1] = {0};
    ssize_t count = pread(fd, holder, HOLDER_MAX, 0);
    holder[MAX(count, 0)] = '\0';
    g_strdelimit(g_strchomp(holder), "\n\r", ' ');
    /* The holder may have locked it and not yet written who it is. */
    g_set_error(error, VR_ERROR, VR_ERROR_CONFLICT,
                "%s: another controller works on this fleet (%s): ask it, or stop it first", path,
                holder[0] != '\0' ? holder : "just started");
}

static gboolean
write_holder(int fd)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *since = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    g_autofree char *text = g_strdup_printf("pid %d since %s\n", (int)getpid(), since);
    size_t size = strlen(text);
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, size, 0) == (ssize_t)size;
}

int
vr_sqlite_lock_take(const char *directory, GError **error)
{
    if (!ensure_directory(directory, error))
        return -1;
    g_autofree char *path = g_build_filename(directory, "lock", NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        set_io_error(error, path, "open the lock");
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            set_held_error(error, path, fd);
        else
            set_io_error(error, path, "take the lock");
        (void)close(fd);
        return -1;
    }
    /* A full disk must not keep anybody from looking at the journal: the text is only a help. */
    if (!write_holder(fd))
        g_message("%s: cannot write who holds it: %s", path, g_strerror(errno));
    return fd;
}
