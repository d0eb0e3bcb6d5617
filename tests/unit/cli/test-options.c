/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>

#include "cli/inputs.h"
#include "cli/options.h"

#define RUN_OPTIONS (VR_OPTION_BIT(YES) | VR_OPTION_BIT(HOSTS) | VR_OPTION_BIT(UPDATE))

static VrOptions *
parse(const char *line, guint verb_words, GError **error)
{
    g_auto(GStrv) argv = g_strsplit(line, " ", -1);

    return vr_options_parse(argv, verb_words, RUN_OPTIONS, error);
}

static void
test_options_stand_anywhere(void **state)
{
    static const char *const lines[] = {
        "virt-roll -f x.yaml run --yes --update L",
        "virt-roll run -f x.yaml --update L --yes",
        "virt-roll -qf x.yaml run --yes --update=L",
        "virt-roll --fleet x.yaml --yes run --update L",
        "virt-roll --fleet=x.yaml --update L run --yes",
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VrOptions) options = parse(lines[i], 1, &error);
        assert_null(error);
        assert_string_equal(options->fleet, "x.yaml");
        assert_string_equal(options->update, "L");
        assert_true(options->is_yes);
        assert_int_equal(g_strv_length(options->arguments), 0);
    }
}

static void
test_options_next_word_skips_values(void **state)
{
    g_auto(GStrv) argv =
        g_strsplit("virt-roll -qf run --state=d rollout -o json retry h1", " ", -1);
    guint index = 1;
    (void)state;

    assert_string_equal(vr_options_next_word(argv, &index), "rollout");
    assert_string_equal(vr_options_next_word(argv, &index), "retry");
    assert_string_equal(vr_options_next_word(argv, &index), "h1");
    assert_null(vr_options_next_word(argv, &index));
}

static void
test_options_keep_arguments(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrOptions) options = parse("virt-roll rollout -q retry h1", 2, &error);
    (void)state;

    assert_null(error);
    assert_true(options->is_quiet);
    assert_int_equal(g_strv_length(options->arguments), 1);
    assert_string_equal(options->arguments[0], "h1");
}

static void
test_options_refuse_and_name_the_nearest(void **state)
{
    static const struct {
        const char *line;
        const char *message;
    } cases[] = {
        {"virt-roll run --updat L",
         "--updat: there is no such option here; did you mean --update?"},
        {"virt-roll run --updat=L",
         "--updat: there is no such option here; did you mean --update?"},
        {"virt-roll run --reason x", "--reason: there is no such option here"},
        {"virt-roll run -o jsn", "-o jsn: must be table or json; did you mean json?"},
        {"virt-roll run --update", "Missing argument for --update"},
    };
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VrOptions) options = parse(cases[i].line, 1, &error);
        assert_null(options);
        assert_int_equal(error->code, VR_ERROR_INVALID);
        assert_string_equal(error->message, cases[i].message);
    }
}

static void
test_options_program_repeats_what_was_given(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrOptions) options = parse("virt-roll run --state=/a/b -f it's.yaml", 1, &error);
    g_autofree char *program = vr_options_program(options);
    (void)state;

    assert_string_equal(program, "virt-roll -f 'it'\\''s.yaml' --state /a/b");
}

static void
test_inputs_expand_hosts_by_commas_and_ranges(void **state)
{
    char *lists[] = {(char[]){"kvm[01-02,07].dc1, a"}, (char[]){"b"}, NULL};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) hosts = vr_inputs_expand_hosts(lists, NULL, &error);
    (void)state;

    assert_null(error);
    g_autofree char *joined = g_strjoinv(" ", hosts);
    assert_string_equal(joined, "kvm01.dc1 kvm02.dc1 kvm07.dc1 a b");
}

static void
test_inputs_expand_hosts_refuses_broken_lists(void **state)
{
    static const char *const lists[] = {"kvm[3-1]", "kvm[1-", "a,,b", ""};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *list = g_strdup(lists[i]);
        char *given[] = {list, NULL};
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) hosts = vr_inputs_expand_hosts(given, NULL, &error);
        assert_null(hosts);
        assert_int_equal(error->code, VR_ERROR_INVALID);
    }
}

static void
test_inputs_level_is_checked(void **state)
{
    static const char *const bad[] = {"", "-x", "a b", "a/b", "a\n"};
    VrOptions options = {0};
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *level = g_strdup(bad[i]);
        g_autoptr(GError) error = NULL;
        options.update = level;
        g_autofree char *found = vr_inputs_find_level(&options, NULL, &error);
        assert_null(found);
        assert_int_equal(error->code, VR_ERROR_INVALID);
    }
    g_autoptr(GError) error = NULL;
    g_autofree char *level = g_strdup("2026Q4-1+b~2");
    options.update = level;
    g_autofree char *found = vr_inputs_find_level(&options, NULL, &error);
    assert_string_equal(found, level);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_stand_anywhere),
        cmocka_unit_test(test_options_next_word_skips_values),
        cmocka_unit_test(test_options_keep_arguments),
        cmocka_unit_test(test_options_refuse_and_name_the_nearest),
        cmocka_unit_test(test_options_program_repeats_what_was_given),
        cmocka_unit_test(test_inputs_expand_hosts_by_commas_and_ranges),
        cmocka_unit_test(test_inputs_expand_hosts_refuses_broken_lists),
        cmocka_unit_test(test_inputs_level_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
