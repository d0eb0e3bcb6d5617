/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cost model of forecasts: docs/reference/plan.md, "Forecast times". */
#pragma once

#include <virt-roll/inventory.h>
#include <virt-roll/policy.h>

G_BEGIN_DECLS

/* The most that one migration between links of these widths is given, at least 1 MiB/s. */
gint64 vr_cost_full_rate(const VrLimits *limits, gint64 source_link, gint64 target_link);

/* The least at which one is started rather than made to wait. */
gint64 vr_cost_least_rate(gint64 full_rate);

/* What of a VM its migration depends on. */
typedef struct {
    gint64 resident_mib, dirty_mib_per_s;
} VrCargo;

/* How long it takes at that rate. */
gint64 vr_cost_migration_ms(const VrLimits *limits, const VrCargo *cargo, gint64 rate_mib_per_s);

/* What its migration at that rate takes of a link, as MiB that could have been sent meanwhile. */
gint64 vr_cost_link_mib(const VrLimits *limits, const VrCargo *cargo, gint64 rate_mib_per_s);

G_END_DECLS
