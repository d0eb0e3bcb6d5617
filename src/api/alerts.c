/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/alerts.h"

#include "api/problem.h"

static void
receive_alerts(VrApiRequest *request, gpointer data)
{
    const VrAlertSink *sink = data;
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    const char *body = vr_api_request_body(request, &length);
    g_autoptr(VrAlertMessage) message = vr_alert_message_parse(body, length, &error);
    if (message == NULL)
        vr_api_respond_error(request, error);
    else
        sink->receive(message, request, sink->data);
}

static void
tell_health(VrApiRequest *request, gpointer data)
{
    (void)data;
    vr_api_respond_json(request, 200, "{\"status\":\"ok\"}");
}

void
vr_api_alerts_respond(VrApiRequest *request, const GError *error)
{
    if (error == NULL) {
        vr_api_respond_json(request, 204, NULL);
    } else if (vr_problem_error_status(error) >= 500) {
        vr_api_respond_error(request, error);
    } else {
        g_autoptr(GError) again = vr_error_new(VR_ERROR_IO, "%s", error->message);
        vr_api_respond_error(request, again);
    }
}

VrRoute
vr_api_alerts_route(const VrAlertSink *sink)
{
    return (VrRoute){
        .method = "POST",
        .path = "/v1/alerts/alertmanager",
        .permission = VR_PERMISSION_RAISE_ALERTS,
        .body_max = VR_ALERT_MESSAGE_LENGTH_MAX,
        .handler = receive_alerts,
        .data = (gpointer)(guintptr)sink,
    };
}

VrRoute
vr_api_health_route(void)
{
    return (VrRoute){.method = "GET",
                     .path = "/healthz",
                     .permission = VR_PERMISSION_PUBLIC,
                     .handler = tell_health};
}
