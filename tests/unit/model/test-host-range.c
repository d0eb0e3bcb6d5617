/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/expect.h"

#include <virt-roll/fleet.h>
#include <virt-roll/inventory.h>

static void
expect_names(const char *pattern, const char *joined)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = vr_host_range_expand(pattern, &error);
    expect_no_error(error);
    g_autofree char *found = g_strjoinv(" ", names);
    assert_string_equal(found, joined);
}

static void
test_host_range_expands_in_order_with_widths_kept(void **state)
{
    (void)state;
    expect_names("h1", "h1");
    expect_names("kvm[08-11].dc1", "kvm08.dc1 kvm09.dc1 kvm10.dc1 kvm11.dc1");
    expect_names("kvm[8-11]", "kvm8 kvm9 kvm10 kvm11");
    expect_names("kvm[001-002,130]", "kvm001 kvm002 kvm130");
    expect_names("r[1-2]n[0-1]x", "r1n0x r1n1x r2n0x r2n1x");
    expect_names("k[0-1]", "k0 k1");
    expect_names("k[7-7]", "k7");
}

static void
test_host_range_refuses(void **state)
{
    static const struct {
        const char *pattern;
        const char *message;
    } rows[] = {
        {"", "is no host name"},
        {"kvm[", "needs numbers"},
        {"kvm[]", "needs numbers"},
        {"kvm[1-]", "needs numbers"},
        {"kvm[-3]", "needs numbers"},
        {"kvm[1,]", "needs numbers"},
        {"kvm[a-c]", "needs numbers"},
        {"kvm[1-3", "is not closed"},
        {"kvm[1-3-5]", "is not closed"},
        {"kvm[1[2]]", "is not closed"},
        {"kvm1]", "is no host name"},
        {"kvm[9-1]", "runs backwards"},
        {"kvm[001-20]", "not the same width"},
        {"kvm[0-99999999999]", "more than nine digits"},
        {"kvm[0-999999999]", "more than 100000 names"},
        {"kvm[1-100000,100001]", "more than 100000 names"},
        {"k[0-999]-[0-999]", "more than 100000 names"},
        {"k[1-9][1-9][1-9][1-9][1-9][1-9][1-9][1-9][1-9]", "more than 100000 names"},
        {"kvm 1", "is no host name"},
        {"-kvm1", "is no host name"},
        {".kvm1", "is no host name"},
        {"../kvm1", "is no host name"},
        {"kvm\xc3\xa4", "is no host name"},
        {"kvm;reboot", "is no host name"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) names = vr_host_range_expand(rows[i].pattern, &error);
        assert_null(names);
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
    g_autoptr(GError) error = NULL;
    g_autofree char *longest = g_strnfill(254, 'h');
    assert_null(vr_host_range_expand(longest, &error));
    expect_error(&error, VR_ERROR_INVALID, "at most 253");
}

static void
test_host_range_takes_the_most_hosts(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) names = vr_host_range_expand("k[00000-99999]", &error);
    expect_no_error(error);
    assert_int_equal(g_strv_length(names), VR_HOSTS_MAX);
    assert_string_equal(names[99999], "k99999");
}

static void
feed(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *pattern = g_strndup(text, length);
    g_auto(GStrv) names = vr_host_range_expand(pattern, &error);
    assert_true((names == NULL) == (error != NULL));
}

static void
test_host_range_damaged_pattern_is_survived(void **state)
{
    (void)state;
    expect_survives_damage("kvm[001-020,25].r[1-3]", 5000, feed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_range_expands_in_order_with_widths_kept),
        cmocka_unit_test(test_host_range_refuses),
        cmocka_unit_test(test_host_range_takes_the_most_hosts),
        cmocka_unit_test(test_host_range_damaged_pattern_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
