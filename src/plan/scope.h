/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which hosts a request is about, and which of them must be left out. */
#pragma once

#include "plan/problem.h"

G_BEGIN_DECLS

/*
 * Gives the role VR_ROLE_SKIPPED to hosts that the request leaves out and to those that cannot be
 * emptied whatever the room. VR_ERROR_NOT_FOUND: the request names a host that is not there.
 */
gboolean vr_scope_apply(VrProblem *problem, const VrPlanRequest *request,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
