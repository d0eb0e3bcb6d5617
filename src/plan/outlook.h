/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much longer a pool will take, roughly: enough to tell which hosts must not wait any more. */
#pragma once

#include "plan/belt.h"

G_BEGIN_DECLS

/* From now until all hosts of the pool are updated. */
gint64 vr_outlook_remaining_ms(const VrBelt *belt, guint pool);

/* A host whose cycle takes so long would be the last to end if it were not drained soon. */
gint64 vr_outlook_urgent_ms(const VrBelt *belt, guint pool);

G_END_DECLS
