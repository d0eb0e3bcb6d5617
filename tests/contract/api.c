/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that are good, bad or rude: the right status, nothing changed, the server alive. */
#include "api-fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/server.h"

#define HEADERS_MS 400
#define BODY_MS 600
#define LATE_MS 5000 /* cut off before that, on a machine with other work */
#define POST "POST /v1/alerts/alertmanager HTTP/1.1\r\nHost: x\r\n"
#define AUTH "Authorization: Bearer " TOKEN "\r\n"
#define JSON "Content-Type: application/json\r\n"
#define EMPTY "Content-Length: 0\r\n\r\n"

static void
expect_answer(Server *server, const char *request, const char *status, const char *part)
{
    g_autofree char *answer = client_ask(server, request, strlen(request));
    if (!g_str_has_prefix(answer, status) || strstr(answer, part) == NULL)
        fail_msg("%s\n---- got\n%s\n---- lacks %s … %s", request, answer, status, part);
}

/* Alive, and what came before has changed nothing. */
static void
expect_unharmed(Server *server)
{
    expect_answer(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "\"ok\"");
    assert_int_equal(server_message_count(server), 0);
}

static void
test_api_takes_alerts_in_and_answers_when_they_are_kept(void **state)
{
    static const guint delays_ms[] = {0, 30};
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(delays_ms); i++) {
        g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, delays_ms[i]);
        g_autofree char *firing = alert_message("Hot", "h1:9100", "f1", "");
        g_autofree char *request = client_post(TOKEN, firing);
        expect_answer(server, request, "HTTP/1.1 204", "nosniff");
        g_autofree char *known = server_alerts(server);
        assert_string_equal(known, "h1 Hot");
        expect_answer(server, request, "HTTP/1.1 204", ""); /* again: nothing new */
        g_autofree char *resolved = alert_message("Hot", "h1", "f1", "2026-01-01T00:01:00Z");
        g_autofree char *end = client_post(TOKEN, resolved);
        expect_answer(server, end, "HTTP/1.1 204", "");
        g_autofree char *left = server_alerts(server);
        assert_string_equal(left, "");
        assert_int_equal(server_message_count(server), 3);
    }
}

static void
test_api_what_cannot_be_kept_is_to_be_sent_again(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 10);
    g_autofree char *firing = alert_message("Hot", "h1", "f1", "");
    g_autofree char *request = client_post(TOKEN, firing);
    server_set_answer(server, VR_ERROR_IO);
    expect_answer(server, request, "HTTP/1.1 500", "\"code\":\"io\",\"detail\":\"not now\"");
    server_set_answer(server, VR_ERROR_CAPACITY); /* elsewhere 422, after which none comes again */
    expect_answer(server, request, "HTTP/1.1 500", "not now");
}

static void
test_api_refuses_what_is_not_in_its_table(void **state)
{
    static const struct {
        const char *request;
        const char *status;
        const char *part;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "\"code\":\"not-found\""},
        {"GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "problem+json"},
        {"GET //healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"GET /./healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"GET /x/../healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"GET /health%7A HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"GET /healthz%00 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"GET /HEALTHZ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"GET /v1/alerts HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", ""},
        {"POST /healthz HTTP/1.1\r\nHost: x\r\n" EMPTY, "HTTP/1.1 405", "Allow: GET\r\n"},
        {"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", ""},
        {"GET /v1/alerts/alertmanager HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", "POST"},
        {"DELETE /v1/alerts/alertmanager HTTP/1.1\r\nHost: x\r\n" AUTH "\r\n", "HTTP/1.1 405", ""},
        {"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", ""},
    };
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        expect_answer(server, rows[i].request, rows[i].status, rows[i].part);
    expect_unharmed(server);
}

static void
test_api_needs_the_right_token(void **state)
{
    static const struct {
        const char *authorization;
        const char *status;
    } rows[] = {
        {"", "HTTP/1.1 401"},
        {"Authorization: Bearer wrong\r\n", "HTTP/1.1 401"},
        {"Authorization: Bearer \r\n", "HTTP/1.1 401"},
        {"Authorization: Bearer " TOKEN "x\r\n", "HTTP/1.1 401"},
        {"Authorization: Bearer  " TOKEN "\r\n", "HTTP/1.1 401"},
        {"Authorization: Basic " TOKEN "\r\n", "HTTP/1.1 401"},
        {"Authorization: " TOKEN "\r\n", "HTTP/1.1 401"},
        {"Authorization: Bearer " OTHER_TOKEN "\r\n", "HTTP/1.1 403"},
        {"authorization: bearer " TOKEN "\r\n", "HTTP/1.1 400"}, /* empty body: no JSON */
    };
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *request = g_strconcat(POST, rows[i].authorization, JSON EMPTY, NULL);
        expect_answer(server, request, rows[i].status, "urn:virt-roll:problem:");
    }
    expect_answer(server, POST JSON EMPTY, "HTTP/1.1 401", "WWW-Authenticate: Bearer");
    expect_unharmed(server);
}

static void
test_api_who_comes_too_often_is_to_come_again(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    g_autofree char *firing = alert_message("Hot", "h1", "f1", "");
    g_autofree char *request = client_post(TOKEN, firing);
    guint taken = 0;
    g_autofree char *answer = NULL;
    for (; answer == NULL || g_str_has_prefix(answer, "HTTP/1.1 204"); taken++) {
        g_free(answer);
        answer = client_ask(server, request, strlen(request));
        assert_true(taken < 1000);
    }
    assert_true(taken > 20);
    assert_int_equal(server_message_count(server), taken - 1);
    assert_true(g_str_has_prefix(answer, "HTTP/1.1 503"));
    assert_non_null(strstr(answer, "Retry-After: "));
    assert_non_null(strstr(answer, "too-often"));
    /* Those without a token are not in the way. */
    expect_answer(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200", "");
}

static void
test_api_refuses_bodies_that_are_none(void **state)
{
    static const struct {
        const char *headers;
        const char *body;
        const char *status;
        const char *part;
    } rows[] = {
        {JSON, "", "HTTP/1.1 400", "the text ends"},
        {JSON, "{", "HTTP/1.1 400", "alerts:1:2: "},
        {JSON, "{\"version\":\"4\"}", "HTTP/1.1 400", "alerts are missing"},
        {JSON, "{\"version\":\"4\",\"alerts\":[1.5]}", "HTTP/1.1 400", "alerts:1:"},
        {JSON, "\x80\xff", "HTTP/1.1 400", "\"code\":\"invalid\""},
        {"Content-Type: text/plain\r\n", "{}", "HTTP/1.1 415", "application/json"},
        {"Content-Type: application/jsonx\r\n", "{}", "HTTP/1.1 415", ""},
        {"", "{}", "HTTP/1.1 415", ""},
        {"Content-Type: application/json; charset=utf-8\r\n", "{}", "HTTP/1.1 400", "version"},
    };
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *request =
            g_strdup_printf(POST AUTH "%sContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
                            rows[i].headers, strlen(rows[i].body), rows[i].body);
        expect_answer(server, request, rows[i].status, rows[i].part);
    }
    expect_unharmed(server);
}

static void
test_api_refuses_bodies_that_are_too_large(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, LATE_MS, 0);
    /* Said before: nothing of it is read. */
    expect_answer(server, POST AUTH JSON "Content-Length: 262145\r\n\r\n", "HTTP/1.1 413",
                  "too-large");
    expect_answer(server, POST AUTH JSON "Content-Length: 99999999999999999999999\r\n\r\n",
                  "HTTP/1.1 4", "");
    expect_answer(server, POST AUTH JSON "Content-Length: -1\r\n\r\n", "HTTP/1.1 4", "");
    expect_answer(server, "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
                  "HTTP/1.1 413", "");

    /* Not said before: read to the end if that comes soon. */
    g_autofree char *spaces = g_strnfill(300000, ' ');
    g_autofree char *chunked = g_strdup_printf(
        POST AUTH JSON "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", 300000, spaces);
    expect_answer(server, chunked, "HTTP/1.1 413", "too-large");
    expect_unharmed(server);
}

static void
test_api_cuts_off_a_body_without_end(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, LATE_MS, 0);
    static const char head[] = POST AUTH JSON "Transfer-Encoding: chunked\r\n\r\n";
    g_autofree char *spaces = g_strnfill(65536, ' ');
    g_autofree char *chunk = g_strdup_printf("10000\r\n%s\r\n", spaces);
    int fd = client_connect(server_port(server));
    guint sent = 0;
    assert_true(client_send(fd, head, strlen(head)));
    while (sent < 2000 && client_send(fd, chunk, strlen(chunk)))
        sent++;
    (void)close(fd);
    assert_true(sent < 2000);
    expect_unharmed(server);
}

static void
test_api_refuses_headers_that_are_too_large(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(LATE_MS, BODY_MS, 0);
    g_autofree char *long_value = g_strnfill(40000, 'x');
    g_autofree char *header =
        g_strdup_printf("GET /healthz HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", long_value);
    expect_answer(server, header, "HTTP/1.1 431", "");
    g_autofree char *path = g_strdup_printf("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", long_value);
    expect_answer(server, path, "HTTP/1.1 414", "");
    expect_unharmed(server);
}

static void
test_api_survives_what_is_no_http(void **state)
{
    static const char *const texts[] = {
        "\r\n\r\n",
        "\x16\x03\x01\x02",
        "GET\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "* * *\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: x\n\n",
        "POST /v1/alerts/alertmanager HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n",
        POST AUTH JSON "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST AUTH JSON "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    };
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *answer = client_ask(server, texts[i], strlen(texts[i]));
    }
    expect_unharmed(server);
}

/* A byte now and then is enough for libmicrohttpd's own timeout, not for ours. */
static void
expect_cut_off(Server *server, const char *begin, const char *drip)
{
    int fd = client_connect(server_port(server));
    gint64 begin_us = g_get_monotonic_time();
    (void)client_send(fd, begin, strlen(begin));
    gboolean open = TRUE;
    while (open && g_get_monotonic_time() - begin_us < LATE_MS * 1000LL) {
        g_autofree char *answer = client_receive(fd, 50);
        open = strstr(answer, "(closed)") == NULL && client_send(fd, drip, strlen(drip));
    }
    (void)close(fd);
    if (open)
        fail_msg("still open: %s", begin);
}

static void
test_api_cuts_off_who_is_slow(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    expect_cut_off(server, "", "");
    expect_cut_off(server, "GET /healthz HTTP/1.1\r\n", "X: y\r\n");
    expect_cut_off(server, POST AUTH JSON "Content-Length: 1000\r\n\r\n", " ");
    expect_cut_off(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "");
    expect_unharmed(server);
}

static void
test_api_many_who_say_nothing_are_in_nobodys_way_for_long(void **state)
{
    int fds[VR_API_CONNECTIONS_PER_ADDRESS_MAX + 20];
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = client_connect(server_port(server));
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_autofree char *answer = client_receive(fds[i], LATE_MS);
        assert_string_equal(answer, "(closed)");
        (void)close(fds[i]);
    }
    expect_unharmed(server);
}

static void
test_api_unix_socket_is_for_our_own_user(void **state)
{
    struct stat info;
    (void)state;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    assert_int_equal(stat(server_unix_path(server), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    int fd = client_connect_unix(server_unix_path(server));
    static const char request[] = POST JSON "Content-Length: 2\r\n\r\n{}";
    assert_true(client_send(fd, request, strlen(request)));
    g_autofree char *answer = client_receive(fd, LATE_MS);
    assert_true(g_str_has_prefix(answer, "HTTP/1.1 400")); /* not 401 */
    (void)close(fd);
}

static void
test_api_listens_once_and_after_a_crash(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(Server) server = server_new(HEADERS_MS, BODY_MS, 0);
    VrApiOptions options = vr_api_options();
    options.unix_path = server_unix_path(server);
    assert_null(vr_api_new(&options, &error));
    expect_error(&error, VR_ERROR_CONFLICT, "does another controller run?");
    expect_unharmed(server);
    options.unix_path = NULL;
    options.port = (gint)server_port(server);
    assert_null(vr_api_new(&options, &error));
    expect_error(&error, VR_ERROR_CONFLICT, "127.0.0.1:");

    /* Left by one that was killed: a socket that nobody listens on. */
    g_autofree char *stale = g_strconcat(server_unix_path(server), ".stale", NULL);
    options.port = -1;
    options.unix_path = stale;
    VrApi *first = vr_api_new(&options, &error);
    expect_no_error(error);
    g_autofree char *kept = g_strconcat(stale, ".kept", NULL);
    assert_int_equal(link(stale, kept), 0);
    vr_api_free(first);
    assert_int_equal(rename(kept, stale), 0);
    VrApi *second = vr_api_new(&options, &error);
    expect_no_error(error);
    vr_api_free(second);
}

/* Who waits when the server ends is told so; the answer that comes too late is dropped. */
static void
test_api_closing_answers_who_waits(void **state)
{
    (void)state;
    Server *server = server_new(HEADERS_MS, BODY_MS, 300);
    g_autofree char *firing = alert_message("Hot", "h1", "f1", "");
    g_autofree char *request = client_post(TOKEN, firing);
    int fd = client_connect(server_port(server));
    assert_true(client_send(fd, request, strlen(request)));
    while (server_message_count(server) == 0)
        ;
    server_free(server);
    g_autofree char *answer = client_receive(fd, LATE_MS);
    if (!g_str_has_prefix(answer, "HTTP/1.1 503"))
        fail_msg("%s", answer);
    (void)close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_takes_alerts_in_and_answers_when_they_are_kept),
        cmocka_unit_test(test_api_what_cannot_be_kept_is_to_be_sent_again),
        cmocka_unit_test(test_api_refuses_what_is_not_in_its_table),
        cmocka_unit_test(test_api_needs_the_right_token),
        cmocka_unit_test(test_api_who_comes_too_often_is_to_come_again),
        cmocka_unit_test(test_api_refuses_bodies_that_are_none),
        cmocka_unit_test(test_api_refuses_bodies_that_are_too_large),
        cmocka_unit_test(test_api_cuts_off_a_body_without_end),
        cmocka_unit_test(test_api_refuses_headers_that_are_too_large),
        cmocka_unit_test(test_api_survives_what_is_no_http),
        cmocka_unit_test(test_api_cuts_off_who_is_slow),
        cmocka_unit_test(test_api_many_who_say_nothing_are_in_nobodys_way_for_long),
        cmocka_unit_test(test_api_unix_socket_is_for_our_own_user),
        cmocka_unit_test(test_api_listens_once_and_after_a_crash),
        cmocka_unit_test(test_api_closing_answers_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
