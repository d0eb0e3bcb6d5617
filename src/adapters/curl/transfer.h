/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One HTTP request from beginning to end, or one TCP connection: with a deadline, limits, no
 * redirects, no proxies of the environment, and TLS that is verified. Blocks; for worker threads.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum {
    VR_TRANSFER_WHOLE,   /* HTTP, with the body of the answer */
    VR_TRANSFER_STATUS,  /* HTTP, done when the head of the answer is there */
    VR_TRANSFER_CONNECT, /* TCP only: done when connected */
} VrTransferKind;

typedef struct {
    VrTransferKind kind;
    const char *method;       /* GET, POST, DELETE */
    const char *url;          /* http or https, checked by the caller */
    const char *content_type; /* of the body */
    const char *body;         /* (nullable) */
    gint64 timeout_s;         /* of all of it */
    const gint *cancelled;    /* atomic; ends it within about a second */
} VrTransferRequest;

/* Most bytes of the body of an answer; more is an error. */
#define VR_TRANSFER_BODY_MAX (4 * 1024 * 1024)

typedef enum {
    VR_TRANSFER_DONE,
    VR_TRANSFER_NOT_ASKED, /* nobody was reached by our own fault: name, network, cancelled */
    VR_TRANSFER_REFUSED,   /* nobody listens there */
    VR_TRANSFER_TIMED_OUT,
    VR_TRANSFER_BROKEN, /* an answer that is none, too long, or cut off; TLS that is not trusted */
} VrTransferEnd;

typedef struct {
    VrTransferEnd end;
    glong status;  /* of the answer, 0 if there is none */
    GString *body; /* what came of it; not checked in any way */
    char *detail;  /* one line for people; NULL after VR_TRANSFER_DONE */
} VrTransfer;

VrTransfer *vr_transfer_run(const VrTransferRequest *request); /* (transfer full) */
void vr_transfer_free(VrTransfer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrTransfer, vr_transfer_free)

/* application/x-www-form-urlencoded, one field. (transfer full) */
char *vr_transfer_form(const char *name, const char *value);

G_END_DECLS
