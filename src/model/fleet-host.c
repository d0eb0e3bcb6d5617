/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/fleet-host.h"

#include <string.h>

#include "model/inventory-limits.h"
#include "model/uri.h"

#define TIMEOUT_S_MAX (7 * 86400)

/* Where a stage starts from before the file is read. */
static const struct {
    gint64 timeout_s;
    gboolean repeatable; /* it changes nothing, or the second time finds nothing to change */
} stage_defaults[VR_STAGE_COUNT] = {
    [VR_STAGE_FACTS] = {60, TRUE},    [VR_STAGE_ASSESS] = {60, TRUE},
    [VR_STAGE_CLOSE] = {60, TRUE},    [VR_STAGE_OPEN] = {60, TRUE},
    [VR_STAGE_BEFORE] = {600, FALSE}, [VR_STAGE_APPLY] = {3600, FALSE},
    [VR_STAGE_REBOOT] = {600, FALSE}, [VR_STAGE_VERIFY] = {600, TRUE},
};

static void
replace(char **member, const char *text)
{
    char *copy = g_strdup(text); /* text may be *member */
    g_free(*member);
    *member = copy;
}

static void
read_argv(VrStageCommand *self, VrReader *reader, const char *name)
{
    g_auto(GStrv) argv = vr_reader_strings(reader, name);
    if (argv == NULL)
        return;
    if (argv[0] == NULL)
        vr_reader_fail(reader, name, "must name a command; null says that there is none");
    else if (argv[0][0] != '/')
        vr_reader_fail(reader, name,
                       "\"%s\": the command must be an absolute path; no shell looks for it",
                       argv[0]);
    g_strfreev(self->argv);
    self->argv = g_steal_pointer(&argv);
}

static void
read_stage(VrStageCommand *self, VrReader *reader, const char *name, gboolean is_defaults)
{
    if (vr_reader_is_null(reader, name)) { /* not for this host, whatever the defaults say */
        g_clear_pointer(&self->argv, g_strfreev);
        return;
    }
    if (vr_reader_is_array(reader, name)) {
        read_argv(self, reader, name);
        return;
    }
    if (!vr_reader_enter(reader, name))
        return;
    read_argv(self, reader, "argv");
    if (self->argv == NULL && !is_defaults)
        vr_reader_fail(reader, "argv", "is missing");
    self->timeout_s = vr_reader_integer(reader, "timeout_s", 1, TIMEOUT_S_MAX, self->timeout_s);
    self->repeatable = vr_reader_boolean(reader, "repeatable", self->repeatable);
    vr_reader_leave(reader);
}

static void
read_update(VrUpdate *self, VrReader *reader, gboolean is_defaults)
{
    if (!vr_reader_enter(reader, "update"))
        return;
    replace(&self->level, vr_reader_string(reader, "level", self->level));
    if (self->level != NULL && self->level[0] == '\0')
        vr_reader_fail(reader, "level", "must not be empty");
    if (vr_reader_enter(reader, "stages")) {
        for (VrStage stage = VR_STAGE_FACTS; stage < VR_STAGE_COUNT; stage++)
            read_stage(&self->stages[stage], reader, vr_stage_to_string(stage), is_defaults);
        vr_reader_leave(reader);
    }
    vr_reader_leave(reader);
}

static void
put_name(char **member, const char *name)
{
    if (*member == NULL)
        return;
    GString *text = g_string_new(*member);
    g_string_replace(text, "{name}", name, 0);
    g_free(*member);
    *member = g_string_free(text, FALSE);
}

static void
check_alias(const char *alias, VrReader *reader)
{
    gboolean is_plain = alias[0] != '\0';
    for (const char *c = alias; *c != '\0'; c++)
        is_plain = is_plain && g_ascii_isgraph(*c) && *c != '{' && *c != '}';
    if (!is_plain)
        vr_reader_fail(reader, "aliases",
                       "\"%s\": an alias is one word of ASCII; {name} is replaced in it", alias);
}

static void
check_uris(VrFleetHost *self, VrReader *reader)
{
    g_autoptr(GError) problem = NULL;
    if (self->uri == NULL)
        vr_reader_fail(reader, "uri",
                       "is missing; in the defaults, qemu+ssh://{name}/system would serve all");
    else if (!vr_uri_check_connect(self->uri, &problem))
        vr_reader_fail(reader, "uri", "%s", problem->message);
    if (vr_reader_failed(reader))
        return;

    if (self->peer_uri == NULL && vr_uri_is_remote(self->uri))
        self->peer_uri = g_strdup(self->uri);
    if (self->peer_uri == NULL)
        vr_reader_fail(reader, "peer_uri",
                       "is missing; other hosts cannot reach this one by its uri %s", self->uri);
    else if (!vr_uri_check_connect(self->peer_uri, &problem))
        vr_reader_fail(reader, "peer_uri", "%s", problem->message);
    else if (self->migrate_uri != NULL && !vr_uri_check_migrate(self->migrate_uri, &problem))
        vr_reader_fail(reader, "migrate_uri", "%s", problem->message);
}

VrFleetHost *
vr_fleet_host_new(void)
{
    VrFleetHost *self = g_new0(VrFleetHost, 1);
    self->pool = g_strdup("");
    self->aliases = g_new0(char *, 1);
    self->link_mib_per_s = VR_LINK_MIB_PER_S;
    self->update_s = VR_UPDATE_S;
    for (VrStage stage = VR_STAGE_FACTS; stage < VR_STAGE_COUNT; stage++) {
        self->update.stages[stage].timeout_s = stage_defaults[stage].timeout_s;
        self->update.stages[stage].repeatable = stage_defaults[stage].repeatable;
    }
    return self;
}

VrFleetHost *
vr_fleet_host_copy(const VrFleetHost *self)
{
    VrFleetHost *copy = g_new0(VrFleetHost, 1);
    *copy = *self;
    copy->name = g_strdup(self->name);
    copy->uri = g_strdup(self->uri);
    copy->peer_uri = g_strdup(self->peer_uri);
    copy->migrate_uri = g_strdup(self->migrate_uri);
    copy->pool = g_strdup(self->pool);
    copy->failure_domain = g_strdup(self->failure_domain);
    copy->aliases = g_strdupv(self->aliases);
    copy->update.level = g_strdup(self->update.level);
    for (VrStage stage = VR_STAGE_FACTS; stage < VR_STAGE_COUNT; stage++)
        copy->update.stages[stage].argv = g_strdupv(self->update.stages[stage].argv);
    return copy;
}

void
vr_fleet_host_read(VrFleetHost *self, VrReader *reader, gboolean is_defaults)
{
    replace(&self->uri, vr_reader_string(reader, "uri", self->uri));
    replace(&self->peer_uri, vr_reader_string(reader, "peer_uri", self->peer_uri));
    replace(&self->migrate_uri, vr_reader_string(reader, "migrate_uri", self->migrate_uri));
    replace(&self->pool, vr_reader_string(reader, "pool", self->pool));
    replace(&self->failure_domain,
            vr_reader_string(reader, "failure_domain", self->failure_domain));
    char **aliases = vr_reader_strings(reader, "aliases");
    if (aliases != NULL) {
        g_strfreev(self->aliases);
        self->aliases = aliases;
    }
    self->link_mib_per_s =
        vr_reader_integer(reader, "link_mib_per_s", 1, VR_RATE_MIB_PER_S_MAX, self->link_mib_per_s);
    self->memory_mib =
        vr_reader_integer(reader, "memory_mib", 1, VR_MEMORY_MIB_MAX, self->memory_mib);
    self->vcpus = vr_reader_integer(reader, "vcpus", 1, VR_VCPUS_MAX, self->vcpus);
    self->update_s = vr_reader_integer(reader, "update_s", 0, VR_UPDATE_S_MAX, self->update_s);
    read_update(&self->update, reader, is_defaults);
}

void
vr_fleet_host_finish(VrFleetHost *self, const char *name, VrReader *reader)
{
    replace(&self->name, name);
    put_name(&self->uri, name);
    put_name(&self->peer_uri, name);
    put_name(&self->migrate_uri, name);
    for (guint i = 0; self->aliases[i] != NULL; i++) {
        put_name(&self->aliases[i], name);
        check_alias(self->aliases[i], reader);
    }
    check_uris(self, reader);
}

void
vr_fleet_host_free(VrFleetHost *self)
{
    if (self == NULL)
        return;
    g_free(self->name);
    g_free(self->uri);
    g_free(self->peer_uri);
    g_free(self->migrate_uri);
    g_free(self->pool);
    g_free(self->failure_domain);
    g_strfreev(self->aliases);
    g_free(self->update.level);
    for (VrStage stage = VR_STAGE_FACTS; stage < VR_STAGE_COUNT; stage++)
        g_strfreev(self->update.stages[stage].argv);
    g_free(self);
}
