/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <virt-roll/error.h>
#include <virt-roll/health.h>

/* Refused, with words that hold all of these. */
static void
assert_refused(const VrHealthLimits *limits, const char *first, const char *second)
{
    g_autoptr(GError) error = NULL;

    assert_false(vr_health_limits_check(limits, &error));
    assert_true(g_error_matches(error, VR_ERROR, VR_ERROR_INVALID));
    assert_non_null(strstr(error->message, first));
    assert_non_null(strstr(error->message, second));
}

static void
test_limits_default_ones_are_accepted(void **state G_GNUC_UNUSED)
{
    const VrHealthLimits limits = vr_health_limits_default();
    g_autoptr(GError) error = NULL;

    assert_true(vr_health_limits_check(&limits, &error));
    assert_null(error);
}

#define CHECK_RANGE(member, value, least, most)                                                    \
    {                                                                                              \
        VrHealthLimits limits = vr_health_limits_default();                                        \
        assert_in_range(limits.member, least, most);                                               \
        limits.member = (gint64)(least)-1;                                                         \
        assert_refused(&limits, "health." #member, "is not from");                                 \
        limits.member = (gint64)(most) + 1;                                                        \
        assert_refused(&limits, "health." #member, "is not from");                                 \
    }

static void
test_limits_out_of_their_range_are_refused(void **state G_GNUC_UNUSED)
{
    VR_HEALTH_LIMITS(CHECK_RANGE)
}

#define CHECK_ORDER(low, high)                                                                     \
    {                                                                                              \
        VrHealthLimits limits = vr_health_limits_default();                                        \
        limits.low = limits.high;                                                                  \
        assert_true(vr_health_limits_check(&limits, NULL));                                        \
        limits.low = limits.high + 1;                                                              \
        assert_refused(&limits, "health." #low, "health." #high);                                  \
    }

static void
test_limits_that_contradict_each_other_are_refused(void **state G_GNUC_UNUSED)
{
    CHECK_ORDER(steal_relative_permille, steal_critical_permille)
    CHECK_ORDER(io_relative_q8, io_critical_q8)
    CHECK_ORDER(steal_critical_wall_permille, severe_steal_permille)
    CHECK_ORDER(io_floor_us, severe_io_us)
    CHECK_ORDER(cpu_severe_max_permille, cpu_max_permille)
    CHECK_ORDER(drift_steal_allowance_permille, drift_steal_limit_permille)
    CHECK_ORDER(drift_io_allowance_q8, drift_io_limit_q8)
}

static void
test_limits_stand_in_the_order_of_their_names(void **state G_GNUC_UNUSED)
{
#define NAME(member, ...) #member,
    static const char *const names[] = {VR_HEALTH_LIMITS(NAME)};
    static const char *const facts[] = {VR_HEALTH_FACT_FIELDS(NAME)};
    static const char *const windows[] = {VR_HEALTH_WINDOW_FIELDS(NAME)};
    static const char *const witnesses[] = {VR_HEALTH_WITNESS_FIELDS(NAME)};

    for (guint i = 1; i < G_N_ELEMENTS(names); i++)
        assert_true(strcmp(names[i - 1], names[i]) < 0);
    for (guint i = 1; i < G_N_ELEMENTS(facts); i++)
        assert_true(strcmp(facts[i - 1], facts[i]) < 0);
    for (guint i = 1; i < G_N_ELEMENTS(windows); i++)
        assert_true(strcmp(windows[i - 1], windows[i]) < 0);
    for (guint i = 1; i < G_N_ELEMENTS(witnesses); i++)
        assert_true(strcmp(witnesses[i - 1], witnesses[i]) < 0);
}

#define CHECK_DOCUMENTED(member, value, ...)                                                       \
    {                                                                                              \
        g_autofree char *row = g_strdup_printf("\n| `%s` | %d |", #member, value);                 \
        if (strstr(text, row) == NULL)                                                             \
            fail_msg("no row%s in docs/reference/health.md", row);                                 \
    }

static void
test_limits_and_rules_are_documented(void **state G_GNUC_UNUSED)
{
    g_autofree char *text = NULL;

    assert_true(g_file_get_contents("docs/reference/health.md", &text, NULL, NULL));
    VR_HEALTH_LIMITS(CHECK_DOCUMENTED)
    for (guint i = 1; vr_health_rule_words()[i] != NULL; i++) {
        g_autofree char *word = g_strdup_printf("`%s`", vr_health_rule_words()[i]);
        if (strstr(text, word) == NULL)
            fail_msg("no %s in docs/reference/health.md", word);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_default_ones_are_accepted),
        cmocka_unit_test(test_limits_out_of_their_range_are_refused),
        cmocka_unit_test(test_limits_that_contradict_each_other_are_refused),
        cmocka_unit_test(test_limits_and_rules_are_documented),
        cmocka_unit_test(test_limits_stand_in_the_order_of_their_names),
    };

    return cmocka_run_group_tests_name("health/limits", tests, NULL, NULL);
}
