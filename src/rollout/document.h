/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The three values that a rollout is created on, as the text of its first event. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

/* (transfer full) one JSON object with plan, policy and inventory. */
char *vr_document_write(const VrPlan *plan, const VrPolicy *policy, const VrInventory *inventory);

/* The same back, (transfer full) each; the digest of the plan is checked. VR_ERROR_CORRUPT. */
gboolean vr_document_read(const char *text, VrPlan **out_plan, VrPolicy **out_policy,
                          VrInventory **out_inventory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
