/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/document.h"

#include <string.h>

#include <virt-roll/inventory.h>

#include "model/fleet-host.h"
#include "model/monitoring-json.h"

#define FORMAT "virt-roll-fleet/1"
#define NAME_LENGTH_MAX 64
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_INTERVAL_S_MAX 3600
#define KEEPALIVE_COUNT 5
#define KEEPALIVE_COUNT_MAX 1000

typedef struct {
    VrReader *reader;
    VrFleet *fleet;
    VrFleetHost *defaults;
    GHashTable *names; /* (element-type utf8 VrFleetHost) names and aliases so far */
    GHashTable *uris;
    GHashTable *peer_uris;
    GHashTable *migrate_uris;
} Load;

static void
read_format(Load *self)
{
    const char *format = vr_reader_required_string(self->reader, "format");
    if (strcmp(format, FORMAT) != 0)
        vr_reader_fail(self->reader, "format", "must be \"" FORMAT "\", not \"%s\"", format);
}

/* It names the directory of the fleet's state. */
static void
read_name(Load *self)
{
    const char *name = vr_reader_required_string(self->reader, "name");
    gsize length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (!g_ascii_isalnum(name[0]) || name[length] != '\0' || length > NAME_LENGTH_MAX)
        vr_reader_fail(self->reader, "name",
                       "\"%s\": must be letters, digits, '.', '-' and '_', a letter or digit "
                       "first, at most %d characters",
                       name, NAME_LENGTH_MAX);
    self->fleet->name = g_strdup(name);
}

/* At the top or, for those who look for it there, in the defaults. */
static void
read_keepalive(Load *self)
{
    VrFleet *fleet = self->fleet;
    if (!vr_reader_enter(self->reader, "keepalive"))
        return;
    fleet->keepalive_interval_s = vr_reader_integer(
        self->reader, "interval_s", 1, KEEPALIVE_INTERVAL_S_MAX, fleet->keepalive_interval_s);
    fleet->keepalive_count =
        vr_reader_integer(self->reader, "count", 1, KEEPALIVE_COUNT_MAX, fleet->keepalive_count);
    vr_reader_leave(self->reader);
}

static guint
present_line(const Load *self)
{
    const char *place = vr_reader_place(self->reader, NULL); /* "line:column" */
    return place == NULL ? 0 : (guint)g_ascii_strtoull(place, NULL, 10);
}

/* " (line 12)", where lines are known. (transfer full) */
static char *
format_line(const VrFleetHost *host)
{
    return host->line == 0 ? g_strdup("") : g_strdup_printf(" (line %u)", host->line);
}

static void
claim_name(Load *self, const char *field, const char *name, VrFleetHost *host)
{
    const VrFleetHost *owner = g_hash_table_lookup(self->names, name);
    if (owner == host) /* an alias that repeats the name does no harm */
        return;
    if (owner != NULL) {
        g_autofree char *line = format_line(owner);
        vr_reader_fail(self->reader, field, "\"%s\" is already the name or an alias of host %s%s",
                       name, owner->name, line);
    }
    g_hash_table_insert(self->names, (gpointer)(guintptr)name, host);
}

/* One address, one host: with a peer_uri of another one, VMs would migrate to the wrong machine. */
static void
claim_address(Load *self, GHashTable *owners, const char *member, const char *address,
              VrFleetHost *host)
{
    const VrFleetHost *owner = address != NULL ? g_hash_table_lookup(owners, address) : NULL;
    if (owner != NULL) {
        g_autofree char *line = format_line(owner);
        vr_reader_fail(self->reader, member, "\"%s\" is already the %s of host %s%s", address,
                       member, owner->name, line);
    }
    if (address != NULL)
        g_hash_table_insert(owners, (gpointer)(guintptr)address, host);
}

static void
add_host(Load *self, const VrFleetHost *entry, const char *name)
{
    g_autoptr(VrFleetHost) host = vr_fleet_host_copy(entry);
    vr_fleet_host_finish(host, name, self->reader);
    if (self->fleet->hosts->len == VR_HOSTS_MAX)
        vr_reader_fail(self->reader, "name", "more than %d hosts", VR_HOSTS_MAX);
    if (vr_reader_failed(self->reader))
        return;
    claim_name(self, "name", host->name, host);
    for (guint i = 0; host->aliases[i] != NULL; i++)
        claim_name(self, "aliases", host->aliases[i], host);
    claim_address(self, self->uris, "uri", host->uri, host);
    claim_address(self, self->peer_uris, "peer_uri", host->peer_uri, host);
    claim_address(self, self->migrate_uris, "migrate_uri", host->migrate_uri, host);
    g_ptr_array_add(self->fleet->hosts, g_steal_pointer(&host));
}

/* One entry, which may stand for many hosts. */
static void
read_entry(Load *self)
{
    const char *pattern = vr_reader_required_string(self->reader, "name");
    g_autoptr(VrFleetHost) entry = vr_fleet_host_copy(self->defaults);
    vr_fleet_host_read(entry, self->reader, FALSE);
    entry->line = present_line(self);
    if (vr_reader_failed(self->reader))
        return;

    g_autoptr(GError) problem = NULL;
    g_auto(GStrv) names = vr_host_range_expand(pattern, &problem);
    if (names == NULL) {
        vr_reader_fail(self->reader, "name", "%s", problem->message);
        return;
    }
    for (guint i = 0; names[i] != NULL && !vr_reader_failed(self->reader); i++)
        add_host(self, entry, names[i]);
}

static void
read_hosts(Load *self)
{
    guint count = 0;
    gboolean is_there = vr_reader_enter_array(self->reader, "hosts", &count);
    for (guint i = 0; i < count && !vr_reader_failed(self->reader); i++) {
        if (!vr_reader_enter_element(self->reader, i))
            break;
        read_entry(self);
        vr_reader_leave(self->reader);
    }
    if (is_there)
        vr_reader_leave(self->reader);
    if (count == 0)
        vr_reader_fail(self->reader, is_there ? "hosts" : NULL, "no hosts");
}

static void
read_fleet(Load *self)
{
    read_format(self);
    read_name(self);
    if (vr_reader_enter(self->reader, "defaults")) {
        vr_fleet_host_read(self->defaults, self->reader, TRUE);
        read_keepalive(self);
        vr_reader_leave(self->reader);
    }
    read_keepalive(self);
    vr_monitoring_read(&self->fleet->monitoring, self->reader);
    self->fleet->probes = vr_probe_rules_read(self->reader);
    read_hosts(self);
}

static void
free_host(gpointer host)
{
    vr_fleet_host_free(host);
}

VrFleet *
vr_fleet_read(const VrDocument *document, GError **error)
{
    g_autoptr(VrReader) reader = vr_reader_new(document);
    g_autoptr(VrFleetHost) defaults = vr_fleet_host_new();
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) uris = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) peer_uris = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) migrate_uris = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(VrFleet) fleet = g_new0(VrFleet, 1);
    fleet->path = g_strdup(document->source);
    fleet->hosts = g_ptr_array_new_with_free_func(free_host);
    fleet->keepalive_interval_s = KEEPALIVE_INTERVAL_S;
    fleet->keepalive_count = KEEPALIVE_COUNT;

    Load load = {reader, fleet, defaults, names, uris, peer_uris, migrate_uris};
    read_fleet(&load);
    if (!vr_reader_finish(reader, error))
        return NULL;
    return g_steal_pointer(&fleet);
}
