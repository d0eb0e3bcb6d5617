/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

/* What GLib only complains of is a mistake of ours. */
static void __attribute__((constructor)) prepare(void)
{
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
}

char *
vr_fuzz_text(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\0', size);

    return g_strndup((const char *)data, end != NULL ? (size_t)(end - data) : size);
}

void
vr_fuzz_check_utf8(const char *text)
{
    g_assert_true(text == NULL || g_utf8_validate(text, -1, NULL));
}

void
vr_fuzz_check_error(const GError *error, const char *subject)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == VR_ERROR);
    g_assert_nonnull(vr_error_info((VrErrorCode)error->code)->word);
    if (subject != NULL && !g_str_has_prefix(error->message, subject))
        g_error("the message does not begin with '%s': %s", subject, error->message);
    vr_fuzz_check_utf8(error->message);
    g_assert_cmpuint(strlen(error->message), <=, VR_ERROR_MESSAGE_MAX);
    for (const char *c = error->message; *c != '\0'; c = g_utf8_next_char(c))
        if (g_unichar_iscntrl(g_utf8_get_char(c)))
            g_error("the message has a control character: %s", error->message);
}
