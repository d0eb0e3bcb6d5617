/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* accept4 */
#include "loopback.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <glib/gstdio.h>

#define START_MS 20000
#define POLL_MS 50

static struct sockaddr_in
loopback_address(guint port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((guint16)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A listening socket on a port that the kernel chose. */
static int
listen_anywhere(guint *out_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback_address(0);
    socklen_t length = sizeof address;
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(listen(fd, 16), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

guint
loopback_free_port(void)
{
    guint port = 0;
    (void)close(listen_anywhere(&port));
    return port;
}

gboolean
loopback_has_program(const char *path)
{
    if (access(path, X_OK) == 0)
        return TRUE;
    printf("skipped: %s is missing; contrib/setup monitoring installs it\n", path);
    return FALSE;
}

/* -------------------------------------------------------------------------- daemon */

Daemon
daemon_prepare(const char *file_name, const char *text)
{
    Daemon self = {.port = loopback_free_port()};
    self.directory = g_dir_make_tmp("vr-monitor-XXXXXX", NULL);
    g_assert_nonnull(self.directory);
    g_autofree char *path = g_build_filename(self.directory, file_name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return self;
}

static gboolean
takes_connections(guint port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback_address(port);
    gboolean connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return connected;
}

/* Also when an assertion ends the test. */
static void
die_with_parent(gpointer data)
{
    (void)data;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void
daemon_start(Daemon *self, char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *log = g_build_filename(self->directory, "log", NULL);
    FILE *output = fopen(log, "ae");
    g_assert_nonnull(output);
    g_auto(GStrv) copy = g_strdupv((char **)(guintptr)argv);
    gboolean started = g_spawn_async_with_fds(
        self->directory, copy, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_parent, NULL, &self->pid,
        -1, fileno(output), fileno(output), &error);
    g_assert_no_error(error);
    g_assert_true(started);
    (void)fclose(output);
    for (guint waited_ms = 0; !takes_connections(self->port); waited_ms += POLL_MS) {
        if (waited_ms >= START_MS) {
            g_autofree char *text = NULL;
            (void)g_file_get_contents(log, &text, NULL, NULL);
            g_error("%s does not take connections: %s", argv[0], text);
        }
        (void)poll(NULL, 0, POLL_MS);
    }
}

void
daemon_stop(Daemon *self)
{
    if (self->pid == 0)
        return;
    (void)kill(self->pid, SIGKILL);
    (void)waitpid(self->pid, NULL, 0);
    self->pid = 0;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name = NULL;
    while (directory != NULL && (name = g_dir_read_name(directory)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            remove_tree(child);
        else
            (void)g_unlink(child);
    }
    (void)g_rmdir(path);
}

void
daemon_clear(Daemon *self)
{
    daemon_stop(self);
    if (self->directory != NULL)
        remove_tree(self->directory);
    g_clear_pointer(&self->directory, g_free);
}

/* -------------------------------------------------------------------------- hostile server */

struct Hostile {
    HostileManner manner;
    char *text;
    int listener;
    guint port;
    pthread_t thread;
    pthread_mutex_t lock;
    char *received;
    gint stopped; /* atomic */
};

/* FALSE: the client is gone, or the test is over. */
static gboolean
send_all(Hostile *self, int fd, const char *bytes, gsize length)
{
    while (length > 0 && !g_atomic_int_get(&self->stopped)) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (poll(&wait, 1, POLL_MS) <= 0)
            continue;
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            return FALSE;
        bytes += MAX(sent, 0);
        length -= (gsize)MAX(sent, 0);
    }
    return !g_atomic_int_get(&self->stopped);
}

static gboolean
client_is_there(Hostile *self, int fd, gint timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char bytes[4096];
    if (poll(&wait, 1, timeout_ms) > 0 && recv(fd, bytes, sizeof bytes, 0) <= 0)
        return FALSE;
    return !g_atomic_int_get(&self->stopped);
}

static void
serve(Hostile *self, int fd)
{
    static char many[65536];
    char bytes[65536];
    ssize_t count = recv(fd, bytes, sizeof bytes - 1, 0);
    pthread_mutex_lock(&self->lock);
    g_free(self->received);
    self->received = g_strndup(bytes, (gsize)MAX(count, 0));
    pthread_mutex_unlock(&self->lock);
    if (count <= 0 || !send_all(self, fd, self->text, strlen(self->text)))
        return;
    switch (self->manner) {
    case HOSTILE_SENDS:
        return;
    case HOSTILE_SILENT:
        while (client_is_there(self, fd, POLL_MS))
            ;
        return;
    case HOSTILE_DRIPS:
        while (client_is_there(self, fd, 100) && send_all(self, fd, "x", 1))
            ;
        return;
    case HOSTILE_FLOODS:
        memset(many, 'x', sizeof many);
        while (send_all(self, fd, many, sizeof many))
            ;
        return;
    }
}

static void *
run_hostile(void *data)
{
    Hostile *self = data;
    while (!g_atomic_int_get(&self->stopped)) {
        struct pollfd wait = {.fd = self->listener, .events = POLLIN};
        if (poll(&wait, 1, POLL_MS) <= 0)
            continue;
        int fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            serve(self, fd);
            (void)close(fd);
        }
    }
    return NULL;
}

Hostile *
hostile_new(HostileManner manner, const char *text)
{
    Hostile *self = g_new0(Hostile, 1);
    self->manner = manner;
    self->text = g_strdup(text);
    self->listener = listen_anywhere(&self->port);
    pthread_mutex_init(&self->lock, NULL);
    g_assert_cmpint(pthread_create(&self->thread, NULL, run_hostile, self), ==, 0);
    return self;
}

guint
hostile_port(const Hostile *self)
{
    return self->port;
}

char *
hostile_received(Hostile *self)
{
    pthread_mutex_lock(&self->lock);
    char *copy = g_strdup(self->received);
    pthread_mutex_unlock(&self->lock);
    return copy;
}

void
hostile_free(Hostile *self)
{
    if (self == NULL)
        return;
    g_atomic_int_set(&self->stopped, 1);
    (void)pthread_join(self->thread, NULL);
    (void)close(self->listener);
    pthread_mutex_destroy(&self->lock);
    g_free(self->text);
    g_free(self->received);
    g_free(self);
}
