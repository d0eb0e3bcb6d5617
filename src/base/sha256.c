/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sha256.h"

#include <string.h>

struct VrSha256 {
    GChecksum *checksum; /* NULL: the processor does it, with what follows */
    guint32 state[VR_SHA256_WORDS];
    guint64 length;               /* in bytes, of all so far */
    guchar rest[VR_SHA256_BLOCK]; /* what is left of it, less than a block */
};

VrSha256 *
vr_sha256_new(void)
{
    /* The first 32 bits of the fractions of the square roots of the first eight primes. */
    static const guint32 start[VR_SHA256_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    VrSha256 *self = g_new0(VrSha256, 1);

    if (!vr_sha256_x86_is_there())
        self->checksum = g_checksum_new(G_CHECKSUM_SHA256);
    memcpy(self->state, start, sizeof start);
    return self;
}

static void
take(VrSha256 *self, const guchar *bytes, gsize length)
{
    gsize filled = self->length % VR_SHA256_BLOCK;

    self->length += length;
    if (filled > 0) {
        gsize part = MIN(length, VR_SHA256_BLOCK - filled);
        memcpy(self->rest + filled, bytes, part);
        if (filled + part < VR_SHA256_BLOCK)
            return;
        vr_sha256_x86_take(self->state, self->rest, 1);
        bytes += part;
        length -= part;
    }
    vr_sha256_x86_take(self->state, bytes, length / VR_SHA256_BLOCK);
    memcpy(self->rest, bytes + length / VR_SHA256_BLOCK * VR_SHA256_BLOCK,
           length % VR_SHA256_BLOCK);
}

void
vr_sha256_update(VrSha256 *self, const char *text, gsize length)
{
    if (self->checksum != NULL)
        g_checksum_update(self->checksum, (const guchar *)text, (gssize)length);
    else if (length > 0)
        take(self, (const guchar *)text, length);
}

/* A one, zeros, and the number of bits in the last eight bytes of a block. */
static void
pad(VrSha256 *self)
{
    guint64 bits = GUINT64_TO_BE(self->length * 8);
    guchar padding[2 * VR_SHA256_BLOCK] = {0x80};
    gsize used = self->length % VR_SHA256_BLOCK + 1 + sizeof bits;
    gsize zeros = (2 * VR_SHA256_BLOCK - used) % VR_SHA256_BLOCK;

    memcpy(padding + 1 + zeros, &bits, sizeof bits);
    take(self, padding, 1 + zeros + sizeof bits);
}

static char *
format_hex(const guint32 state[VR_SHA256_WORDS])
{
    static const char digits[] = "0123456789abcdef";
    char *text = g_malloc(VR_SHA256_WORDS * 8 + 1);

    for (guint i = 0; i < VR_SHA256_WORDS * 8; i++)
        text[i] = digits[state[i / 8] >> (28 - i % 8 * 4) & 0xf];
    text[VR_SHA256_WORDS * 8] = '\0';
    return text;
}

char *
vr_sha256_finish(VrSha256 *self)
{
    char *hex = NULL;

    if (self->checksum != NULL) {
        hex = g_strdup(g_checksum_get_string(self->checksum));
        g_checksum_free(self->checksum);
    } else {
        pad(self);
        hex = format_hex(self->state);
    }
    g_free(self);
    return hex;
}
