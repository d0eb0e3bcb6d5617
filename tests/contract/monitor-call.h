/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of the monitor port that wait for their end, on a fleet of two hosts. */
#pragma once

#include "../unit/base/expect.h"

#include "adapters/curl/monitor.h"

typedef struct {
    VrFleet fleet;
    VrFleetHost hosts[2]; /* h1 with alias "node.1", h2 */
    char *aliases[2];
    char *host_labels[4]; /* instance, host */
    VrCurlMonitor *monitor;
    VrMonitor port;
    char **ids;   /* of the last silences */
    char *detail; /* of the last call: its error or answer; "" if there was none */
} Monitor;

/* NULL: the fleet names no such URL. */
Monitor *monitor_new(const char *alertmanager_url, const char *prometheus_url, gint64 timeout_s);
void monitor_free(Monitor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Monitor, monitor_free)

/* The code of its error; -1: none. */
gint monitor_silence(Monitor *self, const char *host, gint64 length_s);
gint monitor_end_silences(Monitor *self, char *const *ids);
gint monitor_post(Monitor *self, const char *name, const char *host, gint64 length_s);
VrQueryAnswer monitor_query(Monitor *self, const VrQueryRule *rule, const char *host);

/* "http://127.0.0.1:PORT" (transfer full) */
char *loopback_url(guint port);
