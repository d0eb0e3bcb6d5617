/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can go wrong with a VM's migration or with reading a host, in one table: how it is called,
 * what virt-roll does about it, and the sentence for people. Adapters recognise, the rollout
 * decides by class, programs show the words. docs/reference/failures.md is the table for users; a
 * test holds it to this one.
 */
#pragma once

#include <virt-roll/enum.h>
#include <virt-roll/error.h>

G_BEGIN_DECLS

#define VR_FAILURE_CLASSES(X)                                                                      \
    X(VR_FAILURE_CLASS_RETRY, "retry") /* passes by itself: again, after a growing pause */        \
    X(VR_FAILURE_CLASS_DEFER, "defer") /* the VM is busy: again later, then a person */            \
    X(VR_FAILURE_CLASS_OPERATOR, "needs-operator") /* a person must change something first */      \
    X(VR_FAILURE_CLASS_FATAL, "fatal")             /* to go on with anything would be wrong */
VR_DECLARE_ENUM(VrFailureClass, vr_failure_class, VR_FAILURE_CLASSES);

/* X(member, word, class, what happened, what to do next) */
#define VR_FAILURES(X)                                                                             \
    X(VR_FAILURE_CUT_OFF, "cut-off", RETRY, "the controller lost its connection to the source",    \
      "it may still be migrating: wait, both hosts are read")                                      \
    X(VR_FAILURE_LINK_LOST, "link-lost", RETRY, "the hosts lost the connection between them",      \
      "check the network between source and target, and that libvirtd runs on the target")         \
    X(VR_FAILURE_STREAM_BROKEN, "stream-broken", RETRY,                                            \
      "the memory stream broke while it was sent",                                                 \
      "look at QEMU's log of this VM on both hosts (/var/log/libvirt/qemu)")                       \
    X(VR_FAILURE_STREAM_STALLED, "stream-stalled", RETRY,                                          \
      "no memory got through for too long, so it was aborted",                                     \
      "check the migration network between source and target")                                     \
    X(VR_FAILURE_DAEMON_UNREACHABLE, "daemon-unreachable", RETRY,                                  \
      "the source's daemon cannot connect to the target's",                                        \
      "check that libvirtd listens at the target's peer_uri and that the source may reach it")     \
    X(VR_FAILURE_PORT_UNREACHABLE, "port-unreachable", RETRY,                                      \
      "the source cannot connect to the target's migration port",                                  \
      "let the firewall pass TCP 49152-49215 from source to target, and check migrate_uri")        \
    X(VR_FAILURE_NAME_UNRESOLVED, "name-unresolved", RETRY,                                        \
      "the source cannot resolve the target's name",                                               \
      "check peer_uri and migrate_uri, or the name service on the source")                         \
    X(VR_FAILURE_PORTS_BUSY, "ports-busy", RETRY, "the target has no free port for a migration",   \
      "see what holds TCP 49152-49215 there, or widen migration_port_max in its qemu.conf")        \
    X(VR_FAILURE_STILL_THERE, "still-there", RETRY,                                                \
      "the target still holds what an earlier migration left",                                     \
      "wait: its daemon removes it once it notices that the source has gone")                      \
    X(VR_FAILURE_STORAGE_UNREACHABLE, "storage-unreachable", RETRY,                                \
      "the target cannot open a disk of the VM",                                                   \
      "check the storage network and the disk's path or export as the target sees them")           \
    X(VR_FAILURE_ABORTED, "aborted", RETRY, "someone aborted the migration",                       \
      "find out who did (virsh domjobabort, another tool) and why")                                \
    X(VR_FAILURE_TARGET_IN_ALERT, "target-in-alert", RETRY,                                        \
      "its target came into alert, so it was aborted",                                             \
      "see why (virt-roll status), then release the host or plan anew without it")                 \
    X(VR_FAILURE_TIMED_OUT, "timed-out", RETRY, "libvirt gave up waiting",                         \
      "look at libvirtd's log of both hosts")                                                      \
    X(VR_FAILURE_HOST_UNREACHABLE, "host-unreachable", RETRY, "a host cannot be read",             \
      "check that it is up, that libvirtd runs and that the controller may connect")               \
    X(VR_FAILURE_HOST_DEGRADED, "host-degraded", RETRY,                                            \
      "a host's daemon answers, but not what its VM is doing: its storage or QEMU may hang",       \
      "look at that host's storage and at the VM's QEMU process; let nothing migrate there")       \
    X(VR_FAILURE_OTHER, "other", RETRY, "it failed for a reason that virt-roll does not know",     \
      "read libvirt's words and libvirtd's log of both hosts")                                     \
    X(VR_FAILURE_BLOCK_JOB, "block-job", DEFER, "a block job works on a disk of the VM",           \
      "let the copy, commit or backup end, or end it (virsh blockjob)")                            \
    X(VR_FAILURE_VM_BUSY, "vm-busy", DEFER,                                                        \
      "another operation on the VM is under way, such as a backup, a snapshot or a hot-plug",      \
      "let it end; virsh domjobinfo tells more")                                                   \
    X(VR_FAILURE_NOT_CONVERGING, "not-converging", DEFER,                                          \
      "the VM rewrites its memory faster than it can be sent, so it was aborted",                  \
      "migrate it at a quieter time, or give it more bandwidth")                                   \
    X(VR_FAILURE_NOT_RUNNING, "not-running", DEFER, "the VM does not run",                         \
      "nothing, if its owner shut it down")                                                        \
    X(VR_FAILURE_NAME_TAKEN, "name-taken", OPERATOR,                                               \
      "the target already has another VM of this name", "rename or undefine one of the two")       \
    X(VR_FAILURE_UUID_TAKEN, "uuid-taken", OPERATOR,                                               \
      "the target already has a VM with this UUID under another name",                             \
      "find out which of the two is real; undefine the other")                                     \
    X(VR_FAILURE_HOOK_REFUSED, "hook-refused", OPERATOR, "the target's libvirt hook refuses it",   \
      "see the hook's words; a host that virt-roll closed opens with its stage open")              \
    X(VR_FAILURE_DISK_NOT_SHARED, "disk-not-shared", OPERATOR,                                     \
      "a disk of the VM is on storage of the source alone",                                        \
      "put it on storage that both hosts share, or exclude the VM's host")                         \
    X(VR_FAILURE_DISK_CACHE, "disk-cache", OPERATOR, "a disk's cache mode is not safe to migrate", \
      "set cache=none or directsync and restart the VM")                                           \
    X(VR_FAILURE_DISK_MISSING, "disk-missing", OPERATOR,                                           \
      "the target does not have a file that the VM uses, such as a disk or CD image",              \
      "copy it to the same path there, or eject the medium")                                       \
    X(VR_FAILURE_STORAGE_ERROR, "storage-error", OPERATOR,                                         \
      "STORAGE ALARM: the VM stopped at an I/O error of its disk",                                 \
      "mend the storage, then virsh resume the VM; move nothing else to that storage before")      \
    X(VR_FAILURE_LOCK_REFUSED, "lock-refused", OPERATOR,                                           \
      "a disk is locked by someone else, so the target may not open it",                           \
      "find who holds the lock; never switch the lock manager off")                                \
    X(VR_FAILURE_CPU_MISMATCH, "cpu-mismatch", OPERATOR,                                           \
      "the target's CPU lacks features that the guest uses",                                       \
      "choose targets of the same kind, or give the VM a CPU model that all hosts have")           \
    X(VR_FAILURE_MACHINE_UNKNOWN, "machine-unknown", OPERATOR,                                     \
      "the target's QEMU does not know the VM's machine type",                                     \
      "update the target first, or restart the VM with a machine type that both know")             \
    X(VR_FAILURE_STATE_MISMATCH, "state-mismatch", OPERATOR,                                       \
      "the target's QEMU does not understand the VM's state",                                      \
      "compare the QEMU versions of the two hosts and the VM's devices")                           \
    X(VR_FAILURE_NO_MEMORY, "no-memory", OPERATOR, "the target has too little memory for the VM",  \
      "make room there: see what runs on it that the plan does not know")                          \
    X(VR_FAILURE_GROUP_RULE, "group-rule", OPERATOR,                                               \
      "the target already has as many VMs of its group as the rule allows",                        \
      "see which of them was started there since the plan was made; migrate it, then retry")       \
    X(VR_FAILURE_NO_HUGE_PAGES, "no-huge-pages", OPERATOR,                                         \
      "the target has too few huge pages for the VM",                                              \
      "reserve huge pages of that size there, on the right NUMA node")                             \
    X(VR_FAILURE_NETWORK_MISSING, "network-missing", OPERATOR,                                     \
      "the target lacks a bridge or network that the VM is connected to",                          \
      "set it up there under the same name")                                                       \
    X(VR_FAILURE_QEMU_FAILED, "qemu-failed", OPERATOR,                                             \
      "the target's QEMU cannot be started for this VM",                                           \
      "read its words, or QEMU's log of this VM on the target (/var/log/libvirt/qemu)")            \
    X(VR_FAILURE_HOST_DEVICE, "host-device", OPERATOR, "the VM uses a device of its host",         \
      "detach the device, or exclude the VM's host")                                               \
    X(VR_FAILURE_NOT_MIGRATABLE, "not-migratable", OPERATOR,                                       \
      "the VM has something that libvirt or QEMU cannot migrate",                                  \
      "remove what libvirt names, or exclude the VM's host")                                       \
    X(VR_FAILURE_HAS_SNAPSHOTS, "has-snapshots", OPERATOR,                                         \
      "the VM has snapshots, which libvirt does not migrate",                                      \
      "delete them with their owner's consent (virsh snapshot-list)")                              \
    X(VR_FAILURE_TLS_MISSING, "tls-missing", OPERATOR,                                             \
      "a host has no usable certificates for migrations over TLS",                                 \
      "install CA, certificate and key for QEMU on both hosts; never fall back to plain text")     \
    X(VR_FAILURE_TLS_REFUSED, "tls-refused", OPERATOR,                                             \
      "one host does not trust the other's certificate",                                           \
      "check issuer, expiry and host name of the certificates of both hosts")                      \
    X(VR_FAILURE_TLS_REQUIRED, "tls-required", OPERATOR, "a host allows migrations over TLS only", \
      "set migration.tls in the policy")                                                           \
    X(VR_FAILURE_ACCESS_DENIED, "access-denied", OPERATOR,                                         \
      "a daemon does not let this user do it",                                                     \
      "check the daemon's access rules and the credentials in libvirt's auth.conf")                \
    X(VR_FAILURE_BAD_ADDRESS, "bad-address", OPERATOR,                                             \
      "the target's migration address cannot be used",                                             \
      "set migrate_uri of the target to an address on the migration network")                      \
    X(VR_FAILURE_POSTCOPY, "post-copy", OPERATOR, "the migration failed in its post-copy phase",   \
      "keep both hosts up, mend the network, then resume it as libvirt's documentation says")      \
    X(VR_FAILURE_UNSUPPORTED, "unsupported", OPERATOR, "a host's libvirt or QEMU cannot do this",  \
      "compare the versions of the two hosts")                                                     \
    X(VR_FAILURE_REFUSED, "refused", OPERATOR, "it was refused", "do what the message asks for")   \
    X(VR_FAILURE_SAME_HOST, "same-host", FATAL, "the target's address leads to the source itself", \
      "correct peer_uri in the fleet file, check every other one, then plan anew")                 \
    X(VR_FAILURE_WRONG_MACHINE, "wrong-machine", FATAL,                                            \
      "another machine answers under a host's name",                                               \
      "check the addresses; close the rollout and plan anew if the machine was replaced")          \
    X(VR_FAILURE_TWO_COPIES, "two-copies", FATAL, "the VM runs on two hosts (split brain)",        \
      "stop the copy that began to run last, now: its disk is newer than its memory")

#define VR_FAILURE_MEMBER(member, word, class, happened, next) member,
typedef enum { VR_FAILURE_NONE, VR_FAILURES(VR_FAILURE_MEMBER) VR_FAILURE_COUNT } VrFailure;

typedef struct {
    const char *word;
    VrFailureClass class;
    const char *happened; /* a clause, without full stop */
    const char *next;     /* an instruction */
} VrFailureInfo;

/* The table's row; of NONE (nothing is known) it is that of OTHER. */
const VrFailureInfo *vr_failure_info(VrFailure failure);

gboolean vr_failure_is_fatal(VrFailure failure);

/* All words, NULL-terminated, static; the first, "none", is NONE's. */
const char *const *vr_failure_words(void);

/* The domain of errors of a migration's call: code is a VrFailure. */
#define VR_FAILURE (vr_failure_quark())
GQuark vr_failure_quark(void);

/* "SUBJECT: what happened: DETAIL; what to do next"; `detail` (nullable) in libvirt's words. */
void vr_failure_set(GError **error, VrFailure failure, const char *subject, const char *detail);

/* Of an error in VR_FAILURE or, by its code, in VR_ERROR. NONE for NULL. */
VrFailure vr_failure_of(const GError *error);

G_END_DECLS
