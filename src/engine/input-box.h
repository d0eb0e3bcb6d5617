/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An input that owns what it points to, so that it can wait in the engine's queue. */
#pragma once

#include <virt-roll/rollout.h>

G_BEGIN_DECLS

typedef struct {
    VrInput input; /* points into the fields below */
    VrObservation observation;
    VrListing *listing;
    GError *error;
    VrStageResult stage;
    char *output;
    char *host;
    char *vm_uuid;
    char *text;
    VrPlan *plan;
    VrInventory *inventory;
    VrBaseline baseline;
    VrHealthVerdict verdict;
} VrInputBox;

VrInputBox *vr_input_box_new(VrInputKind kind);

/* Each copies its argument and points the input to the copy. */
void vr_input_box_set_texts(VrInputBox *self, const char *host, const char *vm_uuid,
                            const char *text);
void vr_input_box_set_listing(VrInputBox *self, const VrListing *listing);
void vr_input_box_set_error(VrInputBox *self, const GError *error);
void vr_input_box_set_stage(VrInputBox *self, const VrStageResult *result);
void vr_input_box_set_baseline(VrInputBox *self, const VrBaseline *baseline);
void vr_input_box_set_verdict(VrInputBox *self, const VrHealthVerdict *verdict);
/* Takes both. */
void vr_input_box_take_plan(VrInputBox *self, VrPlan *plan, VrInventory *inventory);
/* Takes the contents of the observation. */
void vr_input_box_take_observation(VrInputBox *self, VrObservation *observation);

void vr_input_box_free(VrInputBox *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrInputBox, vr_input_box_free)

G_END_DECLS
