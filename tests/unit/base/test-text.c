/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "expect.h"

#include "base/text.h"

static void
test_text_matches_as_written(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        gboolean matches;
    } rows[] = {
        {"", "", TRUE},         {"", "a", FALSE},         {"a", "", FALSE},
        {"*", "", TRUE},        {"*", "anything", TRUE},  {"?", "", FALSE},
        {"?", "ab", FALSE},     {"?", "\xc3\xa4", TRUE},  {"a*c", "abbc", TRUE},
        {"a*c", "abcb", FALSE}, {"*b*d*", "abcde", TRUE}, {"**", "x", TRUE},
        {"a?c*", "abc", TRUE},  {"[ab]", "a", FALSE},     {"web-*", "web-", TRUE},
        {"A", "a", FALSE},      {"*ab", "aab", TRUE},     {"*aab", "aaab", TRUE},
        {"\\*", "*", FALSE},    {"?*", "", FALSE},        {"*?", "x", TRUE},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (vr_text_matches(rows[i].pattern, rows[i].text) != rows[i].matches)
            fail_msg("%s on \"%s\"", rows[i].pattern, rows[i].text);
    }
}

/* The rule that defines it, slow and plain. */
static gboolean
matches_by_definition(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return matches_by_definition(pattern + 1, text) ||
               (*text != '\0' && matches_by_definition(pattern, text + 1));
    return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
           matches_by_definition(pattern + 1, text + 1);
}

/* All texts over two letters, shortest first: the index in base 3, its digits letters. */
static void
spell(guint index, const char *letters, char *out_text)
{
    guint base = (guint)strlen(letters) + 1;
    for (; index > 0; index /= base) {
        if (index % base != 0)
            *out_text++ = letters[index % base - 1];
    }
    *out_text = '\0';
}

static void
test_text_matches_as_defined_for_all_small_texts(void **state)
{
    char pattern[8];
    char text[8];
    guint matched = 0;
    (void)state;
    for (guint i = 0; i < 5 * 5 * 5 * 5 * 5; i++) {
        spell(i, "*?ab", pattern);
        for (guint j = 0; j < 3 * 3 * 3 * 3 * 3; j++) {
            spell(j, "ab", text);
            gboolean expected = matches_by_definition(pattern, text);
            matched += expected ? 1 : 0;
            if (vr_text_matches(pattern, text) != expected)
                fail_msg("%s on \"%s\": not %d", pattern, text, expected);
        }
    }
    assert_true(matched > 1000);
}

static void
test_text_many_stars_take_no_time(void **state)
{
    (void)state;
    g_autofree char *text = g_strnfill(4000, 'a');
    g_autoptr(GString) pattern = g_string_new(NULL);
    for (guint i = 0; i < 500; i++)
        g_string_append(pattern, "*a");
    g_string_append(pattern, "*b");
    assert_false(vr_text_matches(pattern->str, text));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_matches_as_written),
        cmocka_unit_test(test_text_matches_as_defined_for_all_small_texts),
        cmocka_unit_test(test_text_many_stars_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
