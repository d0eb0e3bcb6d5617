/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <virt-roll/error.h>

#include <string.h>

#include "base/text.h"

#define VR_ERROR_ROW(code, word, http, exit, retry) {word, http, exit, retry},
static const VrErrorInfo table[] = {VR_ERRORS(VR_ERROR_ROW)};

/* It would put spaces into the name. */
/* clang-format off */
G_DEFINE_QUARK(vr-error-quark, vr_error)
/* clang-format on */

const VrErrorInfo *
vr_error_info(VrErrorCode code)
{
    g_assert((guint)code < G_N_ELEMENTS(table));
    return &table[code];
}

int
vr_error_exit_status(const GError *error)
{
    g_assert(error != NULL);
    if (error->domain != VR_ERROR)
        return 1;
    return vr_error_info((VrErrorCode)error->code)->exit_status;
}

/* Not the first byte of a character. */
static gboolean
is_inside_character(const char *at)
{
    return (*at & 0xc0) == 0x80;
}

/* Of a long message the subject in front and the remedy at the end matter most. */
static char *
shorten(const char *message)
{
    static const char gap[] = " … ";
    gsize kept = VR_ERROR_MESSAGE_MAX - strlen(gap);
    const char *head_end = message + kept / 2;
    const char *tail = message + strlen(message) - kept / 2;

    while (is_inside_character(head_end))
        head_end--;
    while (is_inside_character(tail))
        tail++;
    return g_strdup_printf("%.*s%s%s", (int)(head_end - message), message, gap, tail);
}

GError *
vr_error_new_valist(VrErrorCode code, const char *format, va_list arguments)
{
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    g_autofree char *line = vr_text_clean(message);

    if (strlen(line) <= VR_ERROR_MESSAGE_MAX)
        return g_error_new_literal(VR_ERROR, code, line);
    g_autofree char *shortened = shorten(line);
    return g_error_new_literal(VR_ERROR, code, shortened);
}

GError *
vr_error_new(VrErrorCode code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    GError *error = vr_error_new_valist(code, format, arguments);
    va_end(arguments);
    return error;
}

void
vr_error_set(GError **error, VrErrorCode code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (error != NULL)
        *error = vr_error_new_valist(code, format, arguments);
    va_end(arguments);
}
