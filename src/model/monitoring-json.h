/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of fleet file and policy that concern monitoring. Errors stick to the reader. */
#pragma once

#include <virt-roll/monitoring.h>

#include "base/reader.h"

G_BEGIN_DECLS

/* Members `monitoring` and `probes` of the fleet. Whatever the file says, both are complete. */
void vr_monitoring_read(VrMonitoring *self, VrReader *reader);
GPtrArray *vr_probe_rules_read(VrReader *reader); /* (transfer full) (element-type VrProbeRule) */

/* Members `alerts` and `queries` of the policy. (transfer full) */
GPtrArray *vr_alert_rules_read(VrReader *reader); /* (element-type VrAlertRule) */
GPtrArray *vr_query_rules_read(VrReader *reader); /* (element-type VrQueryRule) */
JsonArray *vr_alert_rules_write(const GPtrArray *rules);
JsonArray *vr_query_rules_write(const GPtrArray *rules);

G_END_DECLS
