/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fleet-generator.h"

typedef struct {
    guint64 state;
} Random;

static guint
below(Random *self, guint bound)
{
    guint64 z = self->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (guint)((z ^ (z >> 31)) % bound);
}

static gboolean
chance(Random *self, guint percent)
{
    return below(self, 100) < percent;
}

static void
set(char **field, const char *value)
{
    g_free(*field);
    *field = g_strdup(value);
}

static void
seal(VrInventory *inventory)
{
    g_autoptr(GError) error = NULL;

    if (!vr_inventory_seal(inventory, &error))
        g_error("the generated fleet is refused: %s", error->message);
}

static VrHost *
host_of(const VrInventory *inventory, guint index)
{
    return g_ptr_array_index(inventory->hosts, index);
}

/* Would the VM break a rule of its group where it is? */
static gboolean
breaks_group(const VrInventory *inventory, const VrVm *vm, const VrGroup *group)
{
    gboolean listed = FALSE;
    gint64 members = 0;

    for (guint i = 0; i < group->hosts->len; i++)
        listed |= strcmp(g_ptr_array_index(group->hosts, i), vm->host) == 0;
    for (guint i = 0; i < inventory->vms->len; i++) {
        const VrVm *other = g_ptr_array_index(inventory->vms, i);
        if (g_strcmp0(other->group, group->name) != 0)
            continue;
        if (group->rule == VR_GROUP_AFFINITY && strcmp(other->host, vm->host) != 0)
            return TRUE;
        members += strcmp(other->host, vm->host) == 0;
    }
    return (group->rule == VR_GROUP_ANTI_AFFINITY && members >= group->max_per_host) ||
           (group->rule == VR_GROUP_ONLY_HOSTS && !listed) ||
           (group->rule == VR_GROUP_NEVER_HOSTS && listed);
}

static void
add_groups(VrInventory *inventory, Random *random)
{
    guint count = below(random, 4);

    for (guint g = 0; g < count; g++) {
        g_autofree char *name = g_strdup_printf("g%u", g);
        VrGroup *group = vr_inventory_add_group(inventory, name, (VrGroupRule)below(random, 4));
        gboolean only = group->rule == VR_GROUP_ONLY_HOSTS;
        if (group->rule == VR_GROUP_ANTI_AFFINITY)
            group->max_per_host = 1 + below(random, 2);
        if (!only && group->rule != VR_GROUP_NEVER_HOSTS)
            continue;
        for (guint h = 0; h < inventory->hosts->len; h++) {
            if (chance(random, only ? 80 : 20))
                g_ptr_array_add(group->hosts, g_strdup(host_of(inventory, h)->name));
        }
        if (group->hosts->len == 0)
            g_ptr_array_add(group->hosts, g_strdup(host_of(inventory, 0)->name));
    }
}

static void
add_vm(VrInventory *inventory, Random *random, const VrHost *host, gint64 memory_mib)
{
    guint number = inventory->vms->len;
    g_autofree char *uuid =
        g_strdup_printf("%08x-0000-4000-8000-%012x", number * 2654435761u, number);
    /* A few names occur on several hosts. */
    g_autofree char *name = chance(random, 15) ? g_strdup_printf("twin-%u", below(random, 5))
                                               : g_strdup_printf("v%u", number);

    for (guint i = 0; i < number; i++) {
        const VrVm *other = g_ptr_array_index(inventory->vms, i);
        if (strcmp(other->host, host->name) == 0 && strcmp(other->name, name) == 0)
            return;
    }
    VrVm *vm = vr_inventory_add_vm(inventory, uuid, name, host->name);
    vm->memory_mib = memory_mib;
    vm->vcpus = 1 + memory_mib / (chance(random, 70) ? 4096 : 1024);
    vm->resident_mib = memory_mib * (20 + below(random, 80)) / 100;
    vm->dirty_mib_per_s = chance(random, 5) ? 5000 : below(random, 50);
    vm->cpu_used_permille = chance(random, 20) ? VR_UNKNOWN : (gint64)below(random, 1000);
    if (chance(random, 2))
        vm->state = VR_VM_PAUSED;
    if (chance(random, 3)) {
        vm->state = VR_VM_SHUT_OFF;
        vm->autostart = chance(random, 10);
    }
    vm->movable = !chance(random, 1);
    if (inventory->groups->len == 0 || !chance(random, 30))
        return;
    const VrGroup *group =
        g_ptr_array_index(inventory->groups, below(random, inventory->groups->len));
    if (!breaks_group(inventory, vm, group))
        vm->group = g_strdup(group->name);
}

static void
fill_host(VrInventory *inventory, Random *random, const VrHost *host, guint fill_permille)
{
    gint64 left = host->memory_mib * 95 / 100 * fill_permille / 1000;

    while (left >= 512) {
        gint64 size = 512LL << below(random, 6);
        if (chance(random, 20))
            size += 128 * below(random, 20);
        if (size <= left)
            add_vm(inventory, random, host, size);
        left -= size;
    }
}

VrInventory *
fleet_generate(guint32 seed)
{
    Random random = {seed};
    g_autoptr(VrInventory) inventory = vr_inventory_new();
    guint count = 2 + below(&random, 11), pools = chance(&random, 25) ? 2 : 1;
    guint empty = below(&random, 3), fill = 500 + below(&random, 460);

    for (guint h = 0; h < count; h++) {
        g_autofree char *name = g_strdup_printf("h%u", h);
        VrHost *host = vr_inventory_add_host(inventory, name);
        host->memory_mib = 32768LL << (chance(&random, 20) ? 1 + below(&random, 2) : 0);
        host->vcpus = host->memory_mib / 1024 * (chance(&random, 80) ? 1 : 2);
        host->update_s = 60 * (5 + below(&random, 20));
        host->link_mib_per_s = chance(&random, 20) ? 298 : 1192;
        host->cpu_used_permille = chance(&random, 50) ? VR_UNKNOWN : (gint64)below(&random, 500);
        host->updated = chance(&random, 15)  ? VR_UPDATED_YES
                        : chance(&random, 5) ? VR_UPDATED_NOT_ASSESSED
                                             : VR_UPDATED_NO;
        if (chance(&random, 70))
            host->failure_domain = g_strdup_printf("rack-%u", h % 3);
        set(&host->pool, pools == 2 && h % 2 == 1 ? "b" : "");
    }
    add_groups(inventory, &random);
    for (guint h = 0; h < count; h++) {
        if (h < empty * pools)
            continue;
        fill_host(inventory, &random, host_of(inventory, h), fill);
    }
    seal(inventory);
    return g_steal_pointer(&inventory);
}

VrPolicy *
fleet_generate_policy(guint32 seed)
{
    Random random = {seed ^ 0x5bd1e995u};
    VrPolicy *policy = vr_policy_new();
    VrLimits *limits = &policy->limits;

    limits->migrations_out_per_host = 1 + below(&random, 4);
    limits->migrations_in_per_host = 1 + below(&random, 4);
    limits->migrations_max = chance(&random, 30) ? 1 + below(&random, 5) : 0;
    limits->stream_link_permille = chance(&random, 30) ? 1000 : 500;
    limits->gate_s = chance(&random, 50) ? 60 * (1 + below(&random, 20)) : 0;
    limits->gate_canary_s = chance(&random, 40) ? 60 * (1 + below(&random, 60)) : 0;
    limits->target_cpu_permille_max = chance(&random, 25) ? 300 + below(&random, 500) : 0;
    limits->hosts_down_max = below(&random, 4);
    limits->hosts_down_per_domain_max = chance(&random, 20) ? 1 : 0;
    limits->extra_migrations_permille = chance(&random, 30) ? 10 * below(&random, 30) : 0;
    limits->spare_hosts_min = chance(&random, 20) ? 1 + below(&random, 2) : 0;
    policy->offline_vms = chance(&random, 10) ? VR_OFFLINE_VMS_BLOCK : VR_OFFLINE_VMS_LEAVE;
    policy->partial = chance(&random, 60);
    return policy;
}

VrInventory *
fleet_generate_uniform(guint32 seed, guint host_count, guint empty_count, guint fill_permille)
{
    Random random = {seed};
    g_autoptr(VrInventory) inventory = vr_inventory_new();

    for (guint h = 0; h < host_count; h++) {
        g_autofree char *name = g_strdup_printf("h%04u", h);
        VrHost *host = vr_inventory_add_host(inventory, name);
        host->memory_mib = 65536;
        host->vcpus = 256;
        host->updated = VR_UPDATED_NO;
    }
    for (guint h = empty_count; h < host_count; h++) {
        gint64 left = 65536LL * fill_permille / 1000;
        while (left >= 1024) {
            gint64 drawn = 1024LL << below(&random, 4), size = MIN(drawn, left);
            g_autofree char *uuid =
                g_strdup_printf("00000000-0000-4000-8000-%012x", inventory->vms->len);
            g_autofree char *name = g_strdup_printf("v%u", inventory->vms->len);
            VrVm *vm = vr_inventory_add_vm(inventory, uuid, name, host_of(inventory, h)->name);
            vm->memory_mib = size;
            vm->vcpus = 1;
            vm->resident_mib = size / 2;
            left -= size;
        }
    }
    seal(inventory);
    return g_steal_pointer(&inventory);
}

static void
copy_host(VrInventory *copy, const VrHost *from)
{
    VrHost *host = vr_inventory_add_host(copy, from->name);

    set(&host->pool, from->pool);
    host->memory_mib = from->memory_mib;
    host->vcpus = from->vcpus;
    host->cpu_used_permille = from->cpu_used_permille;
    host->link_mib_per_s = from->link_mib_per_s;
    host->update_s = from->update_s;
    host->updated = from->updated;
    host->failure_domain = g_strdup(from->failure_domain);
}

static void
copy_vm(VrInventory *copy, const VrVm *from)
{
    VrVm *vm = vr_inventory_add_vm(copy, from->uuid, from->name, from->host);

    vm->memory_mib = from->memory_mib;
    vm->vcpus = from->vcpus;
    vm->cpu_used_permille = from->cpu_used_permille;
    vm->resident_mib = from->resident_mib;
    vm->dirty_mib_per_s = from->dirty_mib_per_s;
    vm->state = from->state;
    vm->autostart = from->autostart;
    vm->movable = from->movable;
    vm->group = g_strdup(from->group);
}

static void
copy_group(VrInventory *copy, const VrGroup *from)
{
    VrGroup *group = vr_inventory_add_group(copy, from->name, from->rule);

    group->max_per_host = from->max_per_host;
    for (guint i = from->hosts->len; i-- > 0;)
        g_ptr_array_add(group->hosts, g_strdup(g_ptr_array_index(from->hosts, i)));
}

/* Takes one element at random out of a list of pointers. */
static gpointer
draw(GPtrArray *list, Random *random)
{
    return g_ptr_array_remove_index_fast(list, below(random, list->len));
}

VrInventory *
fleet_shuffle(const VrInventory *inventory, guint32 seed)
{
    Random random = {seed};
    g_autoptr(VrInventory) copy = vr_inventory_new();
    GPtrArray *lists[] = {g_ptr_array_copy(inventory->hosts, NULL, NULL),
                          g_ptr_array_copy(inventory->groups, NULL, NULL),
                          g_ptr_array_copy(inventory->vms, NULL, NULL)};

    for (guint l = 0; l < G_N_ELEMENTS(lists); l++)
        g_ptr_array_set_free_func(lists[l], NULL);
    while (lists[0]->len > 0)
        copy_host(copy, draw(lists[0], &random));
    while (lists[1]->len > 0)
        copy_group(copy, draw(lists[1], &random));
    while (lists[2]->len > 0)
        copy_vm(copy, draw(lists[2], &random));
    for (guint l = 0; l < G_N_ELEMENTS(lists); l++)
        g_ptr_array_unref(lists[l]);
    seal(copy);
    return g_steal_pointer(&copy);
}
