/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "adapters/yaml/document.h"
#include "cli/fleet-text.h"
#include "model/document.h"
#include "rollout-fixture.h"

static VrFleet *
read_back(const char *text, GError **error)
{
    g_autoptr(VrDocument) document = vr_yaml_parse(text, strlen(text), "text", error);

    return document != NULL ? vr_fleet_read(document, error) : NULL;
}

static void
test_fleet_text_is_a_sound_fleet_file(void **state)
{
    char *hosts[] = {(char[]){"h1"}, (char[]){"h3"}, NULL};
    g_autoptr(VrInventory) inventory = fixture_inventory();
    g_autofree char *text =
        vr_fleet_text_format("lab", "qemu+ssh://{name}/system", hosts, inventory);
    g_autoptr(GError) error = NULL;
    g_autoptr(VrFleet) fleet = read_back(text, &error);
    (void)state;

    assert_null(error);
    assert_string_equal(fleet->name, "lab");
    assert_int_equal(fleet->hosts->len, 2);
    assert_string_equal(vr_fleet_host(fleet, 1)->uri, "qemu+ssh://h3/system");
    assert_non_null(strstr(text, "  - name: \"h1\"  # 4096 MiB, 1 VM, QEMU 7.2.22\n"));
}

/* What hosts say of themselves goes into comments only. */
static void
test_fleet_text_cannot_be_broken_out_of(void **state)
{
    char *hosts[] = {(char[]){"h1"}, NULL};
    g_autoptr(VrInventory) inventory = fixture_inventory();
    VrHost *host = g_ptr_array_index(inventory->hosts, 0);
    g_autoptr(GError) error = NULL;
    (void)state;

    host->cpu_model = g_strdup("EPYC\nname: other\r  - name: h9");
    g_autofree char *text =
        vr_fleet_text_format("lab", "qemu+ssh://{name}/system", hosts, inventory);
    g_autoptr(VrFleet) fleet = read_back(text, &error);
    assert_null(error);
    assert_string_equal(fleet->name, "lab");
    assert_int_equal(fleet->hosts->len, 1);
    assert_non_null(strstr(text, "different CPU models"));
}

static void
test_fleet_text_name_is_one_that_a_fleet_may_have(void **state)
{
    static const struct {
        const char *pattern;
        const char *name;
    } cases[] = {
        {"kvm[001-300].dc1", "kvm.dc1"}, {"[01-20]", "fleet"}, {"a,b", "fleet"},
        {"kvm-[1,2]", "fleet"},          {"h1", "h1"},         {".-", "fleet"},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = vr_fleet_text_name(cases[i].pattern);
        assert_string_equal(name, cases[i].name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fleet_text_is_a_sound_fleet_file),
        cmocka_unit_test(test_fleet_text_cannot_be_broken_out_of),
        cmocka_unit_test(test_fleet_text_name_is_one_that_a_fleet_may_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
