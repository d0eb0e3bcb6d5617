/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A change of the book as the journal has it: what is accepted is written back the same. */
#include <string.h>

#include <virt-roll/alert.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrAlertBook) book = vr_alert_book_new();
    VrAlertChange *change = vr_alert_change_parse((const char *)data, size, "journal", &error);
    if (change == NULL) {
        vr_fuzz_check_error(error, "journal:");
        return 0;
    }
    g_autofree char *text = vr_alert_change_format(change);
    VrAlertChange *back = vr_alert_change_parse(text, strlen(text), "journal", &error);
    g_assert_no_error(error);
    g_autofree char *again = vr_alert_change_format(back);
    g_assert_cmpstr(again, ==, text);
    gboolean follows = vr_alert_book_apply(book, change);
    g_assert_true(vr_alert_book_count(book) == (follows && change->kind == VR_ALERT_RAISED));
    vr_alert_change_free(change);
    vr_alert_change_free(back);
    return 0;
}
