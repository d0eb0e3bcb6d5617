/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/json-writer.h"
#include "base/json.h"

static void
write_many(VrJsonWriter *out, guint count)
{
    vr_json_writer_begin(out, '{');
    vr_json_writer_name(out, "a");
    vr_json_writer_begin(out, '[');
    vr_json_writer_integer(out, G_MININT64);
    vr_json_writer_integer(out, 0);
    vr_json_writer_integer(out, G_MAXINT64);
    vr_json_writer_end(out, ']');
    vr_json_writer_name(out, "b");
    vr_json_writer_begin(out, '{');
    vr_json_writer_end(out, '}');
    vr_json_writer_name(out, "c");
    vr_json_writer_begin(out, '[');
    for (guint i = 0; i < count; i++) {
        vr_json_writer_string(out, "größe \"\\\n\x01");
        vr_json_writer_boolean(out, i % 2 == 0);
        vr_json_writer_null(out);
    }
    vr_json_writer_end(out, ']');
    vr_json_writer_end(out, '}');
}

static void
test_json_writer_is_canonical(void **state)
{
    VrJsonWriter out = vr_json_writer_text();
    g_autoptr(GError) error = NULL;
    (void)state;

    write_many(&out, 3);
    g_autofree char *text = vr_json_writer_finish(&out);
    g_autoptr(JsonNode) root = vr_json_parse(text, strlen(text), "test", &error);
    assert_null(error);
    g_autofree char *canonical = vr_json_canonical(root);
    assert_string_equal(text, canonical);
}

/* Longer than what a digest keeps at a time. */
static void
test_json_writer_digest_is_that_of_the_text(void **state)
{
    VrJsonWriter text_out = vr_json_writer_text(), digest_out = vr_json_writer_digest();
    (void)state;

    write_many(&text_out, 20000);
    write_many(&digest_out, 20000);
    g_autofree char *text = vr_json_writer_finish(&text_out);
    g_autofree char *digest = vr_json_writer_finish(&digest_out);
    g_autofree char *wanted = vr_json_sha256(text);
    assert_true(strlen(text) > 200000);
    assert_string_equal(digest, wanted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_writer_is_canonical),
        cmocka_unit_test(test_json_writer_digest_is_that_of_the_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
