/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clock port: wall clock at start plus monotonic time since, so that it never goes back. */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

/* One per process. */
VrClock vr_system_clock(void);

G_END_DECLS
