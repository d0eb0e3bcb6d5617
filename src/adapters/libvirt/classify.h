/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's state of a domain as a class of the recovery table. Pure. */
#pragma once

#include <virt-roll/recovery.h>

G_BEGIN_DECLS

/* `state` and `reason` as of virDomainGetState; `active`: the domain has a libvirt id. */
VrSide vr_classify_side(int state, int reason, gboolean has_job, gboolean active, VrRole role);

/* "paused (migration)"; for people. (transfer full) */
char *vr_classify_describe(int state, int reason, gboolean has_job);

G_END_DECLS
