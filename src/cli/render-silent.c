/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/silent-hosts.h"
#include "cli/text.h"

/* VMs that are shown with their commands; the JSON has all. */
#define VMS_SHOWN 12
#define NAME_WIDTH_MAX 28
#define MEMORY_WIDTH 9

static const char fence_text[] =
    "Make sure that %s is off and stays off: cut its power by its management controller or its "
    "plug, and read there that it is off. That it does not answer proves nothing: if a VM still "
    "runs there, starting it a second time destroys its disks.";
static const char bring_back_text[] =
    "For each VM: its definition out of the journal (it holds the VM's secrets, keep it to "
    "yourself), define, start. Hosts are proposed by pool and memory; rules about which VMs "
    "belong together are yours to look at.";
static const char return_text[] =
    "Before %s has a network again: it still has the definitions of these VMs, and starts those "
    "with autostart by itself. Undefine there what you have started elsewhere (virsh undefine VM "
    "--keep-nvram).";
static const char go_on_text[] =
    "Then: if %s is back, %s run looks again and goes on; VMs that are on another host than "
    "planned stay with you: %s rollout close --reason TEXT, and run plans anew. If it is gone for "
    "good: take it out of the fleet file, rollout close, run. Definitions of this rollout can be "
    "had until the next one begins.";

static void
append_text(GString *out, const char *indent, guint width, char *text)
{
    g_autofree char *owned = text;

    vr_text_append_wrapped(out, owned, indent, width);
}

/* A numbered paragraph. */
static void
append_point(GString *out, guint number, guint width, char *text)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    append_text(lines, "     ", width, text);
    g_string_append_printf(out, "  %u. %s", number, lines->str + 5);
}

static void
append_vm(GString *out, const VrSilentVm *vm, const char *host, guint name_width)
{
    g_autofree char *memory = vr_text_mib(vm->vm->memory_mib);
    g_autofree char *disks = vr_text_clean(vm->vm->disks != NULL ? vm->vm->disks : "disks unknown");

    g_string_append(out, "    ");
    vr_text_append_cell(out, vm->vm->name, name_width);
    g_string_append_printf(out, "  %*s  ", MEMORY_WIDTH, memory);
    if (vm->may_have_arrived)
        g_string_append_printf(out, "may have been on its way there from %s, and may run on %s; ",
                               vm->moving->plan->source, vm->moving->plan->source);
    else if (vm->moving != NULL)
        g_string_append_printf(out, "was on its way from %s to %s, and may run on %s; ",
                               vm->moving->plan->source, vm->moving->plan->target,
                               vr_silent_vm_other_end(vm, host));
    else
        g_string_append(out, "ran there; ");
    g_string_append_printf(out, "%s\n", disks);
}

static void
append_count(GString *out, const VrSilentHost *host, guint width)
{
    guint lost = host->vms->len - host->arriving;
    g_autofree char *down = vr_text_count(lost, "VM");
    g_autofree char *arriving = vr_text_count(host->arriving, "VM");
    const char *verb = lost == 1 ? "is" : "are";

    if (host->arriving == 0)
        append_text(out, "  ", width,
                    g_strdup_printf("If it is off, %s %s down with it:", down, verb));
    else if (lost == 0)
        append_text(out, "  ", width,
                    g_strdup_printf("If it is off, %s may be down with it:", arriving));
    else
        append_text(out, "  ", width,
                    g_strdup_printf("If it is off, %s %s down with it, and %s may be:", down, verb,
                                    arriving));
}

static void
append_vms(GString *out, const VrSilentHost *host, guint width)
{
    guint shown = MIN(host->vms->len, VMS_SHOWN);
    guint name_width = 0;

    if (host->vms->len == 0) {
        append_text(out, "  ", width,
                    g_strdup("By what was seen last no VM ran there: nothing is lost with it."));
        return;
    }
    append_count(out, host, width);
    for (guint i = 0; i < shown; i++)
        name_width =
            MAX(name_width, vr_text_width(g_array_index(host->vms, VrSilentVm, i).vm->name));
    for (guint i = 0; i < shown; i++)
        append_vm(out, &g_array_index(host->vms, VrSilentVm, i), host->host,
                  MIN(name_width, NAME_WIDTH_MAX));
    if (shown < host->vms->len)
        g_string_append_printf(out, "    … and %u more (status -o json has all of them)\n",
                               host->vms->len - shown);
}

/* What stands in the way of typing a VM's commands as they are. */
static void
append_caveats(GString *out, const VrSilentVm *vm, const char *host, guint width)
{
    g_autofree char *name = vr_text_clean(vm->vm->name);

    if (vm->moving != NULL)
        append_text(out, "     ", width,
                    g_strdup_printf("%s: only if the first command does not say that it runs or is "
                                    "paused on %s:",
                                    name, vr_silent_vm_other_end(vm, host)));
    if (!vm->has_definition)
        append_text(out, "     ", width,
                    g_strdup_printf("%s: the journal has no definition of it, since it was not to "
                                    "migrate: take the one that you keep:",
                                    name));
    if (vm->proposed == NULL)
        append_text(out, "     ", width,
                    g_strdup_printf("%s: no host is known to have room: make some first:", name));
    if (vm->must_be_opened)
        append_text(out, "     ", width,
                    g_strdup_printf("%s: no open host has room; %s has, but is closed: run your "
                                    "stage open on it first:",
                                    name, vm->proposed->name));
}

static void
append_commands(GString *out, const VrSilentHost *host, const VrStatusView *view, guint width)
{
    for (guint i = 0; i < host->vms->len && i < VMS_SHOWN; i++) {
        const VrSilentVm *vm = &g_array_index(host->vms, VrSilentVm, i);
        g_autoptr(GPtrArray) commands = vr_silent_vm_commands(vm, host->host, view);
        append_caveats(out, vm, host->host, width);
        for (guint k = 0; k < commands->len; k++)
            g_string_append_printf(out, "       %s\n",
                                   (const char *)g_ptr_array_index(commands, k));
    }
}

static void
append_help(GString *out, const VrSilentHost *host, const VrStatusView *view, guint width)
{
    g_autofree char *go_on = host->set_aside
                                 ? g_strdup_printf("%s rollout retry %s", view->program, host->host)
                                 : g_strdup_printf("%s run", view->program);

    append_text(out, "  ", width,
                g_strdup_printf("virt-roll does nothing about it: from here a dead host looks like "
                                "one that is only not reached. If it lives, mend what is between, "
                                "then: %s. If it is dead%s",
                                go_on, host->vms->len > 0 ? ", in this order:" : ":"));
    if (host->vms->len == 0) {
        append_text(out, "  ", width,
                    g_strdup_printf("bring it back, then: %s. Gone for good: take it out of the "
                                    "fleet file, then: %s rollout close --reason TEXT",
                                    go_on, view->program));
        return;
    }
    append_point(out, 1, width, g_strdup_printf(fence_text, host->host));
    append_point(out, 2, width, g_strdup(bring_back_text));
    append_commands(out, host, view, width);
    append_point(out, 3, width, g_strdup_printf(return_text, host->host));
    append_point(out, 4, width,
                 g_strdup_printf(go_on_text, host->host, view->program, view->program));
}

char *
vr_render_silent_hosts(const VrStatusView *view, guint width)
{
    g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(view->rollout);
    GString *out = g_string_new(NULL);

    if (hosts->len > 1)
        append_text(out, "", width,
                    g_strdup_printf("%u hosts cannot be read: is it the controller's own network?",
                                    hosts->len));
    for (guint i = 0; i < hosts->len; i++) {
        const VrSilentHost *host = g_ptr_array_index(hosts, i);
        g_autofree char *since = vr_text_date_clock(host->since_us);
        g_autofree char *span = vr_text_rough_span(MAX(view->now_us - host->since_us, 0));
        append_text(out, "", width,
                    g_strdup_printf("HOST %s CANNOT BE READ since %s (%s)%s", host->host, since,
                                    span, host->asks ? "" : "; a person is asked if that lasts"));
        append_vms(out, host, width);
        if (host->asks)
            append_help(out, host, view, width);
    }
    return g_string_free(out, FALSE);
}
