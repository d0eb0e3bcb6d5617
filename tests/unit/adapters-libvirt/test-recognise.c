/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real errors of migrations. "Observed": word for word what libvirt 9.0.0 with QEMU 7.2.22 said in
 * the lab when the cause was brought about; of long ones the middle is cut. The others are what the
 * named file of libvirt 9.0.0 (or of QEMU) prints.
 */
#include "adapters/libvirt/recognise.h"

#include <libvirt/virterror.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct {
    int code;
    const char *message;
    VrFailure failure;
} Case;

#define STARTING "internal error: process exited while connecting to monitor: "
#define INVALID "Requested operation is not valid: "
#define OBJECT "internal error: unable to execute QEMU command 'object-add': "

static const Case observed[] = {
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: domain 'vm1' already exists with uuid fd4d13f9-8fc5-458d-ab20-3fa943a65fdf",
     VR_FAILURE_NAME_TAKEN},
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: domain 'vmX' is already defined with uuid "
     "321865e8-65d4-4f6e-8e24-0f80480b9547",
     VR_FAILURE_UUID_TAKEN},
    {VIR_ERR_HOOK_SCRIPT_FAILED,
     "Hook script execution failed: internal error: Child process (LC_ALL=C "
     "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "
     "/etc/libvirt/hooks/qemu vm1 migrate begin -) unexpected exit status 1: virt-roll has closed "
     "this host to guests: kernel update CHG-1 ",
     VR_FAILURE_HOOK_REFUSED},
    {VIR_ERR_SYSTEM_ERROR, "unable to connect to server at '10.77.0.13:1': Connection refused",
     VR_FAILURE_DAEMON_UNREACHABLE},
    {VIR_ERR_SYSTEM_ERROR, "unable to connect to server at '10.77.0.13:16509': Connection refused",
     VR_FAILURE_DAEMON_UNREACHABLE}, /* libvirtd stopped */
    {VIR_ERR_SYSTEM_ERROR, "unable to connect to server at '10.77.0.99:49152': No route to host",
     VR_FAILURE_PORT_UNREACHABLE},
    {VIR_ERR_SYSTEM_ERROR, "unable to connect to server at '10.77.0.12:49152': Connection refused",
     VR_FAILURE_PORT_UNREACHABLE}, /* migrate_uri of another host */
    {VIR_ERR_SYSTEM_ERROR,
     "Unable to resolve address 'nohost.invalid' service '16509': Temporary failure in name "
     "resolution",
     VR_FAILURE_NAME_UNRESOLVED},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: Attempt to migrate guest to the same host "
     "a6516835-e747-483b-82ce-bad74741a071",
     VR_FAILURE_SAME_HOST},
    {VIR_ERR_ARGUMENT_UNSUPPORTED,
     "argument unsupported: unsupported scheme foo in migration URI foo://10.77.0.13",
     VR_FAILURE_BAD_ADDRESS},
    {VIR_ERR_SYSTEM_ERROR,
     "Cannot recv data: ssh: connect to host 10.77.0.13 port 22: Connection refused: Connection "
     "reset by peer",
     VR_FAILURE_DAEMON_UNREACHABLE},
    {VIR_ERR_AUTH_FAILED, "authentication failed: authentication failed",
     VR_FAILURE_ACCESS_DENIED}, /* the target wants SASL */
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: Unable to find an unused port in range 'migration' (49152-49215)",
     VR_FAILURE_PORTS_BUSY},

    /* in the middle of a migration */
    {VIR_ERR_OPERATION_ABORTED, "operation aborted: job 'migration out' canceled by client",
     VR_FAILURE_ABORTED},
    {VIR_ERR_OPERATION_ABORTED, "operation aborted: migration out: canceled by client",
     VR_FAILURE_ABORTED}, /* before any memory was sent */
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: job 'migration out' failed: Unable to write to socket: Bad file descriptor",
     VR_FAILURE_STREAM_BROKEN}, /* QEMU killed on the target */
    {VIR_ERR_INTERNAL_ERROR, "internal error: client socket is closed",
     VR_FAILURE_LINK_LOST}, /* libvirtd killed on the target; link of the target cut */
    {VIR_ERR_OPERATION_FAILED, "operation failed: domain is not running",
     VR_FAILURE_NOT_RUNNING}, /* QEMU killed on the source; destroyed by its owner */
    {VIR_ERR_OPERATION_INVALID, INVALID "domain is not running", VR_FAILURE_NOT_RUNNING},

    /* the VM is busy */
    {VIR_ERR_OPERATION_INVALID, INVALID "another migration job is already running for domain 'vm1'",
     VR_FAILURE_VM_BUSY},
    {VIR_ERR_OPERATION_TIMEOUT,
     "Timed out during operation: cannot acquire state change lock (held by "
     "monitor=remoteDispatchDomainBackupBegin)",
     VR_FAILURE_VM_BUSY}, /* after 30 s */
    {VIR_ERR_OPERATION_INVALID, INVALID "domain has active block job", VR_FAILURE_BLOCK_JOB},

    /* a person must change something */
    {VIR_ERR_OPERATION_INVALID, INVALID "cannot migrate domain with 1 snapshots",
     VR_FAILURE_HAS_SNAPSHOTS},
    {VIR_ERR_MIGRATE_UNSAFE, "Unsafe migration: Migration without shared storage is unsafe",
     VR_FAILURE_DISK_NOT_SHARED},
    {VIR_ERR_SYSTEM_ERROR,
     "Cannot access storage file '/var/lib/local.img': No such file or directory",
     VR_FAILURE_DISK_MISSING},
    {VIR_ERR_SYSTEM_ERROR, "Cannot get interface MTU on 'br0': No such device",
     VR_FAILURE_NETWORK_MISSING},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "2026-11-22T16:26:11.792800Z emulator: -blockdev {\"driver\":\"nbd\",…}: Failed to "
              "connect to '10.77.0.9:11001': No route to host",
     VR_FAILURE_STORAGE_UNREACHABLE},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "qemu-system-x86_64: unsupported machine type Use -machine help to list supported "
              "machines",
     VR_FAILURE_MACHINE_UNKNOWN},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
     VR_FAILURE_NO_MEMORY},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "qemu-system-x86_64: can't apply global qemu64-x86_64-cpu.nosuch=on: Property "
              "'qemu64-x86_64-cpu.nosuch' not found",
     VR_FAILURE_CPU_MISMATCH},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate "
              "memory",
     VR_FAILURE_NO_HUGE_PAGES},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "qemu-system-x86_64: can't open backing store /nonexistent/hugepages for guest RAM: "
              "No such file or directory",
     VR_FAILURE_NO_HUGE_PAGES},
    {VIR_ERR_INTERNAL_ERROR, "internal error: process exited while connecting to monitor",
     VR_FAILURE_QEMU_FAILED},

    /* TLS */
    {VIR_ERR_OPERATION_INVALID,
     INVALID "this libvirtd instance allows migration only with VIR_MIGRATE_TLS flag",
     VR_FAILURE_TLS_REQUIRED},
    {VIR_ERR_INTERNAL_ERROR,
     OBJECT "Unable to access credentials /etc/pki/qemu/ca-cert.pem: No such file or directory",
     VR_FAILURE_TLS_MISSING},
    {VIR_ERR_SYSTEM_ERROR,
     "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory",
     VR_FAILURE_TLS_MISSING},
    {VIR_ERR_INTERNAL_ERROR,
     OBJECT "Cannot load certificate '/var/lib/pki/server-cert.pem' & key "
            "'/var/lib/pki/server-key.pem': The certificate and the given key do not match.",
     VR_FAILURE_TLS_MISSING},
    {VIR_ERR_INTERNAL_ERROR,
     OBJECT "The server certificate /var/lib/pki/server-cert.pem has expired",
     VR_FAILURE_TLS_REFUSED},
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: job 'migration out' failed: The certificate hasn't got a known issuer",
     VR_FAILURE_TLS_REFUSED},
    {VIR_ERR_INTERNAL_ERROR, /* a certificate for another name */
     "internal error: qemu unexpectedly closed the monitor: 2026-11-22T16:29:36.230168Z emulator: "
     "Cannot read from TLS channel: Input/output error 2026-11-22T16:29:36.230274Z emulator: Not a "
     "migration stream 2026-11-22T16:29:36.230285Z emulator: load of migration failed: Invalid "
     "argument",
     VR_FAILURE_TLS_REFUSED},
};

static const Case from_source[] = {
    /* qemu/qemu_migration.c */
    {VIR_ERR_MIGRATE_UNSAFE,
     "Unsafe migration: Migration may lead to data corruption if disks use cache other than none "
     "or directsync",
     VR_FAILURE_DISK_CACHE},
    {VIR_ERR_OPERATION_FAILED, "operation failed: Lost connection to destination host",
     VR_FAILURE_LINK_LOST},
    {VIR_ERR_OPERATION_FAILED, "operation failed: job 'migration out' failed due to I/O error",
     VR_FAILURE_STORAGE_ERROR},
    {VIR_ERR_OPERATION_INVALID, INVALID "cannot migrate domain with I/O error",
     VR_FAILURE_STORAGE_ERROR},
    {VIR_ERR_OPERATION_FAILED, "operation failed: job 'migration out' failed in post-copy phase",
     VR_FAILURE_POSTCOPY},
    {VIR_ERR_OPERATION_FAILED, "operation failed: job 'migration out' unexpectedly failed",
     VR_FAILURE_STREAM_BROKEN},
    {VIR_ERR_OPERATION_UNSUPPORTED,
     "Operation not supported: cannot migrate a domain with <hostdev mode='subsystem' type='pci'>",
     VR_FAILURE_HOST_DEVICE},
    {VIR_ERR_OPERATION_UNSUPPORTED,
     "Operation not supported: cannot migrate a domain with <interface type='hostdev'>",
     VR_FAILURE_HOST_DEVICE},
    {VIR_ERR_OPERATION_INVALID,
     INVALID "cannot migrate domain: 0000:06:00.0: VFIO migration is not supported in kernel",
     VR_FAILURE_HOST_DEVICE},
    {VIR_ERR_OPERATION_INVALID, INVALID "vDPA devices cannot be migrated", VR_FAILURE_HOST_DEVICE},
    {VIR_ERR_OPERATION_INVALID,
     INVALID "cannot migrate domain: Migration is disabled when VirtFS export path '' is mounted "
             "in the guest using mount_tag 'x'",
     VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, INVALID "migration with virtiofs device is not supported",
     VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID, INVALID "migration with transient disk is not supported",
     VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID,
     INVALID "shmem device 'x' cannot be migrated, only shmem with role='master' can be migrated",
     VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_OPERATION_INVALID,
     INVALID "domain has 'invtsc' CPU feature but TSC frequency is not specified",
     VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_NO_SUPPORT,
     "this function is not supported by the connection driver: the running swtpm does not support "
     "migration with shared storage",
     VR_FAILURE_NOT_MIGRATABLE},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: hostname on destination resolved to localhost, but migration requires an "
     "FQDN",
     VR_FAILURE_BAD_ADDRESS},
    {VIR_ERR_INVALID_ARG, "invalid argument: missing scheme in migration URI: x",
     VR_FAILURE_BAD_ADDRESS},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: Migration with lock driver sanlock requires cookie support",
     VR_FAILURE_LOCK_REFUSED},
    /* conf/virdomainobjlist.c, conf/virdomainjob.c, util/virlockspace.c, lock_driver_sanlock.c */
    {VIR_ERR_OPERATION_INVALID, INVALID "domain 'vm1' is already active", VR_FAILURE_STILL_THERE},
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: cannot acquire state change lock (held by monitor=x) due to max_queued "
     "limit",
     VR_FAILURE_VM_BUSY},
    {VIR_ERR_RESOURCE_BUSY, "resource busy: Lockspace resource '/disk' is locked",
     VR_FAILURE_LOCK_REFUSED},
    {VIR_ERR_RESOURCE_BUSY, "resource busy: Failed to acquire lock: -243", VR_FAILURE_LOCK_REFUSED},
    /* cpu/cpu_x86.c, qemu/qemu_validate.c, qemu/qemu_conf.c, conf/domain_conf.c */
    {VIR_ERR_CPU_INCOMPATIBLE,
     "the CPU is incompatible with host CPU: Host CPU does not provide required features: avx2",
     VR_FAILURE_CPU_MISMATCH},
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: guest CPU doesn't match specification: missing features: hle,rtm",
     VR_FAILURE_CPU_MISMATCH},
    {VIR_ERR_CONFIG_UNSUPPORTED,
     "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not support machine "
     "type 'pc-q35-9.2'",
     VR_FAILURE_MACHINE_UNKNOWN},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: Unable to find any usable hugetlbfs mount for 2048 KiB",
     VR_FAILURE_NO_HUGE_PAGES},
    {VIR_ERR_CONFIG_UNSUPPORTED,
     "unsupported configuration: Target TSC frequency 1 does not match source 2",
     VR_FAILURE_STATE_MISMATCH},
    {VIR_ERR_NO_NETWORK, "Network not found: no network with matching name 'net7'",
     VR_FAILURE_NETWORK_MISSING},
    {VIR_ERR_OPERATION_INVALID, INVALID "network 'net7' is not active", VR_FAILURE_NETWORK_MISSING},
    /* rpc/virkeepalive.c, rpc/virnetsocket.c, access/viraccessmanager.c */
    {VIR_ERR_INTERNAL_ERROR, "internal error: connection closed due to keepalive timeout",
     VR_FAILURE_LINK_LOST},
    {VIR_ERR_SYSTEM_ERROR, "End of file while reading data: Input/output error",
     VR_FAILURE_LINK_LOST},
    {VIR_ERR_ACCESS_DENIED, "access denied: 'QEMU' denied access", VR_FAILURE_ACCESS_DENIED},
    /* QEMU: block/file-posix.c, target/i386/cpu.c, migration/savevm.c, ram.c */
    {VIR_ERR_INTERNAL_ERROR, STARTING "qemu: -blockdev {…}: Failed to get \"write\" lock",
     VR_FAILURE_LOCK_REFUSED},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "qemu: -blockdev {…}: Could not open '/iso/a.iso': No such file or directory",
     VR_FAILURE_DISK_MISSING},
    {VIR_ERR_INTERNAL_ERROR,
     STARTING "qemu: Host doesn't support requested feature: CPUID.07H:EBX.hle [bit 4]",
     VR_FAILURE_CPU_MISMATCH},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: qemu unexpectedly closed the monitor: qemu: error while loading state for "
     "instance 0x0 of device 'cpu_common'\nqemu: load of migration failed: Invalid argument",
     VR_FAILURE_STATE_MISMATCH},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: qemu unexpectedly closed the monitor: qemu: load of migration failed: "
     "Input/output error",
     VR_FAILURE_STREAM_BROKEN},
    /* qemu/qemu_process.c */
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: Failed to start QEMU binary /usr/bin/qemu-system-x86_64 for probing: x",
     VR_FAILURE_QEMU_FAILED},
    /* codes alone, as from a daemon that speaks another language */
    {VIR_ERR_HOOK_SCRIPT_FAILED, "钩子脚本执行失败", VR_FAILURE_HOOK_REFUSED},
    {VIR_ERR_OPERATION_TIMEOUT, "操作超时", VR_FAILURE_TIMED_OUT},
    {VIR_ERR_OPERATION_UNSUPPORTED, NULL, VR_FAILURE_UNSUPPORTED},
    {VIR_ERR_OPERATION_INVALID, "请求的操作无效", VR_FAILURE_OTHER},
    {VIR_ERR_INTERNAL_ERROR, "internal error: something new", VR_FAILURE_OTHER},
    {VIR_ERR_OK, NULL, VR_FAILURE_OTHER},
};

static void
check(const Case *cases, guint count)
{
    for (guint i = 0; i < count; i++) {
        VrFailure found = vr_recognise(cases[i].code, cases[i].message);
        if (found != cases[i].failure)
            fail_msg("%s: %s, not %s", cases[i].message, vr_failure_words()[found],
                     vr_failure_words()[cases[i].failure]);
    }
}

static void
test_recognise_what_was_observed(void **state)
{
    (void)state;
    check(observed, G_N_ELEMENTS(observed));
}

static void
test_recognise_what_the_source_says(void **state)
{
    (void)state;
    check(from_source, G_N_ELEMENTS(from_source));
}

/* A hook may print anything, also words of libvirt's. */
static void
test_recognise_hook_s_words_mislead_nobody(void **state)
{
    (void)state;
    assert_int_equal(vr_recognise(VIR_ERR_HOOK_SCRIPT_FAILED,
                                  "Hook script execution failed: domain has active block job"),
                     VR_FAILURE_HOOK_REFUSED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recognise_what_was_observed),
        cmocka_unit_test(test_recognise_what_the_source_says),
        cmocka_unit_test(test_recognise_hook_s_words_mislead_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
