/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#define ALL_BACK "[{\"match\":{\"alertname\":\"*\"},\"meaning\":\"migrate-back\"}]"
#define H1 "alertname=Hot,instance=h1"

/* One alert comes in; what it changes, as words, and the book follows. */
static char *
receive(const Fixture *fixture, VrAlertBook *book, const char *fingerprint, gint64 starts_us,
        gint64 ends_us, gint64 now_us)
{
    g_autoptr(VrAlertMessage) message = fixture_message();
    fixture_add(message, fingerprint, H1, starts_us, ends_us);
    g_autoptr(GPtrArray) changes = vr_alert_book_receive(book, fixture->mapping, message, now_us);
    GString *words = g_string_new(NULL);
    for (guint i = 0; i < changes->len; i++) {
        const VrAlertChange *change = g_ptr_array_index(changes, i);
        assert_int_equal(change->at_us, now_us);
        g_string_append_printf(words, "%s%s", i == 0 ? "" : " ",
                               vr_alert_change_kind_to_string(change->kind));
        assert_true(vr_alert_book_apply(book, change));
    }
    return g_string_free(words, FALSE);
}

typedef struct {
    gint64 starts_s; /* from NOW_US */
    gint64 ends_s;   /* FIRING: it fires */
    gint64 now_s;
    const char *changes;
    guint count; /* in the book afterwards */
} Step;

#define FIRING G_MININT64

static void
expect_steps(const Step *steps, guint count)
{
    g_auto(Fixture) fixture = fixture_new(ALL_BACK, "{}");
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    for (guint i = 0; i < count; i++) {
        const Step *step = &steps[i];
        gint64 ends_us = step->ends_s == FIRING ? 0 : NOW_US + step->ends_s * S_US;
        g_autofree char *changes = receive(&fixture, book, "f", NOW_US + step->starts_s * S_US,
                                           ends_us, NOW_US + step->now_s * S_US);
        if (strcmp(changes, step->changes) != 0)
            fail_msg("step %u: \"%s\", not \"%s\"", i, changes, step->changes);
        assert_int_equal(vr_alert_book_count(book), step->count);
    }
}

static void
test_book_an_alert_counts_once_until_it_is_over(void **state)
{
    static const Step steps[] = {
        {0, FIRING, 5, "raised", 1},
        {0, FIRING, 6, "", 1},
        {0, FIRING, 900, "", 1},
        {0, 950, 960, "resolved", 0},
        {0, 950, 961, "", 0},
        /* The way to Alertmanager was cut: it fires again with the start that it had. */
        {0, FIRING, 970, "raised", 1},
    };
    (void)state;
    expect_steps(steps, G_N_ELEMENTS(steps));
}

static void
test_book_a_later_start_is_another_alert(void **state)
{
    static const Step steps[] = {
        {0, FIRING, 5, "raised", 1},
        {100, FIRING, 105, "superseded raised", 1},
        {0, FIRING, 106, "", 1}, /* late */
        {0, 50, 107, "", 1},     /* the end of the first one */
        {100, 200, 201, "resolved", 0},
    };
    (void)state;
    expect_steps(steps, G_N_ELEMENTS(steps));
}

static void
test_book_an_end_counts_whatever_start_it_names(void **state)
{
    static const Step steps[] = {
        {100, FIRING, 105, "raised", 1},
        {50, 120, 125, "resolved", 0}, /* joined with an earlier one meanwhile */
        {100, FIRING, 130, "raised", 1},
        {110, 140, 145, "resolved", 0}, /* began anew, and we were not told */
    };
    (void)state;
    expect_steps(steps, G_N_ELEMENTS(steps));
}

static void
test_book_the_future_is_refused(void **state)
{
    static const Step steps[] = {
        {61, FIRING, 0, "refused-future", 0},  {60, FIRING, 0, "raised", 1},
        {600, FIRING, 1, "refused-future", 1}, {60, 700, 61, "refused-future", 1},
        {60, 121, 61, "resolved", 0},
    };
    (void)state;
    expect_steps(steps, G_N_ELEMENTS(steps));
}

static void
test_book_is_not_changed_by_receiving(void **state)
{
    (void)state;
    g_auto(Fixture) fixture = fixture_new(ALL_BACK, "{}");
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    g_autoptr(VrAlertMessage) message = fixture_message();
    fixture_add(message, "f", H1, NOW_US, 0);
    g_autoptr(GPtrArray) once = vr_alert_book_receive(book, fixture.mapping, message, NOW_US);
    g_autoptr(GPtrArray) twice = vr_alert_book_receive(book, fixture.mapping, message, NOW_US);
    assert_int_equal(vr_alert_book_count(book), 0);
    assert_int_equal(once->len, 1);
    assert_int_equal(twice->len, 1);
}

static void
test_book_in_one_message_earlier_alerts_count_already(void **state)
{
    (void)state;
    g_auto(Fixture) fixture = fixture_new(ALL_BACK, "{}");
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    g_autoptr(VrAlertMessage) message = fixture_message();
    fixture_add(message, "f", H1, NOW_US, 0);
    fixture_add(message, "f", H1, NOW_US, 0);
    fixture_add(message, "f", H1, NOW_US, NOW_US + 1);
    g_autoptr(GPtrArray) changes =
        vr_alert_book_receive(book, fixture.mapping, message, NOW_US + S_US);
    assert_int_equal(changes->len, 2);
}

static void
test_book_is_bounded(void **state)
{
    (void)state;
    g_auto(Fixture) fixture = fixture_new(ALL_BACK, "{}");
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    for (guint i = 0; i < VR_ALERTS_MAX; i++) {
        VrAlert *alert = NULL;
        g_autoptr(VrAlertMessage) message = fixture_message();
        g_autofree char *fingerprint = g_strdup_printf("%04x", i);
        fixture_add(message, fingerprint, H1, NOW_US, 0);
        alert =
            vr_alert_mapping_judge(fixture.mapping, g_ptr_array_index(message->alerts, 0), NOW_US);
        VrAlertChange change = {VR_ALERT_RAISED, NOW_US, alert};
        assert_true(vr_alert_book_apply(book, &change));
        vr_alert_unref(alert);
    }
    g_autofree char *full = receive(&fixture, book, "ffff", NOW_US, 0, NOW_US);
    assert_string_equal(full, "refused-full");
    g_autofree char *later = receive(&fixture, book, "0000", NOW_US + S_US, 0, NOW_US + S_US);
    assert_string_equal(later, "superseded raised");
    g_autofree char *over = receive(&fixture, book, "0001", NOW_US, NOW_US + 1, NOW_US + S_US);
    assert_string_equal(over, "resolved");
    g_autofree char *room = receive(&fixture, book, "ffff", NOW_US, 0, NOW_US);
    assert_string_equal(room, "raised");
    assert_int_equal(vr_alert_book_count(book), VR_ALERTS_MAX);
    for (guint i = 1; i < VR_ALERTS_MAX; i++)
        assert_true(strcmp(vr_alert_book_at(book, i - 1)->fingerprint,
                           vr_alert_book_at(book, i)->fingerprint) < 0);
}

static void
test_book_a_person_can_dismiss(void **state)
{
    (void)state;
    g_auto(Fixture) fixture = fixture_new(ALL_BACK, "{}");
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    g_autofree char *raised = receive(&fixture, book, "f", NOW_US, 0, NOW_US);
    assert_null(vr_alert_book_dismiss(book, "g", NOW_US + 1));
    VrAlertChange *change = vr_alert_book_dismiss(book, "f", NOW_US + 1);
    assert_int_equal(change->kind, VR_ALERT_DISMISSED);
    assert_true(vr_alert_book_apply(book, change));
    assert_false(vr_alert_book_apply(book, change));
    assert_int_equal(vr_alert_book_count(book), 0);
    vr_alert_change_free(change);
}

/* What the strongest alert of a host is called; "" if there is none. */
static const char *
strongest(const VrAlertBook *book, const char *host, gboolean in_work)
{
    const VrAlert *alert = vr_alert_book_strongest(book, host, in_work);
    return alert == NULL ? "" : alert->fingerprint;
}

static void
test_book_strongest_alert_of_a_host(void **state)
{
    (void)state;
    g_auto(Fixture) fixture =
        fixture_new("[{\"match\":{\"alertname\":\"W\"},\"meaning\":\"wait\"},"
                    "{\"match\":{\"alertname\":\"B\"},\"meaning\":\"migrate-back\"}]",
                    "{}");
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    g_autoptr(VrAlertMessage) message = fixture_message();
    fixture_add(message, "1", "alertname=W,instance=h1", NOW_US, 0);
    fixture_add(message, "2", "alertname=B,instance=h1", NOW_US + 2, 0);
    fixture_add(message, "3", "alertname=B,instance=h1", NOW_US + 1, 0);
    fixture_add(message, "4", "alertname=B", NOW_US, 0);
    fixture_add(message, "5", "alertname=D,severity=critical,instance=h2", NOW_US, 0);
    g_autoptr(GPtrArray) changes = vr_alert_book_receive(book, fixture.mapping, message, NOW_US);
    for (guint i = 0; i < changes->len; i++)
        assert_true(vr_alert_book_apply(book, g_ptr_array_index(changes, i)));
    assert_string_equal(strongest(book, "h1", FALSE), "3");
    assert_string_equal(strongest(book, NULL, FALSE), "4");
    assert_string_equal(strongest(book, "h2", TRUE), "5");
    assert_string_equal(strongest(book, "h2", FALSE), "");
    assert_string_equal(strongest(book, "h3.dc1", TRUE), "");
}

static void
test_book_changes_survive_the_journal(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_auto(Fixture) fixture = fixture_new(ALL_BACK, "{}");
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    g_autoptr(VrAlertMessage) message = fixture_message();
    fixture_add(message, "f", "alertname=\xc3\xa4,instance=h1", NOW_US, 0);
    g_autoptr(GPtrArray) changes = vr_alert_book_receive(book, fixture.mapping, message, NOW_US);
    g_autofree char *text = vr_alert_change_format(g_ptr_array_index(changes, 0));
    assert_string_equal(text, "{\"alert\":{\"by_default\":false,\"fingerprint\":\"f\","
                              "\"host\":\"h1\",\"meaning\":\"migrate-back\",\"name\":\"\xc3\xa4\","
                              "\"received_us\":1795316400000000,\"starts_us\":1795316400000000,"
                              "\"summary\":\"s\"},\"at_us\":1795316400000000,"
                              "\"change\":\"raised\"}");
    VrAlertChange *back = vr_alert_change_parse(text, strlen(text), "record 1", &error);
    expect_no_error(error);
    g_autofree char *again = vr_alert_change_format(back);
    assert_string_equal(again, text);
    vr_alert_change_free(back);

    const char *bare = "{\"change\":\"raised\",\"at_us\":1}";
    assert_null(vr_alert_change_parse(bare, strlen(bare), "record 1", &error));
    expect_error(&error, VR_ERROR_INVALID, "record 1: alert is missing");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_book_an_alert_counts_once_until_it_is_over),
        cmocka_unit_test(test_book_a_later_start_is_another_alert),
        cmocka_unit_test(test_book_an_end_counts_whatever_start_it_names),
        cmocka_unit_test(test_book_the_future_is_refused),
        cmocka_unit_test(test_book_is_not_changed_by_receiving),
        cmocka_unit_test(test_book_in_one_message_earlier_alerts_count_already),
        cmocka_unit_test(test_book_is_bounded),
        cmocka_unit_test(test_book_a_person_can_dismiss),
        cmocka_unit_test(test_book_strongest_alert_of_a_host),
        cmocka_unit_test(test_book_changes_survive_the_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
