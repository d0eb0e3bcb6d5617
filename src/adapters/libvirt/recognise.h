/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's error of a migration as a row of the table of failures. Pure. */
#pragma once

#include <virt-roll/failure.h>

G_BEGIN_DECLS

/* OTHER if nothing fits. `message` (nullable) as libvirt words it in English. */
VrFailure vr_recognise(int libvirt_code, const char *message);

G_END_DECLS
