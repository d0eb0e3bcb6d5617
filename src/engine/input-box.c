/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/input-box.h"

VrInputBox *
vr_input_box_new(VrInputKind kind)
{
    VrInputBox *self = g_new0(VrInputBox, 1);

    self->input.kind = kind;
    return self;
}

void
vr_input_box_set_texts(VrInputBox *self, const char *host, const char *vm_uuid, const char *text)
{
    self->input.host = self->host = g_strdup(host);
    self->input.vm_uuid = self->vm_uuid = g_strdup(vm_uuid);
    self->input.text = self->text = g_strdup(text);
}

void
vr_input_box_set_listing(VrInputBox *self, const VrListing *listing)
{
    self->listing = vr_listing_new();
    self->listing->reachable = listing->reachable;
    self->listing->host_uuid = g_strdup(listing->host_uuid);
    self->listing->failure = listing->failure;
    self->listing->detail = g_strdup(listing->detail);
    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        VrListedVm *copy = vr_listing_add(self->listing, vm->uuid, vm->name);
        copy->side = vm->side;
        copy->active = vm->active;
        copy->autostart = vm->autostart;
        copy->persistent = vm->persistent;
        copy->memory_mib = vm->memory_mib;
    }
    self->input.listing = self->listing;
}

void
vr_input_box_set_error(VrInputBox *self, const GError *error)
{
    self->error = error != NULL ? g_error_copy(error) : NULL;
    self->input.error = self->error;
}

void
vr_input_box_set_stage(VrInputBox *self, const VrStageResult *result)
{
    self->output = g_strdup(result->output != NULL ? result->output : "");
    self->stage = *result;
    self->stage.output = self->output;
    self->input.stage = &self->stage;
}

void
vr_input_box_set_baseline(VrInputBox *self, const VrBaseline *baseline)
{
    self->baseline = *baseline;
    self->input.baseline = &self->baseline;
}

void
vr_input_box_set_verdict(VrInputBox *self, const VrHealthVerdict *verdict)
{
    self->verdict = *verdict;
    self->input.verdict = &self->verdict;
}

void
vr_input_box_take_plan(VrInputBox *self, VrPlan *plan, VrInventory *inventory)
{
    self->input.plan = self->plan = plan;
    self->input.inventory = self->inventory = inventory;
}

void
vr_input_box_take_observation(VrInputBox *self, VrObservation *observation)
{
    self->observation = *observation;
    *observation = (VrObservation){0};
    self->input.observation = &self->observation;
}

void
vr_input_box_free(VrInputBox *self)
{
    if (self == NULL)
        return;
    vr_observation_clear(&self->observation);
    vr_listing_free(self->listing);
    g_clear_error(&self->error);
    g_free(self->output);
    g_free(self->host);
    g_free(self->vm_uuid);
    g_free(self->text);
    vr_plan_free(self->plan);
    vr_inventory_free(self->inventory);
    g_free(self);
}
