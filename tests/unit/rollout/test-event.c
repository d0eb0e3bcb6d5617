/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <virt-roll/rollout.h>

static VrRecord
record_of(const VrEvent *event, const char *body)
{
    return (VrRecord){
        7, event->at_us, "r", vr_event_kind_to_string(event->kind), VR_EVENT_VERSION, body};
}

static void
test_event_format_parses_back(void **state)
{
    g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_STEP_PHASE, 1234567);
    g_autoptr(VrEvent) back = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *body = NULL;
    g_autofree char *again = NULL;
    (void)state;

    event->step = 3;
    event->attempt = 9;
    event->phase = VR_PHASE_DESTROYING_SOURCE;
    event->row = VR_ROW_G;
    event->side = VR_SIDE_MIGRATION;
    event->not_before_us = 99;
    event->cpu_time_ns = 0;
    event->failure = VR_FAILURE_BLOCK_JOB;
    event->counted = TRUE;
    event->reason = g_strdup("vm\"1\n\xc3\xa9");
    event->silent = g_strdup("h2");
    body = vr_event_format(event);
    VrRecord record = record_of(event, body);
    back = vr_event_parse(&record, &error);
    assert_null(error);
    assert_string_equal(back->reason, event->reason);
    assert_string_equal(back->silent, "h2");
    assert_int_equal(back->phase, VR_PHASE_DESTROYING_SOURCE);
    assert_int_equal(back->row, VR_ROW_G);
    assert_int_equal(back->side, VR_SIDE_MIGRATION);
    assert_int_equal(back->cpu_time_ns, 0);
    assert_int_equal(back->failure, VR_FAILURE_BLOCK_JOB);
    assert_true(back->counted);
    assert_int_equal(back->stats.downtime_ms, VR_UNKNOWN);
    again = vr_event_format(back);
    assert_string_equal(body, again);
}

static void
test_event_parse_refuses_what_we_did_not_write(void **state)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "{\"phase\":\"nonsense\"}",
        "{\"phase\":\"settled\",\"step\":-1}",
        "{\"phase\":\"settled\",\"what\":1}",
        "{\"phase\":7}",
        "{\"phase\":\"settled\",\"deadline_us\":9223372036854775807}",
        "{\"phase\":\"settled\",\"not_before_us\":-1}",
    };
    g_autoptr(VrEvent) event = vr_event_new(VR_EVENT_STEP_PHASE, 1);
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(GError) error = NULL;
        VrRecord record = record_of(event, bodies[i]);
        assert_null(vr_event_parse(&record, &error));
        assert_non_null(error);
    }
}

/* Of format 1: no host is named, and the definition always stands in the record itself. */
static void
test_event_of_an_older_format_is_read(void **state)
{
    g_autoptr(GError) error = NULL;
    VrRecord record = {1, 1, "r", "vm-recorded", 1, "{\"step\":2,\"text\":\"<domain/>\"}"};
    g_autoptr(VrEvent) event = vr_event_parse(&record, &error);
    (void)state;

    assert_null(error);
    assert_int_equal(event->step, 2);
    assert_string_equal(event->definition, "<domain/>");
    assert_null(event->text);
    assert_null(event->silent);
}

static void
test_event_of_a_newer_format_is_refused(void **state)
{
    g_autoptr(GError) error = NULL;
    VrRecord record = {1, 1, "r", "step-phase", VR_EVENT_VERSION + 1, "{\"phase\":\"settled\"}"};
    (void)state;

    assert_null(vr_event_parse(&record, &error));
    assert_int_equal(error->code, VR_ERROR_CORRUPT);
    assert_non_null(strstr(error->message, "newer"));
}

static void
test_facts_get_finds_whole_names_only(void **state)
{
    const char *facts = "noise\nboot_id_old=1\nboot_id= 2 \r\nlevel=a=b\nempty=";
    g_autofree char *boot_id = vr_facts_get(facts, "boot_id");
    g_autofree char *level = vr_facts_get(facts, "level");
    g_autofree char *empty = vr_facts_get(facts, "empty");
    (void)state;

    assert_string_equal(boot_id, "2");
    assert_string_equal(level, "a=b");
    assert_string_equal(empty, "");
    assert_null(vr_facts_get(facts, "boot"));
    assert_null(vr_facts_get(NULL, "boot_id"));
    assert_null(vr_facts_get("", "boot_id"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_format_parses_back),
        cmocka_unit_test(test_event_parse_refuses_what_we_did_not_write),
        cmocka_unit_test(test_event_of_an_older_format_is_read),
        cmocka_unit_test(test_event_of_a_newer_format_is_refused),
        cmocka_unit_test(test_facts_get_finds_whole_names_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
