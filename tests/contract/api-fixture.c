/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-fixture.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <glib/gstdio.h>

#include "api/alerts.h"

#define RECEIVE_MS 10000

struct Server {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    GMainContext *context;
    GMainLoop *loop;
    VrApi *api;

    char *directory;
    char *unix_path;
    char *digests[2];
    VrToken tokens[2];
    VrAlertSink sink;
    VrRoute routes[2];
    VrApiOptions options;
    guint delay_ms;
    gint answer; /* under the lock, like all below */

    VrFleetHost hosts[2];
    VrFleet fleet;
    VrPolicy *policy;
    VrAlertMapping *mapping;
    VrAlertBook *book;
    guint message_count;
};

/* -------------------------------------------------------------------------- sink */

typedef struct {
    VrApiRequest *request;
    gint answer;
} Answer;

static gboolean
give_answer(gpointer data)
{
    g_autofree Answer *answer = data;
    g_autoptr(GError) error =
        answer->answer < 0 ? NULL : vr_error_new((VrErrorCode)answer->answer, "not now");
    vr_api_alerts_respond(answer->request, error);
    return G_SOURCE_REMOVE;
}

static void
receive(const VrAlertMessage *message, VrApiRequest *request, gpointer data)
{
    Server *self = data;
    assert_string_equal(vr_api_request_caller(request), "alertmanager");
    pthread_mutex_lock(&self->lock);
    self->message_count++;
    g_autoptr(GPtrArray) changes =
        vr_alert_book_receive(self->book, self->mapping, message, g_get_real_time());
    for (guint i = 0; i < changes->len; i++)
        (void)vr_alert_book_apply(self->book, g_ptr_array_index(changes, i));
    Answer *answer = g_new(Answer, 1);
    *answer = (Answer){request, self->answer};
    pthread_mutex_unlock(&self->lock);
    if (self->delay_ms == 0) {
        (void)give_answer(answer);
        return;
    }
    g_autoptr(GSource) later = g_timeout_source_new(self->delay_ms);
    g_source_set_callback(later, give_answer, answer, NULL);
    (void)g_source_attach(later, self->context);
}

/* -------------------------------------------------------------------------- server */

static void *
run(void *data)
{
    Server *self = data;
    g_autoptr(GError) error = NULL;
    g_main_context_push_thread_default(self->context);
    pthread_mutex_lock(&self->lock);
    self->api = vr_api_new(&self->options, &error);
    g_assert_no_error(error);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    g_main_loop_run(self->loop);
    vr_api_free(self->api);
    /* Answers that come too late. */
    gint64 deadline_us = g_get_monotonic_time() + (self->delay_ms + 100) * 1000LL;
    while (g_get_monotonic_time() < deadline_us)
        (void)g_main_context_iteration(self->context, FALSE);
    g_main_context_pop_thread_default(self->context);
    return NULL;
}

static void
init_alerts(Server *self)
{
    static char h1[] = "h1", h2[] = "h2", instance[] = "instance";
    static char *no_aliases[] = {NULL};
    static char *host_labels[] = {instance, NULL};
    static const char policy[] = "{\"format\":\"virt-roll-policy/1\",\"alerts\":[{\"match\":"
                                 "{\"alertname\":\"*\"},\"meaning\":\"migrate-back\"}]}";
    self->hosts[0] = (VrFleetHost){.name = h1, .aliases = no_aliases};
    self->hosts[1] = (VrFleetHost){.name = h2, .aliases = no_aliases};
    self->fleet = (VrFleet){.hosts = g_ptr_array_new(), .monitoring = {.host_labels = host_labels}};
    g_ptr_array_add(self->fleet.hosts, &self->hosts[0]);
    g_ptr_array_add(self->fleet.hosts, &self->hosts[1]);
    self->policy = vr_policy_parse(policy, strlen(policy), "policy", NULL);
    self->mapping = vr_alert_mapping_new(&self->fleet, self->policy);
    self->book = vr_alert_book_new();
    self->answer = -1;
}

static void
init_options(Server *self, guint header_timeout_ms, guint body_timeout_ms)
{
    self->directory = g_dir_make_tmp("vr-api-XXXXXX", NULL);
    self->unix_path = g_build_filename(self->directory, "socket", NULL);
    self->digests[0] = g_compute_checksum_for_string(G_CHECKSUM_SHA256, TOKEN, -1);
    self->digests[1] = g_compute_checksum_for_string(G_CHECKSUM_SHA256, OTHER_TOKEN, -1);
    self->tokens[0] = (VrToken){"alertmanager", self->digests[0], VR_PERMISSION_RAISE_ALERTS};
    self->tokens[1] = (VrToken){"other", self->digests[1], VR_PERMISSION_PUBLIC};
    self->sink = (VrAlertSink){receive, self};
    self->routes[0] = vr_api_alerts_route(&self->sink);
    self->routes[1] = vr_api_health_route();
    self->options = vr_api_options();
    self->options.unix_path = self->unix_path;
    self->options.port = 0;
    self->options.routes = self->routes;
    self->options.route_count = G_N_ELEMENTS(self->routes);
    self->options.tokens = self->tokens;
    self->options.token_count = G_N_ELEMENTS(self->tokens);
    self->options.header_timeout_ms = header_timeout_ms;
    self->options.body_timeout_ms = body_timeout_ms;
}

Server *
server_new(guint header_timeout_ms, guint body_timeout_ms, guint delay_ms)
{
    Server *self = g_new0(Server, 1);
    self->delay_ms = delay_ms;
    init_alerts(self);
    init_options(self, header_timeout_ms, body_timeout_ms);
    self->context = g_main_context_new();
    self->loop = g_main_loop_new(self->context, FALSE);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
    pthread_mutex_lock(&self->lock);
    while (self->api == NULL)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
    return self;
}

void
server_free(Server *self)
{
    while (!g_main_loop_is_running(self->loop))
        (void)poll(NULL, 0, 1);
    g_main_loop_quit(self->loop);
    g_main_context_wakeup(self->context);
    assert_int_equal(pthread_join(self->thread, NULL), 0);
    assert_int_not_equal(access(self->unix_path, F_OK), 0);
    (void)g_rmdir(self->directory);
    vr_alert_mapping_free(self->mapping);
    vr_alert_book_free(self->book);
    vr_policy_free(self->policy);
    g_ptr_array_unref(self->fleet.hosts);
    g_main_loop_unref(self->loop);
    g_main_context_unref(self->context);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    g_free(self->directory);
    g_free(self->unix_path);
    g_free(self->digests[0]);
    g_free(self->digests[1]);
    g_free(self);
}

guint
server_port(Server *self)
{
    return vr_api_port(self->api);
}

const char *
server_unix_path(Server *self)
{
    return self->unix_path;
}

guint
server_message_count(Server *self)
{
    pthread_mutex_lock(&self->lock);
    guint count = self->message_count;
    pthread_mutex_unlock(&self->lock);
    return count;
}

char *
server_alerts(Server *self)
{
    GString *text = g_string_new(NULL);
    pthread_mutex_lock(&self->lock);
    for (guint i = 0; i < vr_alert_book_count(self->book); i++) {
        const VrAlert *alert = vr_alert_book_at(self->book, i);
        g_string_append_printf(text, "%s%s %s", i == 0 ? "" : ", ", alert->host, alert->name);
    }
    pthread_mutex_unlock(&self->lock);
    return g_string_free(text, FALSE);
}

void
server_set_answer(Server *self, gint code)
{
    pthread_mutex_lock(&self->lock);
    self->answer = code;
    pthread_mutex_unlock(&self->lock);
}

/* -------------------------------------------------------------------------- client */

int
client_connect(guint port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((guint16)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

int
client_connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

gboolean
client_send(int fd, const char *bytes, gsize length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return FALSE;
        bytes += sent;
        length -= (gsize)sent;
    }
    return TRUE;
}

static gboolean
is_whole(const GString *answer)
{
    const char *end = strstr(answer->str, "\r\n\r\n");
    const char *length = strstr(answer->str, "Content-Length: ");
    if (end == NULL)
        return FALSE;
    if (length == NULL || length > end)
        return g_str_has_prefix(answer->str, "HTTP/1.1 204");
    return strlen(end + 4) >= g_ascii_strtoull(length + strlen("Content-Length: "), NULL, 10);
}

char *
client_receive(int fd, guint timeout_ms)
{
    GString *answer = g_string_new(NULL);
    gint64 deadline_us = g_get_monotonic_time() + timeout_ms * 1000LL;
    while (!is_whole(answer)) {
        char bytes[4096];
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        gint64 left_ms = (deadline_us - g_get_monotonic_time()) / 1000;
        if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) <= 0) {
            g_string_append(answer, "(nothing more)");
            break;
        }
        ssize_t count = recv(fd, bytes, sizeof bytes, 0);
        if (count <= 0) {
            g_string_append(answer, "(closed)");
            break;
        }
        g_string_append_len(answer, bytes, count);
    }
    return g_string_free(answer, FALSE);
}

char *
client_ask(Server *self, const char *request, gsize length)
{
    int fd = client_connect(server_port(self));
    (void)client_send(fd, request, length);
    char *answer = client_receive(fd, RECEIVE_MS);
    (void)close(fd);
    return answer;
}

char *
client_post(const char *token, const char *body)
{
    return g_strdup_printf("POST /v1/alerts/alertmanager HTTP/1.1\r\nHost: x\r\n"
                           "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                           "Content-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
                           token, strlen(body), body);
}

char *
alert_message(const char *name, const char *host, const char *fingerprint, const char *ends)
{
    return g_strdup_printf(
        "{\"version\":\"4\",\"alerts\":[{\"status\":\"%s\",\"labels\":{\"alertname\":\"%s\","
        "\"instance\":\"%s\"},\"annotations\":{},\"startsAt\":\"2026-01-01T00:00:00Z\","
        "\"endsAt\":\"%s\",\"fingerprint\":\"%s\"}]}",
        ends[0] == '\0' ? "firing" : "resolved", name, host,
        ends[0] == '\0' ? "0001-01-01T00:00:00Z" : ends, fingerprint);
}
