/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "controller/clock.h"

static gint64
now_us(gpointer context)
{
    static gsize started = 0;
    static gint64 offset_us = 0;
    (void)context;

    if (g_once_init_enter(&started)) {
        offset_us = g_get_real_time() - g_get_monotonic_time();
        g_once_init_leave(&started, 1);
    }
    return offset_us + g_get_monotonic_time();
}

VrClock
vr_system_clock(void)
{
    static const VrClockVTable vtable = {now_us};

    return (VrClock){NULL, &vtable};
}
