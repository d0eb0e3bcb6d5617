/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Actions of the controller on one copy, with the guards that src/adapters/libvirt/act.c has. */
#include "sim/private.h"

#define BIT(value) (1u << (value))

typedef enum { ANY_DEFINITION, IS_DEFINED, IS_TRANSIENT } Definition;

/* The same table as the adapter's: what an action may be asked for by, and on what. */
static const struct {
    guint rows; /* 0: any */
    guint sides;
    Definition definition;
} guards[] = {
    [VR_ACTION_ABORT] = {BIT(VR_ROW_J), BIT(VR_SIDE_RUNNING_JOB), ANY_DEFINITION},
    [VR_ACTION_RESUME_SOURCE] = {BIT(VR_ROW_E), BIT(VR_SIDE_MIGRATION), ANY_DEFINITION},
    [VR_ACTION_DESTROY_SOURCE] = {BIT(VR_ROW_G), BIT(VR_SIDE_MIGRATION), ANY_DEFINITION},
    [VR_ACTION_UNDEFINE_SOURCE] = {BIT(VR_ROW_O), BIT(VR_SIDE_OFF), IS_DEFINED},
    [VR_ACTION_UNDEFINE_TARGET] = {BIT(VR_ROW_B), BIT(VR_SIDE_OFF_FAILED), IS_DEFINED},
    [VR_ACTION_DEFINE_TARGET] = {BIT(VR_ROW_H) | BIT(VR_ROW_N),
                                 BIT(VR_SIDE_RUNNING) | BIT(VR_SIDE_USER), IS_TRANSIENT},
    [VR_ACTION_SET_AUTOSTART] =
        {0, BIT(VR_SIDE_RUNNING) | BIT(VR_SIDE_USER) | BIT(VR_SIDE_OFF_BY_GUEST), IS_DEFINED},
};

typedef struct {
    SimCall call;
    guint vm;
    VrAction action;
    VrRow row;
    VrSide expected;
    char *definition;
    VrCallDone done;
    gpointer data;
} ActCall;

static void
tell_act(const ActCall *self, SimWorld *world, SimFactKind kind, guint controller)
{
    SimFact fact = sim_fact(kind);

    fact.controller = controller;
    fact.vm = self->vm;
    fact.host = self->call.host;
    fact.action = self->action;
    fact.row = self->row;
    sim_world_tell(world, fact);
}

static gboolean
is_its_definition(const SimWorld *world, const ActCall *self)
{
    g_autofree char *wanted = sim_definition_of(sim_vm(world, self->vm));

    return g_strcmp0(self->definition, wanted) == 0;
}

static GError *
find_obstacle(const SimWorld *world, const ActCall *self)
{
    const SimCopy *copy = sim_copy(world, self->vm, self->call.host);
    VrSide side = sim_copy_side(world, self->vm, self->call.host);
    Definition definition = guards[self->action].definition;
    guint rows = guards[self->action].rows;

    if ((rows != 0 && (rows & BIT(self->row)) == 0) ||
        (guards[self->action].sides & BIT(self->expected)) == 0)
        return g_error_new(VR_ERROR, VR_ERROR_REFUSED, "row %s does not allow it",
                           vr_row_to_string(self->row));
    if (self->action == VR_ACTION_DEFINE_TARGET && !is_its_definition(world, self))
        return g_error_new_literal(VR_ERROR, VR_ERROR_REFUSED, "the definition is not its own");
    if (side != self->expected || (definition == IS_DEFINED && !copy->defined) ||
        (definition == IS_TRANSIENT && copy->defined))
        return g_error_new(VR_ERROR, VR_ERROR_CONFLICT, "expected %s, found %s",
                           vr_side_to_string(self->expected), vr_side_to_string(side));
    if (self->action == VR_ACTION_ABORT && copy->job == SIM_JOB_OTHER)
        return g_error_new_literal(VR_ERROR, VR_ERROR_CONFLICT, "its job is no migration");
    return NULL;
}

static GError *
perform(SimWorld *world, const ActCall *self)
{
    guint vm = self->vm;
    guint host = self->call.host;
    SimCopy *copy = sim_copy(world, vm, host);

    switch (self->action) {
    case VR_ACTION_ABORT:
        return sim_migration_abort(world, vm)
                   ? NULL
                   : g_error_new_literal(VR_ERROR, VR_ERROR_CONFLICT, "too late to abort");
    case VR_ACTION_RESUME_SOURCE:
        return sim_guest_run(world, vm, host, FALSE, SIM_BY_CONTROLLER)
                   ? NULL
                   : g_error_new_literal(VR_ERROR, VR_ERROR_FAILED, "its disk is locked elsewhere");
    case VR_ACTION_DESTROY_SOURCE:
        sim_guest_kill(world, vm, host, SIM_OFF_UNKNOWN, SIM_BY_CONTROLLER);
        return NULL;
    case VR_ACTION_UNDEFINE_SOURCE:
    case VR_ACTION_UNDEFINE_TARGET:
        sim_guest_undefine(world, vm, host, SIM_BY_CONTROLLER);
        return NULL;
    case VR_ACTION_DEFINE_TARGET:
        copy->defined = copy->on_disk = TRUE;
        return NULL;
    case VR_ACTION_SET_AUTOSTART:
        copy->autostart = TRUE;
        if (sim_vm(world, vm)->autostart_lost)
            sim_vm(world, vm)->autostart = TRUE;
        return NULL;
    }
    g_assert_not_reached();
}

static gboolean
act_execute(SimWorld *world, SimCall *call)
{
    ActCall *self = (ActCall *)call;

    call->error = find_obstacle(world, self);
    if (call->error == NULL) {
        tell_act(self, world, SIM_FACT_ACT_BEGINS, call->controller_number);
        sim_world_trace(world, "act %s %s %s row %s", vr_action_to_string(self->action),
                        sim_vm(world, self->vm)->name, sim_host(world, call->host)->name,
                        vr_row_to_string(self->row));
        call->error = perform(world, self);
    }
    return TRUE;
}

static void
act_answer(SimCall *call, const GError *error)
{
    ActCall *self = (ActCall *)call;

    self->done(error, self->data);
}

static void
act_clear(SimCall *call)
{
    g_free(((ActCall *)call)->definition);
}

void
sim_act(gpointer context, const VrActionRequest *request, VrCallDone done, gpointer data)
{
    SimController *controller = context;
    SimWorld *world = controller->world;
    ActCall *self = g_new0(ActCall, 1);

    self->call.host = sim_world_find_host(world, request->host);
    self->call.execute = act_execute;
    self->call.answer = act_answer;
    self->call.clear = act_clear;
    self->vm = sim_world_find_vm(world, request->vm_uuid);
    self->action = request->action;
    self->row = request->row;
    self->expected = request->expected;
    self->definition = g_strdup(request->definition);
    self->done = done;
    self->data = data;
    g_assert(self->call.host != SIM_NOWHERE && self->vm != SIM_NOWHERE);
    if (controller->killed) {
        sim_call_hold(world, controller, &self->call);
        return;
    }
    sim_world_trace(world, "call act %s %s %s", vr_action_to_string(request->action),
                    sim_vm(world, self->vm)->name, request->host);
    tell_act(self, world, SIM_FACT_ACT_ISSUED, controller->number);
    if (sim_controller_falters(controller)) {
        sim_call_hold(world, controller, &self->call);
    } else {
        sim_call_send(world, controller, &self->call);
        sim_controller_dies_by_lot(controller);
    }
}
