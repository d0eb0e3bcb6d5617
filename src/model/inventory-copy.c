/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One inventory, or parts of it, in another. */
#include <virt-roll/inventory.h>

VrHost *
vr_inventory_copy_host(VrInventory *self, const VrHost *host)
{
    VrHost *copy = vr_inventory_add_host(self, host->name);
    VrHost added = *copy;

    *copy = *host;
    copy->name = added.name;
    g_free(added.pool);
    copy->pool = g_strdup(host->pool);
    copy->hardware_class = g_strdup(host->hardware_class);
    copy->failure_domain = g_strdup(host->failure_domain);
    copy->uuid = g_strdup(host->uuid);
    copy->cpu_model = g_strdup(host->cpu_model);
    copy->hypervisor_version = g_strdup(host->hypervisor_version);
    copy->libvirt_version = g_strdup(host->libvirt_version);
    copy->update_level = g_strdup(host->update_level);
    return copy;
}

VrVm *
vr_inventory_copy_vm(VrInventory *self, const VrVm *vm)
{
    VrVm *copy = vr_inventory_add_vm(self, vm->uuid, vm->name, vm->host);
    VrVm added = *copy;

    *copy = *vm;
    copy->uuid = added.uuid;
    copy->name = added.name;
    copy->host = added.host;
    copy->unmovable_reason = g_strdup(vm->unmovable_reason);
    copy->business_unit = g_strdup(vm->business_unit);
    copy->group = g_strdup(vm->group);
    copy->service_class = g_strdup(vm->service_class);
    copy->title = g_strdup(vm->title);
    copy->disks = g_strdup(vm->disks);
    copy->devices = g_strdup(vm->devices);
    copy->metadata = g_strdup(vm->metadata);
    if (vm->definition != NULL)
        copy->definition = g_ref_string_acquire(vm->definition);
    return copy;
}

VrGroup *
vr_inventory_copy_group(VrInventory *self, const VrGroup *group)
{
    VrGroup *copy = vr_inventory_add_group(self, group->name, group->rule);

    copy->max_per_host = group->max_per_host;
    for (guint i = 0; i < group->hosts->len; i++)
        g_ptr_array_add(copy->hosts, g_strdup(g_ptr_array_index(group->hosts, i)));
    return copy;
}

VrInventory *
vr_inventory_copy(const VrInventory *self)
{
    VrInventory *copy = vr_inventory_new();

    copy->taken_at_us = self->taken_at_us;
    for (guint i = 0; i < self->hosts->len; i++)
        (void)vr_inventory_copy_host(copy, vr_inventory_host(self, i));
    for (guint i = 0; i < self->groups->len; i++)
        (void)vr_inventory_copy_group(copy, vr_inventory_group(self, i));
    for (guint i = 0; i < self->vms->len; i++)
        (void)vr_inventory_copy_vm(copy, vr_inventory_vm(self, i));
    if (!vr_inventory_seal(copy, NULL))
        g_assert_not_reached(); /* it was sealed */
    return copy;
}
