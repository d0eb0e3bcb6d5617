/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adapters/libvirt/recognise.h"

#include <libvirt/virterror.h>
#include <string.h>

#define ANY (-1)
/* As libvirt's qemu.conf has it by default: migration_port_min, migration_port_max. */
#define MIGRATION_PORT_MIN 49152
#define MIGRATION_PORT_MAX 49215

typedef struct {
    int code;         /* of libvirt; ANY */
    const char *part; /* of its message; NULL: any */
    VrFailure failure;
} Row;

/*
 * The first row that matches. A part is as short as it can be and still mean one thing, because the
 * wording around it differs between libvirt 9 and 11 and between versions of QEMU. A daemon with
 * translated messages is recognised by its codes alone. Each group names where its words come from:
 * files of libvirt's src/, or QEMU, whose standard error libvirt passes on.
 */
static const Row rows[] = {
    /* What a hook prints is anybody's text, so this comes before every part. util/virhook.c */
    {VIR_ERR_HOOK_SCRIPT_FAILED, NULL, VR_FAILURE_HOOK_REFUSED},

    /* qemu/qemu_migration.c: qemuMigrationSrcIsSafe */
    {VIR_ERR_MIGRATE_UNSAFE, "cache", VR_FAILURE_DISK_CACHE},
    {VIR_ERR_MIGRATE_UNSAFE, NULL, VR_FAILURE_DISK_NOT_SHARED},

    /* conf/virdomainjob.c: virDomainObjBeginJobInternal */
    {ANY, "cannot acquire state change lock", VR_FAILURE_VM_BUSY},
    /* qemu/qemu_migration.c: qemuMigrationJobIsAllowed; qemuMigrationAnyCanResume */
    {VIR_ERR_OPERATION_INVALID, "migration job is already running", VR_FAILURE_VM_BUSY},
    {VIR_ERR_OPERATION_INVALID, "monitored by another thread", VR_FAILURE_VM_BUSY},

    /* qemu/qemu_migration.c: qemuMigrationSrcIsAllowed, qemuMigrationSrcIsAllowedHostdev */
    {VIR_ERR_OPERATION_INVALID, "active block job", VR_FAILURE_BLOCK_JOB},
    {VIR_ERR_BLOCK_COPY_ACTIVE, NULL, VR_FAILURE_BLOCK_JOB},
    {VIR_ERR_OPERATION_INVALID, "with I/O error", VR_FAILURE_STORAGE_ERROR},
    {VIR_ERR_OPERATION_INVALID, " snapshots", VR_FAILURE_HAS_SNAPSHOTS},
    {ANY, "<hostdev", VR_FAILURE_HOST_DEVICE},
    {ANY, "<interface type=", VR_FAILURE_HOST_DEVICE},
    {VIR_ERR_OPERATION_INVALID, "vDPA", VR_FAILURE_HOST_DEVICE},
    {VIR_ERR_OPERATION_INVALID, "VFIO", VR_FAILURE_HOST_DEVICE},
    {VIR_ERR_OPERATION_INVALID, "invtsc", VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, "cannot migrate", VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, "cannot be migrated", VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, "auto destroy", VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, "lacks slot ID", VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, "device is not supported", VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, "disk is not supported", VR_FAILURE_NOT_MIGRATABLE},
    /* the same, and qemu/qemu_tpm.c: qemuTPMEmulatorBuildCommand */
    {ANY, "with shared storage", VR_FAILURE_NOT_MIGRATABLE},

    /* qemu/qemu_migration.c: qemuMigrationSrcBegin, qemuMigrationDstPrepareAny */
    {VIR_ERR_OPERATION_INVALID, "VIR_MIGRATE_TLS", VR_FAILURE_TLS_REQUIRED},
    /* conf/virdomainobjlist.c: virDomainObjListAddLocked */
    {VIR_ERR_OPERATION_INVALID, "is already active", VR_FAILURE_STILL_THERE},
    {VIR_ERR_OPERATION_FAILED, "already exists with uuid", VR_FAILURE_NAME_TAKEN},
    {VIR_ERR_OPERATION_FAILED, "already defined with uuid", VR_FAILURE_UUID_TAKEN},
    {VIR_ERR_DOM_EXIST, NULL, VR_FAILURE_NAME_TAKEN},
    /* qemu/qemu_driver.c, conf/domain_conf.c: virDomainObjCheckActive */
    {VIR_ERR_OPERATION_INVALID, "domain is not running", VR_FAILURE_NOT_RUNNING},
    /* conf/virnetworkobj.c, network/bridge_driver.c: networkAllocatePort */
    {VIR_ERR_OPERATION_INVALID, "network '", VR_FAILURE_NETWORK_MISSING},
    {VIR_ERR_NO_NETWORK, NULL, VR_FAILURE_NETWORK_MISSING},
    /* util/virnetdev.c: virNetDevGetMTU; util/virnetdevbridge.c: virNetDevBridgeAddPort */
    {VIR_ERR_SYSTEM_ERROR, "get interface", VR_FAILURE_NETWORK_MISSING},
    {VIR_ERR_SYSTEM_ERROR, "Unable to add bridge", VR_FAILURE_NETWORK_MISSING},

    /* qemu/qemu_migration.c: qemuMigrationJobCheckStatus, qemuMigrationAnyCompleted */
    {VIR_ERR_OPERATION_ABORTED, NULL, VR_FAILURE_ABORTED},
    {VIR_ERR_OPERATION_FAILED, "post-copy", VR_FAILURE_POSTCOPY},
    {VIR_ERR_OPERATION_FAILED, "due to I/O error", VR_FAILURE_STORAGE_ERROR},
    {VIR_ERR_OPERATION_FAILED, "Lost connection to destination", VR_FAILURE_LINK_LOST},
    /* qemu/qemu_migration.c: qemuMigrationDstPrepareDirect, qemuMigrationCookieXMLParse */
    {ANY, "resolved to localhost", VR_FAILURE_BAD_ADDRESS},
    {ANY, "in migration URI", VR_FAILURE_BAD_ADDRESS},
    {ANY, "missing host in migration", VR_FAILURE_BAD_ADDRESS},
    {VIR_ERR_INTERNAL_ERROR, "guest to the same host", VR_FAILURE_SAME_HOST},
    {VIR_ERR_INTERNAL_ERROR, "Migration with lock driver", VR_FAILURE_LOCK_REFUSED},
    /* util/virportallocator.c: virPortAllocatorAcquire */
    {VIR_ERR_INTERNAL_ERROR, "find an unused port", VR_FAILURE_PORTS_BUSY},

    /* cpu/cpu_x86.c: x86Compute, virCPUx86UpdateLive; qemu/qemu_process.c */
    {VIR_ERR_CPU_INCOMPATIBLE, NULL, VR_FAILURE_CPU_MISMATCH},
    {ANY, "guest CPU doesn't match specification", VR_FAILURE_CPU_MISMATCH},
    {ANY, "CPU is incompatible", VR_FAILURE_CPU_MISMATCH},
    /* qemu/qemu_validate.c: qemuValidateDomainDef; QEMU: softmmu/vl.c */
    {ANY, "support machine type", VR_FAILURE_MACHINE_UNKNOWN},
    {ANY, "unsupported machine type", VR_FAILURE_MACHINE_UNKNOWN},
    /* conf/domain_conf.c: virDomainDefCheckABIStability */
    {VIR_ERR_CONFIG_UNSUPPORTED, "does not match source", VR_FAILURE_STATE_MISMATCH},

    /* util/virlockspace.c: virLockSpaceAcquireResource; locking/lock_driver_sanlock.c */
    {VIR_ERR_RESOURCE_BUSY, NULL, VR_FAILURE_LOCK_REFUSED},
    /* QEMU: block/file-posix.c */
    {ANY, "Failed to get \"write\" lock", VR_FAILURE_LOCK_REFUSED},
    {ANY, "Failed to get shared \"write\" lock", VR_FAILURE_LOCK_REFUSED},
    /* qemu/qemu_conf.c: qemuGetDomainHupageMemPath; QEMU: softmmu/physmem.c, backends/hostmem */
    {ANY, "hugetlbfs", VR_FAILURE_NO_HUGE_PAGES},
    {ANY, "hugepage path", VR_FAILURE_NO_HUGE_PAGES},
    {ANY, "backing store", VR_FAILURE_NO_HUGE_PAGES},
    {ANY, "set up guest memory", VR_FAILURE_NO_MEMORY},
    {ANY, "Cannot allocate memory", VR_FAILURE_NO_MEMORY},
    {VIR_ERR_NO_MEMORY, NULL, VR_FAILURE_NO_MEMORY},

    /* QEMU: crypto/tlscreds.c, tlscredsx509.c; GnuTLS; rpc/virnettlscontext.c */
    {ANY, "Unable to access credentials", VR_FAILURE_TLS_MISSING},
    {ANY, "Cannot load certificate", VR_FAILURE_TLS_MISSING},
    {ANY, "Cannot read CA certificate", VR_FAILURE_TLS_MISSING},
    {ANY, "Cannot read ce", VR_FAILURE_TLS_MISSING},
    {ANY, "TLS channel", VR_FAILURE_TLS_REFUSED},
    {ANY, "TLS handshake", VR_FAILURE_TLS_REFUSED},
    {ANY, "ertificate", VR_FAILURE_TLS_REFUSED},
    {VIR_ERR_GNUTLS_ERROR, NULL, VR_FAILURE_TLS_REFUSED},

    /* QEMU: target/i386/cpu.c */
    {ANY, "support requested feature", VR_FAILURE_CPU_MISMATCH},
    {ANY, "unable to find CPU model", VR_FAILURE_CPU_MISMATCH},
    {ANY, "-x86_64-cpu.", VR_FAILURE_CPU_MISMATCH},
    /* QEMU: migration/savevm.c, ram.c, vmstate.c. An input/output error there is a torn stream. */
    {ANY, "load of migration failed: Input/output error", VR_FAILURE_STREAM_BROKEN},
    {ANY, "load of migration failed", VR_FAILURE_STATE_MISMATCH},
    {ANY, "error while loading state", VR_FAILURE_STATE_MISMATCH},
    {ANY, "is not a valid device model name", VR_FAILURE_STATE_MISMATCH},
    /* storage_source/storage_source.c: virStorageSourceReportBrokenChain; QEMU: block/ */
    {VIR_ERR_SYSTEM_ERROR, "Cannot access storage file", VR_FAILURE_DISK_MISSING},
    {VIR_ERR_SYSTEM_ERROR, "Cannot access backing file", VR_FAILURE_DISK_MISSING},
    {VIR_ERR_INTERNAL_ERROR, ": No such file or directory", VR_FAILURE_DISK_MISSING},
    {VIR_ERR_INTERNAL_ERROR, "-blockdev ", VR_FAILURE_STORAGE_UNREACHABLE},
    /* qemu/qemu_process.c, qemu_monitor.c, qemu_migration.c */
    {ANY, "while connecting to monitor", VR_FAILURE_QEMU_FAILED},
    {ANY, "QEMU binary", VR_FAILURE_QEMU_FAILED},
    {ANY, "closed the monitor", VR_FAILURE_STREAM_BROKEN},
    {ANY, "from qemu monitor", VR_FAILURE_STREAM_BROKEN},
    {ANY, "guest unexpectedly quit", VR_FAILURE_STREAM_BROKEN},
    {VIR_ERR_OPERATION_FAILED, "migration out", VR_FAILURE_STREAM_BROKEN},
    {VIR_ERR_OPERATION_FAILED, "domain is not running", VR_FAILURE_NOT_RUNNING},

    /* rpc/virnetclient.c, virkeepalive.c, virnetsocket.c: between the two daemons */
    {ANY, "client socket is closed", VR_FAILURE_LINK_LOST},
    {ANY, "keepalive timeout", VR_FAILURE_LINK_LOST},
    {ANY, "unable to connect to server at", VR_FAILURE_DAEMON_UNREACHABLE},
    {ANY, "Unable to resolve address", VR_FAILURE_NAME_UNRESOLVED},
    {ANY, "Cannot recv data: ssh", VR_FAILURE_DAEMON_UNREACHABLE},
    {ANY, "while reading data", VR_FAILURE_LINK_LOST},
    {ANY, "Cannot recv data", VR_FAILURE_LINK_LOST},
    {ANY, "Cannot write data", VR_FAILURE_LINK_LOST},

    /* Codes that say enough. util/virerror.c */
    {VIR_ERR_AUTH_FAILED, NULL, VR_FAILURE_ACCESS_DENIED},
    {VIR_ERR_AUTH_CANCELLED, NULL, VR_FAILURE_ACCESS_DENIED},
    {VIR_ERR_AUTH_UNAVAILABLE, NULL, VR_FAILURE_ACCESS_DENIED},
    {VIR_ERR_ACCESS_DENIED, NULL, VR_FAILURE_ACCESS_DENIED},
    {VIR_ERR_OPERATION_DENIED, NULL, VR_FAILURE_ACCESS_DENIED},
    {VIR_ERR_UNKNOWN_HOST, NULL, VR_FAILURE_NAME_UNRESOLVED},
    {VIR_ERR_NO_CONNECT, NULL, VR_FAILURE_DAEMON_UNREACHABLE},
    {VIR_ERR_INVALID_CONN, NULL, VR_FAILURE_DAEMON_UNREACHABLE},
    {VIR_ERR_RPC, NULL, VR_FAILURE_DAEMON_UNREACHABLE},
    {VIR_ERR_SSH, NULL, VR_FAILURE_DAEMON_UNREACHABLE},
    {VIR_ERR_LIBSSH, NULL, VR_FAILURE_DAEMON_UNREACHABLE},
    {VIR_ERR_OPERATION_TIMEOUT, NULL, VR_FAILURE_TIMED_OUT},
    {VIR_ERR_NO_SUPPORT, NULL, VR_FAILURE_UNSUPPORTED},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, NULL, VR_FAILURE_UNSUPPORTED},
    {VIR_ERR_CONFIG_UNSUPPORTED, NULL, VR_FAILURE_UNSUPPORTED},
    {VIR_ERR_OPERATION_UNSUPPORTED, NULL, VR_FAILURE_UNSUPPORTED},
};

/* "unable to connect to server at 'ADDRESS:PORT': …": the same words for daemon and stream. */
static gboolean
names_migration_port(const char *message)
{
    const char *quote = strstr(message, "':");
    const char *colon = quote == NULL ? NULL : g_strrstr_len(message, quote - message, ":");
    guint64 port = colon == NULL ? 0 : g_ascii_strtoull(colon + 1, NULL, 10);

    return port >= MIGRATION_PORT_MIN && port <= MIGRATION_PORT_MAX;
}

VrFailure
vr_recognise(int libvirt_code, const char *message)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        if ((row->code != ANY && row->code != libvirt_code) ||
            (row->part != NULL && (message == NULL || strstr(message, row->part) == NULL)))
            continue;
        if (row->failure == VR_FAILURE_DAEMON_UNREACHABLE && message != NULL &&
            names_migration_port(message))
            return VR_FAILURE_PORT_UNREACHABLE;
        return row->failure;
    }
    return VR_FAILURE_OTHER;
}
