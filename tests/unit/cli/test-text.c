/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/text.h"

static void
test_text_fit_counts_columns_not_bytes(void **state)
{
    static const struct {
        const char *text;
        guint width;
        const char *fitted;
    } cases[] = {
        {"kvm001", 6, "kvm001"}, {"kvm001", 5, "kvm0…"},
        {"größe", 5, "größe"},   {"größe", 4, "grö…"},
        {"主机一", 6, "主机一"}, {"主机一", 5, "主机…"},
        {"主机一", 4, "主…"},    {"", 3, ""},
        {"abc", 0, ""},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *fitted = vr_text_fit(cases[i].text, cases[i].width);
        assert_string_equal(fitted, cases[i].fitted);
        assert_true(vr_text_width(fitted) <= cases[i].width);
    }
}

static void
test_text_cell_fills_to_its_width(void **state)
{
    g_autoptr(GString) out = g_string_new(NULL);
    (void)state;

    vr_text_append_cell(out, "h1", 4);
    vr_text_append_cell(out, "主机一", 5);
    g_string_append_c(out, '|');
    assert_string_equal(out->str, "h1  主机…|");
}

/* A guest's name or a stage's last line must not steer the terminal. */
static void
test_text_clean_leaves_no_control_characters(void **state)
{
    g_autofree char *clean = vr_text_clean("a\033[2Jb\nc\td\x7f"
                                           "e\xc2\x9b"
                                           "f\xff");
    (void)state;

    assert_string_equal(clean, "a?[2Jb c d?e?f\xef\xbf\xbd");
}

static void
test_text_wrapped_breaks_at_spaces(void **state)
{
    g_autoptr(GString) out = g_string_new(NULL);
    (void)state;

    vr_text_append_wrapped(out, "one two  three a-word-that-is-too-long four", "  ", 12);
    assert_string_equal(out->str, "  one two\n  three\n  a-word-that-is-too-long\n  four\n");
}

static void
test_text_bar_is_full_only_at_the_end(void **state)
{
    g_autoptr(GString) out = g_string_new(NULL);
    (void)state;

    vr_text_append_bar(out, 999, 4);
    vr_text_append_bar(out, 1000, 2);
    vr_text_append_bar(out, -5, 2);
    assert_string_equal(out->str, "███░██░░");
}

static void
test_text_numbers_for_people(void **state)
{
    g_autofree char *one = vr_text_count(1, "host");
    g_autofree char *none = vr_text_count(0, "host");
    g_autofree char *mib = vr_text_mib(10239);
    g_autofree char *gib = vr_text_mib(524288 + 512);
    g_autofree char *span = vr_text_rough_span(1499999);
    g_autofree char *time = vr_text_date_clock(1795348800LL * 1000000);
    (void)state;

    assert_string_equal(one, "1 host");
    assert_string_equal(none, "0 hosts");
    assert_string_equal(mib, "10239 MiB");
    assert_string_equal(gib, "512.5 GiB");
    assert_string_equal(span, "1 s");
    assert_string_equal(time, "2026-11-22 12:00:00");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_fit_counts_columns_not_bytes),
        cmocka_unit_test(test_text_cell_fills_to_its_width),
        cmocka_unit_test(test_text_clean_leaves_no_control_characters),
        cmocka_unit_test(test_text_wrapped_breaks_at_spaces),
        cmocka_unit_test(test_text_bar_is_full_only_at_the_end),
        cmocka_unit_test(test_text_numbers_for_people),
    };

    g_setenv("TZ", "UTC", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
