/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/document.h"

#include <string.h>

#include <virt-roll/inventory.h>

#include "base/json.h"
#include "model/inventory-limits.h"
#include "model/monitoring-json.h"

#define FORMAT "virt-roll-policy/1"
#define DAY_S 86400
#define DAY_MS (DAY_S * 1000LL)

/* An integer of a section, its range, and where it stands in the section's struct. */
typedef struct {
    const char *name;
    gsize offset;
    gint64 min;
    gint64 max;
} Number;

#define MEMBER(type, member) #member, G_STRUCT_OFFSET(type, member)

static const Number limit_numbers[] = {
    {MEMBER(VrLimits, migrations_out_per_host), 1, 1000},
    {MEMBER(VrLimits, migrations_in_per_host), 1, 1000},
    {MEMBER(VrLimits, migrations_max), 0, VR_VMS_MAX},
    {MEMBER(VrLimits, stream_mib_per_s), 1, VR_RATE_MIB_PER_S_MAX},
    {MEMBER(VrLimits, stream_link_permille), 1, 1000},
    {MEMBER(VrLimits, migration_overhead_ms), 0, DAY_MS},
    {MEMBER(VrLimits, headroom_permille), 0, 999},
    {MEMBER(VrLimits, hosts_down_per_domain_max), 0, VR_HOSTS_MAX},
    {MEMBER(VrLimits, extra_migrations_permille), 0, 1000000},
    {MEMBER(VrLimits, gate_s), 0, VR_GATE_S_MAX},
    {MEMBER(VrLimits, gate_canary_s), 0, VR_GATE_S_MAX},
    {MEMBER(VrLimits, target_cpu_permille_max), 0, 1000},
    {MEMBER(VrLimits, spare_hosts_min), 0, VR_HOSTS_MAX},
    {MEMBER(VrLimits, hosts_lost_max), 0, VR_HOSTS_MAX},
    {MEMBER(VrLimits, repair_extra_migrations_max), 0, VR_VMS_MAX},
};

static const Number migration_numbers[] = {
    {MEMBER(VrMigrationPolicy, attempts_max), 1, 100},
    {MEMBER(VrMigrationPolicy, backoff_s), 0, DAY_S},
    {MEMBER(VrMigrationPolicy, deferrals_max), 0, 1000},
    {MEMBER(VrMigrationPolicy, defer_s), 1, DAY_S},
    {MEMBER(VrMigrationPolicy, stall_s), 10, DAY_S},
};

static const Number recovery_numbers[] = {
    {MEMBER(VrRecoveryPolicy, fence_ms), 0, DAY_MS},
    {MEMBER(VrRecoveryPolicy, agree_ms), 0, DAY_MS},
    {MEMBER(VrRecoveryPolicy, poll_ms), 10, DAY_MS},
    {MEMBER(VrRecoveryPolicy, poll_max_ms), 10, DAY_MS},
    {MEMBER(VrRecoveryPolicy, hold_ms), 0, 30 * DAY_MS},
    {MEMBER(VrRecoveryPolicy, hold_unknown_ms), 0, 30 * DAY_MS},
    {MEMBER(VrRecoveryPolicy, return_s), 1, DAY_S},
};

#define HEALTH_NUMBER(member, fallback, least, most) {MEMBER(VrHealthLimits, member), least, most},
static const Number health_numbers[] = {VR_HEALTH_LIMITS(HEALTH_NUMBER)};

static void
read_numbers(VrReader *reader, const Number *numbers, guint count, gpointer section)
{
    for (guint i = 0; i < count; i++) {
        gint64 *place = G_STRUCT_MEMBER_P(section, numbers[i].offset);
        *place = vr_reader_integer(reader, numbers[i].name, numbers[i].min, numbers[i].max, *place);
    }
}

static void
write_numbers(JsonObject *object, const Number *numbers, guint count, gconstpointer section)
{
    for (guint i = 0; i < count; i++)
        json_object_set_int_member(object, numbers[i].name,
                                   *(const gint64 *)((const char *)section + numbers[i].offset));
}

/* "10%" or "2.5%" in permille; 0: it is neither. */
static gint64
parse_percent(const char *text)
{
    gint64 permille = 0;
    gsize digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3)
        return 0;
    for (gsize i = 0; i < digits; i++)
        permille = permille * 10 + (text[i] - '0');
    permille *= 10;
    text += digits;
    if (text[0] == '.' && g_ascii_isdigit(text[1])) {
        permille += text[1] - '0';
        text += 2;
    }
    return strcmp(text, "%") == 0 && permille <= 1000 ? permille : 0;
}

/* (transfer full) */
static char *
format_percent(gint64 permille)
{
    if (permille % 10 == 0)
        return g_strdup_printf("%" G_GINT64_FORMAT "%%", permille / 10);
    return g_strdup_printf("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT "%%", permille / 10,
                           permille % 10);
}

/* A number of hosts, or a share of them as text. */
static void
read_hosts_down_max(VrReader *reader, VrLimits *limits)
{
    if (!vr_reader_is_string(reader, "hosts_down_max")) {
        limits->hosts_down_max =
            vr_reader_integer(reader, "hosts_down_max", 1, VR_HOSTS_MAX, limits->hosts_down_max);
        return;
    }
    const char *text = vr_reader_string(reader, "hosts_down_max", "");
    gint64 permille = parse_percent(text);
    if (permille == 0) {
        vr_reader_fail(reader, "hosts_down_max",
                       "must be an integer or a share such as \"10%%\", not \"%s\"", text);
        return;
    }
    limits->hosts_down_max_permille = permille;
}

static void
read_limits(VrReader *reader, VrLimits *limits)
{
    if (!vr_reader_enter(reader, "limits"))
        return;
    read_numbers(reader, limit_numbers, G_N_ELEMENTS(limit_numbers), limits);
    read_hosts_down_max(reader, limits);
    limits->extra_migrations_needed =
        (VrExtraNeeded)vr_reader_word(reader, "extra_migrations_needed", vr_extra_needed_words(),
                                      limits->extra_migrations_needed);
    vr_reader_leave(reader);
}

static void
read_migration(VrReader *reader, VrMigrationPolicy *migration)
{
    if (!vr_reader_enter(reader, "migration"))
        return;
    read_numbers(reader, migration_numbers, G_N_ELEMENTS(migration_numbers), migration);
    migration->tls = vr_reader_boolean(reader, "tls", migration->tls);
    vr_reader_leave(reader);
}

static void
read_recovery(VrReader *reader, VrRecoveryPolicy *recovery)
{
    if (!vr_reader_enter(reader, "recovery"))
        return;
    read_numbers(reader, recovery_numbers, G_N_ELEMENTS(recovery_numbers), recovery);
    if (recovery->poll_ms > recovery->poll_max_ms)
        vr_reader_fail(reader, "poll_ms",
                       "is %" G_GINT64_FORMAT ", more than poll_max_ms, which is %" G_GINT64_FORMAT,
                       recovery->poll_ms, recovery->poll_max_ms);
    if (recovery->hold_ms > recovery->hold_unknown_ms)
        vr_reader_fail(reader, "hold_ms",
                       "is %" G_GINT64_FORMAT
                       ", more than hold_unknown_ms, which is %" G_GINT64_FORMAT
                       ": a host that cannot be read would be waited for less than one that can",
                       recovery->hold_ms, recovery->hold_unknown_ms);
    vr_reader_leave(reader);
}

static void
read_health(VrReader *reader, VrHealthPolicy *health)
{
    g_autoptr(GError) problem = NULL;

    if (!vr_reader_enter(reader, "health"))
        return;
    health->watch = vr_reader_boolean(reader, "watch", health->watch);
    health->interval_ms =
        vr_reader_integer(reader, "interval_ms", 200, DAY_MS, health->interval_ms);
    health->way_back = (VrWayBackMode)vr_reader_word(reader, "way_back", vr_way_back_mode_words(),
                                                     health->way_back);
    if (vr_reader_enter(reader, "limits")) {
        read_numbers(reader, health_numbers, G_N_ELEMENTS(health_numbers), &health->limits);
        if (!vr_reader_failed(reader) && !vr_health_limits_check(&health->limits, &problem))
            vr_reader_fail(reader, NULL, "%s", problem->message);
        vr_reader_leave(reader);
    }
    vr_reader_leave(reader);
}

static void
read_monitoring(VrReader *reader, VrMonitoringPolicy *monitoring)
{
    if (!vr_reader_enter(reader, "monitoring"))
        return;
    monitoring->silence = vr_reader_boolean(reader, "silence", monitoring->silence);
    monitoring->post_alerts = vr_reader_boolean(reader, "post_alerts", monitoring->post_alerts);
    vr_reader_leave(reader);
}

static void
read_policy(VrReader *reader, VrPolicy *policy)
{
    const char *format = vr_reader_required_string(reader, "format");
    if (strcmp(format, FORMAT) != 0)
        vr_reader_fail(reader, "format", "must be \"" FORMAT "\", not \"%s\"", format);
    policy->name = g_strdup(vr_reader_string(reader, "name", NULL));
    read_limits(reader, &policy->limits);
    read_migration(reader, &policy->migration);
    read_recovery(reader, &policy->recovery);
    read_health(reader, &policy->health);
    read_monitoring(reader, &policy->monitoring);
    g_ptr_array_unref(policy->alerts);
    policy->alerts = vr_alert_rules_read(reader);
    g_ptr_array_unref(policy->queries);
    policy->queries = vr_query_rules_read(reader);
    policy->offline_vms = (VrOfflineVms)vr_reader_word(reader, "offline_vms",
                                                       vr_offline_vms_words(), policy->offline_vms);
    policy->revise = (VrRevise)vr_reader_word(reader, "revise", vr_revise_words(), policy->revise);
    policy->partial = vr_reader_boolean(reader, "partial", policy->partial);
}

static JsonObject *
write_limits(const VrLimits *limits)
{
    JsonObject *object = json_object_new();
    write_numbers(object, limit_numbers, G_N_ELEMENTS(limit_numbers), limits);
    if (limits->hosts_down_max > 0) {
        json_object_set_int_member(object, "hosts_down_max", limits->hosts_down_max);
    } else {
        g_autofree char *share = format_percent(limits->hosts_down_max_permille);
        json_object_set_string_member(object, "hosts_down_max", share);
    }
    json_object_set_string_member(object, "extra_migrations_needed",
                                  vr_extra_needed_to_string(limits->extra_migrations_needed));
    return object;
}

static JsonObject *
write_migration(const VrMigrationPolicy *migration)
{
    JsonObject *object = json_object_new();
    write_numbers(object, migration_numbers, G_N_ELEMENTS(migration_numbers), migration);
    json_object_set_boolean_member(object, "tls", migration->tls);
    return object;
}

static JsonObject *
write_recovery(const VrRecoveryPolicy *recovery)
{
    JsonObject *object = json_object_new();
    write_numbers(object, recovery_numbers, G_N_ELEMENTS(recovery_numbers), recovery);
    return object;
}

static JsonObject *
write_health(const VrHealthPolicy *health)
{
    JsonObject *object = json_object_new();
    JsonObject *limits = json_object_new();
    write_numbers(limits, health_numbers, G_N_ELEMENTS(health_numbers), &health->limits);
    json_object_set_boolean_member(object, "watch", health->watch);
    json_object_set_int_member(object, "interval_ms", health->interval_ms);
    json_object_set_string_member(object, "way_back", vr_way_back_mode_to_string(health->way_back));
    json_object_set_object_member(object, "limits", limits);
    return object;
}

static JsonObject *
write_monitoring(const VrMonitoringPolicy *monitoring)
{
    JsonObject *object = json_object_new();
    json_object_set_boolean_member(object, "silence", monitoring->silence);
    json_object_set_boolean_member(object, "post_alerts", monitoring->post_alerts);
    return object;
}

VrPolicy *
vr_policy_read(const VrDocument *document, GError **error)
{
    g_autoptr(VrReader) reader = vr_reader_new(document);
    g_autoptr(VrPolicy) policy = vr_policy_new();
    read_policy(reader, policy);
    if (!vr_reader_finish(reader, error))
        return NULL;
    return g_steal_pointer(&policy);
}

VrPolicy *
vr_policy_parse(const char *text, gsize length, const char *source, GError **error)
{
    JsonNode *root = vr_json_parse(text, length, source, error);
    if (root == NULL)
        return NULL;
    g_autoptr(VrDocument) document = vr_document_new(root, source, TRUE);
    return vr_policy_read(document, error);
}

char *
vr_policy_format(const VrPolicy *self)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "format", FORMAT);
    if (self->name != NULL)
        json_object_set_string_member(object, "name", self->name);
    json_object_set_object_member(object, "limits", write_limits(&self->limits));
    json_object_set_object_member(object, "migration", write_migration(&self->migration));
    json_object_set_object_member(object, "recovery", write_recovery(&self->recovery));
    json_object_set_object_member(object, "health", write_health(&self->health));
    json_object_set_object_member(object, "monitoring", write_monitoring(&self->monitoring));
    json_object_set_array_member(object, "alerts", vr_alert_rules_write(self->alerts));
    json_object_set_array_member(object, "queries", vr_query_rules_write(self->queries));
    json_object_set_string_member(object, "offline_vms",
                                  vr_offline_vms_to_string(self->offline_vms));
    json_object_set_string_member(object, "revise", vr_revise_to_string(self->revise));
    json_object_set_boolean_member(object, "partial", self->partial);

    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, object);
    return vr_json_canonical(root);
}

char *
vr_policy_digest(const VrPolicy *self)
{
    g_autofree char *text = vr_policy_format(self);
    return vr_json_sha256(text);
}
