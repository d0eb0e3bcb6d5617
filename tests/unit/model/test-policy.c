/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/expect.h"

#include <virt-roll/policy.h>

static VrPolicy *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VrPolicy *policy = vr_policy_parse(text, strlen(text), "p.json", &error);
    expect_no_error(error);
    return policy;
}

static void
test_policy_empty_file_means_the_defaults(void **state)
{
    (void)state;
    g_autoptr(VrPolicy) fresh = vr_policy_new();
    g_autoptr(VrPolicy) read = parse("{\"format\":\"virt-roll-policy/1\"}");
    g_autofree char *a = vr_policy_format(fresh);
    g_autofree char *b = vr_policy_format(read);
    assert_string_equal(a, b);
    assert_string_equal(
        a,
        "{\"alerts\":[],\"format\":\"virt-roll-policy/1\","
        "\"health\":{\"interval_ms\":10000,\"limits\":{\"cpu_max_permille\":800,"
        "\"cpu_severe_max_permille\":770,\"crowding_q20\":0,\"drift_io_allowance_q8\":220,"
        "\"drift_io_limit_q8\":500,\"drift_steal_allowance_permille\":30,"
        "\"drift_steal_limit_permille\":300,\"hold_samples\":6,\"io_critical_q8\":340,"
        "\"io_floor_us\":400,\"io_relative_q8\":260,\"severe_io_us\":200000,"
        "\"severe_steal_permille\":300,\"stall_samples\":3,\"steal_critical_permille\":100,"
        "\"steal_critical_wall_permille\":10,\"steal_relative_permille\":40,"
        "\"vms_over_permille\":600,\"warm_up_samples\":12,\"weak_baseline_max_s\":7200},"
        "\"watch\":false,\"way_back\":\"ask\"},"
        "\"limits\":{\"extra_migrations_needed\":\"allow\","
        "\"extra_migrations_permille\":0,\"gate_canary_s\":0,\"gate_s\":0,\"headroom_permille\":20,"
        "\"hosts_down_max\":\"10%\",\"hosts_down_per_domain_max\":0,\"hosts_lost_max\":0,"
        "\"migration_overhead_ms\":2000,"
        "\"migrations_in_per_host\":4,\"migrations_max\":0,\"migrations_out_per_host\":4,"
        "\"repair_extra_migrations_max\":0,\"spare_hosts_min\":0,\"stream_link_permille\":500,"
        "\"stream_mib_per_s\":1000,"
        "\"target_cpu_permille_max\":0},\"migration\":{\"attempts_max\":3,\"backoff_s\":300,"
        "\"defer_s\":900,\"deferrals_max\":8,\"stall_s\":60,\"tls\":false},"
        "\"monitoring\":{\"post_alerts\":false,\"silence\":false},"
        "\"offline_vms\":\"leave\",\"partial\":false,\"queries\":[],\"recovery\":{\"agree_ms\":"
        "2000,"
        "\"fence_ms\":60000,\"hold_ms\":600000,\"hold_unknown_ms\":1800000,\"poll_max_ms\":5000,"
        "\"poll_ms\":200,\"return_s\":1200},\"revise\":\"ask\"}");
}

static const char everything[] =
    "{\"alerts\":[{\"match\":{\"alertname\":\"Host*\",\"severity\":\"critical\"},"
    "\"meaning\":\"migrate-back\"}],"
    "\"format\":\"virt-roll-policy/1\","
    "\"health\":{\"interval_ms\":5000,\"limits\":{\"cpu_max_permille\":800,"
    "\"cpu_severe_max_permille\":770,\"crowding_q20\":0,\"drift_io_allowance_q8\":220,"
    "\"drift_io_limit_q8\":500,\"drift_steal_allowance_permille\":30,"
    "\"drift_steal_limit_permille\":300,\"hold_samples\":6,\"io_critical_q8\":348,"
    "\"io_floor_us\":400,\"io_relative_q8\":260,\"severe_io_us\":200000,"
    "\"severe_steal_permille\":300,\"stall_samples\":3,\"steal_critical_permille\":100,"
    "\"steal_critical_wall_permille\":10,\"steal_relative_permille\":40,"
    "\"vms_over_permille\":600,\"warm_up_samples\":20,\"weak_baseline_max_s\":7200},"
    "\"watch\":true,\"way_back\":\"automatic\"},"
    "\"limits\":{\"extra_migrations_needed\":\"refuse\","
    "\"extra_migrations_permille\":50,\"gate_canary_s\":3600,\"gate_s\":600,"
    "\"headroom_permille\":100,\"hosts_down_max\":3,\"hosts_down_per_domain_max\":1,"
    "\"hosts_lost_max\":2,"
    "\"migration_overhead_ms\":500,\"migrations_in_per_host\":2,\"migrations_max\":9,"
    "\"migrations_out_per_host\":1,\"repair_extra_migrations_max\":40,\"spare_hosts_min\":1,"
    "\"stream_link_permille\":400,"
    "\"stream_mib_per_s\":900,\"target_cpu_permille_max\":700},\"migration\":{\"attempts_max\":5,"
    "\"backoff_s\":2,\"defer_s\":7,\"deferrals_max\":1,\"stall_s\":11,\"tls\":true},"
    "\"monitoring\":{\"post_alerts\":true,\"silence\":true},"
    "\"name\":\"quarterly\",\"offline_vms\":\"block\","
    "\"partial\":true,\"queries\":["
    "{\"healthy\":\"empty\",\"name\":\"quiet\",\"present\":\"up{h=\\\"${host}\\\"}\","
    "\"query\":\"ALERTS{h=\\\"${host}\\\"}\"},"
    "{\"healthy\":\"at-most\",\"limit\":-3,\"name\":\"load\",\"query\":\"l{h=\\\"${host}\\\"}\"}]"
    ","
    "\"recovery\":{\"agree_ms\":500,\"fence_ms\":4000,\"hold_ms\":60000,"
    "\"hold_unknown_ms\":90000,\"poll_max_ms\":1000,\"poll_ms\":100,\"return_s\":60},"
    "\"revise\":\"automatic\"}";

static void
test_policy_every_field_is_kept(void **state)
{
    (void)state;
    g_autoptr(VrPolicy) policy = parse(everything);
    assert_int_equal(policy->limits.hosts_down_max, 3);
    assert_int_equal(policy->recovery.return_s, 60);
    assert_true(policy->migration.tls);
    assert_int_equal(policy->alerts->len, 1);
    assert_int_equal(policy->queries->len, 2);
    g_autoptr(VrPolicy) copy = vr_policy_copy(policy);
    g_autofree char *text = vr_policy_format(copy);
    assert_string_equal(text, everything);
}

static void
test_policy_digest_follows_the_values(void **state)
{
    (void)state;
    g_autoptr(VrPolicy) policy = vr_policy_new();
    g_autofree char *before = vr_policy_digest(policy);
    policy->limits.gate_s = 1;
    g_autofree char *after = vr_policy_digest(policy);
    assert_true(g_str_has_prefix(before, "sha256:"));
    assert_string_not_equal(before, after);
}

static VrPolicy *
with_hosts_down(const char *value)
{
    g_autofree char *text = g_strdup_printf(
        "{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":%s}}", value);
    return parse(text);
}

static void
test_policy_hosts_down_max_is_floored_but_at_least_one(void **state)
{
    (void)state;
    g_autoptr(VrPolicy) tenth = with_hosts_down("\"10%\"");
    assert_int_equal(vr_policy_hosts_down_max(tenth, 1), 1);
    assert_int_equal(vr_policy_hosts_down_max(tenth, 19), 1);
    assert_int_equal(vr_policy_hosts_down_max(tenth, 20), 2);
    assert_int_equal(vr_policy_hosts_down_max(tenth, 100000), 10000);
    g_autoptr(VrPolicy) fraction = with_hosts_down("\"2.5%\"");
    assert_int_equal(vr_policy_hosts_down_max(fraction, 80), 2);
    g_autofree char *text = vr_policy_format(fraction);
    assert_non_null(strstr(text, "\"hosts_down_max\":\"2.5%\""));
    g_autoptr(VrPolicy) number = with_hosts_down("4");
    assert_int_equal(vr_policy_hosts_down_max(number, 1000), 4);
}

static void
test_policy_usable_memory_is_floored(void **state)
{
    (void)state;
    g_autoptr(VrPolicy) policy = vr_policy_new();
    assert_int_equal(vr_policy_usable_mib(policy, 1001), 980);
    assert_int_equal(vr_policy_usable_mib(policy, 524288), 513802);
    assert_true(vr_policy_usable_mib(policy, 1LL << 40) == 1077521395220LL);
}

static void
test_policy_refuses(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"{}", "p.json: format: is missing"},
        {"{\"format\":\"virt-roll-policy/2\"}", "format: must be \"virt-roll-policy/1\""},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"gates\":1}}",
         "limits.gates: there is no such field; did you mean gate_s?"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"headroom_permille\":1000}}",
         "from 0 to 999, not 1000"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"migrations_out_per_host\":0}}",
         "from 1 to 1000, not 0"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":0}}", "not 0"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":\"10\"}}",
         "an integer or a share such as \"10%\""},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":\"0%\"}}", "a share"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":\"101%\"}}", "a share"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":\"9999%\"}}",
         "a share"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":\"1.25%\"}}",
         "a share"},
        {"{\"format\":\"virt-roll-policy/1\",\"limits\":{\"hosts_down_max\":[]}}", "not a list"},
        {"{\"format\":\"virt-roll-policy/1\",\"offline_vms\":\"leaves\"}", "did you mean leave?"},
        {"{\"format\":\"virt-roll-policy/1\",\"recovery\":{\"poll_ms\":6000}}",
         "recovery.poll_ms: is 6000, more than poll_max_ms, which is 5000"},
        {"{\"format\":\"virt-roll-policy/1\",\"recovery\":{\"hold_ms\":1800001}}",
         "more than hold_unknown_ms"},
        {"{\"format\":\"virt-roll-policy/1\",\"health\":{\"way_back\":\"auto\"}}",
         "must be one of ask, automatic, observe"},
        {"{\"format\":\"virt-roll-policy/1\",\"health\":{\"interval_ms\":199}}",
         "from 200 to 86400000, not 199"},
        {"{\"format\":\"virt-roll-policy/1\",\"health\":{\"limits\":{\"io_floor_us\":-1}}}",
         "from 0 to 1000000, not -1"},
        {"{\"format\":\"virt-roll-policy/"
         "1\",\"health\":{\"limits\":{\"steal_relative_permille\":200}}}",
         "health.limits"},
        {"{\"format\":\"virt-roll-policy/1\",\"partial\":1}", "must be true or false"},
        {"{\"format\":\"virt-roll-policy/1\"", "p.json:1:31: the text ends"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(vr_policy_parse(rows[i].text, strlen(rows[i].text), "p.json", &error));
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

static void
feed(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPolicy) policy = vr_policy_parse(text, length, "p.json", &error);
    assert_true((policy == NULL) == (error != NULL));
}

static void
test_policy_damaged_text_is_survived(void **state)
{
    (void)state;
    expect_survives_damage(everything, 5000, feed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_empty_file_means_the_defaults),
        cmocka_unit_test(test_policy_every_field_is_kept),
        cmocka_unit_test(test_policy_digest_follows_the_values),
        cmocka_unit_test(test_policy_hosts_down_max_is_floored_but_at_least_one),
        cmocka_unit_test(test_policy_usable_memory_is_floored),
        cmocka_unit_test(test_policy_refuses),
        cmocka_unit_test(test_policy_damaged_text_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
