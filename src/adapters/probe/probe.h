/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The probe port: TCP connections, HTTP requests and the operator's commands. Tries run in a
 * bounded pool of threads; `done` comes from there.
 */
#pragma once

#include <virt-roll/monitor.h>

G_BEGIN_DECLS

typedef struct VrProber VrProber;

VrProber *vr_prober_new(void);
VrProbe vr_prober_port(VrProber *self);
/*
 * Tries under way end as not asked, commands by their timeout; returns when every `done` has
 * returned.
 */
void vr_prober_free(VrProber *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrProber, vr_prober_free)

G_END_DECLS
