/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/curl/monitor.h"

#include <string.h>

#include "adapters/curl/alertmanager-json.h"
#include "adapters/curl/prometheus-json.h"
#include "adapters/curl/transfer.h"
#include "adapters/curl/workers.h"

#define THREADS_MAX 4
#define WAITING_MAX 10000
#define EXCERPT_MAX 200 /* bytes of an answer that are shown */
#define JSON_TYPE "application/json"
#define FORM_TYPE "application/x-www-form-urlencoded"

struct VrCurlMonitor {
    const VrFleet *fleet;
    VrWorkers *workers;
};

/* One call of the port, with copies of all that it needs; those that it does not need are NULL. */
typedef struct VrJob VrJob;
struct VrJob {
    const VrFleet *fleet;
    void (*run)(VrJob *self, const gint *cancelled);
    gpointer data; /* of the caller */

    VrSilenceDone silenced;
    VrMonitorDone done;
    VrQueryDone answered;

    char **bodies; /* of silences, one for each label; or of alerts, one */
    char **ids;
    VrQueryRule rule; /* its texts are about the host, and ours */
};

static void
free_job(VrJob *self)
{
    g_strfreev(self->bodies);
    g_strfreev(self->ids);
    g_free(self->rule.name);
    g_free(self->rule.query);
    g_free(self->rule.present);
    g_free(self);
}

static void
run_job(gpointer job, const gint *cancelled)
{
    VrJob *self = job;
    self->run(self, cancelled);
    free_job(self);
}

static VrJob *
new_job(VrCurlMonitor *self, void (*run)(VrJob *, const gint *), gpointer data)
{
    VrJob *job = g_new0(VrJob, 1);
    job->fleet = self->fleet;
    job->run = run;
    job->data = data;
    return job;
}

/* -------------------------------------------------------------------------- requests */

/* Sets the error unless the answer is 2xx. `who` begins the message. */
static gboolean
check_answer(const VrTransfer *transfer, const char *who, const char *url, GError **error)
{
    if (transfer->end == VR_TRANSFER_TIMED_OUT) {
        vr_error_set(error, VR_ERROR_TIMEOUT, "%s: no answer in time from %s; is it overloaded?",
                     who, url);
        return FALSE;
    }
    if (transfer->end != VR_TRANSFER_DONE) {
        vr_error_set(error, VR_ERROR_UNREACHABLE, "%s: %s: %s; is it running?", who, url,
                     transfer->detail);
        return FALSE;
    }
    if (transfer->status >= 200 && transfer->status <= 299)
        return TRUE;
    vr_error_set(error, transfer->status >= 500 ? VR_ERROR_UNREACHABLE : VR_ERROR_REFUSED,
                 "%s: %s answers with status %ld: %.*s", who, url, transfer->status, EXCERPT_MAX,
                 transfer->body->str);
    return FALSE;
}

/* The path at the base, with what came back. `base` NULL: the fleet does not say where. */
static VrTransfer *
call(const VrJob *self, const char *who, const char *base, const char *path,
     VrTransferRequest request, GError **error)
{
    if (base == NULL) {
        vr_error_set(error, VR_ERROR_INVALID, "%s: %s: the fleet file says no URL", who,
                     self->fleet->path != NULL ? self->fleet->path : self->fleet->name);
        return NULL;
    }
    g_autofree char *url = g_strconcat(base, path, NULL);
    request.kind = VR_TRANSFER_WHOLE;
    request.url = url;
    request.timeout_s = self->fleet->monitoring.timeout_s;
    if (g_atomic_int_get(request.cancelled) != 0) {
        vr_error_set(error, VR_ERROR_CANCELLED,
                     "%s: not asked: the controller is closing, or too many calls wait", who);
        return NULL;
    }
    g_autoptr(VrTransfer) transfer = vr_transfer_run(&request);
    return check_answer(transfer, who, url, error) ? g_steal_pointer(&transfer) : NULL;
}

static VrTransfer *
call_alertmanager(const VrJob *self, const char *method, const char *path, const char *body,
                  const gint *cancelled, GError **error)
{
    VrTransferRequest request = {.method = method,
                                 .body = body,
                                 .content_type = body != NULL ? JSON_TYPE : NULL,
                                 .cancelled = cancelled};
    return call(self, "Alertmanager", self->fleet->monitoring.alertmanager_url, path, request,
                error);
}

/* -------------------------------------------------------------------------- silences */

static gboolean
end_silence(const VrJob *self, const char *id, const gint *cancelled, GError **error)
{
    if (!vr_alertmanager_is_silence_id(id)) {
        vr_error_set(error, VR_ERROR_INVALID, "Alertmanager: \"%s\" is no id of a silence", id);
        return FALSE;
    }
    g_autofree char *path = g_strconcat("/api/v2/silence/", id, NULL);
    g_autoptr(GError) problem = NULL;
    g_autoptr(VrTransfer) ended =
        call_alertmanager(self, "DELETE", path, NULL, cancelled, &problem);
    if (ended != NULL)
        return TRUE;
    /* What is over already cannot be ended, and different versions say so in different words. */
    g_autoptr(GError) other = NULL;
    g_autoptr(VrTransfer) seen = call_alertmanager(self, "GET", path, NULL, cancelled, &other);
    gboolean is_over = seen != NULL
                           ? vr_alertmanager_parse_is_expired(seen->body->str, seen->body->len)
                           : g_error_matches(other, VR_ERROR, VR_ERROR_REFUSED) &&
                                 strstr(other->message, "status 404") != NULL;
    if (!is_over)
        g_propagate_error(error, g_steal_pointer(&problem));
    return is_over;
}

static char *
begin_silence(const VrJob *self, const char *body, const gint *cancelled, GError **error)
{
    g_autoptr(VrTransfer) transfer =
        call_alertmanager(self, "POST", "/api/v2/silences", body, cancelled, error);
    if (transfer == NULL)
        return NULL;
    char *id = vr_alertmanager_parse_silence_id(transfer->body->str, transfer->body->len);
    if (id == NULL)
        vr_error_set(error, VR_ERROR_UNREACHABLE,
                     "Alertmanager: answers without the id of the silence: %.*s; is it version "
                     "0.22 or newer?",
                     EXCERPT_MAX, transfer->body->str);
    return id;
}

/* All or nothing; what cannot be taken back ends by itself. */
static void
run_silence_begin(VrJob *self, const gint *cancelled)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; self->bodies[i] != NULL && error == NULL; i++) {
        char *id = begin_silence(self, self->bodies[i], cancelled, &error);
        if (id != NULL)
            g_ptr_array_add(ids, id);
    }
    for (guint i = 0; error != NULL && i < ids->len; i++)
        (void)end_silence(self, g_ptr_array_index(ids, i), cancelled, NULL);
    g_ptr_array_add(ids, NULL);
    self->silenced(error == NULL ? (char *const *)ids->pdata : NULL, error, self->data);
}

static void
run_silence_end(VrJob *self, const gint *cancelled)
{
    g_autoptr(GError) first = NULL;
    for (guint i = 0; self->ids[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;
        if (!end_silence(self, self->ids[i], cancelled, &error) && first == NULL)
            first = g_steal_pointer(&error);
    }
    self->done(first, self->data);
}

static void
silence_begin(gpointer context, const VrSilenceRequest *request, VrSilenceDone done, gpointer data)
{
    VrCurlMonitor *self = context;
    gint index = vr_fleet_find_host(self->fleet, request->host);
    gint64 length_us = request->until_us - request->from_us;
    g_assert(length_us > 0 && length_us <= (gint64)VR_SILENCE_S_MAX * G_USEC_PER_SEC);
    if (index < 0) {
        g_autoptr(GError) error =
            vr_error_new(VR_ERROR_NOT_FOUND, "%s: no such host in the fleet", request->host);
        done(NULL, error, data);
        return;
    }
    char **labels = self->fleet->monitoring.host_labels;
    VrJob *job = new_job(self, run_silence_begin, data);
    job->silenced = done;
    job->bodies = g_new0(char *, g_strv_length(labels) + 1);
    for (guint i = 0; labels[i] != NULL; i++)
        job->bodies[i] = vr_alertmanager_format_silence(
            request, vr_fleet_host(self->fleet, (guint)index), labels[i]);
    vr_workers_push(self->workers, job);
}

static void
silence_end(gpointer context, char *const *ids, VrMonitorDone done, gpointer data)
{
    VrCurlMonitor *self = context;
    VrJob *job = new_job(self, run_silence_end, data);
    job->done = done;
    guint count = 0;
    while (ids[count] != NULL)
        count++;
    job->ids = g_new0(char *, count + 1);
    for (guint i = 0; i < count; i++)
        job->ids[i] = g_strdup(ids[i]);
    vr_workers_push(self->workers, job);
}

/* -------------------------------------------------------------------------- alerts */

static void
run_post_alerts(VrJob *self, const gint *cancelled)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrTransfer) transfer =
        call_alertmanager(self, "POST", "/api/v2/alerts", self->bodies[0], cancelled, &error);
    self->done(error, self->data);
}

static void
post_alerts(gpointer context, const VrPostedAlert *alerts, guint count, VrMonitorDone done,
            gpointer data)
{
    VrCurlMonitor *self = context;
    VrJob *job = new_job(self, run_post_alerts, data);
    job->done = done;
    job->bodies = g_new0(char *, 2);
    job->bodies[0] = vr_alertmanager_format_alerts(alerts, count);
    vr_workers_push(self->workers, job);
}

/* -------------------------------------------------------------------------- query */

/* (transfer full) NULL: not known, and the error says why. */
static GPtrArray *
ask_prometheus(const VrJob *self, const char *query, const gint *cancelled, GError **error)
{
    g_autofree char *form = vr_transfer_form("query", query);
    VrTransferRequest request = {
        .method = "POST", .body = form, .content_type = FORM_TYPE, .cancelled = cancelled};
    g_autoptr(VrTransfer) transfer =
        call(self, "Prometheus", self->fleet->monitoring.prometheus_url, "/api/v1/query", request,
             error);
    if (transfer == NULL)
        return NULL;
    return vr_prometheus_parse(transfer->body->str, transfer->body->len, error);
}

static void
run_query(VrJob *self, const gint *cancelled)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) present = NULL;
    g_autoptr(GPtrArray) found = NULL;
    g_autofree char *detail = NULL;
    VrQueryResult result = {.answer = VR_QUERY_ANSWER_UNKNOWN};
    if (self->rule.present != NULL)
        present = ask_prometheus(self, self->rule.present, cancelled, &error);
    if (error == NULL)
        found = ask_prometheus(self, self->rule.query, cancelled, &error);
    if (error == NULL)
        result.answer = vr_prometheus_judge(&self->rule, present, found, &detail);
    else
        detail = g_strdup_printf("%s: %s", self->rule.name, error->message);
    result.detail = detail;
    self->answered(&result, self->data);
}

static void
query(gpointer context, const VrQueryRule *rule, const char *host, VrQueryDone done, gpointer data)
{
    VrCurlMonitor *self = context;
    VrJob *job = new_job(self, run_query, data);
    job->answered = done;
    job->rule = *rule;
    job->rule.name = g_strdup(rule->name);
    job->rule.query = vr_query_rule_expand(rule->query, host);
    job->rule.present = rule->present != NULL ? vr_query_rule_expand(rule->present, host) : NULL;
    vr_workers_push(self->workers, job);
}

/* -------------------------------------------------------------------------- port */

VrCurlMonitor *
vr_curl_monitor_new(const VrFleet *fleet)
{
    VrCurlMonitor *self = g_new0(VrCurlMonitor, 1);
    self->fleet = fleet;
    self->workers = vr_workers_new(run_job, THREADS_MAX, WAITING_MAX);
    return self;
}

VrMonitor
vr_curl_monitor_port(VrCurlMonitor *self)
{
    static const VrMonitorVTable vtable = {silence_begin, silence_end, post_alerts, query};
    return (VrMonitor){self, &vtable};
}

void
vr_curl_monitor_free(VrCurlMonitor *self)
{
    if (self == NULL)
        return;
    vr_workers_free(self->workers);
    g_free(self);
}
