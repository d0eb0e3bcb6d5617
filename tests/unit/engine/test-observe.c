/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The read protocol against a hypervisor whose sides change between the reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/observe.h"

/* Reads in the order in which they are asked, and what to answer. */
typedef struct {
    GString *asked;
    const VrSide *source; /* successive answers; the last one repeats */
    guint source_count;
    guint source_asked;
    VrSide target;
    VrSide others;
    GQueue posts;
    VrObservation result;
    guint done;
} Script;

typedef struct {
    void (*run)(gpointer data);
    gpointer data;
} Post;

static void
script_post(gpointer context, void (*run)(gpointer data), gpointer data)
{
    Post *post = g_new(Post, 1);

    *post = (Post){run, data};
    g_queue_push_tail(&((Script *)context)->posts, post);
}

static void
script_read(gpointer context, const char *host, const char *vm_uuid, VrRole role,
            gboolean with_definition, VrReadDone done, gpointer data)
{
    Script *script = context;
    VrReading reading = {.side = script->others};
    (void)vm_uuid;
    (void)with_definition;

    g_string_append_printf(script->asked, "%s ", host);
    if (role == VR_ROLE_SOURCE) {
        guint index = MIN(script->source_asked, script->source_count - 1);
        reading.side = script->source[index];
        script->source_asked++;
    } else if (role == VR_ROLE_TARGET) {
        reading.side = script->target;
    }
    done(&reading, data);
}

static void
script_done(VrObservation *observation, gpointer data)
{
    Script *script = data;

    script->result = *observation;
    *observation = (VrObservation){0};
    script->done++;
}

static void
observe(Script *script)
{
    static const VrHypervisorVTable vtable = {.read = script_read};
    VrHypervisor hypervisor = {script, &vtable};
    VrExecutor executor = {script, script_post};
    char x[] = "x";
    char y[] = "y";
    char *elsewhere[] = {x, y, NULL};
    VrObserveRequest request = {"uuid", "s", "d", elsewhere, FALSE};
    Post *post = NULL;

    script->asked = g_string_new(NULL);
    vr_observe(&hypervisor, &executor, &request, script_done, script);
    while ((post = g_queue_pop_head(&script->posts)) != NULL) {
        post->run(post->data);
        g_free(post);
    }
    assert_int_equal(script->done, 1);
}

static void
script_clear(Script *script)
{
    g_string_free(script->asked, TRUE);
    vr_observation_clear(&script->result);
}

static void
test_observe_reads_source_target_elsewhere_source(void **state)
{
    static const VrSide source[] = {VR_SIDE_ABSENT};
    Script script = {
        .source = source, .source_count = 1, .target = VR_SIDE_RUNNING, .others = VR_SIDE_ABSENT};
    (void)state;

    observe(&script);
    assert_string_equal(script.asked->str, "s d x y s ");
    assert_false(script.result.torn);
    assert_int_equal(script.result.elsewhere, VR_ELSEWHERE_NO);
    script_clear(&script);
}

static void
test_observe_changed_source_starts_again(void **state)
{
    static const VrSide source[] = {VR_SIDE_RUNNING_JOB, VR_SIDE_ABSENT};
    Script script = {
        .source = source, .source_count = 2, .target = VR_SIDE_RUNNING, .others = VR_SIDE_ABSENT};
    (void)state;

    observe(&script);
    assert_string_equal(script.asked->str, "s d x y s s d x y s ");
    assert_false(script.result.torn);
    assert_int_equal(script.result.source.side, VR_SIDE_ABSENT);
    script_clear(&script);
}

static void
test_observe_source_that_never_rests_is_torn(void **state)
{
    static const VrSide source[] = {VR_SIDE_RUNNING, VR_SIDE_USER, VR_SIDE_RUNNING, VR_SIDE_USER,
                                    VR_SIDE_RUNNING, VR_SIDE_USER, VR_SIDE_RUNNING, VR_SIDE_USER};
    Script script = {
        .source = source, .source_count = 8, .target = VR_SIDE_ABSENT, .others = VR_SIDE_ABSENT};
    (void)state;

    observe(&script);
    assert_true(script.result.torn);
    script_clear(&script);
}

/* That it ran is remembered from a round that is thrown away. */
static void
test_observe_says_that_the_source_ran(void **state)
{
    static const VrSide first[] = {VR_SIDE_RUNNING, VR_SIDE_UNKNOWN};
    static const VrSide never[] = {VR_SIDE_RUNNING_JOB, VR_SIDE_ABSENT};
    Script ran = {
        .source = first, .source_count = 2, .target = VR_SIDE_RUNNING, .others = VR_SIDE_ABSENT};
    Script left = {
        .source = never, .source_count = 2, .target = VR_SIDE_RUNNING, .others = VR_SIDE_ABSENT};
    (void)state;

    observe(&ran);
    assert_int_equal(ran.result.source.side, VR_SIDE_UNKNOWN);
    assert_true(ran.result.source_ran);
    observe(&left);
    assert_false(left.result.source_ran);
    script_clear(&ran);
    script_clear(&left);
}

static void
test_observe_unreadable_or_found_elsewhere_is_said(void **state)
{
    static const VrSide source[] = {VR_SIDE_RUNNING};
    Script unknown = {
        .source = source, .source_count = 1, .target = VR_SIDE_ABSENT, .others = VR_SIDE_UNKNOWN};
    Script found = {
        .source = source, .source_count = 1, .target = VR_SIDE_ABSENT, .others = VR_SIDE_OFF};
    (void)state;

    observe(&unknown);
    assert_int_equal(unknown.result.elsewhere, VR_ELSEWHERE_UNKNOWN);
    assert_string_equal(unknown.result.elsewhere_host, "x");
    assert_string_equal(unknown.result.elsewhere_detail, "unknown");
    observe(&found);
    assert_int_equal(found.result.elsewhere, VR_ELSEWHERE_YES);
    assert_string_equal(found.result.elsewhere_host, "x");
    assert_string_equal(found.result.elsewhere_detail, "off");
    script_clear(&unknown);
    script_clear(&found);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_observe_reads_source_target_elsewhere_source),
        cmocka_unit_test(test_observe_changed_source_starts_again),
        cmocka_unit_test(test_observe_source_that_never_rests_is_torn),
        cmocka_unit_test(test_observe_says_that_the_source_ran),
        cmocka_unit_test(test_observe_unreadable_or_found_elsewhere_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
