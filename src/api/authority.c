/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/authority.h"

#include <string.h>

#define SCHEME "Bearer "
#define TOKEN_LENGTH_MAX 512

VR_DEFINE_ENUM(VrAccess, vr_access, VR_ACCESSES)

/* Looks at every character, whatever the first ones are. */
static gboolean
is_same_digest(const char *a, const char *b)
{
    guint difference = 0;
    if (strlen(a) != VR_TOKEN_DIGEST_LENGTH || strlen(b) != VR_TOKEN_DIGEST_LENGTH)
        return FALSE;
    for (guint i = 0; i < VR_TOKEN_DIGEST_LENGTH; i++)
        difference |= (guint)(guchar)a[i] ^ (guint)(guchar)b[i];
    return difference == 0;
}

VrAccess
vr_authority_check(const VrToken *tokens, guint count, const char *authorization,
                   VrPermission permission, const VrToken **out_token)
{
    const VrToken *owner = NULL;
    *out_token = NULL;
    if (permission == VR_PERMISSION_PUBLIC)
        return VR_ACCESS_GRANTED;
    if (authorization == NULL || g_ascii_strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0 ||
        strlen(authorization) > TOKEN_LENGTH_MAX)
        return VR_ACCESS_UNKNOWN;
    g_autofree char *digest =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, authorization + strlen(SCHEME), -1);
    for (guint i = 0; i < count; i++) {
        if (is_same_digest(tokens[i].sha256, digest))
            owner = &tokens[i];
    }
    if (owner == NULL)
        return VR_ACCESS_UNKNOWN;
    *out_token = owner;
    return owner->permission == permission ? VR_ACCESS_GRANTED : VR_ACCESS_FORBIDDEN;
}

gboolean
vr_bucket_take(VrBucket *self, gint64 now_us)
{
    const gint64 one_us = G_USEC_PER_SEC / VR_RATE_PER_S;
    gint64 full_us = MAX(self->full_us, now_us) + one_us;
    if (full_us - now_us > VR_RATE_BURST * one_us)
        return FALSE;
    self->full_us = full_us;
    return TRUE;
}
