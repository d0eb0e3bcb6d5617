/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Input that is bad, or odd beyond all measure: a clear error or a plan that keeps the rules, never
 * a crash, a hang or a sum that overflows (the sanitizers look on in tests/run sanitize).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>

#include "fleet-generator.h"
#include "plan-check.h"

#define FLEETS 400
#define REPLAYS 3

#define VCPUS_MAX 1000000
#define RATE_MAX 10000000
#define UPDATE_S_MAX (7 * 86400)

static const VrPlanRequest request = {.update_level = "level-1"};

static VrHost *
host_of(const VrInventory *inventory, guint number)
{
    return g_ptr_array_index(inventory->hosts, number % inventory->hosts->len);
}

/* NULL if there are none. */
static VrVm *
vm_of(const VrInventory *inventory, guint number)
{
    return inventory->vms->len > 0 ? g_ptr_array_index(inventory->vms, number % inventory->vms->len)
                                   : NULL;
}

/* What the format can express at most, in places that add up or multiply. */
static void
make_huge(VrInventory *inventory, guint number)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        VrHost *host = host_of(inventory, i);
        host->memory_mib = VR_MEMORY_MIB_MAX - i;
        host->vcpus = VCPUS_MAX;
        host->update_s = UPDATE_S_MAX;
        host->link_mib_per_s = number % 3 == 0 ? 1 : RATE_MAX;
    }
    for (guint i = 0; i < inventory->vms->len; i++) {
        VrVm *vm = vm_of(inventory, i);
        vm->memory_mib = number % 2 == 0 ? VR_MEMORY_MIB_MAX / 8 : vm->memory_mib;
        vm->resident_mib = vm->memory_mib;
        vm->dirty_mib_per_s = RATE_MAX;
        vm->vcpus = i % 7 == 0 ? VCPUS_MAX / 4 : 1;
        vm->cpu_used_permille = 100000;
    }
}

static void
make_tiny(VrInventory *inventory, guint number G_GNUC_UNUSED)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        VrHost *host = host_of(inventory, i);
        host->update_s = 0;
        host->link_mib_per_s = 1;
    }
    for (guint i = 0; i < inventory->vms->len; i++) {
        vm_of(inventory, i)->memory_mib = 1;
        vm_of(inventory, i)->resident_mib = 0;
    }
}

static void
make_a_giant(VrInventory *inventory, guint number)
{
    VrVm *vm = vm_of(inventory, number);

    if (vm == NULL)
        return;
    vm->memory_mib = VR_MEMORY_MIB_MAX;
    vm->resident_mib = vm->memory_mib;
}

static void
make_too_wide(VrInventory *inventory, guint number)
{
    VrVm *vm = vm_of(inventory, number);

    if (vm != NULL)
        vm->vcpus = VCPUS_MAX;
}

/* Hosts that hold twice what they may. */
static void
make_overfull(VrInventory *inventory, guint number)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        VrHost *host = host_of(inventory, i);
        if ((i + number) % 2 == 0)
            host->memory_mib = 1 + host->memory_mib / 4;
        else
            host->vcpus = 1;
    }
}

/* All VMs in one group by a rule that they break, or that no other host can keep. */
static void
make_contradictory(VrInventory *inventory, guint number)
{
    VrGroup *group = vr_inventory_add_group(inventory, "zz", (VrGroupRule)(number % 4));

    group->max_per_host = 1;
    g_ptr_array_add(group->hosts, g_strdup(host_of(inventory, number)->name));
    for (guint i = 0; i < inventory->vms->len; i++)
        vm_of(inventory, i)->group_index = (gint)inventory->groups->len - 1;
}

/* One host each: nobody can go anywhere. */
static void
make_lonely(VrInventory *inventory, guint number G_GNUC_UNUSED)
{
    for (guint i = 0; i < inventory->hosts->len; i++) {
        VrHost *host = host_of(inventory, i);
        g_free(host->pool);
        host->pool = g_strdup(host->name);
    }
}

static void
make_stuck(VrInventory *inventory, guint number)
{
    static const VrVmState states[] = {VR_VM_CRASHED, VR_VM_UNKNOWN, VR_VM_SHUT_OFF, VR_VM_PAUSED};

    for (guint i = number % 3; i < inventory->vms->len; i += 3)
        vm_of(inventory, i)->state = states[(i + number) % G_N_ELEMENTS(states)];
}

typedef struct {
    const char *name;
    void (*make)(VrInventory *inventory, guint number);
} Oddity;

static const Oddity oddities[] = {
    {"huge", make_huge},         {"tiny", make_tiny},         {"giant", make_a_giant},
    {"too wide", make_too_wide}, {"overfull", make_overfull}, {"contradictory", make_contradictory},
    {"lonely", make_lonely},     {"stuck", make_stuck},
};

/* Limits at the ends of their ranges, now and then. */
static void
make_odd_policy(VrPolicy *policy, guint number)
{
    VrLimits *limits = &policy->limits;

    policy->partial = number % 2 == 0;
    limits->spare_hosts_min = 0;
    if (number % 5 == 1) {
        limits->gate_s = limits->gate_canary_s = VR_GATE_S_MAX;
        limits->migration_overhead_ms = 86400000;
        limits->stream_mib_per_s = 1;
        limits->stream_link_permille = 1;
    } else if (number % 5 == 2) {
        limits->headroom_permille = 999;
        limits->target_cpu_permille_max = 1;
        limits->migrations_max = 1;
    } else if (number % 5 == 3) {
        limits->extra_migrations_permille = 1000000;
        limits->hosts_down_max = VR_HOSTS_MAX;
        limits->stream_mib_per_s = RATE_MAX;
        limits->migrations_out_per_host = limits->migrations_in_per_host = 1000;
    }
}

static void
try_oddity(guint32 seed, const Oddity *oddity, guint *planned)
{
    g_autoptr(VrInventory) inventory = fleet_generate(seed);
    g_autoptr(VrPolicy) policy = fleet_generate_policy(seed);
    g_autoptr(GError) error = NULL;

    oddity->make(inventory, seed);
    make_odd_policy(policy, seed);
    g_autoptr(VrPlan) plan = vr_planner_compute(inventory, policy, &request, &error);
    if (plan == NULL) {
        gboolean named = FALSE;
        for (guint i = 0; i < inventory->hosts->len; i++) {
            g_autofree char *quoted = g_strdup_printf("'%s'", host_of(inventory, i)->name);
            named |= strstr(error->message, quoted) != NULL;
        }
        if (!named)
            fail_msg("seed %u, %s: %s", seed, oddity->name, error->message);
        return;
    }
    g_autofree char *broken = plan_check(inventory, policy, plan, seed, REPLAYS);
    if (broken != NULL)
        fail_msg("seed %u, %s: %s", seed, oddity->name, broken);
    ++*planned;
}

static void
prop_odd_input_is_planned_or_named(void **state G_GNUC_UNUSED)
{
    for (guint o = 0; o < G_N_ELEMENTS(oddities); o++) {
        guint planned = 0;
        for (guint32 i = 0; i < FLEETS / G_N_ELEMENTS(oddities); i++)
            try_oddity(1 + i, &oddities[o], &planned);
        print_message("%-14s %2u of %2u planned\n", oddities[o].name, planned,
                      FLEETS / (guint)G_N_ELEMENTS(oddities));
    }
}

typedef struct {
    const char *text;  /* of an inventory; "{}" of hosts and VMs below */
    const char *named; /* what the error has to name */
} Broken;

#define HOST "{\"name\":\"h1\",\"memory_mib\":4096,\"vcpus\":4}"
#define VM(rest) "{\"uuid\":\"00000000-0000-4000-8000-000000000001\",\"name\":\"v1\"," rest "}"
#define FLEET(hosts, vms)                                                                          \
    "{\"format\":\"virt-roll-inventory/1\",\"hosts\":[" hosts "],\"vms\":[" vms "]}"

static const Broken broken_texts[] = {
    {FLEET(HOST, VM("\"host\":\"h2\",\"memory_mib\":1,\"vcpus\":1")), "h2"},
    {FLEET(HOST "," HOST, ""), "h1"},
    {FLEET(HOST, VM("\"host\":\"h1\",\"memory_mib\":-1,\"vcpus\":1")), "memory_mib"},
    {FLEET(HOST, VM("\"host\":\"h1\",\"memory_mib\":9223372036854775807,\"vcpus\":1")),
     "memory_mib"},
    {FLEET(HOST, VM("\"host\":\"h1\",\"memory_mib\":92233720368547758070,\"vcpus\":1")), "vms[0]"},
    {FLEET(HOST, VM("\"host\":\"h1\",\"memory_mib\":1,\"vcpus\":0")), "vcpus"},
    {FLEET(HOST, VM("\"host\":\"h1\",\"memory_mib\":1,\"vcpus\":1,\"group\":\"g\"")), "g"},
    {FLEET("{\"name\":\"h1\",\"memory_mib\":0,\"vcpus\":4}", ""), "memory_mib"},
    {FLEET("{\"name\":\"h1\",\"memory_mib\":1,\"vcpus\":4,\"update_s\":-1}", ""), "update_s"},
};

static void
prop_broken_inventory_is_refused_by_name(void **state G_GNUC_UNUSED)
{
    for (guint i = 0; i < G_N_ELEMENTS(broken_texts); i++) {
        g_autoptr(GError) error = NULL;
        const char *text = broken_texts[i].text;
        g_autoptr(VrInventory) inventory =
            vr_inventory_parse(text, strlen(text), "broken.json", &error);
        if (inventory != NULL || !g_error_matches(error, VR_ERROR, VR_ERROR_INVALID) ||
            strstr(error->message, broken_texts[i].named) == NULL)
            fail_msg("%s: %s", text, error != NULL ? error->message : "accepted");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prop_odd_input_is_planned_or_named),
        cmocka_unit_test(prop_broken_inventory_is_refused_by_name),
    };

    return cmocka_run_group_tests_name("bad input", tests, NULL, NULL);
}
