/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/read.h"

#include "adapters/libvirt/call.h"
#include "adapters/libvirt/classify.h"
#include "adapters/libvirt/connection.h"
#include "adapters/libvirt/failure.h"

/* A domain that changes under each try is in the middle of something; the engine asks again. */
#define TRIES_MAX 5

#define BYTES_PER_MIB (1024 * 1024)
#define KIB_PER_MIB 1024

typedef enum {
    ANSWER_ABSENT,
    ANSWER_PRESENT,
    ANSWER_TORN, /* changed between two questions: ask all of them again */
    ANSWER_NONE, /* error set */
} Answer;

typedef struct {
    virConnectPtr connection;
    const VrLibvirtHost *host;
    const char *vm_uuid;
    VrRole role;
} Question;

void
vr_read_init(VrReading *out_reading)
{
    *out_reading = (VrReading){
        .side = VR_SIDE_UNKNOWN,
        .libvirt_id = -1,
        .cpu_time_ns = -1,
        .stats = {.total_ms = VR_UNKNOWN, .downtime_ms = VR_UNKNOWN, .data_mib = VR_UNKNOWN},
    };
}

static void
set_error(const Question *question, const char *tried, GError **error)
{
    vr_failure_set_call(error, question->host->name, question->connection, "cannot %s of VM %s",
                        tried, question->vm_uuid);
}

static Answer
look_up(const Question *question, virDomainPtr *out_domain, GError **error)
{
    *out_domain = virDomainLookupByUUIDString(question->connection, question->vm_uuid);
    if (*out_domain != NULL)
        return ANSWER_PRESENT;
    if (vr_failure_libvirt_code() == VIR_ERR_NO_DOMAIN)
        return ANSWER_ABSENT;
    set_error(question, "read the presence", error);
    return ANSWER_NONE;
}

/*
 * A restarted daemon holds the domain's job while it recovers it, so an answer to this question, of
 * whatever kind, proves that the recovery is over. Inactive domains have none.
 */
static Answer
ask_job(const Question *question, virDomainPtr domain, gboolean *out_has_job, GError **error)
{
    virDomainJobInfo job;
    *out_has_job = FALSE;
    if (virDomainGetJobInfo(domain, &job) == 0) {
        *out_has_job = job.type != VIR_DOMAIN_JOB_NONE;
        return ANSWER_PRESENT;
    }
    switch (vr_failure_libvirt_code()) {
    case VIR_ERR_OPERATION_UNSUPPORTED:
        /* "Available only on the source host": this is the target of a migration under way. */
        *out_has_job = TRUE;
        return ANSWER_PRESENT;
    case VIR_ERR_OPERATION_INVALID: /* is not running */
    case VIR_ERR_NO_DOMAIN:         /* has gone; the look-up that follows shows it */
        return ANSWER_PRESENT;
    default:
        set_error(question, "read the job", error);
        return ANSWER_NONE;
    }
}

/* NO_DOMAIN in the middle of the questions is no answer yet: it may be that it has just left. */
static Answer
torn_or_none(const Question *question, const char *tried, GError **error)
{
    if (vr_failure_libvirt_code() == VIR_ERR_NO_DOMAIN)
        return ANSWER_TORN;
    set_error(question, tried, error);
    return ANSWER_NONE;
}

static Answer
ask_state(const Question *question, virDomainPtr domain, gboolean has_job, VrReading *reading,
          GError **error)
{
    int state = 0;
    int reason = 0;
    virDomainInfo info;
    if (virDomainGetState(domain, &state, &reason, 0) < 0 || virDomainGetInfo(domain, &info) < 0)
        return torn_or_none(question, "read the state", error);
    int persistent = virDomainIsPersistent(domain);
    int autostart = 0;
    if (persistent < 0 || virDomainGetAutostart(domain, &autostart) < 0)
        return torn_or_none(question, "read the configuration", error);
    /* The id came with the look-up, the state later: they must tell the same of it. */
    int active = virDomainIsActive(domain);
    gboolean has_id = virDomainGetID(domain) != (unsigned int)-1;
    if (active < 0)
        return torn_or_none(question, "read the activity", error);
    if ((active == 1) != has_id || has_id != (state != VIR_DOMAIN_SHUTOFF))
        return ANSWER_TORN;
    reading->libvirt_id = has_id ? (gint64)virDomainGetID(domain) : -1;
    reading->cpu_time_ns = has_id ? (gint64)info.cpuTime : -1;
    reading->memory_mib = (gint64)(info.maxMem / KIB_PER_MIB);
    reading->persistent = persistent == 1;
    reading->shutting_down = state == VIR_DOMAIN_SHUTDOWN;
    if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR)
        reading->failure = VR_FAILURE_STORAGE_ERROR;
    reading->autostart = autostart == 1;
    reading->side = vr_classify_side(state, reason, has_job, has_id, question->role);
    g_free(reading->detail);
    reading->detail = vr_classify_describe(state, reason, has_job);
    return ANSWER_PRESENT;
}

/* Job first, then presence and state; all of one instance, else torn. */
static Answer
ask_once(const Question *question, VrReading *reading, GError **error)
{
    g_autoptr(virDomain) before = NULL;
    Answer answer = look_up(question, &before, error);
    if (answer != ANSWER_PRESENT)
        return answer;
    gboolean has_job = FALSE;
    answer = ask_job(question, before, &has_job, error);
    if (answer != ANSWER_PRESENT)
        return answer;
    g_autoptr(virDomain) domain = NULL;
    answer = look_up(question, &domain, error);
    if (answer != ANSWER_PRESENT)
        return answer;
    if (virDomainGetID(before) != virDomainGetID(domain))
        return ANSWER_TORN;
    return ask_state(question, domain, has_job, reading, error);
}

/* Why a side is unknown. */
static void
note_no_answer(VrReading *reading, const GError *error)
{
    reading->failure = vr_failure_of_host(error);
    reading->detail = g_strdup(error->message);
}

void
vr_read_side(virConnectPtr connection, const VrLibvirtHost *host, const char *vm_uuid, VrRole role,
             guint64 generation, VrReading *out_reading)
{
    const Question question = {connection, host, vm_uuid, role};
    g_autoptr(GError) error = NULL;
    Answer answer = ANSWER_TORN;

    vr_read_init(out_reading);
    out_reading->generation = generation;
    for (guint i = 0; i < TRIES_MAX && answer == ANSWER_TORN; i++)
        answer = ask_once(&question, out_reading, &error);
    switch (answer) {
    case ANSWER_ABSENT:
        vr_reading_clear(out_reading);
        vr_read_init(out_reading);
        out_reading->generation = generation;
        out_reading->side = VR_SIDE_ABSENT;
        out_reading->detail = g_strdup("not there");
        break;
    case ANSWER_PRESENT:
        break;
    case ANSWER_TORN:
        out_reading->detail =
            g_strdup_printf("%s: VM %s changed while it was read", host->name, vm_uuid);
        break;
    case ANSWER_NONE:
        note_no_answer(out_reading, error);
        break;
    }
}

static void
take_number(virTypedParameterPtr parameters, int count, const char *field, gint64 divisor,
            gint64 *out_value)
{
    unsigned long long value = 0;
    if (virTypedParamsGetULLong(parameters, count, field, &value) == 1)
        *out_value = (gint64)(value / (guint64)divisor);
}

/* What the migration cost, as its target remembers until its daemon restarts. */
static void
read_stats(virDomainPtr domain, VrMigrationStats *out_stats)
{
    virTypedParameterPtr parameters = NULL;
    int count = 0;
    int type = VIR_DOMAIN_JOB_NONE;
    int operation = VIR_DOMAIN_JOB_OPERATION_UNKNOWN;
    /* KEEP: reading them would else throw them away. */
    unsigned int flags = VIR_DOMAIN_JOB_STATS_COMPLETED | VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED;
    if (virDomainGetJobStats(domain, &type, &parameters, &count, flags) < 0)
        return;
    (void)virTypedParamsGetInt(parameters, count, VIR_DOMAIN_JOB_OPERATION, &operation);
    if (operation == VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN) {
        take_number(parameters, count, VIR_DOMAIN_JOB_TIME_ELAPSED, 1, &out_stats->total_ms);
        take_number(parameters, count, VIR_DOMAIN_JOB_DOWNTIME, 1, &out_stats->downtime_ms);
        take_number(parameters, count, VIR_DOMAIN_JOB_DATA_PROCESSED, BYTES_PER_MIB,
                    &out_stats->data_mib);
    }
    virTypedParamsFree(parameters, count);
}

/* With the same flags as libvirt itself sends a definition along with its guest. */
char *
vr_read_definition(virDomainPtr domain)
{
    return virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE |
                                           VIR_DOMAIN_XML_MIGRATABLE);
}

typedef struct {
    VrCall call;
    char *vm_uuid;
    VrRole role;
    gboolean with_definition;
    VrReadDone done;
} ReadCall;

/* What does not belong to the class: may be missing without making the class unknown. */
static void
read_extras(const ReadCall *self, virConnectPtr connection, VrReading *reading)
{
    gboolean wants_stats = self->role == VR_ROLE_TARGET &&
                           (reading->side == VR_SIDE_RUNNING || reading->side == VR_SIDE_USER);
    gboolean wants_definition = self->with_definition && reading->side != VR_SIDE_UNKNOWN &&
                                reading->side != VR_SIDE_ABSENT;
    if (!wants_stats && !wants_definition)
        return;
    g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, self->vm_uuid);
    if (domain == NULL)
        return;
    if (wants_stats)
        read_stats(domain, &reading->stats);
    if (wants_definition)
        reading->definition = vr_read_definition(domain);
}

static void
tell(ReadCall *self, const VrReading *reading)
{
    self->done(reading, self->call.data);
}

static void
tell_unknown(VrReadDone done, gpointer data, const GError *why)
{
    g_auto(VrReading) reading;
    vr_read_init(&reading);
    note_no_answer(&reading, why);
    done(&reading, data);
}

static void
read_run(VrCall *call)
{
    ReadCall *self = (ReadCall *)call;
    g_autoptr(GError) error = NULL;
    guint64 generation = 0;
    g_auto(VrReading) reading;
    vr_read_init(&reading);

    g_autoptr(virConnect) connection = vr_connection_acquire(call->host, &generation, &error);
    if (connection == NULL) {
        note_no_answer(&reading, error);
    } else {
        vr_read_side(connection, call->host, self->vm_uuid, self->role, generation, &reading);
        read_extras(self, connection, &reading);
    }
    if (vr_call_claim(self)) {
        tell(self, &reading);
        vr_call_end(self);
    }
}

static void
read_cut_off(VrCall *call, const GError *why)
{
    ReadCall *self = (ReadCall *)call;
    tell_unknown(self->done, call->data, why);
}

static void
read_clear(VrCall *call)
{
    ReadCall *self = (ReadCall *)call;
    g_free(self->vm_uuid);
}

static const VrCallClass read_class = {sizeof(ReadCall), FALSE, read_run, read_cut_off, read_clear};

void
vr_read_start(gpointer context, const char *host, const char *vm_uuid, VrRole role,
              gboolean with_definition, VrReadDone done, gpointer data)
{
    g_autoptr(GError) error = NULL;
    VrLibvirtHost *where = vr_libvirt_find_host(context, host, &error);
    if (where == NULL) {
        tell_unknown(done, data, error);
        return;
    }
    ReadCall *self = vr_call_new(&read_class, where, data);
    self->vm_uuid = g_strdup(vm_uuid);
    self->role = role;
    self->with_definition = with_definition;
    self->done = done;
    vr_call_submit(self);
}
