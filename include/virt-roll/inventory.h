/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A snapshot of a fleet: what hosts and VMs are like now, and which VM is where. A value: built by
 * take_*, sealed once, then read-only. Memory in MiB, CPU in vCPUs or permille, rates in MiB/s.
 * Format `virt-roll-inventory/1`: docs/reference/inventory.md.
 */
#pragma once

#include <virt-roll/enum.h>

G_BEGIN_DECLS

#define VR_UNKNOWN (-1) /* of an optional number */

/* Most that we accept, far above any fleet seen; keeps sums of MiB and ms within 64 bits. */
#define VR_HOSTS_MAX 100000
#define VR_VMS_MAX 4000000
#define VR_MEMORY_MIB_MAX (1LL << 40)

#define VR_VM_STATES(X)                                                                            \
    X(VR_VM_RUNNING, "running")                                                                    \
    X(VR_VM_PAUSED, "paused")                                                                      \
    X(VR_VM_SHUT_OFF, "shut-off")                                                                  \
    X(VR_VM_CRASHED, "crashed")                                                                    \
    X(VR_VM_UNKNOWN, "unknown")
VR_DECLARE_ENUM(VrVmState, vr_vm_state, VR_VM_STATES);

#define VR_GROUP_RULES(X)                                                                          \
    X(VR_GROUP_ANTI_AFFINITY, "anti-affinity")                                                     \
    X(VR_GROUP_AFFINITY, "affinity")                                                               \
    X(VR_GROUP_ONLY_HOSTS, "only-hosts")                                                           \
    X(VR_GROUP_NEVER_HOSTS, "never-hosts")
VR_DECLARE_ENUM(VrGroupRule, vr_group_rule, VR_GROUP_RULES);

#define VR_UPDATED_STATES(X)                                                                       \
    X(VR_UPDATED_NO, "no")                                                                         \
    X(VR_UPDATED_YES, "yes")                                                                       \
    X(VR_UPDATED_NOT_ASSESSED, "not-assessed")
VR_DECLARE_ENUM(VrUpdated, vr_updated, VR_UPDATED_STATES);

typedef struct {
    char *name;
    char *pool;               /* "" is the one pool of a fleet that names none */
    gint64 memory_mib;        /* what VMs may use in all, before headroom */
    gint64 vcpus;             /* what may be allocated: threads x overcommit */
    gint64 cpu_used_permille; /* of the host's CPUs, 95th percentile; VR_UNKNOWN */
    gint64 link_mib_per_s;
    gint64 update_s; /* forecast of one update, reboot included */
    VrUpdated updated;
    char *hardware_class; /* the next two: nullable */
    char *failure_domain;

    /* From a scan; NULL in an inventory that does not know. */
    char *uuid;
    char *cpu_model;
    char *hypervisor_version; /* "7.2.22" */
    char *libvirt_version;
    char *update_level;
} VrHost;

typedef struct {
    char *uuid; /* canonical: lower case with hyphens */
    char *name; /* unique per host only */
    char *host; /* a GRefString: VMs of one host mostly share it */
    gint64 memory_mib;
    gint64 vcpus;
    gint64 cpu_used_permille; /* of the VM's vCPUs; VR_UNKNOWN */
    gint64 resident_mib;      /* clamped to memory_mib; memory_mib if not known */
    gint64 dirty_mib_per_s;
    VrVmState state;
    gboolean autostart;
    gboolean persistent;
    gboolean movable;
    char *unmovable_reason; /* this and the rest: nullable */
    char *business_unit;
    char *group;
    char *service_class;
    /* From a scan, as libvirt's XML says: */
    char *title;
    char *disks;    /* "vda network/nbd vm1; sda file /isos/a.iso" */
    char *devices;  /* that matter to a migration: "interface/bridge; tpm" */
    char *metadata; /* the XML of <metadata> */
    /* A GRefString: inactive XML, if the scan was asked for it. Secrets included: no format ever
     * has it. */
    char *definition;

    /* Set by vr_inventory_seal. */
    guint host_index;
    gint group_index; /* -1: none */
} VrVm;

typedef struct {
    char *name;
    VrGroupRule rule;
    gint64 max_per_host; /* anti-affinity only; at least 1 */
    GPtrArray *hosts;    /* (element-type utf8) only-hosts and never-hosts */
} VrGroup;

typedef struct {
    gint64 taken_at_us; /* UTC; 0 if not said */
    GPtrArray *hosts;   /* (element-type VrHost) sorted by name once sealed */
    GPtrArray *groups;  /* (element-type VrGroup) sorted by name */
    GPtrArray *vms;     /* (element-type VrVm) sorted by uuid */
} VrInventory;

VrInventory *vr_inventory_new(void);

/* With every optional field at its default and owned strings NULL; free with the inventory. */
VrHost *vr_inventory_add_host(VrInventory *self, const char *name);
VrVm *vr_inventory_add_vm(VrInventory *self, const char *uuid, const char *name, const char *host);
VrGroup *vr_inventory_add_group(VrInventory *self, const char *name, VrGroupRule rule);

/* Adds what stands in another inventory; to be changed and sealed like what is new. Borrowed. */
VrHost *vr_inventory_copy_host(VrInventory *self, const VrHost *host);
VrVm *vr_inventory_copy_vm(VrInventory *self, const VrVm *vm);
VrGroup *vr_inventory_copy_group(VrInventory *self, const VrGroup *group);
/* A sealed one of a sealed one. */
VrInventory *vr_inventory_copy(const VrInventory *self);

/*
 * Sorts and cross-checks. Refuses (VR_ERROR_INVALID, naming host or VM): a name or uuid twice, two
 * hosts with one host UUID (none is unknown, not equal), a VM on an unknown host or in an unknown
 * group, a group rule that names an unknown host, numbers out of range. After it the inventory is
 * read-only.
 */
gboolean vr_inventory_seal(VrInventory *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Index into hosts, groups or vms of a sealed inventory; -1 if there is none. O(log n). */
gint vr_inventory_find_host(const VrInventory *self, const char *name);
gint vr_inventory_find_vm(const VrInventory *self, const char *uuid);

static inline const VrHost *
vr_inventory_host(const VrInventory *self, guint index)
{
    return (const VrHost *)g_ptr_array_index(self->hosts, index);
}

static inline const VrVm *
vr_inventory_vm(const VrInventory *self, guint index)
{
    return (const VrVm *)g_ptr_array_index(self->vms, index);
}

static inline const VrGroup *
vr_inventory_group(const VrInventory *self, guint index)
{
    return (const VrGroup *)g_ptr_array_index(self->groups, index);
}

/* Takes room on its host: running or paused. */
gboolean vr_vm_is_active(const VrVm *self);

/* "sha256:…" over the canonical JSON of a sealed inventory without taken_at. (transfer full) */
char *vr_inventory_digest(const VrInventory *self);

/*
 * Text <-> value. parse also seals; unknown fields are tolerated, wrong types and values are not
 * (VR_ERROR_INVALID with `source` and the JSON path, or line:column for broken JSON).
 * format is canonical JSON, one line, ending in a newline.
 */
VrInventory *vr_inventory_parse(const char *text, gsize length, const char *source,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
char *vr_inventory_format(const VrInventory *self);

void vr_inventory_free(VrInventory *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrInventory, vr_inventory_free)

G_END_DECLS
