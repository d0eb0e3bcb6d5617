/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The values that a rollout is created on, or revised to, as the text of an event. */
#pragma once

#include <virt-roll/plan.h>

G_BEGIN_DECLS

/* (transfer full) one JSON object with plan, policy and inventory. */
char *vr_document_write(const VrPlan *plan, const VrPolicy *policy, const VrInventory *inventory);

/* The same back, (transfer full) each; the digest of the plan is checked. VR_ERROR_CORRUPT. */
gboolean vr_document_read(const char *text, VrPlan **out_plan, VrPolicy **out_policy,
                          VrInventory **out_inventory, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What a revision of the plan brings. */
typedef struct {
    VrPlan *plan;           /* the combined one */
    VrInventory *inventory; /* of the whole fleet */
    GArray *superseded;     /* (element-type guint) ids, ascending */
    GArray *set_aside;      /* (element-type guint) ids, ascending */
    gboolean automatic;     /* no person was asked */
} VrRevisedDocument;

/* (transfer full) one JSON object. */
char *vr_document_write_revised(const VrRevisedDocument *revised);
/* The same back, all members (transfer full). VR_ERROR_CORRUPT, or of a parser. */
gboolean vr_document_read_revised(const char *text, VrRevisedDocument *out_revised,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
void vr_document_clear_revised(VrRevisedDocument *revised);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VrRevisedDocument, vr_document_clear_revised)

/* Steps that come after all that the plan has, and VMs for which there is no step. */
char *vr_document_write_added(const VrPlan *plan, guint from, const GPtrArray *staying);
/* Appends the steps to the plan, and the VMs' UUIDs (owned) to `staying`. VR_ERROR_INVALID. */
gboolean vr_document_read_added(const char *text, VrPlan *plan, GPtrArray *staying,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
