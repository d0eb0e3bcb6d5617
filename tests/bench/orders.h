/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The orders in which others roll a fleet, and the simplest pipelined one, as baselines for the
 * planner: played through in a world of the same hosts, limits and cost model.
 */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

G_BEGIN_DECLS

typedef enum {
    ORDER_HOST_BY_HOST_AND_BACK, /* Xen Orchestra: VMs anywhere; at the end each one goes home */
    ORDER_HOST_BY_HOST,          /* oVirt, CloudStack: VMs anywhere */
    ORDER_WAVES_AND_BACK,        /* what hroller assumes: after each wave its VMs go home */
    ORDER_WAVES,                 /* as many hosts at once as may be down and can be emptied */
    ORDER_PIPELINE,              /* VMs only onto updated hosts, several drains at once */
    ORDERS,
} Order;

typedef struct {
    gint64 migrations, makespan_ms, exposure_vm_ms;
    gint64 migrations_in_flight_peak, hosts_down_peak;
    guint hosts_left; /* that it did not manage to empty */
    gint64 plan_us;   /* processor time */
} OrderResult;

const char *order_to_string(Order order);

OrderResult order_run(Order order, const VrInventory *inventory, const VrPolicy *policy);

G_END_DECLS
