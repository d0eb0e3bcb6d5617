/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where virt-roll-stage is: beside this program (a build tree), else installed. (transfer full) */
char *vr_helper_path(void);
