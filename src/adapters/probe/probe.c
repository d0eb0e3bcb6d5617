/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/probe/probe.h"

#include <string.h>

#include "adapters/curl/transfer.h"
#include "adapters/curl/workers.h"
#include "adapters/process/child.h"
#include "base/text.h"
#include "model/host-name.h"

#define THREADS_MAX 16
#define WAITING_MAX 10000
#define OUTPUT_MAX 400 /* bytes of what a command says that are shown */

struct VrProber {
    VrWorkers *workers;
};

/* One try, with copies of all that it needs. */
typedef struct {
    VrProbeKind kind;
    char *probe;
    char *address; /* tcp, http: NULL if the VM's name makes none */
    gint64 port;
    char *path;
    char **argv;
    gint64 timeout_s;
    char *vm_name;
    char *vm_uuid;
    char *host;
    VrProbeDone done;
    gpointer data;
} Try;

static void
free_try(Try *self)
{
    g_free(self->probe);
    g_free(self->address);
    g_free(self->path);
    g_strfreev(self->argv);
    g_free(self->vm_name);
    g_free(self->vm_uuid);
    g_free(self->host);
    g_free(self);
}

static void G_GNUC_PRINTF(3, 4) tell(const Try *self, VrProbeEnd end, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = g_strdup_printf("%s: %s: %s", self->vm_name, self->probe, what);
    g_autofree char *clean = vr_text_clean(line);
    VrProbeResult result = {end, clean};
    self->done(&result, self->data);
}

/* -------------------------------------------------------------------------- network */

/*
 * A VM's name comes from its host. Alone it may be a name that is looked up, not an address of its
 * own choice, such as that of the controller.
 */
static gboolean
may_be_address(const char *vm_name)
{
    return g_ascii_isalpha(vm_name[0]) && g_ascii_strncasecmp(vm_name, "localhost", 9) != 0 &&
           !g_str_has_suffix(vm_name, ".localhost");
}

/* (transfer full) NULL: the VM's name makes no address. */
static char *
put_name(const char *address, const char *vm_name)
{
    if (strstr(address, "{vm}") == NULL)
        return g_strdup(address);
    if (strcmp(address, "{vm}") == 0 && !may_be_address(vm_name))
        return NULL;
    GString *text = g_string_new(address);
    g_string_replace(text, "{vm}", vm_name, 0);
    g_autofree char *name = g_string_free(text, FALSE);
    return vr_host_name_is_valid(name) ? g_steal_pointer(&name) : NULL;
}

static void
tell_transfer(const Try *self, const VrTransfer *transfer, const char *url)
{
    switch (transfer->end) {
    case VR_TRANSFER_NOT_ASKED:
        tell(self, VR_PROBE_END_NOT_ASKED, "%s: %s", url, transfer->detail);
        return;
    case VR_TRANSFER_REFUSED:
    case VR_TRANSFER_TIMED_OUT:
    case VR_TRANSFER_BROKEN:
        tell(self, VR_PROBE_END_NOT_ANSWERED, "%s: %s", url, transfer->detail);
        return;
    case VR_TRANSFER_DONE:
        break;
    }
    if (self->kind == VR_PROBE_KIND_TCP)
        tell(self, VR_PROBE_END_ANSWERED, "%s:%" G_GINT64_FORMAT " takes connections",
             self->address, self->port);
    else
        tell(self,
             transfer->status >= 200 && transfer->status <= 399 ? VR_PROBE_END_ANSWERED
                                                                : VR_PROBE_END_NOT_ANSWERED,
             "%s answers with status %ld", url, transfer->status);
}

static void
try_network(const Try *self, const gint *cancelled)
{
    if (self->address == NULL) {
        tell(self, VR_PROBE_END_NOT_ASKED,
             "the VM's name cannot stand for {vm} in an address: give the probe an address");
        return;
    }
    g_autofree char *url = g_strdup_printf("http://%s:%" G_GINT64_FORMAT "%s", self->address,
                                           self->port, self->path != NULL ? self->path : "/");
    VrTransferRequest request = {
        .kind = self->kind == VR_PROBE_KIND_TCP ? VR_TRANSFER_CONNECT : VR_TRANSFER_STATUS,
        .url = url,
        .timeout_s = self->timeout_s,
        .cancelled = cancelled,
    };
    g_autoptr(VrTransfer) transfer = vr_transfer_run(&request);
    tell_transfer(self, transfer, url);
}

/* -------------------------------------------------------------------------- command */

/* Keeps the beginning of what it says. */
static void
keep_output(const char *bytes, size_t count, void *data)
{
    GString *output = data;
    gsize room = OUTPUT_MAX - MIN(output->len, OUTPUT_MAX);
    g_string_append_len(output, bytes, (gssize)MIN(count, room));
}

static void
tell_child(const Try *self, VrChildResult child, const char *output)
{
    switch (child.end) {
    case VR_CHILD_EXITED:
        tell(self, child.code == 0 ? VR_PROBE_END_ANSWERED : VR_PROBE_END_NOT_ANSWERED,
             "%s ends with status %d: %s", self->argv[0], child.code, output);
        return;
    case VR_CHILD_TIMED_OUT:
        tell(self, VR_PROBE_END_NOT_ANSWERED, "%s did not end in %" G_GINT64_FORMAT " s: %s",
             self->argv[0], self->timeout_s, output);
        return;
    case VR_CHILD_SIGNALLED:
        tell(self, VR_PROBE_END_NOT_ASKED, "%s was ended by signal %d: %s", self->argv[0],
             child.code, output);
        return;
    case VR_CHILD_NOT_RUN:
        tell(self, VR_PROBE_END_NOT_ASKED, "%s cannot be run: %s", self->argv[0],
             g_strerror(child.code));
        return;
    }
    g_assert_not_reached();
}

static void
try_command(const Try *self)
{
    g_autofree char *probe = g_strconcat("VIRT_ROLL_PROBE=", self->probe, NULL);
    g_autofree char *vm = g_strconcat("VIRT_ROLL_VM=", self->vm_name, NULL);
    g_autofree char *uuid = g_strconcat("VIRT_ROLL_VM_UUID=", self->vm_uuid, NULL);
    g_autofree char *host = g_strconcat("VIRT_ROLL_HOST=", self->host, NULL);
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {probe, vm, uuid, host, path, NULL};
    GString *output = g_string_new(NULL);
    VrChildCommand command = {
        .argv = self->argv,
        .environment = environment,
        .timeout_s = self->timeout_s,
        .output = keep_output,
        .data = output,
    };
    VrChildResult child = vr_child_run(&command);
    g_strchomp(output->str);
    tell_child(self, child, output->str);
    (void)g_string_free(output, TRUE);
}

/* -------------------------------------------------------------------------- port */

static void
run_try(gpointer job, const gint *cancelled)
{
    Try *self = job;
    if (g_atomic_int_get(cancelled) != 0) {
        tell(self, VR_PROBE_END_NOT_ASKED,
             "not asked: the controller is closing, or too many probes wait");
    } else {
        switch (self->kind) {
        case VR_PROBE_KIND_TCP:
        case VR_PROBE_KIND_HTTP:
            try_network(self, cancelled);
            break;
        case VR_PROBE_KIND_COMMAND:
            try_command(self);
            break;
        case VR_PROBE_KIND_AGENT:
            tell(self, VR_PROBE_END_NOT_ASKED, "the guest agent is asked through libvirt");
            break;
        }
    }
    free_try(self);
}

static void
run(gpointer context, const VrProbeRequest *request, VrProbeDone done, gpointer data)
{
    VrProber *self = context;
    const VrProbeRule *rule = request->rule;
    Try *try = g_new0(Try, 1);
    try->kind = rule->kind;
    try->probe = g_strdup(rule->name);
    try->address = rule->address != NULL ? put_name(rule->address, request->vm_name) : NULL;
    try->port = rule->port;
    try->path = g_strdup(rule->path);
    try->argv = g_strdupv(rule->argv);
    try->timeout_s = rule->timeout_s;
    try->vm_name = g_strdup(request->vm_name);
    try->vm_uuid = g_strdup(request->vm_uuid);
    try->host = g_strdup(request->host);
    try->done = done;
    try->data = data;
    vr_workers_push(self->workers, try);
}

VrProber *
vr_prober_new(void)
{
    VrProber *self = g_new0(VrProber, 1);
    self->workers = vr_workers_new(run_try, THREADS_MAX, WAITING_MAX);
    return self;
}

VrProbe
vr_prober_port(VrProber *self)
{
    static const VrProbeVTable vtable = {run};
    return (VrProbe){self, &vtable};
}

void
vr_prober_free(VrProber *self)
{
    if (self == NULL)
        return;
    vr_workers_free(self->workers);
    g_free(self);
}
