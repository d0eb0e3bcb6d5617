/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/expect.h"

#include <virt-roll/inventory.h>

#define U1 "00000000-0000-4000-8000-000000000001"
#define U2 "00000000-0000-4000-8000-000000000002"

static VrInventory *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VrInventory *inventory = vr_inventory_parse(text, strlen(text), "i.json", &error);
    expect_no_error(error);
    return inventory;
}

/* Canonical, with every field. */
static const char everything[] =
    "{\"format\":\"virt-roll-inventory/1\",\"groups\":[{\"max_per_host\":2,\"name\":\"g1\","
    "\"rule\":\"anti-affinity\"},{\"hosts\":[\"h1\"],\"max_per_host\":1,\"name\":\"g2\","
    "\"rule\":\"only-hosts\"}],\"hosts\":[{\"cpu_model\":\"EPYC\",\"cpu_used_permille\":310,"
    "\"failure_domain\":\"rack-1\",\"hardware_class\":\"std\",\"hypervisor_version\":\"7.2.22\","
    "\"libvirt_version\":\"9.0.0\",\"link_mib_per_s\":1192,\"memory_mib\":524288,\"name\":\"h1\","
    "\"pool\":\"dc1-a\",\"update_level\":\"1\",\"update_s\":900,\"updated\":true,\"uuid\":\"" U1
    "\",\"vcpus\":512},{\"link_mib_per_s\":1192,\"memory_mib\":524288,\"name\":\"h2\",\"pool\":"
    "\"\",\"update_s\":900,\"updated\":null,\"vcpus\":512}],\"taken_at\":\"2026-11-22T03:00:00Z\","
    "\"vms\":[{\"autostart\":true,\"business_unit\":\"retail\",\"cpu_used_permille\":120,"
    "\"dirty_mib_per_s\":8,\"group\":\"g1\",\"host\":\"h1\",\"memory_mib\":8192,\"movable\":false,"
    "\"name\":\"v1\",\"persistent\":false,\"resident_mib\":4613,\"service_class\":\"normal\","
    "\"state\":\"paused\",\"unmovable_reason\":\"host device\",\"uuid\":\"" U1
    "\",\"vcpus\":2}]}\n";

/* The smallest that is accepted, once with a second VM. */
#define HOST(name) "{\"name\":\"" name "\",\"memory_mib\":1000,\"vcpus\":4}"
#define VM(uuid, name, host)                                                                       \
    "{\"uuid\":\"" uuid "\",\"name\":\"" name "\",\"host\":\"" host                                \
    "\",\"memory_mib\":100,\"vcpus\":1}"
#define TEXT(hosts, vms)                                                                           \
    "{\"format\":\"virt-roll-inventory/1\",\"hosts\":[" hosts "],\"vms\":[" vms "]}"

static void
test_inventory_every_field_comes_back(void **state)
{
    (void)state;
    g_autoptr(VrInventory) inventory = parse(everything);
    g_autofree char *text = vr_inventory_format(inventory);
    assert_string_equal(text, everything);
    const VrVm *vm = vr_inventory_vm(inventory, 0);
    assert_int_equal(vm->host_index, 0);
    assert_int_equal(vm->group_index, 0);
    assert_true(inventory->taken_at_us == 1795316400000000LL);
}

static void
test_inventory_defaults_of_what_is_not_said(void **state)
{
    (void)state;
    g_autoptr(VrInventory) inventory = parse(TEXT(HOST("h1"), VM(U1, "v1", "h1")));
    const VrHost *host = vr_inventory_host(inventory, 0);
    const VrVm *vm = vr_inventory_vm(inventory, 0);
    assert_string_equal(host->pool, "");
    assert_int_equal(host->updated, VR_UPDATED_NOT_ASSESSED);
    assert_int_equal(host->cpu_used_permille, VR_UNKNOWN);
    assert_int_equal(host->link_mib_per_s, 1192);
    assert_int_equal(host->update_s, 900);
    assert_int_equal(vm->state, VR_VM_RUNNING);
    assert_int_equal(vm->resident_mib, 100);
    assert_int_equal(vm->cpu_used_permille, VR_UNKNOWN);
    assert_int_equal(vm->group_index, -1);
    assert_true(vm->movable && vm->persistent && !vm->autostart);
    assert_true(inventory->taken_at_us == 0);
}

static void
test_inventory_order_and_unknown_fields_change_nothing(void **state)
{
    (void)state;
    g_autoptr(VrInventory) a =
        parse(TEXT(HOST("h1") "," HOST("h2"), VM(U1, "v1", "h2") "," VM(U2, "v1", "h1")));
    g_autoptr(VrInventory) b = parse("{\"vms\":[" VM(U2, "v1", "h1") "," VM(
        U1, "v1",
        "h2") "],\"later\":{\"x\":[1]},\"hosts\":[" HOST("h2") "," HOST("h1") "],"
                                                                              "\"groups\":null,"
                                                                              "\"format\":\"virt-"
                                                                              "roll-inventory/"
                                                                              "1\",\"taken_at\":"
                                                                              "\"2026-11-22T03:00:"
                                                                              "00Z\"}");
    g_autofree char *digest_a = vr_inventory_digest(a);
    g_autofree char *digest_b = vr_inventory_digest(b);
    assert_string_equal(digest_a, digest_b);
    assert_int_equal(vr_inventory_find_vm(b, U2), 1);
    assert_int_equal(vr_inventory_vm(b, 1)->host_index, 0);
}

static void
test_inventory_digest_follows_the_values(void **state)
{
    (void)state;
    g_autoptr(VrInventory) a = parse(TEXT(HOST("h1"), VM(U1, "v1", "h1")));
    g_autoptr(VrInventory) b = parse(TEXT(HOST("h1"), VM(U1, "v2", "h1")));
    g_autofree char *digest_a = vr_inventory_digest(a);
    g_autofree char *digest_b = vr_inventory_digest(b);
    assert_string_not_equal(digest_a, digest_b);
}

/* Definitions hold secrets: they go with the inventory in memory and nowhere else. */
static void
test_inventory_definitions_are_never_written(void **state)
{
    (void)state;
    g_autoptr(VrInventory) inventory = parse(everything);
    VrVm *vm = g_ptr_array_index(inventory->vms, 0);
    g_autofree char *digest = vr_inventory_digest(inventory);
    vm->definition = g_ref_string_new("<domain/>");
    g_autofree char *text = vr_inventory_format(inventory);
    g_autofree char *digest_with_definition = vr_inventory_digest(inventory);
    assert_string_equal(text, everything);
    assert_string_equal(digest_with_definition, digest);
}

static void
test_inventory_uuids_become_canonical(void **state)
{
    (void)state;
    g_autoptr(VrInventory) inventory =
        parse(TEXT(HOST("h1"), VM("ABCDEF00-0000-4000-8000-00000000000A", "v1",
                                  "h1") "," VM("abcdef0000004000800000000000000b", "v2", "h1")));
    assert_int_equal(vr_inventory_find_vm(inventory, "abcdef00-0000-4000-8000-00000000000a"), 0);
    assert_int_equal(vr_inventory_find_vm(inventory, "abcdef00-0000-4000-8000-00000000000b"), 1);
}

static void
test_inventory_find_gives_the_index_or_minus_one(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrInventory) inventory = vr_inventory_new();
    for (guint i = 0; i < 100; i++) {
        g_autofree char *name = g_strdup_printf("h%02u", (i * 37) % 100);
        VrHost *host = vr_inventory_add_host(inventory, name);
        host->memory_mib = 1;
        host->vcpus = 1;
    }
    assert_true(vr_inventory_seal(inventory, &error));
    for (guint i = 0; i < 100; i++) {
        g_autofree char *name = g_strdup_printf("h%02u", i);
        assert_int_equal(vr_inventory_find_host(inventory, name), i);
    }
    assert_int_equal(vr_inventory_find_host(inventory, "h"), -1);
    assert_int_equal(vr_inventory_find_host(inventory, "h99x"), -1);
    assert_int_equal(vr_inventory_find_vm(inventory, "h01"), -1);
}

static void
test_inventory_resident_is_clamped_and_active_is_running_or_paused(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrInventory) inventory = vr_inventory_new();
    VrHost *host = vr_inventory_add_host(inventory, "h1");
    host->memory_mib = 1000;
    host->vcpus = 4;
    VrVm *vm = vr_inventory_add_vm(inventory, U1, "v1", "h1");
    vm->memory_mib = 100;
    vm->vcpus = 1;
    vm->resident_mib = 101;
    assert_true(vr_inventory_seal(inventory, &error));
    assert_int_equal(vm->resident_mib, 100);

    static const gboolean active[] = {TRUE, TRUE, FALSE, FALSE, FALSE};
    for (guint i = 0; i < G_N_ELEMENTS(active); i++) {
        vm->state = (VrVmState)i;
        assert_int_equal(vr_vm_is_active(vm), active[i]);
    }
}

#define WITH(fields) "{\"name\":\"h1\",\"memory_mib\":1,\"vcpus\":1," fields "}"
#define GROUP(fields)                                                                              \
    "{\"format\":\"virt-roll-inventory/1\",\"hosts\":[" HOST("h1") "],\"groups\":[{" fields "}]}"

typedef struct {
    const char *text;
    const char *message;
} Refusal;

static void
expect_refusals(const Refusal *rows, guint count)
{
    for (guint i = 0; i < count; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VrInventory) inventory =
            vr_inventory_parse(rows[i].text, strlen(rows[i].text), "i.json", &error);
        if (inventory != NULL)
            fail_msg("taken: %s", rows[i].text);
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

static void
test_inventory_refuses(void **state)
{
    static const Refusal rows[] = {
        {"[]", "must be an object"},
        {"{}", "i.json: format: is missing"},
        {"{\"format\":\"virt-roll-inventory/2\"}", "format: must be \"virt-roll-inventory/1\""},
        {"{\"format\":\"virt-roll-inventory/1\",\"hosts\":{}}", "hosts: must be an array"},
        {"{\"format\":\"virt-roll-inventory/1\",\"taken_at\":\"now\"}", "taken_at: must be a time"},
        {TEXT("1", ""), "i.json: hosts[0]: must be an object, not an integer"},
        {TEXT("{\"name\":\"h1\",\"vcpus\":1}", ""), "hosts[0].memory_mib: is missing"},
        {TEXT("{\"name\":null,\"memory_mib\":1,\"vcpus\":1}", ""), "hosts[0].name: must be a str"},
        {TEXT("{\"name\":\"h1\",\"memory_mib\":\"1\",\"vcpus\":1}", ""),
         "hosts[0].memory_mib: must be an integer, not a string"},
        {TEXT("{\"name\":\"h1\",\"memory_mib\":0,\"vcpus\":1}", ""),
         "i.json: host h1: memory_mib is 0, must be from 1 to"},
        {TEXT("{\"name\":\"h1\",\"memory_mib\":1099511627777,\"vcpus\":1}", ""),
         "must be from 1 to"},
        {TEXT(WITH("\"cpu_used_permille\":-1"), ""), "cpu_used_permille: must not be negative"},
        {TEXT(WITH("\"updated\":\"yes\""), ""), "hosts[0].updated: must be true or false"},
        {TEXT(WITH("\"link_mib_per_s\":0"), ""), "link_mib_per_s is 0"},
        {TEXT(WITH("\"memory_mib\":2"), ""), "i.json:1:82: \"memory_mib\" is there twice"},
        {TEXT(HOST("h1"), "") "x", "i.json:1:96: 'x' where the end"},
    };
    (void)state;
    expect_refusals(rows, G_N_ELEMENTS(rows));
}

static void
test_inventory_seal_refuses(void **state)
{
    static const Refusal rows[] = {
        {TEXT(HOST("h1") "," HOST("h1"), ""), "host h1 is there twice"},
        {TEXT(HOST(""), ""), "a host has no name"},
        {TEXT(WITH("\"uuid\":\"" U1 "\"") ",{\"name\":\"h2\",\"memory_mib\":1,\"vcpus\":1,"
                                          "\"uuid\":\"" U1 "\"}",
              ""),
         "host h2: has the host UUID of h1"},
        {TEXT(HOST("h1"), VM(U1, "v1", "h1") "," VM(U1, "v2", "h1")), "VM " U1 " is there twice"},
        {TEXT(HOST("h1"), VM(U1, "v1", "h1") "," VM(U2, "v1", "h1")),
         "host h1 has another VM with its name v1 (" U1 ")"},
        {TEXT(HOST("h1"), VM(U1, "v1", "h2")),
         "(v1): is on host h2, which is not in the inventory"},
        {TEXT(HOST("h1"), VM(U1, "", "h1")), "its name is empty"},
        {TEXT(HOST("h1"), "{\"uuid\":\"" U1 "\",\"name\":\"v\",\"host\":\"h1\",\"memory_mib\":1,"
                          "\"vcpus\":1,\"group\":\"g\"}"),
         "is in group g, which is not in the inventory"},
        {TEXT(HOST("h1"), "{\"uuid\":\"" U1 "\",\"name\":\"v\",\"host\":\"h1\",\"memory_mib\":1,"
                          "\"vcpus\":1,\"state\":\"on\"}"),
         "vms[0].state: must be one of running, paused, shut-off, crashed, unknown, not \"on\""},
        {GROUP("\"name\":\"g\",\"rule\":\"apart\""), "groups[0].rule: must be one of"},
        {GROUP("\"name\":\"g\""), "groups[0].rule: is missing"},
        {GROUP("\"name\":\"g\",\"rule\":\"anti-affinity\",\"max_per_host\":0"),
         "group g: max_per_host is 0"},
        {GROUP("\"name\":\"g\",\"rule\":\"only-hosts\",\"hosts\":[\"h1\",\"h2\"]"),
         "group g: names host h2"},
        {GROUP("\"name\":\"g\",\"rule\":\"only-hosts\",\"hosts\":[1]"),
         "groups[0].hosts: must be a string"},
        {GROUP("\"name\":\"g\",\"rule\":\"affinity\"},{\"name\":\"g\",\"rule\":\"affinity\""),
         "group g is there twice"},
    };
    (void)state;
    expect_refusals(rows, G_N_ELEMENTS(rows));
}

static void
test_inventory_hosts_without_uuid_are_not_equal(void **state)
{
    (void)state;
    g_autoptr(VrInventory) inventory =
        parse(TEXT(WITH("\"uuid\":\"none\"") ",{\"name\":\"h2\",\"memory_mib\":1,\"vcpus\":1,"
                                             "\"uuid\":\"none\"},{\"name\":\"h3\",\"memory_mib\":1,"
                                             "\"vcpus\":1,\"uuid\":null}",
                   ""));
    assert_null(vr_inventory_host(inventory, 0)->uuid);
    assert_int_equal(inventory->hosts->len, 3);
}

static void
feed(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrInventory) inventory = vr_inventory_parse(text, length, "i.json", &error);
    assert_true((inventory == NULL) == (error != NULL));
    if (inventory == NULL)
        return;
    g_autofree char *once = vr_inventory_format(inventory);
    g_autoptr(VrInventory) again = parse(once);
    g_autofree char *twice = vr_inventory_format(again);
    assert_string_equal(once, twice);
}

static void
test_inventory_damaged_text_is_survived(void **state)
{
    (void)state;
    expect_survives_damage(everything, 20000, feed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inventory_every_field_comes_back),
        cmocka_unit_test(test_inventory_defaults_of_what_is_not_said),
        cmocka_unit_test(test_inventory_order_and_unknown_fields_change_nothing),
        cmocka_unit_test(test_inventory_digest_follows_the_values),
        cmocka_unit_test(test_inventory_definitions_are_never_written),
        cmocka_unit_test(test_inventory_uuids_become_canonical),
        cmocka_unit_test(test_inventory_find_gives_the_index_or_minus_one),
        cmocka_unit_test(test_inventory_resident_is_clamped_and_active_is_running_or_paused),
        cmocka_unit_test(test_inventory_refuses),
        cmocka_unit_test(test_inventory_seal_refuses),
        cmocka_unit_test(test_inventory_hosts_without_uuid_are_not_equal),
        cmocka_unit_test(test_inventory_damaged_text_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
