/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts that each pool keeps empty, for one that fails meanwhile. They take no VMs. One that is not
 * updated is relieved at the end by an updated host that stands empty, and updated then; so at no
 * instant, in any order that keeps `after`, are there fewer.
 */
#pragma once

#include "plan/belt.h"

G_BEGIN_DECLS

/* Sets aside as many empty hosts as the policy asks for, or as there are. */
void vr_spare_choose(VrBelt *belt);

/* Takes a host that has just been emptied, if its pool lacks spare ones. */
gboolean vr_spare_take(VrBelt *belt, guint host);

/* Lets hosts that are updated and no longer needed take over from those that are not. */
void vr_spare_relieve(VrBelt *belt);

/* Spare hosts of the policy that cannot be had from empty hosts that are left alone anyway. */
guint vr_spare_needed(const VrProblem *problem, guint pool);

G_END_DECLS
