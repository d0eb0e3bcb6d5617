/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/inputs.h"

#include <string.h>

#include <virt-roll/error.h>

#include "adapters/yaml/document.h"
#include "base/reader.h"
#include "model/document.h"

#define FLEET_DEFAULT "/etc/virt-roll/fleet.yaml"
#define POLICY_DEFAULT "/etc/virt-roll/policy.yaml"
#define STATE_DEFAULT "/var/lib/virt-roll"
#define LEVEL_LENGTH_MAX 128
#define LEVEL_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:+~"

/* An option, or else the variable. NULL: neither. */
static const char *
given(const char *option, const char *variable)
{
    const char *value = option != NULL ? option : g_getenv(variable);

    return value != NULL && *value != '\0' ? value : NULL;
}

VrFleet *
vr_inputs_load_fleet(const VrOptions *options, GError **error)
{
    const char *path = given(options->fleet, "VIRT_ROLL_FLEET");
    g_autoptr(GError) problem = NULL;
    g_autoptr(VrDocument) document = vr_yaml_load(path != NULL ? path : FLEET_DEFAULT, &problem);

    if (document != NULL)
        return vr_fleet_read(document, error);
    if (problem->code == VR_ERROR_NOT_FOUND)
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND,
                    "%s; name the fleet file with -f, or write one with: virt-roll fleet init "
                    "--hosts LIST --output FILE",
                    problem->message);
    else
        g_propagate_error(error, g_steal_pointer(&problem));
    return NULL;
}

VrPolicy *
vr_inputs_load_policy(const VrOptions *options, VrConsole *console, GError **error)
{
    const char *path = given(options->policy, "VIRT_ROLL_POLICY");

    if (path == NULL && !g_file_test(POLICY_DEFAULT, G_FILE_TEST_EXISTS)) {
        vr_console_note(console, "no policy file (%s): the built-in defaults hold", POLICY_DEFAULT);
        return vr_policy_new();
    }
    g_autoptr(VrDocument) document = vr_yaml_load(path != NULL ? path : POLICY_DEFAULT, error);
    return document != NULL ? vr_policy_read(document, error) : NULL;
}

VrInventory *
vr_inputs_load_inventory(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(GError) problem = NULL;

    if (!g_file_get_contents(path, &text, &length, &problem)) {
        g_set_error(error, VR_ERROR,
                    g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? VR_ERROR_NOT_FOUND
                                                                               : VR_ERROR_IO,
                    "%s", problem->message);
        return NULL;
    }
    return vr_inventory_parse(text, length, path, error);
}

char *
vr_inputs_find_state(const VrOptions *options, const VrFleet *fleet, GError **error)
{
    const char *path = given(options->state, "VIRT_ROLL_STATE");
    g_autoptr(VrFleet) loaded = NULL;

    if (path != NULL)
        return g_strdup(path);
    if (fleet == NULL) {
        loaded = vr_inputs_load_fleet(options, error);
        fleet = loaded;
    }
    return fleet != NULL ? g_build_filename(STATE_DEFAULT, fleet->name, NULL) : NULL;
}

/* A level goes into file names and the environment of stages. */
static gboolean
check_level(const char *level, GError **error)
{
    gsize length = strspn(level, LEVEL_CHARACTERS);

    if (g_ascii_isalnum(level[0]) && level[length] == '\0' && length <= LEVEL_LENGTH_MAX)
        return TRUE;
    g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                "update level \"%s\": must be letters, digits and -._:+~, a letter or digit first, "
                "at most %d characters",
                level, LEVEL_LENGTH_MAX);
    return FALSE;
}

char *
vr_inputs_find_level(const VrOptions *options, const VrFleet *fleet, GError **error)
{
    const char *level = options->update;

    if (level == NULL && fleet != NULL) {
        level = vr_fleet_host(fleet, 0)->update.level;
        for (guint i = 1; i < fleet->hosts->len; i++) {
            if (g_strcmp0(level, vr_fleet_host(fleet, i)->update.level) == 0)
                continue;
            g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                        "%s: the hosts have different update.level (%s: %s, %s: %s); say which "
                        "with --update LEVEL",
                        fleet->path, vr_fleet_host(fleet, 0)->name, level != NULL ? level : "none",
                        vr_fleet_host(fleet, i)->name,
                        vr_fleet_host(fleet, i)->update.level != NULL
                            ? vr_fleet_host(fleet, i)->update.level
                            : "none");
            return NULL;
        }
    }
    if (level == NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "no update level: say which with --update LEVEL, or set update.level in the "
                    "fleet file's defaults");
        return NULL;
    }
    return check_level(level, error) ? g_strdup(level) : NULL;
}

/* Splits at commas that are not within a range. (element-type utf8) */
static GPtrArray *
split_list(const char *list)
{
    GPtrArray *patterns = g_ptr_array_new_with_free_func(g_free);
    const char *start = list;
    gboolean in_range = FALSE;

    for (const char *c = list;; c++) {
        in_range = (in_range || *c == '[') && *c != ']' && *c != '\0';
        if (in_range || (*c != ',' && *c != '\0'))
            continue;
        g_ptr_array_add(patterns, g_strstrip(g_strndup(start, (gsize)(c - start))));
        start = c + 1;
        if (*c == '\0')
            return patterns;
    }
}

static gboolean
expand_list(const char *list, const VrFleet *fleet, GPtrArray *names, GError **error)
{
    g_autoptr(GPtrArray) patterns = split_list(list);

    for (guint i = 0; i < patterns->len; i++) {
        g_auto(GStrv) expanded = vr_host_range_expand(g_ptr_array_index(patterns, i), error);
        if (expanded == NULL)
            return FALSE;
        for (guint k = 0; expanded[k] != NULL; k++) {
            gint index = fleet != NULL ? vr_fleet_find_host(fleet, expanded[k]) : -1;
            g_ptr_array_add(names, g_strdup(index >= 0 ? vr_fleet_host(fleet, (guint)index)->name
                                                       : expanded[k]));
        }
    }
    return TRUE;
}

char **
vr_inputs_expand_hosts(char *const *lists, const VrFleet *fleet, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (lists == NULL)
        return NULL;
    for (guint i = 0; lists[i] != NULL; i++) {
        if (!expand_list(lists[i], fleet, names, error))
            return NULL;
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_steal(names, NULL);
}

static gboolean
check_stage(const VrFleet *fleet, const VrFleetHost *host, VrStage stage, GError **error)
{
    char *const *argv = host->update.stages[stage].argv;
    gboolean is_needed = stage == VR_STAGE_FACTS || stage == VR_STAGE_APPLY;

    if (argv == NULL && is_needed) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "%s:%u: host %s has no stage %s: without it no update can be %s; add it under "
                    "update.stages of the host or of the defaults",
                    fleet->path, host->line, host->name, vr_stage_to_string(stage),
                    stage == VR_STAGE_FACTS ? "proven" : "done");
        return FALSE;
    }
    if (argv != NULL && !g_file_test(argv[0], G_FILE_TEST_IS_EXECUTABLE)) {
        g_set_error(error, VR_ERROR, VR_ERROR_NOT_FOUND,
                    "%s:%u: host %s, stage %s: %s is not an executable file on this machine, where "
                    "stages are run",
                    fleet->path, host->line, host->name, vr_stage_to_string(stage), argv[0]);
        return FALSE;
    }
    return TRUE;
}

gboolean
vr_inputs_check_stages(const VrFleet *fleet, GError **error)
{
    for (guint i = 0; i < fleet->hosts->len; i++) {
        for (VrStage stage = VR_STAGE_FACTS; stage < VR_STAGE_COUNT; stage++) {
            if (!check_stage(fleet, vr_fleet_host(fleet, i), stage, error))
                return FALSE;
        }
    }
    return TRUE;
}
