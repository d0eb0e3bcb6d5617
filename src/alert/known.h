/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A known alert while it is made. */
#pragma once

#include <virt-roll/alert.h>

G_BEGIN_DECLS

/* Empty; whoever made it fills it before anybody else sees it. (transfer full) */
VrAlert *vr_alert_new(void);

/* Clean text, its first VR_ALERT_TEXT_LENGTH_MAX bytes, whole characters. (transfer full) */
char *vr_alert_shorten(const char *text);

G_END_DECLS
