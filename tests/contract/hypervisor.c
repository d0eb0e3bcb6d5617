/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor.h"

VR_DEFINE_ENUM(StandChange, stand_change, STAND_CHANGES)

static guint not_made;

gboolean
stand_make(Stand *self, StandChange change, const char *host)
{
    const char *why = self->make(self, change, host);
    if (why == NULL)
        return TRUE;
    print_message("           not on %s: %s: %s\n", self->name, stand_change_to_string(change),
                  why);
    not_made++;
    return FALSE;
}

void
stand_must(Stand *self, StandChange change, const char *host)
{
    const char *why = self->make(self, change, host);
    if (why != NULL)
        fail_msg("%s: %s", stand_change_to_string(change), why);
}

void
stand_assert_truth(Stand *self, const char *host, const char *truth)
{
    g_autofree char *found = self->truth(self, host);
    if (strcmp(found, truth) != 0)
        fail_msg("%s: it is '%s', not '%s'", host, found, truth);
}

void
stand_assert_side(Stand *self, const char *host, VrRole role, VrSide side)
{
    assert_string_equal(vr_side_to_string(wait_side(self->port, host, self->vm, role)),
                        vr_side_to_string(side));
}

void
stand_wait_side(Stand *self, const char *host, VrRole role, VrSide side)
{
    wait_until_side(self->port, host, self->vm, role, side, STAND_DEADLINE_S);
}

void
stand_migrate(Stand *self, const char *source, const char *target, gint64 bandwidth_mib_per_s,
              Call *call)
{
    const VrMigrationRequest request = {.vm_uuid = self->vm,
                                        .source = source,
                                        .target = target,
                                        .bandwidth_mib_per_s = bandwidth_mib_per_s};
    call_migrate(self->port, &request, call);
}

void
stand_assert_migrated(Call *call)
{
    call_wait(call, STAND_DEADLINE_S);
    if (call->error != NULL)
        fail_msg("%s", call->error->message);
}

void
stand_assert_failed(Call *call, VrFailure failure)
{
    call_wait(call, STAND_DEADLINE_S);
    if (call->error == NULL)
        fail_msg("it succeeded");
    if (vr_failure_of(call->error) != failure)
        fail_msg("%s: %s", vr_failure_info(vr_failure_of(call->error))->word, call->error->message);
    call_clear(call);
}

VrActionRequest
stand_action(Stand *self, VrAction action, const char *host, VrRow row, VrSide expected)
{
    return (VrActionRequest){
        .action = action, .host = host, .vm_uuid = self->vm, .row = row, .expected = expected};
}

void
stand_assert_done(Stand *self, const VrActionRequest *request)
{
    g_autoptr(GError) error = wait_act(self->port, request);
    if (error != NULL)
        fail_msg("%s: %s", vr_action_to_string(request->action), error->message);
}

void
stand_assert_refused(Stand *self, const VrActionRequest *request, VrErrorCode code)
{
    g_autoptr(GError) error = wait_act(self->port, request);
    if (!g_error_matches(error, VR_ERROR, (gint)code))
        fail_msg("%s: %s", vr_action_to_string(request->action),
                 error == NULL ? "it was done" : error->message);
}

/* -------------------------------------------------------------------------- hints */

typedef struct {
    char *host;
    char *uuid; /* nullable */
} Hint;

/* They come from any thread. */
static GMutex hints_lock;
static GArray *hints; /* (element-type Hint) for as long as the process lives */

static void
hint_clear(gpointer data)
{
    Hint *hint = data;
    g_free(hint->host);
    g_free(hint->uuid);
}

void
stand_hint_seen(const char *host, const char *uuid, const char *what, gpointer data)
{
    const Hint hint = {g_strdup(host), g_strdup(uuid)};
    (void)data;
    g_assert(what != NULL);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&hints_lock);
    g_array_append_val(hints, hint);
}

guint
stand_take_hints(const char *host, const char *uuid)
{
    guint count = 0;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&hints_lock);
    for (guint i = 0; i < hints->len; i++) {
        const Hint *hint = &g_array_index(hints, Hint, i);
        count += strcmp(hint->host, host) == 0 && g_strcmp0(hint->uuid, uuid) == 0;
    }
    g_array_set_size(hints, 0);
    return count;
}

/* -------------------------------------------------------------------------- running it */

void
hypervisor_add_test(GArray *tests, const char *name, CMUnitTestFunction run)
{
    const struct CMUnitTest test = {.name = name, .test_func = run};
    g_array_append_val(tests, test);
}

static int
set_up(void **state)
{
    Stand *stand = *state;
    stand->reset(stand);
    (void)stand_take_hints("", NULL);
    return 0;
}

void
stand_begin(Stand *stand)
{
    call_stand_on(stand->ground);
    if (hints == NULL) {
        hints = g_array_new(FALSE, FALSE, sizeof(Hint));
        g_array_set_clear_func(hints, hint_clear);
    }
}

int
hypervisor_contract_run(Stand *stand)
{
    stand_begin(stand);
    g_autoptr(GArray) tests = g_array_new(FALSE, TRUE, sizeof(struct CMUnitTest));
    hypervisor_read_tests(tests);
    hypervisor_migrate_tests(tests);
    hypervisor_act_tests(tests);
    for (guint i = 0; i < tests->len; i++) {
        struct CMUnitTest *test = &g_array_index(tests, struct CMUnitTest, i);
        test->setup_func = set_up;
        test->initial_state = stand;
    }
    not_made = 0;
    int failed = _cmocka_run_group_tests(stand->name, (const struct CMUnitTest *)tests->data,
                                         tests->len, NULL, NULL);
    print_message("%s: %u states could not be made\n", stand->name, not_made);
    return failed;
}
