/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of failures, and the documents that users read of it. */
#include "expect.h"

#include <string.h>

#include <virt-roll/failure.h>

#define DOCUMENT DOCS_DIR "/reference/failures.md"

static void
test_failure_words_are_unique_and_in_the_table_s_order(void **state)
{
    const char *const *words = vr_failure_words();
    (void)state;

    assert_null(words[VR_FAILURE_COUNT]);
    assert_string_equal(words[VR_FAILURE_NONE], "none");
    for (guint i = 1; i < VR_FAILURE_COUNT; i++) {
        assert_string_equal(words[i], vr_failure_info((VrFailure)i)->word);
        for (guint k = 0; k < i; k++)
            assert_string_not_equal(words[i], words[k]);
    }
}

/* They are put between a subject, libvirt's words and more: no capitals, no full stops. */
static void
test_failure_sentences_fit_together(void **state)
{
    (void)state;
    for (guint i = 1; i < VR_FAILURE_COUNT; i++) {
        const VrFailureInfo *info = vr_failure_info((VrFailure)i);
        gboolean is_alarm = g_str_has_prefix(info->happened, "STORAGE ALARM: ");
        assert_true(strlen(info->happened) > 10 && strlen(info->next) > 10);
        assert_true(is_alarm || g_ascii_islower(info->happened[0]));
        assert_true(g_ascii_islower(info->next[0]));
        assert_false(g_str_has_suffix(info->happened, ".") || g_str_has_suffix(info->next, "."));
    }
}

static void
test_failure_message_has_what_happened_the_detail_and_what_to_do(void **state)
{
    g_autoptr(GError) with = NULL;
    g_autoptr(GError) without = NULL;
    (void)state;

    vr_failure_set(&with, VR_FAILURE_TLS_REQUIRED, "vm1", "libvirt's words");
    assert_true(g_error_matches(with, VR_FAILURE, VR_FAILURE_TLS_REQUIRED));
    assert_string_equal(with->message, "vm1: a host allows migrations over TLS only: libvirt's "
                                       "words; set migration.tls in the policy");
    vr_failure_set(&without, VR_FAILURE_TLS_REQUIRED, "vm1", NULL);
    assert_string_equal(without->message, "vm1: a host allows migrations over TLS only; set "
                                          "migration.tls in the policy");
}

static void
test_failure_of_an_error_of_ours_goes_by_its_code(void **state)
{
    static const struct {
        VrErrorCode code;
        VrFailure failure;
    } cases[] = {
        {VR_ERROR_UNREACHABLE, VR_FAILURE_CUT_OFF}, {VR_ERROR_TIMEOUT, VR_FAILURE_CUT_OFF},
        {VR_ERROR_REFUSED, VR_FAILURE_REFUSED},     {VR_ERROR_CANCELLED, VR_FAILURE_ABORTED},
        {VR_ERROR_FAILED, VR_FAILURE_OTHER},        {VR_ERROR_UNSUPPORTED, VR_FAILURE_UNSUPPORTED},
    };
    g_autoptr(GError) foreign = g_error_new_literal(G_CONVERT_ERROR, 1, "x");
    g_autoptr(GError) known = NULL;
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = g_error_new_literal(VR_ERROR, (gint)cases[i].code, "x");
        assert_int_equal(vr_failure_of(error), cases[i].failure);
    }
    vr_failure_set(&known, VR_FAILURE_LINK_LOST, "vm1", NULL);
    assert_int_equal(vr_failure_of(known), VR_FAILURE_LINK_LOST);
    assert_int_equal(vr_failure_of(foreign), VR_FAILURE_OTHER);
    assert_int_equal(vr_failure_of(NULL), VR_FAILURE_NONE);
}

static void
test_failure_of_unknown_kind_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(vr_failure_info(VR_FAILURE_NONE)->class, VR_FAILURE_CLASS_RETRY);
    assert_int_equal(vr_failure_info(VR_FAILURE_OTHER)->class, VR_FAILURE_CLASS_RETRY);
    assert_true(vr_failure_is_fatal(VR_FAILURE_WRONG_MACHINE));
    assert_false(vr_failure_is_fatal(VR_FAILURE_NONE));
}

/* A row more, a row less, or other words there than here: the user would look in vain. */
static void
test_failure_document_has_every_row_as_it_is(void **state)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    guint rows = 0;
    (void)state;

    assert_true(g_file_get_contents(DOCUMENT, &text, NULL, &error));
    for (guint i = 1; i < VR_FAILURE_COUNT; i++) {
        const VrFailureInfo *info = vr_failure_info((VrFailure)i);
        g_autofree char *row =
            g_strdup_printf("\n| `%s` | %s | %s | %s |\n", info->word,
                            vr_failure_class_to_string(info->class), info->happened, info->next);
        if (strstr(text, row) == NULL)
            fail_msg("%s lacks the row%s", DOCUMENT, row);
    }
    for (const char *at = strstr(text, "\n| `"); at != NULL; at = strstr(at + 1, "\n| `"))
        rows++;
    assert_int_equal(rows, VR_FAILURE_COUNT - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_words_are_unique_and_in_the_table_s_order),
        cmocka_unit_test(test_failure_sentences_fit_together),
        cmocka_unit_test(test_failure_message_has_what_happened_the_detail_and_what_to_do),
        cmocka_unit_test(test_failure_of_an_error_of_ours_goes_by_its_code),
        cmocka_unit_test(test_failure_of_unknown_kind_is_tried_again),
        cmocka_unit_test(test_failure_document_has_every_row_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
