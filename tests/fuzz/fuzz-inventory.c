/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An inventory: what is accepted comes back, is found, and can be planned on. */
#include <string.h>

#include <virt-roll/plan.h>

#include "fuzz.h"

#define SOURCE "inventory.json"
#define PLANNED_HOSTS_MAX 12 /* planning more would only be slow */
#define PLANNED_VMS_MAX 48

static void
check_found(const VrInventory *inventory)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        const VrHost *host = vr_inventory_host(inventory, i);
        g_assert_true(host->memory_mib >= 1 && host->memory_mib <= VR_MEMORY_MIB_MAX);
        g_assert_true(host->vcpus >= 1 && host->link_mib_per_s >= 1 && host->update_s >= 0);
        g_assert_cmpint(vr_inventory_find_host(inventory, vr_inventory_host(inventory, i)->name),
                        ==, i);
    }
    for (guint i = 0; i < inventory->vms->len; i++) {
        const VrVm *vm = vr_inventory_vm(inventory, i);
        g_assert_cmpint(vr_inventory_find_vm(inventory, vm->uuid), ==, i);
        g_assert_cmpint(vr_inventory_find_host(inventory, vm->host), ==, vm->host_index);
        g_assert_true(vm->memory_mib >= 1 && vm->memory_mib <= VR_MEMORY_MIB_MAX);
        g_assert_true(vm->resident_mib >= 0 && vm->resident_mib <= vm->memory_mib);
    }
}

static void
check_plan(const VrInventory *inventory)
{
    static const VrPlanRequest request = {.update_level = "level-2"};
    g_autoptr(GError) error = NULL;
    g_autoptr(VrPolicy) policy = vr_policy_new();

    policy->limits.gate_s = 60;
    policy->partial = inventory->vms->len % 2 == 1;
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    if (plan == NULL) {
        vr_fuzz_check_utf8(error->message); /* a list of hosts, a line each */
        g_assert_true(error->domain == VR_ERROR && error->code == VR_ERROR_CAPACITY);
        return;
    }
    g_autofree char *text = vr_plan_format(plan);
    g_autoptr(VrPlan) back = vr_plan_parse(text, strlen(text), "plan.json", &error);
    g_assert_no_error(error);
    g_autofree char *again = vr_plan_format(back);
    g_assert_cmpstr(again, ==, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrInventory) inventory = vr_inventory_parse((const char *)data, size, SOURCE, &error);

    if (inventory == NULL) {
        vr_fuzz_check_error(error, SOURCE ":");
        return 0;
    }
    g_autofree char *text = vr_inventory_format(inventory);
    g_autoptr(VrInventory) back = vr_inventory_parse(text, strlen(text), SOURCE, &error);
    g_assert_no_error(error);
    g_autofree char *again = vr_inventory_format(back);
    g_assert_cmpstr(again, ==, text);
    g_autofree char *digest = vr_inventory_digest(inventory);
    g_autofree char *digest_again = vr_inventory_digest(back);
    g_assert_cmpstr(digest_again, ==, digest);

    check_found(inventory);
    if (inventory->hosts->len > 0 && inventory->hosts->len <= PLANNED_HOSTS_MAX &&
        inventory->vms->len <= PLANNED_VMS_MAX)
        check_plan(inventory);
    return 0;
}
