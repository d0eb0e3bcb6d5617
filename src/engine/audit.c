/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/audit.h"

#include <string.h>

#include "base/time.h"
#include "engine/replay.h"

typedef struct {
    VrAudit *audit;
    VrRollout *rollout;
} Auditing;

static void
audited_free(gpointer data)
{
    VrAuditedRollout *self = data;

    g_free(self->rollout);
    g_free(self);
}

/* Its entry, a new one if the record begins it. */
static VrAuditedRollout *
find_entry(VrAudit *audit, const VrRecord *record)
{
    GPtrArray *rollouts = audit->rollouts;
    VrAuditedRollout *last =
        rollouts->len > 0 ? g_ptr_array_index(rollouts, rollouts->len - 1) : NULL;

    if (last != NULL && strcmp(last->rollout, record->rollout) == 0)
        return last;
    VrAuditedRollout *entry = g_new0(VrAuditedRollout, 1);
    entry->rollout = g_strdup(record->rollout);
    entry->first = record->sequence;
    entry->begun_us = record->at_us;
    g_ptr_array_add(rollouts, entry);
    return entry;
}

static gboolean
audit_record(const VrRecord *record, gpointer data)
{
    Auditing *self = data;

    if (!vr_replay_record(&self->rollout, record, &self->audit->problem)) {
        g_autofree char *time = vr_time_format_utc(record->at_us);
        g_autofree char *which = g_strdup_printf(" (%s, %s)", record->kind, time);
        g_autofree char *text = g_strconcat(self->audit->problem->message, which, NULL);
        g_clear_error(&self->audit->problem);
        self->audit->problem = g_error_new_literal(VR_ERROR, VR_ERROR_CORRUPT, text);
        return FALSE;
    }
    VrAuditedRollout *entry = find_entry(self->audit, record);
    entry->phase = self->rollout->phase;
    entry->last = record->sequence;
    entry->last_us = record->at_us;
    self->audit->records = record->sequence;
    return TRUE;
}

VrAudit *
vr_audit_new(const VrJournal *journal)
{
    VrAudit *self = g_new0(VrAudit, 1);
    Auditing auditing = {self, vr_rollout_new()};
    g_autoptr(GError) error = NULL;

    self->rollouts = g_ptr_array_new_with_free_func(audited_free);
    if (!journal->vtable->read(journal->context, 1, audit_record, &auditing, &error))
        self->problem = g_steal_pointer(&error);
    vr_rollout_free(auditing.rollout);
    return self;
}

void
vr_audit_free(VrAudit *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->rollouts);
    g_clear_error(&self->problem);
    g_free(self);
}
