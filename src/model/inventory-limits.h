/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Defaults and limits that fleet file and inventory share; the rest stands in inventory.h. */
#pragma once

#include <virt-roll/inventory.h>

#define VR_LINK_MIB_PER_S 1192 /* default: 10 Gbit/s */
#define VR_UPDATE_S 900        /* default */

#define VR_VCPUS_MAX 1000000
#define VR_RATE_MIB_PER_S_MAX 10000000
#define VR_UPDATE_S_MAX (7 * 86400)
/* More than 1000, because a VM's CPU time counts its emulator threads too. */
#define VR_CPU_USED_PERMILLE_MAX 100000
