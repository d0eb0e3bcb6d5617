/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/fleet-text.h"

#include <string.h>

#include "base/json.h"
#include "cli/text.h"

#define NAME_LENGTH_MAX 64
#define NAME_FALLBACK "fleet"

static const char head[] =
    "# The hosts that virt-roll looks after. Every field: docs/reference/fleet.md\n"
    "# Check it with: virt-roll fleet validate\n"
    "format: virt-roll-fleet/1\n"
    "\n"
    "# Also names the directory of its state: /var/lib/virt-roll/NAME\n"
    "name: ";

static const char more_defaults[] =
    "\n"
    "  # How one host reaches another, if not by the same URI.\n"
    "  # peer_uri: \"qemu+ssh://{name}.migration/system\"\n"
    "\n"
    "  # The network that memory goes over; without it libvirt takes the host's own name.\n"
    "  # migrate_uri: \"tcp://{name}.migration\"\n"
    "\n"
    "  # For forecasts: MiB/s of a host's link, and seconds of one update with its reboot.\n"
    "  # link_mib_per_s: 1192\n"
    "  # update_s: 900\n"
    "\n"
    "  # How a host is updated. Without it hosts can be scanned and planned, not updated.\n"
    "  # Stages are programs on this machine: no shell, the host is in VIRT_ROLL_HOST, the\n"
    "  # level in VIRT_ROLL_LEVEL. facts must print update_level=… and boot_id=…\n"
    "  # update:\n"
    "  #   level: \"2026Q4-1\"\n"
    "  #   stages:\n"
    "  #     facts:  [/usr/local/sbin/vm-host-facts]\n"
    "  #     close:  [/usr/local/sbin/vm-host-close]\n"
    "  #     open:   [/usr/local/sbin/vm-host-open]\n"
    "  #     apply:  {argv: [/usr/local/sbin/vm-host-apply], timeout_s: 3600}\n"
    "  #     reboot: [/usr/local/sbin/vm-host-reboot]\n"
    "  #     verify: [/usr/local/sbin/vm-host-verify]\n";

char *
vr_fleet_text_name(const char *pattern)
{
    g_autoptr(GString) name = g_string_new(NULL);
    gboolean in_range = FALSE;

    for (const char *c = pattern; *c != '\0' && name->len < NAME_LENGTH_MAX; c++) {
        gboolean is_mark = *c == '.' || *c == '-' || *c == '_';
        in_range = (in_range || *c == '[') && *c != ']';
        if (in_range || (!g_ascii_isalnum(*c) && (!is_mark || name->len == 0)))
            continue;
        if (*c == ',')
            break;
        g_string_append_c(name, *c);
    }
    while (name->len > 0 && !g_ascii_isalnum(name->str[name->len - 1]))
        g_string_truncate(name, name->len - 1);
    return g_strdup(name->len > 0 && strchr(pattern, ',') == NULL ? name->str : NAME_FALLBACK);
}

static guint
count_vms(const VrInventory *inventory, gint host)
{
    guint count = 0;

    for (guint i = 0; i < inventory->vms->len; i++) {
        const VrVm *vm = vr_inventory_vm(inventory, i);
        count += (gint)vm->host_index == host && vr_vm_is_active(vm);
    }
    return count;
}

/* What is only text for people must not end the comment. */
static void
append_fact(GString *out, const char *label, const char *value)
{
    if (value == NULL)
        return;
    g_autofree char *clean = vr_text_clean(value);
    g_string_append_printf(out, ", %s%s", label, clean);
}

static void
append_host(GString *out, const char *name, const VrInventory *inventory)
{
    gint index = inventory != NULL ? vr_inventory_find_host(inventory, name) : -1;

    g_string_append(out, "  - name: ");
    vr_json_append_string(out, name);
    if (index >= 0) {
        const VrHost *host = vr_inventory_host(inventory, (guint)index);
        g_autofree char *memory = vr_text_mib(host->memory_mib);
        g_autofree char *vms = vr_text_count(count_vms(inventory, index), "VM");
        g_string_append_printf(out, "  # %s, %s", memory, vms);
        append_fact(out, "", host->cpu_model);
        append_fact(out, "QEMU ", host->hypervisor_version);
        append_fact(out, "libvirt ", host->libvirt_version);
    }
    g_string_append_c(out, '\n');
}

static gboolean
has_mixed_cpus(const VrInventory *inventory)
{
    for (guint i = 1; inventory != NULL && i < inventory->hosts->len; i++) {
        if (g_strcmp0(vr_inventory_host(inventory, 0)->cpu_model,
                      vr_inventory_host(inventory, i)->cpu_model) != 0)
            return TRUE;
    }
    return FALSE;
}

char *
vr_fleet_text_format(const char *name, const char *uri, char *const *hosts,
                     const VrInventory *inventory)
{
    GString *out = g_string_new(head);

    vr_json_append_string(out, name);
    g_string_append(out, "\n\ndefaults:\n  # How this machine reaches a host.\n  uri: ");
    vr_json_append_string(out, uri);
    g_string_append(out, more_defaults);
    g_string_append(out,
                    "\n# Hosts of one pool can run each other's VMs: same storage, networks and "
                    "compatible\n# CPUs. Without \"pool\" all hosts are one pool.\n");
    if (has_mixed_cpus(inventory))
        g_string_append(out, "# These hosts have different CPU models: give them pools unless all "
                             "VMs run on the\n# oldest one.\n");
    g_string_append(out, "hosts:\n");
    for (guint i = 0; hosts[i] != NULL; i++)
        append_host(out, hosts[i], inventory);
    return g_string_free(out, FALSE);
}
