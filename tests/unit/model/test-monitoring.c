/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What fleet file and policy say about monitoring. */
#include "../base/expect.h"

#include "base/json.h"
#include "model/document.h"
#include "model/uri.h"

#define FLEET(more)                                                                                \
    "{\"format\":\"virt-roll-fleet/1\",\"name\":\"dc1\"," more                                     \
    ",\"hosts\":[{\"name\":\"h1\",\"uri\":\"qemu+ssh://h1/system\"}]}"
#define PROBE(more) FLEET("\"probes\":[{" more "}]")
#define POLICY(more) "{\"format\":\"virt-roll-policy/1\"," more "}"
#define ALERT(more) POLICY("\"alerts\":[{" more "}]")
#define QUERY(more) POLICY("\"queries\":[{" more "}]")

static VrFleet *
read_fleet(const char *text, GError **error)
{
    JsonNode *root = vr_json_parse(text, strlen(text), "f.json", error);
    assert_non_null(root);
    g_autoptr(VrDocument) document = vr_document_new(root, "f.json", TRUE);
    return vr_fleet_read(document, error);
}

static VrFleet *
read_good(const char *text)
{
    g_autoptr(GError) error = NULL;
    VrFleet *fleet = read_fleet(text, &error);
    expect_no_error(error);
    return fleet;
}

static void
test_monitoring_is_none_by_default(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(FLEET("\"probes\":[]"));
    assert_null(fleet->monitoring.alertmanager_url);
    assert_null(fleet->monitoring.prometheus_url);
    assert_int_equal(fleet->monitoring.timeout_s, 10);
    g_autofree char *labels = g_strjoinv(" ", fleet->monitoring.host_labels);
    assert_string_equal(labels, "instance host nodename");
    assert_int_equal(fleet->probes->len, 0);
}

static void
test_monitoring_every_field_is_kept(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(
        FLEET("\"monitoring\":{\"alertmanager_url\":\"https://am.dc1:9093/alertmanager/\","
              "\"prometheus_url\":\"http://127.0.0.1:9090\",\"host_labels\":[\"node\"],"
              "\"timeout_s\":3},\"probes\":[{\"name\":\"w\",\"vms\":[\"web-*\"],\"group\":\"g\","
              "\"kind\":\"http\",\"address\":\"{vm}.dc1\",\"port\":81,\"path\":\"/up?x=1\","
              "\"timeout_s\":2,\"interval_s\":7,\"within_s\":60},"
              "{\"name\":\"c\",\"vms\":[\"db\"],\"kind\":\"command\",\"argv\":[\"/bin/x\",\"-q\"]},"
              "{\"name\":\"t\",\"group\":\"g\",\"kind\":\"tcp\",\"port\":22},"
              "{\"name\":\"a\",\"vms\":[\"*\"],\"kind\":\"agent\"}]"));
    assert_string_equal(fleet->monitoring.alertmanager_url, "https://am.dc1:9093/alertmanager");
    assert_string_equal(fleet->monitoring.prometheus_url, "http://127.0.0.1:9090");
    assert_string_equal(fleet->monitoring.host_labels[0], "node");
    assert_int_equal(fleet->monitoring.timeout_s, 3);
    const VrProbeRule *web = g_ptr_array_index(fleet->probes, 0);
    assert_int_equal(web->kind, VR_PROBE_KIND_HTTP);
    assert_string_equal(web->address, "{vm}.dc1");
    assert_string_equal(web->path, "/up?x=1");
    assert_int_equal(web->port, 81);
    assert_int_equal(web->timeout_s, 2);
    assert_int_equal(web->interval_s, 7);
    assert_int_equal(web->within_s, 60);
    const VrProbeRule *command = g_ptr_array_index(fleet->probes, 1);
    assert_string_equal(command->argv[1], "-q");
    const VrProbeRule *tcp = g_ptr_array_index(fleet->probes, 2);
    assert_string_equal(tcp->address, "{vm}");
    assert_int_equal(tcp->within_s, 300);
    assert_null(tcp->argv);
}

static void
test_monitoring_probe_selects_by_pattern_or_group(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(PROBE("\"name\":\"w\",\"vms\":[\"web-*\",\"www\"],"
                                               "\"group\":\"g\",\"kind\":\"agent\""));
    const VrProbeRule *probe = g_ptr_array_index(fleet->probes, 0);
    assert_true(vr_probe_rule_selects(probe, "web-1", NULL));
    assert_true(vr_probe_rule_selects(probe, "www", "other"));
    assert_true(vr_probe_rule_selects(probe, "db", "g"));
    assert_false(vr_probe_rule_selects(probe, "db", "other"));
    assert_false(vr_probe_rule_selects(probe, "db", NULL));
    assert_false(vr_probe_rule_selects(probe, "my-web-1", NULL));
}

static void
test_monitoring_query_is_asked_about_a_host(void **state)
{
    (void)state;
    g_autofree char *text = vr_query_rule_expand("a{i=\"${host}\"} + b{i=\"${host}:1\"}", "h1");
    assert_string_equal(text, "a{i=\"h1\"} + b{i=\"h1:1\"}");
}

static void
test_monitoring_fleet_refuses(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {FLEET("\"monitoring\":{\"alertmanager\":1}"), "did you mean alertmanager_url?"},
        {FLEET("\"monitoring\":{\"timeout_s\":61}"), "from 1 to 60, not 61"},
        {FLEET("\"monitoring\":{\"host_labels\":[]}"), "1 to 8 labels, not 0"},
        {FLEET("\"monitoring\":{\"host_labels\":[\"a-b\"]}"), "\"a-b\": a label is letters"},
        {FLEET("\"monitoring\":{\"prometheus_url\":\"http://p:9090\"}"),
         "monitoring.prometheus_url: \"http://p:9090\": http:// is accepted for 127.0.0.1"},
        {PROBE("\"name\":\"p\",\"kind\":\"agent\""), "names no VMs: give vms, group, or both"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"]"), "kind is missing: tcp, http, command or agent"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"tpc\""), "did you mean tcp?"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"tcp\""), "port: is missing"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"tcp\",\"port\":65536"), "not 65536"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"tcp\",\"port\":1,\"path\":\"/\""),
         "path: a probe of kind tcp has no such field"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"agent\",\"port\":1"),
         "port: a probe of kind agent has no such field"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"http\",\"port\":1,\"path\":\"x\""),
         "\"x\": must begin with '/'"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"http\",\"port\":1,\"path\":\"/a b\""),
         "hold only what a URL may"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"tcp\",\"port\":1,"
               "\"address\":\"{host}\""),
         "{vm} stands for the VM's name"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"command\""), "argv is missing"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"command\",\"argv\":[]"),
         "argv is missing"},
        {PROBE("\"name\":\"p\",\"vms\":[\"*\"],\"kind\":\"command\",\"argv\":[\"x\"]"),
         "must be an absolute path"},
        {PROBE("\"name\":\"p p\",\"vms\":[\"*\"],\"kind\":\"agent\""), "\"p p\": must be letters"},
        {FLEET("\"probes\":[{\"name\":\"p\",\"vms\":[\"a\"],\"kind\":\"agent\"},"
               "{\"name\":\"p\",\"vms\":[\"b\"],\"kind\":\"agent\"}]"),
         "the name \"p\" is there twice"},
        {FLEET("\"probes\":[1]"), "must be a mapping"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(read_fleet(rows[i].text, &error));
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

#define UP "up{i=\\\"${host}\\\"}"

static void
test_monitoring_policy_refuses(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {ALERT("\"meaning\":\"wait\""), "match is missing"},
        {ALERT("\"match\":{},\"meaning\":\"wait\""), "1 to 16 labels, not 0"},
        {ALERT("\"match\":{\"a b\":\"x\"},\"meaning\":\"wait\""), "\"a b\": a label is"},
        {ALERT("\"match\":{\"a\":1},\"meaning\":\"wait\""), "alerts[0].match.a: must be text"},
        {ALERT("\"match\":{\"a\":\"x\"}"), "meaning is missing: ignore, wait"},
        {ALERT("\"match\":{\"a\":\"x\"},\"meaning\":\"migrate_back\""),
         "did you mean migrate-back?"},
        {ALERT("\"match\":{\"a\":\"x\"},\"meaning\":\"wait\",\"host\":\"h1\""), "no such field"},
        {QUERY("\"name\":\"q\",\"query\":\"up\",\"healthy\":\"empty\""), "does not hold ${host}"},
        {QUERY("\"name\":\"q\",\"query\":\"" UP "\""), "healthy is missing"},
        {QUERY("\"name\":\"q\",\"query\":\"" UP "\",\"healthy\":\"empty\""),
         "or no data would look healthy"},
        {QUERY("\"name\":\"q\",\"query\":\"" UP "\",\"healthy\":\"at-least\""),
         "limit: is missing"},
        {QUERY("\"name\":\"q\",\"query\":\"" UP "\",\"healthy\":\"at-least\",\"limit\":1,"
               "\"present\":\"" UP "\""),
         "here no data is no answer"},
        {QUERY("\"name\":\"q\",\"query\":\"" UP "\",\"healthy\":\"empty\",\"limit\":1,"
               "\"present\":\"" UP "\""),
         "limit: is for healthy: at-least and at-most"},
        {POLICY("\"monitoring\":{\"silence\":1}"), "must be true or false"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(vr_policy_parse(rows[i].text, strlen(rows[i].text), "p.json", &error));
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

static void
test_monitoring_urls(void **state)
{
    static const char *const good[] = {
        "https://am",          "https://am.dc1:9093", "https://[2001:db8::1]:9093/x",
        "http://127.0.0.1:90", "http://localhost",    "http://[::1]:9093/alertmanager",
    };
    static const char *const bad[] = {
        "http://am:9093",
        "http://127.0.0.1.evil.org",
        "http://localhosts",
        "https://u@am",
        "https://u:p@am",
        "https://am?x=1",
        "https://",
        "ftp://am",
        "https://am:0",
        "https://am/[",
        "https://am/%41",
        "https://am#x",
        "http://127.0.0.1@e",
        "HTTPS://am",
        "https://-x",
        "file:///etc/passwd",
        "",
        "https://am:99999",
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        assert_true(vr_uri_check_http(good[i], &error));
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        if (vr_uri_check_http(bad[i], &error))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(error->code, VR_ERROR_INVALID);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monitoring_is_none_by_default),
        cmocka_unit_test(test_monitoring_every_field_is_kept),
        cmocka_unit_test(test_monitoring_probe_selects_by_pattern_or_group),
        cmocka_unit_test(test_monitoring_query_is_asked_about_a_host),
        cmocka_unit_test(test_monitoring_fleet_refuses),
        cmocka_unit_test(test_monitoring_policy_refuses),
        cmocka_unit_test(test_monitoring_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
