/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bodies of Alertmanager's API v2. Pure. */
#pragma once

#include <virt-roll/fleet.h>
#include <virt-roll/monitor.h>

G_BEGIN_DECLS

/*
 * A silence for all alerts that have one of the host's names in `label`, but ours. (transfer full)
 */
char *vr_alertmanager_format_silence(const VrSilenceRequest *request, const VrFleetHost *host,
                                     const char *label);

/* (transfer full) */
char *vr_alertmanager_format_alerts(const VrPostedAlert *alerts, guint count);

/* Of a silence that was made: letters, digits and '-'. (transfer full) NULL: there is none. */
char *vr_alertmanager_parse_silence_id(const char *text, gsize length);

/* Is it an id that may stand in a path? */
gboolean vr_alertmanager_is_silence_id(const char *text);

/* Does the answer about a silence say that it is over? */
gboolean vr_alertmanager_parse_is_expired(const char *text, gsize length);

G_END_DECLS
