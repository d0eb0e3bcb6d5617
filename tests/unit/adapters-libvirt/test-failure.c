/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real errors of libvirt, from connections that need no daemon. */
#include "adapters/libvirt/failure.h"

#include "adapters/libvirt/connection.h"

#include <gio/gio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
assert_connect_fails(const char *uri, VrErrorCode code, const char *why, const char *advice)
{
    g_autoptr(GError) error = NULL;
    assert_null(virConnectOpen(uri));
    vr_failure_set_connect(&error, "h1", uri);
    g_autofree char *begin = g_strdup_printf("h1: cannot connect to %s: ", uri);
    assert_true(g_error_matches(error, VR_ERROR, (gint)code));
    assert_true(g_str_has_prefix(error->message, begin));
    assert_non_null(strstr(error->message, why));
    assert_non_null(strstr(error->message, advice));
}

/* Nobody listens there: just bound and let go. */
static char *
dup_refusing_uri(void)
{
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
    g_socket_listener_close(listener);
    return g_strdup_printf("qemu+tcp://127.0.0.1:%u/system", port);
}

static void
test_failure_refused_connection_says_what_to_look_at(void **state)
{
    (void)state;
    g_autofree char *uri = dup_refusing_uri();
    assert_connect_fails(uri, VR_ERROR_UNREACHABLE, "Connection refused",
                         "is libvirtd running there and listening on that address?");
}

static void
test_failure_missing_socket_says_what_to_look_at(void **state)
{
    (void)state;
    assert_connect_fails("qemu+unix:///system?socket=/nonexistent/libvirt-sock",
                         VR_ERROR_UNREACHABLE, "No such file", "path of its socket");
}

static void
test_failure_of_a_call_has_host_attempt_and_reason(void **state)
{
    (void)state;
    g_autoptr(virConnect) connection = virConnectOpen("test:///default");
    g_autoptr(GError) error = NULL;
    assert_non_null(connection);
    assert_null(virDomainLookupByUUIDString(connection, "6d0e5b1c-6f0c-4f7f-9c1f-3d4d0f3a5a10"));
    assert_int_equal(vr_failure_libvirt_code(), VIR_ERR_NO_DOMAIN);
    vr_failure_set_call(&error, "h1", connection, "cannot find VM %s", "a");
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_NOT_FOUND));
    assert_true(g_str_has_prefix(error->message, "h1: cannot find VM a: Domain not found"));
}

static void
test_failure_without_error_of_libvirt_is_still_a_sentence(void **state)
{
    (void)state;
    g_autoptr(virConnect) connection = virConnectOpen("test:///default");
    g_autoptr(GError) error = NULL;
    virResetLastError();
    vr_failure_set_call(&error, "h1", connection, "cannot do it");
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_FAILED));
    assert_string_equal(error->message, "h1: cannot do it: libvirt gives no reason");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_refused_connection_says_what_to_look_at),
        cmocka_unit_test(test_failure_missing_socket_says_what_to_look_at),
        cmocka_unit_test(test_failure_of_a_call_has_host_attempt_and_reason),
        cmocka_unit_test(test_failure_without_error_of_libvirt_is_still_a_sentence),
    };
    vr_connection_prepare_process();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
