/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synthetic-fleet.h"

#define MEMBERS_MAX 16
#define VM_CLASSES 8

static const int vm_memory_gib[VM_CLASSES] = {2, 4, 8, 16, 32, 64, 128, 256};
static const double vm_shares[VM_CLASSES] = {.14, .24, .27, .19, .10, .045, .012, .003};

static const char *const business_units[] = {"retail",    "payments", "logistics",
                                             "analytics", "platform", "hr"};

typedef struct {
    int memory_mib, vcpus, link_mib_per_s, update_ms;
    gboolean small, empty;
    guint first_vm, vm_count;
} Host;

typedef struct {
    int memory_mib, vcpus, resident_mib, dirty_mib_per_s;
    guint host;
    int group; /* -1: none */
    int business_unit;
    gboolean pinned;
} Vm;

typedef struct {
    const SyntheticWish *wish;
    guint64 state; /* of the generator of random numbers */
    Host *hosts;
    GArray *vms; /* (element-type Vm) */
    guint empty_count, group_count;
} Draft;

static guint64
draw(Draft *self)
{
    guint64 z = self->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 <= fraction < 1 */
static double
fraction(Draft *self)
{
    return (double)(draw(self) >> 11) * (1.0 / 9007199254740992.0);
}

static int
below(Draft *self, int bound)
{
    return (int)(draw(self) % (guint64)bound);
}

static Vm *
vm_at(const Draft *self, guint index)
{
    return &g_array_index(self->vms, Vm, index);
}

static Host
draw_host(Draft *self)
{
    Host uniform = {.memory_mib = 512 * 1024, .vcpus = 512, .link_mib_per_s = 1192};

    uniform.update_ms = 900000;
    if (!self->wish->mixed)
        return uniform;
    double kind = fraction(self);
    if (kind < .30)
        return (Host){.memory_mib = 256 * 1024,
                      .vcpus = 256,
                      .link_mib_per_s = 1192,
                      .update_ms = (600 + below(self, 301)) * 1000,
                      .small = TRUE};
    uniform.update_ms = (780 + (kind < .75 ? below(self, 301) : 0)) * 1000;
    if (kind < .75)
        return uniform;
    if (kind < .93)
        return (Host){.memory_mib = 768 * 1024,
                      .vcpus = 768,
                      .link_mib_per_s = 2980,
                      .update_ms = (900 + below(self, 301)) * 1000};
    return (Host){.memory_mib = 1536 * 1024,
                  .vcpus = 1024,
                  .link_mib_per_s = 2980,
                  .update_ms = (1200 + below(self, 601)) * 1000};
}

static void
draw_hosts(Draft *self)
{
    const SyntheticWish *wish = self->wish;

    for (guint i = 0; i < wish->host_count; i++) {
        Host *host = &self->hosts[i];
        *host = draw_host(self);
        host->update_ms = (int)(host->update_ms * wish->update_factor);
        host->link_mib_per_s = (int)(host->link_mib_per_s * wish->link_factor);
    }
    /* Rather not small ones, so that a first drain is possible. */
    for (guint tries = 0; self->empty_count < wish->empty_count; tries++) {
        gboolean first = self->empty_count == 0 && !wish->mixed;
        Host *host = &self->hosts[first ? 0 : below(self, (int)wish->host_count)];
        if (host->empty || (wish->mixed && tries < 1000 && host->small))
            continue;
        host->empty = TRUE;
        self->empty_count++;
    }
}

static int
draw_vm_class(Draft *self)
{
    double left = fraction(self), sum = 0;

    for (int i = 0; i < VM_CLASSES - 1; i++) {
        sum += vm_shares[i];
        if (left < sum)
            return i;
    }
    return VM_CLASSES - 1;
}

/* One vCPU for 2, 4 or 8 GiB. Draws again once it is not less than one: old fleets did. */
static int
draw_vcpus(Draft *self, int memory_gib)
{
    int drawn = 0;

    for (guint i = 0; i < 2; i++) {
        drawn = memory_gib / (fraction(self) < .5 ? 4 : fraction(self) < .5 ? 2 : 8);
        if (drawn < 1)
            return 1;
    }
    return drawn;
}

static int
draw_dirty(Draft *self)
{
    double kind = fraction(self);

    if (kind < .70)
        return 1 + below(self, 15);
    if (kind < .93)
        return 15 + below(self, 60);
    return kind < .99 ? 75 + below(self, 150) : 225 + below(self, 150);
}

static void
fill_host(Draft *self, guint index, double mean_fill)
{
    Host *host = &self->hosts[index];
    double fill = mean_fill + (fraction(self) - .5) * 0.16 * (1 - mean_fill) / 0.2;
    double wanted_mib = CLAMP(fill, 0.1, 0.978) * host->memory_mib, used_mib = 0;
    int vcpus = 0;

    host->first_vm = self->vms->len;
    for (guint failures = 0; failures < 12;) {
        int memory_gib = vm_memory_gib[draw_vm_class(self)];
        Vm vm = {.memory_mib = memory_gib * 1024, .host = index, .group = -1};
        if (vm.memory_mib > host->memory_mib * 0.7 || used_mib + vm.memory_mib > wanted_mib) {
            failures++;
            continue;
        }
        vm.vcpus = draw_vcpus(self, memory_gib);
        if (vcpus + vm.vcpus > host->vcpus * 0.95) {
            failures++;
            continue;
        }
        vm.resident_mib = (int)(vm.memory_mib * (0.45 + 0.5 * fraction(self)));
        vm.dirty_mib_per_s = draw_dirty(self);
        used_mib += vm.memory_mib;
        vcpus += vm.vcpus;
        g_array_append_val(self->vms, vm);
    }
    host->vm_count = self->vms->len - host->first_vm;
}

static void
draw_vms(Draft *self)
{
    double all_mib = 0, empty_mib = 0, spare = self->wish->spare_percent / 100.0;

    for (guint i = 0; i < self->wish->host_count; i++) {
        all_mib += self->hosts[i].memory_mib;
        empty_mib += self->hosts[i].empty ? self->hosts[i].memory_mib : 0;
    }
    double fill = MIN((1 - spare) * all_mib / (all_mib - empty_mib), 0.975);
    for (guint i = 0; i < self->wish->host_count; i++) {
        if (!self->hosts[i].empty)
            fill_host(self, i, fill);
    }
}

static guint *
draw_permutation(Draft *self)
{
    guint *order = g_new(guint, self->vms->len + 1);

    for (guint i = 0; i < self->vms->len; i++)
        order[i] = i;
    for (guint i = self->vms->len; i-- > 1;) {
        guint other = (guint)below(self, (int)i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    return order;
}

/* Up to `wanted` VMs without a group, each on a host of its own. */
static guint
choose_members(const Draft *self, const guint *order, guint from, guint wanted, guint *members)
{
    guint count = 0;

    for (guint i = from; i < self->vms->len && count < wanted && i < from + 200; i++) {
        gboolean alone = vm_at(self, order[i])->group < 0;
        for (guint j = 0; j < count; j++)
            alone &= vm_at(self, members[j])->host != vm_at(self, order[i])->host;
        if (alone)
            members[count++] = order[i];
    }
    return count;
}

static void
draw_groups(Draft *self)
{
    guint loaded = self->wish->host_count - self->empty_count, grouped = 0, at = 0;

    for (guint i = 0; i < self->vms->len; i++)
        vm_at(self, i)->business_unit = below(self, G_N_ELEMENTS(business_units));
    g_autofree guint *order = draw_permutation(self);
    guint wanted = (guint)(self->wish->group_share * self->vms->len);
    while (grouped < wanted && at < self->vms->len) {
        guint members[MEMBERS_MAX], size = 2 + (guint)below(self, 4);
        if (fraction(self) < .08)
            size = 6 + (guint)below(self, 7);
        if (loaded < 2)
            break;
        size = MIN(size, MAX(2, loaded / 2));
        guint count = choose_members(self, order, at, size, members);
        for (guint i = 0; count >= 2 && i < count; i++) {
            vm_at(self, members[i])->group = (int)self->group_count;
            vm_at(self, members[i])->business_unit = vm_at(self, members[0])->business_unit;
        }
        self->group_count += count >= 2;
        grouped += count >= 2 ? count : 0;
        while (at < self->vms->len && vm_at(self, order[at])->group >= 0)
            at++;
        at += count < 2;
    }
}

/* On a few hosts one to three VMs have devices that cannot come along. */
static void
draw_pinned(Draft *self)
{
    for (guint i = 0; i < self->wish->host_count; i++) {
        const Host *host = &self->hosts[i];
        if (host->empty || fraction(self) >= self->wish->pinned_share || host->vm_count == 0)
            continue;
        for (int left = 1 + below(self, 3); left > 0; left--)
            vm_at(self, host->first_vm + (guint)below(self, (int)host->vm_count))->pinned = TRUE;
    }
}

static VrInventory *
to_inventory(const Draft *self)
{
    VrInventory *inventory = vr_inventory_new();
    char name[32], host_name[32], uuid[40];

    for (guint i = 0; i < self->wish->host_count; i++) {
        g_snprintf(name, sizeof name, "h%05u", i);
        VrHost *host = vr_inventory_add_host(inventory, name);
        host->memory_mib = self->hosts[i].memory_mib;
        host->vcpus = self->hosts[i].vcpus;
        host->link_mib_per_s = self->hosts[i].link_mib_per_s;
        host->update_s = self->hosts[i].update_ms / 1000;
        host->updated = VR_UPDATED_NO;
    }
    for (guint i = 0; i < self->group_count; i++) {
        g_snprintf(name, sizeof name, "g%06u", i);
        vr_inventory_add_group(inventory, name, VR_GROUP_ANTI_AFFINITY)->max_per_host = 1;
    }
    for (guint i = 0; i < self->vms->len; i++) {
        const Vm *from = vm_at(self, i);
        g_snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012x", i);
        g_snprintf(name, sizeof name, "v%06u", i);
        g_snprintf(host_name, sizeof host_name, "h%05u", from->host);
        VrVm *vm = vr_inventory_add_vm(inventory, uuid, name, host_name);
        vm->memory_mib = from->memory_mib;
        vm->vcpus = from->vcpus;
        vm->resident_mib = from->resident_mib;
        vm->dirty_mib_per_s = from->dirty_mib_per_s;
        vm->movable = !from->pinned;
        vm->business_unit = g_strdup(business_units[from->business_unit]);
        if (from->group >= 0)
            vm->group = g_strdup_printf("g%06d", from->group);
    }
    return inventory;
}

VrInventory *
synthetic_fleet_generate(const SyntheticWish *wish)
{
    g_autofree Host *hosts = g_new0(Host, wish->host_count);
    g_autoptr(GArray) vms = g_array_new(FALSE, FALSE, sizeof(Vm));
    g_autoptr(GError) error = NULL;
    Draft draft = {.wish = wish,
                   .state = wish->seed * 0x2545F4914F6CDD1Du + 12345,
                   .hosts = hosts,
                   .vms = vms};

    g_assert(wish->host_count > wish->empty_count);
    draw_hosts(&draft);
    draw_vms(&draft);
    draw_groups(&draft);
    draw_pinned(&draft);
    VrInventory *inventory = to_inventory(&draft);
    gboolean sealed = vr_inventory_seal(inventory, &error);
    g_assert_no_error(error);
    g_assert(sealed);
    return inventory;
}
