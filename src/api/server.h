/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The HTTP server: listens on a unix socket and on a loopback port, holds requests to the table of
 * routes and to limits, and hands them to handlers, all in the main context of the thread that made
 * it. Nobody is believed: what is slow, large, malformed or without a token is refused or cut off,
 * and holds nobody else up.
 */
#pragma once

#include "api/authority.h"
#include "api/route.h"

G_BEGIN_DECLS

#define VR_API_CONNECTIONS_MAX 256
#define VR_API_CONNECTIONS_PER_ADDRESS_MAX 16 /* of the port; loopback is one address */
#define VR_API_HEADER_BYTES_MAX 32768

typedef struct {
    const char *unix_path; /* (nullable) made with mode 0600; root and our user need no token */
    gint port;             /* on 127.0.0.1; 0: any; -1: none */
    const VrRoute *routes;
    guint route_count;
    const VrToken *tokens;
    guint token_count;
    guint
        header_timeout_ms; /* [10000] from connecting, or the last answer's end, to whole headers */
    guint body_timeout_ms; /* [30000] from there to the whole body */
} VrApiOptions;

VrApiOptions vr_api_options(void); /* defaults; nothing to listen on */

typedef struct VrApi VrApi;

/* What the options point to must outlive it. NULL: it cannot listen. */
VrApi *vr_api_new(const VrApiOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Of 127.0.0.1; 0: it has none. */
guint vr_api_port(const VrApi *self);
/* Requests that wait for an answer get 503; answers that come later are dropped. */
void vr_api_free(VrApi *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrApi, vr_api_free)

/* -------------------------------------------------------------------------- for handlers */

/* A part of the path in braces, counted from 0. Borrowed. */
const char *vr_api_request_parameter(const VrApiRequest *self, guint index);
/* Not terminated, not checked in any way. Borrowed. */
const char *vr_api_request_body(const VrApiRequest *self, gsize *out_length);
/* Whose token it is, "uid:0" on the unix socket, "" for public routes. Borrowed. */
const char *vr_api_request_caller(const VrApiRequest *self);

/* Each ends the request for its handler. `json` NULL: without a body. */
void vr_api_respond_json(VrApiRequest *self, guint status, const char *json);
void vr_api_respond_error(VrApiRequest *self, const GError *error);

G_END_DECLS
