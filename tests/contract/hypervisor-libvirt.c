/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypervisor port against real libvirt and QEMU, in a lab of at least 3 hosts and 3 VMs, fresh
 * from `lab up`. The tests build on each other: VM A begins on the first host, the last is empty.
 */
#include <gio/gio.h>

#include "adapters/libvirt/hypervisor.h"
#include "lab.h"

#define NO_SUCH_VM "11111111-2222-4333-8444-555555555555"
#define BANDWIDTH 40

typedef struct {
    Lab *lab;
    VrLibvirt *libvirt;
    VrHypervisor port;
    const char *full;  /* host with VMs */
    const char *other; /* another one with VMs, whose daemon is stopped */
    const char *empty;
    char *vm; /* A */
    char *vm_name;
    gint64 vm_memory_mib;
} World;

static World world;

static VrActionRequest
action(VrAction what, const char *host, VrRow row, VrSide expected)
{
    return (VrActionRequest){
        .action = what, .host = host, .vm_uuid = world.vm, .row = row, .expected = expected};
}

static void
assert_act(const VrActionRequest *request)
{
    g_autoptr(GError) error = wait_act(world.port, request);
    if (error != NULL)
        fail_msg("%s", error->message);
}

static void
assert_side(const char *host, VrRole role, VrSide side)
{
    assert_string_equal(vr_side_to_string(wait_side(world.port, host, world.vm, role)),
                        vr_side_to_string(side));
}

static const VrListedVm *
find_listed(const VrListing *listing, const char *uuid)
{
    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        if (strcmp(vm->uuid, uuid) == 0)
            return vm;
    }
    return NULL;
}

static void
test_list_tells_host_and_vms(void **state)
{
    (void)state;
    g_autoptr(VrListing) full = wait_list(world.port, world.full);
    assert_true(full->reachable);
    assert_non_null(full->host_uuid);
    assert_true(full->vms->len >= 1);
    const VrListedVm *vm = find_listed(full, world.vm);
    assert_int_equal(vm->side, VR_SIDE_RUNNING);
    assert_true(vm->active && vm->persistent && vm->autostart && vm->memory_mib > 0);

    g_autoptr(VrListing) empty = wait_list(world.port, world.empty);
    assert_true(empty->reachable);
    assert_int_equal(empty->vms->len, 0);
    assert_string_not_equal(empty->host_uuid, full->host_uuid);
}

static void
test_read_of_running_guest_tells_all(void **state)
{
    (void)state;
    g_autoptr(VrReading) reading =
        wait_read(world.port, world.full, world.vm, VR_ROLE_SOURCE, TRUE);
    assert_int_equal(reading->side, VR_SIDE_RUNNING);
    assert_true(reading->generation > 0 && reading->libvirt_id > 0 && reading->cpu_time_ns > 0);
    assert_true(reading->persistent && reading->autostart);
    assert_int_equal(reading->memory_mib, world.vm_memory_mib);
    assert_true(g_str_has_prefix(reading->detail, "running ("));
    assert_non_null(strstr(reading->definition, world.vm));
}

static void
test_read_of_unknown_uuid_is_absent_and_of_unknown_host_unknown(void **state)
{
    (void)state;
    g_autoptr(VrReading) absent =
        wait_read(world.port, world.full, NO_SUCH_VM, VR_ROLE_SOURCE, TRUE);
    assert_int_equal(absent->side, VR_SIDE_ABSENT);
    assert_true(absent->generation > 0);
    assert_null(absent->definition);
    g_autoptr(VrReading) unknown = wait_read(world.port, "nohost", world.vm, VR_ROLE_SOURCE, TRUE);
    assert_int_equal(unknown->side, VR_SIDE_UNKNOWN);
    assert_non_null(strstr(unknown->detail, "nohost"));
    g_autoptr(VrReading) broken = wait_read(world.port, world.full, "x", VR_ROLE_SOURCE, TRUE);
    assert_int_equal(broken->side, VR_SIDE_UNKNOWN);
}

static void
test_scan_gives_an_inventory_that_seals(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autoptr(VrInventory) inventory = vr_libvirt_scan(world.libvirt, TRUE, NULL, &error);
    assert_null(error);
    assert_true(vr_inventory_seal(inventory, &error));
    assert_int_equal(inventory->hosts->len, world.lab->fleet->hosts->len);
    const VrHost *host =
        vr_inventory_host(inventory, (guint)vr_inventory_find_host(inventory, world.full));
    assert_true(host->memory_mib > 0 && host->vcpus > 0);
    assert_non_null(host->uuid);
    assert_true(host->hypervisor_version != NULL && host->libvirt_version != NULL);
    const VrVm *vm = vr_inventory_vm(inventory, (guint)vr_inventory_find_vm(inventory, world.vm));
    assert_string_equal(vm->host, world.full);
    assert_int_equal(vm->state, VR_VM_RUNNING);
    assert_true(vm->movable && vm->persistent);
    assert_int_equal(vm->memory_mib, world.vm_memory_mib);
    assert_true(vm->resident_mib > 0 && vm->resident_mib <= vm->memory_mib);
    assert_non_null(strstr(vm->definition, world.vm));
}

static void
migrate(const char *source, const char *target, gint64 bandwidth, Call *call)
{
    const VrMigrationRequest request = {
        .vm_uuid = world.vm, .source = source, .target = target, .bandwidth_mib_per_s = bandwidth};
    call_migrate(world.port, &request, call);
}

static void
migrate_and_wait(const char *source, const char *target)
{
    Call call;
    migrate(source, target, BANDWIDTH, &call);
    call_wait(&call, 60);
    if (call.error != NULL)
        fail_msg("%s", call.error->message);
    assert_side(source, VR_ROLE_SOURCE, VR_SIDE_ABSENT);
}

static void
test_migration_settles_and_loses_autostart_which_is_set_again(void **state)
{
    (void)state;
    Call call;
    migrate(world.full, world.empty, 20, &call);
    call_wait(&call, 60);
    assert_null(call.error);
    assert_true(g_atomic_int_get(&call.progress_count) >= 2);
    assert_true(call.progress.elapsed_ms > 0 && call.progress.data_processed_mib > 0);

    assert_side(world.full, VR_ROLE_SOURCE, VR_SIDE_ABSENT);
    g_autoptr(VrReading) reading =
        wait_read(world.port, world.empty, world.vm, VR_ROLE_TARGET, FALSE);
    assert_int_equal(reading->side, VR_SIDE_RUNNING);
    assert_string_equal(reading->detail, "running (migrated)");
    assert_true(reading->persistent && !reading->autostart);
    assert_true(reading->stats.total_ms > 0 && reading->stats.data_mib > 0);
    assert_true(reading->stats.downtime_ms >= 0);
    g_autoptr(VrReading) again =
        wait_read(world.port, world.empty, world.vm, VR_ROLE_TARGET, FALSE);
    assert_int_equal(again->stats.total_ms, reading->stats.total_ms);

    const VrActionRequest request =
        action(VR_ACTION_SET_AUTOSTART, world.empty, VR_ROW_P, VR_SIDE_RUNNING);
    assert_act(&request);
    g_autoptr(VrListing) listing = wait_list(world.port, world.empty);
    assert_true(find_listed(listing, world.vm)->autostart);
}

static void
assert_migration_fails(VrFailure failure)
{
    Call call;
    migrate(world.empty, world.full, BANDWIDTH, &call);
    call_wait(&call, 60);
    if (!g_error_matches(call.error, VR_FAILURE, (gint)failure))
        fail_msg("%s", call.error == NULL ? "it succeeded" : call.error->message);
    print_message("           %s\n", call.error->message);
    call_clear(&call);
    assert_side(world.empty, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    assert_side(world.full, VR_ROLE_TARGET, VR_SIDE_ABSENT);
}

static void
test_migration_that_is_refused_says_by_whom_and_what_to_do(void **state)
{
    (void)state;
    lab_run(world.lab, "exec %s mkdir -p /var/lib/virt-roll", world.full);
    lab_run(world.lab, "exec %s touch /var/lib/virt-roll/closed", world.full);
    assert_migration_fails(VR_FAILURE_HOOK_REFUSED);
    lab_run(world.lab, "exec %s rm /var/lib/virt-roll/closed", world.full);

    lab_run(world.lab,
            "exec %s virsh blockcopy %s vda /var/lib/copy.img --bandwidth 1 --transient-job "
            "--format raw",
            world.empty, world.vm_name);
    assert_migration_fails(VR_FAILURE_BLOCK_JOB);
    lab_run(world.lab, "exec %s virsh blockjob %s vda --abort", world.empty, world.vm_name);
}

/* Its daemon tells its state all the time, and never its job. */
static void
test_guest_whose_qemu_hangs_is_unknown_and_its_host_degraded(void **state)
{
    (void)state;
    Call call;
    migrate(world.empty, world.full, 1, &call);
    wait_until_side(world.port, world.empty, world.vm, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB, 20);
    wait_until_side(world.port, world.full, world.vm, VR_ROLE_TARGET, VR_SIDE_MIGRATION_JOB, 20);
    /* Memory is being sent: only then libvirt has to ask QEMU how far it is. */
    for (guint i = 0; i < 1000 && g_atomic_int_get(&call.progress_count) < 4; i++)
        wait_ms(20);
    lab_run(world.lab, "exec %s pkill -STOP -f guest=%s", world.empty, world.vm_name);
    g_autoptr(VrReading) hanging =
        wait_read(world.port, world.empty, world.vm, VR_ROLE_SOURCE, FALSE);
    lab_run(world.lab, "exec %s pkill -CONT -f guest=%s", world.empty, world.vm_name);
    assert_int_equal(hanging->side, VR_SIDE_UNKNOWN);
    assert_int_equal(hanging->failure, VR_FAILURE_HOST_DEGRADED);
    print_message("           %s\n", hanging->detail);

    wait_until_side(world.port, world.empty, world.vm, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB, 60);
    VrActionRequest abort = action(VR_ACTION_ABORT, world.empty, VR_ROW_J, VR_SIDE_RUNNING_JOB);
    assert_act(&abort);
    call_wait(&call, 60);
    call_clear(&call);
    assert_side(world.empty, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    assert_side(world.full, VR_ROLE_TARGET, VR_SIDE_ABSENT);
}

static void
test_migration_that_cannot_begin_says_so(void **state)
{
    (void)state;
    Call call;
    migrate(world.full, world.empty, BANDWIDTH, &call); /* is on `empty` already */
    call_wait(&call, 20);
    assert_true(g_error_matches(call.error, VR_FAILURE, VR_FAILURE_OTHER));
    assert_non_null(strstr(call.error->message, "was not begun"));
    call_clear(&call);
}

static void
test_hanging_daemon_is_unknown_within_the_keepalive(void **state)
{
    (void)state;
    const VrFleet *fleet = world.lab->fleet;
    gint64 limit_s = fleet->keepalive_interval_s * (fleet->keepalive_count + 1) + 2;
    lab_run(world.lab, "exec %s sh -c 'kill -STOP $(cat /run/libvirtd.pid)'", world.other);
    gint64 begin_us = g_get_monotonic_time();
    VrSide side = wait_side(world.port, world.other, NO_SUCH_VM, VR_ROLE_OTHER);
    gint64 took_us = g_get_monotonic_time() - begin_us;
    VrSide elsewhere = wait_side(world.port, world.full, NO_SUCH_VM, VR_ROLE_OTHER);
    lab_run(world.lab, "exec %s sh -c 'kill -CONT $(cat /run/libvirtd.pid)'", world.other);
    print_message("           unknown after %" G_GINT64_FORMAT " ms\n", took_us / 1000);
    assert_int_equal(side, VR_SIDE_UNKNOWN);
    assert_int_equal(elsewhere, VR_SIDE_ABSENT);
    assert_true(took_us < limit_s * G_TIME_SPAN_SECOND);
    wait_until_side(world.port, world.other, NO_SUCH_VM, VR_ROLE_OTHER, VR_SIDE_ABSENT, 20);
}

/* A port that accepts and never answers: where connecting itself blocks for ever. */
static void
test_connecting_to_a_silent_address_ends_with_the_deadline(void **state)
{
    (void)state;
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
    g_autofree char *uri = g_strdup_printf("qemu+tcp://127.0.0.1:%u/system", port);
    g_autofree char *name = g_strdup("silent");
    VrFleetHost host = {.name = name, .uri = uri, .peer_uri = uri};
    g_autofree char **no_aliases = g_new0(char *, 1);
    host.aliases = no_aliases;
    VrFleet fleet = {
        .path = name, .hosts = g_ptr_array_new(), .keepalive_interval_s = 1, .keepalive_count = 3};
    g_ptr_array_add(fleet.hosts, &host);

    g_autoptr(VrLibvirt) libvirt = vr_libvirt_new(&fleet);
    gint64 begin_us = g_get_monotonic_time();
    g_autoptr(VrReading) reading =
        wait_read(vr_libvirt_port(libvirt), "silent", NO_SUCH_VM, VR_ROLE_OTHER, FALSE);
    gint64 took_us = g_get_monotonic_time() - begin_us;
    print_message("           %s\n", reading->detail);
    assert_int_equal(reading->side, VR_SIDE_UNKNOWN);
    assert_true(took_us > 9 * G_TIME_SPAN_SECOND && took_us < 11 * G_TIME_SPAN_SECOND);
    g_clear_pointer(&libvirt, vr_libvirt_free);
    g_ptr_array_unref(fleet.hosts);
}

static void
test_free_ends_what_is_under_way_exactly_once(void **state)
{
    (void)state;
    Call call;
    migrate(world.empty, world.full, 1, &call);
    wait_until_side(world.port, world.empty, world.vm, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB, 20);
    gint64 begin_us = g_get_monotonic_time();
    g_clear_pointer(&world.libvirt, vr_libvirt_free);
    assert_true(g_get_monotonic_time() - begin_us < 5 * G_TIME_SPAN_SECOND);
    assert_true(call_has_ended(&call));
    assert_int_equal(call.done_count, 1);
    assert_true(g_error_matches(call.error, VR_ERROR, VR_ERROR_UNREACHABLE));
    call_clear(&call);

    /* What the next process finds: the migration goes on, and can be aborted. */
    world.libvirt = vr_libvirt_new(world.lab->fleet);
    world.port = vr_libvirt_port(world.libvirt);
    assert_side(world.empty, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    const VrActionRequest request =
        action(VR_ACTION_ABORT, world.empty, VR_ROW_J, VR_SIDE_RUNNING_JOB);
    assert_act(&request);
    wait_until_side(world.port, world.empty, world.vm, VR_ROLE_SOURCE, VR_SIDE_RUNNING, 20);
    wait_until_side(world.port, world.full, world.vm, VR_ROLE_TARGET, VR_SIDE_ABSENT, 20);
    /* The call that libvirt held has come back meanwhile: nobody is told a second time. */
    assert_int_equal(call.done_count, 1);
    migrate_and_wait(world.empty, world.full);
}

static int
choose_vm(void)
{
    g_autoptr(VrListing) listing = wait_list(world.port, world.full);
    if (!listing->reachable || listing->vms->len == 0) {
        print_error("%s: no VM there: %s\n", world.full, listing->detail);
        return -1;
    }
    const VrListedVm *vm = g_ptr_array_index(listing->vms, 0);
    world.vm = g_strdup(vm->uuid);
    world.vm_name = g_strdup(vm->name);
    world.vm_memory_mib = vm->memory_mib;
    lab_run(world.lab, "exec %s virsh autostart %s", world.full, world.vm_name);
    return 0;
}

static int
set_up(void **state)
{
    (void)state;
    const GPtrArray *hosts = world.lab->fleet->hosts;
    g_assert(hosts->len >= 3);
    world.full = vr_fleet_host(world.lab->fleet, 0)->name;
    world.other = vr_fleet_host(world.lab->fleet, 1)->name;
    world.empty = vr_fleet_host(world.lab->fleet, hosts->len - 1)->name;
    world.libvirt = vr_libvirt_new(world.lab->fleet);
    world.port = vr_libvirt_port(world.libvirt);
    return choose_vm();
}

static int
tear_down(void **state)
{
    (void)state;
    vr_libvirt_free(world.libvirt);
    lab_free(world.lab);
    g_free(world.vm);
    g_free(world.vm_name);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_tells_host_and_vms),
        cmocka_unit_test(test_read_of_running_guest_tells_all),
        cmocka_unit_test(test_read_of_unknown_uuid_is_absent_and_of_unknown_host_unknown),
        cmocka_unit_test(test_scan_gives_an_inventory_that_seals),
        cmocka_unit_test(test_migration_settles_and_loses_autostart_which_is_set_again),
        cmocka_unit_test(test_migration_that_is_refused_says_by_whom_and_what_to_do),
        cmocka_unit_test(test_guest_whose_qemu_hangs_is_unknown_and_its_host_degraded),
        cmocka_unit_test(test_migration_that_cannot_begin_says_so),
        cmocka_unit_test(test_hanging_daemon_is_unknown_within_the_keepalive),
        cmocka_unit_test(test_connecting_to_a_silent_address_ends_with_the_deadline),
        cmocka_unit_test(test_free_ends_what_is_under_way_exactly_once),
    };
    world.lab = lab_load();
    if (world.lab == NULL) {
        print_message("skipped: " LAB_ENVIRONMENT " names no fleet file of a lab\n");
        return 77;
    }
    call_stand_on(&lab_ground);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
