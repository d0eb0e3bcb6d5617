/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the port does without any daemon to talk to. */
#include "lab.h"

#include <gio/gio.h>
#include <libvirt/libvirt.h>

#include "adapters/libvirt/hypervisor.h"

#define VM "6d0e5b1c-6f0c-4f7f-9c1f-3d4d0f3a5a10"
#define MANY 40
#define MACHINE "00000000-0000-4000-8000-000000000001"
#define OTHER_MACHINE "00000000-0000-4000-8000-000000000002"

static const char *machine_uuid; /* of what answers at libvirt's test driver; atomic */

/* In libvirt's stead: its test driver has no host UUID. */
char *
virConnectGetCapabilities(virConnectPtr connection)
{
    (void)connection;
    return g_strdup_printf("<capabilities><host><uuid>%s</uuid><cpu><arch>x86_64</arch></cpu>"
                           "</host></capabilities>",
                           (const char *)g_atomic_pointer_get(&machine_uuid));
}

typedef struct {
    VrFleet *fleet;
    VrLibvirt *libvirt;
    VrHypervisor port;
} World;

static void
fleet_host_free(gpointer data)
{
    VrFleetHost *self = data;
    g_free(self->name);
    g_free(self->uri);
    g_free(self->peer_uri);
    g_strfreev(self->aliases);
    g_free(self);
}

/* One host "h1", alias "first", there. `uri` is taken. */
static World
world_new_at(char *uri)
{
    VrFleetHost *host = g_new0(VrFleetHost, 1);
    host->name = g_strdup("h1");
    host->aliases = g_strsplit("first", ",", -1);
    host->uri = uri;
    host->peer_uri = g_strdup(host->uri);
    World self = {.fleet = g_new0(VrFleet, 1)};
    self.fleet->name = g_strdup("test");
    self.fleet->path = g_strdup("fleet.yaml");
    self.fleet->hosts = g_ptr_array_new_with_free_func(fleet_host_free);
    g_ptr_array_add(self.fleet->hosts, host);
    self.libvirt = vr_libvirt_new(self.fleet);
    self.port = vr_libvirt_port(self.libvirt);
    return self;
}

static World
world_new(guint port)
{
    return world_new_at(g_strdup_printf("qemu+tcp://127.0.0.1:%u/system", port));
}

static void
world_clear(World *self)
{
    g_clear_pointer(&self->libvirt, vr_libvirt_free);
    g_clear_pointer(&self->fleet, vr_fleet_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

/* A port where connecting succeeds and nobody ever answers; closed again it refuses. */
static GSocketListener *
listen_silently(guint *out_port)
{
    GSocketListener *listener = g_socket_listener_new();
    *out_port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
    return listener;
}

static World
world_new_refusing(void)
{
    guint port = 0;
    g_autoptr(GSocketListener) listener = listen_silently(&port);
    g_socket_listener_close(listener);
    return world_new(port);
}

/* The table of actions in docs/internals/recovery.md, once more. */
static gboolean
is_allowed(VrAction action, VrRow row, VrSide side)
{
    switch (action) {
    case VR_ACTION_ABORT:
        return row == VR_ROW_J && side == VR_SIDE_RUNNING_JOB;
    case VR_ACTION_RESUME_SOURCE:
        return row == VR_ROW_E && side == VR_SIDE_MIGRATION;
    case VR_ACTION_DESTROY_SOURCE:
        return row == VR_ROW_G && side == VR_SIDE_MIGRATION;
    case VR_ACTION_UNDEFINE_SOURCE:
        return row == VR_ROW_O && side == VR_SIDE_OFF;
    case VR_ACTION_UNDEFINE_TARGET:
        return row == VR_ROW_B && side == VR_SIDE_OFF_FAILED;
    case VR_ACTION_DEFINE_TARGET:
        return (row == VR_ROW_H || row == VR_ROW_N) &&
               (side == VR_SIDE_RUNNING || side == VR_SIDE_USER);
    case VR_ACTION_SET_AUTOSTART:
        return side == VR_SIDE_RUNNING || side == VR_SIDE_USER || side == VR_SIDE_OFF_BY_GUEST;
    }
    return FALSE;
}

/* What is allowed gets as far as the connection, which fails; all else is refused before. */
static void
test_act_asks_the_host_only_for_what_the_recovery_table_allows(void **state)
{
    (void)state;
    g_auto(World) world = world_new_refusing();
    for (int action = 0; action <= VR_ACTION_SET_AUTOSTART; action++) {
        for (int row = 0; row <= VR_ROW_V; row++) {
            for (int side = 0; side < VR_SIDE_COUNT; side++) {
                const VrActionRequest request = {
                    .action = (VrAction)action,
                    .host = "h1",
                    .vm_uuid = VM,
                    .row = (VrRow)row,
                    .expected = (VrSide)side,
                    .definition = "<domain><uuid>" VM "</uuid></domain>",
                };
                g_autoptr(GError) error = wait_act(world.port, &request);
                gboolean allowed = is_allowed(request.action, request.row, request.expected);
                assert_true(g_error_matches(error, VR_ERROR,
                                            allowed ? VR_ERROR_UNREACHABLE : VR_ERROR_REFUSED));
            }
        }
    }
}

static void
test_define_needs_the_definition_of_that_vm(void **state)
{
    (void)state;
    static const char *const definitions[] = {
        NULL,
        "",
        "<domain/>",
        "<domain><uuid>11111111-2222-4333-8444-555555555555</uuid></domain>",
        "<capabilities><uuid>" VM "</uuid></capabilities>",
    };
    g_auto(World) world = world_new_refusing();
    for (guint i = 0; i < G_N_ELEMENTS(definitions); i++) {
        const VrActionRequest request = {.action = VR_ACTION_DEFINE_TARGET,
                                         .host = "h1",
                                         .vm_uuid = VM,
                                         .row = VR_ROW_H,
                                         .expected = VR_SIDE_RUNNING,
                                         .definition = definitions[i]};
        g_autoptr(GError) error = wait_act(world.port, &request);
        assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_REFUSED));
    }
}

static void
test_unreachable_host_is_unknown_and_says_why(void **state)
{
    (void)state;
    g_auto(World) world = world_new_refusing();
    g_autoptr(VrReading) reading = wait_read(world.port, "first", VM, VR_ROLE_SOURCE, TRUE);
    assert_int_equal(reading->side, VR_SIDE_UNKNOWN);
    assert_int_equal(reading->libvirt_id, -1);
    assert_non_null(strstr(reading->detail, "h1: cannot connect"));
    g_autoptr(VrListing) listing = wait_list(world.port, "h1");
    assert_false(listing->reachable);
    assert_non_null(strstr(listing->detail, "Connection refused"));

    Call call;
    const VrMigrationRequest request = {
        .vm_uuid = VM, .source = "h1", .target = "h1", .bandwidth_mib_per_s = 1};
    call_migrate(world.port, &request, &call);
    call_wait(&call, 20);
    assert_int_equal(vr_failure_of(call.error), VR_FAILURE_HOST_UNREACHABLE);
    assert_non_null(strstr(call.error->message, "was not begun"));
    call_clear(&call);

    g_autoptr(GError) error = NULL;
    assert_null(vr_libvirt_scan(world.libvirt, FALSE, NULL, &error));
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_UNREACHABLE));
}

static void
test_host_that_is_not_in_the_fleet_is_unknown(void **state)
{
    (void)state;
    g_auto(World) world = world_new_refusing();
    assert_int_equal(wait_side(world.port, "h2", VM, VR_ROLE_SOURCE), VR_SIDE_UNKNOWN);
    const VrActionRequest request = {.action = VR_ACTION_ABORT,
                                     .host = "h2",
                                     .vm_uuid = VM,
                                     .row = VR_ROW_J,
                                     .expected = VR_SIDE_RUNNING_JOB};
    g_autoptr(GError) error = wait_act(world.port, &request);
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_NOT_FOUND));
}

static void
count_unknown(const VrReading *reading, gpointer data)
{
    assert_int_equal(reading->side, VR_SIDE_UNKNOWN);
    assert_non_null(reading->detail);
    g_atomic_int_inc((gint *)data);
}

/* More calls than may run at once, on a host that never answers. */
static void
test_free_ends_each_call_exactly_once(void **state)
{
    (void)state;
    guint port = 0;
    gint count = 0;
    g_autoptr(GSocketListener) listener = listen_silently(&port);
    g_auto(World) world = world_new(port);
    for (int i = 0; i < MANY; i++)
        world.port.vtable->read(world.port.context, "h1", VM, VR_ROLE_OTHER, FALSE, count_unknown,
                                &count);
    wait_ms(100);
    gint64 begin_us = g_get_monotonic_time();
    g_clear_pointer(&world.libvirt, vr_libvirt_free);
    assert_true(g_get_monotonic_time() - begin_us < G_TIME_SPAN_SECOND);
    assert_int_equal(g_atomic_int_get(&count), MANY);
    wait_ms(200);
    assert_int_equal(g_atomic_int_get(&count), MANY);
}

/*
 * libvirt's local test driver takes a close callback, keeps nothing of it and never frees its data,
 * one reference on the adapter. Drivers with a daemon do.
 */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
    return "leak:world_new_at";
}

/* Its control connection still leads to the host, the new one to another machine. */
static void
test_migration_does_not_begin_on_another_machine(void **state)
{
    (void)state;
    g_auto(World) world = world_new_at(g_strdup("test:///default"));
    g_atomic_pointer_set(&machine_uuid, MACHINE);
    g_autoptr(VrListing) listing = wait_list(world.port, "h1");
    assert_true(listing->reachable);
    assert_string_equal(listing->host_uuid, MACHINE);

    g_atomic_pointer_set(&machine_uuid, OTHER_MACHINE);
    Call call;
    const VrMigrationRequest request = {
        .vm_uuid = VM, .source = "h1", .target = "h1", .bandwidth_mib_per_s = 1};
    call_migrate(world.port, &request, &call);
    call_wait(&call, 20);
    assert_int_equal(vr_failure_of(call.error), VR_FAILURE_WRONG_MACHINE);
    assert_non_null(strstr(call.error->message, "was not begun"));
    assert_non_null(strstr(call.error->message, OTHER_MACHINE));
    call_clear(&call);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_act_asks_the_host_only_for_what_the_recovery_table_allows),
        cmocka_unit_test(test_define_needs_the_definition_of_that_vm),
        cmocka_unit_test(test_unreachable_host_is_unknown_and_says_why),
        cmocka_unit_test(test_host_that_is_not_in_the_fleet_is_unknown),
        cmocka_unit_test(test_migration_does_not_begin_on_another_machine),
        cmocka_unit_test(test_free_ends_each_call_exactly_once),
    };
    call_stand_on(&lab_ground);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
