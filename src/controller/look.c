/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking at a state directory while another process may own it. */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "adapters/sqlite/journal.h"
#include "controller/controller.h"
#include "controller/helper-path.h"

/* The lock is held by a living process, or by nobody: flock ends with its holder. */
static gboolean
is_owned(const char *state_directory)
{
    g_autofree char *path = g_build_filename(state_directory, "lock", NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gboolean owned = FALSE;

    if (fd < 0)
        return FALSE;
    owned = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return owned;
}

VrRollout *
vr_controller_look(const char *state_directory, gboolean *out_running, GError **error)
{
    g_autoptr(VrSqliteJournal) journal = vr_sqlite_journal_open_read_only(state_directory, error);
    guint64 sequence = 0;

    if (journal == NULL)
        return NULL;
    VrJournal port = vr_sqlite_journal_port(journal);
    *out_running = is_owned(state_directory);
    return vr_replay(&port, &sequence, error);
}

char *
vr_helper_path(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = program != NULL ? g_path_get_dirname(program) : NULL;
    g_autofree char *beside =
        folder != NULL ? g_build_filename(folder, "virt-roll-stage", NULL) : NULL;

    if (beside != NULL && g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE))
        return g_steal_pointer(&beside);
    return g_strdup(VR_STAGE_HELPER_INSTALLED);
}
