/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>

#include "cli/reverse.h"
#include "rollout-fixture.h"

static void
set_level(VrRollout *rollout, const char *host, const char *facts)
{
    VrStepState *step = vr_rollout_step(rollout, fixture_find(rollout, VR_STEP_UPDATE, host));

    g_free(step->facts_before);
    step->facts_before = g_strdup(facts);
}

static VrRollout *
new_done(void)
{
    VrRollout *rollout = fixture_done();

    set_level(rollout, "h1", "boot_id=1\nupdate_level=level-1\n");
    set_level(rollout, "h2", "update_level=level-1\n");
    set_level(rollout, "h3", "update_level=level-1\n");
    return rollout;
}

static void
assert_refused(const VrRollout *rollout, const char *id, VrErrorCode code, const char *words)
{
    g_autoptr(GError) error = NULL;
    VrReverse reverse = {0};

    assert_false(vr_reverse_find(rollout, id, NULL, &reverse, &error));
    if (!g_error_matches(error, VR_ERROR, (int)code) || strstr(error->message, words) == NULL)
        fail_msg("%s", error->message);
}

static void
test_reverse_takes_the_updated_hosts_back_to_their_level(void **state)
{
    g_autoptr(VrRollout) rollout = new_done();
    g_autoptr(GError) error = NULL;
    VrReverse reverse = {0};
    (void)state;

    assert_true(vr_reverse_find(rollout, FIXTURE_ID, NULL, &reverse, &error));
    assert_string_equal(reverse.level, "level-1");
    assert_int_equal(g_strv_length(reverse.hosts), 3);
    assert_true(g_strv_contains((const char *const *)reverse.hosts, "h2"));
    assert_false(g_strv_contains((const char *const *)reverse.hosts, "h4"));
    g_strfreev(reverse.hosts);
    g_free(reverse.level);
}

static void
test_reverse_needs_one_level_or_a_person_who_says_which(void **state)
{
    g_autoptr(VrRollout) rollout = new_done();
    g_autoptr(GError) error = NULL;
    VrReverse reverse = {0};
    (void)state;

    set_level(rollout, "h2", "update_level=level-0\n");
    assert_refused(rollout, FIXTURE_ID, VR_ERROR_REFUSED, "different levels");
    set_level(rollout, "h2", "kernel=6.1\n");
    assert_refused(rollout, FIXTURE_ID, VR_ERROR_REFUSED, "h2: its stage facts told no");
    assert_true(vr_reverse_find(rollout, FIXTURE_ID, "level-0", &reverse, &error));
    assert_string_equal(reverse.level, "level-0");
    g_strfreev(reverse.hosts);
    g_free(reverse.level);
}

static void
test_reverse_refuses_what_is_not_over(void **state)
{
    g_autoptr(VrRollout) running = fixture_rollout();
    g_autoptr(VrRollout) none = vr_rollout_new();
    (void)state;

    assert_refused(running, FIXTURE_ID, VR_ERROR_REFUSED, "rollout close");
    assert_refused(running, "20250101-000000-lab", VR_ERROR_NOT_FOUND, FIXTURE_ID);
    assert_refused(none, FIXTURE_ID, VR_ERROR_NOT_FOUND, "no rollout yet");
    g_autoptr(VrEvent) closed = fixture_rollout_phase(running, VR_ROLLOUT_STOPPING, 1, "stop");
    g_autoptr(VrEvent) stopped = fixture_rollout_phase(running, VR_ROLLOUT_CLOSED, 2, "closed");
    assert_refused(running, FIXTURE_ID, VR_ERROR_NOT_FOUND, "updated no host");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reverse_takes_the_updated_hosts_back_to_their_level),
        cmocka_unit_test(test_reverse_needs_one_level_or_a_person_who_says_which),
        cmocka_unit_test(test_reverse_refuses_what_is_not_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
