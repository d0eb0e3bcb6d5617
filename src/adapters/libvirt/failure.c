/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/failure.h"

#include <errno.h>

#include "adapters/libvirt/recognise.h"

typedef struct {
    int libvirt_code;
    VrErrorCode code;
    const char *advice; /* nullable */
} FailureRow;

/* Codes that are not here are VR_ERROR_FAILED without advice. */
static const FailureRow failure_rows[] = {
    {VIR_ERR_NO_DOMAIN, VR_ERROR_NOT_FOUND, NULL},
    {VIR_ERR_OPERATION_INVALID, VR_ERROR_CONFLICT, NULL},
    {VIR_ERR_RESOURCE_BUSY, VR_ERROR_CONFLICT, NULL},
    {VIR_ERR_DOM_EXIST, VR_ERROR_CONFLICT, NULL},
    {VIR_ERR_OPERATION_ABORTED, VR_ERROR_CANCELLED, NULL},
    {VIR_ERR_OPERATION_TIMEOUT, VR_ERROR_TIMEOUT,
     "another job holds the VM: see `virsh domjobinfo`"},
    {VIR_ERR_AUTH_FAILED, VR_ERROR_REFUSED,
     "check the credentials in the controller's libvirt auth.conf and the daemon's access rules"},
    {VIR_ERR_AUTH_CANCELLED, VR_ERROR_REFUSED,
     "check the credentials in the controller's libvirt auth.conf and the daemon's access rules"},
    {VIR_ERR_AUTH_UNAVAILABLE, VR_ERROR_REFUSED,
     "the daemon's authentication needs an agent that is not running"},
    {VIR_ERR_ACCESS_DENIED, VR_ERROR_REFUSED, "the daemon's access rules forbid it"},
    {VIR_ERR_OPERATION_DENIED, VR_ERROR_REFUSED, "the daemon's access rules forbid it"},
    {VIR_ERR_GNUTLS_ERROR, VR_ERROR_UNREACHABLE,
     "check the certificates of both ends: issuer, expiry and host name"},
    {VIR_ERR_SSH, VR_ERROR_UNREACHABLE,
     "does `ssh` to that host work for this user without a prompt?"},
    {VIR_ERR_LIBSSH, VR_ERROR_UNREACHABLE,
     "does `ssh` to that host work for this user without a prompt?"},
    {VIR_ERR_UNKNOWN_HOST, VR_ERROR_UNREACHABLE, "check the host name in the fleet file"},
    {VIR_ERR_NO_CONNECT, VR_ERROR_UNREACHABLE, "check the URI in the fleet file"},
    {VIR_ERR_INVALID_CONN, VR_ERROR_UNREACHABLE, NULL},
    {VIR_ERR_RPC, VR_ERROR_UNREACHABLE, "is it libvirtd or virtproxyd that listens there?"},
    {VIR_ERR_NO_SUPPORT, VR_ERROR_UNSUPPORTED,
     "this needs the QEMU driver of libvirt 9.0 or later"},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, VR_ERROR_UNSUPPORTED, NULL},
    {VIR_ERR_CONFIG_UNSUPPORTED, VR_ERROR_UNSUPPORTED, NULL},
    {VIR_ERR_OPERATION_UNSUPPORTED, VR_ERROR_UNSUPPORTED, NULL},
};

static const FailureRow *
find_row(int libvirt_code)
{
    static const FailureRow other = {VIR_ERR_OK, VR_ERROR_FAILED, NULL};
    for (guint i = 0; i < G_N_ELEMENTS(failure_rows); i++)
        if (failure_rows[i].libvirt_code == libvirt_code)
            return &failure_rows[i];
    return &other;
}

/* What to look at when the system refused to connect. */
static const char *
connect_advice(int system_error)
{
    switch (system_error) {
    case ECONNREFUSED:
        return "is libvirtd running there and listening on that address?";
    case ENOENT:
        return "is libvirtd running, and is the path of its socket right?";
    case EACCES:
    case EPERM:
        return "may this user connect to that socket?";
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ETIMEDOUT:
        return "is the host up, and is there a route to it?";
    default:
        return "is the host up, and is libvirtd running and listening there?";
    }
}

int
vr_failure_libvirt_code(void)
{
    virErrorPtr last = virGetLastError();
    return last == NULL ? VIR_ERR_OK : last->code;
}

/* In one line: a hook's words come with line ends. */
static char *
dup_last_message(void)
{
    virErrorPtr last = virGetLastError();
    if (last == NULL || last->message == NULL)
        return g_strdup("libvirt gives no reason");
    return g_strdelimit(g_strstrip(g_strdup(last->message)), "\r\n", ' ');
}

void
vr_failure_set_connect(GError **error, const char *host, const char *uri)
{
    virErrorPtr last = virGetLastError();
    const FailureRow *row = find_row(vr_failure_libvirt_code());
    g_autofree char *why = dup_last_message();
    /* Whatever keeps us out: there is no connection. Only "you may not" is something else. */
    VrErrorCode code = row->code == VR_ERROR_REFUSED ? VR_ERROR_REFUSED : VR_ERROR_UNREACHABLE;
    const char *advice = row->advice;
    if (last != NULL && last->code == VIR_ERR_SYSTEM_ERROR)
        advice = connect_advice(last->int1);
    if (advice == NULL)
        advice = connect_advice(0);
    g_set_error(error, VR_ERROR, (gint)code, "%s: cannot connect to %s: %s; %s", host, uri, why,
                advice);
}

static gboolean
is_broken(virConnectPtr connection)
{
    return virConnectIsAlive(connection) != 1;
}

void
vr_failure_set_call(GError **error, const char *host, virConnectPtr connection,
                    const char *tried_format, ...)
{
    /* First of all: the next call of libvirt in this thread forgets the error. */
    const FailureRow *row = find_row(vr_failure_libvirt_code());
    g_autofree char *why = dup_last_message();
    VrErrorCode code = row->code;
    const char *advice = row->advice;

    if (is_broken(connection)) {
        code = VR_ERROR_UNREACHABLE;
        advice = "the connection broke: is the host up and libvirtd running?";
    }
    va_list arguments;
    va_start(arguments, tried_format);
    g_autofree char *tried = g_strdup_vprintf(tried_format, arguments);
    va_end(arguments);
    g_set_error(error, VR_ERROR, (gint)code, "%s: %s: %s%s%s", host, tried, why,
                advice == NULL ? "" : "; ", advice == NULL ? "" : advice);
}

void
vr_failure_set_migration(GError **error, const VrLibvirtHost *source, const VrLibvirtHost *target,
                         const char *vm_uuid, virConnectPtr connection)
{
    /* First of all: the next call of libvirt in this thread forgets the error. */
    int code = vr_failure_libvirt_code();
    g_autofree char *why = dup_last_message();
    VrFailure failure = is_broken(connection) ? VR_FAILURE_CUT_OFF : vr_recognise(code, why);
    g_autofree char *subject = g_strdup_printf("VM %s: migration from %s to %s failed", vm_uuid,
                                               source->name, target->name);
    vr_failure_set(error, failure, subject, why);
}

VrFailure
vr_failure_of_host(const GError *error)
{
    if (g_error_matches(error, VR_ERROR, VR_ERROR_UNREACHABLE))
        return VR_FAILURE_HOST_UNREACHABLE;
    if (g_error_matches(error, VR_ERROR, VR_ERROR_TIMEOUT))
        return VR_FAILURE_HOST_DEGRADED;
    if (g_error_matches(error, VR_ERROR, VR_ERROR_REFUSED))
        return VR_FAILURE_ACCESS_DENIED;
    return vr_failure_of(error);
}
