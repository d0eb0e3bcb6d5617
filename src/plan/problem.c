/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "plan/build.h"
#include "plan/problem.h"

/* Room of a resource that nothing limits; far from overflow when sizes are added to it. */
#define ROOM_UNLIMITED (G_MAXINT64 / 4)

gboolean
vr_problem_takes_room(const VrVm *vm)
{
    return vm->state != VR_VM_SHUT_OFF;
}

const char *
vr_problem_host_name(const VrProblem *self, guint host)
{
    return vr_inventory_host(self->inventory, host)->name;
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
build_pools(VrProblem *self)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint h = 0; h < self->host_count; h++)
        g_ptr_array_add(names, vr_inventory_host(self->inventory, h)->pool);
    g_ptr_array_sort(names, compare_strings);
    self->pools = g_new0(VrProblemPool, self->host_count);
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (i > 0 && strcmp(name, g_ptr_array_index(names, i - 1)) == 0)
            continue;
        VrProblemPool *pool = &self->pools[self->pool_count++];
        pool->name = name;
        pool->block_min = G_MAXINT64;
        pool->hosts = g_array_new(FALSE, FALSE, sizeof(guint));
    }
    for (guint h = 0; h < self->host_count; h++) {
        const char *name = vr_inventory_host(self->inventory, h)->pool;
        guint low = 0;
        for (guint high = self->pool_count - 1; low < high;) {
            guint middle = (low + high) / 2;
            if (strcmp(self->pools[middle].name, name) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        self->hosts[h].pool = low;
        g_array_append_val(self->pools[low].hosts, h);
    }
}

static void
build_hosts(VrProblem *self)
{
    gint64 cpu_max = self->policy->limits.target_cpu_permille_max;

    for (guint h = 0; h < self->host_count; h++) {
        const VrHost *host = vr_inventory_host(self->inventory, h);
        VrProblemHost *own = &self->hosts[h];
        own->role = host->updated == VR_UPDATED_YES ? VR_ROLE_UPDATED : VR_ROLE_UPDATE;
        own->room.of[VR_RESOURCE_MEMORY] = vr_policy_usable_mib(self->policy, host->memory_mib);
        own->room.of[VR_RESOURCE_VCPUS] = host->vcpus;
        own->room.of[VR_RESOURCE_CPU] = cpu_max > 0 ? cpu_max * host->vcpus : ROOM_UNLIMITED;
        own->link_mib_per_s = host->link_mib_per_s;
        own->update_ms = host->update_s * 1000;
        own->rank = G_MAXUINT;
        own->vms = g_array_new(FALSE, FALSE, sizeof(guint));
        own->offline = g_array_new(FALSE, FALSE, sizeof(guint));
    }
}

static guint64
hash_name(const char *name)
{
    guint64 hash = 0xcbf29ce484222325u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (guchar)*name) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* Few names occur twice; only those have to be looked for on a target. */
static void
number_names(VrProblem *self)
{
    guint size = 16, id = 0;

    while (size < 2 * self->vm_count)
        size *= 2;
    g_autofree guint *slots = g_new0(guint, size); /* index + 1 of the first VM of a name */
    for (guint v = 0; v < self->vm_count; v++) {
        const char *name = vr_inventory_vm(self->inventory, v)->name;
        guint at = (guint)hash_name(name) & (size - 1);
        while (slots[at] != 0 &&
               strcmp(vr_inventory_vm(self->inventory, slots[at] - 1)->name, name) != 0)
            at = (at + 1) & (size - 1);
        if (slots[at] == 0) {
            slots[at] = v + 1;
            continue;
        }
        VrProblemVm *first = &self->vms[slots[at] - 1];
        if (first->name_id == 0)
            first->name_id = ++id;
        self->vms[v].name_id = first->name_id;
    }
}

/*
 * CPU in use, so that a host's VMs add up to what was measured on the host: a host counts its
 * threads, `vcpus` counts overcommitted ones, and only the sum is comparable. Unknown VMs are taken
 * to be as busy as their host.
 */
static void
measure_cpu(VrProblem *self, guint index)
{
    const VrHost *host = vr_inventory_host(self->inventory, index);
    VrProblemHost *own = &self->hosts[index];
    gint64 sum = 0;

    for (guint i = 0; i < own->vms->len; i++) {
        guint v = g_array_index(own->vms, guint, i);
        const VrVm *vm = vr_inventory_vm(self->inventory, v);
        gint64 used = vm->cpu_used_permille != VR_UNKNOWN ? vm->cpu_used_permille
                                                          : MAX(host->cpu_used_permille, 0);
        self->vms[v].size.of[VR_RESOURCE_CPU] = used * vm->vcpus;
        sum += used * vm->vcpus;
    }
    gint64 measured = host->cpu_used_permille * host->vcpus;
    for (guint i = 0; i < own->vms->len; i++) {
        VrAmount *size = &self->vms[g_array_index(own->vms, guint, i)].size;
        if (sum > 0 && measured > sum)
            size->of[VR_RESOURCE_CPU] =
                (gint64)((__int128)size->of[VR_RESOURCE_CPU] * measured / sum);
        vr_amount_add(&own->load, size);
    }
}

static guint
count_spread(const VrInventory *inventory, const VrVm *vm)
{
    if (vm->group_index < 0)
        return 0;
    const VrGroup *group = vr_inventory_group(inventory, (guint)vm->group_index);
    return group->rule == VR_GROUP_ANTI_AFFINITY ? (guint)group->max_per_host : 0;
}

static void
build_vms(VrProblem *self)
{
    const VrLimits *limits = &self->policy->limits;

    for (guint v = 0; v < self->vm_count; v++) {
        const VrVm *vm = vr_inventory_vm(self->inventory, v);
        VrProblemHost *host = &self->hosts[vm->host_index];
        self->vms[v].group = vm->group_index;
        self->vms[v].spread = count_spread(self->inventory, vm);
        self->vms[v].cargo = (VrCargo){vm->resident_mib, vm->dirty_mib_per_s};
        self->vms[v].link_mib =
            vr_cost_link_mib(limits, &self->vms[v].cargo,
                             vr_cost_full_rate(limits, host->link_mib_per_s, host->link_mib_per_s));
        self->vms[v].size.of[VR_RESOURCE_MEMORY] = vm->memory_mib;
        self->vms[v].size.of[VR_RESOURCE_VCPUS] = vm->vcpus;
        g_array_append_val(vr_problem_takes_room(vm) ? host->vms : host->offline, v);
    }
    for (guint h = 0; h < self->host_count; h++)
        measure_cpu(self, h);
    number_names(self);
}

static void
choose_binding(const VrProblem *self, VrProblemPool *pool)
{
    VrAmount room = {0}, load = {0};

    for (guint i = 0; i < pool->hosts->len; i++) {
        const VrProblemHost *host = &self->hosts[g_array_index(pool->hosts, guint, i)];
        for (guint r = VR_RESOURCE_MEMORY; r <= VR_RESOURCE_VCPUS; r++) {
            room.of[r] += host->room.of[r];
            load.of[r] += host->load.of[r];
        }
    }
    __int128 vcpus = (__int128)load.of[VR_RESOURCE_VCPUS] * room.of[VR_RESOURCE_MEMORY];
    __int128 memory = (__int128)load.of[VR_RESOURCE_MEMORY] * room.of[VR_RESOURCE_VCPUS];
    pool->binding = vcpus > memory ? VR_RESOURCE_VCPUS : VR_RESOURCE_MEMORY;
}

/* Failure domains by name, numbered in order of the first host that names them. */
static void
number_domains(VrProblem *self)
{
    g_autoptr(GHashTable) numbers = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint h = 0; h < self->host_count; h++) {
        char *domain = vr_inventory_host(self->inventory, h)->failure_domain;
        gpointer number = NULL;
        self->hosts[h].domain = -1;
        if (domain == NULL)
            continue;
        if (!g_hash_table_lookup_extended(numbers, domain, NULL, &number)) {
            number = GUINT_TO_POINTER(self->domain_count++);
            g_hash_table_insert(numbers, domain, number);
        }
        self->hosts[h].domain = GPOINTER_TO_INT(number);
    }
}

static void
build_groups(VrProblem *self)
{
    self->group_count = self->inventory->groups->len;
    self->allowed = g_new0(guint8 *, self->group_count + 1);
    for (guint g = 0; g < self->group_count; g++) {
        const VrGroup *group = vr_inventory_group(self->inventory, g);
        gboolean only = group->rule == VR_GROUP_ONLY_HOSTS;
        self->has_affinity |= group->rule == VR_GROUP_AFFINITY;
        if (!only && group->rule != VR_GROUP_NEVER_HOSTS)
            continue;
        self->allowed[g] = g_new(guint8, self->host_count);
        memset(self->allowed[g], !only, self->host_count);
        for (guint i = 0; group->hosts != NULL && i < group->hosts->len; i++) {
            gint host = vr_inventory_find_host(self->inventory, g_ptr_array_index(group->hosts, i));
            g_assert(host >= 0); /* a sealed inventory names no other */
            self->allowed[g][host] = (guint8)only;
        }
    }
}

static void
build_blocks(VrProblem *self, guint host)
{
    VrProblemHost *own = &self->hosts[host];
    VrProblemPool *pool = &self->pools[own->pool];

    own->blocks = vr_problem_build_blocks(self, pool->binding, own->vms);
    if (own->blocks->len == 0)
        return;
    const VrBlock *last = &g_array_index(own->blocks, VrBlock, own->blocks->len - 1);
    pool->block_min = MIN(pool->block_min, last->size.of[pool->binding]);
}

VrProblem *
vr_problem_new(const VrInventory *inventory, const VrPolicy *policy)
{
    VrProblem *self = g_new0(VrProblem, 1);

    self->inventory = inventory;
    self->policy = policy;
    self->host_count = inventory->hosts->len;
    self->vm_count = inventory->vms->len;
    self->hosts = g_new0(VrProblemHost, self->host_count);
    self->vms = g_new0(VrProblemVm, self->vm_count);
    self->skipped = g_new0(VrPlanSkip *, self->host_count);
    build_hosts(self);
    build_pools(self);
    build_vms(self);
    for (guint p = 0; p < self->pool_count; p++)
        choose_binding(self, &self->pools[p]);
    build_groups(self);
    number_domains(self);
    for (guint h = 0; h < self->host_count; h++)
        build_blocks(self, h);
    return self;
}

VrPlanSkip *
vr_problem_skip(VrProblem *self, guint host, const char *reason, char *detail)
{
    g_assert(self->hosts[host].role == VR_ROLE_UPDATE);
    self->hosts[host].role = VR_ROLE_SKIPPED;
    self->skipped[host] = vr_plan_skip_new(vr_problem_host_name(self, host), reason, detail);
    return self->skipped[host];
}

void
vr_problem_free(VrProblem *self)
{
    if (self == NULL)
        return;
    for (guint h = 0; h < self->host_count; h++) {
        g_array_unref(self->hosts[h].blocks);
        g_array_unref(self->hosts[h].vms);
        g_array_unref(self->hosts[h].offline);
        vr_plan_skip_free(self->skipped[h]);
    }
    for (guint p = 0; p < self->pool_count; p++)
        g_array_unref(self->pools[p].hosts);
    for (guint g = 0; g < self->group_count; g++)
        g_free(self->allowed[g]);
    g_free(self->allowed);
    g_free(self->skipped);
    g_free(self->pools);
    g_free(self->vms);
    g_free(self->hosts);
    g_free(self);
}
