/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/sqlite/head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adapters/sqlite/lock.h"

/* "SEQUENCE HASH CHECK\n": 20 digits, 64, and the first 16 of the SHA-256 of what is before. */
#define SEQUENCE_LENGTH 20
#define CHECK_LENGTH 16
#define BODY_LENGTH (SEQUENCE_LENGTH + 1 + VR_SQLITE_HASH_LENGTH)
#define LINE_LENGTH (BODY_LENGTH + 1 + CHECK_LENGTH + 1)

/* A writer in the middle of its write is soon done. */
#define READS_MAX 5

static char *
path_of(const char *directory)
{
    return g_build_filename(directory, "journal.head", NULL);
}

/* (transfer full) LINE_LENGTH bytes */
static char *
format_line(guint64 sequence, const char *hash)
{
    g_autofree char *body = g_strdup_printf("%0*" G_GUINT64_FORMAT " %.*s", SEQUENCE_LENGTH,
                                            sequence, VR_SQLITE_HASH_LENGTH, hash);
    g_autofree char *check = g_compute_checksum_for_string(G_CHECKSUM_SHA256, body, -1);
    return g_strdup_printf("%s %.*s\n", body, CHECK_LENGTH, check);
}

static gboolean
parse_line(const char *line, VrSqliteChain *out_head)
{
    guint64 sequence = 0;
    g_autofree char *digits = g_strndup(line, SEQUENCE_LENGTH);
    if (!g_ascii_string_to_unsigned(digits, 10, 0, G_MAXINT64, &sequence, NULL))
        return FALSE;
    g_autofree char *expected = format_line(sequence, line + SEQUENCE_LENGTH + 1);
    if (strcmp(line, expected) != 0)
        return FALSE;
    out_head->sequence = sequence;
    memcpy(out_head->hash, line + SEQUENCE_LENGTH + 1, VR_SQLITE_HASH_LENGTH);
    out_head->hash[VR_SQLITE_HASH_LENGTH] = '\0';
    return TRUE;
}

gboolean
vr_sqlite_head_read(const char *directory, VrSqliteChain *out_head)
{
    g_autofree char *path = path_of(directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return FALSE;
    gboolean is_whole = FALSE;
    for (guint i = 0; i < READS_MAX && !is_whole; i++) {
        char line[LINE_LENGTH + 2] = {0};
        /* One byte more, so that a longer file is not taken for one of ours. */
        is_whole = pread(fd, line, LINE_LENGTH + 1, 0) == LINE_LENGTH && parse_line(line, out_head);
    }
    (void)close(fd);
    return is_whole;
}

int
vr_sqlite_head_open(const char *directory, GError **error)
{
    g_autofree char *path = path_of(directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot open it: %s", path,
                    g_strerror(errno));
    return fd;
}

static gboolean
write_line(int fd, const VrSqliteChain *head)
{
    g_autofree char *line = format_line(head->sequence, head->hash);
    return pwrite(fd, line, LINE_LENGTH, 0) == LINE_LENGTH && ftruncate(fd, LINE_LENGTH) == 0;
}

void
vr_sqlite_head_write(int fd, const VrSqliteChain *head)
{
    if (!write_line(fd, head))
        g_info("journal.head: cannot be written: %s", g_strerror(errno));
}

gboolean
vr_sqlite_head_replace(const char *directory, const VrSqliteChain *head, GError **error)
{
    g_autofree char *path = path_of(directory);
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    gboolean is_written = fd >= 0 && write_line(fd, head) && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (!is_written || rename(fresh, path) != 0) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot be replaced: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    return vr_sqlite_lock_sync_directory(directory, error);
}
