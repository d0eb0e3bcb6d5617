/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sha256.h"
#include "expect.h"

/* In pieces of up to `piece_max` bytes. */
static char *
sum_up(const char *text, gsize length, guint piece_max, guint *state)
{
    VrSha256 *sha256 = vr_sha256_new();

    for (gsize at = 0; at < length;) {
        gsize piece = expect_next_random(state, piece_max + 1);
        piece = MIN(piece, length - at);
        vr_sha256_update(sha256, text + at, piece);
        at += piece;
    }
    return vr_sha256_finish(sha256);
}

/* FIPS 180-4's own examples. */
static void
test_sha256_known_sums(void **state)
{
    static const struct {
        const char *text, *sum;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    guint random = 1;
    (void)state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *sum = sum_up(rows[i].text, strlen(rows[i].text), 100, &random);
        assert_string_equal(sum, rows[i].sum);
    }
}

/* Every length around the ends of blocks, however the text is cut. */
static void
test_sha256_is_that_of_glib(void **state)
{
    char text[1000];
    guint random = 1;
    (void)state;

    for (guint i = 0; i < sizeof text; i++)
        text[i] = (char)expect_next_random(&random, 256);
    for (gsize length = 0; length <= sizeof text; length++) {
        g_autofree char *wanted =
            g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, length);
        g_autofree char *whole = sum_up(text, length, sizeof text, &random);
        g_autofree char *pieces = sum_up(text, length, 1 + (guint)length / 3, &random);
        assert_string_equal(whole, wanted);
        assert_string_equal(pieces, wanted);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256_known_sums),
        cmocka_unit_test(test_sha256_is_that_of_glib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
