/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/stall.h"

gboolean
vr_stall_note(VrStall *self, guint attempt, const VrMigrationProgress *progress, gint64 now_us,
              gint64 limit_us)
{
    gboolean moves = self->since_us == 0 || self->attempt != attempt ||
                     self->processed_mib != progress->data_processed_mib;

    /* While the target is prepared, libvirt's own limits hold. */
    if (progress->data_processed_mib == VR_UNKNOWN) {
        self->since_us = 0;
        return FALSE;
    }
    if (moves)
        *self = (VrStall){attempt, progress->data_processed_mib, now_us};
    return now_us - self->since_us >= limit_us;
}
