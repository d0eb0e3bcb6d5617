/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads, lists and hints. */
#include "hypervisor.h"

#define NO_SUCH_VM "11111111-2222-4333-8444-555555555555"

/* A daemon that cannot be reached must be known to be so by then. */
#define UNKNOWN_LIMIT_S 60

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

/* -------------------------------------------------------------------------- definitions */

typedef struct {
    char *uuid;
    char *name;
} Definition;

static void
take_text(GMarkupParseContext *context, const char *text, gsize length, gpointer data,
          GError **error)
{
    Definition *self = data;
    const GSList *path = g_markup_parse_context_get_element_stack(context);
    (void)error;
    if (path->next == NULL || path->next->next != NULL || strcmp(path->next->data, "domain") != 0)
        return;
    if (strcmp(path->data, "uuid") == 0)
        self->uuid = g_strndup(text, length);
    else if (strcmp(path->data, "name") == 0)
        self->name = g_strndup(text, length);
}

static void
assert_defines(const char *definition, const char *uuid, const char *name)
{
    static const GMarkupParser parser = {.text = take_text};
    Definition found = {NULL, NULL};
    g_autoptr(GError) error = NULL;
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, &found, NULL);
    assert_non_null(definition);
    if (!g_markup_parse_context_parse(context, definition, -1, &error) ||
        !g_markup_parse_context_end_parse(context, &error))
        fail_msg("%s", error->message);
    g_markup_parse_context_free(context);
    assert_string_equal(found.uuid, uuid);
    assert_string_equal(found.name, name);
    g_free(found.uuid);
    g_free(found.name);
}

/* -------------------------------------------------------------------------- reads */

static void
test_read_of_a_running_guest_tells_all(void **state)
{
    Stand *stand = *state;
    g_autoptr(VrReading) first =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, TRUE);
    assert_int_equal(first->side, VR_SIDE_RUNNING);
    assert_true(first->generation > 0 && first->libvirt_id > 0 && first->cpu_time_ns >= 0);
    assert_true(first->persistent && first->autostart && !first->shutting_down);
    assert_int_equal(first->memory_mib, stand->memory_mib);
    assert_int_equal(first->failure, VR_FAILURE_NONE);
    assert_defines(first->definition, stand->vm, stand->vm_name);
    wait_ms(200);
    g_autoptr(VrReading) second =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    assert_null(second->definition);
    assert_int_equal(second->libvirt_id, first->libvirt_id);
    assert_int_equal(second->generation, first->generation);
    assert_true(second->cpu_time_ns > first->cpu_time_ns);
    stand_assert_truth(stand, stand->home, "running persistent autostart");
}

static void
assert_absent(Stand *stand, const char *host, const char *uuid)
{
    for (VrRole role = VR_ROLE_SOURCE; role <= VR_ROLE_OTHER; role++) {
        g_autoptr(VrReading) reading = wait_read(stand->port, host, uuid, role, TRUE);
        assert_int_equal(reading->side, VR_SIDE_ABSENT);
        assert_true(reading->generation > 0);
        assert_int_equal(reading->libvirt_id, -1);
        assert_int_equal(reading->cpu_time_ns, -1);
        assert_int_equal(reading->memory_mib, 0);
        assert_true(!reading->persistent && !reading->autostart);
        assert_null(reading->definition);
    }
}

static void
test_read_of_what_is_not_there_is_absent(void **state)
{
    Stand *stand = *state;
    assert_absent(stand, stand->home, NO_SUCH_VM);
    assert_absent(stand, stand->empty, stand->vm);
    stand_assert_truth(stand, stand->empty, "absent");
}

static void
test_read_tells_pauses_by_the_user_from_others(void **state)
{
    Stand *stand = *state;
    stand_must(stand, STAND_PAUSE, stand->home);
    stand_assert_truth(stand, stand->home, "paused persistent autostart");
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_USER);
    stand_must(stand, STAND_RESUME, stand->home);
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    if (!stand_make(stand, STAND_STUMBLE, stand->home))
        return;
    stand_assert_truth(stand, stand->home, "paused persistent autostart");
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_ODD);
    stand_assert_side(stand, stand->home, VR_ROLE_TARGET, VR_SIDE_ODD);
    stand_must(stand, STAND_RECOVER, stand->home);
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
}

static void
test_guest_that_was_shut_down_is_off_by_guest_and_starts_as_another_instance(void **state)
{
    Stand *stand = *state;
    g_autoptr(VrReading) before =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    stand_must(stand, STAND_POWER_OFF, stand->home);
    stand_assert_truth(stand, stand->home, "off persistent autostart");
    g_autoptr(VrReading) off = wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, TRUE);
    assert_int_equal(off->side, VR_SIDE_OFF_BY_GUEST);
    assert_int_equal(off->libvirt_id, -1);
    assert_int_equal(off->cpu_time_ns, -1);
    assert_true(off->persistent && off->autostart);
    assert_defines(off->definition, stand->vm, stand->vm_name);
    g_autoptr(VrListing) listing = wait_list(stand->port, stand->home);
    const VrListedVm *listed = find_listed(listing, stand->vm);
    assert_non_null(listed);
    assert_int_equal(listed->side, VR_SIDE_OFF_BY_GUEST);
    assert_true(!listed->active && listed->persistent && listed->autostart);
    stand_must(stand, STAND_START, stand->home);
    g_autoptr(VrReading) after =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    assert_int_equal(after->side, VR_SIDE_RUNNING);
    assert_int_not_equal(after->libvirt_id, before->libvirt_id);
}

/* "Failed" means more on a target: elsewhere it is just off. */
static void
test_failed_start_shows_on_a_target_only(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_FAILED_START, stand->empty))
        return;
    stand_assert_truth(stand, stand->empty, "off persistent");
    stand_assert_side(stand, stand->empty, VR_ROLE_TARGET, VR_SIDE_OFF_FAILED);
    stand_assert_side(stand, stand->empty, VR_ROLE_SOURCE, VR_SIDE_OFF);
    stand_assert_side(stand, stand->empty, VR_ROLE_OTHER, VR_SIDE_OFF);
    g_autoptr(VrListing) listing = wait_list(stand->port, stand->empty);
    assert_int_equal(find_listed(listing, stand->vm)->side, VR_SIDE_OFF);
}

static void
test_backup_is_a_job_that_the_list_does_not_tell(void **state)
{
    Stand *stand = *state;
    if (!stand_make(stand, STAND_BACKUP_BEGIN, stand->home))
        return;
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING_JOB);
    g_autoptr(VrListing) listing = wait_list(stand->port, stand->home);
    assert_int_equal(find_listed(listing, stand->vm)->side, VR_SIDE_RUNNING);
    stand_must(stand, STAND_BACKUP_END, stand->home);
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
}

/* -------------------------------------------------------------------------- lists */

static void
assert_listed_as_read(Stand *stand, const char *host)
{
    g_autoptr(VrListing) listing = wait_list(stand->port, host);
    assert_true(listing->reachable);
    for (guint i = 0; i < listing->vms->len; i++) {
        const VrListedVm *vm = g_ptr_array_index(listing->vms, i);
        g_autoptr(VrReading) reading = wait_read(stand->port, host, vm->uuid, VR_ROLE_OTHER, TRUE);
        assert_string_equal(vr_side_to_string(vm->side), vr_side_to_string(reading->side));
        assert_int_equal(vm->active, reading->libvirt_id != -1);
        assert_int_equal(vm->persistent, reading->persistent);
        assert_int_equal(vm->autostart, reading->autostart);
        assert_int_equal(vm->memory_mib, reading->memory_mib);
        assert_defines(reading->definition, vm->uuid, vm->name);
        for (guint j = 0; j < i; j++)
            assert_string_not_equal(vm->uuid,
                                    ((const VrListedVm *)g_ptr_array_index(listing->vms, j))->uuid);
    }
}

static void
test_list_is_all_that_reads_tell(void **state)
{
    Stand *stand = *state;
    assert_listed_as_read(stand, stand->home);
    assert_listed_as_read(stand, stand->other);
    g_autoptr(VrListing) home = wait_list(stand->port, stand->home);
    g_autoptr(VrListing) other = wait_list(stand->port, stand->other);
    g_autoptr(VrListing) empty = wait_list(stand->port, stand->empty);
    assert_true(home->reachable && other->reachable && empty->reachable);
    assert_non_null(find_listed(home, stand->vm));
    assert_string_equal(find_listed(home, stand->vm)->name, stand->vm_name);
    assert_null(find_listed(other, stand->vm));
    assert_true(other->vms->len >= 1);
    assert_int_equal(empty->vms->len, 0);
    assert_string_not_equal(home->host_uuid, other->host_uuid);
    assert_string_not_equal(home->host_uuid, empty->host_uuid);
    stand_must(stand, STAND_PAUSE, stand->home);
    assert_listed_as_read(stand, stand->home);
    stand_must(stand, STAND_RESUME, stand->home);
}

/* -------------------------------------------------------------------------- no answer */

/* Nothing but that it is unknown, soon, and why. */
static void
assert_unknown(Stand *stand, const char *host, const char *uuid)
{
    gint64 begin_us = call_now_us();
    g_autoptr(VrReading) reading = wait_read(stand->port, host, uuid, VR_ROLE_TARGET, TRUE);
    assert_true(call_now_us() - begin_us < UNKNOWN_LIMIT_S * G_TIME_SPAN_SECOND);
    assert_string_equal(vr_side_to_string(reading->side), "unknown");
    assert_null(reading->definition);
    assert_non_null(reading->detail);
}

static void
assert_not_listed(Stand *stand, const char *host)
{
    g_autoptr(VrListing) listing = wait_list(stand->port, host);
    assert_false(listing->reachable);
    assert_non_null(listing->detail);
}

static void
assert_new_connection(Stand *stand, const VrReading *before)
{
    stand_wait_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    g_autoptr(VrReading) after =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    assert_int_not_equal(after->generation, before->generation);
    assert_int_equal(after->libvirt_id, before->libvirt_id);
    assert_true(after->cpu_time_ns > before->cpu_time_ns);
    assert_true(after->persistent && after->autostart);
    g_autoptr(VrListing) listing = wait_list(stand->port, stand->home);
    assert_true(listing->reachable);
    assert_non_null(find_listed(listing, stand->vm));
}

static void
test_stopped_daemon_is_unknown_and_comes_back_as_another_generation(void **state)
{
    Stand *stand = *state;
    g_autoptr(VrReading) before =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    (void)stand_take_hints(stand->home, NULL);
    stand_must(stand, STAND_DAEMON_STOP, stand->home);
    assert_unknown(stand, stand->home, stand->vm);
    assert_unknown(stand, stand->home, NO_SUCH_VM);
    assert_not_listed(stand, stand->home);
    assert_true(stand_take_hints(stand->home, NULL) >= 1);
    /* Nobody else is harmed by that. */
    assert_absent(stand, stand->other, stand->vm);
    stand_must(stand, STAND_DAEMON_START, stand->home);
    assert_new_connection(stand, before);
}

static void
test_cut_link_is_unknown_and_comes_back_as_another_generation(void **state)
{
    Stand *stand = *state;
    g_autoptr(VrReading) before =
        wait_read(stand->port, stand->home, stand->vm, VR_ROLE_SOURCE, FALSE);
    (void)stand_take_hints(stand->home, NULL);
    stand_must(stand, STAND_CUT, stand->home);
    assert_unknown(stand, stand->home, stand->vm);
    assert_true(stand_take_hints(stand->home, NULL) >= 1);
    stand_must(stand, STAND_MEND, stand->home);
    assert_new_connection(stand, before);
}

/* -------------------------------------------------------------------------- hints */

static void
wait_for_hint(Stand *stand, const char *host)
{
    gint64 deadline_us = call_now_us() + STAND_DEADLINE_S * G_TIME_SPAN_SECOND;
    while (stand_take_hints(host, stand->vm) == 0) {
        assert_true(call_now_us() < deadline_us);
        wait_ms(20);
    }
}

static void
test_hints_tell_whose_state_changed_until_nobody_watches(void **state)
{
    Stand *stand = *state;
    stand_must(stand, STAND_PAUSE, stand->home);
    wait_for_hint(stand, stand->home);
    stand_must(stand, STAND_RESUME, stand->home);
    wait_for_hint(stand, stand->home);
    stand->port.vtable->watch(stand->port.context, NULL, NULL);
    (void)stand_take_hints(stand->home, stand->vm);
    stand_must(stand, STAND_PAUSE, stand->home);
    stand_must(stand, STAND_RESUME, stand->home);
    stand_assert_side(stand, stand->home, VR_ROLE_SOURCE, VR_SIDE_RUNNING);
    wait_ms(100);
    assert_int_equal(stand_take_hints(stand->home, stand->vm), 0);
    /* And again somebody does. */
    stand->port.vtable->watch(stand->port.context, stand_hint_seen, NULL);
    stand_must(stand, STAND_PAUSE, stand->home);
    wait_for_hint(stand, stand->home);
    stand_must(stand, STAND_RESUME, stand->home);
}

#define ADD(test) hypervisor_add_test(tests, #test, test)

void
hypervisor_read_tests(GArray *tests)
{
    ADD(test_read_of_a_running_guest_tells_all);
    ADD(test_read_of_what_is_not_there_is_absent);
    ADD(test_read_tells_pauses_by_the_user_from_others);
    ADD(test_guest_that_was_shut_down_is_off_by_guest_and_starts_as_another_instance);
    ADD(test_failed_start_shows_on_a_target_only);
    ADD(test_backup_is_a_job_that_the_list_does_not_tell);
    ADD(test_list_is_all_that_reads_tell);
    ADD(test_stopped_daemon_is_unknown_and_comes_back_as_another_generation);
    ADD(test_cut_link_is_unknown_and_comes_back_as_another_generation);
    ADD(test_hints_tell_whose_state_changed_until_nobody_watches);
}
