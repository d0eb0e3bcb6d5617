/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/feasibility.h"

/* Hosts that a message names one by one. */
#define NAMED_MAX 5

VrObstacles *
vr_feasibility_obstacles_new(void)
{
    VrObstacles *self = g_new0(VrObstacles, 1);

    self->hosts = g_array_new(FALSE, FALSE, sizeof(guint));
    self->causes = g_ptr_array_new_with_free_func(g_free);
    return self;
}

void
vr_feasibility_add(VrObstacles *self, guint host, char *cause)
{
    g_array_append_val(self->hosts, host);
    g_ptr_array_add(self->causes, cause);
}

static char *
describe_lack(const VrNoPlace *no_place, const char *host)
{
    switch (no_place->fit) {
    case VR_FIT_MEMORY:
        return g_strdup_printf("'%s' comes nearest and lacks %" G_GINT64_FORMAT
                               " MiB; free that much there, add a host or lower headroom_permille",
                               host, no_place->missing);
    case VR_FIT_VCPUS:
        return g_strdup_printf("'%s' has the memory but lacks %" G_GINT64_FORMAT
                               " vCPUs; free them there or add a host",
                               host, no_place->missing);
    case VR_FIT_CPU:
        return g_strdup_printf("'%s' has the memory but would be busier than "
                               "target_cpu_permille_max allows; raise it or add a host",
                               host);
    case VR_FIT_GROUP:
    case VR_FIT_NAME:
    case VR_FIT_YES:
        break;
    }
    return NULL;
}

/* Room is there, a rule forbids it. */
static char *
describe_rule(const VrProblem *problem, const VrNoPlace *no_place, const char *host)
{
    const VrVm *vm = vr_inventory_vm(problem->inventory, no_place->vm);

    if (no_place->fit == VR_FIT_GROUP && vm->group_index >= 0) {
        const VrGroup *group = vr_inventory_group(problem->inventory, (guint)vm->group_index);
        return g_strdup_printf("'%s' has the memory but group '%s' (%s) keeps it away; add a host "
                               "or relax the group",
                               host, group->name, vr_group_rule_to_string(group->rule));
    }
    return g_strdup_printf("'%s' has the memory but has a VM of the same name; rename one of them",
                           host);
}

char *
vr_feasibility_explain(const VrProblem *problem, const VrNoPlace *no_place)
{
    const VrVm *vm = vr_inventory_vm(problem->inventory, no_place->vm);

    if (no_place->nearest < 0)
        return g_strdup_printf(
            "VM '%s' (%" G_GINT64_FORMAT " MiB) has nowhere to go: no other "
            "host of %s%s%s is updated or will be; add a host",
            vm->name, vm->memory_mib,
            *problem->pools[problem->hosts[vm->host_index].pool].name != '\0' ? "pool '"
                                                                              : "the fleet",
            problem->pools[problem->hosts[vm->host_index].pool].name,
            *problem->pools[problem->hosts[vm->host_index].pool].name != '\0' ? "'" : "");
    const char *nearest = vr_problem_host_name(problem, (guint)no_place->nearest);
    g_autofree char *lack = describe_lack(no_place, nearest);
    if (lack == NULL)
        lack = describe_rule(problem, no_place, nearest);
    gboolean together = no_place->size.of[VR_RESOURCE_MEMORY] > vm->memory_mib;
    return g_strdup_printf("VM '%s' (%s%" G_GINT64_FORMAT " MiB, %" G_GINT64_FORMAT
                           " vCPUs) fits on no other host: %s",
                           vm->name, together ? "with its affinity group " : "",
                           no_place->size.of[VR_RESOURCE_MEMORY],
                           no_place->size.of[VR_RESOURCE_VCPUS], lack);
}

static char *
check_vm(const VrProblem *problem, const VrCapacity *capacity, const GArray *usable, guint vm)
{
    guint source = vr_inventory_vm(problem->inventory, vm)->host_index;
    VrBlock block = {&vm, 1, problem->vms[vm].size, 0};
    VrNoPlace no_place = {vm, block.size, -1, VR_FIT_YES, 0};
    gint64 best = G_MININT64;

    for (guint i = 0; i < usable->len; i++) {
        guint host = g_array_index(usable, guint, i);
        if (host == source)
            continue;
        VrFit fit = vr_capacity_fit(capacity, &block, host);
        if (fit == VR_FIT_YES)
            return NULL;
        gint64 room = capacity->frees[host].of[VR_RESOURCE_MEMORY];
        if (no_place.nearest >= 0 && room <= best)
            continue;
        VrResource lacking = fit == VR_FIT_VCPUS ? VR_RESOURCE_VCPUS : VR_RESOURCE_MEMORY;
        best = room;
        no_place.nearest = (gint)host;
        no_place.fit = fit;
        no_place.missing = block.size.of[lacking] - capacity->frees[host].of[lacking];
    }
    return vr_feasibility_explain(problem, &no_place);
}

/* What the usable hosts of a pool have together, one over its own limits no less than it holds. */
typedef struct {
    VrAmount loads, rooms;
} Sum;

static gint64
room_of(const VrProblemHost *host, VrResource resource)
{
    return MAX(host->room.of[resource], host->load.of[resource]);
}

static Sum
sum_up(const VrProblem *problem, const GArray *usable)
{
    Sum sum = {0};

    for (guint i = 0; i < usable->len; i++) {
        const VrProblemHost *host = &problem->hosts[g_array_index(usable, guint, i)];
        for (guint r = 0; r < VR_RESOURCE_CPU; r++) {
            sum.loads.of[r] += host->load.of[r];
            sum.rooms.of[r] += room_of(host, (VrResource)r);
        }
    }
    return sum;
}

/* While a host is updated, all VMs of its pool run on the others. */
static char *
check_sum(const VrProblem *problem, const Sum *sum, guint host)
{
    static const char *const units[] = {
        [VR_RESOURCE_MEMORY] = "MiB", [VR_RESOURCE_VCPUS] = "vCPUs"};

    for (guint r = 0; r < G_N_ELEMENTS(units); r++) {
        gint64 missing =
            sum->loads.of[r] - (sum->rooms.of[r] - room_of(&problem->hosts[host], (VrResource)r));
        if (missing > 0)
            return g_strdup_printf("the other hosts together lack %" G_GINT64_FORMAT
                                   " %s for the VMs that must run on them meanwhile; shut VMs off, "
                                   "add a host or raise what a host may give",
                                   missing, units[r]);
    }
    return NULL;
}

void
vr_feasibility_check(const VrProblem *problem, VrObstacles *obstacles)
{
    /* As roomy as the fleet can ever be. */
    g_autoptr(VrCapacity) capacity = vr_capacity_new(problem, TRUE);

    for (guint p = 0; p < problem->pool_count; p++) {
        const GArray *hosts = problem->pools[p].hosts;
        g_autoptr(GArray) usable = g_array_new(FALSE, FALSE, sizeof(guint));
        for (guint i = 0; i < hosts->len; i++) {
            guint host = g_array_index(hosts, guint, i);
            if (problem->hosts[host].role != VR_ROLE_SKIPPED)
                g_array_append_val(usable, host);
        }
        Sum sum = sum_up(problem, usable);
        for (guint i = 0; i < usable->len; i++) {
            guint host = g_array_index(usable, guint, i);
            const GArray *vms = problem->hosts[host].vms;
            g_autofree char *cause = NULL;
            if (problem->hosts[host].role != VR_ROLE_UPDATE || vms->len == 0)
                continue;
            for (guint v = 0; v < vms->len && cause == NULL; v++)
                cause = check_vm(problem, capacity, usable, g_array_index(vms, guint, v));
            if (cause == NULL)
                cause = check_sum(problem, &sum, host);
            if (cause != NULL)
                vr_feasibility_add(obstacles, host, g_steal_pointer(&cause));
        }
    }
}

char *
vr_feasibility_format(const VrProblem *problem, const VrObstacles *obstacles)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < obstacles->hosts->len && i < NAMED_MAX; i++) {
        guint host = g_array_index(obstacles->hosts, guint, i);
        g_string_append_printf(text, "%shost '%s' cannot be emptied: %s", i > 0 ? "; " : "",
                               vr_problem_host_name(problem, host),
                               (const char *)g_ptr_array_index(obstacles->causes, i));
    }
    if (obstacles->hosts->len > NAMED_MAX)
        g_string_append_printf(text, "; and %u more hosts", obstacles->hosts->len - NAMED_MAX);
    g_string_append(text, "; or set partial: true to update the other hosts only");
    return g_string_free(text, FALSE);
}

void
vr_feasibility_obstacles_free(VrObstacles *self)
{
    if (self == NULL)
        return;
    g_array_unref(self->hosts);
    g_ptr_array_unref(self->causes);
    g_free(self);
}
