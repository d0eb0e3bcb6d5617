/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-256 (FIPS 180-4) of text that comes in pieces: GLib's, or, where the processor has
 * instructions for it, theirs, which is several times as fast.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define VR_SHA256_BLOCK 64 /* bytes */
#define VR_SHA256_WORDS 8

typedef struct VrSha256 VrSha256;

VrSha256 *vr_sha256_new(void);
void vr_sha256_update(VrSha256 *self, const char *text, gsize length);

/* Lower-case hex. Ends and frees it. (transfer full) */
char *vr_sha256_finish(VrSha256 *self);

/*
 * Private to sha256.c and sha256-x86.c: can the processor do it, and whole blocks with its
 * instructions. On other machines it cannot.
 */
gboolean vr_sha256_x86_is_there(void);
void vr_sha256_x86_take(guint32 state[VR_SHA256_WORDS], const guchar *blocks, gsize count);

G_END_DECLS
