/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last bytes of an output of any length; only the C library, see child.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define VR_TAIL_KEPT 65536 /* at least; VR_STAGE_OUTPUT_MAX of the port */

typedef struct {
    size_t count;
    char bytes[2 * VR_TAIL_KEPT];
} VrTail;

/*
 * Adds at most VR_TAIL_KEPT bytes. TRUE: the oldest went, so that all of `bytes` has moved; at most
 * once per VR_TAIL_KEPT bytes, which keeps a long output cheap.
 */
static inline bool
vr_tail_add(VrTail *self, const char *bytes, size_t count)
{
    bool moved = self->count + count > sizeof self->bytes;
    if (moved) {
        memmove(self->bytes, self->bytes + self->count - VR_TAIL_KEPT, VR_TAIL_KEPT);
        self->count = VR_TAIL_KEPT;
    }
    memcpy(self->bytes + self->count, bytes, count);
    self->count += count;
    return moved;
}
