/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/monitoring-json.h"

#include <string.h>

#include "model/host-name.h"
#include "model/uri.h"

#define NAME_LENGTH_MAX 64
#define PATTERN_LENGTH_MAX 1024
#define PATH_LENGTH_MAX 1024
#define HOST_LABELS_MAX 8
#define PATTERNS_MAX 1000 /* of the VMs of one probe */
#define HOUR_S 3600
#define DAY_S 86400
#define DEFAULT_HOST_LABELS "instance,host,nodename"

typedef gpointer (*ReadElement)(VrReader *reader);

/* A list of mappings. */
static GPtrArray *
read_list(VrReader *reader, const char *name, guint length_max, ReadElement read,
          GDestroyNotify free)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(free);
    guint length = 0;
    if (!vr_reader_enter_array(reader, name, &length))
        return list;
    for (guint i = 0; i < length && i < length_max && !vr_reader_failed(reader); i++) {
        if (!vr_reader_enter_element(reader, i))
            break;
        g_ptr_array_add(list, read(reader));
        vr_reader_leave(reader);
    }
    vr_reader_leave(reader);
    if (length > length_max)
        vr_reader_fail(reader, name, "has %u entries, more than %u", length, length_max);
    return list;
}

/* A name for messages and file names. (transfer full) */
static char *
read_name(VrReader *reader)
{
    const char *name = vr_reader_required_string(reader, "name");
    gsize length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (!g_ascii_isalnum(name[0]) || name[length] != '\0' || length > NAME_LENGTH_MAX)
        vr_reader_fail(reader, "name",
                       "\"%s\": must be letters, digits, '.', '-' and '_', a letter or digit "
                       "first, at most %d characters",
                       name, NAME_LENGTH_MAX);
    return g_strdup(name);
}

/* Names of queries and probes begin the structures. */
static void
check_names_differ(VrReader *reader, const char *list_name, const GPtrArray *list)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < list->len; i++) {
        char *name = *(char **)g_ptr_array_index(list, i);
        if (!g_hash_table_add(names, name))
            vr_reader_fail(reader, list_name, "the name \"%s\" is there twice", name);
    }
}

/* -------------------------------------------------------------------------- fleet: where */

static gboolean
is_label_name(const char *text)
{
    if (!g_ascii_isalpha(text[0]) && text[0] != '_')
        return FALSE;
    while (g_ascii_isalnum(*text) || *text == '_')
        text++;
    return *text == '\0';
}

/* (transfer full) */
static char **
read_host_labels(VrReader *reader)
{
    char **labels = vr_reader_strings(reader, "host_labels");
    if (labels == NULL)
        return g_strsplit(DEFAULT_HOST_LABELS, ",", -1);
    guint count = g_strv_length(labels);
    if (count == 0 || count > HOST_LABELS_MAX)
        vr_reader_fail(reader, "host_labels", "must be 1 to %d labels, not %u", HOST_LABELS_MAX,
                       count);
    for (guint i = 0; i < count; i++) {
        if (!is_label_name(labels[i]))
            vr_reader_fail(reader, "host_labels",
                           "\"%s\": a label is letters, digits and '_', no digit first", labels[i]);
    }
    return labels;
}

/* (transfer full) (nullable) */
static char *
read_url(VrReader *reader, const char *name)
{
    const char *url = vr_reader_string(reader, name, NULL);
    g_autoptr(GError) problem = NULL;
    if (url == NULL)
        return NULL;
    if (!vr_uri_check_http(url, &problem))
        vr_reader_fail(reader, name, "%s", problem->message);
    gsize length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        length--;
    return g_strndup(url, length);
}

void
vr_monitoring_read(VrMonitoring *self, VrReader *reader)
{
    self->timeout_s = 10;
    if (!vr_reader_enter(reader, "monitoring")) {
        self->host_labels = g_strsplit(DEFAULT_HOST_LABELS, ",", -1);
        return;
    }
    self->alertmanager_url = read_url(reader, "alertmanager_url");
    self->prometheus_url = read_url(reader, "prometheus_url");
    self->host_labels = read_host_labels(reader);
    self->timeout_s = vr_reader_integer(reader, "timeout_s", 1, 60, self->timeout_s);
    vr_reader_leave(reader);
}

/* -------------------------------------------------------------------------- fleet: probes */

static void
refuse_fields(VrReader *reader, VrProbeKind kind, const char *const *names)
{
    for (guint i = 0; names[i] != NULL; i++) {
        if (vr_reader_has(reader, names[i]))
            vr_reader_fail(reader, names[i], "a probe of kind %s has no such field",
                           vr_probe_kind_to_string(kind));
    }
}

static void
read_address(VrProbeRule *probe, VrReader *reader)
{
    probe->address = g_strdup(vr_reader_string(reader, "address", "{vm}"));
    GString *sample = g_string_new(probe->address);
    g_string_replace(sample, "{vm}", "vm", 0);
    g_autofree char *text = g_string_free(sample, FALSE);
    if (!vr_host_name_is_valid(text))
        vr_reader_fail(reader, "address",
                       "\"%s\": must be a host name or an IPv4 address; {vm} stands for the VM's "
                       "name",
                       probe->address);
    probe->port = vr_reader_required_integer(reader, "port", 1, 65535);
}

static void
read_path(VrProbeRule *probe, VrReader *reader)
{
    const char *path = vr_reader_string(reader, "path", "/");
    gboolean is_plain = path[0] == '/' && strlen(path) <= PATH_LENGTH_MAX;
    for (const char *c = path; *c != '\0'; c++)
        is_plain = is_plain && g_ascii_isgraph(*c) && strchr("#\"<>\\^`{|}", *c) == NULL;
    if (!is_plain)
        vr_reader_fail(reader, "path",
                       "\"%s\": must begin with '/' and hold only what a URL may, at most %d "
                       "characters",
                       path, PATH_LENGTH_MAX);
    probe->path = g_strdup(path);
}

static void
read_argv(VrProbeRule *probe, VrReader *reader)
{
    probe->argv = vr_reader_strings(reader, "argv");
    if (probe->argv == NULL || probe->argv[0] == NULL)
        vr_reader_fail(reader, probe->argv == NULL ? NULL : "argv",
                       "argv is missing: program and arguments of the command");
    else if (probe->argv[0][0] != '/')
        vr_reader_fail(reader, "argv",
                       "\"%s\": the command must be an absolute path; no shell looks for it",
                       probe->argv[0]);
}

/* What the kind needs; what another one needs is a mistake. */
static void
read_kind(VrProbeRule *probe, VrReader *reader)
{
    static const char *const network[] = {"address", "port", "path", NULL};
    static const char *const path[] = {"path", NULL};
    static const char *const argv[] = {"argv", NULL};
    switch (probe->kind) {
    case VR_PROBE_KIND_TCP:
        read_address(probe, reader);
        refuse_fields(reader, probe->kind, path);
        refuse_fields(reader, probe->kind, argv);
        break;
    case VR_PROBE_KIND_HTTP:
        read_address(probe, reader);
        read_path(probe, reader);
        refuse_fields(reader, probe->kind, argv);
        break;
    case VR_PROBE_KIND_COMMAND:
        read_argv(probe, reader);
        refuse_fields(reader, probe->kind, network);
        break;
    case VR_PROBE_KIND_AGENT:
        refuse_fields(reader, probe->kind, network);
        refuse_fields(reader, probe->kind, argv);
        break;
    }
}

static gpointer
read_probe(VrReader *reader)
{
    VrProbeRule *probe = g_new0(VrProbeRule, 1);
    probe->name = read_name(reader);
    probe->vms = vr_reader_strings(reader, "vms");
    probe->group = g_strdup(vr_reader_string(reader, "group", NULL));
    if (probe->vms == NULL)
        probe->vms = g_new0(char *, 1);
    if (probe->vms[0] == NULL && probe->group == NULL)
        vr_reader_fail(reader, NULL, "names no VMs: give vms, group, or both");
    if (g_strv_length(probe->vms) > PATTERNS_MAX)
        vr_reader_fail(reader, "vms", "more than %d patterns", PATTERNS_MAX);
    if (!vr_reader_has(reader, "kind"))
        vr_reader_fail(reader, NULL, "kind is missing: tcp, http, command or agent");
    probe->kind =
        (VrProbeKind)vr_reader_word(reader, "kind", vr_probe_kind_words(), VR_PROBE_KIND_TCP);
    if (!vr_reader_failed(reader))
        read_kind(probe, reader);
    probe->timeout_s = vr_reader_integer(reader, "timeout_s", 1, 60, 5);
    probe->interval_s = vr_reader_integer(reader, "interval_s", 1, HOUR_S, 10);
    probe->within_s = vr_reader_integer(reader, "within_s", 1, DAY_S, 300);
    return probe;
}

GPtrArray *
vr_probe_rules_read(VrReader *reader)
{
    GPtrArray *probes = read_list(reader, "probes", VR_PROBES_MAX, read_probe, vr_probe_rule_free);
    check_names_differ(reader, "probes", probes);
    return probes;
}

/* -------------------------------------------------------------------------- policy: alerts */

static void
free_match(gpointer match)
{
    VrLabelMatch *self = match;
    g_free(self->label);
    g_free(self->pattern);
    g_free(self);
}

static gint
compare_matches(gconstpointer a, gconstpointer b)
{
    return strcmp((*(VrLabelMatch *const *)a)->label, (*(VrLabelMatch *const *)b)->label);
}

static void
read_matches(GPtrArray *matches, VrReader *reader)
{
    if (!vr_reader_enter(reader, "match")) {
        vr_reader_fail(reader, NULL, "match is missing: labels and what they must be");
        return;
    }
    g_autoptr(GList) labels = vr_reader_members(reader);
    for (GList *link = labels; link != NULL; link = link->next) {
        const char *label = link->data;
        const char *pattern = vr_reader_required_string(reader, label);
        if (!is_label_name(label))
            vr_reader_fail(reader, label,
                           "\"%s\": a label is letters, digits and '_', no digit first", label);
        if (strlen(pattern) > PATTERN_LENGTH_MAX)
            vr_reader_fail(reader, label, "is longer than %d bytes", PATTERN_LENGTH_MAX);
        VrLabelMatch *match = g_new0(VrLabelMatch, 1);
        match->label = g_strdup(label);
        match->pattern = g_strdup(pattern);
        g_ptr_array_add(matches, match);
    }
    if (matches->len == 0 || matches->len > VR_LABEL_MATCHES_MAX)
        vr_reader_fail(reader, NULL, "must name 1 to %d labels, not %u; alertname: \"*\" is all",
                       VR_LABEL_MATCHES_MAX, matches->len);
    g_ptr_array_sort(matches, compare_matches);
    vr_reader_leave(reader);
}

static gpointer
read_alert_rule(VrReader *reader)
{
    VrAlertRule *rule = g_new0(VrAlertRule, 1);
    rule->matches = g_ptr_array_new_with_free_func(free_match);
    read_matches(rule->matches, reader);
    if (!vr_reader_has(reader, "meaning"))
        vr_reader_fail(reader, NULL,
                       "meaning is missing: ignore, wait, close-intake or migrate-back");
    rule->meaning = (VrAlertMeaning)vr_reader_word(reader, "meaning", vr_alert_meaning_words(),
                                                   VR_ALERT_MEANING_WAIT);
    return rule;
}

GPtrArray *
vr_alert_rules_read(VrReader *reader)
{
    return read_list(reader, "alerts", VR_ALERT_RULES_MAX, read_alert_rule, vr_alert_rule_free);
}

JsonArray *
vr_alert_rules_write(const GPtrArray *rules)
{
    JsonArray *list = json_array_new();
    for (guint i = 0; i < rules->len; i++) {
        const VrAlertRule *rule = g_ptr_array_index(rules, i);
        JsonObject *match = json_object_new();
        for (guint j = 0; j < rule->matches->len; j++) {
            const VrLabelMatch *one = g_ptr_array_index(rule->matches, j);
            json_object_set_string_member(match, one->label, one->pattern);
        }
        JsonObject *object = json_object_new();
        json_object_set_object_member(object, "match", match);
        json_object_set_string_member(object, "meaning", vr_alert_meaning_to_string(rule->meaning));
        json_array_add_object_element(list, object);
    }
    return list;
}

/* -------------------------------------------------------------------------- policy: queries */

/* (transfer full) */
static char *
read_query_text(VrReader *reader, const char *name)
{
    const char *text = vr_reader_required_string(reader, name);
    if (text[0] == '\0' || strlen(text) > VR_QUERY_LENGTH_MAX)
        vr_reader_fail(reader, name, "must be a Prometheus query of at most %d bytes",
                       VR_QUERY_LENGTH_MAX);
    else if (strstr(text, "${host}") == NULL)
        vr_reader_fail(reader, name,
                       "does not hold ${host}, so it would say the same of every host");
    return g_strdup(text);
}

static gpointer
read_query(VrReader *reader)
{
    VrQueryRule *query = g_new0(VrQueryRule, 1);
    query->name = read_name(reader);
    query->query = read_query_text(reader, "query");
    if (!vr_reader_has(reader, "healthy"))
        vr_reader_fail(reader, NULL, "healthy is missing: empty, at-least or at-most");
    query->healthy = (VrHealthyWhen)vr_reader_word(reader, "healthy", vr_healthy_when_words(),
                                                   VR_HEALTHY_WHEN_EMPTY);
    if (vr_reader_failed(reader))
        return query;
    if (query->healthy != VR_HEALTHY_WHEN_EMPTY) {
        query->limit = vr_reader_required_integer(reader, "limit", -G_MAXINT32, G_MAXINT32);
        if (vr_reader_has(reader, "present"))
            vr_reader_fail(reader, "present", "is for healthy: empty; here no data is no answer");
        return query;
    }
    if (vr_reader_has(reader, "limit"))
        vr_reader_fail(reader, "limit", "is for healthy: at-least and at-most");
    else if (!vr_reader_has(reader, "present"))
        vr_reader_fail(reader, NULL,
                       "present is missing: a query that finds something whenever there are data, "
                       "or no data would look healthy");
    else
        query->present = read_query_text(reader, "present");
    return query;
}

GPtrArray *
vr_query_rules_read(VrReader *reader)
{
    GPtrArray *queries =
        read_list(reader, "queries", VR_QUERIES_MAX, read_query, vr_query_rule_free);
    check_names_differ(reader, "queries", queries);
    return queries;
}

JsonArray *
vr_query_rules_write(const GPtrArray *rules)
{
    JsonArray *list = json_array_new();
    for (guint i = 0; i < rules->len; i++) {
        const VrQueryRule *rule = g_ptr_array_index(rules, i);
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "name", rule->name);
        json_object_set_string_member(object, "query", rule->query);
        json_object_set_string_member(object, "healthy", vr_healthy_when_to_string(rule->healthy));
        if (rule->healthy == VR_HEALTHY_WHEN_EMPTY)
            json_object_set_string_member(object, "present", rule->present);
        else
            json_object_set_int_member(object, "limit", rule->limit);
        json_array_add_object_element(list, object);
    }
    return list;
}
