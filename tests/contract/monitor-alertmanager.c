/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Silences and our own alerts in a real Alertmanager. */
#include "loopback.h"
#include "monitor-call.h"

#include <virt-roll/error.h>

#include "adapters/curl/transfer.h"

#define PROGRAM "/usr/bin/prometheus-alertmanager"

static Daemon alertmanager;

static void
start_alertmanager(void)
{
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

/* The body of its answer. */
static char *
ask(const char *method, const char *path, const char *body)
{
    static const gint never = 0;
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u%s", alertmanager.port, path);
    VrTransferRequest request = {.kind = VR_TRANSFER_WHOLE,
                                 .method = method,
                                 .url = url,
                                 .content_type = "application/json",
                                 .body = body,
                                 .timeout_s = 10,
                                 .cancelled = &never};
    g_autoptr(VrTransfer) transfer = vr_transfer_run(&request);
    if (transfer->end != VR_TRANSFER_DONE || transfer->status != 200)
        fail_msg("%s: %ld %s %s", url, transfer->status, transfer->detail, transfer->body->str);
    return g_strdup(transfer->body->str);
}

/* An alert of somebody else's. */
static void
raise_alert(const char *name, const char *label, const char *value)
{
    g_autofree char *body =
        g_strdup_printf("[{\"labels\":{\"alertname\":\"%s\",\"%s\":\"%s\"},\"annotations\":{}}]",
                        name, label, value);
    g_autofree char *answer = ask("POST", "/api/v2/alerts", body);
}

static gboolean
is_shown(const char *name, const char *which)
{
    g_autofree char *path =
        g_strdup_printf("/api/v2/alerts?%s&filter=alertname=%%22%s%%22", which, name);
    g_autofree char *answer = ask("GET", path, NULL);
    return strstr(answer, name) != NULL;
}

/* Alertmanager sets the state when it groups alerts: the list shows it at once all the same. */
static gboolean
is_silenced(const char *name)
{
    gboolean shown = is_shown(name, "active=true&silenced=false");
    gboolean known = is_shown(name, "active=true&silenced=true");
    assert_true(known);
    return !shown;
}

static Monitor *
connect_monitor(void)
{
    g_autofree char *url = loopback_url(alertmanager.port);
    return monitor_new(url, NULL, 10);
}

static void
test_monitor_silence_covers_the_host_and_nothing_else(void **state)
{
    static const struct {
        const char *name;
        const char *label;
        const char *value;
        gboolean silenced;
    } rows[] = {
        {"A1", "instance", "h1", TRUE},     {"A2", "instance", "h1:9100", TRUE},
        {"A3", "host", "node.1", TRUE},     {"A4", "instance", "node.1:80", TRUE},
        {"B1", "instance", "h2", FALSE},    {"B2", "instance", "h11", FALSE},
        {"B3", "instance", "xh1", FALSE},   {"B4", "instance", "nodex1", FALSE},
        {"B5", "instance", "h1:x", FALSE},  {"B6", "other", "h1", FALSE},
        {"VirtRollX", "host", "h1", FALSE},
    };
    (void)state;
    g_autoptr(Monitor) monitor = connect_monitor();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        raise_alert(rows[i].name, rows[i].label, rows[i].value);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_false(is_silenced(rows[i].name));

    assert_int_equal(monitor_silence(monitor, "h1", 600), -1);
    assert_int_equal(g_strv_length(monitor->ids), 2);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (is_silenced(rows[i].name) != rows[i].silenced)
            fail_msg("%s: not %d", rows[i].name, rows[i].silenced);
    }
    assert_int_equal(monitor_end_silences(monitor, monitor->ids), -1);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_false(is_silenced(rows[i].name));
}

static void
test_monitor_silence_that_is_over_ends_again(void **state)
{
    static char unknown[] = "00000000-0000-0000-0000-000000000000";
    static char *const unknown_ids[] = {unknown, NULL};
    (void)state;
    g_autoptr(Monitor) monitor = connect_monitor();
    assert_int_equal(monitor_silence(monitor, "h2", 600), -1);
    assert_int_equal(monitor_end_silences(monitor, monitor->ids), -1);
    if (monitor_end_silences(monitor, monitor->ids) != -1)
        fail_msg("%s", monitor->detail);
    if (monitor_end_silences(monitor, unknown_ids) != -1)
        fail_msg("%s", monitor->detail);
}

static void
test_monitor_silence_has_an_end_of_its_own(void **state)
{
    (void)state;
    g_autoptr(Monitor) monitor = connect_monitor();
    raise_alert("Short", "instance", "h2");
    assert_int_equal(monitor_silence(monitor, "h2", 1), -1);
    assert_true(is_silenced("Short"));
    gint64 deadline_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    while (is_silenced("Short") && g_get_monotonic_time() < deadline_us)
        g_usleep(100000);
    assert_false(is_silenced("Short"));
}

static void
test_monitor_own_alert_is_seen_and_resolved(void **state)
{
    (void)state;
    g_autoptr(Monitor) monitor = connect_monitor();
    assert_int_equal(monitor_post(monitor, "VirtRollNeedsOperator", "h1", 300), -1);
    assert_true(is_shown("VirtRollNeedsOperator", "active=true"));
    g_autofree char *text = ask("GET", "/api/v2/alerts", NULL);
    assert_non_null(strstr(text, "a \\\"person\\\" is needed"));
    assert_int_equal(monitor_post(monitor, "VirtRollNeedsOperator", "h1", -1), -1);
    assert_false(is_shown("VirtRollNeedsOperator", "active=true"));
}

static void
test_monitor_refusal_is_told_in_its_words(void **state)
{
    (void)state;
    g_autoptr(Monitor) monitor = connect_monitor();
    /* It would be over before it began. */
    assert_int_equal(monitor_post(monitor, "VirtRollX", NULL, -120), VR_ERROR_REFUSED);
    assert_non_null(strstr(monitor->detail, "status 400"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monitor_silence_covers_the_host_and_nothing_else),
        cmocka_unit_test(test_monitor_silence_that_is_over_ends_again),
        cmocka_unit_test(test_monitor_silence_has_an_end_of_its_own),
        cmocka_unit_test(test_monitor_own_alert_is_seen_and_resolved),
        cmocka_unit_test(test_monitor_refusal_is_told_in_its_words),
    };
    if (!loopback_has_program(PROGRAM))
        return 77;
    alertmanager = daemon_prepare("alertmanager.yml", "route: {receiver: none}\n"
                                                      "receivers: [{name: none}]\n");
    start_alertmanager();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    daemon_clear(&alertmanager);
    return failed;
}
