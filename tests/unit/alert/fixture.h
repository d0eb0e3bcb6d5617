/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Alerts, and a fleet: h1, h2 with alias "node2", h3.dc1 with alias "h3.dc1:9100". */
#pragma once

#include "../base/expect.h"

#include <virt-roll/alert.h>

typedef struct {
    VrFleet *fleet;
    VrPolicy *policy;
    VrAlertMapping *mapping;
} Fixture;

#define S_US 1000000LL
#define NOW_US (1795316400LL * S_US)

/* `alerts` and `monitoring` are JSON of the policy's list and of the fleet's section. */
Fixture fixture_new(const char *alerts, const char *monitoring);
void fixture_clear(Fixture *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

/* An alert as it is received; labels "name=value,name=value". `ends_us` 0: it fires. */
VrAlertMessage *fixture_message(void);
void fixture_add(VrAlertMessage *message, const char *fingerprint, const char *labels,
                 gint64 starts_us, gint64 ends_us);
