/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside the engine: the watch over the VMs while hosts are in their gates. It asks each host for a
 * sample per interval, keeps what the judgement needs (nothing of it is journaled), and tells what
 * a VM was like before its migration and when the judgement of a host changes. A new process
 * starts with nothing: until it has judged anew, gates stand still.
 */
#pragma once

#include <virt-roll/engine.h>

#include "engine/input-box.h"

G_BEGIN_DECLS

typedef struct VrWatch VrWatch;

typedef void (*VrWatchTold)(gpointer data, VrInputBox *input); /* on the engine's thread; taken */

VrWatch *vr_watch_new(const VrEnginePorts *ports, VrWatchTold told, gpointer data);

/* Ends the present interval and begins the next, if it is time. The rollout has a basis. */
void vr_watch_tick(VrWatch *self, const VrRollout *rollout, gint64 now_us);
/* When that is; G_MAXINT64: nothing is watched. */
gint64 vr_watch_next_us(const VrWatch *self, const VrRollout *rollout);

/* Late samples are dropped. */
void vr_watch_release(VrWatch *self);

G_END_DECLS
