/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host that cannot be read: what is lost with it, and what a person is told to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/silent-hosts.h"
#include "rollout-fixture.h"

#define AT_US(second) (FIXTURE_START_US + (second)*G_USEC_PER_SEC)

static void
apply(VrRollout *rollout, VrEvent *event)
{
    g_autoptr(VrEvent) owned = event;
    g_autoptr(GError) error = NULL;

    assert_true(vr_rollout_apply(rollout, owned, &error));
    assert_null(error);
}

static void
enter_silent(VrRollout *rollout, guint index, VrPhase phase, gint64 second, const char *host)
{
    VrEvent *event = vr_event_new(VR_EVENT_STEP_PHASE, AT_US(second));

    event->step = index + 1;
    event->phase = phase;
    event->attempt = vr_rollout_step(rollout, index)->attempt + 1;
    event->reason = g_strdup_printf("%s does not answer", host);
    event->silent = g_strdup(host);
    apply(rollout, event);
}

static void
define(VrRollout *rollout, const char *vm, const char *text)
{
    VrEvent *event = vr_event_new(VR_EVENT_VM_DEFINED, FIXTURE_START_US);

    event->step = fixture_find(rollout, VR_STEP_MIGRATE, vm) + 1;
    event->definition = g_ref_string_new(text);
    apply(rollout, event);
}

static void
close_host(VrRollout *rollout, const char *host)
{
    static const VrPhase phases[] = {VR_PHASE_CLOSING, VR_PHASE_COMPARING, VR_PHASE_CLOSED};

    for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
        vr_event_free(fixture_enter(rollout, fixture_find(rollout, VR_STEP_UPDATE, host), phases[i],
                                    20, NULL));
}

/* h3 is updated and holds vm1; h2 has been silent since second 30, h1 is a closed refuge. */
static VrRollout *
with_silent_host(gboolean asks)
{
    VrRollout *rollout = fixture_rollout();
    guint vm2 = fixture_find(rollout, VR_STEP_MIGRATE, "vm2");

    define(rollout, "vm2", "<domain>2</domain>");
    define(rollout, "vm3", "<domain>3</domain>");
    fixture_update(rollout, "h3", 10);
    close_host(rollout, "h1");
    fixture_migrate(rollout, "vm1", 25, 61);
    close_host(rollout, "h2");
    enter_silent(rollout, vm2, VR_PHASE_CHECKING, 30, "h2");
    enter_silent(rollout, vm2, VR_PHASE_CHECKING, 40, "h2");
    if (asks)
        enter_silent(rollout, vm2, VR_PHASE_NEEDS_OPERATOR, 90, "h2");
    return rollout;
}

static void
free_host(gpointer data)
{
    VrFleetHost *host = data;

    g_free(host->name);
    g_free(host->uri);
    g_free(host->aliases);
    g_free(host);
}

/* Of h3 only: what is asked for is how to reach it. */
static VrFleet *
fleet_new(void)
{
    VrFleet *fleet = g_new0(VrFleet, 1);
    VrFleetHost *host = g_new0(VrFleetHost, 1);

    host->name = g_strdup("h3");
    host->uri = g_strdup("qemu+tcp://h3/system");
    host->aliases = g_new0(char *, 1);
    fleet->hosts = g_ptr_array_new_with_free_func(free_host);
    g_ptr_array_add(fleet->hosts, host);
    return fleet;
}

static void
fleet_free(VrFleet *fleet)
{
    g_ptr_array_unref(fleet->hosts);
    g_free(fleet);
}

static char *
render(const VrRollout *rollout, const VrFleet *fleet)
{
    VrStatusView view = {rollout, FALSE, "virt-roll --state s", AT_US(150), fleet};

    return vr_render_silent_hosts(&view, 90);
}

static void
assert_says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static void
test_silent_host_and_what_is_lost_and_what_to_do(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(TRUE);
    VrFleet *fleet = fleet_new();
    g_autofree char *text = render(rollout, fleet);
    (void)state;

    assert_says(text, "HOST h2 CANNOT BE READ since 2026-11-22 12:00:30 (2 min)\n"
                      "  If it is off, 2 VMs are down with it:\n"
                      "    vm2   1024 MiB  ran there; disks unknown\n"
                      "    vm3   1024 MiB  ran there; disks unknown\n");
    assert_says(text, "  1. Make sure that h2 is off and stays off");
    assert_says(text, "  2. For each VM: its definition out of the journal");
    assert_says(text, "       (umask 077; virt-roll --state s rollout definition vm2 >vm2.xml)\n"
                      "       virsh -c 'qemu+tcp://h3/system' define vm2.xml\n"
                      "       virsh -c 'qemu+tcp://h3/system' start vm2\n"
                      "       (umask 077; virt-roll --state s rollout definition vm3 >vm3.xml)\n");
    assert_says(text, "  3. Before h2 has a network again");
    assert_says(text, "  4. Then: if h2 is back, virt-roll --state s run");
    assert_null(strstr(text, "vm1"));
    fleet_free(fleet);
}

/* Nothing can be told apart yet: who waits is told what for, and nothing to type. */
static void
test_silent_host_is_waited_for_before_a_person_is_asked(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(FALSE);
    g_autofree char *text = render(rollout, NULL);
    (void)state;

    assert_says(text, "since 2026-11-22 12:00:30 (2 min); a person is asked if that lasts\n");
    assert_null(strstr(text, "virsh"));
}

/* The line of an event that keeps a step waiting for a host. */
static char *
render_wait(VrPhase phase, const VrPhase *before, guint count)
{
    g_autoptr(VrRollout) rollout = fixture_rollout();
    guint h3 = fixture_find(rollout, VR_STEP_UPDATE, "h3");
    g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_STEP_PHASE, AT_US(20));

    for (guint i = 0; i < count; i++)
        vr_event_free(fixture_enter(rollout, h3, before[i], 10, NULL));
    enter_silent(rollout, h3, phase, 20, "h3");
    event->step = h3 + 1;
    VrEventLine line = vr_render_event(rollout, event, phase);
    g_autofree char *hosts = render(rollout, NULL);
    assert_int_equal(hosts[0] != '\0', line.text != NULL); /* status says so too, or neither */
    return line.text;
}

static void
test_silence_is_told_when_it_begins_but_not_of_a_reboot(void **state)
{
    static const VrPhase phases[] = {
        VR_PHASE_CLOSING,       VR_PHASE_COMPARING, VR_PHASE_CLOSED,
        VR_PHASE_FACTS_BEFORE,  VR_PHASE_ASSESSING, VR_PHASE_PREPARING,
        VR_PHASE_PROVING,       VR_PHASE_APPLYING,  VR_PHASE_FACTS_BEFORE_REBOOT,
        VR_PHASE_PROVING_AGAIN, VR_PHASE_REBOOTING, VR_PHASE_RETURNING};
    g_autofree char *closing = render_wait(VR_PHASE_COMPARING, phases, 2);
    g_autofree char *returning = render_wait(VR_PHASE_RETURNING, phases, G_N_ELEMENTS(phases));
    (void)state;

    assert_string_equal(closing, "waiting: h3 does not answer");
    assert_null(returning);
}

static void
test_silent_host_that_answers_again_is_forgotten(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(TRUE);
    guint vm2 = fixture_find(rollout, VR_STEP_MIGRATE, "vm2");
    (void)state;

    vr_event_free(fixture_enter(rollout, vm2, VR_PHASE_CHECKING, 100, NULL));
    assert_int_equal(vr_rollout_step(rollout, vm2)->silent_since_us, AT_US(30));
    vr_event_free(fixture_enter(rollout, vm2, VR_PHASE_FITTING, 101, NULL));
    g_autofree char *text = render(rollout, NULL);
    assert_string_equal(text, "");
}

static const VrSilentHost *
only_host(GPtrArray *hosts, const char *name)
{
    const VrSilentHost *host = NULL;

    assert_int_equal(hosts->len, 1);
    host = g_ptr_array_index(hosts, 0);
    assert_string_equal(host->host, name);
    return host;
}

static const VrSilentVm *
vm_at(const VrSilentHost *host, guint index)
{
    return &g_array_index(host->vms, VrSilentVm, index);
}

/* The updated host that took vm1 dies at its gate: vm1 is lost there, not on its source. */
static void
test_silent_updated_host_has_lost_what_came_to_it(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(FALSE);
    guint vm2 = fixture_find(rollout, VR_STEP_MIGRATE, "vm2");
    guint gate = fixture_find(rollout, VR_STEP_GATE, "h3");
    (void)state;

    vr_event_free(fixture_enter(rollout, vm2, VR_PHASE_PENDING, 50, NULL));
    vr_event_free(fixture_enter(rollout, gate, VR_PHASE_WATCHING, 51, NULL));
    vr_event_free(fixture_enter(rollout, gate, VR_PHASE_LOOKING, 60, NULL));
    enter_silent(rollout, gate, VR_PHASE_NEEDS_OPERATOR, 61, "h3");
    g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(rollout);
    const VrSilentHost *h3 = only_host(hosts, "h3");
    assert_int_equal(h3->vms->len, 1);
    assert_string_equal(vm_at(h3, 0)->vm->name, "vm1");
    assert_false(vm_at(h3, 0)->has_definition);
    /* h1 and h2 are closed, h4 is left out of the rollout and open. */
    assert_string_equal(vm_at(h3, 0)->proposed->name, "h4");
}

/* vm2 is on its way to h3 when its source falls silent, and when its target does. */
static void
enter_flight(VrRollout *rollout, const char *silent)
{
    static const VrPhase phases[] = {VR_PHASE_CHECKING, VR_PHASE_FITTING, VR_PHASE_MIGRATING,
                                     VR_PHASE_OBSERVING};
    guint vm2 = fixture_find(rollout, VR_STEP_MIGRATE, "vm2");

    for (guint i = 0; i < G_N_ELEMENTS(phases); i++)
        vr_event_free(fixture_enter(rollout, vm2, phases[i], 50, NULL));
    enter_silent(rollout, vm2, VR_PHASE_NEEDS_OPERATOR, 60, silent);
}

static void
test_silent_source_of_a_vm_on_its_way(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(FALSE);
    VrFleet *fleet = fleet_new();
    VrStatusView view = {rollout, FALSE, "virt-roll", AT_US(150), fleet};
    (void)state;

    enter_flight(rollout, "h2");
    g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(rollout);
    const VrSilentHost *h2 = only_host(hosts, "h2");
    assert_int_equal(h2->vms->len, 2);
    assert_non_null(vm_at(h2, 0)->moving);
    assert_null(vm_at(h2, 1)->moving);
    g_autoptr(GPtrArray) commands = vr_silent_vm_commands(vm_at(h2, 0), "h2", &view);
    assert_string_equal(g_ptr_array_index(commands, 0),
                        "virsh -c 'qemu+tcp://h3/system' domstate vm2");
    /* Room for two: the one that is kept for vm2 on its way is vm2's when it is started there. */
    VrInventory *inventory = rollout->basis->inventory;
    VrHost *h3 = g_ptr_array_index(inventory->hosts, vr_inventory_find_host(inventory, "h3"));
    h3->memory_mib = 3200;
    g_autoptr(GPtrArray) tight_hosts = vr_silent_hosts_find(rollout);
    for (guint i = 0; i < 2; i++)
        assert_string_equal(vm_at(only_host(tight_hosts, "h2"), i)->proposed->name, "h3");
    g_autofree char *text = render(rollout, fleet);
    assert_says(text, "vm2   1024 MiB  was on its way from h2 to h3, and may run on h3; ");
    assert_says(text, "vm2: only if the first command does not say that it runs or is paused on");
    fleet_free(fleet);
}

static void
see_on_target(VrRollout *rollout, guint index)
{
    VrEvent *event = vr_event_new(VR_EVENT_VM_SEEN_ON_TARGET, AT_US(45));

    event->step = index + 1;
    apply(rollout, event);
}

/* Its source is the last that had it, unless the target was seen running it. */
static void
test_silent_target_of_a_vm_on_its_way(void **state)
{
    (void)state;
    for (guint seen = 0; seen < 2; seen++) {
        g_autoptr(VrRollout) rollout = with_silent_host(FALSE);
        if (seen)
            see_on_target(rollout, fixture_find(rollout, VR_STEP_MIGRATE, "vm2"));
        enter_flight(rollout, "h3");
        g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(rollout);
        const VrSilentHost *h3 = only_host(hosts, "h3");
        assert_int_equal(h3->vms->len, 2);
        assert_string_equal(vm_at(h3, 1)->vm->name, "vm2");
        assert_int_equal(vm_at(h3, 1)->may_have_arrived, !seen);
        assert_int_equal(h3->arriving, !seen);
        g_autofree char *text = render(rollout, NULL);
        assert_says(text, seen ? "If it is off, 2 VMs are down with it:\n"
                               : "If it is off, 1 VM is down with it, and 1 VM may be:\n");
        assert_says(text, seen ? "vm2   1024 MiB  was on its way from h2 to h3, and may run on h2; "
                               : "vm2   1024 MiB  may have been on its way there from h2, and may "
                                 "run on h2; ");
        assert_says(text, "virsh -c URI-OF-h2 domstate vm2\n");
    }
}

/* A person has said to leave it as it is, and that is running. */
static void
test_silent_host_has_lost_what_a_person_left_out(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(TRUE);
    guint vm3 = fixture_find(rollout, VR_STEP_MIGRATE, "vm3");
    (void)state;

    vr_event_free(fixture_enter(rollout, vm3, VR_PHASE_STOPPED, 95, "vm3 was left out: busy"));
    g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(rollout);
    const VrSilentHost *h2 = only_host(hosts, "h2");
    assert_int_equal(h2->vms->len, 2);
    assert_int_equal(h2->shut_off, 0);
    assert_string_equal(vm_at(h2, 1)->vm->name, "vm3");
}

static void
test_silent_host_has_not_lost_what_was_shut_off(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(TRUE);
    guint vm3 = fixture_find(rollout, VR_STEP_MIGRATE, "vm3");
    (void)state;

    vr_event_free(fixture_enter(rollout, vm3, VR_PHASE_CHECKING, 95, NULL));
    vr_event_free(fixture_enter(rollout, vm3, VR_PHASE_STOPPED, 96, "vm3 is shut off"));
    g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(rollout);
    assert_int_equal(only_host(hosts, "h2")->vms->len, 1);
    assert_int_equal(only_host(hosts, "h2")->shut_off, 1);
}

/* It had arrived before a person was asked, or had even settled before its gate asked. */
static void
test_silent_target_has_lost_what_was_left_out_there(void **state)
{
    (void)state;
    for (guint settled = 0; settled < 2; settled++) {
        g_autoptr(VrRollout) rollout = with_silent_host(FALSE);
        guint vm1 = fixture_find(rollout, VR_STEP_MIGRATE, "vm1");
        guint vm2 = fixture_find(rollout, VR_STEP_MIGRATE, "vm2");
        guint gate = fixture_find(rollout, VR_STEP_GATE, "h3");

        if (settled) {
            vr_event_free(fixture_enter(rollout, vm1, VR_PHASE_STOPPED, 50, "vm1 was left out"));
            vr_event_free(fixture_enter(rollout, vm2, VR_PHASE_PENDING, 50, NULL));
        } else {
            enter_flight(rollout, "h2");
            see_on_target(rollout, vm2);
            vr_event_free(fixture_enter(rollout, vm2, VR_PHASE_STOPPED, 70, "vm2 was left out"));
        }
        vr_event_free(fixture_enter(rollout, gate, VR_PHASE_WATCHING, 71, NULL));
        vr_event_free(fixture_enter(rollout, gate, VR_PHASE_LOOKING, 72, NULL));
        enter_silent(rollout, gate, VR_PHASE_NEEDS_OPERATOR, 73, "h3");
        g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(rollout);
        assert_int_equal(only_host(hosts, "h3")->vms->len, settled ? 1 : 2);
        assert_string_equal(vm_at(only_host(hosts, "h3"), 0)->vm->name, "vm1");
    }
}

/* What two VMs need does not fit twice into the room for one. */
static void
test_silent_host_proposals_share_the_room(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(TRUE);
    VrInventory *inventory = rollout->basis->inventory;
    VrHost *h1 = g_ptr_array_index(inventory->hosts, vr_inventory_find_host(inventory, "h1"));
    VrHost *h3 = g_ptr_array_index(inventory->hosts, vr_inventory_find_host(inventory, "h3"));
    VrHost *h4 = g_ptr_array_index(inventory->hosts, vr_inventory_find_host(inventory, "h4"));
    (void)state;

    h3->memory_mib = 2200;
    h1->memory_mib = 800;
    h4->memory_mib = 1200;
    g_autoptr(GPtrArray) hosts = vr_silent_hosts_find(rollout);
    assert_string_equal(vm_at(only_host(hosts, "h2"), 0)->proposed->name, "h3");
    assert_null(vm_at(only_host(hosts, "h2"), 1)->proposed);
    g_autofree char *text = render(rollout, NULL);
    assert_says(text, "vm3: no host is known to have room");
    assert_says(text, "virsh -c URI-OF-h3 start vm2\n");
    assert_says(text, "virsh -c URI start vm3\n");

    /* The refuge has room, but is closed. */
    h1->memory_mib = 4096;
    g_autofree char *with_refuge = render(rollout, NULL);
    assert_says(with_refuge, "vm3: no open host has room; h1 has, but is closed");
    assert_says(with_refuge, "virsh -c URI-OF-h1 start vm3\n");
}

static void
rename_vm(const VrRollout *rollout, guint index, const char *name)
{
    VrVm *vm = g_ptr_array_index(rollout->basis->inventory->vms, index);

    g_free(vm->name);
    vm->name = g_strdup(name);
}

/* Names that a shell would read otherwise, or that are not unique, do not get into a command. */
static void
test_silent_vm_is_called_by_its_uuid_if_its_name_is_no_word(void **state)
{
    static const char *const names[] = {"-h", "a b", "$(id)", "vm3"};
    g_autoptr(VrRollout) rollout = with_silent_host(TRUE);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        rename_vm(rollout, 1, names[i]);
        g_autofree char *text = render(rollout, NULL);
        assert_says(text, "start 00000000-0000-4000-8000-000000000002\n");
    }
}

static void
test_silent_host_in_json(void **state)
{
    g_autoptr(VrRollout) rollout = with_silent_host(TRUE);
    VrStatusView view = {rollout, FALSE, "virt-roll", AT_US(150), NULL};
    g_autofree char *status = vr_render_status_json(&view);
    g_autofree char *report = vr_render_report_json(&view);
    const char *expected =
        "\"silent_hosts\":[{\"host\":\"h2\",\"needs_operator\":true,\"reason\":\"h2 does not "
        "answer\",\"since\":\"2026-11-22T12:00:30Z\",\"vms\":[{\"autostart\":false,\"commands\":["
        "\"(umask 077; virt-roll rollout definition vm2 >vm2.xml)\",\"virsh -c URI-OF-h3 define "
        "vm2.xml\",\"virsh -c URI-OF-h3 start vm2\"],\"disks\":null,\"has_definition\":true,"
        "\"may_have_arrived\":false,\"memory_mib\":1024,\"moving_from\":null,\"moving_to\":null,"
        "\"proposed_host\":\"h3\","
        "\"proposed_host_closed\":false,"
        "\"vm\":\"vm2\",";
    (void)state;

    assert_says(status, expected);
    assert_says(report, expected);
    assert_says(status, "\"vms_shut_off\":0}]");
    assert_null(strstr(status, "<domain>"));
    assert_null(strstr(report, "<domain>"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_host_and_what_is_lost_and_what_to_do),
        cmocka_unit_test(test_silent_host_is_waited_for_before_a_person_is_asked),
        cmocka_unit_test(test_silence_is_told_when_it_begins_but_not_of_a_reboot),
        cmocka_unit_test(test_silent_host_that_answers_again_is_forgotten),
        cmocka_unit_test(test_silent_updated_host_has_lost_what_came_to_it),
        cmocka_unit_test(test_silent_source_of_a_vm_on_its_way),
        cmocka_unit_test(test_silent_target_of_a_vm_on_its_way),
        cmocka_unit_test(test_silent_host_has_lost_what_a_person_left_out),
        cmocka_unit_test(test_silent_host_has_not_lost_what_was_shut_off),
        cmocka_unit_test(test_silent_target_has_lost_what_was_left_out_there),
        cmocka_unit_test(test_silent_host_proposals_share_the_room),
        cmocka_unit_test(test_silent_vm_is_called_by_its_uuid_if_its_name_is_no_word),
        cmocka_unit_test(test_silent_host_in_json),
    };

    g_setenv("TZ", "UTC", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
