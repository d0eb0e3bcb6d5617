/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/expect.h"

#include "base/json.h"
#include "model/document.h"

static VrFleet *
read_text(const char *text, gsize length, GError **error)
{
    JsonNode *root = vr_json_parse(text, length, "f.json", error);
    if (root == NULL)
        return NULL;
    g_autoptr(VrDocument) document = vr_document_new(root, "f.json", TRUE);
    return vr_fleet_read(document, error);
}

static VrFleet *
read_good(const char *text)
{
    g_autoptr(GError) error = NULL;
    VrFleet *fleet = read_text(text, strlen(text), &error);
    expect_no_error(error);
    return fleet;
}

#define FLEET(more) "{\"format\":\"virt-roll-fleet/1\",\"name\":\"dc1\"," more "}"
#define HOSTS(entries) FLEET("\"hosts\":[" entries "]")
#define H1 "{\"name\":\"h1\",\"uri\":\"qemu+ssh://h1/system\"}"

static void
test_fleet_smallest_file_has_the_defaults(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(HOSTS(H1));
    assert_string_equal(fleet->name, "dc1");
    assert_string_equal(fleet->path, "f.json");
    assert_int_equal(fleet->keepalive_interval_s, 5);
    assert_int_equal(fleet->keepalive_count, 5);
    const VrFleetHost *host = vr_fleet_host(fleet, 0);
    assert_string_equal(host->uri, "qemu+ssh://h1/system");
    assert_string_equal(host->peer_uri, "qemu+ssh://h1/system");
    assert_null(host->migrate_uri);
    assert_string_equal(host->pool, "");
    assert_null(host->failure_domain);
    assert_null(host->aliases[0]);
    assert_int_equal(host->link_mib_per_s, 1192);
    assert_int_equal(host->update_s, 900);
    assert_int_equal(host->memory_mib, 0);
    assert_int_equal(host->vcpus, 0);
    assert_null(host->update.level);
    for (VrStage stage = VR_STAGE_FACTS; stage < VR_STAGE_COUNT; stage++)
        assert_null(host->update.stages[stage].argv);
}

static void
test_fleet_stage_defaults_follow_its_nature(void **state)
{
    static const struct {
        gint64 timeout_s;
        gboolean repeatable;
    } rows[VR_STAGE_COUNT] = {
        [VR_STAGE_FACTS] = {60, TRUE},    [VR_STAGE_ASSESS] = {60, TRUE},
        [VR_STAGE_CLOSE] = {60, TRUE},    [VR_STAGE_OPEN] = {60, TRUE},
        [VR_STAGE_BEFORE] = {600, FALSE}, [VR_STAGE_APPLY] = {3600, FALSE},
        [VR_STAGE_REBOOT] = {600, FALSE}, [VR_STAGE_VERIFY] = {600, TRUE},
    };
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(HOSTS(H1));
    for (VrStage stage = VR_STAGE_FACTS; stage < VR_STAGE_COUNT; stage++) {
        const VrStageCommand *command = &vr_fleet_host(fleet, 0)->update.stages[stage];
        assert_int_equal(command->timeout_s, rows[stage].timeout_s);
        assert_int_equal(command->repeatable, rows[stage].repeatable);
    }
}

static void
test_fleet_ranges_take_defaults_and_their_own_name(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(
        FLEET("\"defaults\":{\"uri\":\"qemu+ssh://{name}.dc1/system\",\"pool\":\"a\",\"aliases\":"
              "[\"{name}:9100\"],\"migrate_uri\":\"tcp://{name}-mig\",\"memory_mib\":1000},"
              "\"hosts\":[{\"name\":\"k[01-02]\",\"failure_domain\":\"r1\"},{\"name\":\"x\","
              "\"pool\":\"b\",\"uri\":\"qemu+unix:///system?socket=/run/{name}\",\"peer_uri\":"
              "\"qemu+tls://{name}/system\",\"aliases\":[],\"vcpus\":7,\"update_s\":60}]"));
    assert_int_equal(fleet->hosts->len, 3);
    const VrFleetHost *second = vr_fleet_host(fleet, 1);
    assert_string_equal(second->name, "k02");
    assert_string_equal(second->uri, "qemu+ssh://k02.dc1/system");
    assert_string_equal(second->peer_uri, "qemu+ssh://k02.dc1/system");
    assert_string_equal(second->migrate_uri, "tcp://k02-mig");
    assert_string_equal(second->aliases[0], "k02:9100");
    assert_string_equal(second->pool, "a");
    assert_string_equal(second->failure_domain, "r1");
    assert_int_equal(second->memory_mib, 1000);

    const VrFleetHost *third = vr_fleet_host(fleet, 2);
    assert_string_equal(third->uri, "qemu+unix:///system?socket=/run/x");
    assert_string_equal(third->peer_uri, "qemu+tls://x/system");
    assert_string_equal(third->pool, "b");
    assert_null(third->aliases[0]);
    assert_int_equal(third->vcpus, 7);
    assert_int_equal(third->update_s, 60);

    assert_int_equal(vr_fleet_find_host(fleet, "k01"), 0);
    assert_int_equal(vr_fleet_find_host(fleet, "k02:9100"), 1);
    assert_int_equal(vr_fleet_find_host(fleet, "k03"), -1);
}

static void
test_fleet_updates_merge_field_by_field(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(
        FLEET("\"defaults\":{\"uri\":\"qemu+ssh://{name}/system\",\"update\":{\"level\":\"2\","
              "\"stages\":{\"apply\":{\"argv\":[\"/bin/a\",\"x y\"],\"timeout_s\":7},\"reboot\":"
              "[\"/bin/r\"],\"verify\":{\"timeout_s\":9}}}},\"hosts\":[{\"name\":\"h1\",\"update\":"
              "{\"stages\":{\"apply\":{\"repeatable\":true},\"reboot\":null,\"verify\":"
              "[\"/bin/v\"]}}},{\"name\":\"h2\",\"update\":{\"level\":\"3\",\"stages\":{\"apply\":"
              "[\"/bin/b\"]}}}]"));
    const VrUpdate *first = &vr_fleet_host(fleet, 0)->update;
    assert_string_equal(first->level, "2");
    assert_string_equal(first->stages[VR_STAGE_APPLY].argv[1], "x y");
    assert_int_equal(first->stages[VR_STAGE_APPLY].timeout_s, 7);
    assert_true(first->stages[VR_STAGE_APPLY].repeatable);
    assert_null(first->stages[VR_STAGE_REBOOT].argv);
    assert_string_equal(first->stages[VR_STAGE_VERIFY].argv[0], "/bin/v");
    assert_int_equal(first->stages[VR_STAGE_VERIFY].timeout_s, 9);

    const VrUpdate *second = &vr_fleet_host(fleet, 1)->update;
    assert_string_equal(second->level, "3");
    assert_string_equal(second->stages[VR_STAGE_APPLY].argv[0], "/bin/b");
    assert_null(second->stages[VR_STAGE_APPLY].argv[1]);
    assert_int_equal(second->stages[VR_STAGE_APPLY].timeout_s, 7);
    assert_false(second->stages[VR_STAGE_APPLY].repeatable);
    assert_string_equal(second->stages[VR_STAGE_REBOOT].argv[0], "/bin/r");
    assert_null(second->stages[VR_STAGE_VERIFY].argv);
}

static void
test_fleet_keepalive_at_the_top_wins_over_the_defaults(void **state)
{
    (void)state;
    g_autoptr(VrFleet) in_defaults = read_good(
        FLEET("\"defaults\":{\"keepalive\":{\"interval_s\":2,\"count\":3}},\"hosts\":[" H1 "]"));
    assert_int_equal(in_defaults->keepalive_interval_s, 2);
    assert_int_equal(in_defaults->keepalive_count, 3);
    g_autoptr(VrFleet) in_both = read_good(
        FLEET("\"keepalive\":{\"interval_s\":1},\"defaults\":{\"keepalive\":{\"interval_s\":2,"
              "\"count\":3}},\"hosts\":[" H1 "]"));
    assert_int_equal(in_both->keepalive_interval_s, 1);
    assert_int_equal(in_both->keepalive_count, 3);
}

static void
test_fleet_alias_may_repeat_the_host_s_own_name(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(HOSTS(
        "{\"name\":\"h1\",\"uri\":\"qemu+ssh://h1/system\",\"aliases\":[\"h1\",\"a\",\"a\"]}"));
    assert_int_equal(vr_fleet_find_host(fleet, "a"), 0);
}

static void
test_fleet_test_driver_needs_no_peer_uri(void **state)
{
    (void)state;
    g_autoptr(VrFleet) fleet = read_good(HOSTS("{\"name\":\"h1\",\"uri\":\"test:///default\"}"));
    assert_string_equal(vr_fleet_host(fleet, 0)->peer_uri, "test:///default");
}

#define ENTRY(fields) HOSTS("{\"name\":\"h1\",\"uri\":\"qemu+ssh://h1/system\"," fields "}")
#define STAGE(stage) ENTRY("\"update\":{\"stages\":{" stage "}}")

typedef struct {
    const char *text;
    const char *message;
} Refusal;

static void
expect_refusals(const Refusal *rows, guint count)
{
    for (guint i = 0; i < count; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VrFleet) fleet = read_text(rows[i].text, strlen(rows[i].text), &error);
        if (fleet != NULL)
            fail_msg("taken: %s", rows[i].text);
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

static void
test_fleet_refuses(void **state)
{
    static const Refusal rows[] = {
        {"{\"name\":\"dc1\",\"hosts\":[" H1 "]}", "f.json: format: is missing"},
        {"{\"format\":\"virt-roll-policy/1\",\"name\":\"dc1\",\"hosts\":[" H1 "]}",
         "format: must be \"virt-roll-fleet/1\", not \"virt-roll-policy/1\""},
        {"{\"format\":\"virt-roll-fleet/1\",\"hosts\":[" H1 "]}", "f.json: name: is missing"},
        {"{\"format\":\"virt-roll-fleet/1\",\"name\":\"../x\",\"hosts\":[" H1 "]}",
         "name: \"../x\": must be letters"},
        {FLEET("\"hosts\":[]"), "f.json: hosts: no hosts"},
        {FLEET("\"defaults\":{}"), "f.json: no hosts"},
        {FLEET("\"hosts\":{}"), "hosts: must be a list"},
        {FLEET("\"defaults\":{\"name\":\"h1\"},\"hosts\":[" H1 "]"), "defaults.name: there is no"},
        {FLEET("\"keepalive\":{\"interval_s\":0},\"hosts\":[" H1 "]"), "keepalive.interval_s"},
        {HOSTS("\"h1\""), "hosts[0]: must be a mapping"},
        {HOSTS("{\"uri\":\"qemu+ssh://h1/system\"}"), "hosts[0].name: is missing"},
        {HOSTS("{\"name\":\"h1\"}"), "hosts[0].uri: is missing"},
        {HOSTS("{\"name\":\"h[3-1]\"}"), "hosts[0].name: \"h[3-1]\": a range runs backwards"},
        {HOSTS("{\"name\":\"h1\",\"uri\":\"qemu+unix:///system\"}"),
         "hosts[0].peer_uri: is missing"},
        {HOSTS("{\"name\":\"h1\",\"uri\":\"qemu+ssh://h1/system?command=/bin/x\"}"),
         "hosts[0].uri: the parameter command is not accepted"},
        {ENTRY("\"peer_uri\":\"qemu+ssh://h1/system?no_verify=1\""),
         "hosts[0].peer_uri: the parameter no_verify"},
        {ENTRY("\"migrate_uri\":\"rdma://h1\""),
         "hosts[0].migrate_uri: \"rdma://h1\": must be tcp"},
        {ENTRY("\"memmory_mib\":1"),
         "memmory_mib: there is no such field; did you mean memory_mib?"},
        {ENTRY("\"link_mib_per_s\":0"), "hosts[0].link_mib_per_s: must be an integer from 1"},
        {ENTRY("\"aliases\":[\"a b\"]"), "hosts[0].aliases: \"a b\": an alias is one word"},
        {ENTRY("\"aliases\":[\"{nam}\"]"), "an alias is one word"},
        {HOSTS(H1 "," H1), "hosts[1].name: \"h1\" is already the name or an alias of host h1"},
        {HOSTS("{\"name\":\"h[1-2,1]\",\"uri\":\"qemu+ssh://{name}/system\"}"),
         "\"h1\" is already the name"},
        {HOSTS(H1 ",{\"name\":\"h2\",\"uri\":\"qemu+ssh://h2/system\",\"aliases\":[\"h1\"]}"),
         "hosts[1].aliases: \"h1\" is already the name or an alias of host h1"},
        {HOSTS("{\"name\":\"h2\",\"uri\":\"qemu+ssh://h2/system\",\"aliases\":[\"h1\"]}," H1),
         "hosts[1].name: \"h1\" is already the name or an alias of host h2"},
        {HOSTS(H1 ",{\"name\":\"h2\",\"uri\":\"qemu+ssh://h1/system\"}"),
         "hosts[1].uri: \"qemu+ssh://h1/system\" is already the uri of host h1"},
        {HOSTS(H1 ",{\"name\":\"h2\",\"uri\":\"qemu+ssh://h2/system\","
                  "\"peer_uri\":\"qemu+ssh://h1/system\"}"),
         "hosts[1].peer_uri: \"qemu+ssh://h1/system\" is already the peer_uri of host h1"},
        {HOSTS("{\"name\":\"h[1-2]\",\"uri\":\"qemu+ssh://{name}/system\","
               "\"migrate_uri\":\"tcp://10.0.0.1\"}"),
         "migrate_uri: \"tcp://10.0.0.1\" is already the migrate_uri of host h1"},
    };
    (void)state;
    expect_refusals(rows, G_N_ELEMENTS(rows));
}

static void
test_fleet_refuses_updates(void **state)
{
    static const Refusal rows[] = {
        {ENTRY("\"update\":{\"level\":\"\"}"), "update.level: must not be empty"},
        {ENTRY("\"update\":{\"level\":3}"), "update.level: must be text, not 3"},
        {STAGE("\"aply\":[\"/bin/a\"]"),
         "stages.aply: there is no such field; did you mean apply?"},
        {STAGE("\"apply\":[]"), "stages.apply: must name a command"},
        {STAGE("\"apply\":[\"a\"]"), "stages.apply: \"a\": the command must be an absolute path"},
        {STAGE("\"apply\":\"/bin/a\""), "stages.apply: must be a mapping"},
        {STAGE("\"apply\":{\"timeout_s\":1}"), "stages.apply.argv: is missing"},
        {STAGE("\"apply\":{\"argv\":[\"/bin/a\"],\"timeout_s\":0}"), "apply.timeout_s: must be"},
        {STAGE("\"apply\":[\"/bin/sleep\",5]"), "stages.apply[1]: must be text, not 5"},
    };
    (void)state;
    expect_refusals(rows, G_N_ELEMENTS(rows));
}

static void
test_fleet_of_more_hosts_than_the_limit_is_refused(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    static const char text[] =
        FLEET("\"defaults\":{\"uri\":\"qemu+ssh://{name}/system\"},\"hosts\":[{\"name\":"
              "\"a[00001-99999]\"},{\"name\":\"b[1-2]\"}]");
    assert_null(read_text(text, strlen(text), &error));
    expect_error(&error, VR_ERROR_INVALID, "more than 100000 hosts");
}

static void
feed(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrFleet) fleet = read_text(text, length, &error);
    assert_true((fleet == NULL) == (error != NULL));
}

static void
test_fleet_damaged_text_is_survived(void **state)
{
    (void)state;
    expect_survives_damage(
        FLEET("\"keepalive\":{\"count\":5},\"defaults\":{\"uri\":\"qemu+ssh://{name}/system\","
              "\"update\":{\"level\":\"2\",\"stages\":{\"apply\":[\"/bin/a\",\"b\"],\"reboot\":"
              "{\"argv\":[\"/bin/r\"],\"timeout_s\":5}}}},\"hosts\":[{\"name\":\"h[1-3]\","
              "\"aliases\":[\"{name}.x\"]},{\"name\":\"x\",\"vcpus\":3}]"),
        10000, feed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fleet_smallest_file_has_the_defaults),
        cmocka_unit_test(test_fleet_stage_defaults_follow_its_nature),
        cmocka_unit_test(test_fleet_ranges_take_defaults_and_their_own_name),
        cmocka_unit_test(test_fleet_updates_merge_field_by_field),
        cmocka_unit_test(test_fleet_keepalive_at_the_top_wins_over_the_defaults),
        cmocka_unit_test(test_fleet_alias_may_repeat_the_host_s_own_name),
        cmocka_unit_test(test_fleet_test_driver_needs_no_peer_uri),
        cmocka_unit_test(test_fleet_refuses),
        cmocka_unit_test(test_fleet_refuses_updates),
        cmocka_unit_test(test_fleet_of_more_hosts_than_the_limit_is_refused),
        cmocka_unit_test(test_fleet_damaged_text_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
