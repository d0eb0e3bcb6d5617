/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <virt-roll/error.h>
#include <virt-roll/health.h>

VR_DEFINE_ENUM(VrHealthTier, vr_health_tier, VR_HEALTH_TIERS)
VR_DEFINE_ENUM(VrHealthCause, vr_health_cause, VR_HEALTH_CAUSES)
VR_DEFINE_ENUM(VrHealthRule, vr_health_rule, VR_HEALTH_RULES)
VR_DEFINE_ENUM(VrHealthEvent, vr_health_event, VR_HEALTH_EVENTS)

#define LIMIT_DEFAULT(member, value, least, most) .member = value,

VrHealthLimits
vr_health_limits_default(void)
{
    return (VrHealthLimits){VR_HEALTH_LIMITS(LIMIT_DEFAULT)};
}

typedef struct {
    const char *name;
    gsize offset;
    gint64 least, most;
} LimitRow;

#define LIMIT_ROW(member, value, least, most)                                                      \
    {#member, G_STRUCT_OFFSET(VrHealthLimits, member), least, most},

static const LimitRow limit_rows[] = {VR_HEALTH_LIMITS(LIMIT_ROW)};

/* The first must not be over the second. */
typedef struct {
    const char *low_name;
    gsize low;
    const char *high_name;
    gsize high;
    const char *why;
} LimitOrder;

#define ORDER(lower, higher, reason)                                                               \
    {                                                                                              \
#lower, G_STRUCT_OFFSET(VrHealthLimits, lower), #higher,                                   \
            G_STRUCT_OFFSET(VrHealthLimits, higher), reason                                        \
    }

static const LimitOrder limit_orders[] = {
    ORDER(steal_relative_permille, steal_critical_permille, "critical is the worse of the two"),
    ORDER(io_relative_q8, io_critical_q8, "critical is the worse of the two"),
    ORDER(steal_critical_wall_permille, severe_steal_permille, "severe is the worse of the two"),
    ORDER(io_floor_us, severe_io_us, "what hurts nobody cannot be severe"),
    ORDER(cpu_severe_max_permille, cpu_max_permille,
          "severe steal acts at once, so it must be blamed on the update less easily"),
    ORDER(drift_steal_allowance_permille, drift_steal_limit_permille,
          "drift would be found in a single minute"),
    ORDER(drift_io_allowance_q8, drift_io_limit_q8, "drift would be found in a single minute"),
};

static gint64
value_at(const VrHealthLimits *self, gsize offset)
{
    return G_STRUCT_MEMBER(gint64, self, offset);
}

gboolean
vr_health_limits_check(const VrHealthLimits *self, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(limit_rows); i++) {
        const LimitRow *row = &limit_rows[i];
        const gint64 value = value_at(self, row->offset);
        if (value < row->least || value > row->most) {
            vr_error_set(error, VR_ERROR_INVALID,
                         "health.%s: %" G_GINT64_FORMAT " is not from %" G_GINT64_FORMAT
                         " to %" G_GINT64_FORMAT,
                         row->name, value, row->least, row->most);
            return FALSE;
        }
    }
    for (guint i = 0; i < G_N_ELEMENTS(limit_orders); i++) {
        const LimitOrder *row = &limit_orders[i];
        const gint64 low = value_at(self, row->low), high = value_at(self, row->high);
        if (low > high) {
            vr_error_set(error, VR_ERROR_INVALID,
                         "health.%s: %" G_GINT64_FORMAT " is over health.%s, %" G_GINT64_FORMAT
                         ": %s; lower the first or raise the second",
                         row->low_name, low, row->high_name, high, row->why);
            return FALSE;
        }
    }
    return TRUE;
}
