/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A real Alertmanager tells us of an alert that begins, and of its end. */
#include "api-fixture.h"
#include "loopback.h"

#include <poll.h>

#include "adapters/curl/transfer.h"

#define PROGRAM "/usr/bin/prometheus-alertmanager"
#define TOLD_MS 30000

static Daemon alertmanager;

static void
start_alertmanager(guint webhook_port, const char *token)
{
    g_autofree char *text =
        g_strdup_printf("route: {receiver: virt-roll, group_wait: 0s, group_interval: 1s}\n"
                        "receivers:\n"
                        "  - name: virt-roll\n"
                        "    webhook_configs:\n"
                        "      - url: http://127.0.0.1:%u/v1/alerts/alertmanager\n"
                        "        send_resolved: true\n"
                        "        http_config: {authorization: {credentials: '%s'}}\n",
                        webhook_port, token);
    alertmanager = daemon_prepare("alertmanager.yml", text);
    g_autofree char *config =
        g_strdup_printf("--config.file=%s/alertmanager.yml", alertmanager.directory);
    g_autofree char *data = g_strdup_printf("--storage.path=%s/data", alertmanager.directory);
    g_autofree char *address =
        g_strdup_printf("--web.listen-address=127.0.0.1:%u", alertmanager.port);
    char program[] = PROGRAM;
    char no_cluster[] = "--cluster.listen-address=";
    char *argv[] = {program, config, data, address, no_cluster, NULL};
    daemon_start(&alertmanager, argv);
}

/* Somebody's alert; in the past: it is over. */
static void
post(const char *name, const char *instance, gint64 ends_in_s)
{
    static const gint never = 0;
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autoptr(GDateTime) begin = g_date_time_add_seconds(now, -60);
    g_autoptr(GDateTime) end = g_date_time_add_seconds(now, (gdouble)ends_in_s);
    g_autofree char *starts_at = g_date_time_format_iso8601(begin);
    g_autofree char *ends_at = g_date_time_format_iso8601(end);
    g_autofree char *body = g_strdup_printf("[{\"labels\":{\"alertname\":\"%s\",\"instance\":"
                                            "\"%s\"},\"startsAt\":\"%s\",\"endsAt\":\"%s\"}]",
                                            name, instance, starts_at, ends_at);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/api/v2/alerts", alertmanager.port);
    VrTransferRequest request = {.method = "POST",
                                 .url = url,
                                 .content_type = "application/json",
                                 .body = body,
                                 .timeout_s = 10,
                                 .cancelled = &never};
    g_autoptr(VrTransfer) transfer = vr_transfer_run(&request);
    if (transfer->status != 200)
        fail_msg("%ld: %s", transfer->status, transfer->body->str);
}

static void
wait_for_alerts(Server *server, const char *expected)
{
    for (guint waited_ms = 0;; waited_ms += 50) {
        g_autofree char *known = server_alerts(server);
        if (strcmp(known, expected) == 0)
            return;
        if (waited_ms >= TOLD_MS)
            fail_msg("\"%s\", not \"%s\"", known, expected);
        (void)poll(NULL, 0, 50);
    }
}

static void
wait_for_messages(Server *server, guint count)
{
    for (guint waited_ms = 0; server_message_count(server) < count; waited_ms += 50) {
        if (waited_ms >= TOLD_MS)
            fail_msg("%u messages, not %u", server_message_count(server), count);
        (void)poll(NULL, 0, 50);
    }
}

static void
test_api_alertmanager_tells_of_begin_and_end(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(10000, 30000, 20);
    start_alertmanager(server_port(server), TOKEN);
    post("HostHot", "h1:9100", 300);
    wait_for_alerts(server, "h1 HostHot");
    post("HostHot", "h1:9100", -1);
    wait_for_alerts(server, "");
    daemon_clear(&alertmanager);
}

/* While we cannot keep it, it comes again; once it is kept, it counts once. */
static void
test_api_alertmanager_sends_again_what_was_not_kept(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(10000, 30000, 20);
    server_set_answer(server, VR_ERROR_IO);
    start_alertmanager(server_port(server), TOKEN);
    post("HostHot", "h2", 300);
    wait_for_messages(server, 3);
    server_set_answer(server, -1);
    wait_for_messages(server, 4);
    wait_for_alerts(server, "h2 HostHot");
    daemon_clear(&alertmanager);
}

static void
test_api_alertmanager_with_a_wrong_token_is_not_heard(void **state)
{
    (void)state;
    g_autoptr(Server) server = server_new(10000, 30000, 0);
    start_alertmanager(server_port(server), "wrong");
    post("HostHot", "h1", 300);
    /* Its log says when it has tried and was refused. */
    g_autofree char *log = g_build_filename(alertmanager.directory, "log", NULL);
    g_autofree char *text = NULL;
    for (guint waited_ms = 0; text == NULL || strstr(text, "401") == NULL; waited_ms += 50) {
        g_clear_pointer(&text, g_free);
        assert_true(g_file_get_contents(log, &text, NULL, NULL));
        if (waited_ms >= TOLD_MS)
            fail_msg("%s", text);
        (void)poll(NULL, 0, 50);
    }
    assert_int_equal(server_message_count(server), 0);
    daemon_clear(&alertmanager);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_alertmanager_tells_of_begin_and_end),
        cmocka_unit_test(test_api_alertmanager_sends_again_what_was_not_kept),
        cmocka_unit_test(test_api_alertmanager_with_a_wrong_token_is_not_heard),
    };
    if (!loopback_has_program(PROGRAM))
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
