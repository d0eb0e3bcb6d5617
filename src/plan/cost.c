/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/cost.h"

gint64
vr_cost_full_rate(const VrLimits *limits, gint64 source_link, gint64 target_link)
{
    gint64 link = MIN(source_link, target_link);
    gint64 share = link / 1000 * limits->stream_link_permille +
                   link % 1000 * limits->stream_link_permille / 1000;

    return MAX(MIN(limits->stream_mib_per_s, share), 1);
}

gint64
vr_cost_least_rate(gint64 full_rate)
{
    return (full_rate + 1) / 2;
}

gint64
vr_cost_migration_ms(const VrLimits *limits, const VrCargo *cargo, gint64 rate_mib_per_s)
{
    g_assert(rate_mib_per_s > 0);
    /* Pages dirtied meanwhile are sent again: at most 80 % of the rate is lost to them. */
    gint64 fifths = MAX(rate_mib_per_s, 5 * (rate_mib_per_s - cargo->dirty_mib_per_s));

    return limits->migration_overhead_ms + (5000 * cargo->resident_mib + fifths - 1) / fifths;
}

gint64
vr_cost_link_mib(const VrLimits *limits, const VrCargo *cargo, gint64 rate_mib_per_s)
{
    return rate_mib_per_s * vr_cost_migration_ms(limits, cargo, rate_mib_per_s) / 1000;
}
