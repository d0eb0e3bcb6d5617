/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches a rollout until it is over: lines and live part on the console, signals to stop it. */
#pragma once

#include "cli/console.h"
#include "controller/controller.h"

G_BEGIN_DECLS

typedef struct VrFollow VrFollow;

typedef enum {
    VR_FOLLOW_OVER,   /* done, stopped, failed or needs a person: the rollout says which */
    VR_FOLLOW_LEFT,   /* a second signal: what is in hand goes on without us */
    VR_FOLLOW_HALTED, /* the journal took no more */
} VrFollowEnd;

VrFollow *vr_follow_new(VrConsole *console);

/* To open the controller with. */
VrControllerListener vr_follow_listener(VrFollow *self);

/* Before anything is asked of the controller: what it stands at. Takes the rollout. */
void vr_follow_start_from(VrFollow *self, VrController *controller, VrRollout *rollout);

/* Iterates the default main context until the end. VR_ERROR_IO with VR_FOLLOW_HALTED. */
VrFollowEnd vr_follow_run(VrFollow *self, GError **error);

/* A signal has asked for the end. */
gboolean vr_follow_was_stopped(const VrFollow *self);

/* Until the rollout has the phase, for what needs no watching. */
gboolean vr_follow_await(VrFollow *self, VrRolloutPhase phase,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As of the last event. Borrowed. */
const VrRollout *vr_follow_rollout(const VrFollow *self);

/* After the controller has been freed. */
void vr_follow_free(VrFollow *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrFollow, vr_follow_free)

G_END_DECLS
