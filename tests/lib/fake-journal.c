/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-world-private.h"

void
fake_record_free(gpointer data)
{
    FakeRecord *record = data;

    g_free(record->rollout);
    g_free(record->kind);
    g_free(record->body);
    g_free(record);
}

typedef struct {
    VrAppendDone done;
    gpointer data;
} FakeAppend;

static void
acknowledge(FakeWorld *self, gpointer data)
{
    FakeAppend *append = data;
    (void)self;

    append->done(VR_APPEND_DURABLE, NULL, append->data);
    g_free(append);
}

static void
fake_append(gpointer context, const VrRecord *records, guint count, VrAppendDone done,
            gpointer data)
{
    FakeWorld *self = context;

    if (fake_dies(self)) {
        done(VR_APPEND_UNKNOWN, "the controller is dead", data);
        return;
    }
    if (self->append_outcome != VR_APPEND_DURABLE) {
        done(self->append_outcome, "disk full", data);
        return;
    }
    for (guint i = 0; i < count; i++) {
        FakeRecord *copy = g_new0(FakeRecord, 1);
        if (records[i].sequence != self->records->len + 1)
            fake_breach(self, "journal: sequence %u after %u", (guint)records[i].sequence,
                        self->records->len);
        *copy = (FakeRecord){records[i].at_us, g_strdup(records[i].rollout),
                             g_strdup(records[i].kind), g_strdup(records[i].body)};
        g_ptr_array_add(self->records, copy);
    }
    (void)fake_dies(self); /* durable, and dead before it hears so */
    if (self->append_us == 0) {
        done(VR_APPEND_DURABLE, NULL, data);
        return;
    }
    FakeAppend *append = g_new(FakeAppend, 1);
    *append = (FakeAppend){done, data};
    fake_after(self, self->append_us, acknowledge, append);
}

static gboolean
fake_read_journal(gpointer context, guint64 from_sequence, VrRecordSeen seen, gpointer data,
                  GError **error)
{
    FakeWorld *self = context;
    (void)error;

    for (guint i = (guint)from_sequence - 1; i < self->records->len; i++) {
        const FakeRecord *stored = g_ptr_array_index(self->records, i);
        VrRecord record = {i + 1,        stored->at_us,    stored->rollout,
                           stored->kind, VR_EVENT_VERSION, stored->body};
        if (!seen(&record, data))
            break;
    }
    return TRUE;
}

static gint64
fake_now(gpointer context)
{
    const FakeWorld *self = context;

    return self->now_us - self->clock_back_us;
}

void
fake_post(gpointer context, void (*run)(gpointer data), gpointer data)
{
    FakeWorld *self = context;
    FakePost *post = g_new(FakePost, 1);

    *post = (FakePost){run, data};
    g_queue_push_tail(&self->posts, post);
}

const VrJournalVTable fake_journal = {fake_append, fake_read_journal};
const VrClockVTable fake_clock = {fake_now};
