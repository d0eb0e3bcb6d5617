/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "alert/known.h"

#include <string.h>

#include "base/text.h"

VR_DEFINE_ENUM(VrAlertChangeKind, vr_alert_change_kind, VR_ALERT_CHANGES)

VrAlert *
vr_alert_new(void)
{
    return g_atomic_rc_box_new0(VrAlert);
}

VrAlert *
vr_alert_ref(VrAlert *self)
{
    return g_atomic_rc_box_acquire(self);
}

static void
clear(gpointer alert)
{
    VrAlert *self = alert;
    g_free(self->fingerprint);
    g_free(self->name);
    g_free(self->host);
    g_free(self->summary);
}

void
vr_alert_unref(VrAlert *self)
{
    if (self != NULL)
        g_atomic_rc_box_release_full(self, clear);
}

void
vr_alert_change_free(gpointer change)
{
    VrAlertChange *self = change;
    if (self == NULL)
        return;
    vr_alert_unref(self->alert);
    g_free(self);
}

char *
vr_alert_shorten(const char *text)
{
    g_autofree char *clean = vr_text_clean(text);
    gsize length = strlen(clean);
    if (length > VR_ALERT_TEXT_LENGTH_MAX) {
        length = VR_ALERT_TEXT_LENGTH_MAX;
        while ((clean[length] & 0xc0) == 0x80)
            length--;
    }
    return g_strndup(clean, length);
}
