/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real libvirt, held to what every hypervisor port must do, in a lab of at least 3 hosts and 3 VMs.
 * Home is the second host: the controller reaches it by TCP, so that its link can be cut.
 */
#include "adapters/libvirt/hypervisor.h"
#include "hypervisor.h"
#include "lab.h"

/* contrib/lab/lib/network.sh */
#define CONTROLLER_ADDRESS "10.77.0.1"
#define CLOSED "/var/lib/virt-roll/closed"
#define NAMESAKE_UUID "33333333-3333-4333-8333-333333333333"

typedef struct {
    Stand stand;
    Lab *lab;
    VrLibvirt *libvirt;
    char *definition; /* path of the VM's */
} LabStand;

/* ------------------------------------------------------------------ the port */

static void
open_port(Stand *stand)
{
    LabStand *self = (LabStand *)stand;
    self->libvirt = vr_libvirt_new(self->lab->fleet);
    stand->port = vr_libvirt_port(self->libvirt);
    stand->port.vtable->watch(stand->port.context, stand_hint_seen, NULL);
}

static void
free_port(Stand *stand)
{
    g_clear_pointer(&((LabStand *)stand)->libvirt, vr_libvirt_free);
}

/* ------------------------------------------------------------------ past the port */

/* A script on a host: VM is its UUID, NAME its name, FILE its definition, V virsh. */
static char *
read_on(LabStand *self, const char *host, const char *script)
{
    const Stand *stand = &self->stand;
    g_autofree char *text = g_strdup_printf("VM=%s NAME=%s FILE=%s V='virsh -q'; %s", stand->vm,
                                            stand->vm_name, self->definition, script);
    g_autofree char *quoted = g_shell_quote(text);
    return lab_read(self->lab, "exec %s sh -c %s", host, quoted);
}

static void
run_on(LabStand *self, const char *host, const char *script)
{
    g_free(read_on(self, host, script));
}

static const char *
word_of_state(const char *state)
{
    return strcmp(state, "shut off") == 0 ? "off" : state;
}

static char *
truth(Stand *stand, const char *host)
{
    /* "State: …", "Persistent: …", "Autostart: …"; nothing if it is not there. */
    g_autofree char *text = read_on((LabStand *)stand, host,
                                    "LC_ALL=C $V dominfo $VM 2>/dev/null | sed -n "
                                    "'s/^\\(State\\|Persistent\\|Autostart\\): *//p'");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    if (g_strv_length(lines) < 3)
        return g_strdup("absent");
    return g_strdup_printf("%s %s%s", word_of_state(lines[0]),
                           strcmp(lines[1], "yes") == 0 ? "persistent" : "transient",
                           strcmp(lines[2], "enable") == 0 ? " autostart" : "");
}

static void
begin_migration(LabStand *self, const char *host, const char *source, const char *flags,
                gboolean waits)
{
    const VrFleet *fleet = self->lab->fleet;
    const VrFleetHost *target = vr_fleet_host(fleet, (guint)vr_fleet_find_host(fleet, host));
    g_autofree char *script = g_strdup_printf(
        "%s $V migrate --live --p2p %s $VM %s --migrateuri %s %s", waits ? "" : "setsid", flags,
        target->peer_uri, target->migrate_uri, waits ? "" : ">/dev/null 2>&1 </dev/null &");
    run_on(self, source, script);
}

#define KEEP "--persistent --undefinesource"

/* ------------------------------------------------------------------ reset */

/* Whatever the last test left: nothing is cut, closed or copied. Prints if the daemon is down. */
#define TIDY_UP                                                                                    \
    "ip route del blackhole " CONTROLLER_ADDRESS "/32 2>/dev/null; rm -f " CLOSED "; "             \
    "kill -CONT $(cat /run/libvirtd.pid) 2>/dev/null || { echo down; exit; }; "                    \
    "$V undefine " NAMESAKE_UUID " >/dev/null 2>&1; true"

#define REMOVE "$V destroy $VM 2>/dev/null; $V undefine $VM 2>/dev/null; true"

#define PUT_RIGHT                                                                                  \
    "$V dominfo $VM >/dev/null 2>&1 || $V define $FILE; "                                          \
    "case \"$($V domstate $VM)\" in paused) $V resume $VM;; 'shut off') $V start $VM;; esac; "     \
    "$V autostart $VM"

static gboolean
is_active(Stand *stand, const char *host)
{
    g_autofree char *found = truth(stand, host);
    return strcmp(found, "absent") != 0 && !g_str_has_prefix(found, "off");
}

static void
bring_home(LabStand *self, const char *host)
{
    if (is_active(&self->stand, host) && !is_active(&self->stand, self->stand.home)) {
        /* QEMU 7.2 dies when a guest is migrated that has arrived paused and never run since. */
        run_on(self, host, "$V resume $VM 2>/dev/null; true");
        begin_migration(self, self->stand.home, host, KEEP, TRUE);
    }
    run_on(self, host, REMOVE);
}

static void
reset(Stand *stand)
{
    LabStand *self = (LabStand *)stand;
    const char *const hosts[] = {stand->home, stand->other, stand->empty};
    free_port(stand);
    for (guint h = 0; h < G_N_ELEMENTS(hosts); h++) {
        g_autofree char *is_down = read_on(self, hosts[h], TIDY_UP);
        if (*is_down != '\0')
            lab_run(self->lab, "start %s", hosts[h]);
    }
    run_on(self, stand->home, "$V domjobabort $VM 2>/dev/null; true");
    bring_home(self, stand->empty);
    bring_home(self, stand->other);
    run_on(self, stand->home, PUT_RIGHT);
    open_port(stand);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
}

/* ------------------------------------------------------------------ states */

/* Until the request to finish lies unread in the socket of the target's stopped daemon. */
#define REQUEST_IS_THERE                                                                           \
    "timeout 60 sh -c \"until ss -Htn state established sport = :16509 | "                         \
    "awk '\\$1 > 200 {found = 1} END {exit !found}'; do :; done\""

static void
bring_to_switch_over(LabStand *self, const char *host)
{
    Stand *stand = &self->stand;
    begin_migration(self, host, stand->home, KEEP " --bandwidth 1", FALSE);
    stand_wait_side(stand, host, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    /* Memory is being sent, so the target is prepared. */
    run_on(self, stand->home, "until $V domjobinfo $VM | grep -q 'Data processed'; do :; done");
    run_on(self, host, "kill -STOP $(cat /run/libvirtd.pid)");
    run_on(self, stand->home, "$V migrate-setspeed $VM 1000");
    run_on(self, host, REQUEST_IS_THERE);
}

static void
restart_killed(LabStand *self, const char *host)
{
    lab_run(self->lab, "stop %s KILL", host);
    lab_run(self->lab, "start %s", host);
}

static void
get_stuck(LabStand *self, const char *host)
{
    bring_to_switch_over(self, host);
    lab_run(self->lab, "stop %s KILL", self->stand.home);
    run_on(self, host, "pkill -KILL -f guest=$NAME");
    restart_killed(self, host);
    lab_run(self->lab, "start %s", self->stand.home);
}

static void
arrive(LabStand *self, const char *host)
{
    bring_to_switch_over(self, host);
    run_on(self, self->stand.home, "kill -STOP $(cat /run/libvirtd.pid)");
    run_on(self, host, "kill -CONT $(cat /run/libvirtd.pid)");
    stand_wait_side(&self->stand, host, VR_ROLE_TARGET, VR_SIDE_RUNNING);
    restart_killed(self, self->stand.home);
}

#define CLOSE "mkdir -p $(dirname " CLOSED "); touch " CLOSED
#define UNTIL_STATE(state) "until $V domstate $VM | grep -q '" state "'; do :; done"
#define NAMESAKE                                                                                   \
    "F=$FILE.namesake; echo \"<domain type='qemu'><name>$NAME</name>"                              \
    "<uuid>" NAMESAKE_UUID "</uuid><memory>65536</memory>"                                         \
    "<os><type arch='x86_64'>hvm</type></os></domain>\" >$F; $V define $F"
#define BACKUP                                                                                     \
    "F=$FILE.backup; echo \"<domainbackup mode='pull'><server transport='unix' "                   \
    "socket='/run/vr-backup.sock'/><disks><disk name='vda' backup='yes' type='file'>"              \
    "<scratch file='/var/lib/vr-backup.img'/></disk></disks></domainbackup>\" >$F; "               \
    "rm -f /var/lib/vr-backup.img; $V backup-begin $VM $F"

/* Those that are a script on the host; NULL: it takes more. */
static const char *
script_of(StandChange change)
{
    static const char *const scripts[] = {
        [STAND_PAUSE] = "$V suspend $VM",
        [STAND_RESUME] = "$V resume $VM",
        [STAND_POWER_OFF] =
            "$V qemu-monitor-command $VM '{\"execute\":\"quit\"}'; " UNTIL_STATE("shut off"),
        [STAND_START] = "$V start $VM",
        [STAND_STUMBLE] =
            "$V qemu-monitor-command $VM '{\"execute\":\"stop\"}'; " UNTIL_STATE("paused"),
        [STAND_RECOVER] =
            "$V qemu-monitor-command $VM '{\"execute\":\"cont\"}'; " UNTIL_STATE("running"),
        [STAND_BACKUP_BEGIN] = BACKUP,
        [STAND_BACKUP_END] = "$V domjobabort $VM",
        [STAND_CUT] = "ip route add blackhole " CONTROLLER_ADDRESS "/32",
        [STAND_MEND] = "ip route del blackhole " CONTROLLER_ADDRESS "/32",
        [STAND_CLOSE] = CLOSE,
        [STAND_OPEN] = "rm " CLOSED,
        [STAND_NAMESAKE] = NAMESAKE,
        [STAND_DOUBLE] = "$V create --paused $FILE",
        /* The hook refuses it, so that no guest is started. */
        [STAND_FAILED_START] = "$V define $FILE && " CLOSE " && ! $V start $VM && rm " CLOSED,
        [STAND_ARRIVED] = NULL,
    };
    return scripts[change];
}

static const char *
make(Stand *stand, StandChange change, const char *host)
{
    LabStand *self = (LabStand *)stand;
    const char *script = script_of(change);

    if (script != NULL)
        run_on(self, host, script);
    else if (change == STAND_DAEMON_STOP)
        lab_run(self->lab, "stop %s", host);
    else if (change == STAND_DAEMON_START)
        lab_run(self->lab, "start %s", host);
    else if (change == STAND_FOREIGN)
        begin_migration(self, host, stand->home, KEEP " --bandwidth 1", FALSE);
    else if (change == STAND_MOVED)
        begin_migration(self, host, stand->home, "", TRUE);
    else if (change == STAND_STUCK)
        get_stuck(self, host);
    else
        arrive(self, host);
    return NULL;
}

/* ------------------------------------------------------------------ */

static void
choose_vm(LabStand *self)
{
    Stand *stand = &self->stand;
    open_port(stand);
    g_autoptr(VrListing) listing = wait_list(stand->port, stand->home);
    assert_true(listing->reachable && listing->vms->len > 0);
    const VrListedVm *vm = g_ptr_array_index(listing->vms, 0);
    stand->vm = g_strdup(vm->uuid);
    stand->vm_name = g_strdup(vm->name);
    stand->memory_mib = vm->memory_mib;
    run_on(self, stand->home, "$V dumpxml --inactive --migratable --security-info $VM >$FILE");
}

int
main(void)
{
    LabStand self = {
        .stand = {.name = "libvirt",
                  .ground = &lab_ground,
                  .reset = reset,
                  .make = make,
                  .truth = truth,
                  .free_port = free_port,
                  .open_port = open_port},
        .lab = lab_load(),
    };
    if (self.lab == NULL) {
        print_message("skipped: " LAB_ENVIRONMENT " names no fleet file of a lab\n");
        return 77;
    }
    const VrFleet *fleet = self.lab->fleet;
    g_assert(fleet->hosts->len >= 3);
    self.stand.other = vr_fleet_host(fleet, 0)->name;
    self.stand.home = vr_fleet_host(fleet, 1)->name;
    self.stand.empty = vr_fleet_host(fleet, fleet->hosts->len - 1)->name;
    self.definition = g_build_filename(self.lab->state, "contract-vm.xml", NULL);
    stand_begin(&self.stand);
    choose_vm(&self);
    int failed = hypervisor_contract_run(&self.stand);
    reset(&self.stand);
    free_port(&self.stand);
    g_free(self.stand.vm);
    g_free(self.stand.vm_name);
    g_free(self.definition);
    lab_free(self.lab);
    return failed;
}
