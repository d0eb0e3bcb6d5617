/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A monitoring that is down, slow, or sends what it should not: known to be unknown, in time. */
#include "loopback.h"
#include "monitor-call.h"

#include <virt-roll/error.h>

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define TIMEOUT_S 1
#define IN_TIME_US (10 * G_USEC_PER_SEC) /* of two requests, on a machine with other work */

static char rule_name[] = "load", rule_query[] = "load{i=\"${host}\"}";
static const VrQueryRule at_most = {
    .name = rule_name, .query = rule_query, .healthy = VR_HEALTHY_WHEN_AT_MOST, .limit = 40};

typedef struct {
    HostileManner manner;
    const char *text;
    const char *detail; /* of a query */
} Row;

static const Row rows[] = {
    {HOSTILE_SILENT, "", "no answer in time"},
    {HOSTILE_DRIPS, OK "{\"status\":\"success\",\"x\":\"", "no answer in time"},
    {HOSTILE_DRIPS, "HTTP/1.1 200 OK\r\nX-", "no answer in time"},
    {HOSTILE_FLOODS, OK, "the answer is too long"},
    {HOSTILE_FLOODS, "HTTP/1.1 200 OK\r\nX-", "too long"},
    {HOSTILE_FLOODS, "", "is it running?"},
    {HOSTILE_SENDS, "", "is it running?"},
    {HOSTILE_SENDS, "SSH-2.0-OpenSSH_9.2\r\n", "is it running?"},
    {HOSTILE_SENDS, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\"", "is it running?"},
    {HOSTILE_SENDS, OK, "the text ends"},
    {HOSTILE_SENDS, OK "<html>login</html>", "Prometheus:1:1"},
    {HOSTILE_SENDS, OK "null", "refuses the query: it does not say why"},
    {HOSTILE_SENDS, OK "{\"status\":\"success\"}", "answers with \"\" that cannot be read"},
    {HOSTILE_SENDS, "HTTP/1.1 500 x\r\nConnection: close\r\n\r\nsick", "status 500: sick"},
    {HOSTILE_SENDS,
     "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n"
     "Connection: close\r\n\r\n",
     "status 302"},
    {HOSTILE_SENDS, "HTTP/1.1 401 x\r\nConnection: close\r\n\r\nno \x1b[31m\nentry",
     "status 401: no ?[31m entry"},
};

static void
expect_in_time(gint64 begin_us)
{
    gint64 took_us = g_get_monotonic_time() - begin_us;
    if (took_us > IN_TIME_US)
        fail_msg("took %" G_GINT64_FORMAT " us", took_us);
}

static void
test_monitor_hostile_answer_to_a_query_is_unknown(void **state)
{
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Hostile) server = hostile_new(rows[i].manner, rows[i].text);
        g_autofree char *url = loopback_url(hostile_port(server));
        g_autoptr(Monitor) monitor = monitor_new(NULL, url, TIMEOUT_S);
        gint64 begin_us = g_get_monotonic_time();
        VrQueryAnswer answer = monitor_query(monitor, &at_most, "h1");
        expect_in_time(begin_us);
        if (answer != VR_QUERY_ANSWER_UNKNOWN || strstr(monitor->detail, rows[i].detail) == NULL)
            fail_msg("row %u: %s: \"%s\" lacks \"%s\"", i, vr_query_answer_to_string(answer),
                     monitor->detail, rows[i].detail);
        assert_true(g_str_has_prefix(monitor->detail, "load: "));
    }
}

static void
test_monitor_hostile_answer_to_a_call_is_an_error(void **state)
{
    static char id[] = "0123-ab";
    static char *const ids[] = {id, NULL};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Hostile) server = hostile_new(rows[i].manner, rows[i].text);
        g_autofree char *url = loopback_url(hostile_port(server));
        g_autoptr(Monitor) monitor = monitor_new(url, NULL, TIMEOUT_S);
        gint64 begin_us = g_get_monotonic_time();
        gint code = monitor_silence(monitor, "h1", 60);
        if (code != VR_ERROR_UNREACHABLE && code != VR_ERROR_TIMEOUT && code != VR_ERROR_REFUSED)
            fail_msg("row %u: %d: %s", i, code, monitor->detail);
        /* Whatever it says with 200 is taken for done. */
        if (!g_str_has_prefix(rows[i].text, OK) || rows[i].manner != HOSTILE_SENDS)
            assert_int_not_equal(monitor_end_silences(monitor, ids), -1);
        expect_in_time(begin_us);
    }
}

static void
test_monitor_nobody_there_is_unknown_and_an_error(void **state)
{
    (void)state;
    g_autofree char *url = loopback_url(loopback_free_port());
    g_autoptr(Monitor) monitor = monitor_new(url, url, TIMEOUT_S);
    assert_int_equal(monitor_query(monitor, &at_most, "h1"), VR_QUERY_ANSWER_UNKNOWN);
    assert_non_null(strstr(monitor->detail, "is it running?"));
    assert_int_equal(monitor_silence(monitor, "h1", 60), VR_ERROR_UNREACHABLE);
    assert_int_equal(monitor_post(monitor, "VirtRollTest", "h1", 60), VR_ERROR_UNREACHABLE);
}

static void
test_monitor_that_is_not_configured_says_so(void **state)
{
    (void)state;
    g_autoptr(Monitor) monitor = monitor_new(NULL, NULL, TIMEOUT_S);
    assert_int_equal(monitor_query(monitor, &at_most, "h1"), VR_QUERY_ANSWER_UNKNOWN);
    assert_non_null(strstr(monitor->detail, "the fleet file says no URL"));
    assert_int_equal(monitor_silence(monitor, "h1", 60), VR_ERROR_INVALID);
    assert_int_equal(monitor_silence(monitor, "h9", 60), VR_ERROR_NOT_FOUND);
}

static void
test_monitor_a_bad_id_is_never_sent(void **state)
{
    static char bad[] = "../../-/quit";
    static char *const ids[] = {bad, NULL};
    (void)state;
    g_autoptr(Hostile) server = hostile_new(HOSTILE_SENDS, OK);
    g_autofree char *url = loopback_url(hostile_port(server));
    g_autoptr(Monitor) monitor = monitor_new(url, NULL, TIMEOUT_S);
    assert_int_equal(monitor_end_silences(monitor, ids), VR_ERROR_INVALID);
    g_autofree char *received = hostile_received(server);
    assert_null(received);
}

static void
test_monitor_does_not_use_the_proxy_of_the_environment(void **state)
{
    (void)state;
    g_autoptr(Hostile) server =
        hostile_new(HOSTILE_SENDS, OK "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\","
                                      "\"result\":[1.5e9,\"7\"]}}");
    g_autofree char *url = loopback_url(hostile_port(server));
    g_autofree char *proxy = loopback_url(loopback_free_port());
    g_setenv("http_proxy", proxy, TRUE);
    g_autoptr(Monitor) monitor = monitor_new(NULL, url, TIMEOUT_S);
    assert_int_equal(monitor_query(monitor, &at_most, "h1"), VR_QUERY_ANSWER_HEALTHY);
    g_unsetenv("http_proxy");
    g_autofree char *received = hostile_received(server);
    assert_true(g_str_has_prefix(received, "POST /api/v1/query HTTP/1.1\r\n"));
    assert_non_null(strstr(received, "\r\n\r\nquery=load%7Bi%3D%22h1%22%7D"));
}

typedef struct {
    gint ended; /* atomic */
} Count;

static void
count_answer(const VrQueryResult *result, gpointer data)
{
    Count *count = data;
    assert_int_equal(result->answer, VR_QUERY_ANSWER_UNKNOWN);
    g_atomic_int_inc(&count->ended);
}

static void
test_monitor_closing_ends_every_call_once_and_soon(void **state)
{
    (void)state;
    Count count = {0};
    g_autoptr(Hostile) server = hostile_new(HOSTILE_SILENT, "");
    g_autofree char *url = loopback_url(hostile_port(server));
    Monitor *monitor = monitor_new(NULL, url, 60);
    for (guint i = 0; i < 100; i++)
        monitor->port.vtable->query(monitor->port.context, &at_most, "h1", count_answer, &count);
    gint64 begin_us = g_get_monotonic_time();
    monitor_free(monitor);
    expect_in_time(begin_us);
    assert_int_equal(g_atomic_int_get(&count.ended), 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monitor_hostile_answer_to_a_query_is_unknown),
        cmocka_unit_test(test_monitor_hostile_answer_to_a_call_is_an_error),
        cmocka_unit_test(test_monitor_nobody_there_is_unknown_and_an_error),
        cmocka_unit_test(test_monitor_that_is_not_configured_says_so),
        cmocka_unit_test(test_monitor_a_bad_id_is_never_sent),
        cmocka_unit_test(test_monitor_does_not_use_the_proxy_of_the_environment),
        cmocka_unit_test(test_monitor_closing_ends_every_call_once_and_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
