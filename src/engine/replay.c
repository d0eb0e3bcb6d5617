/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/engine.h>

typedef struct {
    VrRollout *rollout;
    guint64 sequence;
    GError *error;
} Replaying;

static gboolean
replay_record(const VrRecord *record, gpointer data)
{
    Replaying *self = data;
    g_autoptr(VrEvent) event = vr_event_parse(record, &self->error);

    if (event == NULL)
        return FALSE;
    if (event->kind == VR_EVENT_CREATED && self->rollout->basis != NULL) {
        vr_rollout_free(self->rollout); /* an earlier rollout, done or closed */
        self->rollout = vr_rollout_new();
    }
    if (!vr_rollout_apply(self->rollout, event, &self->error)) {
        g_prefix_error(&self->error, "journal record %" G_GUINT64_FORMAT ": ", record->sequence);
        return FALSE;
    }
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
