/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "expect.h"

#include "base/json.h"
#include "base/reader.h"

static VrDocument *
document(const char *text, gboolean strict)
{
    g_autoptr(GError) error = NULL;
    JsonNode *root = vr_json_parse(text, strlen(text), "x.json", &error);
    expect_no_error(error);
    return vr_document_new(root, "x.json", strict);
}

/* Something with every kind of member. */
static gboolean
read_all(const VrDocument *text, GError **error)
{
    static const char *const words[] = {"allow", "refuse", NULL};
    g_autoptr(VrReader) reader = vr_reader_new(text);
    (void)vr_reader_required_string(reader, "name");
    (void)vr_reader_required_integer(reader, "count", 0, 10);
    (void)vr_reader_boolean(reader, "flag", FALSE);
    (void)vr_reader_word(reader, "word", words, 0);
    g_auto(GStrv) list = vr_reader_strings(reader, "list");
    if (vr_reader_enter(reader, "part")) {
        (void)vr_reader_integer(reader, "gate_s", 0, 10, 0);
        vr_reader_leave(reader);
    }
    guint length = 0;
    if (vr_reader_enter_array(reader, "items", &length)) {
        for (guint i = 0; i < length && vr_reader_enter_element(reader, i); i++) {
            (void)vr_reader_string(reader, "uri", NULL);
            vr_reader_leave(reader);
        }
        vr_reader_leave(reader);
    }
    return vr_reader_finish(reader, error);
}

static void
test_reader_refuses_with_path(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"[]", "x.json: must be a mapping, not a list"},
        {"{\"count\":1}", "x.json: name: is missing"},
        {"{\"name\":\"a\",\"count\":null}", "x.json: count: is missing"},
        {"{\"name\":\"a\",\"count\":11}", "count: must be an integer from 0 to 10, not 11"},
        {"{\"name\":\"a\",\"count\":\"1\"}", "count: must be an integer from 0 to 10, not \"1\""},
        {"{\"name\":7,\"count\":1}", "name: must be text, not 7; put it into quotes"},
        {"{\"name\":\"a\",\"count\":1,\"flag\":\"yes\"}",
         "flag: must be true or false, not \"yes\""},
        {"{\"name\":\"a\",\"count\":1,\"word\":\"alow\"}",
         "word: must be one of allow, refuse, not \"alow\"; did you mean allow?"},
        {"{\"name\":\"a\",\"count\":1,\"word\":3}", "word: must be one of allow, refuse, not 3"},
        {"{\"name\":\"a\",\"count\":1,\"list\":[\"a\",5]}", "list[1]: must be text, not 5"},
        {"{\"name\":\"a\",\"count\":1,\"list\":\"a\"}", "list: must be a list, not \"a\""},
        {"{\"name\":\"a\",\"count\":1,\"part\":[]}", "part: must be a mapping, not a list"},
        {"{\"name\":\"a\",\"count\":1,\"items\":[{},{\"uri\":{}}]}",
         "items[1].uri: must be text, not a mapping"},
        {"{\"name\":\"a\",\"count\":1,\"items\":[{},4]}", "items[1]: must be a mapping, not 4"},
        {"{\"name\":\"a\",\"count\":1,\"part\":{\"gates_s\":1}}",
         "part.gates_s: there is no such field; did you mean gate_s?"},
        {"{\"name\":\"a\",\"count\":1,\"xyzzy\":1}", "xyzzy: there is no such field"},
        {"{\"name\":\"a\",\"count\":1,\"items\":[{\"url\":\"a\"}]}",
         "items[0].url: there is no such field; did you mean uri?"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(VrDocument) text = document(rows[i].text, TRUE);
        g_autoptr(GError) error = NULL;
        assert_false(read_all(text, &error));
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
}

static void
test_reader_first_error_sticks(void **state)
{
    (void)state;
    g_autoptr(VrDocument) text = document("{\"name\":1,\"count\":\"x\",\"other\":1}", TRUE);
    g_autoptr(GError) error = NULL;
    assert_false(read_all(text, &error));
    expect_error(&error, VR_ERROR_INVALID, "x.json: name:");
}

static void
test_reader_lenient_document_tolerates_unknown_fields(void **state)
{
    (void)state;
    g_autoptr(VrDocument) text =
        document("{\"name\":\"a\",\"count\":1,\"more\":1,\"part\":{\"x\":2}}", FALSE);
    g_autoptr(GError) error = NULL;
    assert_true(read_all(text, &error));
    expect_no_error(error);
}

static void
test_reader_gives_values_and_fallbacks(void **state)
{
    static const char *const words[] = {"allow", "refuse", NULL};
    (void)state;
    g_autoptr(VrDocument) text = document("{\"s\":\"t\",\"i\":-5,\"b\":true,\"w\":\"refuse\",\"n\":"
                                          "null,\"l\":[\"x\",\"y\"],\"o\":{\"z\":1,\"a\":2}}",
                                          TRUE);
    g_autoptr(VrReader) reader = vr_reader_new(text);
    assert_string_equal(vr_reader_string(reader, "s", NULL), "t");
    assert_null(vr_reader_string(reader, "s2", NULL));
    assert_int_equal(vr_reader_integer(reader, "i", -5, 5, 0), -5);
    assert_int_equal(vr_reader_integer(reader, "i2", 0, 5, 99), 99);
    assert_true(vr_reader_boolean(reader, "b", FALSE));
    assert_true(vr_reader_boolean(reader, "b2", TRUE));
    assert_int_equal(vr_reader_word(reader, "w", words, 0), 1);
    assert_int_equal(vr_reader_word(reader, "w2", words, 1), 1);
    assert_true(vr_reader_is_null(reader, "n"));
    assert_false(vr_reader_is_null(reader, "n2"));
    assert_false(vr_reader_has(reader, "n"));
    assert_true(vr_reader_has(reader, "s"));
    assert_true(vr_reader_is_array(reader, "l"));
    assert_false(vr_reader_is_array(reader, "s"));
    assert_true(vr_reader_is_string(reader, "s"));
    assert_false(vr_reader_is_string(reader, "i"));
    g_auto(GStrv) list = vr_reader_strings(reader, "l");
    assert_string_equal(list[1], "y");
    assert_null(list[2]);
    assert_null(vr_reader_strings(reader, "l2"));

    assert_true(vr_reader_enter(reader, "o"));
    g_autoptr(GList) members = vr_reader_members(reader);
    assert_string_equal(members->data, "z");
    assert_string_equal(members->next->data, "a");
    (void)vr_reader_integer(reader, "z", 0, 9, 0);
    (void)vr_reader_integer(reader, "a", 0, 9, 0);
    vr_reader_leave(reader);
    assert_false(vr_reader_enter(reader, "o2"));
    assert_false(vr_reader_failed(reader));

    g_autoptr(GError) error = NULL;
    assert_true(vr_reader_finish(reader, &error));
}

static void
test_reader_names_the_place_or_the_nearest_above(void **state)
{
    (void)state;
    g_autoptr(VrDocument) text = document("{\"a/b\":{\"c\":1}}", TRUE);
    text->places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(text->places, g_strdup("/a~1b"), g_strdup("3:5"));
    g_hash_table_insert(text->places, g_strdup("/a~1b/c"), g_strdup("4:7"));

    g_autoptr(VrReader) reader = vr_reader_new(text);
    assert_true(vr_reader_enter(reader, "a/b"));
    assert_string_equal(vr_reader_place(reader, "c"), "4:7");
    assert_string_equal(vr_reader_place(reader, NULL), "3:5");
    assert_null(vr_reader_place(reader, "d"));
    vr_reader_fail(reader, "d", "is %s", "wrong");
    assert_true(vr_reader_failed(reader));
    vr_reader_leave(reader);
    g_autoptr(GError) error = NULL;
    assert_false(vr_reader_finish(reader, &error));
    expect_error(&error, VR_ERROR_INVALID, "x.json:3:5: a/b.d: is wrong");
}

static void
test_reader_nearest_word(void **state)
{
    static const char *const words[] = {"gate_s", "gate_canary_s", "name", "mode", NULL};
    (void)state;
    assert_string_equal(vr_nearest_word("gtae_s", words), "gate_s");
    assert_string_equal(vr_nearest_word("gate_canry_s", words), "gate_canary_s");
    assert_string_equal(vr_nearest_word("nmae", words), "name");
    assert_null(vr_nearest_word("headroom", words));
    assert_null(vr_nearest_word("", words));
    g_autofree char *longest = g_strnfill(100000, 'g');
    assert_null(vr_nearest_word(longest, words));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_refuses_with_path),
        cmocka_unit_test(test_reader_first_error_sticks),
        cmocka_unit_test(test_reader_lenient_document_tolerates_unknown_fields),
        cmocka_unit_test(test_reader_gives_values_and_fallbacks),
        cmocka_unit_test(test_reader_names_the_place_or_the_nearest_above),
        cmocka_unit_test(test_reader_nearest_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
