/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/policy.h>

#include <string.h>

VR_DEFINE_ENUM(VrExtraNeeded, vr_extra_needed, VR_EXTRA_NEEDED)
VR_DEFINE_ENUM(VrOfflineVms, vr_offline_vms, VR_OFFLINE_VMS)
VR_DEFINE_ENUM(VrRevise, vr_revise, VR_REVISES)
VR_DEFINE_ENUM(VrWayBackMode, vr_way_back_mode, VR_WAYS_BACK)

static const VrPolicy default_policy = {
    .limits =
        {
            .migrations_out_per_host = 4,
            .migrations_in_per_host = 4,
            .stream_mib_per_s = 1000,
            .stream_link_permille = 500,
            .migration_overhead_ms = 2000,
            .headroom_permille = 20,
            .hosts_down_max_permille = 100,
            .extra_migrations_needed = VR_EXTRA_NEEDED_ALLOW,
        },
    .migration =
        {
            .attempts_max = 3,
            .backoff_s = 300,
            .deferrals_max = 8,
            .defer_s = 900,
            .stall_s = 60,
        },
    .recovery =
        {
            .fence_ms = 60000,
            .agree_ms = 2000,
            .poll_ms = 200,
            .poll_max_ms = 5000,
            .hold_ms = 600000,
            .hold_unknown_ms = 1800000,
            .return_s = 1200,
        },
    .health = {.interval_ms = 10000, .way_back = VR_WAY_BACK_ASK},
    .offline_vms = VR_OFFLINE_VMS_LEAVE,
    .revise = VR_REVISE_ASK,
};

VrPolicy *
vr_policy_new(void)
{
    VrPolicy *self = vr_policy_copy(&default_policy);

    self->health.limits = vr_health_limits_default();
    return self;
}

/* The lists are never changed, so copies share them; the default policy has none. */
static GPtrArray *
share(GPtrArray *list, GDestroyNotify free)
{
    return list != NULL ? g_ptr_array_ref(list) : g_ptr_array_new_with_free_func(free);
}

VrPolicy *
vr_policy_copy(const VrPolicy *self)
{
    VrPolicy *copy = g_new(VrPolicy, 1);
    *copy = *self;
    copy->name = g_strdup(self->name);
    copy->alerts = share(self->alerts, vr_alert_rule_free);
    copy->queries = share(self->queries, vr_query_rule_free);
    return copy;
}

gint64
vr_policy_hosts_down_max(const VrPolicy *self, guint host_count)
{
    g_assert(host_count >= 1);
    if (self->limits.hosts_down_max > 0)
        return self->limits.hosts_down_max;
    return MAX(1, (gint64)host_count * self->limits.hosts_down_max_permille / 1000);
}

gint64
vr_policy_usable_mib(const VrPolicy *self, gint64 memory_mib)
{
    return memory_mib * (1000 - self->limits.headroom_permille) / 1000;
}

void
vr_policy_free(VrPolicy *self)
{
    if (self == NULL)
        return;
    g_free(self->name);
    g_ptr_array_unref(self->alerts);
    g_ptr_array_unref(self->queries);
    g_free(self);
}
