/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the fake world share. */
#pragma once

#include "fake-world.h"

#define FAKE_MS 1000LL
#define FAKE_BEGIN_US (1800000000 * G_GINT64_CONSTANT(1000000))
/* Of every VM, on every host. */
#define FAKE_DEFINITION "<domain/>"

typedef struct {
    gint64 at_us;
    guint64 order;
    void (*run)(FakeWorld *world, gpointer data);
    gpointer data;
} FakeTimer;

typedef struct {
    void (*run)(gpointer data);
    gpointer data;
} FakePost;

typedef struct {
    gint64 at_us;
    char *rollout;
    char *kind;
    char *body;
} FakeRecord;

/* What must never happen has happened. */
void fake_breach(FakeWorld *self, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Runs it when that much time has passed; what is due together runs in the order of the calls. */
void fake_after(FakeWorld *self, gint64 delay_us, void (*run)(FakeWorld *world, gpointer data),
                gpointer data);

/* Counts a call; TRUE if the controller dies with it, or is dead already. */
gboolean fake_dies(FakeWorld *self);

gboolean fake_is_active(VrSide side);

extern const VrHypervisorVTable fake_hypervisor;
extern const VrHostUpdateVTable fake_host_update;
extern const VrJournalVTable fake_journal;
extern const VrClockVTable fake_clock;

/* The executor's; what is posted waits in `posts`. */
void fake_post(gpointer context, void (*run)(gpointer data), gpointer data);

void fake_record_free(gpointer record);
