/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hosts in alert and what the watch has said, for status and report. */
#pragma once

#include <virt-roll/rollout.h>

#include "base/json.h"

G_BEGIN_DECLS

/* What was said last of each host, if there is anything to tell; "": of none. (transfer full) */
char *vr_render_health(const VrRollout *rollout, guint width);
/* The members "alerts" and "health" of the object that is being built. */
void vr_render_health_add_json(JsonBuilder *builder, const VrRollout *rollout);

G_END_DECLS
