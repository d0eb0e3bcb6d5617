/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One record of a journal, taken in. */
#pragma once

#include <virt-roll/ports.h>
#include <virt-roll/rollout.h>

G_BEGIN_DECLS

/*
 * Applies the record; *rollout is exchanged for a new one where another rollout begins. Errors name
 * the record.
 */
gboolean vr_replay_record(VrRollout **rollout, const VrRecord *record,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
