/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In which order the hosts of each pool are thought of as the next to be emptied. */
#pragma once

#include "plan/belt.h"

G_BEGIN_DECLS

typedef enum {
    VR_ORDER_PREFERRED, /* after the request's own order, by the manner's preference */
    VR_ORDER_LONGEST,   /* drain and update take longest: good once all that is left fits */
    VR_ORDER_LIGHTEST,  /* by load: if the first needs more room than there is, all do */
    VR_ORDERS,
} VrOrderKind;

typedef struct {
    guint *heads; /* per pool; VR_NONE */
    guint *next, *previous;
} VrOrder;

/* Open hosts with VMs, as they are now. */
VrOrder *vr_order_new(const VrBelt *belt, VrOrderKind kind);

void vr_order_remove(VrOrder *self, guint pool, guint host);

void vr_order_free(VrOrder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VrOrder, vr_order_free)

G_END_DECLS
