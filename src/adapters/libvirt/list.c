/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/list.h"

#include <string.h>

#include "adapters/libvirt/call.h"
#include "adapters/libvirt/classify.h"
#include "adapters/libvirt/connection.h"
#include "adapters/libvirt/failure.h"

#define KIB_PER_MIB 1024

static void
listed_domain_free(gpointer data)
{
    VrListedDomain *self = data;
    if (self->domain != NULL)
        (void)virDomainFree(self->domain);
    g_free(self);
}

static gint64
get_mib(const virDomainStatsRecord *record, const char *field, gint64 otherwise)
{
    unsigned long long kib = 0;
    if (virTypedParamsGetULLong(record->params, record->nparams, field, &kib) != 1)
        return otherwise;
    return (gint64)(kib / KIB_PER_MIB);
}

static gboolean
fill(VrListedDomain *self, const virDomainStatsRecord *record)
{
    unsigned int vcpus = 0;
    self->domain = record->dom;
    (void)virDomainRef(self->domain);
    self->name = virDomainGetName(self->domain);
    self->active = virDomainGetID(self->domain) != (unsigned int)-1;
    if (self->name == NULL || virDomainGetUUIDString(self->domain, self->uuid) < 0 ||
        virTypedParamsGetInt(record->params, record->nparams, "state.state", &self->state) != 1 ||
        virTypedParamsGetInt(record->params, record->nparams, "state.reason", &self->reason) != 1)
        return FALSE;
    (void)virTypedParamsGetUInt(record->params, record->nparams, "vcpu.current", &vcpus);
    self->vcpus = vcpus;
    self->memory_mib = get_mib(record, "balloon.maximum", 0);
    self->resident_mib = get_mib(record, "balloon.rss", -1);
    return TRUE;
}

/* The UUIDs of the domains that libvirt's filter lets through. */
static GHashTable *
list_filtered(virConnectPtr connection, const char *host, unsigned int filter, GError **error)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(connection, &domains, filter);
    if (count < 0) {
        vr_failure_set_call(error, host, connection, "cannot list its VMs");
        return NULL;
    }
    GHashTable *uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int i = 0; i < count; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN];
        if (virDomainGetUUIDString(domains[i], uuid) == 0)
            g_hash_table_add(uuids, g_strdup(uuid));
        (void)virDomainFree(domains[i]);
    }
    free(domains);
    return uuids;
}

static GPtrArray *
copy_records(virDomainStatsRecordPtr *records, int count, const char *host, GError **error)
{
    g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func(listed_domain_free);
    for (int i = 0; i < count; i++) {
        VrListedDomain *domain = g_new0(VrListedDomain, 1);
        g_ptr_array_add(domains, domain);
        if (!fill(domain, records[i])) {
            g_set_error(error, VR_ERROR, VR_ERROR_FAILED,
                        "%s: cannot list its VMs: libvirt gives no state of %s", host,
                        domain->name == NULL ? "one of them" : domain->name);
            return NULL;
        }
    }
    return g_steal_pointer(&domains);
}

GPtrArray *
vr_list_domains(virConnectPtr connection, const char *host, GError **error)
{
    virDomainStatsRecordPtr *records = NULL;
    /* NOWAIT: a guest whose monitor hangs may lack a figure, but must not hold up the list. */
    int count = virConnectGetAllDomainStats(
        connection, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU,
        &records, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    if (count < 0) {
        vr_failure_set_call(error, host, connection, "cannot list its VMs");
        return NULL;
    }
    g_autoptr(GPtrArray) domains = copy_records(records, count, host, error);
    virDomainStatsRecordListFree(records);
    if (domains == NULL)
        return NULL;
    g_autoptr(GHashTable) persistent =
        list_filtered(connection, host, VIR_CONNECT_LIST_DOMAINS_PERSISTENT, error);
    if (persistent == NULL)
        return NULL;
    g_autoptr(GHashTable) autostart =
        list_filtered(connection, host, VIR_CONNECT_LIST_DOMAINS_AUTOSTART, error);
    if (autostart == NULL)
        return NULL;
    for (guint i = 0; i < domains->len; i++) {
        VrListedDomain *domain = g_ptr_array_index(domains, i);
        domain->persistent = g_hash_table_contains(persistent, domain->uuid);
        domain->autostart = g_hash_table_contains(autostart, domain->uuid);
    }
    return g_steal_pointer(&domains);
}

typedef struct {
    VrCall call;
    VrListDone done;
} ListCall;

static void
add_domain(VrListing *listing, const VrListedDomain *domain)
{
    VrListedVm *vm = vr_listing_add(listing, domain->uuid, domain->name);
    vm->side =
        vr_classify_side(domain->state, domain->reason, FALSE, domain->active, VR_ROLE_OTHER);
    vm->active = domain->active;
    vm->autostart = domain->autostart;
    vm->persistent = domain->persistent;
    vm->memory_mib = domain->memory_mib;
}

static VrListing *
list(VrLibvirtHost *host, GError **error)
{
    g_autoptr(virConnect) connection = vr_connection_acquire(host, NULL, error);
    if (connection == NULL)
        return NULL;
    g_autoptr(GPtrArray) domains = vr_list_domains(connection, host->name, error);
    if (domains == NULL)
        return NULL;
    VrListing *listing = vr_listing_new();
    listing->reachable = TRUE;
    listing->host_uuid = vr_connection_dup_uuid(host);
    for (guint i = 0; i < domains->len; i++)
        add_domain(listing, g_ptr_array_index(domains, i));
    return listing;
}

static void
tell_unreachable(VrListDone done, gpointer data, const GError *why)
{
    g_autoptr(VrListing) listing = vr_listing_new();
    listing->reachable = FALSE;
    listing->failure = vr_failure_of_host(why);
    listing->detail = g_strdup(why->message);
    done(listing, data);
}

static void
list_run(VrCall *call)
{
    ListCall *self = (ListCall *)call;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrListing) listing = list(call->host, &error);
    if (!vr_call_claim(self))
        return;
    if (listing == NULL)
        tell_unreachable(self->done, call->data, error);
    else
        self->done(listing, call->data);
    vr_call_end(self);
}

static void
list_cut_off(VrCall *call, const GError *why)
{
    tell_unreachable(((ListCall *)call)->done, call->data, why);
}

static void
list_clear(VrCall *call)
{
    (void)call;
}

static const VrCallClass list_class = {sizeof(ListCall), FALSE, list_run, list_cut_off, list_clear};

void
vr_list_start(gpointer context, const char *host, VrListDone done, gpointer data)
{
    g_autoptr(GError) error = NULL;
    VrLibvirtHost *where = vr_libvirt_find_host(context, host, &error);
    if (where == NULL) {
        tell_unreachable(done, data, error);
        return;
    }
    ListCall *self = vr_call_new(&list_class, where, data);
    self->done = done;
    vr_call_submit(self);
}
