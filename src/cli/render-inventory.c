/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/render.h"
#include "cli/text.h"

#define COLUMNS 7

/* What one host takes and holds. */
typedef struct {
    guint running;
    guint offline;
    guint unmovable;
    gint64 memory_mib;
} Load;

static Load
load_of(const VrInventory *inventory, const char *host)
{
    Load load = {0};
    gint index = vr_inventory_find_host(inventory, host);

    for (guint i = 0; i < inventory->vms->len; i++) {
        const VrVm *vm = vr_inventory_vm(inventory, i);
        if ((gint)vm->host_index != index)
            continue;
        load.running += vr_vm_is_active(vm);
        load.offline += !vr_vm_is_active(vm);
        load.unmovable += vr_vm_is_active(vm) && !vm->movable;
        load.memory_mib += vr_vm_is_active(vm) ? vm->memory_mib : 0;
    }
    return load;
}

static const char *
or_dash(const char *text)
{
    return text != NULL && *text != '\0' ? text : "-";
}

static char *
describe_vms(const Load *load)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%u", load->running);
    if (load->offline > 0)
        g_string_append_printf(text, " +%u off", load->offline);
    if (load->unmovable > 0)
        g_string_append_printf(text, ", %u stuck", load->unmovable);
    return g_string_free(text, FALSE);
}

static char **
make_row(const VrInventory *inventory, const VrHost *host)
{
    Load load = load_of(inventory, host->name);
    char **row = g_new0(char *, COLUMNS + 1);
    g_autofree char *used = vr_text_mib(load.memory_mib);
    g_autofree char *all = vr_text_mib(host->memory_mib);

    row[0] = g_strdup(host->name);
    row[1] = g_strdup(or_dash(host->pool));
    row[2] = describe_vms(&load);
    row[3] = g_strdup_printf("%s of %s", used, all);
    row[4] = g_strdup(or_dash(host->update_level));
    row[5] = g_strdup(vr_updated_to_string(host->updated));
    row[6] = g_strdup_printf("%s, %s", or_dash(host->hypervisor_version),
                             or_dash(host->libvirt_version));
    return row;
}

static void
free_row(gpointer row)
{
    g_strfreev(row);
}

static void
append_row(GString *out, char *const *row, const guint *widths, guint width)
{
    g_autoptr(GString) line = g_string_new(NULL);

    for (guint c = 0; c < COLUMNS; c++) {
        vr_text_append_cell(line, row[c], widths[c]);
        g_string_append(line, c + 1 < COLUMNS ? "  " : "");
    }
    g_autofree char *cut = vr_text_fit(g_strchomp(line->str), width);
    g_string_append_printf(out, "%s\n", cut);
}

char *
vr_render_inventory(const VrInventory *inventory, guint width)
{
    static const char *const titles[] = {"host",  "pool",    "VMs",           "memory in use",
                                         "level", "updated", "QEMU, libvirt", NULL};
    GString *out = g_string_new(NULL);
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(free_row);
    guint widths[COLUMNS] = {0};

    g_ptr_array_add(rows, g_strdupv((char **)(guintptr)titles));
    for (guint i = 0; i < inventory->hosts->len; i++)
        g_ptr_array_add(rows, make_row(inventory, vr_inventory_host(inventory, i)));
    for (guint i = 0; i < rows->len; i++) {
        char *const *row = g_ptr_array_index(rows, i);
        for (guint c = 0; c < COLUMNS; c++)
            widths[c] = MAX(widths[c], vr_text_width(row[c]));
    }
    for (guint i = 0; i < rows->len; i++)
        append_row(out, g_ptr_array_index(rows, i), widths, width);
    return g_string_free(out, FALSE);
}
