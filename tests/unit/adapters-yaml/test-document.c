/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/expect.h"

#include <glib/gstdio.h>

#include "adapters/yaml/document.h"
#include "base/json.h"

static void
expect_canonical(const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrDocument) document = vr_yaml_parse(text, strlen(text), "x.yaml", &error);
    expect_no_error(error);
    g_autofree char *found = vr_json_canonical(document->root);
    assert_string_equal(found, expected);
    assert_true(document->strict);
}

static void
test_document_plain_scalars_follow_the_core_schema(void **state)
{
    static const struct {
        const char *text;
        const char *value;
    } rows[] = {
        {"no", "\"no\""},
        {"yes", "\"yes\""},
        {"on", "\"on\""},
        {"True", "true"},
        {"false", "false"},
        {"tRUE", "\"tRUE\""},
        {"~", "null"},
        {"Null", "null"},
        {"12", "12"},
        {"-12", "-12"},
        {"+12", "12"},
        {"012", "12"},
        {"0o17", "15"},
        {"0x1F", "31"},
        {"-0x1F", "\"-0x1F\""},
        {"0x", "\"0x\""},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"12:30", "\"12:30\""},
        {"1_000", "\"1_000\""},
        {"10%", "\"10%\""},
        {"7.2.22", "\"7.2.22\""},
        {"2026-11-22", "\"2026-11-22\""},
        {"'1'", "\"1\""},
        {"\"true\"", "\"true\""},
        {"\"\\x41\\n\"", "\"A\\n\""},
        {"|\n a\n b\n", "\"a\\nb\\n\""},
        {">-\n a\n b\n", "\"a b\""},
        {"e5", "\"e5\""},
        {".", "\".\""},
        {"-", "[null]"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        expect_canonical(rows[i].text, rows[i].value);
}

static void
test_document_collections_and_json(void **state)
{
    (void)state;
    expect_canonical("a:\n  - b: 1\n    c:\n  - [x, {y: z}]\n\"d\": 'e'\n",
                     "{\"a\":[{\"b\":1,\"c\":null},[\"x\",{\"y\":\"z\"}]],\"d\":\"e\"}");
    expect_canonical("{\"a\":[1,true,null,\"\\u00e4\"]}", "{\"a\":[1,true,null,\"\xc3\xa4\"]}");
    expect_canonical("%YAML 1.2\n--- \n# comment\nno: yes\n...\n", "{\"no\":\"yes\"}");
    expect_canonical("yes: 1\n3: 4\n", "{\"3\":4,\"yes\":1}");
}

static void
expect_place(const VrDocument *document, const char *pointer, const char *place)
{
    const char *found = g_hash_table_lookup(document->places, pointer);
    if (g_strcmp0(found, place) != 0)
        fail_msg("%s is at %s, not %s", pointer, found, place);
}

static void
test_document_knows_places_of_names_and_elements(void **state)
{
    (void)state;
    static const char text[] = "# head\n"
                               "name: dc1\n"
                               "limits:\n"
                               "  gate_s: 5\n"
                               "hosts:\n"
                               "  - name: h1\n"
                               "    a/b: 1\n"
                               "  - {name: h2, aliases: [x, y]}\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(VrDocument) document = vr_yaml_parse(text, strlen(text), "x.yaml", &error);
    expect_no_error(error);
    expect_place(document, "/name", "2:1");
    expect_place(document, "/limits", "3:1");
    expect_place(document, "/limits/gate_s", "4:3");
    expect_place(document, "/hosts/0", "6:5");
    expect_place(document, "/hosts/0/a~1b", "7:5");
    expect_place(document, "/hosts/1", "8:5");
    expect_place(document, "/hosts/1/name", "8:6");
    expect_place(document, "/hosts/1/aliases/1", "8:29");
}

static void
test_document_refuses_with_place(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"", "x.yaml: is empty"},
        {"# nothing\n", "x.yaml: is empty"},
        {"a: 1\nb: 2\na: 3\n", "x.yaml:3:1: \"a\" is there twice"},
        {"{\"a\": 1, 'a': 2}", "x.yaml:1:10: \"a\" is there twice"},
        {"a: [1, 2\nb: 3\n", "x.yaml:"},
        {"a: b: c\n", "x.yaml:1:"},
        {"a: 'b\n", "x.yaml:"},
        {"a:\n\t- b\n", "x.yaml:2:"},
        {"a: &x 1\n", "x.yaml:1:7: anchors (&name) are not accepted"},
        {"a: *x\n", "aliases (*name) are not accepted"},
        {"&k a: 1\n", "anchors (&name) are not accepted"},
        {"a: !!str 1\n", "tags (!name) are not accepted"},
        {"[a]: 1\n", "a key must be text"},
        {"a: 1.5\n", "x.yaml:1:4: 1.5 is a number with a fraction"},
        {"a: 1e3\n", "1e3 is a number with a fraction"},
        {"a: .5\n", ".5 is a number"},
        {"a: -.inf\n", "-.inf is a number"},
        {"a: 9223372036854775808\n", "does not fit into 64 bits"},
        {"a: -9223372036854775809\n", "does not fit into 64 bits"},
        {"a: 0xffffffffffffffff\n", "does not fit into 64 bits"},
        {"a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document begins"},
        {"a: \"x\\0y\"\n", "NUL character"},
        {"a: 1\nb: \xff\n", "x.yaml:2:4: invalid UTF-8"},
    };
    (void)state;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VrDocument) document =
            vr_yaml_parse(rows[i].text, strlen(rows[i].text), "x.yaml", &error);
        if (document != NULL)
            fail_msg("taken: %s", rows[i].text);
        expect_error(&error, VR_ERROR_INVALID, rows[i].message);
    }
    g_autoptr(GError) error = NULL;
    assert_null(vr_yaml_parse("a: \0", 4, "x.yaml", &error));
    expect_error(&error, VR_ERROR_INVALID, "x.yaml:1:4: NUL character");
}

static void
test_document_deep_nesting_is_refused(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *flow = g_strnfill(100000, '[');
    assert_null(vr_yaml_parse(flow, 100000, "x.yaml", &error));
    expect_error(&error, VR_ERROR_INVALID, "x.yaml:1:");

    GString *block = g_string_new(NULL);
    for (guint i = 0; i < VR_JSON_DEPTH_MAX + 1; i++)
        g_string_append(block, "- ");
    g_autofree char *text = g_string_free(block, FALSE);
    assert_null(vr_yaml_parse(text, strlen(text), "x.yaml", &error));
    expect_error(&error, VR_ERROR_INVALID, "x.yaml:1:");
    text[strlen(text) - 2] = '\0';
    g_autoptr(VrDocument) document = vr_yaml_parse(text, strlen(text), "x.yaml", &error);
    expect_no_error(error);
    assert_non_null(document);
}

static void
test_document_load_reads_files_and_says_why_not(void **state)
{
    (void)state;
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("virt-roll-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "x.yaml", NULL);
    assert_null(vr_yaml_load(path, &error));
    expect_error(&error, VR_ERROR_NOT_FOUND, path);
    assert_null(vr_yaml_load(folder, &error));
    expect_error(&error, VR_ERROR_IO, folder);

    assert_true(g_file_set_contents(path, "a: 1\n", -1, NULL));
    g_autoptr(VrDocument) document = vr_yaml_load(path, &error);
    expect_no_error(error);
    assert_string_equal(document->source, path);

    g_autofree char *big = g_strnfill(VR_YAML_BYTES_MAX + 1, '#');
    assert_true(g_file_set_contents(path, big, VR_YAML_BYTES_MAX + 1, NULL));
    assert_null(vr_yaml_load(path, &error));
    expect_error(&error, VR_ERROR_INVALID, "is larger than 16 MiB");
    assert_int_equal(g_unlink(path), 0);
    assert_int_equal(g_rmdir(folder), 0);
}

static void
feed(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VrDocument) document = vr_yaml_parse(text, length, "x.yaml", &error);
    assert_true((document == NULL) == (error != NULL));
}

static void
test_document_damaged_text_is_survived(void **state)
{
    (void)state;
    expect_survives_damage("# head\nname: 'dc1'\nlimits: {gate_s: 5, x: \"a\\nb\"}\nhosts:\n"
                           "  - name: h[1-2]\n    text: |\n      a\n      b\n  - - 1\n    - -2\n",
                           10000, feed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document_plain_scalars_follow_the_core_schema),
        cmocka_unit_test(test_document_collections_and_json),
        cmocka_unit_test(test_document_knows_places_of_names_and_elements),
        cmocka_unit_test(test_document_refuses_with_place),
        cmocka_unit_test(test_document_deep_nesting_is_refused),
        cmocka_unit_test(test_document_load_reads_files_and_says_why_not),
        cmocka_unit_test(test_document_damaged_text_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
