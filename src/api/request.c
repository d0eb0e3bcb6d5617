/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/request.h"

#include <string.h>

#include "api/listener.h"

#define JSON_TYPE "application/json"

VrApiRequest *
vr_api_request_new(VrApiListener *listener, struct MHD_Connection *connection, const char *path)
{
    VrApiRequest *self = g_new0(VrApiRequest, 1);
    self->references = 1;
    self->listener = listener;
    self->connection = connection;
    self->path = g_strdup(path);
    self->caller = g_strdup("");
    self->body = g_string_new(NULL);
    return self;
}

VrApiRequest *
vr_api_request_ref(VrApiRequest *self)
{
    self->references++;
    return self;
}

void
vr_api_request_unref(VrApiRequest *self)
{
    if (--self->references > 0)
        return;
    vr_route_match_clear(&self->match);
    (void)g_string_free(self->body, TRUE);
    g_free(self->path);
    g_free(self->caller);
    g_free(self->answer);
    g_free(self->allow);
    g_free(self);
}

const char *
vr_api_request_parameter(const VrApiRequest *self, guint index)
{
    g_assert(index < self->match.parameter_count);
    return self->match.parameters[index];
}

const char *
vr_api_request_body(const VrApiRequest *self, gsize *out_length)
{
    *out_length = self->body->len;
    return self->body->str;
}

const char *
vr_api_request_caller(const VrApiRequest *self)
{
    return self->caller;
}

void
vr_api_request_refuse(VrApiRequest *self, VrProblem problem)
{
    if (self->status != 0)
        return;
    self->refused = TRUE;
    self->status = vr_problem_status(problem);
    self->answer = vr_problem_format(problem);
    self->type = VR_PROBLEM_TYPE;
}

/* (transfer answer) */
static void
respond(VrApiRequest *self, guint status, char *answer, const char *type)
{
    g_assert(self->dispatched);
    if (self->status == 0) {
        self->status = status;
        self->answer = answer;
        self->type = type;
        vr_api_listener_wake(self);
    } else {
        g_free(answer); /* it was told that we are closing */
    }
    vr_api_request_unref(self);
}

void
vr_api_respond_json(VrApiRequest *self, guint status, const char *json)
{
    respond(self, status, g_strdup(json), JSON_TYPE);
}

void
vr_api_respond_error(VrApiRequest *self, const GError *error)
{
    respond(self, vr_problem_error_status(error), vr_problem_format_error(error), VR_PROBLEM_TYPE);
}

enum MHD_Result
vr_api_request_send(VrApiRequest *self)
{
    const char *body = self->answer != NULL ? self->answer : "";
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(body), (void *)(guintptr)body, MHD_RESPMEM_MUST_COPY);
    if (self->answer != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, self->type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (self->status == MHD_HTTP_UNAUTHORIZED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (self->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "5");
    if (self->allow != NULL)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, self->allow);
    /* What is left of a refused request is not worth reading. */
    if (self->refused)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(self->connection, self->status, response);
    MHD_destroy_response(response);
    return result;
}
