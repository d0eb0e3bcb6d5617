/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "expect.h"

static void
test_error_table_row_belongs_to_its_code(void **state)
{
    (void)state;
    assert_string_equal(vr_error_info(VR_ERROR_FAILED)->word, "failed");
    assert_string_equal(vr_error_info(VR_ERROR_OPERATOR)->word, "needs-operator");
    assert_int_equal(vr_error_info(VR_ERROR_NOT_FOUND)->http_status, 404);
    assert_true(vr_error_info(VR_ERROR_TIMEOUT)->retryable);
    assert_false(vr_error_info(VR_ERROR_CAPACITY)->retryable);
}

static void
test_error_exit_status_is_the_table_s(void **state)
{
    (void)state;
    g_autoptr(GError) invalid = g_error_new_literal(VR_ERROR, VR_ERROR_INVALID, "x");
    g_autoptr(GError) operator= g_error_new_literal(VR_ERROR, VR_ERROR_OPERATOR, "x");
    assert_int_equal(vr_error_exit_status(invalid), 2);
    assert_int_equal(vr_error_exit_status(operator), 5);
}

static void
test_error_exit_status_of_foreign_domain_is_1(void **state)
{
    (void)state;
    g_autoptr(GError) foreign = g_error_new_literal(G_CONVERT_ERROR, VR_ERROR_INVALID, "x");
    assert_int_equal(vr_error_exit_status(foreign), 1);
}

static void
test_error_of_foreign_text_is_one_line(void **state)
{
    (void)state;
    g_autoptr(GError) error =
        vr_error_new(VR_ERROR_INVALID, "a.yaml: \"%s\" is none", "x\n\x1b\xff");
    assert_int_equal(error->code, VR_ERROR_INVALID);
    assert_string_equal(error->message, "a.yaml: \"x ?\xef\xbf\xbd\" is none");
}

static void
test_error_of_long_text_keeps_both_ends(void **state)
{
    (void)state;
    g_autoptr(GString) wide = g_string_new(NULL);
    while (wide->len < 5000)
        g_string_append(wide, "\xe2\x82\xac");
    for (guint i = 0; i < 4; i++) { /* so that it is cut at each byte of a character */
        g_autoptr(GError) error = NULL;
        vr_error_set(&error, VR_ERROR_INVALID, "%.*sa.yaml: %s: say less", (int)i, "abcd",
                     wide->str);
        assert_true(strlen(error->message) <= VR_ERROR_MESSAGE_MAX);
        assert_true(g_utf8_validate(error->message, -1, NULL));
        assert_true(g_str_has_suffix(error->message, ": say less"));
        assert_non_null(strstr(error->message, "a.yaml: \xe2\x82\xac"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_table_row_belongs_to_its_code),
        cmocka_unit_test(test_error_exit_status_is_the_table_s),
        cmocka_unit_test(test_error_exit_status_of_foreign_domain_is_1),
        cmocka_unit_test(test_error_of_foreign_text_is_one_line),
        cmocka_unit_test(test_error_of_long_text_keeps_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
