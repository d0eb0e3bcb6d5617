/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One process of the controller in the simulated world: its ports, its executor and its clock. It
 * can be killed at any moment; what it has asked for goes on without it.
 */
#pragma once

#include <virt-roll/engine.h>

#include "sim/world.h"

G_BEGIN_DECLS

typedef struct SimController SimController;

SimController *sim_controller_new(SimWorld *world);

/* For vr_engine_new; valid until the controller is freed. The world's host names outlive it. */
VrEnginePorts sim_controller_ports(SimController *self);
guint sim_controller_number(const SimController *self);

/* Runs what was posted to its executor. FALSE: nothing was. Nothing while it is stalled. */
gboolean sim_controller_run_posts(SimController *self);

/* A fault says that it dies now; its owner frees the engine, then the controller. */
gboolean sim_controller_is_killed(const SimController *self);
gboolean sim_controller_is_stalled(const SimController *self);
void sim_controller_kill(SimController *self);

/* How far its clock is from the world's. */
gint64 sim_controller_clock_offset_us(const SimController *self);

/* Answers every call that is still open, for the engine's memory; free the engine before. */
void sim_controller_free(SimController *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimController, sim_controller_free)

G_END_DECLS
