/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside the rollout layer: what becomes of a step when the plan is revised. */
#pragma once

#include <virt-roll/revision.h>

G_BEGIN_DECLS

typedef enum {
    VR_FATE_KEPT,       /* has ended well, watches, or goes on as it is */
    VR_FATE_SUPERSEDED, /* its work, as far as it is left, is planned anew */
    VR_FATE_SET_ASIDE,  /* its host is lost: for a person, and in nobody's way */
    VR_FATE_UNCERTAIN   /* nobody may plan on what it has left behind */
} VrFate;

VrFate vr_revision_fate(const VrStepState *step);

/* Has the host been closed by any step of the rollout, and not been opened since? */
gboolean vr_revision_is_closed(const VrRollout *rollout, const char *host);

G_END_DECLS
