/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/inventory-fields.h"

#define MEMBER(type, member) #member, G_STRUCT_OFFSET(type, member)

/* In the order of their names: they are searched by halves and written as canonical JSON. */
static const VrField host_fields[] = {
    {MEMBER(VrHost, cpu_model), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrHost, cpu_used_permille), VR_FIELD_INTEGER, FALSE},
    {MEMBER(VrHost, failure_domain), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrHost, hardware_class), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrHost, hypervisor_version), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrHost, libvirt_version), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrHost, link_mib_per_s), VR_FIELD_INTEGER, FALSE},
    {MEMBER(VrHost, memory_mib), VR_FIELD_INTEGER, TRUE},
    {MEMBER(VrHost, name), VR_FIELD_TEXT, TRUE},
    {MEMBER(VrHost, pool), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrHost, update_level), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrHost, update_s), VR_FIELD_INTEGER, FALSE},
    {MEMBER(VrHost, updated), VR_FIELD_UPDATED, FALSE},
    {MEMBER(VrHost, uuid), VR_FIELD_UUID, FALSE},
    {MEMBER(VrHost, vcpus), VR_FIELD_INTEGER, TRUE},
};

static const VrField group_fields[] = {
    {MEMBER(VrGroup, hosts), VR_FIELD_TEXTS, FALSE},
    {MEMBER(VrGroup, max_per_host), VR_FIELD_INTEGER, FALSE},
    {MEMBER(VrGroup, name), VR_FIELD_TEXT, TRUE},
    {MEMBER(VrGroup, rule), VR_FIELD_RULE, TRUE},
};

static const VrField vm_fields[] = {
    {MEMBER(VrVm, autostart), VR_FIELD_BOOLEAN, FALSE},
    {MEMBER(VrVm, business_unit), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, cpu_used_permille), VR_FIELD_INTEGER, FALSE},
    {MEMBER(VrVm, devices), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, dirty_mib_per_s), VR_FIELD_INTEGER, FALSE},
    {MEMBER(VrVm, disks), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, group), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, host), VR_FIELD_HOST, TRUE},
    {MEMBER(VrVm, memory_mib), VR_FIELD_INTEGER, TRUE},
    {MEMBER(VrVm, metadata), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, movable), VR_FIELD_BOOLEAN, FALSE},
    {MEMBER(VrVm, name), VR_FIELD_TEXT, TRUE},
    {MEMBER(VrVm, persistent), VR_FIELD_BOOLEAN, FALSE},
    {MEMBER(VrVm, resident_mib), VR_FIELD_INTEGER, FALSE},
    {MEMBER(VrVm, service_class), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, state), VR_FIELD_STATE, FALSE},
    {MEMBER(VrVm, title), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, unmovable_reason), VR_FIELD_TEXT, FALSE},
    {MEMBER(VrVm, uuid), VR_FIELD_UUID, TRUE},
    {MEMBER(VrVm, vcpus), VR_FIELD_INTEGER, TRUE},
};

static gpointer
add_host(VrInventory *inventory)
{
    return vr_inventory_add_host(inventory, NULL);
}

static gpointer
add_group(VrInventory *inventory)
{
    return vr_inventory_add_group(inventory, NULL, VR_GROUP_ANTI_AFFINITY);
}

static gpointer
add_vm(VrInventory *inventory)
{
    return vr_inventory_add_vm(inventory, NULL, NULL, NULL);
}

const VrInventoryKind vr_inventory_group_kind = {"groups", group_fields, G_N_ELEMENTS(group_fields),
                                                 add_group};
const VrInventoryKind vr_inventory_host_kind = {"hosts", host_fields, G_N_ELEMENTS(host_fields),
                                                add_host};
const VrInventoryKind vr_inventory_vm_kind = {"vms", vm_fields, G_N_ELEMENTS(vm_fields), add_vm};
