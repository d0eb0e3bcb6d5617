/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first routes: alerts of Alertmanager, and whether we are alive. */
#pragma once

#include <virt-roll/alert.h>

#include "api/server.h"

G_BEGIN_DECLS

/*
 * Who takes the alerts. Must answer the request by vr_api_alerts_respond, when what it changes is
 * durable: after an answer below 500 Alertmanager does not send it again.
 */
typedef struct {
    void (*receive)(const VrAlertMessage *message, VrApiRequest *request, gpointer data);
    gpointer data;
} VrAlertSink;

/* Kept: `error` NULL. Whatever the error, the answer is 5xx, so that the alerts come again. */
void vr_api_alerts_respond(VrApiRequest *request, const GError *error);

/* POST /v1/alerts/alertmanager. The sink must outlive the route. */
VrRoute vr_api_alerts_route(const VrAlertSink *sink);
/* GET /healthz */
VrRoute vr_api_health_route(void);

G_END_DECLS
