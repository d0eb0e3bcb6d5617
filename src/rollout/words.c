/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of the layer's enumerations: one list each, in the public headers. */
#include <string.h>

#include <virt-roll/rollout.h>

VR_DEFINE_ENUM(VrSide, vr_side, VR_SIDES)
VR_DEFINE_ENUM(VrElsewhere, vr_elsewhere, VR_ELSEWHERES)
VR_DEFINE_ENUM(VrRole, vr_role, VR_ROLES)
VR_DEFINE_ENUM(VrRow, vr_row, VR_ROWS)
VR_DEFINE_ENUM(VrDecision, vr_decision, VR_DECISIONS)
VR_DEFINE_ENUM(VrAction, vr_action, VR_ACTIONS)
VR_DEFINE_ENUM(VrStageEnd, vr_stage_end, VR_STAGE_ENDS)
VR_DEFINE_ENUM(VrAppend, vr_append, VR_APPENDS)
VR_DEFINE_ENUM(VrPhase, vr_phase, VR_PHASES)
VR_DEFINE_ENUM(VrRolloutPhase, vr_rollout_phase, VR_ROLLOUT_PHASES)
VR_DEFINE_ENUM(VrInputKind, vr_input_kind, VR_INPUTS)
VR_DEFINE_ENUM(VrEventKind, vr_event_kind, VR_EVENTS)
VR_DEFINE_ENUM(VrCommandKind, vr_command_kind, VR_COMMANDS)
