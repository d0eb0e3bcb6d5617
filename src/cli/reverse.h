/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back for hosts whose update turned out bad: what to plan for them. */
#pragma once

#include <virt-roll/rollout.h>

G_BEGIN_DECLS

typedef struct {
    char **hosts; /* that the rollout updated */
    char *level;  /* that they had before */
} VrReverse;

/*
 * `level` (nullable) is what a person says; without it, the hosts must have had one level in
 * common. VR_ERROR_NOT_FOUND: it is another rollout, or has updated nothing. VR_ERROR_REFUSED: it
 * is not over, or the hosts had different levels or told none.
 */
gboolean vr_reverse_find(const VrRollout *rollout, const char *id, const char *level,
                         VrReverse *out_reverse, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
