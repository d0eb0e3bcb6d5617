/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors as problem documents (RFC 9457). Pure. */
#pragma once

#include <virt-roll/error.h>

G_BEGIN_DECLS

#define VR_PROBLEM_TYPE "application/problem+json"

/*
 * X(member, code, HTTP status, title): what is wrong with a request before anybody looks at it.
 * Too often is 503 and not 429, after which Alertmanager would not send an alert again.
 */
#define VR_PROBLEMS(X)                                                                             \
    X(VR_PROBLEM_UNAUTHENTICATED, "unauthenticated", 401, "a valid token is needed")               \
    X(VR_PROBLEM_FORBIDDEN, "forbidden", 403, "this token may not do that")                        \
    X(VR_PROBLEM_NO_PATH, "not-found", 404, "there is nothing at this path")                       \
    X(VR_PROBLEM_NO_METHOD, "method-not-allowed", 405, "this path has no such method")             \
    X(VR_PROBLEM_TOO_LARGE, "too-large", 413, "the body is too large")                             \
    X(VR_PROBLEM_NO_JSON, "unsupported-media-type", 415, "the body must be application/json")      \
    X(VR_PROBLEM_TOO_OFTEN, "too-often", 503, "too many requests with this token: try again")      \
    X(VR_PROBLEM_CLOSING, "closing", 503, "the controller is closing: try again")

#define VR_PROBLEM_MEMBER(member, code, status, title) member,
typedef enum { VR_PROBLEMS(VR_PROBLEM_MEMBER) } VrProblem;

guint vr_problem_status(VrProblem problem);
/* (transfer full) */
char *vr_problem_format(VrProblem problem);

/* By the table of errors; those of other domains are 500. */
guint vr_problem_error_status(const GError *error);
char *vr_problem_format_error(const GError *error);

G_END_DECLS
