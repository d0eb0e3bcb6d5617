/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "monitor-call.h"

#include <pthread.h>
#include <time.h>

#include <virt-roll/error.h>

#define DEADLINE_S 40

/* A call that is waited for; its end comes from another thread. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    guint end_count;
    gint code; /* -1: no error */
    VrQueryAnswer answer;
    char *detail;
    char **ids;
} Wait;

static void
wait_init(Wait *self)
{
    *self = (Wait){.code = -1};
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
}

static void
wait_end(Wait *self, const GError *error, const char *detail)
{
    pthread_mutex_lock(&self->lock);
    self->end_count++;
    self->code = error != NULL ? error->code : -1;
    g_free(self->detail);
    self->detail = g_strdup(error != NULL ? error->message : detail);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* Its detail goes to the monitor. */
static void
wait_finish(Wait *self, Monitor *monitor)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_S;
    pthread_mutex_lock(&self->lock);
    int outcome = 0;
    while (self->end_count == 0 && outcome == 0)
        outcome = pthread_cond_timedwait(&self->changed, &self->lock, &deadline);
    guint end_count = self->end_count;
    pthread_mutex_unlock(&self->lock);
    if (end_count != 1)
        fail_msg("the call ended %u times", end_count);
    g_free(monitor->detail);
    monitor->detail = self->detail;
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
}

static void
on_silenced(char *const *ids, const GError *error, gpointer data)
{
    Wait *wait = data;
    if (ids != NULL)
        wait->ids = g_strdupv((char **)(guintptr)ids);
    wait_end(wait, error, "");
}

static void
on_done(const GError *error, gpointer data)
{
    wait_end(data, error, "");
}

static void
on_answer(const VrQueryResult *result, gpointer data)
{
    Wait *wait = data;
    wait->answer = result->answer;
    wait_end(wait, NULL, result->detail);
}

Monitor *
monitor_new(const char *alertmanager_url, const char *prometheus_url, gint64 timeout_s)
{
    static char h1[] = "h1", h2[] = "h2", alias[] = "node.1", name[] = "dc1";
    static char instance[] = "instance", host[] = "host";
    Monitor *self = g_new0(Monitor, 1);
    self->aliases[0] = alias;
    self->host_labels[0] = instance;
    self->host_labels[1] = host;
    self->hosts[0] = (VrFleetHost){.name = h1, .aliases = self->aliases};
    self->hosts[1] = (VrFleetHost){.name = h2, .aliases = self->aliases + 1};
    self->fleet = (VrFleet){
        .name = name,
        .hosts = g_ptr_array_new(),
        .monitoring = {.alertmanager_url = g_strdup(alertmanager_url),
                       .prometheus_url = g_strdup(prometheus_url),
                       .host_labels = self->host_labels,
                       .timeout_s = timeout_s},
    };
    g_ptr_array_add(self->fleet.hosts, &self->hosts[0]);
    g_ptr_array_add(self->fleet.hosts, &self->hosts[1]);
    self->monitor = vr_curl_monitor_new(&self->fleet);
    self->port = vr_curl_monitor_port(self->monitor);
    return self;
}

void
monitor_free(Monitor *self)
{
    vr_curl_monitor_free(self->monitor);
    g_ptr_array_unref(self->fleet.hosts);
    g_free(self->fleet.monitoring.alertmanager_url);
    g_free(self->fleet.monitoring.prometheus_url);
    g_strfreev(self->ids);
    g_free(self->detail);
    g_free(self);
}

gint
monitor_silence(Monitor *self, const char *host, gint64 length_s)
{
    Wait wait;
    gint64 now_us = g_get_real_time();
    VrSilenceRequest request = {.host = host,
                                .from_us = now_us,
                                .until_us = now_us + length_s * G_USEC_PER_SEC,
                                .comment = "update of a host"};
    wait_init(&wait);
    self->port.vtable->silence_begin(self->port.context, &request, on_silenced, &wait);
    wait_finish(&wait, self);
    g_strfreev(self->ids);
    self->ids = wait.ids;
    assert_true((wait.code == -1) == (wait.ids != NULL));
    return wait.code;
}

gint
monitor_end_silences(Monitor *self, char *const *ids)
{
    Wait wait;
    wait_init(&wait);
    self->port.vtable->silence_end(self->port.context, ids, on_done, &wait);
    wait_finish(&wait, self);
    return wait.code;
}

gint
monitor_post(Monitor *self, const char *name, const char *host, gint64 length_s)
{
    Wait wait;
    gint64 now_us = g_get_real_time();
    VrPostedAlert alert = {.name = name,
                           .host = host,
                           .severity = "critical",
                           .fleet = "dc1",
                           .summary = "a \"person\" is needed",
                           .starts_us = now_us - 60 * G_USEC_PER_SEC,
                           .until_us = now_us + length_s * G_USEC_PER_SEC};
    wait_init(&wait);
    self->port.vtable->post_alerts(self->port.context, &alert, 1, on_done, &wait);
    wait_finish(&wait, self);
    return wait.code;
}

VrQueryAnswer
monitor_query(Monitor *self, const VrQueryRule *rule, const char *host)
{
    Wait wait;
    wait_init(&wait);
    self->port.vtable->query(self->port.context, rule, host, on_answer, &wait);
    wait_finish(&wait, self);
    return wait.answer;
}

char *
loopback_url(guint port)
{
    return g_strdup_printf("http://127.0.0.1:%u", port);
}
