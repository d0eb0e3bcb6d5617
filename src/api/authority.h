/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may do what: tokens, of which only the SHA-256 is known. */
#pragma once

#include "api/route.h"

G_BEGIN_DECLS

#define VR_TOKEN_DIGEST_LENGTH 64

typedef struct {
    const char *name;   /* for the journal and messages: "alertmanager" */
    const char *sha256; /* lower-case hex of the token's text */
    VrPermission permission;
} VrToken;

#define VR_ACCESSES(X)                                                                             \
    X(VR_ACCESS_GRANTED, "granted")                                                                \
    X(VR_ACCESS_UNKNOWN, "unknown")     /* no token, or one that nobody has */                     \
    X(VR_ACCESS_FORBIDDEN, "forbidden") /* a token of somebody who may not */
VR_DECLARE_ENUM(VrAccess, vr_access, VR_ACCESSES);

/*
 * Of the request's Authorization header (nullable). All tokens are compared, each in a time that
 * does not depend on where it differs. `out_token`: the one that it is, or NULL.
 */
VrAccess vr_authority_check(const VrToken *tokens, guint count, const char *authorization,
                            VrPermission permission, const VrToken **out_token);

/* How often somebody may come: so many at once, and then so many per second. */
#define VR_RATE_BURST 20
#define VR_RATE_PER_S 10

typedef struct {
    gint64 full_us; /* when it is full again; 0: it is */
} VrBucket;

/* FALSE: too often. Times of a clock that does not go back. */
gboolean vr_bucket_take(VrBucket *self, gint64 now_us);

G_END_DECLS
