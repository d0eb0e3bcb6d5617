/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread with a main context of its own, for an engine: runs what is posted, in order, and ticks
 * the engine when its next deadline comes.
 */
#pragma once

#include <virt-roll/engine.h>

G_BEGIN_DECLS

typedef struct VrEngineThread VrEngineThread;

VrEngineThread *vr_engine_thread_new(void);
VrExecutor vr_engine_thread_executor(VrEngineThread *self);

/* Whose deadlines it keeps. Before anything is posted; the engine must outlive the thread. */
void vr_engine_thread_set_engine(VrEngineThread *self, VrEngine *engine);

/* Runs it on the thread and waits for its end. Not from the thread itself. */
void vr_engine_thread_call(VrEngineThread *self, void (*run)(gpointer data), gpointer data);

/* Ends the loop and joins; what is posted later is never run. */
void vr_engine_thread_stop(VrEngineThread *self);

/* Of a stopped thread to which nobody will post again. */
void vr_engine_thread_free(VrEngineThread *self);

G_END_DECLS
