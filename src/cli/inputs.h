/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the commands work on, found by options, environment and defaults, and checked. */
#pragma once

#include <virt-roll/fleet.h>
#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

#include "cli/console.h"
#include "cli/options.h"

G_BEGIN_DECLS

VrFleet *vr_inputs_load_fleet(const VrOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Says so if there is no policy file and the defaults hold. */
VrPolicy *vr_inputs_load_policy(const VrOptions *options, VrConsole *console,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An inventory that somebody has kept. */
VrInventory *vr_inputs_load_inventory(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads the fleet (nullable) only if its name is needed and not known. */
char *vr_inputs_find_state(const VrOptions *options, const VrFleet *fleet,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The update level as given, or the one that all hosts of the fleet (nullable) have in common. */
char *vr_inputs_find_level(const VrOptions *options, const VrFleet *fleet,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Names of host lists: commas, ranges, aliases of the fleet (nullable). NULL without error: no list
 * was given.
 */
char **vr_inputs_expand_hosts(char *const *lists, const VrFleet *fleet,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Can every stage be started, and are those there without which no update ends well? */
gboolean vr_inputs_check_stages(const VrFleet *fleet, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
