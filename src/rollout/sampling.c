/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/ports.h>

static void
sampled_vm_free(gpointer data)
{
    VrSampledVm *self = data;

    g_free(self->uuid);
    g_free(self);
}

VrSampling *
vr_sampling_new(void)
{
    VrSampling *self = g_new0(VrSampling, 1);

    self->vms = g_ptr_array_new_with_free_func(sampled_vm_free);
    return self;
}

VrSampledVm *
vr_sampling_add(VrSampling *self, const char *uuid)
{
    VrSampledVm *vm = g_new0(VrSampledVm, 1);

    vm->uuid = g_strdup(uuid);
    g_ptr_array_add(self->vms, vm);
    return vm;
}

VrSampling *
vr_sampling_copy(const VrSampling *self)
{
    VrSampling *copy = vr_sampling_new();

    copy->reachable = self->reachable;
    copy->detail = g_strdup(self->detail);
    copy->cpus = self->cpus;
    for (guint i = 0; i < self->vms->len; i++) {
        const VrSampledVm *vm = g_ptr_array_index(self->vms, i);
        VrSampledVm *added = vr_sampling_add(copy, vm->uuid);
        added->crashed = vm->crashed;
        added->io_error = vm->io_error;
        added->sample = vm->sample;
    }
    return copy;
}

void
vr_sampling_free(VrSampling *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->vms);
    g_free(self->detail);
    g_free(self);
}
