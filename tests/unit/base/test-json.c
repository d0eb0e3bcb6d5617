/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "expect.h"

#include "base/json.h"
#include "base/json-scan.h"

/* Parses a text that must be good and gives its canonical form. */
static char *
canonical(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = vr_json_parse(text, strlen(text), "x.json", &error);
    expect_no_error(error);
    return vr_json_canonical(node);
}

static void
expect_canonical(const char *text, const char *expected)
{
    g_autofree char *found = canonical(text);
    assert_string_equal(found, expected);
}

static void
expect_refused(const char *text, gsize length, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = vr_json_parse(text, length, "x.json", &error);
    assert_null(node);
    expect_error(&error, VR_ERROR_INVALID, message);
}

static void
test_json_canonical_sorts_and_escapes(void **state)
{
    (void)state;
    expect_canonical(" { \"b\" : [ 1 , -2, true, false, null ], \"a\" : { } }\n",
                     "{\"a\":{},\"b\":[1,-2,true,false,null]}");
    expect_canonical("{\"aa\":1,\"a\":2,\"B\":3,\"\\u00e4\":4}",
                     "{\"B\":3,\"a\":2,\"aa\":1,\"\xc3\xa4\":4}");
    expect_canonical("[\"\\u0041\\/\\\"\\\\\\b\\f\\n\\r\\t\\u000b\\u001f\\u007f\"]",
                     "[\"A/\\\"\\\\\\b\\f\\n\\r\\t\\u000b\\u001f\x7f\"]");
    expect_canonical("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"");
    expect_canonical("-0", "0");
    expect_canonical("{\"a\":{\"b\":1,\"c\":2},\"b\":3,\"c\":{\"b\":4}}",
                     "{\"a\":{\"b\":1,\"c\":2},\"b\":3,\"c\":{\"b\":4}}");
}

/* What must be escaped is found wherever it stands among what need not be. */
static void
test_json_escapes_every_byte_at_every_place(void **state)
{
    (void)state;
    for (guint place = 0; place < 20; place++) {
        for (guint byte = 1; byte < 256; byte++) {
            char text[21] = "abcdefghijklmnopqrst";
            g_autoptr(GString) out = g_string_new("x"), wanted = g_string_new("x\"");
            text[place] = (char)byte;
            g_string_append_len(wanted, text, place);
            if (byte == '"' || byte == '\\')
                g_string_append_printf(wanted, "\\%c", byte);
            else if (byte >= 0x08 && byte <= 0x0d && byte != 0x0b)
                g_string_append_printf(wanted, "\\%c", "btn.fr"[byte - 0x08]);
            else if (byte < 0x20)
                g_string_append_printf(wanted, "\\u%04x", byte);
            else
                g_string_append_c(wanted, (char)byte);
            g_string_append_printf(wanted, "%s\"", text + place + 1);
            vr_json_append_string(out, text);
            assert_string_equal(out->str, wanted->str);
        }
    }
}

static void
test_json_canonical_is_its_own_canonical_form(void **state)
{
    (void)state;
    g_autofree char *once = canonical("{\"z\":[{\"y\":\"\\u0007\"},[[]]],\"a\":\"\"}");
    g_autofree char *twice = canonical(once);
    assert_string_equal(once, twice);
}

static void
test_json_numbers_of_64_bits_are_kept(void **state)
{
    (void)state;
    expect_canonical("[9223372036854775807,-9223372036854775808]",
                     "[9223372036854775807,-9223372036854775808]");
}

static void
test_json_refuses_with_place(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"", "x.json:1:1: the text ends where a value is expected"},
        {"{\n \"a\": 1,\n \"a\": 2}", "x.json:3:2: \"a\" is there twice"},
        {"{\"a\":1,\"\\u0061\":2}", "\"a\" is there twice"},
        {"{\"\xc3\xa4\xc3\xa4\": x}", "x.json:1:8: 'x' where a value is expected"},
        {"9223372036854775808", "does not fit into 64 bits"},
        {"-9223372036854775809", "does not fit into 64 bits"},
        {"12345678901234567890123", "does not fit into 64 bits"},
        {"1.5", "fraction or exponent"},
        {"1e3", "fraction or exponent"},
        {"007", "begins with 0"},
        {"-", "a digit is expected"},
        {"+1", "a value is expected"},
        {"\"a\\u0000b\"", "NUL in a string"},
        {"\"\\ud83d\"", "half of a surrogate pair"},
        {"\"\\ude00\"", "half of a surrogate pair"},
        {"\"\\ud83d\\u0041\"", "half of a surrogate pair"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\x\"", "unknown escape"},
        {"\"a\nb\"", "control character in a string"},
        {"\"abc", "the text ends inside a string"},
        {"[1 2]", "',' or ']' is expected"},
        {"[1,]", "']' where a value is expected"},
        {"[,1]", "',' where a value is expected"},
        {"{\"a\":1,}", "a member's name is expected"},
        {"{a:1}", "a member's name is expected"},
        {"{'a':1}", "a member's name is expected"},
        {"{\"a\" 1}", "':' is expected"},
        {"[1] [2]", "x.json:1:5: '[' where the end of the text is expected"},
        {"/* c */ 1", "a value is expected"},
        {"nul", "a value is expected"},
        {"\xef\xbb\xbf{}", "a value is expected"},
        {"[\"\xff\"]", "x.json:1:3: invalid UTF-8"},
        {"[\"\xed\xa0\x80\"]", "invalid UTF-8"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        expect_refused(rows[i].text, strlen(rows[i].text), rows[i].message);
    expect_refused("[1]\0", 4, "x.json:1:4: NUL character");
}

static char *
nest(guint depth)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < depth; i++)
        g_string_append(text, i % 2 == 0 ? "[" : "{\"a\":");
    g_string_append(text, "1");
    for (guint i = depth; i > 0; i--)
        g_string_append_c(text, i % 2 == 0 ? '}' : ']');
    return g_string_free(text, FALSE);
}

static void
test_json_depth_64_is_taken_and_65_is_not(void **state)
{
    (void)state;
    g_autofree char *good = nest(VR_JSON_DEPTH_MAX);
    g_autofree char *bad = nest(VR_JSON_DEPTH_MAX + 1);
    g_autofree char *same = canonical(good);
    assert_string_equal(same, good);
    expect_refused(bad, strlen(bad), "nested more than 64 deep");

    g_autofree char *brackets = g_strnfill(1000000, '[');
    expect_refused(brackets, 1000000, "nested more than 64 deep");
}

/* Above some number, names are found by hash: the same answers on both sides of it. */
static void
test_json_duplicate_among_many_names_is_found(void **state)
{
    (void)state;
    for (guint count = 1; count < 100; count++) {
        GString *text = g_string_new("{\"o\":{");
        for (guint i = 0; i < count; i++)
            g_string_append_printf(text, "\"n%u\":{\"n%u\":0},", i, i);
        g_autofree char *good = g_strconcat(text->str, "\"last\":1},\"n0\":1}", NULL);
        g_autofree char *bad = g_strconcat(text->str, "\"n0\":1},\"n0\":1}", NULL);
        g_string_free(text, TRUE);
        g_autofree char *taken = canonical(good);
        assert_non_null(taken);
        expect_refused(bad, strlen(bad), "\"n0\" is there twice");
    }
}

static void
test_json_sha256_is_the_known_one(void **state)
{
    (void)state;
    g_autofree char *digest = vr_json_sha256("abc");
    assert_string_equal(digest,
                        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void
test_json_scan_reads_without_a_tree(void **state)
{
    (void)state;
    static const char text[] = "{\"skip\":[{\"a\":[1]}],\"n\":7,\"list\":[\"a\",\"b\"]}";
    g_autoptr(GError) error = NULL;
    g_autoptr(VrJsonScan) scan = vr_json_scan_new(text, strlen(text), "x.json");
    gint64 number = 0;
    GString *letters = g_string_new(NULL);
    vr_json_scan_enter(scan);
    for (const char *name; (name = vr_json_scan_member(scan)) != NULL;) {
        if (strcmp(name, "n") == 0) {
            number = vr_json_scan_integer(scan);
        } else if (strcmp(name, "list") == 0) {
            vr_json_scan_enter(scan);
            while (vr_json_scan_element(scan))
                g_string_append(letters, vr_json_scan_string(scan));
        } else {
            vr_json_scan_skip(scan);
        }
    }
    assert_true(vr_json_scan_finish(scan, &error));
    assert_int_equal(number, 7);
    assert_string_equal(letters->str, "ab");
    g_string_free(letters, TRUE);
}

static void
feed(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = vr_json_parse(text, length, "x.json", &error);
    assert_true((node == NULL) == (error != NULL));
    if (node == NULL)
        return;
    /* Whatever passes is understood the same again. */
    g_autofree char *once = vr_json_canonical(node);
    expect_canonical(once, once);
}

static void
test_json_damaged_text_is_survived(void **state)
{
    (void)state;
    expect_survives_damage("{\"name\":\"d\\u00e4\\ud83d\\ude00\",\"list\":[1,-23,true,null,"
                           "{\"a\":{\"b\":[[],{}]}}],\"z\":\"\xc3\xa4\\n\\\\\"}",
                           20000, feed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_canonical_sorts_and_escapes),
        cmocka_unit_test(test_json_escapes_every_byte_at_every_place),
        cmocka_unit_test(test_json_canonical_is_its_own_canonical_form),
        cmocka_unit_test(test_json_numbers_of_64_bits_are_kept),
        cmocka_unit_test(test_json_refuses_with_place),
        cmocka_unit_test(test_json_depth_64_is_taken_and_65_is_not),
        cmocka_unit_test(test_json_duplicate_among_many_names_is_found),
        cmocka_unit_test(test_json_sha256_is_the_known_one),
        cmocka_unit_test(test_json_scan_reads_without_a_tree),
        cmocka_unit_test(test_json_damaged_text_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
