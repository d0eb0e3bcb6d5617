/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One live migration: a blocking call on a connection of its own, watched over the control one. */
#include "adapters/libvirt/call.h"
#include "adapters/libvirt/connection.h"
#include "adapters/libvirt/failure.h"

#define POLL_INTERVAL_MS 500
#define BYTES_PER_MIB (1024 * 1024)

/*
 * Peer to peer: it goes on if we die. The definition goes with the guest. CHANGE_PROTECTION: nobody
 * changes the guest meanwhile, and its job is there from the first moment. ABORT_ON_ERROR: an I/O
 * error of the guest ends the migration. Never UNSAFE, OFFLINE, TUNNELLED or POSTCOPY.
 */
#define MIGRATE_FLAGS                                                                              \
    (VIR_MIGRATE_LIVE | VIR_MIGRATE_PEER2PEER | VIR_MIGRATE_PERSIST_DEST |                         \
     VIR_MIGRATE_UNDEFINE_SOURCE | VIR_MIGRATE_CHANGE_PROTECTION | VIR_MIGRATE_ABORT_ON_ERROR)

typedef struct {
    VrCall call;
    VrLibvirtHost *target;
    char *vm_uuid;
    gint64 bandwidth_mib_per_s;
    gboolean tls;
    VrProgressSeen progress; /* nullable */
    VrCallDone done;
    gint polling; /* atomic: a poll is queued or running */
} MigrateCall;

typedef struct {
    VrCall call;
    MigrateCall *migration; /* referenced */
} PollCall;

static gint64
get_number(virTypedParameterPtr parameters, int count, const char *field, gint64 divisor)
{
    unsigned long long value = 0;
    if (virTypedParamsGetULLong(parameters, count, field, &value) != 1)
        return VR_UNKNOWN;
    return (gint64)(value / (guint64)divisor);
}

static gint64
get_dirty_mib_per_s(virTypedParameterPtr parameters, int count)
{
    gint64 pages_per_s = get_number(parameters, count, VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, 1);
    gint64 page_bytes = get_number(parameters, count, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, 1);
    if (pages_per_s < 0 || page_bytes <= 0 || pages_per_s > G_MAXINT64 / page_bytes)
        return VR_UNKNOWN;
    return pages_per_s * page_bytes / BYTES_PER_MIB;
}

/* FALSE: there is no migration to be seen. */
static gboolean
ask_progress(virDomainPtr domain, VrMigrationProgress *out_progress)
{
    virTypedParameterPtr parameters = NULL;
    int count = 0;
    int type = VIR_DOMAIN_JOB_NONE;
    if (virDomainGetJobStats(domain, &type, &parameters, &count, 0) < 0)
        return FALSE;
    *out_progress = (VrMigrationProgress){
        .elapsed_ms = get_number(parameters, count, VIR_DOMAIN_JOB_TIME_ELAPSED, 1),
        .data_total_mib = get_number(parameters, count, VIR_DOMAIN_JOB_DATA_TOTAL, BYTES_PER_MIB),
        .data_processed_mib =
            get_number(parameters, count, VIR_DOMAIN_JOB_DATA_PROCESSED, BYTES_PER_MIB),
        .data_remaining_mib =
            get_number(parameters, count, VIR_DOMAIN_JOB_DATA_REMAINING, BYTES_PER_MIB),
        .rate_mib_per_s = get_number(parameters, count, VIR_DOMAIN_JOB_MEMORY_BPS, BYTES_PER_MIB),
        .dirty_mib_per_s = get_dirty_mib_per_s(parameters, count),
        .downtime_ms = get_number(parameters, count, VIR_DOMAIN_JOB_DOWNTIME, 1),
        .iteration = get_number(parameters, count, VIR_DOMAIN_JOB_MEMORY_ITERATION, 1),
    };
    virTypedParamsFree(parameters, count);
    if (out_progress->data_total_mib == 0) {
        /* The target is still being prepared. */
        out_progress->data_total_mib = VR_UNKNOWN;
        out_progress->data_processed_mib = VR_UNKNOWN;
        out_progress->data_remaining_mib = VR_UNKNOWN;
        out_progress->iteration = VR_UNKNOWN;
    }
    /* A job that has ended, or is being cleaned up, has no figures any more. */
    return type == VIR_DOMAIN_JOB_UNBOUNDED || type == VIR_DOMAIN_JOB_BOUNDED;
}

static void
poll_run(VrCall *call)
{
    MigrateCall *migration = ((PollCall *)call)->migration;
    VrMigrationProgress progress;
    gboolean seen = FALSE;
    g_autoptr(virConnect) connection = vr_connection_acquire(call->host, NULL, NULL);
    if (connection != NULL) {
        g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, migration->vm_uuid);
        seen = domain != NULL && ask_progress(domain, &progress);
    }
    if (seen && vr_call_begin_notice(migration)) {
        migration->progress(&progress, migration->call.data);
        vr_call_end_notice(migration);
    }
    g_atomic_int_set(&migration->polling, 0);
    if (vr_call_claim(call))
        vr_call_end(call);
}

/* Nobody waits for a poll. */
static void
poll_cut_off(VrCall *call, const GError *why)
{
    (void)call;
    (void)why;
}

static void
poll_clear(VrCall *call)
{
    vr_call_unref(((PollCall *)call)->migration);
}

static const VrCallClass poll_class = {sizeof(PollCall), FALSE, poll_run, poll_cut_off, poll_clear};

/* On the main loop, so it only queues the question. */
static gboolean
poll_is_due(gpointer data)
{
    MigrateCall *self = data;
    /* The last one is still on its way: a slow daemon is not helped by more questions. */
    if (g_atomic_int_compare_and_exchange(&self->polling, 0, 1)) {
        PollCall *poll = vr_call_new(&poll_class, self->call.host, NULL);
        poll->migration = vr_call_ref(self);
        vr_call_submit(poll);
    }
    VR_HAND_OVER(self);
    return G_SOURCE_CONTINUE;
}

static GSource *
start_polling(MigrateCall *self)
{
    if (self->progress == NULL)
        return NULL;
    GSource *timer = g_timeout_source_new(POLL_INTERVAL_MS);
    g_source_set_callback(timer, poll_is_due, vr_call_ref(self), vr_call_unref);
    g_source_attach(timer, NULL);
    return timer;
}

static void
stop_polling(MigrateCall *self, GSource *timer)
{
    if (timer == NULL)
        return;
    g_source_destroy(timer);
    g_source_unref(timer);
    VR_TAKE_OVER(self);
}

static int
call_libvirt(const MigrateCall *self, virDomainPtr domain)
{
    virTypedParameterPtr parameters = NULL;
    int count = 0;
    int max = 0;
    unsigned int flags = MIGRATE_FLAGS | (self->tls ? VIR_MIGRATE_TLS : 0);
    int result = virTypedParamsAddULLong(&parameters, &count, &max, VIR_MIGRATE_PARAM_BANDWIDTH,
                                         (unsigned long long)self->bandwidth_mib_per_s);
    if (result == 0 && self->target->migrate_uri != NULL) {
        result = virTypedParamsAddString(&parameters, &count, &max, VIR_MIGRATE_PARAM_URI,
                                         self->target->migrate_uri);
    }
    if (result == 0) {
        result = virDomainMigrateToURI3(domain, self->target->peer_uri, parameters,
                                        (unsigned int)count, flags);
    }
    virTypedParamsFree(parameters, count);
    return result;
}

/* FALSE with error: nothing was begun, so nothing can be under way. */
static gboolean
prepare(const MigrateCall *self, virConnectPtr *out_connection, virDomainPtr *out_domain,
        GError **error)
{
    g_autoptr(GError) why = NULL;
    *out_connection = vr_connection_open_own(self->call.host, &why);
    if (*out_connection != NULL) {
        *out_domain = virDomainLookupByUUIDString(*out_connection, self->vm_uuid);
        if (*out_domain != NULL)
            return TRUE;
        vr_failure_set_call(&why, self->call.host->name, *out_connection, "cannot find VM %s",
                            self->vm_uuid);
    }
    g_set_error(error, VR_FAILURE, (gint)vr_failure_of_host(why),
                "VM %s: its migration to %s was not begun: %s", self->vm_uuid, self->target->name,
                why->message);
    return FALSE;
}

static void
migrate(MigrateCall *self, GError **error)
{
    g_autoptr(virConnect) connection = NULL;
    g_autoptr(virDomain) domain = NULL;
    if (!prepare(self, &connection, &domain, error))
        return;
    if (!vr_call_begin_effect(self))
        return;
    GSource *timer = start_polling(self);
    if (call_libvirt(self, domain) < 0)
        vr_failure_set_migration(error, self->call.host, self->target, self->vm_uuid, connection);
    stop_polling(self, timer);
}

static void
migrate_run(VrCall *call)
{
    MigrateCall *self = (MigrateCall *)call;
    g_autoptr(GError) error = NULL;
    migrate(self, &error);
    if (vr_call_claim(self)) {
        self->done(error, call->data);
        vr_call_end(self);
    }
}

static void
migrate_cut_off(VrCall *call, const GError *why)
{
    ((MigrateCall *)call)->done(why, call->data);
}

static void
migrate_clear(VrCall *call)
{
    g_free(((MigrateCall *)call)->vm_uuid);
}

static const VrCallClass migrate_class = {sizeof(MigrateCall), TRUE, migrate_run, migrate_cut_off,
                                          migrate_clear};

void
vr_migrate_start(gpointer context, const VrMigrationRequest *request, VrProgressSeen progress,
                 VrCallDone done, gpointer data)
{
    g_autoptr(GError) error = NULL;
    VrLibvirtHost *source = vr_libvirt_find_host(context, request->source, &error);
    VrLibvirtHost *target =
        source == NULL ? NULL : vr_libvirt_find_host(context, request->target, &error);
    if (target == NULL) {
        done(error, data);
        return;
    }
    g_return_if_fail(request->bandwidth_mib_per_s >= 1);
    MigrateCall *self = vr_call_new(&migrate_class, source, data);
    self->target = target;
    self->vm_uuid = g_strdup(request->vm_uuid);
    self->bandwidth_mib_per_s = request->bandwidth_mib_per_s;
    self->tls = request->tls;
    self->progress = progress;
    self->done = done;
    vr_call_submit(self);
}
