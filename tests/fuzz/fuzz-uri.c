/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URIs of a fleet file. libvirt reads them with libxml2; what passes our check must mean the same
 * there, and must neither run a command nor switch off a check.
 */
#include <string.h>

#include <libxml/uri.h>

#include "fuzz.h"
#include "model/uri.h"

typedef xmlURI VrXmlUri;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrXmlUri, xmlFreeURI)

static gboolean
is_host(const char *server)
{
    return server != NULL && (g_ascii_isalnum(server[0]) || server[0] == '[');
}

static void
check_query(const char *query)
{
    static const char *const harmless[] = {"socket",  "keyfile", "pkipath", "known_hosts",
                                           "sshauth", "mode",    "proxy",   NULL};
    g_auto(GStrv) parts = g_strsplit(query, "&", -1);

    g_assert_null(strpbrk(query, "%;# "));
    for (guint i = 0; parts[i] != NULL; i++) {
        g_auto(GStrv) pair = g_strsplit(parts[i], "=", 2);
        g_assert_true(g_strv_contains(harmless, pair[0]));
        g_assert_true(pair[1] != NULL && pair[1][0] != '\0');
    }
}

static void
check_connect(const char *text)
{
    g_autoptr(VrXmlUri) uri = xmlParseURI(text);

    g_assert_nonnull(uri);
    g_assert_null(uri->fragment);
    g_assert_true(g_str_has_prefix(uri->scheme, "qemu+") || g_str_has_prefix(uri->scheme, "test"));
    g_assert_true(uri->path != NULL && uri->path[0] == '/');
    g_assert_true(uri->user == NULL ||
                  (g_ascii_isalnum(uri->user[0]) || uri->user[0] == '_' || uri->user[0] == '.'));
    if (strcmp(uri->scheme, "qemu+unix") == 0)
        g_assert_true(uri->server == NULL || uri->server[0] == '\0');
    else if (g_str_has_prefix(uri->scheme, "qemu+"))
        g_assert_true(is_host(uri->server));
    if (uri->query_raw != NULL)
        check_query(uri->query_raw);
}

static void
check_migrate(const char *text)
{
    g_autoptr(VrXmlUri) uri = xmlParseURI(text);

    g_assert_nonnull(uri);
    g_assert_cmpstr(uri->scheme, ==, "tcp");
    g_assert_true(is_host(uri->server));
    g_assert_true(uri->user == NULL && uri->query_raw == NULL && uri->fragment == NULL);
    g_assert_true(uri->path == NULL || uri->path[0] == '\0');
    g_assert_cmpint(uri->port, <=, 65535);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) migrate_error = NULL;
    g_autofree char *text = vr_fuzz_text(data, size);

    if (vr_uri_check_connect(text, &error))
        check_connect(text);
    else
        vr_fuzz_check_error(error, NULL);
    if (vr_uri_check_migrate(text, &migrate_error))
        check_migrate(text);
    else
        vr_fuzz_check_error(migrate_error, NULL);
    (void)vr_uri_is_remote(text);
    return 0;
}
