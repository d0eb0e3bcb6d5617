/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a parsed text, YAML or JSON, to the values that people write. Errors are VR_ERROR_INVALID
 * and name the place; whatever the document, the result is either complete and sound or NULL.
 */
#pragma once

#include <virt-roll/fleet.h>
#include <virt-roll/policy.h>

#include "base/reader.h"

G_BEGIN_DECLS

/* The fleet's path is the document's source. */
VrFleet *vr_fleet_read(const VrDocument *document, GError **error) G_GNUC_WARN_UNUSED_RESULT;

VrPolicy *vr_policy_read(const VrDocument *document, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
