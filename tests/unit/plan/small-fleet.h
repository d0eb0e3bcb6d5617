/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fleets of a few hosts, written down in a few words. */
#pragma once

#include <virt-roll/error.h>
#include <virt-roll/plan.h>

G_BEGIN_DECLS

/* 10000 MiB, of which VMs may use 9800; 100 vCPUs; 1000 MiB/s; an update takes 100 s. */
VrHost *add_host(VrInventory *inventory, const char *name);

/* `number` makes the uuid and the name "v<number>"; 1 vCPU; half of the memory is resident. */
VrVm *add_vm(VrInventory *inventory, guint number, const char *host, gint64 memory_mib);

/* Seals and plans; the request is for the level "level-1". */
VrPlan *compute(VrInventory *inventory, const VrPolicy *policy, GError **error);

/* One line per step: "2 migrate v1 h2>h3 after 1", "3 gate h3 for h2 after 2", "4 update h2 …". */
char *describe(const VrPlan *plan);

G_END_DECLS
