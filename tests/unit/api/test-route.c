/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Routes, tokens and rates, without a server. */
#include "../base/expect.h"

#include "api/authority.h"
#include "api/route.h"

static const VrRoute routes[] = {
    {.method = "GET", .path = "/"},
    {.method = "GET", .path = "/v1/rollouts"},
    {.method = "POST", .path = "/v1/rollouts"},
    {.method = "POST", .path = "/v1/rollouts/{id}/start"},
    {.method = "POST", .path = "/v1/rollouts/{id}/hosts/{host}/undo"},
};

static void
test_route_matches_whole_paths_only(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        gint index;     /* -1: none */
        gboolean known; /* with another method */
        const char *parameters;
    } rows[] = {
        {"GET", "/", 0, TRUE, ""},
        {"GET", "/v1/rollouts", 1, TRUE, ""},
        {"POST", "/v1/rollouts", 2, TRUE, ""},
        {"PUT", "/v1/rollouts", -1, TRUE, ""},
        {"GET", "/v1/rollouts/", -1, FALSE, ""},
        {"GET", "/v1/rollout", -1, FALSE, ""},
        {"GET", "/v1/rolloutsx", -1, FALSE, ""},
        {"GET", "v1/rollouts", -1, FALSE, ""},
        {"GET", "", -1, FALSE, ""},
        {"GET", "//", -1, FALSE, ""},
        {"POST", "/v1/rollouts/r-1/start", 3, TRUE, "r-1"},
        {"POST", "/v1/rollouts/a/hosts/kvm01.dc1/undo", 4, TRUE, "a kvm01.dc1"},
        {"POST", "/v1/rollouts//start", -1, FALSE, ""},
        {"POST", "/v1/rollouts/./start", -1, FALSE, ""},
        {"POST", "/v1/rollouts/../start", -1, FALSE, ""},
        {"POST", "/v1/rollouts/.../start", -1, FALSE, ""},
        {"POST", "/v1/rollouts/..a/start", 3, TRUE, "..a"},
        {"POST", "/v1/rollouts/a%2fb/start", -1, FALSE, ""},
        {"POST", "/v1/rollouts/a;b/start", -1, FALSE, ""},
        {"POST", "/v1/rollouts/{id}/start", -1, FALSE, ""},
        {"POST", "/v1/rollouts/a/start/x", -1, FALSE, ""},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        VrRouteMatch match =
            vr_route_match(routes, G_N_ELEMENTS(routes), rows[i].method, rows[i].path);
        gint index = match.route == NULL ? -1 : (gint)(match.route - routes);
        GString *parameters = g_string_new(NULL);
        for (guint j = 0; j < match.parameter_count; j++)
            g_string_append_printf(parameters, "%s%s", j == 0 ? "" : " ", match.parameters[j]);
        if (index != rows[i].index || match.is_path_known != rows[i].known ||
            strcmp(parameters->str, rows[i].parameters) != 0)
            fail_msg("%s %s: %d, %s", rows[i].method, rows[i].path, index, parameters->str);
        (void)g_string_free(parameters, TRUE);
        vr_route_match_clear(&match);
    }
}

static void
test_route_parameters_have_a_length(void **state)
{
    (void)state;
    g_autofree char *longest = g_strnfill(VR_ROUTE_PARAMETER_LENGTH_MAX, 'x');
    for (guint more = 0; more < 2; more++) {
        g_autofree char *path =
            g_strdup_printf("/v1/rollouts/%s%s/start", longest, more ? "x" : "");
        VrRouteMatch match = vr_route_match(routes, G_N_ELEMENTS(routes), "POST", path);
        assert_true((match.route != NULL) == !more);
        vr_route_match_clear(&match);
    }
}

static void
test_route_methods_of_a_path(void **state)
{
    (void)state;
    g_autofree char *methods = vr_route_methods(routes, G_N_ELEMENTS(routes), "/v1/rollouts");
    assert_string_equal(methods, "GET, POST");
}

static void
test_authority_compares_digests(void **state)
{
    (void)state;
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "secret", -1);
    VrToken tokens[] = {{"broken", "", VR_PERMISSION_RAISE_ALERTS},
                        {"am", digest, VR_PERMISSION_RAISE_ALERTS}};
    const VrToken *token = NULL;
    assert_int_equal(
        vr_authority_check(tokens, 2, "Bearer secret", VR_PERMISSION_RAISE_ALERTS, &token),
        VR_ACCESS_GRANTED);
    assert_ptr_equal(token, &tokens[1]);
    assert_int_equal(vr_authority_check(tokens, 2, "Bearer ", VR_PERMISSION_RAISE_ALERTS, &token),
                     VR_ACCESS_UNKNOWN);
    assert_null(token);
    /* The digest is no token. */
    g_autofree char *stolen = g_strconcat("Bearer ", digest, NULL);
    assert_int_equal(vr_authority_check(tokens, 2, stolen, VR_PERMISSION_RAISE_ALERTS, &token),
                     VR_ACCESS_UNKNOWN);
    assert_int_equal(vr_authority_check(tokens, 2, NULL, VR_PERMISSION_PUBLIC, &token),
                     VR_ACCESS_GRANTED);
    for (guint i = 0; i < VR_TOKEN_DIGEST_LENGTH; i++) {
        g_autofree char *other = g_strdup(digest);
        other[i] = other[i] == '0' ? '1' : '0';
        VrToken near = {"near", other, VR_PERMISSION_RAISE_ALERTS};
        assert_int_equal(
            vr_authority_check(&near, 1, "Bearer secret", VR_PERMISSION_RAISE_ALERTS, &token),
            VR_ACCESS_UNKNOWN);
    }
}

/* How many of those that come every `interval_us` are taken in `span_us`. */
static guint
count_taken(gint64 interval_us, gint64 span_us)
{
    VrBucket bucket = {0};
    guint taken = 0;
    for (gint64 now_us = 1; now_us <= span_us; now_us += interval_us)
        taken += vr_bucket_take(&bucket, now_us) ? 1 : 0;
    return taken;
}

static void
test_bucket_lets_a_burst_through_and_then_the_rate(void **state)
{
    (void)state;
    assert_int_equal(count_taken(1, 1000), VR_RATE_BURST);
    assert_int_equal(count_taken(1000, G_USEC_PER_SEC), VR_RATE_BURST + VR_RATE_PER_S - 1);
    assert_int_equal(count_taken(G_USEC_PER_SEC / VR_RATE_PER_S, 60 * G_USEC_PER_SEC),
                     60 * VR_RATE_PER_S);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route_matches_whole_paths_only),
        cmocka_unit_test(test_route_parameters_have_a_length),
        cmocka_unit_test(test_route_methods_of_a_path),
        cmocka_unit_test(test_authority_compares_digests),
        cmocka_unit_test(test_bucket_lets_a_burst_through_and_then_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
