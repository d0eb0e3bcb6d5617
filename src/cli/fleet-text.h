/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fleet file that `fleet init` writes: sound as it is, with what else it could say in comments.
 */
#pragma once

#include <virt-roll/inventory.h>

G_BEGIN_DECLS

/* "kvm.dc1" of "kvm[001-300].dc1"; a name that a fleet may have in any case. (transfer full) */
char *vr_fleet_text_name(const char *pattern);

/* `inventory` (nullable) adds what was found on each host. (transfer full) */
char *vr_fleet_text_format(const char *name, const char *uri, char *const *hosts,
                           const VrInventory *inventory);

G_END_DECLS
