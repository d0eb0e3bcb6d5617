/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Told when somebody wants us to stop: SIGINT, SIGTERM, SIGHUP, or Ctrl-C on the terminal. While it
 * watches, the terminal gives Ctrl-C to us as a key and sends no signal: that would go to the whole
 * process group, so to the ssh processes of libvirt's connections too, and cut the very migration
 * that is to be finished.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct VrStopWatch VrStopWatch;

/* `wanted` is called on the default main context, each time. One per process. */
VrStopWatch *vr_stop_watch_new(void (*wanted)(gpointer data), gpointer data);

/* Gives the terminal back as it was. */
void vr_stop_watch_free(VrStopWatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrStopWatch, vr_stop_watch_free)

G_END_DECLS
