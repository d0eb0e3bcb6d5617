/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fleet host while its file is being read: made from defaults, entry and name, in this order. */
#pragma once

#include <virt-roll/fleet.h>

#include "base/reader.h"

G_BEGIN_DECLS

/* What holds if the file says nothing; name and URIs are NULL. */
VrFleetHost *vr_fleet_host_new(void);
VrFleetHost *vr_fleet_host_copy(const VrFleetHost *self);

/*
 * Takes the fields that the reader's present object has, `name` apart. In the defaults a stage may
 * lack its argv, as each host can give it.
 */
void vr_fleet_host_read(VrFleetHost *self, VrReader *reader, gboolean is_defaults);

/* Names it: puts the name for {name}, derives what is missing, and checks it all. */
void vr_fleet_host_finish(VrFleetHost *self, const char *name, VrReader *reader);

void vr_fleet_host_free(VrFleetHost *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrFleetHost, vr_fleet_host_free)

G_END_DECLS
