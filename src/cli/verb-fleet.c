/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <virt-roll/error.h>

#include "adapters/yaml/document.h"
#include "cli/fleet-text.h"
#include "cli/inputs.h"
#include "cli/render.h"
#include "cli/text.h"
#include "cli/verbs.h"
#include "controller/scan.h"
#include "model/document.h"

#define URI_DEFAULT "qemu+ssh://{name}/system"

static VrFleet *
read_text(const char *text, GError **error)
{
    g_autoptr(VrDocument) document =
        vr_yaml_parse(text, strlen(text), "from --hosts and --uri", error);

    if (document == NULL)
        return NULL;
    /* Of a text that nobody has seen, lines and columns tell nothing. */
    g_clear_pointer(&document->places, g_hash_table_unref);
    return vr_fleet_read(document, error);
}

/* Never over what is there: a fleet file is work of hours. */
static gboolean
write_new_file(const char *path, const char *text, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    gsize length = strlen(text);

    if (fd < 0 && errno == EEXIST) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "%s: is there already; remove it or name another file", path);
        return FALSE;
    }
    gboolean is_written = fd >= 0 && write(fd, text, length) == (ssize_t)length;
    if (fd >= 0)
        is_written = close(fd) == 0 && is_written;
    if (!is_written)
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: cannot be written: %s", path,
                    g_strerror(errno));
    return is_written;
}

static gboolean
check_init(const VrOptions *options, GError **error)
{
    if (options->ansible != NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "--ansible: is not in this version; name the hosts with --hosts LIST");
        return FALSE;
    }
    if (options->hosts == NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                    "fleet init: needs --hosts LIST, such as --hosts 'kvm[001-300].dc1'");
        return FALSE;
    }
    if (options->output != NULL && g_file_test(options->output, G_FILE_TEST_EXISTS)) {
        g_set_error(error, VR_ERROR, VR_ERROR_REFUSED,
                    "%s: is there already; remove it or name another file", options->output);
        return FALSE;
    }
    return TRUE;
}

int
vr_verb_fleet_init(const VrOptions *options, VrConsole *console, GError **error)
{
    const char *uri = options->uri != NULL ? options->uri : URI_DEFAULT;

    if (!check_init(options, error))
        return 0;
    g_auto(GStrv) hosts = vr_inputs_expand_hosts(options->hosts, NULL, error);
    if (hosts == NULL)
        return 0;
    g_autofree char *joined = g_strjoinv(",", options->hosts);
    g_autofree char *name = vr_fleet_text_name(joined);
    g_autofree char *draft = vr_fleet_text_format(name, uri, hosts, NULL);
    g_autoptr(VrFleet) fleet = read_text(draft, error);
    if (fleet == NULL)
        return 0;

    g_autoptr(VrLibvirt) libvirt = vr_libvirt_new(fleet);
    g_autoptr(VrInventory) inventory = vr_scan_fleet(fleet, libvirt, NULL, FALSE, NULL, error);
    if (inventory == NULL)
        return 0;
    g_autofree char *text = vr_fleet_text_format(name, uri, hosts, inventory);
    if (options->output == NULL)
        return vr_console_give(console, text, TRUE, error);
    if (!write_new_file(options->output, text, error))
        return 0;
    vr_console_note(console,
                    "%s: written, %u hosts and %u VMs found; what an update is, it cannot know: "
                    "see its comments",
                    options->output, inventory->hosts->len, inventory->vms->len);
    return 0;
}

static guint
count_pools(const VrFleet *fleet)
{
    g_autoptr(GHashTable) pools = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < fleet->hosts->len; i++)
        g_hash_table_add(pools, vr_fleet_host(fleet, i)->pool);
    return g_hash_table_size(pools);
}

/* What is allowed and yet seldom meant. */
static void
warn(const VrFleet *fleet, VrConsole *console)
{
    guint without_close = 0;
    guint without_level = 0;

    for (guint i = 0; i < fleet->hosts->len; i++) {
        const VrUpdate *update = &vr_fleet_host(fleet, i)->update;
        without_close += update->stages[VR_STAGE_CLOSE].argv == NULL;
        without_level += update->level == NULL;
    }
    if (without_close > 0)
        vr_console_note(console,
                        "%u of %u hosts have no stage close: nothing keeps guests from starting on "
                        "them while they are emptied; they are then found and a person is asked",
                        without_close, fleet->hosts->len);
    if (without_level > 0)
        vr_console_note(console,
                        "%u of %u hosts have no update.level: plan and run then need "
                        "--update LEVEL",
                        without_level, fleet->hosts->len);
}

int
vr_verb_fleet_validate(const VrOptions *options, VrConsole *console, GError **error)
{
    g_autoptr(VrFleet) fleet = vr_inputs_load_fleet(options, error);

    if (fleet == NULL || !vr_inputs_check_stages(fleet, error))
        return 0;
    g_autofree char *hosts = vr_text_count(fleet->hosts->len, "host");
    g_autofree char *pools = vr_text_count(count_pools(fleet), "pool");
    g_autofree char *text =
        g_strdup_printf("%s: sound: fleet %s, %s, %s\n", fleet->path, fleet->name, hosts, pools);
    vr_console_print(console, text);
    warn(fleet, console);
    return 0;
}
