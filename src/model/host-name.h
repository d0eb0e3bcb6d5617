/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#define VR_HOST_NAME_LENGTH_MAX 253 /* as in DNS */

/* A name that is safe in messages, file names and arguments: it begins with no dot or hyphen. */
gboolean vr_host_name_is_valid(const char *name);
