/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is a stage at work, whoever began it? */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "adapters/process/host-update.h"

/* The helper of an attempt holds its lock as long as it lives. */
static gboolean
is_running(const char *attempt)
{
    g_autofree char *lock = g_build_filename(attempt, "lock", NULL);
    int fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return FALSE;
    gboolean is_held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    (void)close(fd);
    return is_held;
}

char *
vr_process_find_running(const char *directory)
{
    g_autoptr(GDir) rollouts = g_dir_open(directory, 0, NULL);
    const char *rollout = NULL;

    while (rollouts != NULL && (rollout = g_dir_read_name(rollouts)) != NULL) {
        g_autofree char *folder = g_build_filename(directory, rollout, NULL);
        g_autoptr(GDir) attempts = g_dir_open(folder, 0, NULL);
        const char *attempt = NULL;
        while (attempts != NULL && (attempt = g_dir_read_name(attempts)) != NULL) {
            g_autofree char *path = g_build_filename(folder, attempt, NULL);
            if (is_running(path))
                return g_steal_pointer(&path);
        }
    }
    return NULL;
}
