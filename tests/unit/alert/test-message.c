/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/expect.h"

#include <virt-roll/alert.h>

#include "base/time.h"

static VrAlertMessage *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    VrAlertMessage *message = vr_alert_message_parse(text, strlen(text), &error);
    expect_no_error(error);
    return message;
}

static const VrReceivedAlert *
alert_at(const VrAlertMessage *message, guint index)
{
    return g_ptr_array_index(message->alerts, index);
}

/* As Alertmanager 0.25 writes it. */
static const char real[] =
    "{\"receiver\":\"virt-roll\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\","
    "\"labels\":{\"alertname\":\"HostHot\",\"instance\":\"h3:9100\",\"severity\":\"critical\"},"
    "\"annotations\":{\"description\":\"long\",\"summary\":\"h3 is\\nhot\"},"
    "\"startsAt\":\"2026-11-22T03:00:00.123456789Z\",\"endsAt\":\"0001-01-01T00:00:00Z\","
    "\"generatorURL\":\"\",\"fingerprint\":\"9a2c3d4e5f607182\"},"
    "{\"status\":\"resolved\",\"labels\":{},\"startsAt\":\"2026-11-22T05:00:00+02:00\","
    "\"endsAt\":\"2026-11-22T03:10:00.5-00:30\",\"fingerprint\":\"b\"}],"
    "\"groupLabels\":{},\"commonLabels\":{},\"commonAnnotations\":{},\"externalURL\":\"http://x\","
    "\"version\":\"4\",\"groupKey\":\"{}:{}\",\"truncatedAlerts\":3}";

static void
expect_time(gint64 time_us, const char *expected)
{
    g_autofree char *text = vr_time_format_utc(time_us);
    assert_string_equal(text, expected);
}

static void
test_message_of_alertmanager_is_read(void **state)
{
    (void)state;
    g_autoptr(VrAlertMessage) message = parse(real);
    assert_int_equal(message->truncated_count, 3);
    assert_int_equal(message->alerts->len, 2);
    const VrReceivedAlert *firing = alert_at(message, 0);
    assert_string_equal(firing->fingerprint, "9a2c3d4e5f607182");
    assert_false(firing->resolved);
    assert_string_equal(firing->summary, "h3 is hot");
    assert_string_equal(vr_received_alert_label(firing, "instance"), "h3:9100");
    assert_string_equal(vr_received_alert_label(firing, "other"), "");
    expect_time(firing->starts_us, "2026-11-22T03:00:00.123456Z");
    assert_int_equal(firing->ends_us, 0);
    const VrReceivedAlert *resolved = alert_at(message, 1);
    assert_true(resolved->resolved);
    assert_string_equal(resolved->summary, "");
    expect_time(resolved->starts_us, "2026-11-22T03:00:00Z");
    expect_time(resolved->ends_us, "2026-11-22T03:40:00.5Z");
}

#define MESSAGE(alerts) "{\"version\":\"4\",\"alerts\":[" alerts "]}"
#define ALERT(status, starts, fingerprint)                                                         \
    "{\"status\":\"" status "\",\"labels\":{},\"startsAt\":\"" starts                              \
    "\",\"fingerprint\":\"" fingerprint "\"}"
#define T "2026-11-22T03:00:00Z"

static void
test_message_refuses(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"", "the text ends"},
        {"[]", "must be a mapping"},
        {"{}", "version: is missing"},
        {"{\"version\":4,\"alerts\":[]}", "version: must be text"},
        {"{\"version\":\"3\",\"alerts\":[]}", "must be \"4\", not \"3\""},
        {"{\"version\":\"4\"}", "alerts are missing"},
        {"{\"version\":\"4\",\"alerts\":{}}", "must be a list"},
        {MESSAGE("1"), "alerts[0]: must be a mapping"},
        {MESSAGE("{}"), "is missing"},
        {MESSAGE(ALERT("fire", T, "a")), "alerts[0].status: "},
        {MESSAGE(ALERT("firing", T, "")), "must be 1 to 64 letters and digits"},
        {MESSAGE(ALERT("firing", T, "../x")), "must be 1 to 64 letters and digits"},
        {MESSAGE(ALERT("firing", "now", "a")), "must be a time such as"},
        {MESSAGE(ALERT("firing", "2026-11-22T03:00:00", "a")), "must be a time such as"},
        {MESSAGE(ALERT("firing", "2026-11-22T03:00:00.Z", "a")), "must be a time such as"},
        {MESSAGE(ALERT("firing", "2026-11-22T03:00:00+24:00", "a")), "must be a time such as"},
        {MESSAGE(ALERT("firing", "2026-02-30T03:00:00Z", "a")), "must be a time such as"},
        {MESSAGE(ALERT("firing", "0001-01-01T00:00:00Z", "a")), "is before 1970"},
        {MESSAGE(ALERT("resolved", T, "a")), "alerts[0].endsAt: is missing"},
        {MESSAGE("{\"status\":\"firing\",\"startsAt\":\"" T "\",\"fingerprint\":\"a\"}"),
         "labels are missing"},
        {MESSAGE("{\"status\":\"firing\",\"labels\":{\"a\":1},\"startsAt\":\"" T
                 "\",\"fingerprint\":\"a\"}"),
         "labels.a: must be text"},
        {MESSAGE(ALERT("firing", T, "a")) "x", "the end of the text"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        assert_null(vr_alert_message_parse(rows[i].text, strlen(rows[i].text), &error));
        if (!g_str_has_prefix(error->message, "alerts:"))
            fail_msg("row %u: %s", i, error->message);
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

static char *
many(guint count)
{
    GString *text = g_string_new("{\"version\":\"4\",\"alerts\":[");
    for (guint i = 0; i < count; i++)
        g_string_append(text, i == 0 ? ALERT("firing", T, "a") : "," ALERT("firing", T, "a"));
    g_string_append(text, "]}");
    return g_string_free(text, FALSE);
}

static void
test_message_has_limits(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *most = many(VR_ALERTS_PER_MESSAGE_MAX);
    g_autoptr(VrAlertMessage) message = parse(most);
    assert_int_equal(message->alerts->len, VR_ALERTS_PER_MESSAGE_MAX);

    g_autofree char *too_many = many(VR_ALERTS_PER_MESSAGE_MAX + 1);
    assert_null(vr_alert_message_parse(too_many, strlen(too_many), &error));
    expect_error(&error, VR_ERROR_INVALID, "1001 alerts in one message, more than 1000");

    g_autofree char *space = g_strnfill(VR_ALERT_MESSAGE_LENGTH_MAX + 1, ' ');
    assert_null(vr_alert_message_parse(space, strlen(space), &error));
    expect_error(&error, VR_ERROR_INVALID, "262145 bytes, more than 262144");
}

static void
feed(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrAlertMessage) message = vr_alert_message_parse(text, length, &error);
    assert_true((message == NULL) == (error != NULL));
}

static void
test_message_damaged_text_is_survived(void **state)
{
    (void)state;
    expect_survives_damage(real, 5000, feed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_of_alertmanager_is_read),
        cmocka_unit_test(test_message_refuses),
        cmocka_unit_test(test_message_has_limits),
        cmocka_unit_test(test_message_damaged_text_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
