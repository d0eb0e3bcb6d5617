/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request from its headers to its answer. Lives as long as its connection or its handler. */
#pragma once

#include <microhttpd.h>

#include "api/problem.h"
#include "api/server.h"

G_BEGIN_DECLS

typedef struct VrApiListener VrApiListener;

struct VrApiRequest {
    guint references;
    VrApiListener *listener;           /* NULL: the server is gone */
    struct MHD_Connection *connection; /* NULL: it is gone */
    VrRouteMatch match;
    char *path;
    char *caller;
    GString *body;
    gsize dropped; /* bytes of a body that is too large */
    gboolean refused;
    gboolean dispatched;
    gboolean suspended;
    guint status; /* 0: no answer yet */
    char *answer; /* (nullable) */
    const char *type;
    char *allow; /* (nullable) value of that header */
};

VrApiRequest *vr_api_request_new(VrApiListener *listener, struct MHD_Connection *connection,
                                 const char *path);
VrApiRequest *vr_api_request_ref(VrApiRequest *self);
void vr_api_request_unref(VrApiRequest *self);

/* The answer, before a handler has seen it. */
void vr_api_request_refuse(VrApiRequest *self, VrProblem problem);

/* Sends the answer. */
enum MHD_Result vr_api_request_send(VrApiRequest *self);

G_END_DECLS
