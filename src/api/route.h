/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which requests there are: a table, and what is not in it is refused. Pure.
 */
#pragma once

#include <virt-roll/enum.h>

G_BEGIN_DECLS

/* What a caller must be allowed to do. */
#define VR_PERMISSIONS(X)                                                                          \
    X(VR_PERMISSION_PUBLIC, "public") /* anybody, unasked */                                       \
    X(VR_PERMISSION_RAISE_ALERTS, "raise-alerts")
VR_DECLARE_ENUM(VrPermission, vr_permission, VR_PERMISSIONS);

typedef struct VrApiRequest VrApiRequest;

/*
 * Answers the request by one of the vr_api_respond_… functions, now or later, always, exactly once,
 * in the thread of the server. `data` is that of the route.
 */
typedef void (*VrApiHandler)(VrApiRequest *request, gpointer data);

typedef struct {
    const char *method;
    const char *path; /* "/v1/rollouts/{id}/start": a part in braces stands for one word */
    VrPermission permission;
    gsize body_max; /* bytes; 0: it has none. A body is JSON */
    VrApiHandler handler;
    gpointer data;
} VrRoute;

#define VR_ROUTE_PARAMETERS_MAX 4
#define VR_ROUTE_PARAMETER_LENGTH_MAX 128

typedef struct {
    const VrRoute *route;   /* NULL: there is none */
    gboolean is_path_known; /* for other methods */
    guint parameter_count;
    char *parameters[VR_ROUTE_PARAMETERS_MAX]; /* in the order of the path */
} VrRouteMatch;

/*
 * The raw path of a request, nothing decoded: with escapes, empty parts, "." or ".." it is none of
 * ours. A parameter is letters, digits, '.', '-' and '_'.
 */
VrRouteMatch vr_route_match(const VrRoute *routes, guint count, const char *method,
                            const char *path);
void vr_route_match_clear(VrRouteMatch *self);

/* "GET, POST": the methods of a path that is known. (transfer full) */
char *vr_route_methods(const VrRoute *routes, guint count, const char *path);

G_END_DECLS
