/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one error domain. Callers branch on codes only; messages are for people: lower case, no full
 * stop, the subject (host, VM or file:line:column) first, then what is wrong, why, what to do next.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* X(code, word, HTTP status, exit status of the commands, worth trying again unchanged) */
#define VR_ERRORS(X)                                                                               \
    X(VR_ERROR_FAILED, "failed", 500, 1, FALSE)           /* it was tried and did not work */      \
    X(VR_ERROR_INVALID, "invalid", 400, 2, FALSE)         /* bad usage or input */                 \
    X(VR_ERROR_NOT_FOUND, "not-found", 404, 2, FALSE)     /* named thing does not exist */         \
    X(VR_ERROR_REFUSED, "refused", 422, 3, FALSE)         /* a rule forbids it */                  \
    X(VR_ERROR_CAPACITY, "capacity", 422, 3, FALSE)       /* there is no room for it */            \
    X(VR_ERROR_CONFLICT, "conflict", 409, 3, FALSE)       /* somebody else holds it */             \
    X(VR_ERROR_UNREACHABLE, "unreachable", 502, 4, TRUE)  /* cannot be talked to */                \
    X(VR_ERROR_TIMEOUT, "timeout", 504, 4, TRUE)          /* no answer in its time */              \
    X(VR_ERROR_CANCELLED, "cancelled", 409, 1, FALSE)     /* stopped because we were asked to */   \
    X(VR_ERROR_UNSUPPORTED, "unsupported", 501, 3, FALSE) /* the other side cannot do it */        \
    X(VR_ERROR_CORRUPT, "corrupt", 500, 4, FALSE)         /* stored data is not what we wrote */   \
    X(VR_ERROR_IO, "io", 500, 4, FALSE)                   /* the local disk or system failed */    \
    X(VR_ERROR_OPERATOR, "needs-operator", 409, 5, FALSE) /* no action is provably safe */

#define VR_ERROR_MEMBER(code, word, http, exit, retry) code,
typedef enum { VR_ERRORS(VR_ERROR_MEMBER) } VrErrorCode;

typedef struct {
    const char *word;
    int http_status;
    int exit_status;
    gboolean retryable;
} VrErrorInfo;

#define VR_ERROR (vr_error_quark())
GQuark vr_error_quark(void);

/* The table's row of a code. */
const VrErrorInfo *vr_error_info(VrErrorCode code);

/* Most bytes of a message of the next three. */
#define VR_ERROR_MESSAGE_MAX 1024

/*
 * For messages that repeat text of somebody else's: whatever that holds, the message is one line of
 * valid UTF-8 without control characters, and if it is too long it loses its middle, so that it
 * still begins with its subject and ends with what to do. printf-like.
 */
GError *vr_error_new(VrErrorCode code, const char *format, ...) G_GNUC_PRINTF(2, 3);
GError *vr_error_new_valist(VrErrorCode code, const char *format, va_list arguments)
    G_GNUC_PRINTF(2, 0);
/* The same as the error of a call; nothing if nobody asks for it (NULL). */
void vr_error_set(GError **error, VrErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Exit status of a command that ends with this error; 1 for errors of other domains. */
int vr_error_exit_status(const GError *error);

G_END_DECLS
