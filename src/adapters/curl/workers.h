/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bounded pool for calls that block. Each job is run exactly once, also when it comes too late or
 * there are too many: then `cancelled` is set and it has to end at once.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct VrWorkers VrWorkers;

/* `cancelled`: atomic, may become non-zero while it runs. Frees the job. */
typedef void (*VrJobFunc)(gpointer job, const gint *cancelled);

VrWorkers *vr_workers_new(VrJobFunc run, guint threads_max, guint waiting_max);
/* Any thread. Over the limit the job is run cancelled, in the caller's thread. (transfer job) */
void vr_workers_push(VrWorkers *self, gpointer job);
/* Cancels what runs and waits, and returns when all of it has ended. */
void vr_workers_free(VrWorkers *self);

G_END_DECLS
