/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells a migration that sends nothing from one that does not converge: a guest that writes much
 * keeps the figure growing, a network that lets nothing through does not.
 */
#pragma once

#include <virt-roll/ports.h>

G_BEGIN_DECLS

/* Zeroed at first. */
typedef struct {
    guint attempt; /* of the call that it watches */
    gint64 processed_mib;
    gint64 since_us; /* when that was first seen; 0: nothing yet */
} VrStall;

/* TRUE once nothing was sent for `limit_us`, and then at each report until something is. */
gboolean vr_stall_note(VrStall *self, guint attempt, const VrMigrationProgress *progress,
                       gint64 now_us, gint64 limit_us);

G_END_DECLS
