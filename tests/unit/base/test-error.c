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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_table_row_belongs_to_its_code),
        cmocka_unit_test(test_error_exit_status_is_the_table_s),
        cmocka_unit_test(test_error_exit_status_of_foreign_domain_is_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
