/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands on their way: started through a port, known by (kind, step, attempt), and turned into an
 * input when they complete, always on the engine's thread.
 */
#pragma once

#include <virt-roll/engine.h>

#include "engine/input-box.h"

G_BEGIN_DECLS

typedef struct VrFlights VrFlights;

/* Completed commands come back through these, on the engine's thread. */
typedef struct {
    gpointer data;
    void (*completed)(gpointer data, VrInputBox *input); /* takes the input */
    void (*progressed)(gpointer data, guint step, guint attempt,
                       const VrMigrationProgress *progress);
} VrFlightsOwner;

VrFlights *vr_flights_new(const VrEnginePorts *ports, const VrFlightsOwner *owner);

/*
 * Starts those of the wanted commands that are not on their way yet. One whose not_after_us has
 * passed is not started: it completes as if refused.
 */
void vr_flights_want(VrFlights *self, const VrRollout *rollout, const GArray *commands,
                     gint64 now_us);

guint vr_flights_count(const VrFlights *self);

/* The owner hears no more; the memory goes with the last completion. */
void vr_flights_release(VrFlights *self);

G_END_DECLS
