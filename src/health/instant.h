/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a single interval says about VMs together, for the rules that wait for no window. */
#pragma once

#include "health/sample.h"

G_BEGIN_DECLS

typedef struct {
    gint64 *steal_wall_permille; /* room for all VMs */
    guint steal_vms;
    guint io_vms, io_severe, io_stalled;
    guint active_vms, active_stopped;
} VrInstant;

void vr_instant_add(VrInstant *self, const VrInterval *interval, const VrBaseline *baseline,
                    const VrHealthLimits *limits);

/* count of all, permille; 0 of none. */
gint64 vr_permille(guint count, guint all);

G_END_DECLS
