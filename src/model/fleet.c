/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/fleet.h>

#include <string.h>

VR_DEFINE_ENUM(VrStage, vr_stage, VR_STAGES)

gint
vr_fleet_find_host(const VrFleet *self, const char *name)
{
    for (guint i = 0; i < self->hosts->len; i++) {
        const VrFleetHost *host = vr_fleet_host(self, i);
        if (strcmp(host->name, name) == 0 ||
            g_strv_contains((const char *const *)host->aliases, name))
            return (gint)i;
    }
    return -1;
}

void
vr_fleet_free(VrFleet *self)
{
    if (self == NULL)
        return;
    g_free(self->name);
    g_free(self->path);
    g_ptr_array_unref(self->hosts);
    vr_monitoring_clear(&self->monitoring);
    g_clear_pointer(&self->probes, g_ptr_array_unref);
    g_free(self);
}
