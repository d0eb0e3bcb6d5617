/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that people write, from text to value: places in messages, and the shipped policies. */
#include "../base/expect.h"

#include "adapters/yaml/document.h"
#include "model/document.h"

static const char fleet_text[] = "format: virt-roll-fleet/1\n"
                                 "name: dc1\n"
                                 "defaults:\n"
                                 "  uri: qemu+ssh://{name}/system\n"
                                 "  update:\n"
                                 "    stages:\n"
                                 "      apply: [/usr/bin/apply]\n"
                                 "hosts:\n"
                                 "  - name: kvm[01-03]\n"
                                 "  - name: kvm04\n"
                                 "    pool: b\n";

static VrFleet *
read_fleet(const char *text, GError **error)
{
    g_autoptr(VrDocument) document = vr_yaml_parse(text, strlen(text), "fleet.yaml", error);
    return document == NULL ? NULL : vr_fleet_read(document, error);
}

/* The good text with more lines at its end. */
static void
expect_refused_fleet(const char *more, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strconcat(fleet_text, more, NULL);
    assert_null(read_fleet(text, &error));
    expect_error(&error, VR_ERROR_INVALID, message);
}

static void
test_files_fleet_keeps_the_lines_of_its_hosts(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrFleet) fleet = read_fleet(fleet_text, &error);
    expect_no_error(error);
    assert_int_equal(fleet->hosts->len, 4);
    assert_int_equal(vr_fleet_host(fleet, 2)->line, 9);
    assert_int_equal(vr_fleet_host(fleet, 3)->line, 10);
}

static void
test_files_fleet_errors_name_both_lines(void **state)
{
    (void)state;
    expect_refused_fleet("  - name: kvm02\n",
                         "fleet.yaml:12:5: hosts[2].name: \"kvm02\" is already the name or an "
                         "alias of host kvm02 (line 9)");
    expect_refused_fleet("  - name: kvm05\n    uri: qemu+ssh://kvm04/system\n",
                         "fleet.yaml:13:5: hosts[2].uri: \"qemu+ssh://kvm04/system\" is already "
                         "the uri of host kvm04 (line 10)");
    expect_refused_fleet("    memory: 5\n", "fleet.yaml:12:5: hosts[1].memory: there is no such");
    expect_refused_fleet("hots: 1\n",
                         "fleet.yaml:12:1: hots: there is no such field; did you mean hosts?");
}

static VrPolicy *
load_policy(const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(POLICIES_DIR, name, NULL);
    g_autoptr(VrDocument) document = vr_yaml_load(path, &error);
    expect_no_error(error);
    VrPolicy *policy = vr_policy_read(document, &error);
    expect_no_error(error);
    return policy;
}

static void
test_files_shipped_default_policy_is_careful(void **state)
{
    (void)state;
    g_autoptr(VrPolicy) policy = load_policy("default.yaml");
    assert_int_equal(policy->limits.migrations_out_per_host, 1);
    assert_int_equal(policy->limits.migrations_in_per_host, 1);
    assert_int_equal(policy->limits.headroom_permille, 100);
    assert_int_equal(vr_policy_hosts_down_max(policy, 1000), 1);
    assert_int_equal(policy->limits.gate_s, 600);
    assert_int_equal(policy->limits.gate_canary_s, 3600);
    assert_int_equal(policy->limits.target_cpu_permille_max, 700);
    assert_int_equal(policy->limits.spare_hosts_min, 0);
    assert_false(policy->partial);
}

static void
test_files_shipped_lab_policy_is_quick(void **state)
{
    (void)state;
    g_autoptr(VrPolicy) policy = load_policy("lab.yaml");
    assert_int_equal(policy->limits.gate_s, 3);
    assert_int_equal(policy->limits.gate_canary_s, 3);
    assert_int_equal(policy->limits.migrations_out_per_host, 2);
    assert_int_equal(policy->recovery.fence_ms, 4000);
    assert_int_equal(policy->migration.backoff_s, 2);
    assert_int_equal(vr_policy_hosts_down_max(policy, 1000), 1);
}

/* A field that the shipped file leaves out is one that its readers never hear of. */
static void
test_files_shipped_default_policy_has_every_field(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(POLICIES_DIR, "default.yaml", NULL);
    g_autoptr(VrDocument) document = vr_yaml_load(path, &error);
    expect_no_error(error);
    g_autoptr(VrPolicy) policy = load_policy("default.yaml");
    g_autofree char *text = vr_policy_format(policy);
    g_autoptr(VrDocument) complete = vr_yaml_parse(text, strlen(text), "complete", &error);
    expect_no_error(error);

    g_autoptr(GList) written = g_hash_table_get_keys(document->places);
    g_autoptr(GList) all = g_hash_table_get_keys(complete->places);
    for (GList *link = all; link != NULL; link = link->next) {
        if (!g_hash_table_contains(document->places, link->data))
            fail_msg("policies/default.yaml lacks %s", (const char *)link->data);
    }
    assert_int_equal(g_list_length(written), g_list_length(all));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_fleet_keeps_the_lines_of_its_hosts),
        cmocka_unit_test(test_files_fleet_errors_name_both_lines),
        cmocka_unit_test(test_files_shipped_default_policy_is_careful),
        cmocka_unit_test(test_files_shipped_lab_policy_is_quick),
        cmocka_unit_test(test_files_shipped_default_policy_has_every_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
