/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of Alertmanager, one per line of at most ten: whatever comes, the book stays sound. */
#include <string.h>

#include <virt-roll/alert.h>

#include "fuzz.h"

#define NOW_US 1795316400000000LL
#define STEP_US 10000000LL
#define MESSAGES_MAX 10

static VrFleetHost host = {.name = (char[]){"h1"}, .aliases = (char *[]){(char[]){"node1"}, NULL}};
static char *host_labels[] = {(char[]){"instance"}, (char[]){"host"}, NULL};

/* What was told to be kept can be read back from the journal and gives the same book. */
static void
follow(VrAlertBook *book, VrAlertBook *replayed, GPtrArray *changes)
{
    for (guint i = 0; i < changes->len; i++) {
        g_autoptr(GError) error = NULL;
        const VrAlertChange *change = g_ptr_array_index(changes, i);
        g_autofree char *text = vr_alert_change_format(change);
        VrAlertChange *back = vr_alert_change_parse(text, strlen(text), "journal", &error);
        g_assert_no_error(error);
        g_assert_true(vr_alert_book_apply(book, change));
        g_assert_true(vr_alert_book_apply(replayed, back));
        vr_alert_change_free(back);
    }
}

static void
check_book(const VrAlertBook *book, const VrAlertBook *replayed)
{
    g_assert_cmpuint(vr_alert_book_count(book), ==, vr_alert_book_count(replayed));
    for (guint i = 0; i < vr_alert_book_count(book); i++) {
        const VrAlert *alert = vr_alert_book_at(book, i);
        const VrAlert *other = vr_alert_book_at(replayed, i);
        g_assert_cmpstr(alert->fingerprint, ==, other->fingerprint);
        g_assert_cmpint(alert->starts_us, ==, other->starts_us);
        g_assert_true(alert->meaning != VR_ALERT_MEANING_IGNORE);
        g_assert_true(alert->host == NULL || strcmp(alert->host, "h1") == 0);
        g_assert_true(alert->host != NULL || alert->meaning == VR_ALERT_MEANING_WAIT);
        g_assert_cmpuint(strlen(alert->name), <=, VR_ALERT_TEXT_LENGTH_MAX);
        g_assert_cmpuint(strlen(alert->summary), <=, VR_ALERT_TEXT_LENGTH_MAX);
        vr_fuzz_check_utf8(alert->name);
        vr_fuzz_check_utf8(alert->summary);
        if (i > 0)
            g_assert_cmpstr(vr_alert_book_at(book, i - 1)->fingerprint, <, alert->fingerprint);
    }
}

static VrPolicy *
new_policy(void)
{
    g_autoptr(GError) error = NULL;
    const char *text = "{\"format\":\"virt-roll-policy/1\",\"alerts\":["
                       "{\"match\":{\"team\":\"v*\"},\"meaning\":\"migrate-back\"},"
                       "{\"match\":{\"severity\":\"info\"},\"meaning\":\"ignore\"},"
                       "{\"match\":{\"severity\":\"warning\"},\"meaning\":\"wait\"}]}";
    VrPolicy *policy = vr_policy_parse(text, strlen(text), "policy", &error);
    g_assert_no_error(error);
    return policy;
}

static void
receive(const VrAlertMapping *mapping, char *const *texts)
{
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    g_autoptr(VrAlertBook) replayed = vr_alert_book_new();
    for (guint i = 0; texts[i] != NULL; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VrAlertMessage) message =
            vr_alert_message_parse(texts[i], strlen(texts[i]), &error);
        if (message == NULL) {
            vr_fuzz_check_error(error, "alerts:");
            continue;
        }
        g_autoptr(GPtrArray) changes =
            vr_alert_book_receive(book, mapping, message, NOW_US + i * STEP_US);
        follow(book, replayed, changes);
        check_book(book, replayed);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = vr_fuzz_text(data, size);
    g_auto(GStrv) texts = g_strsplit(text, "\n", MESSAGES_MAX);
    g_autoptr(GPtrArray) hosts = g_ptr_array_new();
    VrFleet fleet = {.hosts = hosts, .monitoring = {.host_labels = host_labels}};
    g_ptr_array_add(hosts, &host);
    g_autoptr(VrPolicy) policy = new_policy();
    g_autoptr(VrAlertMapping) mapping = vr_alert_mapping_new(&fleet, policy);
    receive(mapping, texts);
    return 0;
}
