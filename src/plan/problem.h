/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inventory as the planner sees it: hosts and VMs as indices (a host's is its place by name, a
 * VM's its place by uuid, so that a tie broken by index is broken by name), sizes as amounts of the
 * resources that can run out, and what each host is in this plan.
 */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/plan.h>
#include <virt-roll/policy.h>

#include "plan/cost.h"

G_BEGIN_DECLS

typedef enum {
    VR_RESOURCE_MEMORY, /* MiB */
    VR_RESOURCE_VCPUS,
    VR_RESOURCE_CPU, /* thousandths of a vCPU in use; counts only under target_cpu_permille_max */
    VR_RESOURCES,
} VrResource;

typedef struct {
    gint64 of[VR_RESOURCES];
} VrAmount;

/* VMs that go together, with their sum: an affinity group's on one host, or a single VM. */
typedef struct {
    const guint *vms;
    guint count;
    VrAmount size;
    gint64 link_mib; /* what of links' capacity their migrations take: rate times time */
} VrBlock;

typedef enum {
    VR_ROLE_UPDATED, /* may take VMs */
    VR_ROLE_UPDATE,  /* will be updated; until its drain begins it may take extras */
    VR_ROLE_SKIPPED, /* left alone altogether */
} VrHostRole;

typedef struct {
    guint pool;
    VrHostRole role;
    VrAmount room; /* what VMs may use in all */
    VrAmount load; /* what they use at the start */
    gint64 link_mib_per_s, update_ms;
    guint rank;      /* in the request's own order; G_MAXUINT: it has none */
    gint domain;     /* its failure domain; -1: none */
    GArray *vms;     /* (element-type guint) that take room, at the start */
    GArray *blocks;  /* (element-type VrBlock) the same, largest first */
    GArray *offline; /* (element-type guint) that are shut off: they never leave */
} VrProblemHost;

typedef struct {
    VrAmount size;
    VrCargo cargo;
    gint64 link_mib; /* as in VrBlock */
    gint group;      /* -1: none */
    guint spread;    /* if that is one of anti-affinity: how many of it one host may have; else 0 */
    guint name_id;   /* equal for VMs of one name; 0 if no other VM has it */
} VrProblemVm;

typedef struct {
    const char *name;
    GArray *hosts;      /* (element-type guint) ascending */
    VrResource binding; /* the one of memory and vCPUs that is scarcer */
    gint64 block_min;   /* the smallest of its blocks, by that */
} VrProblemPool;

typedef struct {
    const VrInventory *inventory;
    const VrPolicy *policy;
    guint host_count, vm_count, pool_count, domain_count, group_count;
    VrProblemHost *hosts;
    VrProblemVm *vms;
    VrProblemPool *pools;  /* by name */
    gboolean has_affinity; /* some group has that rule */
    guint8 **allowed;      /* per group: TRUE for each host where its VMs may run; NULL: all */
    VrPlanSkip **skipped;  /* per host; NULL if it is not skipped */
} VrProblem;

/* Every host that is not updated has the role VR_ROLE_UPDATE. */
VrProblem *vr_problem_new(const VrInventory *inventory, const VrPolicy *policy);

/* Leaves a host out. `detail` is taken. Borrowed, to add VMs to. */
VrPlanSkip *vr_problem_skip(VrProblem *self, guint host, const char *reason, char *detail);

/* Do only-hosts and never-hosts rules let the VM run there? */
static inline gboolean
vr_problem_is_allowed(const VrProblem *self, guint vm, guint host)
{
    gint group = self->vms[vm].group;

    return group < 0 || self->allowed[group] == NULL || self->allowed[group][host];
}

static inline VrResource
vr_problem_binding(const VrProblem *self, guint host)
{
    return self->pools[self->hosts[host].pool].binding;
}

/*
 * The VMs as blocks, largest first by the binding resource. Sorts `vms`, which the blocks point
 * into. (element-type VrBlock) (transfer full)
 */
GArray *vr_problem_build_blocks(const VrProblem *self, VrResource binding, GArray *vms);

/* Running, paused, or in a state in which it may hold memory all the same. */
gboolean vr_problem_takes_room(const VrVm *vm);

const char *vr_problem_host_name(const VrProblem *self, guint host);

static inline void
vr_amount_add(VrAmount *self, const VrAmount *other)
{
    for (guint r = 0; r < VR_RESOURCES; r++)
        self->of[r] += other->of[r];
}

static inline void
vr_amount_subtract(VrAmount *self, const VrAmount *other)
{
    for (guint r = 0; r < VR_RESOURCES; r++)
        self->of[r] -= other->of[r];
}

void vr_problem_free(VrProblem *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrProblem, vr_problem_free)

G_END_DECLS
