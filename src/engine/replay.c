/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/replay.h"

#include <virt-roll/engine.h>

typedef struct {
    VrRollout *rollout;
    guint64 sequence;
    GError *error;
} Replaying;

gboolean
vr_replay_record(VrRollout **rollout, const VrRecord *record, GError **error)
{
    g_autoptr(VrEvent) event = vr_event_parse(record, error);

    if (event == NULL)
        return FALSE;
    if (event->kind == VR_EVENT_CREATED && (*rollout)->basis != NULL) {
        vr_rollout_free(*rollout); /* an earlier rollout, done or closed */
        *rollout = vr_rollout_new();
    }
    if (vr_rollout_apply(*rollout, event, error))
        return TRUE;
    g_prefix_error(error, "journal record %" G_GUINT64_FORMAT ": ", record->sequence);
    return FALSE;
}

static gboolean
replay_record(const VrRecord *record, gpointer data)
{
    Replaying *self = data;

    if (!vr_replay_record(&self->rollout, record, &self->error))
        return FALSE;
    self->sequence = record->sequence;
    return TRUE;
}

VrRollout *
vr_replay(const VrJournal *journal, guint64 *out_sequence, GError **error)
{
    Replaying replaying = {vr_rollout_new(), 0, NULL};

    if (!journal->vtable->read(journal->context, 1, replay_record, &replaying, error) ||
        replaying.error != NULL) {
        if (replaying.error != NULL) {
            g_clear_error(error);
            g_propagate_error(error, replaying.error);
        }
        vr_rollout_free(replaying.rollout);
        return NULL;
    }
    *out_sequence = replaying.sequence;
    return replaying.rollout;
}
