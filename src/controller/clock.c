/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "controller/clock.h"

#include <time.h>

/* Goes on while the machine is suspended: what was proven before has become old. */
static gint64
since_boot_us(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint64
now_us(gpointer context)
{
    static gsize started = 0;
    static gint64 offset_us = 0;
    (void)context;

    if (g_once_init_enter(&started)) {
        offset_us = g_get_real_time() - since_boot_us();
        g_once_init_leave(&started, 1);
    }
    return offset_us + since_boot_us();
}

VrClock
vr_system_clock(void)
{
    static const VrClockVTable vtable = {now_us};

    return (VrClock){NULL, &vtable};
}
