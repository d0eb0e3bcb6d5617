/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From options to a plan: what plan and run share. */
#pragma once

#include <virt-roll/plan.h>

#include "adapters/libvirt/hypervisor.h"
#include "cli/options.h"

G_BEGIN_DECLS

/* Owned; filled from top to bottom. */
typedef struct {
    VrFleet *fleet;
    VrPolicy *policy;
    char *level;
    char **hosts;   /* NULL: all */
    char **exclude; /* NULL: none */
    VrLibvirt *libvirt;
    VrInventory *inventory;
    gint64 makespan_max_ms; /* of --finish-by; 0: none */
    VrPlan *plan;
} VrPlanning;

/* Level, hosts and budget, by the options and the fleet (nullable). Changes the policy's limits. */
gboolean vr_planning_read_request(VrPlanning *self, const VrOptions *options,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Connects to every host of the fleet. With definitions: for a rollout's journal. */
gboolean vr_planning_scan(VrPlanning *self, gboolean with_definitions,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean vr_planning_compute(VrPlanning *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What was asked of the planner; borrows. */
VrPlanRequest vr_planning_request(const VrPlanning *self);

/* The plan for a person, with what would shorten it. (transfer full) */
char *vr_planning_show(const VrPlanning *self, guint width);

void vr_planning_clear(VrPlanning *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VrPlanning, vr_planning_clear)

G_END_DECLS
