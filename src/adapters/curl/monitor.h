/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor port by libcurl: Alertmanager's API v2 and Prometheus' API v1, at the URLs of the
 * fleet and nowhere else. Calls run in a few worker threads; `done` comes from there.
 */
#pragma once

#include <virt-roll/fleet.h>
#include <virt-roll/monitor.h>

G_BEGIN_DECLS

typedef struct VrCurlMonitor VrCurlMonitor;

/* The fleet must outlive it. */
VrCurlMonitor *vr_curl_monitor_new(const VrFleet *fleet);
VrMonitor vr_curl_monitor_port(VrCurlMonitor *self);
/* Calls under way end as failed, soon; returns when every `done` has returned. */
void vr_curl_monitor_free(VrCurlMonitor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrCurlMonitor, vr_curl_monitor_free)

G_END_DECLS
