/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/connection.h"

#include <libvirt-glib/libvirt-glib.h>
#include <signal.h>

#include "adapters/libvirt/call.h"
#include "adapters/libvirt/failure.h"
#include "adapters/libvirt/watch.h"
#include "adapters/libvirt/xml.h"

/* Threads of one host that hang in connecting. More would help nobody: the system tries on anyway.
 */
#define HANGING_MAX 4
#define RETRY_FIRST_US (250 * G_TIME_SPAN_MILLISECOND)
#define RETRY_DOUBLINGS_MAX 4

/* One attempt. Guarded by the lock of the host's owner, apart from what only its thread uses. */
struct VrOpening {
    VrLibvirtHost *host; /* its owner is referenced by the thread */
    gboolean is_control;
    gint64 deadline_us;
    guint references;
    gboolean ended;
    gboolean given_up;
    virConnectPtr connection; /* until it is taken */
    int event_id;
    char *uuid;
    GError *error;
};

static void
opening_unref(VrOpening *self)
{
    if (--self->references > 0)
        return;
    g_assert(self->connection == NULL);
    g_free(self->uuid);
    g_clear_error(&self->error);
    g_free(self);
}

static void
ignore_error(gpointer data, virErrorPtr error)
{
    (void)data;
    (void)error;
}

void
vr_connection_prepare_process(void)
{
    static gsize prepared = 0;
    if (g_once_init_enter(&prepared)) {
        /* libvirt would print each error to stderr; they reach people through our messages. */
        virSetErrorFunc(NULL, ignore_error);
        /* It writes to sockets that the other side has closed: as GIO does, so ignore the signal.
         */
        (void)signal(SIGPIPE, SIG_IGN);
        gvir_event_register();
        vr_xml_prepare_process();
        g_once_init_leave(&prepared, 1);
    }
}

/* Nobody is there to be asked: what libvirt's auth.conf does not say, we do not know. */
static int
answer_nothing(virConnectCredentialPtr credentials, unsigned int count, void *data)
{
    (void)credentials;
    (void)count;
    (void)data;
    return -1;
}

static int credential_types[] = {
    VIR_CRED_USERNAME,   VIR_CRED_AUTHNAME,     VIR_CRED_PASSPHRASE,
    VIR_CRED_ECHOPROMPT, VIR_CRED_NOECHOPROMPT, VIR_CRED_REALM,
};

static virConnectPtr
open_blocking(const VrLibvirtHost *host, GError **error)
{
    virConnectAuth auth = {credential_types, G_N_ELEMENTS(credential_types), answer_nothing, NULL};
    virConnectPtr connection = virConnectOpenAuth(host->uri, &auth, 0);
    if (connection == NULL) {
        vr_failure_set_connect(error, host->name, host->uri);
        return NULL;
    }
    if (host->owner->keepalive_interval_s > 0) {
        /* Local test drivers have none; there is nothing on the way that could die, either. */
        (void)virConnectSetKeepAlive(connection, host->owner->keepalive_interval_s,
                                     host->owner->keepalive_count);
    }
    return connection;
}

static gboolean
ask_uuid(virConnectPtr connection, const VrLibvirtHost *host, char **out_uuid, GError **error)
{
    g_autofree char *text = virConnectGetCapabilities(connection);
    if (text == NULL) {
        vr_failure_set_call(error, host->name, connection, "cannot read its capabilities");
        return FALSE;
    }
    g_auto(VrCapabilities) capabilities = {0};
    if (!vr_xml_parse_capabilities(text, &capabilities, error)) {
        g_prefix_error(error, "%s: ", host->name);
        return FALSE;
    }
    *out_uuid = g_steal_pointer(&capabilities.host_uuid);
    return TRUE;
}

/* Blocks: without the lock, and not on the main loop. */
static void
retire(virConnectPtr connection, int event_id)
{
    vr_watch_detach(connection, event_id);
    (void)virConnectClose(connection);
}

static void
open_in_thread(VrOpening *self)
{
    self->event_id = -1;
    virConnectPtr connection = open_blocking(self->host, &self->error);
    if (connection != NULL && !ask_uuid(connection, self->host, &self->uuid, &self->error)) {
        (void)virConnectClose(connection);
        connection = NULL;
    }
    if (connection != NULL && self->is_control)
        self->event_id = vr_watch_attach(connection, self->host);
    self->connection = connection;
}

/* "None" is no identity: it may follow on none, but not on a UUID that we know. */
static gboolean
check_machine(VrOpening *self)
{
    const VrLibvirtHost *host = self->host;
    if (host->uuid == NULL || g_strcmp0(host->uuid, self->uuid) == 0)
        return TRUE;
    g_autofree char *uuids =
        g_strdup_printf("at %s: host UUID %s, before it was %s", host->uri,
                        self->uuid == NULL ? "unknown" : self->uuid, host->uuid);
    vr_failure_set(&self->error, VR_FAILURE_WRONG_MACHINE, host->name, uuids);
    return FALSE;
}

static void
note_failure(VrLibvirtHost *host, const GError *error)
{
    guint doublings = MIN(host->failure_count, RETRY_DOUBLINGS_MAX);
    host->retry_at_us = g_get_monotonic_time() + (RETRY_FIRST_US << doublings);
    host->failure_count++;
    g_clear_error(&host->last_error);
    host->last_error = g_error_copy(error);
}

/* Makes it the host's control connection. Also one that came too late, if there is no better. */
static gboolean
adopt(VrOpening *self)
{
    VrLibvirtHost *host = self->host;
    if (self->connection == NULL || host->connection != NULL || host->owner->closing)
        return FALSE;
    if (!check_machine(self))
        return FALSE;
    if (host->uuid == NULL)
        host->uuid = g_steal_pointer(&self->uuid);
    host->connection = g_steal_pointer(&self->connection);
    host->event_id = self->event_id;
    host->generation++;
    host->failure_count = 0;
    host->retry_at_us = 0;
    return TRUE;
}

static gpointer
opening_main(gpointer data)
{
    VrOpening *self = data;
    VrLibvirtHost *host = self->host;
    VrLibvirt *owner = host->owner;
    open_in_thread(self);

    pthread_mutex_lock(&owner->lock);
    gboolean adopted = self->is_control && adopt(self);
    gboolean is_strange = !self->is_control && self->connection != NULL && !check_machine(self);
    virConnectPtr unwanted = NULL;
    if (self->is_control || self->given_up || is_strange)
        unwanted = g_steal_pointer(&self->connection);
    if (self->is_control && !adopted && self->error != NULL)
        note_failure(host, self->error);
    if (host->opening == self)
        host->opening = NULL;
    if (self->given_up)
        host->hanging_count--;
    self->ended = TRUE;
    int event_id = self->event_id;
    opening_unref(self);
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&owner->lock);

    if (unwanted != NULL)
        retire(unwanted, event_id);
    if (adopted)
        vr_watch_tell(host, NULL, "connected");
    vr_libvirt_unref(owner);
    return NULL;
}

static void
set_closing(const VrLibvirtHost *host, GError **error)
{
    g_set_error(error, VR_ERROR, VR_ERROR_CANCELLED, "%s: not connected: the controller is closing",
                host->name);
}

static void
set_given_up(const VrLibvirtHost *host, GError **error)
{
    if (host->owner->closing) {
        set_closing(host, error);
        return;
    }
    g_set_error(error, VR_ERROR, VR_ERROR_UNREACHABLE,
                "%s: cannot connect to %s: no answer within %d s; is the host up, and is there a "
                "route to it?",
                host->name, host->uri, (int)(VR_CONNECT_DEADLINE_US / G_USEC_PER_SEC));
}

/* With the lock. The caller has a reference, the thread another. */
static VrOpening *
opening_start(VrLibvirtHost *host, gboolean is_control, GError **error)
{
    if (host->owner->closing) {
        set_closing(host, error);
        return NULL;
    }
    if (host->hanging_count >= HANGING_MAX) {
        g_set_error(error, VR_ERROR, VR_ERROR_UNREACHABLE,
                    "%s: cannot connect to %s: %u attempts still wait for an answer; is the host "
                    "up, and is there a route to it?",
                    host->name, host->uri, host->hanging_count);
        return NULL;
    }
    VrOpening *self = g_new0(VrOpening, 1);
    self->host = host;
    self->is_control = is_control;
    self->deadline_us = g_get_monotonic_time() + VR_CONNECT_DEADLINE_US;
    self->references = 2;
    vr_libvirt_ref(host->owner);

    g_autoptr(GError) why = NULL;
    GThread *thread = g_thread_try_new("vr-connect", opening_main, self, &why);
    if (thread == NULL) {
        g_set_error(error, VR_ERROR, VR_ERROR_IO, "%s: not connected: no thread to be had: %s",
                    host->name, why->message);
        vr_libvirt_unref(host->owner);
        g_free(self);
        return NULL;
    }
    g_thread_unref(thread);
    return self;
}

/* With the lock. */
static void
give_up(VrOpening *self)
{
    VrLibvirtHost *host = self->host;
    if (self->given_up)
        return;
    self->given_up = TRUE;
    host->hanging_count++;
    if (host->opening == self) {
        host->opening = NULL;
        g_autoptr(GError) error = NULL;
        set_given_up(host, &error);
        note_failure(host, error);
        pthread_cond_broadcast(&host->changed);
    }
}

/* With the lock, which it lets go meanwhile. FALSE: given up. */
static gboolean
opening_wait(VrOpening *self)
{
    gboolean in_time = TRUE;
    while (!self->ended && !self->given_up && in_time && !self->host->owner->closing)
        in_time = vr_call_wait_until(self->host->owner, &self->host->changed, self->deadline_us);
    if (!self->ended)
        give_up(self);
    return self->ended;
}

/* With the lock, which it lets go meanwhile: closing a dead connection may still take a moment. */
static void
drop_if_dead(VrLibvirtHost *host)
{
    VrLibvirt *owner = host->owner;
    virConnectPtr connection = host->connection;
    if (connection == NULL)
        return;
    (void)virConnectRef(connection);
    pthread_mutex_unlock(&owner->lock);
    gboolean dead = virConnectIsAlive(connection) != 1;

    pthread_mutex_lock(&owner->lock);
    gboolean mine = dead && host->connection == connection;
    int event_id = host->event_id;
    if (mine)
        host->connection = NULL;
    pthread_mutex_unlock(&owner->lock);

    (void)virConnectClose(connection);
    if (mine)
        retire(connection, event_id);
    pthread_mutex_lock(&owner->lock);
}

/* With the lock, which it lets go meanwhile. */
static gboolean
ensure_connected(VrLibvirtHost *host, GError **error)
{
    drop_if_dead(host);
    if (host->connection != NULL)
        return TRUE;
    if (host->opening == NULL) {
        if (g_get_monotonic_time() < host->retry_at_us) {
            g_propagate_error(error, g_error_copy(host->last_error));
            return FALSE;
        }
        host->opening = opening_start(host, TRUE, error);
        if (host->opening == NULL)
            return FALSE;
    } else {
        host->opening->references++;
    }
    VrOpening *opening = host->opening;
    gboolean ended = opening_wait(opening);
    gboolean connected = host->connection != NULL;
    if (!connected) {
        const GError *why = ended && opening->error != NULL ? opening->error : host->last_error;
        if (why != NULL) {
            g_propagate_error(error, g_error_copy(why));
        } else {
            g_set_error(error, VR_ERROR, VR_ERROR_UNREACHABLE,
                        "%s: the connection to %s was lost again at once", host->name, host->uri);
        }
    }
    opening_unref(opening);
    return connected;
}

virConnectPtr
vr_connection_acquire(VrLibvirtHost *host, guint64 *out_generation, GError **error)
{
    VrLibvirt *owner = host->owner;
    virConnectPtr connection = NULL;

    pthread_mutex_lock(&owner->lock);
    if (ensure_connected(host, error)) {
        connection = host->connection;
        (void)virConnectRef(connection);
        if (out_generation != NULL)
            *out_generation = host->generation;
    }
    pthread_mutex_unlock(&owner->lock);
    return connection;
}

virConnectPtr
vr_connection_open_own(VrLibvirtHost *host, GError **error)
{
    VrLibvirt *owner = host->owner;
    virConnectPtr connection = NULL;

    pthread_mutex_lock(&owner->lock);
    VrOpening *opening = opening_start(host, FALSE, error);
    if (opening != NULL) {
        if (!opening_wait(opening))
            set_given_up(host, error);
        else if (opening->connection == NULL)
            g_propagate_error(error, g_steal_pointer(&opening->error));
        else
            connection = g_steal_pointer(&opening->connection);
        opening_unref(opening);
    }
    pthread_mutex_unlock(&owner->lock);
    return connection;
}

char *
vr_connection_dup_uuid(VrLibvirtHost *host)
{
    pthread_mutex_lock(&host->owner->lock);
    char *uuid = g_strdup(host->uuid);
    pthread_mutex_unlock(&host->owner->lock);
    return uuid;
}

typedef struct {
    VrLibvirt *owner;
    virConnectPtr connection;
    int event_id;
} Retirement;

static gpointer
retirement_main(gpointer data)
{
    Retirement *self = data;
    VrLibvirt *owner = self->owner;
    retire(self->connection, self->event_id);
    g_free(self);

    pthread_mutex_lock(&owner->lock);
    owner->retiring_count--;
    pthread_cond_broadcast(&owner->idle);
    pthread_mutex_unlock(&owner->lock);
    vr_libvirt_unref(owner);
    return NULL;
}

/* With the lock. A thread each, for a daemon that hangs holds its own one up until its keepalive.
 */
static void
retire_in_thread(VrLibvirtHost *host)
{
    Retirement *retirement = g_new0(Retirement, 1);
    retirement->owner = vr_libvirt_ref(host->owner);
    retirement->connection = g_steal_pointer(&host->connection);
    retirement->event_id = host->event_id;
    host->owner->retiring_count++;
    g_thread_unref(g_thread_new("vr-close", retirement_main, retirement));
}

void
vr_connection_close_all(VrLibvirt *self, gint64 deadline_us)
{
    pthread_mutex_lock(&self->lock);
    for (guint i = 0; i < self->host_count; i++)
        if (self->hosts[i].connection != NULL)
            retire_in_thread(&self->hosts[i]);
    gboolean in_time = TRUE;
    while (in_time && self->retiring_count > 0)
        in_time = vr_call_wait_until(self, &self->idle, deadline_us);
    pthread_mutex_unlock(&self->lock);
}
