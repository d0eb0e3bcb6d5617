/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/route.h"

#include <string.h>

VR_DEFINE_ENUM(VrPermission, vr_permission, VR_PERMISSIONS)

static gboolean
is_parameter(const char *text, gsize length)
{
    if (length == 0 || length > VR_ROUTE_PARAMETER_LENGTH_MAX)
        return FALSE;
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_isalnum(text[i]) && strchr("._-", text[i]) == NULL)
            return FALSE;
    }
    return text[strspn(text, ".")] != '\0' && strspn(text, ".") < length;
}

/* Part by part; parameters go to the match if it is not NULL. */
static gboolean
matches(const char *template, const char *path, VrRouteMatch *out_match)
{
    while (*template == '/' && *path == '/') {
        gsize template_length = strcspn(++template, "/");
        gsize length = strcspn(++path, "/");
        if (template[0] == '{') {
            if (!is_parameter(path, length))
                return FALSE;
            if (out_match != NULL) {
                g_assert(out_match->parameter_count < VR_ROUTE_PARAMETERS_MAX);
                out_match->parameters[out_match->parameter_count++] = g_strndup(path, length);
            }
        } else if (length != template_length || memcmp(template, path, length) != 0) {
            return FALSE;
        }
        template += template_length;
        path += length;
    }
    return *template == '\0' && *path == '\0';
}

VrRouteMatch
vr_route_match(const VrRoute *routes, guint count, const char *method, const char *path)
{
    VrRouteMatch match = {0};
    for (guint i = 0; i < count && match.route == NULL; i++) {
        if (!matches(routes[i].path, path, NULL))
            continue;
        match.is_path_known = TRUE;
        if (strcmp(routes[i].method, method) == 0) {
            match.route = &routes[i];
            (void)matches(routes[i].path, path, &match);
        }
    }
    return match;
}

void
vr_route_match_clear(VrRouteMatch *self)
{
    for (guint i = 0; i < self->parameter_count; i++)
        g_free(self->parameters[i]);
    *self = (VrRouteMatch){0};
}

char *
vr_route_methods(const VrRoute *routes, guint count, const char *path)
{
    GString *methods = g_string_new(NULL);
    for (guint i = 0; i < count; i++) {
        if (matches(routes[i].path, path, NULL))
            g_string_append_printf(methods, "%s%s", methods->len > 0 ? ", " : "", routes[i].method);
    }
    return g_string_free(methods, FALSE);
}
