/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <netinet/in.h>

#include "api/listener.h"

#define BACKLOG 64

struct VrApi {
    VrApiOptions options;
    VrApiListener *unix_listener; /* nullable */
    VrApiListener *port_listener; /* nullable */
    guint port;
};

VrApiOptions
vr_api_options(void)
{
    return (VrApiOptions){.port = -1, .header_timeout_ms = 10000, .body_timeout_ms = 30000};
}

/* -1, with the error set. */
static int
fail(int fd, const char *where, GError **error)
{
    int code = errno;
    if (fd >= 0)
        (void)close(fd);
    vr_error_set(error, code == EADDRINUSE ? VR_ERROR_CONFLICT : VR_ERROR_IO,
                 "%s: cannot listen: %s%s", where, g_strerror(code),
                 code == EADDRINUSE ? "; does another controller run?" : "");
    return -1;
}

static int
listen_port(gint port, GError **error)
{
    g_autofree char *where = g_strdup_printf("127.0.0.1:%d", port);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((guint16)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0)
        return fail(fd, where, error);
    return fd;
}

/* A socket whose owner is gone is in the way of the next one. */
static gboolean
remove_stale(const struct sockaddr_un *address)
{
    struct stat info;
    if (lstat(address->sun_path, &info) != 0)
        return TRUE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gboolean is_stale = fd >= 0 && S_ISSOCK(info.st_mode) &&
                        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                        errno == ECONNREFUSED;
    if (fd >= 0)
        (void)close(fd);
    errno = EADDRINUSE;
    return is_stale && unlink(address->sun_path) == 0;
}

static int
listen_unix(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -1;
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return fail(fd, path, error);
    }
    if (!remove_stale(&address))
        return fail(fd, path, error);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Before bind, so that it is never there with another mode. */
    if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0)
        return fail(fd, path, error);
    return fd;
}

static guint
port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int outcome = getsockname(fd, (struct sockaddr *)&address, &length);
    g_assert(outcome == 0);
    return ntohs(address.sin_port);
}

static VrApiListener *
start(const VrApiOptions *options, int fd, gboolean is_unix, GError **error)
{
    VrApiListener *listener = vr_api_listener_new(options, fd, is_unix);
    if (listener == NULL)
        vr_error_set(error, VR_ERROR_IO, "the HTTP server could not be started");
    return listener;
}

VrApi *
vr_api_new(const VrApiOptions *options, GError **error)
{
    g_autoptr(VrApi) self = g_new0(VrApi, 1);
    self->options = *options;
    if (options->unix_path != NULL) {
        int fd = listen_unix(options->unix_path, error);
        if (fd >= 0)
            self->unix_listener = start(&self->options, fd, TRUE, error);
        if (self->unix_listener == NULL) {
            self->options.unix_path = NULL; /* it is not ours to remove */
            return NULL;
        }
    }
    if (options->port >= 0) {
        int fd = listen_port(options->port, error);
        if (fd >= 0) {
            self->port = port_of(fd);
            self->port_listener = start(&self->options, fd, FALSE, error);
        }
        if (self->port_listener == NULL)
            return NULL;
    }
    return g_steal_pointer(&self);
}

guint
vr_api_port(const VrApi *self)
{
    return self->port;
}

void
vr_api_free(VrApi *self)
{
    if (self == NULL)
        return;
    g_clear_pointer(&self->port_listener, vr_api_listener_free);
    g_clear_pointer(&self->unix_listener, vr_api_listener_free);
    if (self->options.unix_path != NULL)
        (void)unlink(self->options.unix_path);
    g_free(self);
}
