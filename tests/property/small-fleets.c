/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "small-fleets.h"

#define UNIT_MIB 1024
#define HOST_UNITS 16
#define VMS_MAX 15

typedef struct {
    guint64 state;
    SmallKind kind;
    VrInventory *inventory;
} Draft;

const char *
small_kind_to_string(SmallKind kind)
{
    static const char *const names[] = {"no empty host", "fragmented", "swap cycles", "group rules",
                                        "one empty host"};

    return names[kind];
}

static guint
below(Draft *self, guint bound)
{
    guint64 z = self->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (guint)((z ^ (z >> 31)) % bound);
}

static void
add_vm(Draft *self, const VrHost *host, guint units)
{
    guint number = self->inventory->vms->len;
    g_autofree char *uuid = g_strdup_printf("00000000-0000-4000-8000-%012x", number);
    g_autofree char *name = g_strdup_printf("v%u", number);

    if (number >= VMS_MAX)
        return;
    VrVm *vm = vr_inventory_add_vm(self->inventory, uuid, name, host->name);
    vm->memory_mib = units * UNIT_MIB;
    vm->vcpus = self->kind == SMALL_FRAGMENTED ? 1 + below(self, units) : 1;
    vm->resident_mib = vm->memory_mib * (20 + below(self, 80)) / 100;
    vm->dirty_mib_per_s = below(self, 50);
}

static guint
draw_size(Draft *self)
{
    if (self->kind == SMALL_FRAGMENTED)
        return 3 + below(self, 4);
    return self->kind == SMALL_SWAP ? 6 + below(self, 8) : 1 + below(self, 8);
}

/* So many units in all, in pieces as the kind has them. */
static void
fill(Draft *self, const VrHost *host, guint units)
{
    while (units > 0) {
        guint drawn = draw_size(self), size = MIN(units, drawn);
        add_vm(self, host, size);
        units -= size;
    }
}

static guint
draw_fill(Draft *self, guint host_units)
{
    switch (self->kind) {
    case SMALL_FRAGMENTED:
        return host_units * (55 + below(self, 30)) / 100;
    case SMALL_SWAP:
        return host_units * (60 + below(self, 35)) / 100;
    case SMALL_GROUPS:
    case SMALL_NO_EMPTY:
        return host_units * (40 + below(self, 40)) / 100;
    case SMALL_ONE_EMPTY:
    case SMALL_KINDS:
        break;
    }
    return host_units * (70 + below(self, 30)) / 100;
}

static void
add_rules(Draft *self, guint host_count)
{
    for (guint g = 0; g < 2; g++) {
        g_autofree char *name = g_strdup_printf("g%u", g);
        VrGroup *group = vr_inventory_add_group(self->inventory, name, (VrGroupRule)below(self, 4));
        group->max_per_host = 1;
        for (guint h = 0; h < host_count; h++) {
            const VrHost *host = g_ptr_array_index(self->inventory->hosts, h);
            if (below(self, 100) < (group->rule == VR_GROUP_NEVER_HOSTS ? 25 : 70))
                g_ptr_array_add(group->hosts, g_strdup(host->name));
        }
        if (group->rule == VR_GROUP_ANTI_AFFINITY || group->rule == VR_GROUP_AFFINITY)
            g_ptr_array_set_size(group->hosts, 0);
    }
}

/* Would the VM keep the rule where it is, with those that are in the group already? */
static gboolean
may_join(const Draft *self, const VrVm *vm, const VrGroup *group)
{
    gboolean listed = FALSE;

    for (guint i = 0; i < group->hosts->len; i++)
        listed |= g_str_equal(g_ptr_array_index(group->hosts, i), vm->host);
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        const VrVm *other = g_ptr_array_index(self->inventory->vms, i);
        if (g_strcmp0(other->group, group->name) != 0)
            continue;
        gboolean together = g_str_equal(other->host, vm->host);
        if (together ? group->rule == VR_GROUP_ANTI_AFFINITY : group->rule == VR_GROUP_AFFINITY)
            return FALSE;
    }
    return group->rule == VR_GROUP_ONLY_HOSTS ? listed : !listed;
}

static void
join_groups(Draft *self)
{
    for (guint i = 0; i < self->inventory->vms->len; i++) {
        VrVm *vm = g_ptr_array_index(self->inventory->vms, i);
        const VrGroup *group = g_ptr_array_index(self->inventory->groups, below(self, 2));
        if (below(self, 100) < 60 && may_join(self, vm, group))
            vm->group = g_strdup(group->name);
    }
}

VrInventory *
small_fleet_generate(guint32 seed, SmallKind kind, guint host_count)
{
    Draft self = {seed * 2654435761u + kind, kind, vr_inventory_new()};
    g_autoptr(GError) error = NULL;
    gboolean uniform = below(&self, 2) == 0;
    guint units[8] = {0};

    for (guint h = 0; h < host_count; h++) {
        g_autofree char *name = g_strdup_printf("h%u", h);
        VrHost *host = vr_inventory_add_host(self.inventory, name);
        units[h] = uniform ? HOST_UNITS : HOST_UNITS - 4 + below(&self, 12);
        host->memory_mib = units[h] * UNIT_MIB;
        host->vcpus = units[h];
        host->updated = VR_UPDATED_NO;
        host->update_s = uniform ? 300 : 60 * (3 + below(&self, 8));
    }
    for (guint h = kind == SMALL_ONE_EMPTY; h < host_count; h++)
        fill(&self, g_ptr_array_index(self.inventory->hosts, h), draw_fill(&self, units[h]));
    if (kind == SMALL_GROUPS) {
        add_rules(&self, host_count);
        join_groups(&self);
    }
    if (!vr_inventory_seal(self.inventory, &error))
        g_error("a small fleet is refused: %s", error->message);
    return self.inventory;
}

char *
small_fleet_describe(const VrInventory *inventory)
{
    GString *text = g_string_new(NULL);

    for (guint h = 0; h < inventory->hosts->len; h++) {
        const VrHost *host = vr_inventory_host(inventory, h);
        g_string_append_printf(text, "%s%s(%d):", h > 0 ? "; " : "", host->name,
                               (int)(host->memory_mib / UNIT_MIB));
        for (guint i = 0; i < inventory->vms->len; i++) {
            const VrVm *vm = vr_inventory_vm(inventory, i);
            if (vm->host_index != h)
                continue;
            g_string_append_printf(
                text, " %s=%d/%d%s%s", vm->name, (int)(vm->memory_mib / UNIT_MIB), (int)vm->vcpus,
                vm->group != NULL ? "@" : "", vm->group != NULL ? vm->group : "");
        }
    }
    for (guint g = 0; g < inventory->groups->len; g++) {
        const VrGroup *group = vr_inventory_group(inventory, g);
        g_string_append_printf(text, "; %s %s", group->name, vr_group_rule_to_string(group->rule));
        for (guint i = 0; i < group->hosts->len; i++)
            g_string_append_printf(text, " %s", (const char *)g_ptr_array_index(group->hosts, i));
    }
    return g_string_free(text, FALSE);
}
