/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Queries to a real Prometheus, which scrapes itself. */
#include "loopback.h"
#include "monitor-call.h"

#include <poll.h>

#define PROGRAM "/usr/bin/prometheus"
#define SCRAPED_MS 30000

static Daemon prometheus;

static void
start_prometheus(void)
{
    g_autofree char *config = g_build_filename(prometheus.directory, "prometheus.yml", NULL);
    g_autofree char *text = g_strdup_printf("global: {scrape_interval: 1s}\n"
                                            "scrape_configs:\n"
                                            "  - job_name: self\n"
                                            "    static_configs:\n"
                                            "      - targets: ['127.0.0.1:%u']\n"
                                            "        labels: {node: h1}\n",
                                            prometheus.port);
    assert_true(g_file_set_contents(config, text, -1, NULL));
    g_autofree char *file = g_strconcat("--config.file=", config, NULL);
    g_autofree char *data = g_strdup_printf("--storage.tsdb.path=%s/data", prometheus.directory);
    g_autofree char *address =
        g_strdup_printf("--web.listen-address=127.0.0.1:%u", prometheus.port);
    char program[] = PROGRAM;
    char *argv[] = {program, file, data, address, NULL};
    daemon_start(&prometheus, argv);
}

typedef struct {
    const char *query;
    const char *present; /* NULL: at-least or at-most */
    VrHealthyWhen healthy;
    gint64 limit;
    const char *host;
    VrQueryAnswer answer;
    const char *detail;
} Row;

#define UP "up{node=\"${host}\"}"
#define NEVER "never_there{node=\"${host}\"}"

static const Row rows[] = {
    {UP, NULL, VR_HEALTHY_WHEN_AT_LEAST, 1, "h1", VR_QUERY_ANSWER_HEALTHY, "node=\"h1\"} 1"},
    {UP, NULL, VR_HEALTHY_WHEN_AT_MOST, 0, "h1", VR_QUERY_ANSWER_UNHEALTHY, "1, more than 0"},
    {UP, NULL, VR_HEALTHY_WHEN_AT_LEAST, 2, "h1", VR_QUERY_ANSWER_UNHEALTHY, "1, less than 2"},
    {UP, NULL, VR_HEALTHY_WHEN_AT_LEAST, 1, "h2", VR_QUERY_ANSWER_UNKNOWN, "no data"},
    {UP, NULL, VR_HEALTHY_WHEN_AT_MOST, 1, "h2", VR_QUERY_ANSWER_UNKNOWN, "no data"},
    {UP " == 0", UP, VR_HEALTHY_WHEN_EMPTY, 0, "h1", VR_QUERY_ANSWER_HEALTHY, "nothing found"},
    {UP " == 0", UP, VR_HEALTHY_WHEN_EMPTY, 0, "h2", VR_QUERY_ANSWER_UNKNOWN, "no data"},
    {UP, UP, VR_HEALTHY_WHEN_EMPTY, 0, "h1", VR_QUERY_ANSWER_UNHEALTHY, "1 found, the first: up{"},
    {NEVER, NEVER, VR_HEALTHY_WHEN_EMPTY, 0, "h1", VR_QUERY_ANSWER_UNKNOWN, "no data"},
    {UP " / 0 * 0", NULL, VR_HEALTHY_WHEN_AT_MOST, 1, "h1", VR_QUERY_ANSWER_UNKNOWN, "no number"},
    {UP " / 0", NULL, VR_HEALTHY_WHEN_AT_MOST, 1, "h1", VR_QUERY_ANSWER_UNHEALTHY, "+Inf, more"},
    {UP " * 0.25", NULL, VR_HEALTHY_WHEN_AT_MOST, 0, "h1", VR_QUERY_ANSWER_UNHEALTHY, "0.25, more"},
    {"scalar(" UP ")", NULL, VR_HEALTHY_WHEN_AT_LEAST, 1, "h1", VR_QUERY_ANSWER_HEALTHY, "{} 1"},
    {UP "[5m]", NULL, VR_HEALTHY_WHEN_AT_LEAST, 1, "h1", VR_QUERY_ANSWER_UNKNOWN, "\"matrix\""},
    {UP " +", NULL, VR_HEALTHY_WHEN_AT_LEAST, 1, "h1", VR_QUERY_ANSWER_UNKNOWN, "status 400"},
};

static VrQueryAnswer
ask(Monitor *monitor, const Row *row)
{
    char name[] = "rule";
    g_autofree char *query = g_strdup(row->query);
    g_autofree char *present = g_strdup(row->present);
    VrQueryRule rule = {name, query, present, row->healthy, row->limit};
    return monitor_query(monitor, &rule, row->host);
}

static void
wait_for_data(Monitor *monitor)
{
    for (guint waited_ms = 0; ask(monitor, &rows[0]) != VR_QUERY_ANSWER_HEALTHY; waited_ms += 100) {
        if (waited_ms >= SCRAPED_MS)
            fail_msg("no data for %d s: %s", SCRAPED_MS / 1000, monitor->detail);
        (void)poll(NULL, 0, 100);
    }
}

static void
test_monitor_prometheus_answers_as_the_rule_says(void **state)
{
    (void)state;
    g_autofree char *url = loopback_url(prometheus.port);
    g_autoptr(Monitor) monitor = monitor_new(NULL, url, 10);
    wait_for_data(monitor);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        VrQueryAnswer answer = ask(monitor, &rows[i]);
        if (answer != rows[i].answer || strstr(monitor->detail, rows[i].detail) == NULL)
            fail_msg("row %u: %s: \"%s\" lacks \"%s\"", i, vr_query_answer_to_string(answer),
                     monitor->detail, rows[i].detail);
    }
}

static void
test_monitor_prometheus_that_went_down_is_unknown(void **state)
{
    (void)state;
    g_autofree char *url = loopback_url(prometheus.port);
    g_autoptr(Monitor) monitor = monitor_new(NULL, url, 10);
    daemon_stop(&prometheus);
    assert_int_equal(ask(monitor, &rows[0]), VR_QUERY_ANSWER_UNKNOWN);
    assert_non_null(strstr(monitor->detail, "is it running?"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monitor_prometheus_answers_as_the_rule_says),
        cmocka_unit_test(test_monitor_prometheus_that_went_down_is_unknown),
    };
    if (!loopback_has_program(PROGRAM))
        return 77;
    prometheus = daemon_prepare("empty", "");
    start_prometheus();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    daemon_clear(&prometheus);
    return failed;
}
