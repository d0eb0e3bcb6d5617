/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

/* "host meaning", "- meaning" without a host, "" if it means nothing; "*" after it: by default. */
static char *
judge(const Fixture *fixture, const char *labels)
{
    g_autoptr(VrAlertMessage) message = fixture_message();
    fixture_add(message, "a", labels, NOW_US, 0);
    g_autoptr(VrAlert) alert =
        vr_alert_mapping_judge(fixture->mapping, g_ptr_array_index(message->alerts, 0), NOW_US + 1);
    if (alert == NULL)
        return g_strdup("");
    assert_int_equal(alert->received_us, NOW_US + 1);
    return g_strdup_printf("%s %s%s", alert->host == NULL ? "-" : alert->host,
                           vr_alert_meaning_to_string(alert->meaning),
                           alert->by_default ? "*" : "");
}

typedef struct {
    const char *labels;
    const char *expected;
} Row;

static void
expect_rows(const Fixture *fixture, const Row *rows, guint count)
{
    for (guint i = 0; i < count; i++) {
        g_autofree char *judged = judge(fixture, rows[i].labels);
        if (strcmp(judged, rows[i].expected) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", rows[i].labels, judged, rows[i].expected);
    }
}

static void
test_mapping_without_rules_only_critical_alerts_of_hosts_count(void **state)
{
    static const Row rows[] = {
        {"alertname=A,severity=critical,instance=h1", "h1 close-intake*"},
        {"alertname=A,severity=critical,instance=h1:9100", "h1 close-intake*"},
        {"alertname=A,severity=critical,host=node2", "h2 close-intake*"},
        {"alertname=A,severity=critical,nodename=node2", "h2 close-intake*"},
        {"alertname=A,severity=critical,instance=node2:1", "h2 close-intake*"},
        {"alertname=A,severity=critical,instance=h3.dc1:9100", "h3.dc1 close-intake*"},
        {"alertname=A,severity=critical,instance=prometheus:9090,host=h1", "h1 close-intake*"},
        {"alertname=A,severity=critical,instance=h1,host=h2", "h1 close-intake*"},
        {"alertname=A,severity=warning,instance=h1", ""},
        {"alertname=A,severity=Critical,instance=h1", ""},
        {"alertname=A,instance=h1", ""},
        {"alertname=A,severity=critical,instance=h9", ""},
        {"alertname=A,severity=critical,other=h1", ""},
        {"alertname=A,severity=critical,instance=h1:x", ""},
        {"alertname=A,severity=critical,instance=h1:", ""},
        {"alertname=A,severity=critical,instance=H1", ""},
        {"alertname=A,severity=critical", ""},
    };
    (void)state;
    g_auto(Fixture) fixture = fixture_new("[]", "{}");
    expect_rows(&fixture, rows, G_N_ELEMENTS(rows));
}

static void
test_mapping_first_rule_that_matches_wins(void **state)
{
    static const Row rows[] = {
        {"alertname=Quiet,severity=critical,instance=h1", ""},
        {"alertname=HostHot,team=virt,instance=h1", "h1 migrate-back"},
        {"alertname=HostHot,instance=h1", "h1 wait"},
        {"alertname=Other,instance=h1", ""},
        {"alertname=Other,severity=critical,instance=h1", "h1 close-intake*"},
    };
    (void)state;
    g_auto(Fixture) fixture =
        fixture_new("[{\"match\":{\"alertname\":\"Quiet\"},\"meaning\":\"ignore\"},"
                    "{\"match\":{\"alertname\":\"Host*\",\"team\":\"v?rt\"},"
                    "\"meaning\":\"migrate-back\"},"
                    "{\"match\":{\"alertname\":\"Host*\",\"team\":\"\"},\"meaning\":\"wait\"}]",
                    "{}");
    expect_rows(&fixture, rows, G_N_ELEMENTS(rows));
}

static void
test_mapping_without_a_host_a_rule_means_to_wait(void **state)
{
    static const Row rows[] = {
        {"alertname=Down,instance=h9", "- wait"},
        {"alertname=Down", "- wait"},
        {"alertname=Down,instance=h2", "h2 migrate-back"},
    };
    (void)state;
    g_auto(Fixture) fixture =
        fixture_new("[{\"match\":{\"alertname\":\"Down\"},\"meaning\":\"migrate-back\"}]", "{}");
    expect_rows(&fixture, rows, G_N_ELEMENTS(rows));
}

static void
test_mapping_looks_where_the_fleet_says(void **state)
{
    static const Row rows[] = {
        {"severity=critical,instance=h1", ""},
        {"severity=critical,node=h1", "h1 close-intake*"},
        {"severity=critical,node=h1,machine=h2", "h2 close-intake*"},
    };
    (void)state;
    g_auto(Fixture) fixture = fixture_new("[]", "{\"host_labels\":[\"machine\",\"node\"]}");
    expect_rows(&fixture, rows, G_N_ELEMENTS(rows));
}

static void
test_mapping_our_own_alerts_mean_nothing(void **state)
{
    static const Row rows[] = {
        {"alertname=VirtRollNeedsOperator,severity=critical,instance=h1", ""},
        {"alertname=NotVirtRoll,instance=h1", "h1 migrate-back"},
    };
    (void)state;
    g_auto(Fixture) fixture =
        fixture_new("[{\"match\":{\"alertname\":\"*\"},\"meaning\":\"migrate-back\"}]", "{}");
    expect_rows(&fixture, rows, G_N_ELEMENTS(rows));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping_without_rules_only_critical_alerts_of_hosts_count),
        cmocka_unit_test(test_mapping_first_rule_that_matches_wins),
        cmocka_unit_test(test_mapping_without_a_host_a_rule_means_to_wait),
        cmocka_unit_test(test_mapping_looks_where_the_fleet_says),
        cmocka_unit_test(test_mapping_our_own_alerts_mean_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
