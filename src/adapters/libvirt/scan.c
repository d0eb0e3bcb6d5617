/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inventory of a whole fleet, all hosts at once. */
#include "adapters/libvirt/connection.h"
#include "adapters/libvirt/failure.h"
#include "adapters/libvirt/list.h"
#include "adapters/libvirt/read.h"
#include "adapters/libvirt/xml.h"

/* More hosts than this take turns. */
#define SCANS_AT_ONCE_MAX 256
#define KIB_PER_MIB 1024

typedef struct {
    VrLibvirtHost *host;
    gboolean with_definitions;
    GError *error; /* why there is nothing else */
    gint64 memory_mib;
    gint64 threads;
    char *uuid;
    char *cpu_model;
    char *hypervisor_version;
    char *libvirt_version;
    GPtrArray *domains;           /* (element-type VrListedDomain) */
    GPtrArray *unmovable_reasons; /* (element-type utf8) nullable; same index */
    GPtrArray *facts;             /* (element-type VrDomainFacts) same index */
    GPtrArray *definitions;       /* (element-type GRefString) nullable; same index */
} HostScan;

static void
host_scan_clear(HostScan *self)
{
    g_clear_error(&self->error);
    g_free(self->uuid);
    g_free(self->cpu_model);
    g_free(self->hypervisor_version);
    g_free(self->libvirt_version);
    g_clear_pointer(&self->domains, g_ptr_array_unref);
    g_clear_pointer(&self->unmovable_reasons, g_ptr_array_unref);
    g_clear_pointer(&self->facts, g_ptr_array_unref);
    g_clear_pointer(&self->definitions, g_ptr_array_unref);
}

static char *
format_version(unsigned long version)
{
    return g_strdup_printf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

static gboolean
scan_machine(HostScan *self, virConnectPtr connection, GError **error)
{
    virNodeInfo node;
    unsigned long hypervisor = 0;
    unsigned long libvirt = 0;
    g_autofree char *text = virConnectGetCapabilities(connection);
    if (text == NULL || virNodeGetInfo(connection, &node) < 0 ||
        virConnectGetVersion(connection, &hypervisor) < 0 ||
        virConnectGetLibVersion(connection, &libvirt) < 0) {
        vr_failure_set_call(error, self->host->name, connection, "cannot read what it is like");
        return FALSE;
    }
    g_auto(VrCapabilities) capabilities = {0};
    if (!vr_xml_parse_capabilities(text, &capabilities, error)) {
        g_prefix_error(error, "%s: ", self->host->name);
        return FALSE;
    }
    self->memory_mib = (gint64)(node.memory / KIB_PER_MIB);
    self->threads = node.cpus;
    self->uuid = g_steal_pointer(&capabilities.host_uuid);
    self->cpu_model = g_steal_pointer(&capabilities.cpu_model);
    self->hypervisor_version = format_version(hypervisor);
    self->libvirt_version = format_version(libvirt);
    return TRUE;
}

/* FALSE with error; TRUE with NULL: it can migrate, as far as its definition tells. */
static gboolean
scan_domain(const VrListedDomain *domain, virConnectPtr connection, const char *host,
            VrDomainFacts *facts, char **out_reason, GError **error)
{
    g_autofree char *text = virDomainGetXMLDesc(domain->domain, 0);
    if (text == NULL) {
        /* Gone meanwhile: the next scan will not have it, planning will be told by the listing. */
        if (vr_failure_libvirt_code() == VIR_ERR_NO_DOMAIN) {
            *out_reason = g_strdup("left the host during the scan");
            return TRUE;
        }
        vr_failure_set_call(error, host, connection, "cannot read the definition of VM %s",
                            domain->name);
        return FALSE;
    }
    if (!vr_xml_parse_domain(text, facts, error)) {
        g_prefix_error(error, "%s: VM %s: ", host, domain->name);
        return FALSE;
    }
    if (facts->host_device != NULL)
        *out_reason = g_strdup(facts->host_device);
    else if (domain->active && !domain->persistent)
        *out_reason = g_strdup("is transient: has no persistent definition to keep");
    return TRUE;
}

/* What a VM is brought back with if its host is lost. Gone meanwhile: as in scan_domain. */
static gboolean
scan_definition(HostScan *self, const VrListedDomain *domain, virConnectPtr connection,
                GError **error)
{
    gboolean is_wanted = self->with_definitions && domain->active;
    g_autofree char *text = is_wanted ? vr_read_definition(domain->domain) : NULL;

    g_ptr_array_add(self->definitions, text != NULL ? g_ref_string_new(text) : NULL);
    if (!is_wanted || text != NULL || vr_failure_libvirt_code() == VIR_ERR_NO_DOMAIN)
        return TRUE;
    vr_failure_set_call(error, self->host->name, connection, "cannot read the definition of VM %s",
                        domain->name);
    return FALSE;
}

static void
free_definition(gpointer data)
{
    if (data != NULL)
        g_ref_string_release(data);
}

static void
free_facts(gpointer data)
{
    vr_domain_facts_clear(data);
    g_free(data);
}

static gboolean
scan_host(HostScan *self, GError **error)
{
    g_autoptr(virConnect) connection = vr_connection_acquire(self->host, NULL, error);
    if (connection == NULL || !scan_machine(self, connection, error))
        return FALSE;
    self->domains = vr_list_domains(connection, self->host->name, error);
    if (self->domains == NULL)
        return FALSE;
    self->unmovable_reasons = g_ptr_array_new_with_free_func(g_free);
    self->facts = g_ptr_array_new_with_free_func(free_facts);
    self->definitions = g_ptr_array_new_with_free_func(free_definition);
    for (guint i = 0; i < self->domains->len; i++) {
        const VrListedDomain *domain = g_ptr_array_index(self->domains, i);
        VrDomainFacts *facts = g_new0(VrDomainFacts, 1);
        char *reason = NULL;
        g_ptr_array_add(self->facts, facts);
        if (!scan_domain(domain, connection, self->host->name, facts, &reason, error))
            return FALSE;
        g_ptr_array_add(self->unmovable_reasons, reason);
        if (!scan_definition(self, domain, connection, error))
            return FALSE;
    }
    return TRUE;
}

static void
scan_in_thread(gpointer data, gpointer libvirt)
{
    HostScan *self = data;
    (void)libvirt;
    VR_TAKE_OVER(self);
    (void)scan_host(self, &self->error);
    VR_HAND_OVER(self);
}

/* (array length=host_count) */
static HostScan *
scan_hosts(VrLibvirt *self, gboolean with_definitions)
{
    HostScan *scans = g_new0(HostScan, self->host_count);
    GThreadPool *pool = g_thread_pool_new(scan_in_thread, self, SCANS_AT_ONCE_MAX, FALSE, NULL);

    for (guint i = 0; i < self->host_count; i++) {
        scans[i].host = &self->hosts[i];
        scans[i].with_definitions = with_definitions;
        VR_HAND_OVER(&scans[i]);
        (void)g_thread_pool_push(pool, &scans[i], NULL);
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    for (guint i = 0; i < self->host_count; i++)
        VR_TAKE_OVER(&scans[i]);
    return scans;
}

static void
free_scans(VrLibvirt *self, HostScan *scans)
{
    for (guint i = 0; i < self->host_count; i++)
        host_scan_clear(&scans[i]);
    g_free(scans);
}

static gboolean
is_left_out(const HostScan *scan, const char *const *may_be_lost)
{
    return scan->error != NULL && may_be_lost != NULL &&
           g_strv_contains(may_be_lost, scan->host->name);
}

static gboolean
check_reachable(const VrLibvirt *self, const HostScan *scans, const char *const *may_be_lost,
                GError **error)
{
    g_autoptr(GString) failures = g_string_new(NULL);
    for (guint i = 0; i < self->host_count; i++) {
        if (scans[i].error != NULL && !is_left_out(&scans[i], may_be_lost)) {
            g_string_append_printf(failures, "%s%s", failures->len > 0 ? "\n" : "",
                                   scans[i].error->message);
        }
    }
    if (failures->len > 0) {
        g_set_error_literal(error, VR_ERROR, VR_ERROR_UNREACHABLE, failures->str);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_host_uuids(const VrLibvirt *self, const HostScan *scans, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < self->host_count; i++) {
        const HostScan *scan = &scans[i];
        const char *other = scan->uuid == NULL ? NULL : g_hash_table_lookup(seen, scan->uuid);
        if (other != NULL) {
            g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                        "%s and %s: both say that they are the host with UUID %s; if it is one "
                        "machine, keep one of them in the fleet file; if not, set host_uuid in "
                        "their libvirtd.conf",
                        other, scan->host->name, scan->uuid);
            return FALSE;
        }
        if (scan->uuid != NULL)
            g_hash_table_insert(seen, scan->uuid, scan->host->name);
    }
    return TRUE;
}

typedef struct {
    const VrListedDomain *domain;
    const char *host;
} Place;

/*
 * Where each VM is: the active copy counts; a definition that a migration left behind is not a VM.
 * (element-type utf8 Place), NULL if one is active twice.
 */
static GHashTable *
place_vms(const VrLibvirt *self, const HostScan *scans, GError **error)
{
    g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    for (guint i = 0; i < self->host_count; i++) {
        for (guint j = 0; scans[i].error == NULL && j < scans[i].domains->len; j++) {
            VrListedDomain *domain = g_ptr_array_index(scans[i].domains, j);
            const Place *other = g_hash_table_lookup(places, domain->uuid);
            if (other != NULL && other->domain->active && domain->active) {
                g_set_error(error, VR_ERROR, VR_ERROR_INVALID,
                            "VM %s (%s): is active on %s and on %s; is it being migrated right "
                            "now? Wait for the end, then try again",
                            domain->uuid, domain->name, other->host, scans[i].host->name);
                return NULL;
            }
            if (other == NULL || domain->active) {
                Place *place = g_new0(Place, 1);
                place->domain = domain;
                place->host = scans[i].host->name;
                g_hash_table_insert(places, domain->uuid, place);
            }
        }
    }
    return g_steal_pointer(&places);
}

static VrVmState
vm_state(const VrListedDomain *domain)
{
    switch (domain->state) {
    case VIR_DOMAIN_RUNNING:
        return VR_VM_RUNNING;
    case VIR_DOMAIN_PAUSED:
        return VR_VM_PAUSED;
    case VIR_DOMAIN_SHUTOFF:
        return VR_VM_SHUT_OFF;
    case VIR_DOMAIN_CRASHED:
        return VR_VM_CRASHED;
    default:
        return VR_VM_UNKNOWN;
    }
}

static VrVm *
add_vm(VrInventory *inventory, const VrListedDomain *domain, const VrDomainFacts *facts,
       const char *host, const char *reason)
{
    VrVm *vm = vr_inventory_add_vm(inventory, domain->uuid, domain->name, host);
    vm->memory_mib = domain->memory_mib;
    vm->vcpus = domain->vcpus;
    /* What QEMU holds beside the guest's memory is not migrated. */
    vm->resident_mib = domain->active && domain->resident_mib >= 0
                           ? MIN(domain->resident_mib, domain->memory_mib)
                           : domain->memory_mib;
    vm->dirty_mib_per_s = 0;
    vm->state = vm_state(domain);
    vm->autostart = domain->autostart;
    vm->persistent = domain->persistent;
    vm->movable = reason == NULL;
    g_free(vm->unmovable_reason);
    vm->unmovable_reason = g_strdup(reason);
    vm->title = g_strdup(facts->title);
    vm->disks = g_strdup(facts->disks);
    vm->devices = g_strdup(facts->devices);
    vm->metadata = g_strdup(facts->metadata);
    return vm;
}

static gint64
allocated_vcpus(const HostScan *scan)
{
    gint64 allocated = 0;
    for (guint i = 0; scan->error == NULL && i < scan->domains->len; i++) {
        const VrListedDomain *domain = g_ptr_array_index(scan->domains, i);
        if (domain->active)
            allocated += domain->vcpus;
    }
    return allocated;
}

/*
 * vCPUs per 1000 threads, where the fleet file does not say: the highest ratio seen today, and at
 * least so many that any one host can be emptied. A default must not refuse a fleet that works.
 */
static gint64
overcommit_permille(const HostScan *scans, guint host_count)
{
    gint64 ratio = 1000;
    gint64 all_threads = 0;
    gint64 most_threads = 0;
    gint64 allocated = 0;
    for (guint i = 0; i < host_count; i++) {
        gint64 threads = MAX(scans[i].threads, 1);
        gint64 here = allocated_vcpus(&scans[i]);
        ratio = MAX(ratio, (here * 1000 + threads - 1) / threads);
        all_threads += threads;
        most_threads = MAX(most_threads, threads);
        allocated += here;
    }
    gint64 left = all_threads - most_threads;
    return left > 0 ? MAX(ratio, (allocated * 1000 + left - 1) / left) : ratio;
}

static void
set_string(char **field, const char *value)
{
    g_free(*field);
    *field = g_strdup(value);
}

static void
add_host(VrInventory *inventory, const VrFleetHost *host, const HostScan *scan, gint64 overcommit)
{
    VrHost *added = vr_inventory_add_host(inventory, host->name);
    set_string(&added->pool, host->pool);
    set_string(&added->failure_domain, host->failure_domain);
    set_string(&added->uuid, scan->uuid);
    set_string(&added->cpu_model, scan->cpu_model);
    set_string(&added->hypervisor_version, scan->hypervisor_version);
    set_string(&added->libvirt_version, scan->libvirt_version);
    added->memory_mib = host->memory_mib > 0 ? host->memory_mib : scan->memory_mib;
    added->vcpus = host->vcpus > 0 ? host->vcpus : (scan->threads * overcommit + 999) / 1000;
    added->link_mib_per_s = host->link_mib_per_s;
    added->update_s = host->update_s;
    added->updated = VR_UPDATED_NOT_ASSESSED;
}

static VrInventory *
build_inventory(const VrLibvirt *self, const HostScan *scans, GHashTable *places)
{
    VrInventory *inventory = vr_inventory_new();
    gint64 overcommit = overcommit_permille(scans, self->host_count);
    inventory->taken_at_us = g_get_real_time();
    for (guint i = 0; i < self->host_count; i++) {
        const HostScan *scan = &scans[i];
        if (scan->error != NULL) /* it may be lost */
            continue;
        add_host(inventory, vr_fleet_host(self->fleet, i), scan, overcommit);
        for (guint j = 0; j < scan->domains->len; j++) {
            const VrListedDomain *domain = g_ptr_array_index(scan->domains, j);
            const Place *place = g_hash_table_lookup(places, domain->uuid);
            if (place->domain == domain) {
                VrVm *vm = add_vm(inventory, domain, g_ptr_array_index(scan->facts, j),
                                  scan->host->name, g_ptr_array_index(scan->unmovable_reasons, j));
                vm->definition = g_steal_pointer(&g_ptr_array_index(scan->definitions, j));
            } else {
                g_message("%s: definition of VM %s (%s) left out: the VM is on %s",
                          scan->host->name, domain->uuid, domain->name, place->host);
            }
        }
    }
    return inventory;
}

VrInventory *
vr_libvirt_scan(VrLibvirt *self, gboolean with_definitions, const char *const *may_be_lost,
                GError **error)
{
    VrInventory *inventory = NULL;
    HostScan *scans = scan_hosts(self, with_definitions);
    if (check_reachable(self, scans, may_be_lost, error) && check_host_uuids(self, scans, error)) {
        g_autoptr(GHashTable) places = place_vms(self, scans, error);
        if (places != NULL)
            inventory = build_inventory(self, scans, places);
    }
    free_scans(self, scans);
    return inventory;
}
