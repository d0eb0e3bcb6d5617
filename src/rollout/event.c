/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/rollout.h>

VrEvent *
vr_event_new(VrEventKind kind, gint64 at_us)
{
    VrEvent *self = g_new0(VrEvent, 1);

    self->kind = kind;
    self->at_us = at_us;
    self->row = -1;
    self->side = -1;
    self->libvirt_id = VR_UNKNOWN;
    self->cpu_time_ns = VR_UNKNOWN;
    self->stats = (VrMigrationStats){VR_UNKNOWN, VR_UNKNOWN, VR_UNKNOWN};
    return self;
}

VrEvent *
vr_event_copy(const VrEvent *self)
{
    VrEvent *copy = g_memdup2(self, sizeof *self);

    copy->rollout = g_strdup(self->rollout);
    copy->silent = g_strdup(self->silent);
    copy->host = g_strdup(self->host);
    copy->reason = g_strdup(self->reason);
    copy->text = g_strdup(self->text);
    if (self->definition != NULL)
        copy->definition = g_ref_string_acquire(self->definition);
    return copy;
}

void
vr_event_free(VrEvent *self)
{
    if (self == NULL)
        return;
    g_free(self->rollout);
    g_free(self->silent);
    g_free(self->host);
    g_free(self->reason);
    g_free(self->text);
    g_clear_pointer(&self->definition, g_ref_string_release);
    g_free(self);
}
