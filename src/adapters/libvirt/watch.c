/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/watch.h"

/* By virDomainEventType. */
static const char *const event_words[] = {
    "defined", "undefined", "started",      "suspended", "resumed",
    "stopped", "shutdown",  "pm-suspended", "crashed",
};

/* By virConnectCloseReason. */
static const char *const close_words[] = {
    "disconnected: the connection failed",
    "disconnected: the daemon closed the connection",
    "disconnected: no answer within the keepalive",
    "disconnected: closed",
};

void
vr_watch_start(gpointer context, VrHintSeen seen, gpointer data)
{
    VrLibvirt *self = context;
    pthread_mutex_lock(&self->watch_lock);
    self->seen = seen;
    self->seen_data = data;
    pthread_mutex_unlock(&self->watch_lock);
}

void
vr_watch_tell(VrLibvirtHost *host, const char *uuid, const char *what)
{
    VrLibvirt *owner = host->owner;
    /* Held meanwhile, so that who stops watching is not called any more once that returns. */
    pthread_mutex_lock(&owner->watch_lock);
    if (owner->seen != NULL)
        owner->seen(host->name, uuid, what, owner->seen_data);
    pthread_mutex_unlock(&owner->watch_lock);
}

/* On the main loop, as the next one: nothing here may call libvirt back. */
static int
lifecycle_changed(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *data)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    (void)connection;
    (void)detail;
    if (virDomainGetUUIDString(domain, uuid) == 0) {
        gboolean known = event >= 0 && event < (int)G_N_ELEMENTS(event_words);
        vr_watch_tell(data, uuid, known ? event_words[event] : "changed");
    }
    return 0;
}

static void
connection_closed(virConnectPtr connection, int reason, void *data)
{
    gboolean known = reason >= 0 && reason < (int)G_N_ELEMENTS(close_words);
    (void)connection;
    /* It stays where it is: the host's next call finds it dead and replaces it. */
    vr_watch_tell(data, NULL, known ? close_words[reason] : "disconnected");
}

static void
forget_host(void *data)
{
    VrLibvirtHost *host = data;
    vr_libvirt_unref(host->owner);
}

static gpointer
remember_host(VrLibvirtHost *host)
{
    vr_libvirt_ref(host->owner);
    return host;
}

int
vr_watch_attach(virConnectPtr connection, VrLibvirtHost *host)
{
    if (virConnectRegisterCloseCallback(connection, connection_closed, remember_host(host),
                                        forget_host) < 0) {
        /* A driver without remote end: nothing to be closed. */
        forget_host(host);
    }
    int event_id = virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                                    VIR_DOMAIN_EVENT_CALLBACK(lifecycle_changed),
                                                    remember_host(host), forget_host);
    if (event_id < 0)
        forget_host(host);
    return event_id;
}

void
vr_watch_detach(virConnectPtr connection, int event_id)
{
    if (event_id >= 0)
        (void)virConnectDomainEventDeregisterAny(connection, event_id);
    /* libvirt holds the connection as long as a callback is registered. */
    (void)virConnectUnregisterCloseCallback(connection, connection_closed);
}
