/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/inventory.h>

#include <string.h>

#include <virt-roll/error.h>

#include "model/inventory-fields.h"
#include "model/inventory-limits.h"

VR_DEFINE_ENUM(VrVmState, vr_vm_state, VR_VM_STATES)
VR_DEFINE_ENUM(VrGroupRule, vr_group_rule, VR_GROUP_RULES)
VR_DEFINE_ENUM(VrUpdated, vr_updated, VR_UPDATED_STATES)

/* What a number of a struct may be. */
typedef struct {
    const char *field;
    gsize offset;
    gint64 min;
    gint64 max;
} Range;

#define MEMBER(type, member) #member, G_STRUCT_OFFSET(type, member)

static const Range host_ranges[] = {
    {MEMBER(VrHost, memory_mib), 1, VR_MEMORY_MIB_MAX},
    {MEMBER(VrHost, vcpus), 1, VR_VCPUS_MAX},
    {MEMBER(VrHost, cpu_used_permille), VR_UNKNOWN, VR_CPU_USED_PERMILLE_MAX},
    {MEMBER(VrHost, link_mib_per_s), 1, VR_RATE_MIB_PER_S_MAX},
    {MEMBER(VrHost, update_s), 0, VR_UPDATE_S_MAX},
};

static const Range group_ranges[] = {
    {MEMBER(VrGroup, max_per_host), 1, VR_VMS_MAX},
};

static const Range vm_ranges[] = {
    {MEMBER(VrVm, memory_mib), 1, VR_MEMORY_MIB_MAX},
    {MEMBER(VrVm, vcpus), 1, VR_VCPUS_MAX},
    {MEMBER(VrVm, cpu_used_permille), VR_UNKNOWN, VR_CPU_USED_PERMILLE_MAX},
    {MEMBER(VrVm, resident_mib), VR_UNKNOWN, VR_MEMORY_MIB_MAX},
    {MEMBER(VrVm, dirty_mib_per_s), 0, VR_RATE_MIB_PER_S_MAX},
};

/* Kinds of things that have a name, for the helpers that all three kinds share. */
typedef const char *(*NameFunc)(gconstpointer item);

static void
host_free(gpointer data)
{
    VrHost *self = data;
    g_free(self->name);
    g_free(self->pool);
    g_free(self->hardware_class);
    g_free(self->failure_domain);
    g_free(self->uuid);
    g_free(self->cpu_model);
    g_free(self->hypervisor_version);
    g_free(self->libvirt_version);
    g_free(self->update_level);
    g_free(self);
}

static void
vm_free(gpointer data)
{
    VrVm *self = data;
    g_free(self->uuid);
    g_free(self->name);
    g_clear_pointer(&self->host, g_ref_string_release);
    g_free(self->unmovable_reason);
    g_free(self->business_unit);
    g_free(self->group);
    g_free(self->service_class);
    g_free(self->title);
    g_free(self->disks);
    g_free(self->devices);
    g_free(self->metadata);
    g_clear_pointer(&self->definition, g_ref_string_release);
    g_free(self);
}

static void
group_free(gpointer data)
{
    VrGroup *self = data;
    g_free(self->name);
    g_ptr_array_unref(self->hosts);
    g_free(self);
}

static const char *
host_name(gconstpointer item)
{
    return ((const VrHost *)item)->name;
}

static const char *
vm_uuid(gconstpointer item)
{
    return ((const VrVm *)item)->uuid;
}

static const char *
group_name(gconstpointer item)
{
    return ((const VrGroup *)item)->name;
}

static gint
compare_hosts(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const VrHost *const *)a)->name, (*(const VrHost *const *)b)->name);
}

static gint
compare_vms(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const VrVm *const *)a)->uuid, (*(const VrVm *const *)b)->uuid);
}

static gint
compare_groups(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const VrGroup *const *)a)->name, (*(const VrGroup *const *)b)->name);
}

static gint
find(const GPtrArray *sorted, NameFunc name_of, const char *name)
{
    guint low = 0;
    guint high = sorted->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        int order = strcmp(name_of(g_ptr_array_index(sorted, middle)), name);
        if (order == 0)
            return (gint)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error != NULL)
        *error = vr_error_new_valist(VR_ERROR_INVALID, format, arguments);
    va_end(arguments);
    return FALSE;
}

/* After sorting, what is there twice stands side by side. */
static gboolean
check_names(const GPtrArray *sorted, NameFunc name_of, const char *what, GError **error)
{
    for (guint i = 0; i < sorted->len; i++) {
        const char *name = name_of(g_ptr_array_index(sorted, i));
        if (name[0] == '\0')
            return refuse(error, "a %s has no name", what);
        if (i > 0 && strcmp(name_of(g_ptr_array_index(sorted, i - 1)), name) == 0)
            return refuse(error, "%s %s is there twice", what, name);
    }
    return TRUE;
}

static gboolean
check_counts(const VrInventory *self, GError **error)
{
    if (self->hosts->len > VR_HOSTS_MAX)
        return refuse(error, "%u hosts are more than the %d that are accepted", self->hosts->len,
                      VR_HOSTS_MAX);
    if (self->vms->len > VR_VMS_MAX)
        return refuse(error, "%u VMs are more than the %d that are accepted", self->vms->len,
                      VR_VMS_MAX);
    if (self->groups->len > VR_VMS_MAX)
        return refuse(error, "%u groups are more than the %d that are accepted", self->groups->len,
                      VR_VMS_MAX);
    return TRUE;
}

/* The first number that is out of its range; VR_UNKNOWN passes where min allows it. */
static gboolean
check_ranges(const char *subject, gconstpointer item, const Range *ranges, guint count,
             GError **error)
{
    for (guint i = 0; i < count; i++) {
        const Range *range = &ranges[i];
        gint64 value = *(const gint64 *)((const char *)item + range->offset);
        if (value < range->min || value > range->max)
            return refuse(error,
                          "%s: %s is %" G_GINT64_FORMAT ", must be from %" G_GINT64_FORMAT
                          " to %" G_GINT64_FORMAT,
                          subject, range->field, value, MAX(range->min, 0), range->max);
    }
    return TRUE;
}

static gboolean
check_host(const VrHost *host, GError **error)
{
    g_autofree char *subject = g_strdup_printf("host %s", host->name);
    return check_ranges(subject, host, host_ranges, G_N_ELEMENTS(host_ranges), error);
}

/* "None" is unknown, not equal. */
static gboolean
check_host_uuids(const VrInventory *self, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < self->hosts->len; i++) {
        const VrHost *host = vr_inventory_host(self, i);
        if (host->uuid == NULL)
            continue;
        const VrHost *other = g_hash_table_lookup(seen, host->uuid);
        if (other != NULL)
            return refuse(error,
                          "host %s: has the host UUID of %s (%s): two names of one host, or both "
                          "need a host_uuid of their own in libvirtd.conf",
                          host->name, other->name, host->uuid);
        g_hash_table_insert(seen, host->uuid, g_ptr_array_index(self->hosts, i));
    }
    return TRUE;
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static gboolean
seal_hosts(VrInventory *self, GError **error)
{
    g_ptr_array_sort(self->hosts, compare_hosts);
    if (!check_names(self->hosts, host_name, "host", error))
        return FALSE;
    for (guint i = 0; i < self->hosts->len; i++) {
        if (!check_host(vr_inventory_host(self, i), error))
            return FALSE;
    }
    return check_host_uuids(self, error);
}

static gboolean
seal_groups(VrInventory *self, GError **error)
{
    g_ptr_array_sort(self->groups, compare_groups);
    if (!check_names(self->groups, group_name, "group", error))
        return FALSE;
    for (guint i = 0; i < self->groups->len; i++) {
        const VrGroup *group = vr_inventory_group(self, i);
        g_autofree char *subject = g_strdup_printf("group %s", group->name);
        g_ptr_array_sort(group->hosts, compare_texts);
        if (!check_ranges(subject, group, group_ranges, G_N_ELEMENTS(group_ranges), error))
            return FALSE;
        for (guint j = 0; j < group->hosts->len; j++) {
            const char *name = g_ptr_array_index(group->hosts, j);
            if (vr_inventory_find_host(self, name) < 0)
                return refuse(error, "group %s: names host %s, which is not in the inventory",
                              group->name, name);
        }
    }
    return TRUE;
}

static gboolean
check_vm(const VrVm *vm, GError **error)
{
    if (vm->name[0] == '\0')
        return refuse(error, "VM %s: its name is empty", vm->uuid);
    /* The UUID alone: to put a subject together for a million VMs would cost more than the check.
     */
    if (check_ranges(vm->uuid, vm, vm_ranges, G_N_ELEMENTS(vm_ranges), error))
        return TRUE;
    g_prefix_error(error, "VM ");
    return FALSE;
}

/* host and group by hash: a binary search for each of a million VMs would be the slowest part. */
static GHashTable *
index_names(const GPtrArray *items, NameFunc name_of)
{
    GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < items->len; i++) {
        gconstpointer item = g_ptr_array_index(items, i);
        g_hash_table_insert(index, (gpointer)(guintptr)name_of(item), GUINT_TO_POINTER(i + 1));
    }
    return index;
}

/* Index of the name; -1 if it is not there. */
static gint
look_up(GHashTable *index, const char *name)
{
    return (gint)GPOINTER_TO_UINT(g_hash_table_lookup(index, name)) - 1;
}

static gboolean
link_vm(VrVm *vm, GHashTable *host_index, GHashTable *group_index, GError **error)
{
    gint host = look_up(host_index, vm->host);
    if (host < 0)
        return refuse(error, "VM %s (%s): is on host %s, which is not in the inventory", vm->uuid,
                      vm->name, vm->host);
    vm->host_index = (guint)host;
    vm->group_index = vm->group == NULL ? -1 : look_up(group_index, vm->group);
    if (vm->group != NULL && vm->group_index < 0)
        return refuse(error, "VM %s (%s): is in group %s, which is not in the inventory", vm->uuid,
                      vm->name, vm->group);
    if (vm->resident_mib == VR_UNKNOWN || vm->resident_mib > vm->memory_mib)
        vm->resident_mib = vm->memory_mib;
    return TRUE;
}

static guint
hash_place(gconstpointer data)
{
    const VrVm *vm = data;
    return g_str_hash(vm->name) * 31 + vm->host_index;
}

static gboolean
is_same_place(gconstpointer a, gconstpointer b)
{
    const VrVm *left = a;
    const VrVm *right = b;
    return left->host_index == right->host_index && strcmp(left->name, right->name) == 0;
}

/* libvirt itself has names unique per host; a snapshot that says otherwise is broken. */
static gboolean
check_vm_names(const VrInventory *self, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(hash_place, is_same_place);
    for (guint i = 0; i < self->vms->len; i++) {
        VrVm *vm = g_ptr_array_index(self->vms, i);
        const VrVm *other = g_hash_table_lookup(seen, vm);
        if (other != NULL)
            return refuse(error, "VM %s: host %s has another VM with its name %s (%s)", vm->uuid,
                          vm->host, vm->name, other->uuid);
        g_hash_table_add(seen, vm);
    }
    return TRUE;
}

static gboolean
seal_vms(VrInventory *self, GError **error)
{
    g_ptr_array_sort(self->vms, compare_vms);
    if (!check_names(self->vms, vm_uuid, "VM", error))
        return FALSE;
    g_autoptr(GHashTable) host_index = index_names(self->hosts, host_name);
    g_autoptr(GHashTable) group_index = index_names(self->groups, group_name);
    for (guint i = 0; i < self->vms->len; i++) {
        VrVm *vm = g_ptr_array_index(self->vms, i);
        if (!check_vm(vm, error) || !link_vm(vm, host_index, group_index, error))
            return FALSE;
    }
    return check_vm_names(self, error);
}

VrInventory *
vr_inventory_new(void)
{
    VrInventory *self = g_new0(VrInventory, 1);
    self->hosts = g_ptr_array_new_with_free_func(host_free);
    self->groups = g_ptr_array_new_with_free_func(group_free);
    self->vms = g_ptr_array_new_with_free_func(vm_free);
    return self;
}

VrHost *
vr_inventory_add_host(VrInventory *self, const char *name)
{
    VrHost *host = g_new0(VrHost, 1);
    host->name = g_strdup(name);
    host->pool = g_strdup("");
    host->cpu_used_permille = VR_UNKNOWN;
    host->link_mib_per_s = VR_LINK_MIB_PER_S;
    host->update_s = VR_UPDATE_S;
    host->updated = VR_UPDATED_NOT_ASSESSED;
    g_ptr_array_add(self->hosts, host);
    return host;
}

/* Mostly VMs come host by host. Of the last two one may be the VM that is being read. */
char *
vr_inventory_share_host(const VrInventory *self, const char *name)
{
    for (guint i = self->vms->len; i > 0 && i + 2 > self->vms->len; i--) {
        const VrVm *last = vr_inventory_vm(self, i - 1);
        if (last->host != NULL && strcmp(last->host, name) == 0)
            return g_ref_string_acquire(last->host);
    }
    return g_ref_string_new(name);
}

VrVm *
vr_inventory_add_vm(VrInventory *self, const char *uuid, const char *name, const char *host)
{
    VrVm *vm = g_new0(VrVm, 1);
    vm->uuid = g_strdup(uuid);
    vm->name = g_strdup(name);
    vm->host = host != NULL ? vr_inventory_share_host(self, host) : NULL;
    vm->cpu_used_permille = VR_UNKNOWN;
    vm->resident_mib = VR_UNKNOWN;
    vm->state = VR_VM_RUNNING;
    vm->persistent = TRUE;
    vm->movable = TRUE;
    vm->group_index = -1;
    g_ptr_array_add(self->vms, vm);
    return vm;
}

VrGroup *
vr_inventory_add_group(VrInventory *self, const char *name, VrGroupRule rule)
{
    VrGroup *group = g_new0(VrGroup, 1);
    group->name = g_strdup(name);
    group->rule = rule;
    group->max_per_host = 1;
    group->hosts = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(self->groups, group);
    return group;
}

gboolean
vr_inventory_seal(VrInventory *self, GError **error)
{
    return check_counts(self, error) && seal_hosts(self, error) && seal_groups(self, error) &&
           seal_vms(self, error);
}

gint
vr_inventory_find_host(const VrInventory *self, const char *name)
{
    return find(self->hosts, host_name, name);
}

gint
vr_inventory_find_vm(const VrInventory *self, const char *uuid)
{
    return find(self->vms, vm_uuid, uuid);
}

gboolean
vr_vm_is_active(const VrVm *self)
{
    return self->state == VR_VM_RUNNING || self->state == VR_VM_PAUSED;
}

void
vr_inventory_free(VrInventory *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->hosts);
    g_ptr_array_unref(self->groups);
    g_ptr_array_unref(self->vms);
    g_free(self);
}
