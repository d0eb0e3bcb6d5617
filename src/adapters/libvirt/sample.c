/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all guests of a host have used and waited for, by one bulk call of libvirt. */
#include "adapters/libvirt/call.h"
#include "adapters/libvirt/connection.h"
#include "adapters/libvirt/failure.h"

#define NS_PER_US 1000

typedef struct {
    VrCall call;
    VrSampleDone done;
} SampleCall;

/* ------------------------------------------------------------------ typed parameters */

/* Of any integer type; -1: it is not there. */
static gint64
get_number(const virDomainStatsRecord *record, const char *name)
{
    unsigned long long number = 0;
    unsigned int small = 0;
    int state = 0;

    if (virTypedParamsGetULLong(record->params, record->nparams, name, &number) == 1)
        return (gint64)MIN(number, G_MAXINT64);
    virResetLastError();
    if (virTypedParamsGetUInt(record->params, record->nparams, name, &small) == 1)
        return small;
    virResetLastError();
    if (virTypedParamsGetInt(record->params, record->nparams, name, &state) == 1)
        return state;
    virResetLastError();
    return -1;
}

static gint64
get_indexed(const virDomainStatsRecord *record, const char *group, gint64 index, const char *name)
{
    char field[VIR_TYPED_PARAM_FIELD_LENGTH];

    g_snprintf(field, sizeof field, "%s.%" G_GINT64_FORMAT ".%s", group, index, name);
    return get_number(record, field);
}

/* ------------------------------------------------------------------ one guest */

/* vCPUs may be offline in between; those that are there have a time. */
static void
sum_vcpus(const virDomainStatsRecord *record, VrHealthSample *sample)
{
    gint64 maximum = get_number(record, "vcpu.maximum");
    gint64 delay_ns = 0;
    gint64 run_ns = 0;

    for (gint64 i = 0; i < maximum; i++) {
        gint64 time_ns = get_indexed(record, "vcpu", i, "time");
        if (time_ns < 0)
            continue;
        run_ns += time_ns;
        delay_ns += MAX(get_indexed(record, "vcpu", i, "delay"), 0);
        sample->vcpus++;
    }
    sample->run_us = run_ns / NS_PER_US;
    sample->delay_us = delay_ns / NS_PER_US;
}

static void
sum_disks(const virDomainStatsRecord *record, VrHealthSample *sample)
{
    static const char *const directions[] = {"rd", "wr", "fl"};
    gint64 count = get_number(record, "block.count");
    gint64 time_ns = 0;

    for (gint64 i = 0; i < count; i++) {
        for (guint d = 0; d < G_N_ELEMENTS(directions); d++) {
            g_autofree char *requests = g_strdup_printf("%s.reqs", directions[d]);
            g_autofree char *times = g_strdup_printf("%s.times", directions[d]);
            sample->requests += MAX(get_indexed(record, "block", i, requests), 0);
            time_ns += MAX(get_indexed(record, "block", i, times), 0);
        }
    }
    sample->io_us = time_ns / NS_PER_US;
}

static void
add_guest(VrSampling *sampling, const virDomainStatsRecord *record)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    gint64 state = get_number(record, "state.state");
    gint64 reason = get_number(record, "state.reason");

    if (virDomainGetUUIDString(record->dom, uuid) != 0) {
        virResetLastError();
        return;
    }
    VrSampledVm *vm = vr_sampling_add(sampling, uuid);
    vm->crashed = state == VIR_DOMAIN_CRASHED ||
                  (state == VIR_DOMAIN_SHUTOFF &&
                   (reason == VIR_DOMAIN_SHUTOFF_CRASHED || reason == VIR_DOMAIN_SHUTOFF_FAILED));
    vm->io_error = state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
    sum_vcpus(record, &vm->sample);
    sum_disks(record, &vm->sample);
}

/* ------------------------------------------------------------------ the call */

static gint64
count_cpus(virConnectPtr connection)
{
    virNodeInfo node;

    if (virNodeGetInfo(connection, &node) == 0)
        return node.cpus;
    virResetLastError();
    return 0;
}

static VrSampling *
sample(VrLibvirtHost *host, GError **error)
{
    g_autoptr(virConnect) connection = vr_connection_acquire(host, NULL, error);
    virDomainStatsRecordPtr *records = NULL;

    if (connection == NULL)
        return NULL;
    /* NOWAIT: a guest whose monitor hangs lacks figures, and holds nobody up. */
    int count = virConnectGetAllDomainStats(
        connection, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BLOCK,
        &records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    if (count < 0) {
        vr_failure_set_call(error, host->name, connection, "cannot sample its VMs");
        return NULL;
    }
    VrSampling *sampling = vr_sampling_new();
    sampling->reachable = TRUE;
    sampling->cpus = count_cpus(connection);
    for (int i = 0; i < count; i++)
        add_guest(sampling, records[i]);
    virDomainStatsRecordListFree(records);
    return sampling;
}

static void
tell_unreachable(VrSampleDone done, gpointer data, const GError *why)
{
    g_autoptr(VrSampling) sampling = vr_sampling_new();

    sampling->detail = g_strdup(why->message);
    done(sampling, data);
}

static void
sample_run(VrCall *call)
{
    SampleCall *self = (SampleCall *)call;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrSampling) sampling = sample(call->host, &error);

    if (!vr_call_claim(self))
        return;
    if (sampling == NULL)
        tell_unreachable(self->done, call->data, error);
    else
        self->done(sampling, call->data);
    vr_call_end(self);
}

static void
sample_cut_off(VrCall *call, const GError *why)
{
    tell_unreachable(((SampleCall *)call)->done, call->data, why);
}

static void
sample_clear(VrCall *call)
{
    (void)call;
}

static const VrCallClass sample_class = {sizeof(SampleCall), FALSE, sample_run, sample_cut_off,
                                         sample_clear};

void
vr_sample_start(gpointer context, const char *host, VrSampleDone done, gpointer data)
{
    g_autoptr(GError) error = NULL;
    VrLibvirtHost *where = vr_libvirt_find_host(context, host, &error);

    if (where == NULL) {
        tell_unreachable(done, data, error);
        return;
    }
    SampleCall *self = vr_call_new(&sample_class, where, data);
    self->done = done;
    vr_call_submit(self);
}
