/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values that cross the hypervisor port. */
#include <virt-roll/ports.h>

static void
listed_vm_free(gpointer data)
{
    VrListedVm *self = data;

    g_free(self->uuid);
    g_free(self->name);
    g_free(self);
}

VrListing *
vr_listing_new(void)
{
    VrListing *self = g_new0(VrListing, 1);

    self->vms = g_ptr_array_new_with_free_func(listed_vm_free);
    return self;
}

VrListedVm *
vr_listing_add(VrListing *self, const char *uuid, const char *name)
{
    VrListedVm *vm = g_new0(VrListedVm, 1);

    vm->uuid = g_strdup(uuid);
    vm->name = g_strdup(name);
    g_ptr_array_add(self->vms, vm);
    return vm;
}

void
vr_listing_free(VrListing *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->vms);
    g_free(self->host_uuid);
    g_free(self->detail);
    g_free(self);
}

void
vr_reading_clear(VrReading *self)
{
    g_clear_pointer(&self->definition, g_free);
    g_clear_pointer(&self->detail, g_free);
}

void
vr_reading_copy(const VrReading *self, VrReading *out_copy)
{
    *out_copy = *self;
    out_copy->definition = g_strdup(self->definition);
    out_copy->detail = g_strdup(self->detail);
}

void
vr_observation_clear(VrObservation *self)
{
    vr_reading_clear(&self->source);
    vr_reading_clear(&self->target);
    g_clear_pointer(&self->elsewhere_host, g_free);
    g_clear_pointer(&self->elsewhere_detail, g_free);
}
