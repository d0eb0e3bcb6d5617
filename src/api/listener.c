/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* struct ucred */
#include "api/listener.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_TIMEOUT_S 60   /* nothing sent or received */
#define DROPPED_TIMES_MAX 4 /* of the limit: read to be polite, then cut off */

struct VrApiListener {
    GSource source; /* first: it is one */
    struct MHD_Daemon *daemon;
    const VrApiOptions *options;
    gboolean is_unix;
    VrBucket *buckets; /* of each token */
    gpointer epoll_tag;
    GPtrArray *waiting; /* (element-type VrApiRequest) suspended until their answer comes */
};

/* Of a connection: libmicrohttpd's timeout starts anew with each byte, this one does not. */
typedef struct {
    GMainContext *context;
    GSource *deadline;
    int fd;
} Connection;

/* -------------------------------------------------------------------------- deadlines */

static gboolean
cut_off(gpointer data)
{
    Connection *connection = data;
    (void)shutdown(connection->fd, SHUT_RDWR);
    return G_SOURCE_REMOVE;
}

static void
connection_clear_deadline(Connection *self)
{
    if (self->deadline == NULL)
        return;
    g_source_destroy(self->deadline);
    g_clear_pointer(&self->deadline, g_source_unref);
}

static void
connection_set_deadline(Connection *self, guint timeout_ms)
{
    connection_clear_deadline(self);
    self->deadline = g_timeout_source_new(timeout_ms);
    g_source_set_callback(self->deadline, cut_off, self, NULL);
    g_source_attach(self->deadline, self->context);
}

static void
on_connection(void *data, struct MHD_Connection *connection, void **state,
              enum MHD_ConnectionNotificationCode what)
{
    VrApiListener *self = data;
    Connection *own = *state;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        own = g_new0(Connection, 1);
        own->context = g_source_get_context(&self->source);
        own->fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        connection_set_deadline(own, self->options->header_timeout_ms);
        *state = own;
        return;
    }
    connection_clear_deadline(own);
    g_free(own);
    *state = NULL;
}

static Connection *
connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* -------------------------------------------------------------------------- checks */

/* On the unix socket: root and our own user. */
static gboolean
is_trusted_peer(const VrApiListener *self, VrApiRequest *request)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    int fd = connection_of(request->connection)->fd;
    if (!self->is_unix || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 ||
        (peer.uid != 0 && peer.uid != geteuid()))
        return FALSE;
    g_free(request->caller);
    request->caller = g_strdup_printf("uid:%u", peer.uid);
    return TRUE;
}

static const char *
header(const VrApiRequest *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static void
check_access(VrApiListener *self, VrApiRequest *request)
{
    const VrApiOptions *options = self->options;
    VrPermission permission = request->match.route->permission;
    const VrToken *token = NULL;
    if (permission != VR_PERMISSION_PUBLIC && is_trusted_peer(self, request))
        return;
    VrAccess access =
        vr_authority_check(options->tokens, options->token_count,
                           header(request, MHD_HTTP_HEADER_AUTHORIZATION), permission, &token);
    if (token != NULL) {
        g_free(request->caller);
        request->caller = g_strdup(token->name);
        if (!vr_bucket_take(&self->buckets[token - options->tokens], g_get_monotonic_time()))
            vr_api_request_refuse(request, VR_PROBLEM_TOO_OFTEN);
    }
    switch (access) {
    case VR_ACCESS_GRANTED:
        return;
    case VR_ACCESS_UNKNOWN:
        vr_api_request_refuse(request, VR_PROBLEM_UNAUTHENTICATED);
        return;
    case VR_ACCESS_FORBIDDEN:
        vr_api_request_refuse(request, VR_PROBLEM_FORBIDDEN);
        return;
    }
}

static gboolean
is_json(const char *type)
{
    gsize length = strlen("application/json");
    return type != NULL && g_ascii_strncasecmp(type, "application/json", length) == 0 &&
           (type[length] == '\0' || type[length] == ';' || type[length] == ' ');
}

/* What its headers say; a body of unknown length is counted as it comes. */
static void
check_body(VrApiRequest *request)
{
    const char *text = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    gsize body_max = request->match.route->body_max;
    guint64 length = 0;
    if (text != NULL &&
        (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &length, NULL) || length > body_max))
        vr_api_request_refuse(request, VR_PROBLEM_TOO_LARGE);
    else if (body_max > 0 && !is_json(header(request, MHD_HTTP_HEADER_CONTENT_TYPE)))
        vr_api_request_refuse(request, VR_PROBLEM_NO_JSON);
}

/* Its answer is set if it is refused. */
static VrApiRequest *
begin(VrApiListener *self, struct MHD_Connection *connection, const char *method, const char *path)
{
    const VrApiOptions *options = self->options;
    VrApiRequest *request = vr_api_request_new(self, connection, path);
    request->match = vr_route_match(options->routes, options->route_count, method, path);
    if (request->match.route != NULL) {
        check_access(self, request);
        if (request->status == 0)
            check_body(request);
    } else if (request->match.is_path_known) {
        request->allow = vr_route_methods(options->routes, options->route_count, path);
        vr_api_request_refuse(request, VR_PROBLEM_NO_METHOD);
    } else {
        vr_api_request_refuse(request, VR_PROBLEM_NO_PATH);
    }
    return request;
}

/* -------------------------------------------------------------------------- requests */

/* Keeps it, or counts it. MHD_NO: enough, the connection is closed. */
static enum MHD_Result
take_body(VrApiRequest *request, const char *bytes, size_t *length)
{
    gsize body_max = request->match.route->body_max;
    if (request->dropped > 0 || request->body->len + *length > body_max)
        request->dropped += *length;
    else
        g_string_append_len(request->body, bytes, (gssize)*length);
    gboolean is_enough = request->dropped > MAX(body_max, 1024) * DROPPED_TIMES_MAX;
    *length = 0;
    return is_enough ? MHD_NO : MHD_YES;
}

static enum MHD_Result
dispatch(VrApiListener *self, VrApiRequest *request)
{
    const VrRoute *route = request->match.route;
    connection_clear_deadline(connection_of(request->connection));
    if (request->dropped > 0) {
        vr_api_request_refuse(request, VR_PROBLEM_TOO_LARGE);
        return vr_api_request_send(request);
    }
    request->dispatched = TRUE;
    route->handler(vr_api_request_ref(request), route->data);
    if (request->status != 0)
        return vr_api_request_send(request);
    request->suspended = TRUE;
    g_ptr_array_add(self->waiting, request);
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

/* Called when the headers are there, for each part of the body, at its end, and after a resume. */
static enum MHD_Result
on_request(void *data, struct MHD_Connection *connection, const char *path, const char *method,
           const char *version, const char *bytes, size_t *length, void **state)
{
    VrApiListener *self = data;
    VrApiRequest *request = *state;
    (void)version;
    if (request == NULL) {
        connection_set_deadline(connection_of(connection), self->options->body_timeout_ms);
        *state = begin(self, connection, method, path);
        request = *state;
        return request->status != 0 ? vr_api_request_send(request) : MHD_YES;
    }
    if (*length > 0)
        return take_body(request, bytes, length);
    return request->status != 0 ? vr_api_request_send(request) : dispatch(self, request);
}

static void
on_completed(void *data, struct MHD_Connection *connection, void **state,
             enum MHD_RequestTerminationCode why)
{
    VrApiListener *self = data;
    VrApiRequest *request = *state;
    Connection *own = connection_of(connection);
    (void)why;
    if (own != NULL)
        connection_set_deadline(own, self->options->header_timeout_ms);
    if (request == NULL)
        return;
    request->connection = NULL;
    vr_api_request_unref(request);
    *state = NULL;
}

void
vr_api_listener_wake(VrApiRequest *request)
{
    VrApiListener *self = request->listener;
    if (self == NULL || request->connection == NULL || !request->suspended)
        return;
    request->suspended = FALSE;
    (void)g_ptr_array_remove(self->waiting, request);
    MHD_resume_connection(request->connection);
    /* libmicrohttpd is not woken by it where somebody else runs its epoll. */
    g_source_set_ready_time(&self->source, 0);
}

/* -------------------------------------------------------------------------- main loop */

/* -1: only when its epoll says so. */
static gint
timeout_of(VrApiListener *self)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    if (MHD_get_timeout(self->daemon, &timeout_ms) != MHD_YES)
        return -1;
    return (gint)MIN(timeout_ms, IDLE_TIMEOUT_S * 1000);
}

static gboolean
source_prepare(GSource *source, gint *out_timeout_ms)
{
    *out_timeout_ms = timeout_of((VrApiListener *)source);
    return *out_timeout_ms == 0;
}

static gboolean
source_check(GSource *source)
{
    VrApiListener *self = (VrApiListener *)source;
    return g_source_query_unix_fd(source, self->epoll_tag) != 0 || timeout_of(self) == 0;
}

static gboolean
source_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)callback;
    (void)data;
    g_source_set_ready_time(source, -1);
    (void)MHD_run(((VrApiListener *)source)->daemon);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {source_prepare, source_check, source_dispatch,
                                        NULL,           NULL,         NULL};

/* A path is compared as it was sent. */
static size_t
leave_escaped(void *data, struct MHD_Connection *connection, char *text)
{
    (void)data;
    (void)connection;
    return strlen(text);
}

VrApiListener *
vr_api_listener_new(const VrApiOptions *options, int fd, gboolean is_unix)
{
    VrApiListener *self = (VrApiListener *)g_source_new(&source_functions, sizeof *self);
    self->options = options;
    self->is_unix = is_unix;
    self->buckets = g_new0(VrBucket, options->token_count);
    self->waiting = g_ptr_array_new();
    self->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, self,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, self,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, self, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, self, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)VR_API_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned int)(is_unix ? 0 : VR_API_CONNECTIONS_PER_ADDRESS_MAX),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)VR_API_HEADER_BYTES_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_TIMEOUT_S, MHD_OPTION_END);
    if (self->daemon == NULL) {
        (void)close(fd);
        vr_api_listener_free(self);
        return NULL;
    }
    int epoll_fd = MHD_get_daemon_info(self->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    self->epoll_tag = g_source_add_unix_fd(&self->source, epoll_fd, G_IO_IN);
    (void)g_source_attach(&self->source, g_main_context_get_thread_default());
    return self;
}

/* libmicrohttpd wants every connection resumed before it stops. */
static void
answer_waiting(VrApiListener *self)
{
    while (self->waiting->len > 0) {
        VrApiRequest *request = g_ptr_array_index(self->waiting, 0);
        vr_api_request_refuse(request, VR_PROBLEM_CLOSING);
        vr_api_listener_wake(request);
        request->listener = NULL;
    }
    (void)MHD_run(self->daemon);
}

void
vr_api_listener_free(VrApiListener *self)
{
    if (self->daemon != NULL) {
        answer_waiting(self);
        MHD_stop_daemon(self->daemon);
    }
    g_ptr_array_unref(self->waiting);
    g_free(self->buckets);
    g_source_destroy(&self->source);
    g_source_unref(&self->source);
}
