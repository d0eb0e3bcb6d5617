/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of texts and their errors share. Include it instead of cmocka.h. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

#include <virt-roll/error.h>

/* The error is there, has the code, and its message contains the part. Clears it. */
static inline void
expect_error(GError **error, VrErrorCode code, const char *part)
{
    assert_non_null(*error);
    if ((*error)->domain != VR_ERROR || (*error)->code != (int)code ||
        strstr((*error)->message, part) == NULL)
        fail_msg("code %d: \"%s\" lacks \"%s\"", (*error)->code, (*error)->message, part);
    g_clear_error(error);
}

static inline void
expect_no_error(const GError *error)
{
    if (error != NULL)
        fail_msg("%s", error->message);
}

typedef void (*ExpectFunc)(const char *text, gsize length);

/* A small generator: the same numbers in every run. */
static inline guint
expect_next_random(guint *state, guint limit)
{
    *state = *state * 1664525u + 1013904223u;
    return (guint)(((guint64)*state * limit) >> 32);
}

/*
 * Feeds every prefix of the text and `count` damaged copies of it to the function, which must
 * neither crash nor, under a sanitizer, read a byte beyond the length.
 */
static inline void
expect_survives_damage(const char *text, guint count, ExpectFunc feed)
{
    static const char bytes[] = "{}[]\",:\\-0129eEutn.#&*!|>%@`'\n\t \x01\x7f\x80\xc3\xff";
    gsize length = strlen(text);
    for (gsize i = 0; i <= length; i++) {
        g_autofree char *prefix = g_malloc(MAX(i, 1));
        memcpy(prefix, text, i);
        feed(prefix, i);
    }
    guint state = 1;
    for (guint i = 0; i < count; i++) {
        g_autofree char *copy = g_malloc(length);
        memcpy(copy, text, length);
        for (guint j = 0; j <= i % 4; j++) {
            guint at = expect_next_random(&state, (guint)length);
            guint from = expect_next_random(&state, (guint)length);
            guint span = expect_next_random(&state, 16);
            span = MIN(span, (guint)length - MAX(at, from));
            if (expect_next_random(&state, 2) == 0)
                copy[at] = bytes[expect_next_random(&state, sizeof bytes)];
            else
                memmove(copy + at, copy + from, span);
        }
        feed(copy, length);
    }
}
