/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between orders.c and the order that fills a file of its own. */
#pragma once

#include "order-world.h"

void order_pipeline_run(World *world);
